// The SQLite storage plugin: one file, one host, durable.
//
// Why: the default store. No server to run, and every acknowledged record survives a crash of the
// process, and with `synchronous: full` (the default) of the machine.
//
// Invariants: FORMAT.md has the schema and what holds in it. All writing goes through one
// connection (writer.hpp); readers see the last commit without waiting for the writer. A second
// host is kept out by `<path>.lock`.
//
// Threads: everything but open and close may be called at once. A read borrows a connection from
// the pool; when none is idle it opens another, so a callback may call the store again without a
// deadlock, and as many threads read at once as the host has workers.
#include "writer.hpp"

#include <algorithm>
#include <vector>

namespace synckit::sqlite {
namespace {

constexpr size_t kMaxIdleReaders = 8;

// Idle read connections.
class ReaderPool {
 public:
  explicit ReaderPool(const Options& options) : options_(options) {}

  Outcome take(std::unique_ptr<Reader>& reader) {
    {
      std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        reader = std::move(idle_.back());
        idle_.pop_back();
        return {};
      }
    }
    return Reader::open(options_, reader);
  }
  void give_back(std::unique_ptr<Reader> reader) {
    std::lock_guard lock(mutex_);
    if (idle_.size() < kMaxIdleReaders) idle_.push_back(std::move(reader));
  }

 private:
  const Options& options_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Reader>> idle_;
};

// A reader for one call.
class Borrowed {
 public:
  explicit Borrowed(ReaderPool& pool) : pool_(pool) {}
  ~Borrowed() {
    if (reader_) pool_.give_back(std::move(reader_));
  }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;
  Outcome take() { return pool_.take(reader_); }
  Reader* operator->() const { return reader_.get(); }

 private:
  ReaderPool& pool_;
  std::unique_ptr<Reader> reader_;
};

// The least byte string that is greater than every id that starts with `prefix`.
std::string end_of(Bytes prefix) {
  std::string end = prefix.str();
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
  if (end.empty()) return std::string(kMaxDocIdBytes + 1, '\xff');
  end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

Outcome broken(uint64_t position) {
  return {SK_MALFORMED, "the log is damaged: position " + std::to_string(position) +
                            " is missing; restore a backup"};
}

class Sqlite : public Storage<Sqlite> {
 public:
  static constexpr StorageInfo kInfo{"sqlite", SK_STORAGE_DURABLE};

  static Outcome open(std::string_view config, std::unique_ptr<Sqlite>& store) {
    auto opened = std::make_unique<Sqlite>();
    SK_TRY_OUTCOME(opened->options_.read(config));
    SK_TRY_OUTCOME(opened->lock_.take(opened->options_.path));
    SK_TRY_OUTCOME(opened->writer_.open(opened->options_));
    Borrowed reader(opened->readers_);  // a store that cannot be read is refused here
    SK_TRY_OUTCOME(reader.take());
    store = std::move(opened);
    return {};
  }

  Outcome append(std::span<sk_append> records, int64_t now_ms) {
    return writer_.append(records, now_ms);
  }
  Outcome save(Bytes doc, uint64_t position, uint64_t expected, uint64_t trim, Bytes snapshot) {
    return writer_.save(doc, position, expected, trim, snapshot);
  }
  Outcome erase(Bytes doc) { return writer_.erase(doc); }

  Outcome head(Bytes doc, sk_head& head, Writer& version) {
    Borrowed reader(readers_);
    SK_TRY_OUTCOME(reader.take());
    Transaction transaction(reader->db);
    SK_TRY_OUTCOME(transaction.begin_read());
    int64_t key = 0;
    SK_TRY_OUTCOME(find(reader, doc, key, head));
    if (!head.exists) return {};
    std::vector<sk_dot> dots;
    Use all(reader->versions);
    all->i64(1, key);
    int rc;
    while ((rc = all->step()) == SQLITE_ROW) dots.push_back({all->u64(0), all->u64(1)});
    if (rc != SQLITE_DONE) return reader->db.failure(rc, "reading");
    // The database orders replicas as signed numbers.
    std::sort(dots.begin(), dots.end(),
              [](const sk_dot& a, const sk_dot& b) { return a.replica < b.replica; });
    version.raw(dots.data(), dots.size() * sizeof(sk_dot));
    return {};
  }

  Outcome read(Bytes doc, uint64_t after, uint64_t max_bytes, const RecordSink& each) {
    Borrowed reader(readers_);
    SK_TRY_OUTCOME(reader.take());
    Transaction transaction(reader->db);
    SK_TRY_OUTCOME(transaction.begin_read());
    int64_t key = 0;
    sk_head head{};
    SK_TRY_OUTCOME(find(reader, doc, key, head));
    if (after < head.trimmed) {
      return {SK_CONFLICT, "records up to position " + std::to_string(head.trimmed) +
                               " were trimmed; load the snapshot first"};
    }
    if (after >= head.position) return {};
    Use rows(reader->log);
    rows->i64(1, key).u64(2, after);
    const uint64_t first = after + 1;
    uint64_t given = 0;
    while (after < head.position) {
      int rc = rows->step();
      if (rc == SQLITE_DONE) return broken(after + 1);
      if (rc != SQLITE_ROW) return reader->db.failure(rc, "reading");
      sk_record record{rows->u64(0), rows->u64(1), rows->u64(2), rows->u64(3), rows->i64(4),
                       rows->blob(5)};
      if (record.position != after + 1) return broken(after + 1);
      bool fits = given <= max_bytes && record.payload.len <= max_bytes - given;
      if (!fits && record.position != first) return {};
      given += record.payload.len;
      ++after;
      if (!each(record)) return {};
    }
    return {};
  }

  Outcome load(Bytes doc, Writer& snapshot, uint64_t& position) {
    Borrowed reader(readers_);
    SK_TRY_OUTCOME(reader.take());
    Use row(reader->snapshot);
    int rc = row->blob(1, doc).step();
    if (rc == SQLITE_DONE) return {};
    if (rc != SQLITE_ROW) return reader->db.failure(rc, "reading");
    position = row->u64(0);
    snapshot.raw(row->blob(1));
    return {};
  }

  Outcome list(const ListQuery& query, const ListedSink& each) {
    // `id > after` is `id >= after + one zero byte`: nothing lies between.
    std::string past = query.after.str() + '\0';
    std::string first = query.prefix.str();
    if (!query.after.empty() && Bytes(first) < Bytes(past)) first = past;
    std::string end = end_of(query.prefix);
    Borrowed reader(readers_);
    SK_TRY_OUTCOME(reader.take());
    Use rows(reader->list);
    rows->blob(1, first).blob(2, end).i64(3, query.updated_since_ms).i64(4, query.limit);
    int rc;
    while ((rc = rows->step()) == SQLITE_ROW) {
      if (!each({rows->blob(0), rows->u64(1), rows->i64(2)})) return {};
    }
    return rc == SQLITE_DONE ? Outcome() : reader->db.failure(rc, "reading");
  }

 private:
  static Outcome find(const Borrowed& reader, Bytes doc, int64_t& key, sk_head& head) {
    Use row(reader->find);
    int rc = row->blob(1, doc).step();
    if (rc == SQLITE_DONE) return {};
    if (rc != SQLITE_ROW) return reader->db.failure(rc, "reading");
    key = row->i64(0);
    head.exists = 1;
    head.epoch = row->u64(1);
    head.position = row->u64(2);
    head.snapshot_position = row->u64(3);
    head.trimmed = row->u64(4);
    return {};
  }

  // Destroyed from the last: readers, then the writer (which folds the log into the file), then
  // the lock.
  Options options_;
  HostLock lock_;
  BatchWriter writer_;
  ReaderPool readers_{options_};
};

}  // namespace
}  // namespace synckit::sqlite

SYNCKIT_STORAGE_PLUGIN(synckit::sqlite::Sqlite, "synckit.sqlite", "1.0.0")
