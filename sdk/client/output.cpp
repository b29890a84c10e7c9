// Putting events out, and handing everything over. Formats: output.hpp.
#include "engine.hpp"
#include "state.hpp"

namespace synckit {

void Engine::emit_doc(Out kind, const Doc& doc) {
  out_.begin(kind, doc.handle);
  out_.end();
}

void Engine::emit_u8(Out kind, DocHandle doc, uint32_t value) {
  out_.begin(kind, doc);
  out_.u8(value);
  out_.end();
}

void Engine::emit_progress(const Doc& doc, Stage stage, uint64_t seq) {
  out_.begin(Out::progress, doc.handle);
  out_.u8(static_cast<uint32_t>(stage));
  out_.u64(seq);
  out_.end();
}

void Engine::emit_rejected(const Doc& doc, uint64_t seq, uint32_t count, uint32_t code,
                           Bytes message) {
  out_.begin(Out::rejected, doc.handle);
  out_.u64(seq);
  out_.u32(count);
  out_.u32(code);
  out_.raw(message);
  out_.end();
}

void Engine::emit_error(DocHandle doc, uint32_t code, bool fatal, Bytes text) {
  out_.begin(Out::error, doc);
  out_.u32(code);
  out_.u8(fatal);
  out_.raw(text);
  out_.end();
}

void Engine::emit_status(DocHandle doc, Status status) {
  emit_error(doc, static_cast<uint32_t>(status.code()), false, status.text());
}

void Engine::emit_presence(const Doc& doc, uint64_t replica, Bytes principal, Bytes data) {
  out_.begin(Out::presence, doc.handle);
  out_.u64(replica);
  out_.sized(principal);
  out_.raw(data);
  out_.end();
}

DocStatus Engine::status_of(const Doc& doc) const {
  switch (session_) {
    case Session::opening:
    case Session::hello: return DocStatus::connecting;
    case Session::open: break;
    default: return DocStatus::offline;
  }
  if (doc.sync == Doc::Sync::denied) return DocStatus::denied;
  bool calm = doc.sync == Doc::Sync::live && doc.size() == 0 && doc.changes.empty();
  return calm ? DocStatus::synced : DocStatus::syncing;
}

void Engine::update_status() {
  DocStatus overall = DocStatus::offline;
  if (session_ == Session::opening || session_ == Session::hello) overall = DocStatus::connecting;
  if (session_ == Session::open) overall = DocStatus::synced;
  for (Doc* doc : docs_) {
    if (!doc) continue;
    DocStatus status = status_of(*doc);
    if (status == DocStatus::syncing) overall = DocStatus::syncing;
    if (status == doc->status) continue;
    doc->status = status;
    emit_u8(Out::status, doc->handle, static_cast<uint32_t>(status));
  }
  if (overall == overall_) return;
  overall_ = overall;
  emit_u8(Out::status, 0, static_cast<uint32_t>(overall));
}

Bytes Engine::take_output(uint64_t) {
  for (Doc* doc : docs_) {
    if (kHasPresence && doc && doc->presence_dirty) send_presence(*doc);
  }
  update_status();
  seal_batch();
  drained_.swap(out_);
  out_.clear();
  constexpr size_t kKeptBytes = 256 * 1024;  // of the spare buffer, after a burst
  if (out_.cap > kKeptBytes) out_ = OutputBuffer();
  return drained_;
}

}  // namespace synckit
