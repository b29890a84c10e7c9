// Documents, edits and the queue; output. What is said with the host: sync.cpp.
#include "state.hpp"

namespace synckit {
namespace {

constexpr const char* kNotOpen = "no such document is open";

}  // namespace

void Lite::start(uint64_t replica, Bytes client) {
  replica_ = backoff_.state = replica;
  client_ = client;
}

Lite::~Lite() {
  while (Doc* doc = docs_) {
    docs_ = doc->next;
    delete doc;
  }
}

// ---- output -------------------------------------------------------------------------------------

void Lite::emit(Out kind, DocHandle doc, uint32_t number, uint64_t a, uint64_t b, Bytes bytes) {
  if (kHandsOver) return hand_over(kind, doc, number, a, b, bytes, {});
  OutputHead head{kind, doc, a, b, number, static_cast<uint32_t>(bytes.len)};
  add(out_, {reinterpret_cast<const uint8_t*>(&head), sizeof head});
  add(out_, bytes);
}

void Lite::tell(Out kind, DocHandle doc, uint32_t number, Bytes bytes) {
  emit(kind, doc, number, 0, 0, bytes);
}

void Lite::tell_status(DocHandle doc, Status status) {
  tell(Out::error, doc, static_cast<uint32_t>(status.code()), status.text());
}

DocStatus Lite::status_of_session() const {
  if (session_ == Session::open) return DocStatus::synced;
  bool connecting = session_ == Session::opening || session_ == Session::hello;
  return connecting ? DocStatus::connecting : DocStatus::offline;
}

DocStatus Lite::status_of(const Doc& doc) const {
  DocStatus status = status_of_session();
  if (status != DocStatus::synced) return status;
  if (doc.sync == Doc::Sync::denied) return DocStatus::denied;
  if (doc.sync != Doc::Sync::live || doc.first || doc.open_count) return DocStatus::syncing;
  return status;
}

Bytes Lite::take_output(uint64_t) {
  DocStatus overall = status_of_session();
  for (Doc* doc = docs_; doc; doc = doc->next) {
    DocStatus status = status_of(*doc);
    if (status == DocStatus::syncing) overall = status;
    if (status == doc->status) continue;
    doc->status = status;
    tell(Out::status, doc->handle(), static_cast<uint32_t>(status));
  }
  if (overall != overall_) {
    overall_ = overall;
    tell(Out::status, 0, static_cast<uint32_t>(overall));
  }
  if (kHandsOver) return {};
  drained_.swap(out_);
  out_.clear();
  return drained_;
}

// ---- documents ----------------------------------------------------------------------------------

#if defined(SYNCKIT_CLIENT_ONLY)

// core.ts names no document that is not open.
Lite::Doc* Lite::find(DocHandle handle) const {
  if (handle == 0) __builtin_unreachable();
  return reinterpret_cast<Doc*>(handle);
}

DocHandle Lite::DocState::handle() const { return reinterpret_cast<DocHandle>(this); }

#else

DocHandle Lite::DocState::handle() const { return number; }

Lite::Doc* Lite::find(DocHandle handle) const {
  Doc* doc = docs_;
  while (doc && doc->handle() != handle) doc = doc->next;
  return doc;
}

#endif

Lite::Doc* Lite::find_id(Bytes id) const {
  Doc* doc = docs_;
  while (doc && !(doc->name() == id)) doc = doc->next;
  return doc;
}

Status Lite::open(Bytes id, DocHandle& out) {
  if (id.empty() || id.len > kMaxDocumentBytes) {
    return Status::limit("a document id has 1 to 512 bytes");
  }
  Doc* doc = find_id(id);
  if (!doc) {
    size_t open = 0;
    Doc** at = &docs_;
    for (; *at; at = &(*at)->next) ++open;
    if (open == kMaxDocuments) return Status::limit("1024 documents are open");
    *at = doc = new Doc;
    add(doc->id, id);
    doc->number = ++last_handle_;
  }
  out = doc->handle();
  return {};
}

Status Lite::loaded(DocHandle handle, uint64_t now_ms) {
  Doc* doc = find(handle);
  if (!doc) return {SK_UNSUPPORTED, kNotOpen};
  subscribe(*doc, now_ms);
  return {};
}

Status Lite::close(DocHandle handle, bool force, uint64_t) {
  Doc* doc = find(handle);
  if (!doc) return {SK_UNSUPPORTED, kNotOpen};
  commit_open(*doc);
  if (doc->first && !force) return {SK_UNAVAILABLE, "it has changes that are not sent"};
  if (session_ == Session::open) send_id(wire::Kind::unsubscribe, doc->name());
  Doc** at = &docs_;
  while (*at != doc) at = &(*at)->next;
  *at = doc->next;
  delete doc;
  return {};
}

Status Lite::view(DocHandle handle, FieldHandle, Buffer& out) const {
  Doc* doc = find(handle);
  if (!doc) return {SK_UNSUPPORTED, kNotOpen};
  return of_type(map_type().contents(doc->map, &out, nullptr));
}

uint32_t Lite::pending(DocHandle handle) const {
  Doc* doc = find(handle);
  return doc ? doc->queued : 0;
}

uint64_t Lite::last_seq(DocHandle handle) const {
  Doc* doc = find(handle);
  return doc ? doc->last_seq : 0;
}

uint64_t Lite::position(DocHandle handle) const {
  Doc* doc = find(handle);
  return doc ? doc->position : 0;
}

DocStatus Lite::status(DocHandle handle) const {
  Doc* doc = find(handle);
  return doc ? status_of(*doc) : DocStatus::offline;
}

// ---- edits --------------------------------------------------------------------------------------

// Above everything that this document has seen, at the host's time as far as it is known.
uint64_t Lite::next_hlc(const Doc& doc, uint64_t now_ms) const {
  uint64_t hlc = Hlc::pack(now_ms + static_cast<uint64_t>(offset_ms_));
  raise(hlc, doc.seen_hlc + 1);
  raise(hlc, doc.own_hlc + 1);
  return hlc;
}

Status Lite::mutate(DocHandle handle, FieldHandle, Bytes intent, uint64_t now_ms, Edit& out) {
  out = {};
  Doc* doc = find(handle);
  if (!doc) return {SK_UNSUPPORTED, kNotOpen};
  if (doc->permission == 1 || doc->sync == Doc::Sync::denied) {
    return {SK_DENIED, "no permission to write"};
  }
  size_t room = intent.len + kOverhead;
  if (doc->queue_bytes + doc->open.len + room > kMaxQueueBytes) {
    return Status::limit("the queue is full (32 MiB)");
  }
  if (!doc->depth && doc->open.len + room > max_transaction_bytes_) commit_open(*doc);
  if (doc->open.len + room > max_transaction_bytes_) {
    return Status::limit("larger than max_transaction_bytes");
  }
  uint64_t hlc = doc->open_hlc;
  if (!doc->open_count) hlc = next_hlc(*doc, now_ms);
  raise(hlc, doc->seen_hlc + 1);  // a change may have arrived since: stay above it
  patch_.clear();
  delta_.clear();
  Stamp stamp{replica_, doc->next_seq(), hlc};
  SK_TRY(of_type(map_type().mutate(doc->map, &stamp, intent.data, intent.len, &delta_, &patch_,
                               &out.count, nullptr)));
  if (out.count) {
    wire::encode(wire::Change{{}, map_type_name(), out.count, delta_}, doc->open);
    doc->open_hlc = hlc;
    doc->open_count += out.count;
    out.patch = patch_;
  }
  out.last_seq = doc->next_seq() - 1;
  return {};
}

Status Lite::begin(DocHandle handle) {
  Doc* doc = find(handle);
  if (!doc) return {SK_UNSUPPORTED, kNotOpen};
  if (!doc->depth) commit_open(*doc);
  ++doc->depth;
  return {};
}

Status Lite::commit(DocHandle handle, uint64_t) {
  Doc* doc = find(handle);
  if (!doc) return {SK_UNSUPPORTED, kNotOpen};
  if (!doc->depth || !--doc->depth) commit_open(*doc);
  return {};
}

void Lite::commit_all(uint64_t) {
  for (Doc* doc = docs_; doc; doc = doc->next) {
    if (!doc->depth) commit_open(*doc);
  }
}

Lite::Pending* Lite::make(uint64_t seq, uint32_t count, uint64_t hlc, Bytes changes) {
  wire::encode(wire::TransactionHead{replica_, seq, count, hlc}, frame_);
  Writer(frame_).raw(changes);
  auto* made = static_cast<Pending*>(std::malloc(sizeof(Pending) + frame_.len));
  if (!made) out_of_memory();
  *made = {nullptr, seq, hlc, count, static_cast<uint32_t>(frame_.len), changes.empty()};
  std::memcpy(made + 1, frame_.data, frame_.len);
  frame_.clear();
  return made;
}

void Lite::commit_open(Doc& doc) {
  if (!doc.open_count) return;
  Pending* made = make(doc.last_seq + 1, doc.open_count, doc.open_hlc, doc.open);
  *doc.end = made;
  doc.end = &made->next;
  if (!doc.unsent) doc.unsent = made;
  ++doc.queued;
  doc.queue_bytes += made->cost();
  doc.last_seq = made->last_seq();
  doc.own_hlc = made->hlc;
  doc.open.clear();
  doc.open_count = 0;
  emit(Out::progress, doc.handle(), static_cast<uint32_t>(Stage::saved), doc.last_seq, 0, {});
  pump(doc);
}

// Everything of ours up to `through` is durable at the host.
void Lite::acknowledge(Doc& doc, uint64_t through) {
  raise(doc.own_there, through);
  if (through <= doc.acked) return;
  doc.acked = through;
  while (Pending* pending = doc.first) {
    if (pending->last_seq() > through) break;
    raise(doc.seen_hlc, pending->hlc);
    if (doc.unsent == pending) {
      doc.unsent = pending->next;
    } else {
      doc.sent_bytes -= pending->cost();
    }
    --doc.queued;
    doc.queue_bytes -= pending->cost();
    doc.first = pending->next;
    std::free(pending);
  }
  if (!doc.first) doc.end = &doc.first;
  doc.attempt = doc.refusals = 0;
  emit(Out::progress, doc.handle(), static_cast<uint32_t>(Stage::durable), through, 0, {});
}

}  // namespace synckit
