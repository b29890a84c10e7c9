// The local store's records: writing them as operations, reading them back. Layout: FORMAT.md.
//
// Operations collect in batch_ until take_output seals them into one batch, so everything that one
// call decides is stored together.
#include "engine.hpp"
#include "state.hpp"

namespace synckit {
namespace {

constexpr size_t kMaxMessageBytes = 1024;  // of a refusal that is kept

void big(Writer& out, uint64_t value) {
  uint8_t bytes[8];
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<uint8_t>(value >> (56 - 8 * i));
  out.raw(bytes, 8);
}

uint64_t read_big(Reader& in) {
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | in.byte();
  return value;
}

Status spoiled() { return Status::malformed("a stored record is damaged: it was skipped"); }

}  // namespace

// ---- writing ------------------------------------------------------------------------------------

// Kinds from kLogRecord have one number in their keys, kinds from kQueueRecord two.
Bytes Engine::key(const Doc& doc, uint8_t kind, uint64_t a, uint64_t b) {
  key_.clear();
  Writer out(key_);
  out.byte(static_cast<uint8_t>(doc.id.len >> 8));
  out.byte(static_cast<uint8_t>(doc.id.len));
  out.raw(doc.id);
  out.byte(kind);
  if (kind >= kLogRecord) big(out, a);
  if (kind >= kQueueRecord) big(out, b);
  return key_;
}

void Engine::put(StoreOp op, Bytes key, Bytes head, Bytes value) {
  batch_.u8(static_cast<uint32_t>(op));
  batch_.sized(key);
  batch_.u32(head.len + value.len);
  batch_.raw(head);
  batch_.raw(value);
}

void Engine::erase(const Doc& doc, uint8_t kind, uint64_t a, uint64_t b) {
  if (!persistent()) return;
  batch_.u8(static_cast<uint32_t>(StoreOp::erase));
  batch_.sized(key(doc, kind, a, b));
}

void Engine::erase_log(Doc& doc, uint64_t through) {
  doc.log_records = 0;
  doc.log_bytes = 0;
  if (!persistent()) return;
  batch_.u8(static_cast<uint32_t>(StoreOp::erase_range));
  batch_.sized(key(doc, kLogRecord, 0));
  batch_.sized(key(doc, kLogRecord, through));
}

void Engine::put_pending(Doc& doc, Pending& pending) {
  pending.batch = 0;
  if (!persistent()) return;
  pending.batch = batch_id_;
  put(StoreOp::put, key(doc, kQueueRecord, replica_, pending.seq), {}, pending.view());
}

void Engine::put_dead(Doc& doc, const Pending& pending, uint32_t code, Bytes message) {
  if (!persistent()) return;
  if (message.len > kMaxMessageBytes) message.len = kMaxMessageBytes;
  Buffer head;
  Writer out(head);
  out.varint(code);
  out.sized(message);
  put(StoreOp::put, key(doc, kDeadRecord, replica_, pending.seq), head, pending.view());
}

void Engine::put_log(Doc& doc, uint64_t position, Bytes transaction) {
  if (!persistent()) return;
  Buffer head;
  Writer out(head);
  big(out, doc.epoch);
  put(StoreOp::put, key(doc, kLogRecord, position), head, transaction);
  ++doc.log_records;
  doc.log_bytes += transaction.len;
}

void Engine::put_snapshot(Doc& doc, uint64_t position, Bytes snapshot) {
  if (!persistent()) return;
  Buffer head;
  Writer out(head);
  big(out, doc.epoch);
  big(out, position);
  put(StoreOp::put_snapshot, key(doc, kSnapshotRecord), head, snapshot);
  doc.snapshot_bytes = snapshot.len;
  doc.snapshot_position = position;
  doc.refresh_bytes = 0;
}

// A grown local log is replaced by the host's snapshot: the host makes them anyway, and what makes
// them need not be shipped. The log is at least as long as the last one, so that at most as much is
// asked for as has come in.
bool Engine::wants_snapshot(const Doc& doc) const {
  return persistent() && doc.size() == 0 && doc.changes.empty() &&
         (doc.log_records >= limits_.snapshot_records ||
          doc.log_bytes >= limits_.snapshot_bytes) &&
         doc.log_bytes >= doc.snapshot_bytes && doc.log_bytes >= doc.refresh_bytes;
}

void Engine::seal_batch() {
  if (!persistent()) return;
  for (Doc* doc : docs_) {
    if (!doc || !doc->own_dirty) continue;
    doc->own_dirty = false;
    Buffer value;
    Writer(value).varint(doc->acked);
    put(StoreOp::put, key(*doc, kOwnRecord, replica_), {}, value);
  }
  if (batch_.empty()) return;
  out_.begin(Out::batch, batch_id_++);
  out_.raw(batch_);
  out_.end();
  batch_.clear();
}

Status Engine::discard(DocHandle handle, uint64_t seq, uint64_t) {
  Doc* doc = nullptr;
  SK_TRY(ready(handle, doc));
  erase(*doc, kDeadRecord, replica_, seq);
  if (doc->dead) --doc->dead;
  return {};
}

// ---- reading ------------------------------------------------------------------------------------

Status Engine::load(DocHandle handle, Bytes record, Bytes value, uint64_t) {
  Doc* doc = find(handle);
  if (!doc || doc->ready) return {SK_UNSUPPORTED, SK_TEXT("no such document is loading")};
  Bytes prefix = key(*doc, 0);
  prefix.len -= 1;
  if (record.len <= prefix.len || !(Bytes(record.data, prefix.len) == prefix)) {
    return Status::malformed(SK_TEXT("the record's key is not one of this document"));
  }
  if (!(doc->last_key.bytes() < record)) {
    return Status::malformed(
        SK_TEXT("records are to be given in ascending order of their keys"));
  }
  doc->last_key.clear();
  Writer(doc->last_key).raw(record);
  Reader in(Bytes(record.data + prefix.len, record.len - prefix.len));
  uint8_t kind = in.byte();
  uint64_t a = kind >= kLogRecord ? read_big(in) : 0;
  uint64_t b = kind >= kQueueRecord ? read_big(in) : 0;
  Status status;
  if (!in.good_end() || kind > kDeadRecord || kind == 0) {
    status = spoiled();
  } else if (kind == kSnapshotRecord) {
    status = load_snapshot(*doc, value);
  } else if (kind == kLogRecord) {
    status = load_log(*doc, a, value);
  } else if (kind == kOwnRecord) {
    Reader number(value);
    uint64_t acked = number.varint();
    if (!number.good_end()) status = spoiled();
    if (number.ok() && a == replica_ && acked > doc->acked) doc->acked = acked;
  } else if (kind == kQueueRecord) {
    status = load_queue(*doc, a, b, value);
  } else if (a == replica_) {
    status = load_dead(*doc, b, value);
  }
  if (!status.ok()) emit_status(handle, status);
  return {};
}

Status Engine::load_snapshot(Doc& doc, Bytes value) {
  Reader in(value);
  uint64_t epoch = read_big(in), position = read_big(in);
  if (!in.ok()) return spoiled();
  wire::Snapshot& snapshot = messages_.snapshot;
  SK_TRY(wire::decode(in.rest(), snapshot));
  SK_TRY(doc.document->merge_snapshot(snapshot, nullptr));
  doc.confirmed.join(snapshot.version);
  doc.seen_hlc = snapshot.max_hlc;
  doc.epoch = epoch;
  doc.position = position;
  doc.snapshot_bytes = value.len;
  doc.snapshot_position = position;
  return {};
}

Status Engine::load_log(Doc& doc, uint64_t position, Bytes value) {
  Reader in(value);
  uint64_t epoch = read_big(in);
  Bytes encoded = in.rest();
  if (!in.ok()) return spoiled();
  if (position <= doc.position) return {};  // another tab's, from before the snapshot
  if (doc.position == 0 && position == 1 && doc.epoch == 0) doc.epoch = epoch;
  if (epoch != doc.epoch || position != doc.position + 1) return {};  // the run has ended
  wire::Transaction& transaction = messages_.read;
  SK_TRY(wire::decode(encoded, transaction));
  SK_TRY(merge_confirmed(doc, transaction));
  doc.position = position;
  ++doc.log_records;
  doc.log_bytes += encoded.len;
  if (transaction.replica == replica_) {
    Pending own{transaction.seq, transaction.hlc, copy_bytes(encoded),
                static_cast<uint32_t>(encoded.len), transaction.count, 0, true, false, false};
    keep_history(doc, own);
  }
  return {};
}

// Seqs that the store has lost are used up by a void transaction, so that later ones may follow.
void Engine::fill_gap(Doc& doc, uint64_t through) {
  while (doc.last_seq < through) {
    uint64_t count = through - doc.last_seq;
    wire::Transaction& filler = messages_.made;
    filler.changes.clear();
    filler.replica = replica_;
    filler.seq = doc.last_seq + 1;
    filler.count = count > UINT16_MAX ? UINT16_MAX : static_cast<uint32_t>(count);
    filler.hlc = doc.own_hlc > doc.seen_hlc ? doc.own_hlc : doc.seen_hlc;
    if (filler.hlc == 0) filler.hlc = 1;
    scratch_.clear();
    wire::encode(filler, scratch_);
    queue_up(doc, filler, scratch_);
    put_pending(doc, doc.queue.back());
    doc.document->commit_local(replica_, filler.last_seq(), 0);
  }
}

Status Engine::load_queue(Doc& doc, uint64_t replica, uint64_t seq, Bytes value) {
  wire::Transaction& transaction = messages_.read;
  SK_TRY(wire::decode(value, transaction));
  if (transaction.replica != replica || transaction.seq != seq) return spoiled();
  Merged outcome = Merged::applied;
  if (replica != replica_) {
    if (transaction.last_seq() <= doc.confirmed[replica]) return {};
    uint64_t voided = doc.document->voided();
    SK_TRY(doc.document->merge(transaction, outcome, nullptr));
    // Without what it builds on it has no effect here, which it may have at the host.
    if (doc.document->voided() != voided) doc.rebuild_wanted = true;
    if (transaction.hlc > doc.foreign_hlc) doc.foreign_hlc = transaction.hlc;
    doc.foreign.push_back({replica, transaction.last_seq(), hash_bytes(value)});
    return {};
  }
  if (doc.acked < doc.confirmed[replica_]) doc.acked = doc.confirmed[replica_];
  if (transaction.last_seq() <= doc.acked) {  // the log has it: its erasure was not stored
    erase(doc, kQueueRecord, replica_, seq);
    return {};
  }
  if (doc.last_seq < doc.acked) doc.last_seq = doc.acked;
  if (transaction.seq <= doc.last_seq) return spoiled();
  if (transaction.seq > doc.last_seq + 1) fill_gap(doc, transaction.seq - 1);
  Status status = doc.document->merge(transaction, outcome, nullptr);
  queue_up(doc, transaction, value);
  doc.queue.back().maybe_at_host = true;
  return status;
}

Status Engine::load_dead(Doc& doc, uint64_t seq, Bytes value) {
  Reader in(value);
  uint64_t code = in.varint();
  Bytes message = in.sized();
  wire::Transaction& transaction = messages_.read;
  if (!in.ok() || code > UINT16_MAX) return spoiled();
  SK_TRY(wire::decode(in.rest(), transaction));
  ++doc.dead;
  emit_rejected(doc, seq, transaction.count, static_cast<uint32_t>(code), message);
  return {};
}

Status Engine::loaded(DocHandle handle, uint64_t now_ms) {
  Doc* doc = find(handle);
  if (!doc) return {SK_UNSUPPORTED, SK_TEXT("no such document is open")};
  if (doc->ready) return {};
  doc->ready = true;
  doc->last_key = Buffer();
  uint64_t own = doc->confirmed[replica_];
  if (doc->acked > own) doc->rebuild_wanted = true;  // see FORMAT.md, the rule on `own`
  if (doc->acked < own) doc->acked = own;
  if (doc->last_seq < doc->acked) doc->last_seq = doc->acked;
  // Queued transactions that wait for something that is not here.
  if (doc->document->version()[replica_] < doc->last_seq) doc->rebuild_wanted = true;
  doc->saved = doc->size();
  doc->saved_seq = doc->last_seq;
  if (doc->last_seq) emit_progress(*doc, Stage::saved, doc->last_seq);
  if (session_ == Session::open) {
    subscribe(doc);
    request_sync(*doc, now_ms);
  }
  return {};
}

}  // namespace synckit
