// The session: connecting with backoff, Hello and Welcome, heartbeats, subscriptions, sending the
// queue, presence. What the host says about documents is in sync.cpp.
//
//   idle (until due: off, or a backoff) -> opening (the caller's transport) -> hello -> open
//                                              any of these -> dropping -> idle
#include "engine.hpp"
#include "state.hpp"

namespace synckit {
namespace {

constexpr uint64_t kOpenTimeoutMs = 20'000, kHelloTimeoutMs = 10'000;
constexpr size_t kFrameOverhead = 1024;  // document id, tags and lengths beside a transaction
constexpr size_t kWindowCost = 4096;     // of a transaction on its way, beside its bytes

}  // namespace

// ---- the connection -----------------------------------------------------------------------------

void Engine::online(bool wanted, uint64_t now_ms) {
  if (wanted == wanted_) return;
  wanted_ = wanted;
  if (session_ != Session::idle) {
    if (!wanted) drop("going offline");
    return;
  }
  attempt_ = 0;
  due_ = wanted ? now_ms : kNever;
  tick(now_ms);
}

void Engine::drop(Bytes why) {
  if (session_ <= Session::dropping) return;
  session_ = Session::dropping;
  leave_all();
  tell(Out::drop, 0, 0, kTellsAll ? why : Bytes{});
}

void Engine::give_up(Bytes why) {
  wanted_ = false;
  emit(Out::error, 0, SK_UNSUPPORTED, 1, 0, why);
  drop(why);
}

void Engine::connected(Bytes credential, uint64_t now_ms) {
  if (session_ != Session::opening) return;
  session_ = Session::hello;
  due_ = now_ms + kHelloTimeoutMs;
  send_hello(credential);
}

void Engine::renew(Bytes credential) {
  if (session_ == Session::open) send_hello(credential);
}

void Engine::send_hello(Bytes credential) {
  wire::Message& hello = frame(wire::Kind::hello);
  hello.varint(1, wire::kProtocol);
  hello.fixed(2, replica_);
  hello.bytes(3, credential);
  hello.bytes(5, client_);
  send();
}

void Engine::disconnected(uint64_t now_ms) {
  if (session_ == Session::idle) return;
  leave_all();
  session_ = Session::idle;
  if (wanted_) due_ = now_ms + backoff_.pause_ms(attempt_);
}

// The connection is over.
void Engine::leave_all() {
  ping_at_ = due_ = kNever;
  for (Doc* doc = docs_; doc; doc = doc->next) leave(*doc);
}

// What a document forgets with its connection.
void Engine::leave(Doc& doc) {
  stop(doc);
  doc.announced = 0;
  doc.permission = 0;
  doc.due = kNever;
  emit_presence(doc, 0, {}, {});
}

// No longer in step with the host.
void Engine::stop(Doc& doc) {
  delete doc.fresh;
  doc.fresh = nullptr;
  doc.sync = Doc::Sync::idle;
  doc.sent = 0;
}

// ---- time ---------------------------------------------------------------------------------------

void Engine::tick(uint64_t now_ms) {
  if (now_ms >= due_) {
    if (session_ != Session::idle) return drop("the host has not answered in time");
    session_ = Session::opening;
    due_ = now_ms + kOpenTimeoutMs;
    tell(Out::connect, 0);
  }
  if (now_ms >= ping_at_) {
    frame(wire::Kind::ping).fixed(1, now_ms);
    send();
    ping_at_ = now_ms + heartbeat_ms_;
  }
  for (Doc* doc = docs_; doc; doc = doc->next) {
    if (now_ms >= doc->due) {
      if (doc->awaits()) return drop("the host has not answered in time");
      request_sync(*doc, now_ms);
    }
  }
}

uint64_t Engine::next_timer_ms() const {
  uint64_t at = due_ < ping_at_ ? due_ : ping_at_;
  for (const Doc* doc = docs_; doc; doc = doc->next) {
    if (doc->due < at) at = doc->due;
  }
  return at;
}

// ---- frames in ----------------------------------------------------------------------------------

Status Engine::receive(Bytes bytes, uint64_t now_ms) {
  if (session_ < Session::hello) return {};
  if (full()) return Status::limit("max_output_bytes: take output first");
  wire::Frame frame;
  Status status = wire::decode(bytes, frame);
  if (status.ok()) status = dispatch(frame, now_ms);
  if (!status.ok()) {
    emit_status(0, status);
    drop(status.text());
    attempt_ = Backoff::kSlowAttempt;  // a host that breaks the protocol will do so again
  }
  if (session_ == Session::open) due_ = now_ms + uint64_t{heartbeat_ms_} * 5 / 2;
  return status;
}

Status Engine::dispatch(const wire::Frame& frame, uint64_t now_ms) {
  using wire::Kind;
  wire::Fields in(frame.body);
  SK_TRY(in.all(frame.kind == Kind::notification ? 3 : 4, transactions_));
  if (frame.kind == Kind::welcome) return on_welcome(in, now_ms);
  if (frame.kind == Kind::error) return on_error(in, now_ms), Status{};
  Doc* doc = find_id(in.bytes(1));
  if (!doc || session_ != Session::open) return {};
  switch (frame.kind) {
    case Kind::sync_response: return on_response(*doc, in, now_ms);
    case Kind::notification: return on_notification(*doc, in, now_ms);
    case Kind::ack: return on_ack(*doc, in);
    case Kind::denied: return on_denied(*doc, in, now_ms), Status{};
    case Kind::presence: return on_presence(*doc, in), Status{};
    default: return {};  // Pong, and what later versions may add
  }
}

Status Engine::on_welcome(const wire::Fields& in, uint64_t now_ms) {
  wire::Welcome welcome;
  wire::read(in, welcome);
  SK_TRY(wire::decode(in.bytes(4), welcome.limits));
  if (kAnyProtocol && welcome.protocol != wire::kProtocol) {
    give_up("the host speaks another protocol version");
    return {};
  }
  session_ = Session::open;
  attempt_ = 0;
  offset_ms_ = welcome.host_time_ms - static_cast<int64_t>(now_ms);
  const wire::Limits& host = welcome.limits;
  if (host.heartbeat_ms) heartbeat_ms_ = host.heartbeat_ms;
  if (host.max_clock_skew_ms) skew_ms_ = host.max_clock_skew_ms;
  auto lower = [](size_t ours, size_t theirs) { return theirs - 1 < ours - 1 ? theirs : ours; };
  max_transaction_bytes_ = lower(limits_.max_transaction_bytes, host.max_transaction_bytes);
  // Our host does not let the one limit be larger than the other (host/config).
  if (!kFixedLimits && host.max_frame_bytes > 2 * kFrameOverhead) {
    max_transaction_bytes_ = lower(max_transaction_bytes_, host.max_frame_bytes - kFrameOverhead);
  }
  max_presence_bytes_ = lower(limits_.max_presence_bytes, host.max_presence_bytes);
  ping_at_ = now_ms + heartbeat_ms_;

  // Now it is time to send what other replicas left behind.
  Bytes session = welcome.session, principal = welcome.principal;
  if (kTellsAll) {
    emit(Out::welcome, 0, 0, static_cast<uint64_t>(offset_ms_), session.len, session, principal);
  } else {
    tell(Out::welcome, 0);
  }
  for (Doc* doc = docs_; doc; doc = doc->next) {
    // After a renewed credential, only what was denied or is to be tried again.
    if (!doc->ready || doc->sync > Doc::Sync::denied) continue;
    if (!doc->presence.empty()) doc->presence_dirty = true;
    request_sync(*doc, now_ms);
  }
  return {};
}

void Engine::on_error(const wire::Fields& in, uint64_t now_ms) {
  wire::Error error;
  wire::read(in, error);
  Doc* doc = find_id(error.document);
  if (doc && error.seq) return refused(*doc, error.seq, false, error.code, error.message, now_ms);
  // Trying again at once cannot help: another protocol, or another connection of this replica.
  bool final = error.fatal && (error.code == SK_UNSUPPORTED || error.code == SK_CONFLICT);
  if (final) wanted_ = false;
  emit(Out::error, doc ? doc->handle() : 0, error.code, final, 0, error.message);
  if (error.fatal) return drop(error.message);
  if (doc && doc->awaits()) retry_later(*doc, now_ms);
}

// ---- documents ----------------------------------------------------------------------------------

// One request at a time per document, so that answers need no correlation.
void Engine::request_sync(Doc& doc, uint64_t now_ms, bool refresh) {
  if (doc.sync <= Doc::Sync::denied) {
    // The first in this session, or the host may have forgotten it: again does no harm.
    frame(wire::Kind::subscribe, doc);
    send();
  }
  doc.refreshing = refresh;
  wire::Message& request = frame(wire::Kind::sync_request, doc);
  if (!doc.rebuild_wanted && !refresh) {
    request.varint(3, doc.position);
    request.fixed(4, doc.epoch);
  }
  send();
  doc.sync = Doc::Sync::asked;
  doc.due = now_ms + kAnswerTimeoutMs;
}

void Engine::retry_later(Doc& doc, uint64_t now_ms) {
  stop(doc);
  doc.due = now_ms + backoff_.pause_ms(doc.attempt);
}

// Sends what is stored, in order, as far as the window allows.
void Engine::pump(Doc& doc) {
  if (doc.sync != Doc::Sync::live || doc.rebuild_wanted) return;
  size_t bytes = 0;  // on their way
  for (Pending* at = doc.queue.first; at && bytes <= limits_.window_bytes; at = at->next) {
    bytes += at->len + kWindowCost;
    if (at->seq <= doc.sent) continue;
    if (at->batch > stored_ || full()) break;
    // Who may only read would have a void one refused again and again: it waits for the right.
    if (doc.permission == 1 && at->empty) break;
    frame(wire::Kind::update, doc).item(2, at->view());
    send();
    at->maybe_at_host = true;
    doc.sent = at->last_seq();
  }
  progress(doc, Stage::sent, doc.sent);
}

// ---- presence -----------------------------------------------------------------------------------

Status Engine::presence(DocHandle handle, Bytes data) {
  Doc* doc = find(handle);
  if (!doc) return not_open();
  if (data.len > max_presence_bytes_) return Status::limit("larger than max_presence_bytes");
  doc->presence.clear();
  add(doc->presence, data);
  doc->presence_dirty = true;
  return {};
}

void Engine::send_presence(Doc& doc) {
  if (session_ != Session::open || doc.sync == Doc::Sync::denied || !doc.ready) return;
  doc.presence_dirty = false;
  frame(wire::Kind::presence, doc).bytes(3, doc.presence);
  send();
}

// The host tells of everybody who comes and who leaves, as long as the connection lives.
void Engine::on_presence(Doc& doc, const wire::Fields& in) {
  wire::Presence message;
  wire::read(in, message);
  // Our own, of a connection that the host has not missed yet, is no news.
  if (message.replica == replica_) return;
  emit_presence(doc, message.replica, message.principal, message.data);
}

}  // namespace synckit
