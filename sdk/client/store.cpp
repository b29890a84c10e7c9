// The local store's records: writing them as operations, reading them back. Layout: FORMAT.md.
//
// Operations collect in batch_ until take_output seals them into one batch, so everything that one
// call decides is stored together. Where records are handed over (kHandsOver) they collect at the
// caller, and batch_ has the last one.
#include "engine.hpp"
#include "state.hpp"

namespace synckit {
namespace {

constexpr size_t kMaxMessageBytes = 1024;  // of a refusal that is kept
// Own numbers that are to be used up at once; a damaged record must not ask for more.
constexpr uint64_t kMaxGap = UINT32_MAX;
constexpr size_t kRecordCost = 250;   // to read one of the log, beside its transaction
constexpr size_t kNumbersBytes = 16;  // two numbers: they end a key, and begin a value

void add_big(Writer& out, uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) out.byte(static_cast<uint8_t>(value >> shift));
}

uint64_t read_big(const uint8_t* at) {
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | at[i];
  return value;
}

Status spoiled() { return Status::malformed("a stored record is damaged"); }

}  // namespace

// ---- writing ------------------------------------------------------------------------------------

void Engine::put(StoreOp op, const Doc& doc, RecordKind kind, uint64_t number, uint64_t a,
                 uint64_t b, Bytes bytes, Bytes more) {
  if (!persistent()) return;
  bool own = kind >= kOwnRecord;
  uint32_t key_len = static_cast<uint32_t>(doc.prefix.len + 1 + kNumbersBytes);
  if (kHandsOver) batch_.clear();
  Writer out(batch_);
  if (!kHandsOver) {
    uint64_t value_len = kNumbersBytes + bytes.len + more.len;
    out.fixed64(static_cast<uint32_t>(op) | key_len << 8 | value_len << 32);
  }
  out.raw(doc.prefix);
  out.byte(kind);
  add_big(out, own ? replica_ : number);
  add_big(out, own ? number : 0);
  if (kHandsOver && op == StoreOp::erase_range) {  // the whole last key
    out.raw(doc.prefix);
    out.byte(kind);
  }
  add_big(out, a);
  add_big(out, b);
  out.raw(bytes);
  out.raw(more);
  if (kHandsOver) {
    emit(Out::store, 0, static_cast<uint32_t>(op), 0, 0, {batch_.data, key_len},
         {batch_.data + key_len, batch_.len - key_len});
  }
}

void Engine::erase(const Doc& doc, RecordKind kind, uint64_t number) {
  put(StoreOp::erase, doc, kind, number);
}

void Engine::erase_log(Doc& doc, uint64_t through) {
  doc.log_bytes = 0;
  put(StoreOp::erase_range, doc, kLogRecord, 0, through);
}

void Engine::put_own(Doc& doc) { put(StoreOp::put, doc, kOwnRecord, 0, doc.acked); }

void Engine::put_pending(Doc& doc, Pending& pending) {
  pending.batch = persistent() ? batch_id_ : 0;
  put(StoreOp::put, doc, kQueueRecord, pending.seq, 0, 0, pending.view());
}

// Keeps a refused transaction, as a dead letter, and tells.
void Engine::reject(Doc& doc, const Pending& pending, uint32_t code, Bytes message) {
  emit(Out::rejected, doc.handle(), code, pending.seq, pending.count, message);
  ++doc.dead;
  if (message.len > kMaxMessageBytes) message.len = kMaxMessageBytes;
  put(StoreOp::put, doc, kDeadRecord, pending.seq, code,
      uint64_t{pending.count} << 32 | message.len, message, pending.view());
}

void Engine::put_log(Doc& doc, uint64_t position, Bytes transaction) {
  put(StoreOp::put, doc, kLogRecord, position, doc.epoch, position, transaction);
  doc.log_bytes += transaction.len + kRecordCost;
}

void Engine::put_snapshot(Doc& doc, uint64_t position, Bytes snapshot) {
  erase_log(doc, position);
  put(StoreOp::put_snapshot, doc, kSnapshotRecord, 0, doc.epoch, position, snapshot);
  doc.snapshot_position = position;
  doc.refresh_bytes = snapshot.len;
}

// A grown local log is replaced by the host's snapshot: the host makes them anyway, and what makes
// them need not be shipped. The log is at least as long as the last one, so that at most as much is
// asked for as has come in.
bool Engine::wants_snapshot(const Doc& doc) const {
  return persistent() && !doc.queue.first && doc.changes.empty() &&
         doc.log_bytes >= limits_.snapshot_bytes && doc.log_bytes >= doc.refresh_bytes;
}

void Engine::seal_batch() {
  if (batch_.empty()) return;
  tell(Out::batch, 0, batch_id_++, kHandsOver ? Bytes{} : batch_.bytes());
  batch_.clear();
}

Status Engine::discard(DocHandle handle, uint64_t seq, uint64_t) {
  Doc* doc = ready(handle);
  if (!doc) return not_ready(handle);
  erase(*doc, kDeadRecord, seq);
  if (doc->dead) --doc->dead;
  return {};
}

// ---- reading ------------------------------------------------------------------------------------

Status Engine::load(DocHandle handle, Bytes record, Bytes value, uint64_t) {
  Doc* doc = find(handle);
  if (!doc || doc->ready) return {SK_UNSUPPORTED, SK_TEXT("no such document is loading")};
  Bytes prefix = doc->prefix;
  if (record.len <= prefix.len || !(Bytes(record.data, prefix.len) == prefix)) {
    return Status::malformed(SK_TEXT("the record's key is not one of this document"));
  }
  if (!(doc->last_key.bytes() < record)) {
    return Status::malformed(
        SK_TEXT("records are to be given in ascending order of their keys"));
  }
  doc->last_key.clear();
  add(doc->last_key, record);
  Status status = spoiled();
  if (record.len == prefix.len + 1 + kNumbersBytes && value.len >= kNumbersBytes) {
    const uint8_t* key = record.data + prefix.len;
    Record read{read_big(key + 1), read_big(key + 9), read_big(value.data),
                read_big(value.data + 8),
                {value.data + kNumbersBytes, value.len - kNumbersBytes}};
    status = load_record(*doc, *key, read);
  }
  if (!status.ok()) emit_status(handle, status);
  return {};
}

// A record by its parts: the numbers of its key, those of its value, and the rest.
Status Engine::load_record(Doc& doc, uint8_t kind, const Record& record) {
  bool own = record.key == replica_;
  switch (kind) {
    case kSnapshotRecord: return load_snapshot(doc, record);
    case kLogRecord: return load_log(doc, record);
    case kOwnRecord:
      if (record.a > kMaxGap) return spoiled();
      if (own && record.a > doc.acked) doc.acked = record.a;
      return {};
    case kQueueRecord: return load_queue(doc, record);
    case kDeadRecord: return own ? load_dead(doc, record) : Status{};
    default: return spoiled();
  }
}

Status Engine::load_snapshot(Doc& doc, const Record& record) {
  SK_TRY(wire::decode(record.bytes, snapshot_));
  SK_TRY(doc.document->merge_snapshot(snapshot_, nullptr));
  doc.at_host = snapshot_.version[replica_];
  doc.seen_hlc = snapshot_.max_hlc;
  doc.epoch = record.a;
  doc.position = doc.snapshot_position = record.b;
  doc.refresh_bytes = record.bytes.len;
  return {};
}

Status Engine::load_log(Doc& doc, const Record& record) {
  if (record.key <= doc.position) return {};  // another tab's, from before the snapshot
  if (record.key == 1 && doc.epoch == 0) doc.epoch = record.a;
  if (record.a != doc.epoch || record.key != doc.position + 1) return {};  // the run has ended
  SK_TRY(wire::decode(record.bytes, read_));
  SK_TRY(merge_confirmed(doc, read_, record.bytes));
  doc.position = record.key;
  doc.log_bytes += record.bytes.len + kRecordCost;
  if (read_.replica == replica_) remember(doc, hold(read_, read_.changes.empty(), record.bytes));
  return {};
}

// Seqs that the store has lost are used up by a void transaction, so that later ones may follow.
void Engine::fill_gap(Doc& doc, uint64_t through) {
  if (doc.last_seq >= through) return;
  uint32_t count = static_cast<uint32_t>(through - doc.last_seq);
  append(doc, make(doc.last_seq + 1, count, above(doc, 0), {}));
  doc.document->commit_local(replica_, through, 0);
}

Status Engine::load_queue(Doc& doc, const Record& record) {
  const wire::Transaction& transaction = read_;
  SK_TRY(wire::decode(record.bytes, read_));
  uint64_t replica = transaction.replica;
  if (replica != record.key || transaction.seq != record.second) return spoiled();
  Merged outcome = Merged::applied;
  if (replica != replica_) {
    if (transaction.last_seq() <= doc.document->version()[replica]) return {};
    uint64_t voided = doc.document->voided();
    SK_TRY(doc.document->merge(transaction, outcome, nullptr));
    // Without what it builds on it has no effect here, which it may have at the host.
    if (doc.document->voided() != voided) doc.rebuild_wanted = true;
    raise(doc.own_hlc, transaction.hlc);
    doc.foreign.push_back(fnv(record.bytes));
    return {};
  }
  raise(doc.acked, doc.at_host);
  if (transaction.last_seq() <= doc.acked) {  // the log has it: its erasure was not stored
    erase(doc, kQueueRecord, transaction.seq);
    return {};
  }
  raise(doc.last_seq, doc.acked);
  if (transaction.seq - doc.last_seq - 1 >= kMaxGap) return spoiled();
  fill_gap(doc, transaction.seq - 1);
  Status status = doc.document->merge(transaction, outcome, nullptr);
  Pending* pending = hold(transaction, transaction.changes.empty(), record.bytes);
  pending->maybe_at_host = true;
  queue_up(doc, pending);
  return status;
}

Status Engine::load_dead(Doc& doc, const Record& record) {
  Bytes message = record.bytes;
  if (message.len < static_cast<uint32_t>(record.b)) return spoiled();
  message.len = static_cast<uint32_t>(record.b);
  ++doc.dead;
  emit(Out::rejected, doc.handle(), static_cast<uint32_t>(record.a), record.second, record.b >> 32,
       message);
  return {};
}

Status Engine::loaded(DocHandle handle, uint64_t now_ms) {
  Doc* doc = find(handle);
  if (!doc) return not_open();
  if (doc->ready) return {};
  doc->ready = true;
  doc->last_key = Buffer();
  if (doc->acked > doc->at_host) doc->rebuild_wanted = true;  // FORMAT.md, the rule on `own`
  raise(doc->acked, doc->at_host);
  raise(doc->last_seq, doc->acked);
  // Queued transactions that wait for something that is not here.
  if (doc->document->version()[replica_] < doc->last_seq) doc->rebuild_wanted = true;
  progress(*doc, Stage::saved, doc->last_seq);
  if (session_ == Session::open) {
    request_sync(*doc, now_ms);
  }
  return {};
}

}  // namespace synckit
