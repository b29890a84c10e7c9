// Documents, local edits and the offline queue. See engine.hpp for the rules.
#include "engine.hpp"

#include "state.hpp"

namespace synckit {
namespace {

// How far ahead of the host's time a transaction must be to be re-stamped although the host may
// hold it: more than any delay between the host's clock reading in Welcome and our use of it.
constexpr uint64_t kClockSlackMs = 60'000;

}  // namespace

void Engine::start(const EngineConfig& config) {
  replica_ = config.replica;
  backoff_.state = config.seed + config.replica;
  persistent_ = config.persistent;
  client_ = config.client;
}

Engine::~Engine() {
  while (Doc* doc = docs_) {
    docs_ = doc->next;
    delete doc;
  }
}

// ---- documents ----------------------------------------------------------------------------------

#if defined(SYNCKIT_CLIENT_ONLY)

// core.ts names no document that is not open, none before it was loaded, and no field that the
// document has not.
Engine::Doc* Engine::find(DocHandle handle) const {
  if (handle == 0) __builtin_unreachable();
  return reinterpret_cast<Doc*>(handle);
}
Engine::Doc* Engine::ready(DocHandle handle) const { return find(handle); }
Engine::Doc* Engine::with_field(DocHandle handle, FieldHandle) const { return find(handle); }

DocHandle Engine::DocState::handle() const { return reinterpret_cast<DocHandle>(this); }

#else

DocHandle Engine::DocState::handle() const { return number; }

Engine::Doc* Engine::find(DocHandle handle) const {
  Doc* doc = docs_;
  while (doc && doc->handle() != handle) doc = doc->next;
  return doc;
}

Status Engine::not_open() { return {SK_UNSUPPORTED, SK_TEXT("no such document is open")}; }

Engine::Doc* Engine::ready(DocHandle handle) const {
  Doc* doc = find(handle);
  return doc && doc->ready ? doc : nullptr;
}

Engine::Doc* Engine::with_field(DocHandle handle, FieldHandle field) const {
  Doc* doc = ready(handle);
  return doc && field - 1 < doc->document->declared() ? doc : nullptr;
}

#endif

Engine::Doc* Engine::find_id(Bytes id) const {
  Doc* doc = docs_;
  while (doc && !(doc->id() == id)) doc = doc->next;
  return doc;
}

Status Engine::not_ready(DocHandle handle) const {
  Doc* doc = find(handle);
  if (!doc) return not_open();
  if (!doc->ready) return {SK_UNAVAILABLE, "the document is still loading"};
  return {SK_UNSUPPORTED, SK_TEXT("no such field is open")};
}

Status Engine::open(Bytes document, DocHandle& out) {
  out = 0;
  if (document.empty() || document.len > wire::kMaxDocumentIdBytes) {
    return Status::limit("a document id has 1 to 512 bytes");
  }
  if (Doc* known = find_id(document)) return out = known->handle(), Status{};
  uint32_t open = 0;
  for (const Doc* doc = docs_; !kFixedLimits && doc; doc = doc->next) ++open;
  if (open >= limits_.max_documents) return Status::limit("max_documents are open");
  Doc* doc = new Doc(registry_, limits_);
  doc->next = docs_;
  docs_ = doc;
  Writer prefix(doc->prefix);
  prefix.byte(static_cast<uint8_t>(document.len >> 8));
  prefix.byte(static_cast<uint8_t>(document.len));
  prefix.raw(document);
  doc->number = ++last_handle_;
  out = doc->handle();
  return {};
}

Status Engine::close(DocHandle handle, bool force, uint64_t) {
  Doc* doc = find(handle);
  if (!doc) return not_open();
  commit_open(*doc);
  if (!persistent() && !force && doc->queue.first) {
    return {SK_UNAVAILABLE, "it has changes that are not sent"};
  }
  seal_batch();
  if (session_ == Session::open) {
    frame(wire::Kind::unsubscribe, *doc);
    send();
  }
  Doc** at = &docs_;
  while (*at != doc) at = &(*at)->next;
  *at = doc->next;
  delete doc;
  return {};
}

Status Engine::field(DocHandle handle, Bytes name, Bytes type, FieldHandle& out) {
  out = 0;
  Doc* doc = find(handle);
  if (!doc) return not_open();
  SK_TRY(doc->document->declare(name, type, out));
  ++out;
  return {};
}

// ---- edits --------------------------------------------------------------------------------------

// The clock of an own transaction: `hlc`, or above what the host confirmed and our own before it.
uint64_t Engine::above(const Doc& doc, uint64_t hlc) {
  raise(hlc, doc.seen_hlc + 1);
  raise(hlc, doc.own_hlc + 1);
  return hlc;
}

Status Engine::room_for(const Doc& doc, size_t bytes) const {
  // Where limits are not to be chosen, that of bytes will do.
  if (!kFixedLimits && doc.queued >= limits_.max_pending_transactions) {
    return Status::limit("the queue is full: max_pending_transactions");
  }
  if (doc.queue.bytes + doc.changes.len + bytes > limits_.max_pending_bytes) {
    return Status::limit("the queue is full");
  }
  if (doc.dead >= limits_.max_dead_letters) {
    return Status::limit("too many refused changes are kept: discard some");
  }
  if (full()) return Status::limit("max_output_bytes: take output first");
  return {};
}

Status Engine::mutate(DocHandle handle, FieldHandle field, Bytes intent, uint64_t now_ms,
                      Edit& out) {
  out = {};
  Doc* doc = with_field(handle, field);
  if (!doc) return not_ready(handle);
  if (doc->permission == 1 || doc->sync == Doc::Sync::denied) {
    return {SK_DENIED, "no permission to write"};
  }
  SK_TRY(room_for(*doc, intent.len));
  constexpr size_t kOverhead = 1024;  // names, dots, headers
  size_t size = intent.len + kOverhead;
  if (doc->changes.len + size > max_transaction_bytes_) {
    if (doc->depth || size > max_transaction_bytes_) {
      return Status::limit("larger than max_transaction_bytes");
    }
    commit_open(*doc);
  }
  bool first = doc->changes.empty();
  uint64_t hlc = above(*doc, first ? Hlc::pack(host_time(now_ms)) : doc->open_hlc);
  patch_.clear();
  scratch_.clear();
  Stamp stamp{replica_, doc->next_seq(), hlc};
  if (kWatchesEdits && watch_) watch_->before(handle, field, stamp, intent, first, now_ms);
  SK_TRY(doc->document->mutate(field - 1, stamp, intent, scratch_, out.count, &patch_));
  if (out.count) {
    doc->open_hlc = hlc;
    doc->open_count += out.count;
    const DocumentField& at = doc->document->field(field - 1);
    wire::encode(wire::Change{at.name(), at.type_name(), out.count, scratch_}, doc->changes);
    out.patch = patch_;
    if (kWatchesEdits && watch_) watch_->after(handle, field);
  }
  out.last_seq = doc->next_seq() - 1;
  return {};
}

Status Engine::begin(DocHandle handle) {
  Doc* doc = ready(handle);
  if (!doc) return not_ready(handle);
  if (doc->depth == 0) commit_open(*doc);
  ++doc->depth;
  return {};
}

Status Engine::commit(DocHandle handle, uint64_t) {
  Doc* doc = ready(handle);
  if (!doc) return not_ready(handle);
  if (doc->depth && --doc->depth) return {};
  commit_open(*doc);
  return {};
}

void Engine::commit_all(uint64_t) {
  for (Doc* doc = docs_; doc; doc = doc->next) {
    if (doc->depth == 0) commit_open(*doc);
  }
}

void Engine::commit_open(Doc& doc) {
  if (doc.changes.empty()) return;
  append(doc, make(doc.last_seq + 1, doc.open_count, doc.open_hlc, doc.changes));
  doc.document->commit_local(replica_, doc.last_seq, doc.open_hlc);
  doc.changes.clear();
  doc.open_count = 0;
  report_saved(doc);
}

// ---- the queue ----------------------------------------------------------------------------------

// An own transaction. Without changes it is void.
Engine::Pending* Engine::make(uint64_t seq, uint32_t count, uint64_t hlc, Bytes changes) {
  wire::TransactionHead head{replica_, seq, count, hlc};
  scratch_.clear();
  wire::encode(head, scratch_);
  add(scratch_, changes);
  return hold(head, changes.empty(), scratch_);
}

Engine::Pending* Engine::hold(const wire::TransactionHead& head, bool empty, Bytes encoded) {
  auto* made = static_cast<Pending*>(std::malloc(sizeof(Pending) + encoded.len));
  if (!made) out_of_memory();
  *made = {.next = nullptr,
           .seq = head.seq,
           .hlc = head.hlc,
           .len = static_cast<uint32_t>(encoded.len),
           .count = head.count,
           .batch = 0,
           .maybe_at_host = false,
           .told = false,
           .empty = empty};
  std::memcpy(made + 1, encoded.data, encoded.len);
  return made;
}

void Engine::queue_up(Doc& doc, Pending* pending) {
  doc.queue.add(pending);
  ++doc.queued;
  if (!doc.unsaved) doc.unsaved = pending;
  doc.last_seq = pending->last_seq();
  raise(doc.own_hlc, pending->hlc);
}

// Queues it here and in the store.
void Engine::append(Doc& doc, Pending* pending) {
  queue_up(doc, pending);
  put_pending(doc, *pending);
}

// Takes the queue's front.
Engine::Pending* Engine::unqueue(Doc& doc) {
  Pending* pending = doc.queue.first;
  if (doc.unsaved == pending) doc.unsaved = pending->next;
  --doc.queued;
  return doc.queue.take();
}

// Puts another form of a queued transaction (a new clock, or void) in its place, here and in the
// store.
void Engine::replace(Doc& doc, Pending** at, Pending* made) {
  Pending* old = *at;
  made->next = old->next;
  if (doc.queue.last == old) doc.queue.last = made;
  if (doc.unsaved == old) doc.unsaved = made;
  doc.queue.bytes += size_t{made->len} - old->len;
  *at = made;
  std::free(old);
  put_pending(doc, *made);
}

// Whether a fast clock stamped it, and the host cannot hold it.
bool Engine::ahead(const Pending& pending, uint64_t host_ms) const {
  uint64_t slack = pending.maybe_at_host ? kClockSlackMs : 0;
  return Hlc::ms(pending.hlc) > host_ms + skew_ms_ + slack;
}

void Engine::restamp(Doc& doc, Pending** at, uint64_t hlc) {
  patch_.clear();
  Status status = wire::decode((*at)->view(), read_);
  if (status.ok()) status = doc.document->restamp(read_, hlc, patch_);
  if (!status.ok()) return emit_status(doc.handle(), status);  // the host will refuse it if it must
  replace(doc, at, make(read_.seq, read_.count, hlc, patch_));
}

// Everything of ours up to `through` is durable at the host.
void Engine::acknowledge(Doc& doc, uint64_t through) {
  if (through <= doc.acked) return;
  doc.acked = through;
  put_own(doc);
  while (doc.queue.first && doc.queue.first->last_seq() <= through) {
    Pending* pending = unqueue(doc);
    erase(doc, kQueueRecord, pending->seq);
    raise(doc.seen_hlc, pending->hlc);
    remember(doc, pending);
  }
  raise(doc.last_seq, through);
  doc.attempt = 0;
  progress(doc, Stage::saved, through);  // the log may know it before the store does
  progress(doc, Stage::durable, through);
}

// Keeps what is acknowledged, as far as there is room.
void Engine::remember(Doc& doc, Pending* pending) {
  doc.history.add(pending);
  while (doc.history.bytes > limits_.history_bytes) std::free(doc.history.take());
}

void Engine::report_saved(Doc& doc) {
  uint64_t seq = 0;
  for (; doc.unsaved && doc.unsaved->batch <= stored_; doc.unsaved = doc.unsaved->next) {
    seq = doc.unsaved->last_seq();
  }
  progress(doc, Stage::saved, seq);
}

void Engine::stored(uint32_t batch, uint64_t) {
  if (batch >= batch_id_ || batch <= stored_) return;
  stored_ = batch;
  for (Doc* doc = docs_; doc; doc = doc->next) report_saved(*doc);
}

// ---- reading ------------------------------------------------------------------------------------

Status Engine::view(DocHandle handle, FieldHandle field, Buffer& json) const {
  Doc* doc = with_field(handle, field);
  return doc ? doc->document->view(field - 1, json) : not_ready(handle);
}

Instance Engine::instance(DocHandle handle, FieldHandle field) const {
  Doc* doc = with_field(handle, field);
  if (!doc) return {};
  const DocumentField& at = doc->document->field(field - 1);
  return {at.type, at.instance};
}

Status Engine::view_all(DocHandle handle, Buffer& json) const {
  Doc* doc = ready(handle);
  if (!doc) return not_ready(handle);
  return doc->document->view_all(json);
}

Status Engine::digest(DocHandle handle, uint64_t& out) const {
  Doc* doc = ready(handle);
  if (!doc) return not_ready(handle);
  return doc->document->digest(out);
}

Status Engine::snapshot(DocHandle handle, Buffer& out) const {
  Doc* doc = ready(handle);
  if (!doc) return not_ready(handle);
  return doc->document->encode_snapshot(out);
}

Status Engine::version(DocHandle handle, sk_version& out) const {
  Doc* doc = ready(handle);
  if (!doc) return not_ready(handle);
  out = doc->document->version().view();
  return {};
}

DocStatus Engine::status(DocHandle handle) const {
  const Doc* doc = find(handle);
  return doc ? status_of(doc) : DocStatus::offline;
}

uint32_t Engine::pending(DocHandle handle) const {
  const Doc* doc = find(handle);
  return doc ? doc->queued : 0;
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
