// Putting events out, and handing everything over. Formats: output.hpp.
#include "engine.hpp"
#include "state.hpp"

namespace synckit {

size_t Engine::begin_record(Out kind) {
  OutputWriter out(out_);
  out.u8(static_cast<unsigned>(kind));
  size_t mark = out_.len;
  out.u32(0);
  return mark;
}

void Engine::end_record(size_t mark) {
  size_t len = out_.len - mark - 4;
  for (size_t i = 0; i < 4; ++i) out_.data[mark + i] = static_cast<uint8_t>(len >> (8 * i));
}

void Engine::emit_doc(Out kind, const Doc& doc) {
  size_t mark = begin_record(kind);
  OutputWriter(out_).u32(doc.handle);
  end_record(mark);
}

void Engine::emit_progress(const Doc& doc, Stage stage, uint64_t seq) {
  size_t mark = begin_record(Out::progress);
  OutputWriter out(out_);
  out.u32(doc.handle);
  out.u8(static_cast<unsigned>(stage));
  out.u64(seq);
  end_record(mark);
}

void Engine::emit_rejected(const Doc& doc, uint64_t seq, uint32_t count, uint32_t code,
                           Bytes message) {
  size_t mark = begin_record(Out::rejected);
  OutputWriter out(out_);
  out.u32(doc.handle);
  out.u64(seq);
  out.u32(count);
  out.u32(code);
  out.raw(message);
  end_record(mark);
}

void Engine::emit_error(DocHandle doc, uint32_t code, bool fatal, Bytes text) {
  size_t mark = begin_record(Out::error);
  OutputWriter out(out_);
  out.u32(doc);
  out.u32(code);
  out.u8(fatal);
  out.raw(text);
  end_record(mark);
}

void Engine::emit_presence(const Doc& doc, uint64_t replica, Bytes principal, Bytes data) {
  size_t mark = begin_record(Out::presence);
  OutputWriter out(out_);
  out.u32(doc.handle);
  out.u64(replica);
  out.u16(principal.len);
  out.raw(principal);
  out.raw(data);
  end_record(mark);
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
    size_t mark = begin_record(Out::status);
    OutputWriter out(out_);
    out.u32(doc->handle);
    out.u8(static_cast<unsigned>(status));
    end_record(mark);
  }
  if (overall == overall_) return;
  overall_ = overall;
  size_t mark = begin_record(Out::status);
  OutputWriter out(out_);
  out.u32(0);
  out.u8(static_cast<unsigned>(overall));
  end_record(mark);
}

Bytes Engine::take_output(uint64_t) {
  for (Doc* doc : docs_) {
    if (doc && doc->presence_dirty) send_presence(*doc);
  }
  update_status();
  seal_batch();
  drained_.swap(out_);
  out_.clear();
  constexpr size_t kKeptBytes = 256 * 1024;  // of the spare buffer, after a burst
  if (out_.cap > kKeptBytes) out_ = Buffer();
  return drained_;
}

}  // namespace synckit
