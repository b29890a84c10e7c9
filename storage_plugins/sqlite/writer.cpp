// See writer.hpp.
#include "writer.hpp"

#include <random>

namespace synckit::sqlite {
namespace {

constexpr char kAppending[] = "appending to";
constexpr char kSaving[] = "saving a snapshot in";
constexpr char kErasing[] = "erasing from";

uint64_t random_epoch() {
  std::random_device device;
  uint64_t epoch = 0;
  while (epoch == 0) epoch = (uint64_t{device()} << 32) | device();
  return epoch;
}

}  // namespace

Outcome BatchWriter::open(const Options& options) {
  SK_TRY_OUTCOME(open_database(options, db_));
  SK_TRY_OUTCOME(find_.prepare(
      db_, "SELECT key, position, snapshot_position, trimmed FROM documents WHERE id=?1"));
  SK_TRY_OUTCOME(create_.prepare(
      db_, "INSERT INTO documents(id, epoch, position, snapshot_position, trimmed, updated_ms) "
           "VALUES(?1, ?2, 0, 0, 0, ?3)"));
  SK_TRY_OUTCOME(advance_.prepare(
      db_, "UPDATE documents SET position=?2, updated_ms=max(updated_ms, ?3) WHERE key=?1"));
  SK_TRY_OUTCOME(
      author_.prepare(db_, "SELECT seq FROM versions WHERE doc=?1 AND replica=?2"));
  SK_TRY_OUTCOME(put_author_.prepare(
      db_, "INSERT INTO versions(doc, replica, seq) VALUES(?1, ?2, ?3) "
           "ON CONFLICT(doc, replica) DO UPDATE SET seq=excluded.seq"));
  SK_TRY_OUTCOME(put_record_.prepare(
      db_, "INSERT INTO log(doc, position, replica, seq_lo, seq_hi, time_ms, payload) "
           "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)"));
  SK_TRY_OUTCOME(duplicate_.prepare(
      db_, "SELECT position, seq_lo FROM log WHERE doc=?1 AND replica=?2 AND seq_hi>=?3 "
           "ORDER BY seq_hi LIMIT 1"));
  SK_TRY_OUTCOME(
      put_snapshot_.prepare(db_, "INSERT OR REPLACE INTO snapshots(doc, data) VALUES(?1, ?2)"));
  SK_TRY_OUTCOME(note_snapshot_.prepare(
      db_, "UPDATE documents SET snapshot_position=?2, trimmed=max(trimmed, ?3) WHERE key=?1"));
  SK_TRY_OUTCOME(trim_.prepare(db_, "DELETE FROM log WHERE doc=?1 AND position<=?2"));
  SK_TRY_OUTCOME(erase_log_.prepare(db_, "DELETE FROM log WHERE doc=?1"));
  SK_TRY_OUTCOME(erase_versions_.prepare(db_, "DELETE FROM versions WHERE doc=?1"));
  SK_TRY_OUTCOME(erase_snapshot_.prepare(db_, "DELETE FROM snapshots WHERE doc=?1"));
  return erase_document_.prepare(db_, "DELETE FROM documents WHERE key=?1");
}

Outcome BatchWriter::append(std::span<sk_append> records, int64_t now_ms) {
  std::lock_guard lock(mutex_);
  Batch batch;
  Transaction transaction(db_);
  SK_TRY_OUTCOME(transaction.begin_write());
  for (sk_append& record : records) {
    if (record.status == SK_OK) SK_TRY_OUTCOME(append_one(record, now_ms, batch));
  }
  SK_TRY_OUTCOME(write_back(batch, now_ms));
  return transaction.commit();
}

Outcome BatchWriter::append_one(sk_append& record, int64_t now_ms, Batch& batch) {
  Bytes doc = record.doc;
  auto [at, fresh] = batch.try_emplace(doc.text());
  Document& document = at->second;
  if (fresh) SK_TRY_OUTCOME(find_document(doc, document));
  auto [who, unknown] = document.authors.try_emplace(record.replica);
  Author& author = who->second;
  if (unknown) SK_TRY_OUTCOME(find_author(document, record.replica, author));
  if (record.seq_hi <= author.seq) return find_duplicate(document, record);
  if (record.seq_lo != author.seq + 1) {
    record.status = SK_CONFLICT;
    return {};
  }
  if (document.key == 0) SK_TRY_OUTCOME(create_document(doc, now_ms, document));
  Use put(put_record_);
  put->i64(1, document.key).u64(2, document.position + 1).u64(3, record.replica);
  put->u64(4, record.seq_lo).u64(5, record.seq_hi).i64(6, now_ms).blob(7, record.payload);
  SK_TRY_OUTCOME(put->done(kAppending));
  record.position = ++document.position;
  document.changed = true;
  author.seq = record.seq_hi;
  author.changed = true;
  return {};
}

Outcome BatchWriter::find_document(Bytes doc, Document& found) {
  Use find(find_);
  int rc = find->blob(1, doc).step();
  if (rc == SQLITE_DONE) return {};
  if (rc != SQLITE_ROW) return db_.failure(rc, "reading");
  found.key = find->i64(0);
  found.position = find->u64(1);
  found.snapshot_position = find->u64(2);
  found.trimmed = find->u64(3);
  return {};
}

Outcome BatchWriter::find_author(const Document& document, uint64_t replica, Author& author) {
  if (document.key == 0) return {};
  Use find(author_);
  int rc = find->i64(1, document.key).u64(2, replica).step();
  if (rc == SQLITE_DONE) return {};
  if (rc != SQLITE_ROW) return db_.failure(rc, "reading");
  author.seq = find->u64(0);
  return {};
}

// The record that holds seq_hi; none when it was trimmed.
Outcome BatchWriter::find_duplicate(const Document& document, sk_append& record) {
  Use find(duplicate_);
  int rc = find->i64(1, document.key).u64(2, record.replica).u64(3, record.seq_hi).step();
  if (rc != SQLITE_ROW && rc != SQLITE_DONE) return db_.failure(rc, "reading");
  record.duplicate = 1;
  if (rc == SQLITE_ROW && find->u64(1) <= record.seq_hi) record.position = find->u64(0);
  return {};
}

Outcome BatchWriter::create_document(Bytes doc, int64_t now_ms, Document& document) {
  Use create(create_);
  SK_TRY_OUTCOME(create->blob(1, doc).u64(2, random_epoch()).i64(3, now_ms).done(kAppending));
  document.key = sqlite3_last_insert_rowid(db_.get());
  return {};
}

Outcome BatchWriter::write_back(const Batch& batch, int64_t now_ms) {
  for (const auto& [id, document] : batch) {
    if (!document.changed) continue;
    Use advance(advance_);
    SK_TRY_OUTCOME(
        advance->i64(1, document.key).u64(2, document.position).i64(3, now_ms).done(kAppending));
    for (const auto& [replica, author] : document.authors) {
      if (!author.changed) continue;
      Use put(put_author_);
      SK_TRY_OUTCOME(
          put->i64(1, document.key).u64(2, replica).u64(3, author.seq).done(kAppending));
    }
  }
  return {};
}

Outcome BatchWriter::save(Bytes doc, uint64_t position, uint64_t expected, uint64_t trim,
                          Bytes snapshot) {
  std::lock_guard lock(mutex_);
  Document document;
  Transaction transaction(db_);
  SK_TRY_OUTCOME(transaction.begin_write());
  SK_TRY_OUTCOME(find_document(doc, document));
  if (document.snapshot_position != expected) {
    return {SK_CONFLICT, "the snapshot that is there covers position " +
                             std::to_string(document.snapshot_position) + ", not " +
                             std::to_string(expected)};
  }
  if (position > document.position) {
    return {SK_CONFLICT, "the document's log ends at position " +
                             std::to_string(document.position) + ", before the snapshot"};
  }
  if (position < document.snapshot_position) {
    return {SK_CONFLICT, "the snapshot is older than the one that is there"};
  }
  Use put(put_snapshot_), note(note_snapshot_), drop(trim_);
  SK_TRY_OUTCOME(put->i64(1, document.key).blob(2, snapshot).done(kSaving));
  SK_TRY_OUTCOME(note->i64(1, document.key).u64(2, position).u64(3, trim).done(kSaving));
  if (trim > document.trimmed) {
    SK_TRY_OUTCOME(drop->i64(1, document.key).u64(2, trim).done(kSaving));
  }
  return transaction.commit();
}

Outcome BatchWriter::erase(Bytes doc) {
  std::lock_guard lock(mutex_);
  Document document;
  Transaction transaction(db_);
  SK_TRY_OUTCOME(transaction.begin_write());
  SK_TRY_OUTCOME(find_document(doc, document));
  if (document.key == 0) return {};
  for (Statement* statement :
       {&erase_log_, &erase_versions_, &erase_snapshot_, &erase_document_}) {
    Use remove(*statement);
    SK_TRY_OUTCOME(remove->i64(1, document.key).done(kErasing));
  }
  return transaction.commit();
}

}  // namespace synckit::sqlite
