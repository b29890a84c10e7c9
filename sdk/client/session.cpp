// The session: connecting with backoff, Hello and Welcome, heartbeats, subscriptions, sending the
// queue, presence. What the host says about documents is in sync.cpp.
//
//   off -> waiting (backoff) -> opening (the caller's transport) -> hello -> open -> waiting ...
//                                              any of them -> dropping -> waiting or off
#include "engine.hpp"
#include "state.hpp"

namespace synckit {
namespace {

constexpr uint64_t kBackoffMs = 1'000, kMaxBackoffMs = 30'000;
constexpr uint64_t kOpenTimeoutMs = 20'000, kHelloTimeoutMs = 10'000;
constexpr size_t kSubscriptionsPerFrame = 256;
constexpr size_t kFrameOverhead = 1024;  // document id, tags and lengths beside a transaction

}  // namespace

template <class Message>
void Engine::send(const Message& message) {
  wire::frame(message, frame_);
  post();
}
template void Engine::send(const wire::Unsubscribe&);

void Engine::post() {
  tell(Out::frame, 0, 0, frame_);
  frame_.clear();
}

// Full jitter (Brooker, 2015): uniform in 0 .. base * 2^attempt, so that clients of one host that
// went away do not return together.
uint64_t Engine::backoff(uint32_t attempt) {
  random_ = random_ * 6364136223846793005u + 1442695040888963407u;  // Knuth's MMIX; high bits good
  uint64_t most = attempt < 5 ? kBackoffMs << attempt : kMaxBackoffMs;
  return (random_ >> 32) * (most + 1) >> 32;
}

// ---- the connection -----------------------------------------------------------------------------

void Engine::schedule_connect(uint64_t now_ms) {
  session_ = Session::waiting;
  due_ = now_ms + backoff(attempt_);
  if (attempt_ < 16) ++attempt_;
}

void Engine::online(bool wanted, uint64_t now_ms) {
  if (wanted == wanted_) return;
  wanted_ = wanted;
  if (wanted && session_ == Session::off) {
    attempt_ = 0;
    session_ = Session::waiting;
    due_ = now_ms;
    tick(now_ms);
  } else if (!wanted && session_ == Session::waiting) {
    session_ = Session::off;
    due_ = kNever;
  } else if (!wanted && session_ != Session::off) {
    drop("going offline");
  }
}

void Engine::drop(Bytes why) {
  if (session_ == Session::off || session_ == Session::waiting || session_ == Session::dropping) {
    return;
  }
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
  wire::Hello& hello = messages_.hello;
  hello.protocol = wire::kProtocol;
  hello.replica = replica_;
  hello.credential = credential;
  hello.client = bytes_of(client_);
  send(hello);
}

void Engine::disconnected(uint64_t now_ms) {
  if (session_ == Session::off || session_ == Session::waiting) return;
  leave_all();
  if (wanted_) {
    schedule_connect(now_ms);
  } else {
    session_ = Session::off;
  }
}

// The connection is over.
void Engine::leave_all() {
  ping_at_ = due_ = kNever;
  for (Doc* doc = docs_; doc; doc = doc->next) leave(*doc);
}

// What a document forgets with its connection.
void Engine::leave(Doc& doc) {
  delete doc.fresh;
  doc.fresh = nullptr;
  doc.sync = Doc::Sync::idle;
  doc.rebuilding = false;
  doc.sent = doc.sent_bytes = 0;
  doc.announced = 0;
  doc.permission = 0;
  doc.due = kNever;
  if (!kHasPresence) return;
  for (const Peer& peer : doc.peers) emit_presence(doc, peer.replica, {}, {});
  doc.peers.clear();
}

// ---- time ---------------------------------------------------------------------------------------

void Engine::tick(uint64_t now_ms) {
  if (now_ms >= due_) {
    if (session_ != Session::waiting) return drop("the host has not answered in time");
    session_ = Session::opening;
    due_ = now_ms + kOpenTimeoutMs;
    tell(Out::connect, 0);
  }
  bool ping = now_ms >= ping_at_;
  if (ping) {
    wire::frame_ping({now_ms}, frame_);
    post();
    ping_at_ = now_ms + heartbeat_ms_;
  }
  for (Doc* doc = docs_; doc; doc = doc->next) {
    // Keeps own presence from timing out at the others.
    if (kHasPresence && ping && !doc->presence.empty()) doc->presence_dirty = true;
    tick_doc(*doc, now_ms);
  }
}

void Engine::tick_doc(Doc& doc, uint64_t now_ms) {
  if (now_ms >= doc.due) {
    if (doc.awaits()) return drop("the host has not answered in time");
    request_sync(doc, now_ms);
  }
  pump(doc);  // what a full output had stopped
  for (size_t i = 0; kHasPresence && i < doc.peers.size();) {
    if (now_ms < doc.peers[i].expires_ms) {
      ++i;
      continue;
    }
    emit_presence(doc, doc.peers[i].replica, {}, {});
    doc.peers.erase(i);
  }
}

uint64_t Engine::next_timer_ms() const {
  uint64_t at = due_;
  auto sooner = [&at](uint64_t other) { at = other < at ? other : at; };
  sooner(ping_at_);
  for (const Doc* doc = docs_; doc; doc = doc->next) {
    sooner(doc->due);
    if (!kHasPresence) continue;
    for (const Peer& peer : doc->peers) sooner(peer.expires_ms);
  }
  return at;
}

// ---- frames in ----------------------------------------------------------------------------------

Status Engine::receive(Bytes frame, uint64_t now_ms) {
  if (session_ != Session::hello && session_ != Session::open) return {};
  if (full()) return Status::limit("max_output_bytes: take output first");
  if (session_ == Session::open) due_ = now_ms + heartbeat_ms_ * 5 / 2;
  wire::Frame envelope;
  Status status = wire::decode(frame, envelope);
  if (status.ok()) status = dispatch(envelope, now_ms);
  if (!status.ok()) {
    emit_status(0, status);
    drop(status.text());
    attempt_ = 5;  // a host that breaks the protocol will do so again: come back slowly
  }
  return status;
}

Status Engine::dispatch(const wire::Frame& frame, uint64_t now_ms) {
  if (frame.kind == wire::Kind::welcome) return on_welcome(frame.body, now_ms);
  if (frame.kind == wire::Kind::error) return on_error(frame.body, now_ms);
  if (session_ != Session::open) return {};
  switch (frame.kind) {
    case wire::Kind::sync_response: return on_response(frame.body, now_ms);
    case wire::Kind::notification: return on_notification(frame.body, now_ms);
    case wire::Kind::ack: return on_ack(frame.body, now_ms);
    case wire::Kind::denied: return on_denied(frame.body, now_ms);
    case wire::Kind::presence: return kHasPresence ? on_presence(frame.body, now_ms) : Status{};
    default: return {};  // Pong, and what later versions may add
  }
}

Status Engine::on_welcome(Bytes body, uint64_t now_ms) {
  wire::Welcome& welcome = messages_.welcome;
  SK_TRY(wire::decode(body, welcome));
  if (welcome.protocol != wire::kProtocol) {
    give_up("the host speaks another protocol version");
    return {};
  }
  bool renewed = session_ == Session::open;
  session_ = Session::open;
  attempt_ = 0;
  offset_ms_ = welcome.host_time_ms - static_cast<int64_t>(now_ms);
  const wire::Limits& host = welcome.limits;
  if (host.heartbeat_ms) heartbeat_ms_ = host.heartbeat_ms;
  if (host.max_clock_skew_ms) skew_ms_ = host.max_clock_skew_ms;
  max_transaction_bytes_ = limits_.max_transaction_bytes;
  auto lower = [this](size_t limit) {
    if (limit && limit < max_transaction_bytes_) max_transaction_bytes_ = limit;
  };
  lower(host.max_transaction_bytes);
  if (host.max_frame_bytes > 2 * kFrameOverhead) lower(host.max_frame_bytes - kFrameOverhead);
  max_presence_bytes_ = limits_.max_presence_bytes;
  if (host.max_presence_bytes && host.max_presence_bytes < max_presence_bytes_) {
    max_presence_bytes_ = host.max_presence_bytes;
  }
  ping_at_ = now_ms + heartbeat_ms_;
  due_ = now_ms + heartbeat_ms_ * 5 / 2;

  if (kHasStore) {  // then it is time to send what other replicas left behind
    Bytes session = welcome.session, principal = welcome.principal;
    if (kTellsAll) {
      emit(Out::welcome, 0, 0, static_cast<uint64_t>(offset_ms_), session.len, session, principal);
    } else {
      tell(Out::welcome, 0);
    }
  }

  if (!renewed) subscribe(nullptr);
  for (Doc* doc = docs_; doc; doc = doc->next) {
    if (!doc->ready) continue;
    if (renewed && doc->sync != Doc::Sync::denied) continue;
    if (kHasPresence && !doc->presence.empty()) doc->presence_dirty = true;
    request_sync(*doc, now_ms);
  }
  return {};
}

Status Engine::on_error(Bytes body, uint64_t now_ms) {
  wire::Error& error = messages_.error;
  SK_TRY(wire::decode(body, error));
  if (error.fatal) {
    // Trying again at once cannot help: another protocol, or another connection of this replica.
    bool final = error.code == SK_UNSUPPORTED || error.code == SK_CONFLICT;
    if (final) wanted_ = false;
    emit(Out::error, 0, error.code, final, 0, error.message);
    drop(error.message);
    return {};
  }
  Doc* doc = error.document.empty() ? nullptr : find_id(error.document);
  if (!doc) {
    tell(Out::error, 0, error.code, error.message);
    return {};
  }
  if (error.seq) {
    refused(*doc, error.seq, error.code, error.message, now_ms);
    return {};
  }
  tell(Out::error, doc->handle, error.code, error.message);
  if (doc->awaits()) retry_later(*doc, now_ms);
  return {};
}

// ---- documents ----------------------------------------------------------------------------------

void Engine::subscribe(Doc* only) {
  wire::Subscribe& message = messages_.subscribe;
  message.documents.clear();
  for (Doc* doc = docs_; doc; doc = doc->next) {
    if (only ? doc != only : !doc->ready) continue;  // `loaded` will
    message.documents.push_back(doc->id());
    if (message.documents.size() == kSubscriptionsPerFrame) {
      send(message);
      message.documents.clear();
    }
  }
  if (!message.documents.empty()) send(message);
}

// One request at a time per document, so that answers need no correlation.
void Engine::request_sync(Doc& doc, uint64_t now_ms, bool refresh) {
  if (session_ != Session::open || !doc.ready || doc.awaits()) return;
  doc.rebuilding = doc.rebuild_wanted;
  doc.refreshing = refresh;
  bool whole = doc.rebuilding || refresh;
  wire::SyncRequest& request = messages_.request;
  request.document = doc.id();
  request.version.clear();
  if (!whole) request.version = doc.confirmed;
  request.position = whole ? 0 : doc.position;
  request.epoch = whole ? 0 : doc.epoch;
  send(request);
  doc.sync = Doc::Sync::asked;
  doc.due = now_ms + kAnswerTimeoutMs;
}

void Engine::retry_later(Doc& doc, uint64_t now_ms) {
  if (doc.sync == Doc::Sync::idle) return;
  delete doc.fresh;
  doc.fresh = nullptr;
  doc.sync = Doc::Sync::idle;
  doc.sent = doc.sent_bytes = 0;
  doc.due = now_ms + backoff(doc.attempt);
  if (doc.attempt < 16) ++doc.attempt;
}

// Sends what is stored, in order, as far as the window allows.
void Engine::pump(Doc& doc) {
  if (session_ != Session::open || doc.sync != Doc::Sync::live || doc.rebuild_wanted) return;
  uint64_t seq = 0;
  while (doc.sent < doc.size()) {
    Pending& pending = doc.at(doc.sent);
    if (pending.batch > stored_ || doc.sent >= limits_.window_transactions || full()) break;
    if (doc.sent && doc.sent_bytes + pending.len > limits_.window_bytes) break;
    // Who may only read would have a void one refused again and again: it waits for the right.
    if (doc.permission == 1 && pending.empty) break;
    wire::Update& update = messages_.update;
    update.document = doc.id();
    update.transaction = pending.view();
    send(update);
    pending.maybe_at_host = true;
    ++doc.sent;
    doc.sent_bytes += pending.len;
    seq = pending.last_seq();
  }
  progress(doc, Stage::sent, seq);
}

// ---- presence -----------------------------------------------------------------------------------

Status Engine::presence(DocHandle handle, Bytes data) {
  Doc* doc = find(handle);
  if (!doc) return not_open();
  if (data.len > max_presence_bytes_) return Status::limit("presence exceeds max_presence_bytes");
  doc->presence.clear();
  add(doc->presence, data);
  doc->presence_dirty = true;
  return {};
}

void Engine::send_presence(Doc& doc) {
  if (session_ != Session::open || doc.sync == Doc::Sync::denied || !doc.ready) return;
  doc.presence_dirty = false;
  wire::Presence& message = messages_.presence;
  message.document = doc.id();
  message.replica = replica_;
  message.data = bytes_of(doc.presence);
  message.principal = {};
  send(message);
}

Status Engine::on_presence(Bytes body, uint64_t now_ms) {
  wire::Presence& message = messages_.presence;
  SK_TRY(wire::decode(body, message));
  Doc* doc = find_id(message.document);
  if (!doc || message.replica == replica_ || message.replica == 0) return {};
  size_t i = 0;
  while (i < doc->peers.size() && doc->peers[i].replica != message.replica) ++i;
  if (message.data.empty()) {
    if (i == doc->peers.size()) return {};
    doc->peers.erase(i);
  } else {
    if (i == doc->peers.size()) {
      if (i >= limits_.max_peers) return {};  // too many to show; they are not lost at the host
      doc->peers.push_back({message.replica, 0});
    }
    doc->peers[i].expires_ms = now_ms + 3 * static_cast<uint64_t>(heartbeat_ms_);
  }
  emit_presence(*doc, message.replica, message.principal, message.data);
  return {};
}

}  // namespace synckit
