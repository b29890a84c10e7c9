// Documents, local edits and the offline queue. See engine.hpp for the rules.
#include "engine.hpp"

#include "state.hpp"

namespace synckit {
namespace {

// How far ahead of the host's time a transaction must be to be re-stamped although the host may
// hold it: more than any delay between the host's clock reading in Welcome and our use of it.
constexpr uint64_t kClockSlackMs = 60'000;

// Hands a local edit's patch to the caller.
class LocalPatch final : public PatchSink {
 public:
  explicit LocalPatch(Buffer& out) : out_(out) {}
  void patch(Bytes, Bytes, Bytes bytes) override { Writer(out_).raw(bytes); }

 private:
  Buffer& out_;
};

Status not_open() { return {SK_UNSUPPORTED, SK_TEXT("no such document is open")}; }

}  // namespace

void Engine::start(const EngineConfig& config) {
  replica_ = config.replica;
  random_ = config.seed ^ config.replica;
  persistent_ = config.persistent;
  Writer(client_).raw(config.client);
}

Engine::~Engine() {
  for (Doc* doc : docs_) delete doc;
}

// ---- documents ----------------------------------------------------------------------------------

Engine::Doc* Engine::find(DocHandle handle) const {
  size_t slot = handle % kMaxDocuments;
  Doc* doc = slot < docs_.size() ? docs_[slot] : nullptr;
  return doc && doc->handle == handle ? doc : nullptr;
}

Engine::Doc* Engine::find_id(Bytes id) const {
  for (Doc* doc : docs_) {
    if (doc && doc->id.bytes() == id) return doc;
  }
  return nullptr;
}

Status Engine::ready(DocHandle handle, Doc*& out) const {
  out = find(handle);
  if (!out) return not_open();
  if (!out->ready) return {SK_UNAVAILABLE, "the document is still loading"};
  return {};
}

Status Engine::open(Bytes document, DocHandle& out) {
  out = 0;
  if (document.empty() || document.len > wire::kMaxDocumentIdBytes) {
    return Status::limit("a document id has 1 to 512 bytes");
  }
  if (Doc* known = find_id(document)) return out = known->handle, Status{};
  size_t slot = 0;
  while (slot < docs_.size() && docs_[slot]) ++slot;
  if (open_docs_ >= limits_.max_documents || slot >= kMaxDocuments) {
    return Status::limit("max_documents are open");
  }
  Doc* doc = new Doc(registry_, limits_);
  Writer(doc->id).raw(document);
  generation_ = generation_ % ((1u << 18) - 1) + 1;
  doc->handle = out = generation_ * kMaxDocuments + static_cast<uint32_t>(slot);
  if (slot == docs_.size()) docs_.push_back(nullptr);
  docs_[slot] = doc;
  ++open_docs_;
  return {};
}

Status Engine::close(DocHandle handle, bool force, uint64_t) {
  Doc* doc = find(handle);
  if (!doc) return not_open();
  commit_open(*doc);
  if (!persistent() && !force && doc->size()) {
    return {SK_UNAVAILABLE, "it has changes that are not sent"};
  }
  if (doc->own_dirty) seal_batch();
  if (session_ == Session::open) {
    wire::Unsubscribe message;
    message.documents.push_back(doc->id);
    send(message);
  }
  docs_[handle % kMaxDocuments] = nullptr;
  --open_docs_;
  delete doc;
  return {};
}

FieldHandle Engine::field_handle(Doc& doc, Bytes name, Bytes type, bool announce) {
  for (size_t i = 0; i < doc.fields.size(); ++i) {
    if (doc.fields[i].name() == name && doc.fields[i].type() == type) {
      return static_cast<FieldHandle>(i + 1);
    }
  }
  FieldName made{static_cast<uint8_t*>(std::malloc(name.len + type.len + 1)),
                 static_cast<uint32_t>(name.len), static_cast<uint32_t>(type.len)};
  if (!made.bytes) out_of_memory();
  if (name.len) std::memcpy(made.bytes, name.data, name.len);
  if (type.len) std::memcpy(made.bytes + name.len, type.data, type.len);
  doc.fields.push_back(made);
  FieldHandle handle = static_cast<FieldHandle>(doc.fields.size());
  if (kHasStore && announce) {  // lite asks for the one that it has
    out_.begin(Out::field, doc.handle);
    out_.u32(handle);
    out_.sized(name);
    out_.raw(type);
    out_.end();
  }
  return handle;
}

Status Engine::field(DocHandle handle, Bytes name, Bytes type, FieldHandle& out) {
  out = 0;
  Doc* doc = find(handle);
  if (!doc) return not_open();
  if (name.len > wire::kMaxFieldBytes) {
    return Status::limit("a field name is longer than 256 bytes");
  }
  if (!registry_.find(type)) return {SK_UNSUPPORTED, "this type is not loaded here"};
  if (doc->fields.size() >= 2 * limits_.document.max_fields) {
    return Status::limit("the document has max_fields");
  }
  out = field_handle(*doc, name, type, false);
  return {};
}

// ---- edits --------------------------------------------------------------------------------------

// Above everything that this document has seen, at the host's time as far as it is known.
uint64_t Engine::next_hlc(const Doc& doc, uint64_t now_ms) const {
  uint64_t hlc = Hlc::pack(now_ms + static_cast<uint64_t>(offset_ms_));
  if (hlc <= doc.seen_hlc) hlc = doc.seen_hlc + 1;
  if (hlc <= doc.own_hlc) hlc = doc.own_hlc + 1;
  return hlc;
}

Status Engine::room_for(const Doc& doc, size_t bytes) const {
  if (doc.size() >= limits_.max_pending_transactions) {
    return Status::limit("the queue is full: max_pending_transactions");
  }
  if (doc.queue_bytes + doc.deltas.len + bytes > limits_.max_pending_bytes) {
    return Status::limit("the queue is full: max_pending_bytes");
  }
  if (kHasStore && doc.dead >= limits_.max_dead_letters) {
    return Status::limit("max_dead_letters refused changes are kept: read and discard some first");
  }
  if (full()) return Status::limit("max_output_bytes: take output first");
  return {};
}

Status Engine::mutate(DocHandle handle, FieldHandle field, Bytes intent, uint64_t now_ms,
                      Edit& out) {
  out = {};
  Doc* doc = nullptr;
  SK_TRY(ready(handle, doc));
  if (field == 0 || field > doc->fields.size()) {
    return {SK_UNSUPPORTED, SK_TEXT("no such field is open")};
  }
  if (doc->permission == 1 || doc->sync == Doc::Sync::denied) {
    return {SK_DENIED, "no permission to write the document"};
  }
  SK_TRY(room_for(*doc, intent.len));
  constexpr size_t kOverhead = 1024;  // names, dots, headers
  if (intent.len + kOverhead > max_transaction_bytes_) {
    return Status::limit("larger than max_transaction_bytes");
  }
  size_t open = doc->deltas.len + doc->changes.size() * 32;
  if (open + intent.len + kOverhead > max_transaction_bytes_) {
    if (doc->depth) return Status::limit("larger than max_transaction_bytes");
    commit_open(*doc);
  }
  uint64_t hlc = doc->open_hlc;
  if (doc->changes.empty()) {
    hlc = next_hlc(*doc, now_ms);
    if (hlc <= doc->foreign_hlc) hlc = doc->foreign_hlc + 1;
  } else if (hlc <= doc->seen_hlc) {
    hlc = doc->seen_hlc + 1;  // a change arrived since: stay above it
  }
  const FieldName& name = doc->fields[field - 1];
  patch_.clear();
  LocalPatch sink(patch_);
  size_t start = doc->deltas.len;
  SK_TRY(doc->document->mutate(name.name(), name.type(), {replica_, doc->next_seq(), hlc}, intent,
                               doc->deltas, out.count, &sink));
  if (out.count) {
    doc->open_hlc = hlc;
    doc->changes.push_back({field, out.count, start, doc->deltas.len - start});
    doc->open_count += out.count;
  }
  out.patch = patch_;
  out.last_seq = doc->next_seq() - 1;
  return {};
}

Status Engine::begin(DocHandle handle) {
  Doc* doc = nullptr;
  SK_TRY(ready(handle, doc));
  if (doc->depth == 0) commit_open(*doc);
  ++doc->depth;
  return {};
}

Status Engine::commit(DocHandle handle, uint64_t) {
  Doc* doc = nullptr;
  SK_TRY(ready(handle, doc));
  if (doc->depth && --doc->depth) return {};
  commit_open(*doc);
  return {};
}

void Engine::commit_all(uint64_t) {
  for (Doc* doc : docs_) {
    if (doc && doc->depth == 0) commit_open(*doc);
  }
}

void Engine::commit_open(Doc& doc) {
  if (doc.changes.empty()) return;
  wire::Transaction& made = messages_.made;
  made.replica = replica_;
  made.seq = doc.last_seq + 1;
  made.count = doc.open_count;
  made.hlc = doc.open_hlc;
  made.changes.clear();
  for (const OpenChange& change : doc.changes) {
    const FieldName& name = doc.fields[change.field - 1];
    made.changes.push_back({name.name(), name.type(), change.count,
                             Bytes(doc.deltas.data + change.start, change.len)});
  }
  scratch_.clear();
  wire::encode(made, scratch_);
  doc.document->commit_local(replica_, made.last_seq(), made.hlc);
  queue_up(doc, made, scratch_);
  put_pending(doc, doc.queue.back());
  doc.changes.clear();
  doc.deltas.clear();
  doc.open_count = 0;
  report_saved(doc);
  pump(doc);
}

// ---- the queue ----------------------------------------------------------------------------------

void Engine::queue_up(Doc& doc, const wire::Transaction& transaction, Bytes encoded) {
  doc.queue.push_back({transaction.seq, transaction.hlc, copy_bytes(encoded),
                       static_cast<uint32_t>(encoded.len), transaction.count, 0, false, false,
                       transaction.changes.empty()});
  doc.queue_bytes += encoded.len;
  doc.last_seq = transaction.last_seq();
  if (transaction.hlc > doc.own_hlc) doc.own_hlc = transaction.hlc;
}

// Gives a queued transaction other bytes (a new clock, or void), in memory and in the store.
void Engine::rewrite(Doc& doc, size_t index, Bytes encoded, uint64_t hlc) {
  Pending& pending = doc.at(index);
  doc.queue_bytes += encoded.len - pending.len;
  uint8_t* bytes = copy_bytes(encoded);
  std::free(pending.bytes);
  pending.bytes = bytes;
  pending.len = static_cast<uint32_t>(encoded.len);
  pending.hlc = hlc;
  pending.maybe_at_host = false;
  put_pending(doc, pending);
  if (doc.saved > index) doc.saved = index;
}

// Invariant 8: what a fast clock stamped, and the host cannot hold, gets the host's time.
void Engine::restamp(Doc& doc, uint64_t now_ms) {
  uint64_t host_ms = now_ms + static_cast<uint64_t>(offset_ms_);
  size_t i = 0;
  while (i < doc.size()) {
    const Pending& pending = doc.at(i);
    uint64_t ahead = doc.refused_seq == pending.seq ? 0 : skew_ms_;
    if (Hlc::ms(pending.hlc) > host_ms + ahead + (pending.maybe_at_host ? kClockSlackMs : 0)) break;
    ++i;
  }
  if (i == doc.size()) return;
  doc.own_hlc = i ? doc.at(i - 1).hlc : 0;
  wire::Transaction& transaction = messages_.read;
  for (; i < doc.size(); ++i) {
    uint64_t hlc = next_hlc(doc, now_ms);
    scratch_.clear();
    Status status = wire::decode(doc.at(i).view(), transaction);
    if (status.ok()) status = doc.document->restamp(transaction, hlc, scratch_);
    if (!status.ok()) {  // the host will refuse it if it must
      emit_status(doc.handle, status);
      if (doc.document->broken()) doc.rebuild_wanted = true;
      for (; i < doc.size(); ++i) {
        if (doc.at(i).hlc > doc.own_hlc) doc.own_hlc = doc.at(i).hlc;
      }
      return;
    }
    doc.own_hlc = hlc;
    rewrite(doc, i, scratch_, hlc);
    // What lost against the old clock is gone from the document; what lost to another replica's
    // queue may have to come back. Start from the host's state.
    if (kHasStore && hlc <= doc.foreign_hlc) doc.rebuild_wanted = true;
  }
}

// Everything of ours up to `through` is durable at the host.
void Engine::acknowledge(Doc& doc, uint64_t through) {
  if (through <= doc.acked) return;
  doc.acked = through;
  doc.own_dirty = true;
  while (doc.size() && doc.at(0).last_seq() <= through) {
    Pending& pending = doc.at(0);
    erase(doc, kQueueRecord, replica_, pending.seq);
    if (pending.hlc > doc.seen_hlc) doc.seen_hlc = pending.hlc;
    doc.queue_bytes -= pending.len;
    if (doc.sent) --doc.sent, doc.sent_bytes -= pending.len;
    if (doc.saved) --doc.saved;
    keep_history(doc, pending);
    ++doc.head;
  }
  if (doc.head > 64 && doc.head * 2 > doc.queue.size()) {
    doc.queue.erase(0, doc.head);
    doc.head = 0;
  }
  if (doc.last_seq < through) doc.last_seq = through;
  doc.refused_seq = 0;
  doc.attempt = 0;
  if (doc.saved_seq < through) {  // the log knew it before the store did
    doc.saved_seq = through;
    emit_progress(doc, Stage::saved, through);
  }
  emit_progress(doc, Stage::durable, through);
}

// Takes the bytes of an acknowledged transaction: they are sent again when the host loses history.
void Engine::keep_history(Doc& doc, Pending& pending) {
  if (!kHasStore) return std::free(pending.bytes);
  doc.history.push_back({pending.seq, pending.bytes, pending.len, pending.count});
  doc.history_bytes += pending.len;
  if (doc.history_bytes <= limits_.history_bytes) return;
  size_t drop = 0;
  while (doc.history_bytes > limits_.history_bytes / 2) {
    doc.history_bytes -= doc.history[drop].len;
    std::free(doc.history[drop++].bytes);
  }
  doc.history.erase(0, drop);
}

void Engine::report_saved(Doc& doc) {
  uint64_t seq = 0;
  while (doc.saved < doc.size() && doc.at(doc.saved).batch <= stored_) {
    seq = doc.at(doc.saved++).last_seq();
  }
  if (seq <= doc.saved_seq) return;
  doc.saved_seq = seq;
  emit_progress(doc, Stage::saved, seq);
}

void Engine::stored(uint32_t batch, uint64_t) {
  if (batch >= batch_id_ || batch <= stored_) return;
  stored_ = batch;
  for (Doc* doc : docs_) {
    if (!doc || doc->saved == doc->size()) continue;
    report_saved(*doc);
    pump(*doc);
  }
}

// ---- reading ------------------------------------------------------------------------------------

Status Engine::view(DocHandle handle, FieldHandle field, Buffer& json) const {
  Doc* doc = nullptr;
  SK_TRY(ready(handle, doc));
  if (field == 0 || field > doc->fields.size()) {
    return {SK_UNSUPPORTED, SK_TEXT("no such field is open")};
  }
  const FieldName& name = doc->fields[field - 1];
  return doc->document->view(name.name(), name.type(), json);
}

Status Engine::view_all(DocHandle handle, Buffer& json) const {
  Doc* doc = nullptr;
  SK_TRY(ready(handle, doc));
  return doc->document->view_all(json);
}

Status Engine::digest(DocHandle handle, uint64_t& out) const {
  Doc* doc = nullptr;
  SK_TRY(ready(handle, doc));
  return doc->document->digest(out);
}

Status Engine::snapshot(DocHandle handle, Buffer& out) const {
  Doc* doc = nullptr;
  SK_TRY(ready(handle, doc));
  return doc->document->encode_snapshot(out);
}

Status Engine::version(DocHandle handle, VersionVector& out) const {
  Doc* doc = nullptr;
  SK_TRY(ready(handle, doc));
  out = doc->document->version();
  return {};
}

DocStatus Engine::status(DocHandle handle) const {
  const Doc* doc = find(handle);
  return doc ? status_of(*doc) : DocStatus::offline;
}

uint32_t Engine::pending(DocHandle handle) const {
  const Doc* doc = find(handle);
  return doc ? static_cast<uint32_t>(doc->size()) : 0;
}

uint64_t Engine::last_seq(DocHandle handle) const {
  const Doc* doc = find(handle);
  return doc ? doc->last_seq : 0;
}

uint64_t Engine::position(DocHandle handle) const {
  const Doc* doc = find(handle);
  return doc ? doc->position : 0;
}

uint64_t Engine::epoch(DocHandle handle) const {
  const Doc* doc = find(handle);
  return doc ? doc->epoch : 0;
}

}  // namespace synckit
