// Putting events out, and handing everything over. Formats: output.hpp.
#include "engine.hpp"
#include "state.hpp"

namespace synckit {

void Engine::emit(Out kind, DocHandle doc, uint32_t number, uint64_t a, uint64_t b, Bytes bytes,
                  Bytes more) {
  if (kHandsOver) return hand_over(kind, doc, number, a, b, bytes, more);
  OutputHead head{kind, doc, a, b, number, static_cast<uint32_t>(bytes.len + more.len)};
  add(out_, {reinterpret_cast<const uint8_t*>(&head), sizeof head});
  add(out_, bytes);
  add(out_, more);
}

void Engine::tell(Out kind, DocHandle doc, uint32_t number, Bytes bytes) {
  emit(kind, doc, number, 0, 0, bytes);
}

wire::Message& Engine::frame(wire::Kind kind) {
  frame_.clear();
  message_.open(static_cast<uint32_t>(kind));
  return message_;
}

wire::Message& Engine::frame(wire::Kind kind, const Doc& doc) {
  frame(kind).item(1, doc.id());
  return message_;
}

void Engine::send() {
  message_.close(1);  // the tag of every kind is one byte
  tell(Out::frame, 0, 0, frame_);
}

// Reports are cumulative.
void Engine::progress(Doc& doc, Stage stage, uint64_t seq) {
  uint64_t& told = doc.told[static_cast<size_t>(stage)];
  if (seq <= told) return;
  told = seq;
  emit(Out::progress, doc.handle(), static_cast<uint32_t>(stage), seq);
}

void Engine::emit_status(DocHandle doc, Status status) {
  tell(Out::error, doc, static_cast<uint32_t>(status.code()), status.text());
}

void Engine::emit_presence(const Doc& doc, uint64_t replica, Bytes principal, Bytes data) {
  emit(Out::presence, doc.handle(), static_cast<uint32_t>(replica), replica >> 32, principal.len,
       principal, data);
}

DocStatus Engine::status_of(const Doc* doc) const {
  switch (session_) {
    case Session::opening:
    case Session::hello: return DocStatus::connecting;
    case Session::open: break;
    default: return DocStatus::offline;
  }
  if (!doc) return DocStatus::synced;
  if (doc->sync == Doc::Sync::denied) return DocStatus::denied;
  bool calm = doc->sync == Doc::Sync::live && !doc->queue.first && doc->changes.empty();
  return calm ? DocStatus::synced : DocStatus::syncing;
}

void Engine::update_status() {
  DocStatus overall = status_of(nullptr);
  for (Doc* doc = docs_; doc; doc = doc->next) {
    DocStatus status = status_of(doc);
    if (status == DocStatus::syncing) overall = DocStatus::syncing;
    if (status == doc->status) continue;
    doc->status = status;
    tell(Out::status, doc->handle(), static_cast<uint32_t>(status));
  }
  if (overall == overall_) return;
  overall_ = overall;
  tell(Out::status, 0, static_cast<uint32_t>(overall));
}

Bytes Engine::take_output(uint64_t now_ms) {
  for (Doc* doc = docs_; doc; doc = doc->next) {
    settle(*doc, now_ms);
    if (doc->presence_dirty) send_presence(*doc);
  }
  update_status();
  seal_batch();
  if (kHandsOver) return {};
  drained_.swap(out_);
  constexpr size_t kKeptBytes = 256 * 1024;  // of the spare buffer, after a burst
  if (out_.cap > kKeptBytes) out_ = Buffer();
  out_.clear();
  return drained_;
}

}  // namespace synckit
