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

void Lite::tell_error(Status status) {
  tell(Out::error, 0, static_cast<uint32_t>(status.code()), status.text());
}

void Lite::tell_progress(const Doc& doc, Stage stage, uint64_t seq) {
  emit(Out::progress, doc.handle(), static_cast<uint32_t>(stage), seq, 0, {});
}

DocStatus Lite::status_of_session() const {
  return static_cast<DocStatus>(static_cast<uint8_t>(session_) / 2);
}

DocStatus Lite::status_of(const Doc& doc) const {
  DocStatus status = status_of_session();
  if (status != DocStatus::syncing) return status;
  if (doc.sync == Doc::Sync::denied) return DocStatus::denied;
  return doc.sync == Doc::Sync::live && doc.first == doc.queue.len ? DocStatus::synced : status;
}

Bytes Lite::take_output([[maybe_unused]] uint64_t now_ms) {
  if (kHandsOver) return {};
  tick(now_ms);
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

void Lite::name(Doc&) {}

#else

DocHandle Lite::DocState::handle() const { return number; }

void Lite::name(Doc& doc) { doc.number = ++last_handle_; }

Lite::Doc* Lite::find(DocHandle handle) const {
  Doc* doc = docs_;
  while (doc && doc->handle() != handle) doc = doc->next;
  return doc && doc->is_open ? doc : nullptr;
}

#endif

Lite::Doc* Lite::find_id(Bytes id) const {
  Doc* doc = docs_;
  while (doc && !(Bytes(doc->id) == id)) doc = doc->next;
  return doc;
}

Status Lite::open(Bytes id, DocHandle& out) {
  if (id.empty() || id.len > kMaxDocumentBytes) {
    return Status::limit("a document id has 1 to 512 bytes");
  }
  Doc* doc = find_id(id);
  if (!doc) {
    doc = new Doc;
    add(doc->id, id);
    name(*doc);
    doc->next = docs_;
    docs_ = doc;
  }
  if (!doc->is_open) {
    if (open_ == kMaxDocuments) return Status::limit("1024 documents are open");
    ++open_;
    doc->is_open = true;
    doc->ask(0);
  }
  out = doc->handle();
  return {};
}

Status Lite::close(DocHandle handle, bool force, uint64_t) {
  Doc* doc = find(handle);
  if (!doc) return {SK_UNSUPPORTED, kNotOpen};
  commit_open(*doc);
  if (doc->queued && !force) return {SK_UNAVAILABLE, "it has changes that are not sent"};
  if (session_ == Session::open) send_id(wire::Kind::unsubscribe, *doc);
  --open_;
  doc->empty();
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
uint64_t Lite::next_hlc(Doc& doc, uint64_t now_ms) const {
  ++doc.hlc;
  raise(doc.hlc, Hlc::pack(now_ms + static_cast<uint64_t>(offset_ms_)));
  return doc.hlc;
}

Status Lite::mutate(DocHandle handle, FieldHandle, Bytes intent, uint64_t now_ms, Edit& out) {
  out = {};
  Doc* doc = find(handle);
  if (!doc) return {SK_UNSUPPORTED, kNotOpen};
  if (session_ == Session::open && doc->permission == 1) {
    return {SK_DENIED, "no permission to write"};
  }
  size_t room = intent.len + kOverhead;
  if (doc->queue.len - doc->first + room > kMaxQueueBytes) {
    return Status::limit("the queue is full (32 MiB)");
  }
  if (!doc->depth && doc->queue.len - doc->open + room > max_transaction_bytes_) {
    commit_open(*doc);
  }
  if (doc->queue.len - doc->open + room > max_transaction_bytes_) {
    return Status::limit("larger than max_transaction_bytes");
  }
  if (doc->open == doc->queue.len) {
    Pending begun{doc->last_seq + 1, next_hlc(*doc, now_ms), 0, 0};
    add(doc->queue, {reinterpret_cast<const uint8_t*>(&begun), sizeof begun});
  }
  const Pending& open = doc->at(doc->open);
  patch_.clear();
  delta_.clear();
  Stamp stamp{replica_, open.seq + open.count, open.hlc};
  SK_TRY(of_type(map_type().mutate(doc->map, &stamp, intent.data, intent.len, &delta_, &patch_,
                                   &out.count, nullptr)));
  if (out.count) {
    write_change(doc->queue, out.count);
    Pending& written = doc->at(doc->open);
    written.count += out.count;
    written.len = static_cast<uint32_t>(doc->queue.len - doc->open - sizeof(Pending));
    out.patch = patch_;
  }
  out.last_seq = stamp.seq + out.count - 1;
  return {};
}

// Of what is in delta_.
void Lite::write_change(Buffer& to, uint32_t count) {
  wire::encode(wire::Change{{}, map_type_name(), count, delta_}, to);
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

void Lite::commit_open(Doc& doc) {
  if (doc.open == doc.queue.len) return;
  const Pending& made = doc.at(doc.open);
  if (!made.count) {  // the map has refused what it was begun for
    doc.queue.len = doc.open;
    return;
  }
  doc.last_seq = made.last_seq();
  doc.open = doc.queue.len;
  ++doc.queued;
  tell_progress(doc, Stage::saved, doc.last_seq);
}

// Everything of ours up to `through` is durable at the host.
void Lite::acknowledge(Doc& doc, uint64_t through) {
  raise(doc.own_there, through);
  if (through <= doc.acked) return;
  doc.acked = through;
  attempt_ = 0;
  while (doc.first != doc.open) {
    const Pending& pending = doc.at(doc.first);
    if (pending.last_seq() > through) break;
    doc.first += pending.size();
    --doc.queued;
  }
  raise(doc.unsent, doc.first);
  // Seldom enough that all moves together cost no more than what is acknowledged.
  if (size_t gone = doc.first; gone > doc.queue.len / 2) {
    doc.queue.len -= gone;
    doc.first = 0;
    doc.unsent -= gone;
    doc.open -= gone;
    std::memmove(doc.queue.data, doc.queue.data + gone, doc.queue.len);
  }
  tell_progress(doc, Stage::durable, through);
}

}  // namespace synckit
