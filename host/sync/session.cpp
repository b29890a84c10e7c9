#include "session.hpp"

#include <algorithm>
#include <atomic>
#include <random>

#include "base/clock.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "hub.hpp"
#include "listing.hpp"

namespace synckit {
namespace {

constexpr size_t kMaxCredentialBytes = 64 << 10;
constexpr int64_t kThrottleNoticeMs = 10000;
constexpr unsigned kMaxStreams = 2;
constexpr size_t kMaxCloseReason = 120;  // a close frame holds 123 bytes after its code

std::string random_id() {
  static std::atomic<uint64_t> counter{std::random_device{}()};
  thread_local std::mt19937_64 random(std::random_device{}() ^ ++counter);
  return hex64(random());
}

}  // namespace

Session::Session(Hub& hub, size_t loop, Connection* connection, std::string peer)
    : hub_(hub),
      executor_(*hub.shards[loop]->executor),
      loop_(loop),
      connection_(connection),
      id_(random_id()),
      peer_(std::move(peer)),
      connected_at_ms_(steady_ms()),
      heard_at_ms_(connected_at_ms_) {
  tokens_ = 2.0 * hub.config.limits.messages_per_s;
  tokens_at_ms_ = connected_at_ms_;
}

// ---- from the transport -------------------------------------------------------------------------

void Session::on_frame(Bytes bytes) {
  if (closed() || stopping_) return;
  heard_at_ms_ = steady_ms();
  hub_.metrics.frames_in.add();
  hub_.metrics.bytes_in.add(bytes.len);
  wire::Frame frame;
  if (Status status = wire::decode(bytes, frame); !status.ok()) {
    return fail(SK_MALFORMED,
                std::string("the frame is not an Envelope of wire.proto: ") + status.text(),
                Close::protocol_error);
  }
  if (!take_token(heard_at_ms_)) update_pause();
  if (state_ == State::connected && frame.kind != wire::Kind::hello) {
    return fail(SK_DENIED, "the first frame of a connection must be Hello", Close::policy);
  }
  dispatch(frame);
}

void Session::on_text() {
  fail(SK_MALFORMED, "SyncKit speaks binary frames, this was a text frame",
       Close::unsupported_data);
}

void Session::on_closed() {
  if (state_ == State::closed) return;
  connection_ = nullptr;
  waiting_for_room_.clear();
  waiting_streams_.clear();
  bool was_open = state_ == State::open;
  state_ = State::closed;
  if (!was_open) return;
  hub_.sessions.leave(replica_, this);
  for (const std::string& document : subscribed_) hub_.leave(shared_from_this(), document);
  subscribed_.clear();
  log::debug("session closed", {{"session", id_}});
}

void Session::on_written() {
  if (waiting_for_room_.empty() || closed() ||
      connection_->queued_bytes() > hub_.config.limits.queue_bytes / 4) {
    return;
  }
  std::vector<Task> tasks;
  tasks.swap(waiting_for_room_);
  for (Task& task : tasks) task();
}

void Session::tick(int64_t now_ms) {
  if (closed()) return;
  const auto& timeouts = hub_.config.timeouts;
  if (state_ == State::connected && now_ms - connected_at_ms_ > timeouts.hello_ms) {
    return fail(SK_DENIED, "no Hello within timeouts.hello_s", Close::policy);
  }
  if (state_ == State::open && now_ms - heard_at_ms_ > timeouts.heartbeat_ms * 5 / 2) {
    hub_.metrics.idle_closed.add();
    return fail(SK_UNAVAILABLE, "no frame within 2.5 heartbeats", Close::going_away);
  }
  if (principal_ && principal_->expiry_ms && wall_ms() >= principal_->expiry_ms &&
      !authenticating_) {
    return fail(SK_DENIED, "the credential has expired; get a new one and connect again",
                Close::policy);
  }
  if (throttled_) {
    ++tokens_;  // asks, without taking
    throttled_ = !take_token(now_ms);
    update_pause();
  }
}

void Session::going_away() {
  stopping_ = true;
  update_pause();
}

void Session::finish(Close code, std::string_view reason) {
  if (!closed()) connection_->close(code, reason, false);
}

// ---- limits -------------------------------------------------------------------------------------

// A token bucket that holds two seconds' worth. An empty one stops reading, and tells why once in
// a while; the frame at hand is served in any case.
bool Session::take_token(int64_t now_ms) {
  double rate = hub_.config.limits.messages_per_s;
  tokens_ = std::min(2 * rate, tokens_ + rate * static_cast<double>(now_ms - tokens_at_ms_) / 1000);
  tokens_at_ms_ = now_ms;
  tokens_ -= 1;
  if (tokens_ > 0) return true;
  if (!throttled_) {
    throttled_ = true;
    hub_.metrics.throttled.add();
    if (throttle_told_ms_ == 0 || now_ms - throttle_told_ms_ > kThrottleNoticeMs) {
      throttle_told_ms_ = now_ms;
      error(SK_LIMIT,
            "more than limits.max_messages_per_s frames per second: the host reads no faster");
    }
  }
  return false;
}

void Session::update_pause() {
  if (closed()) return;
  connection_->pause(authenticating_ || stopping_ || throttled_ ||
                     inflight_ >= hub_.config.limits.inflight);
}

void Session::send(FramePtr frame) {
  if (closed()) return;
  const size_t limit = hub_.config.limits.queue_bytes;
  size_t queued = connection_->queued_bytes();
  if (queued > 0 && queued + frame->size() > limit) {
    hub_.metrics.slow_readers_cut.add();
    log::warn("slow reader cut", {{"session", id_}, {"queued_bytes", queued}});
    Connection* connection = connection_;
    on_closed();
    connection->close(Close::try_again_later, "slow reader: limits.max_queue_bytes reached", true);
    return;
  }
  connection_->send(std::move(frame));
}

void Session::answer(unsigned count) {
  inflight_ -= std::min(inflight_, count);
  update_pause();
}

void Session::deliver(FramePtr frame, unsigned answered) {
  if (!executor_.here()) {
    executor_.post([self = shared_from_this(), frame = std::move(frame), answered]() mutable {
      self->deliver(std::move(frame), answered);
    });
    return;
  }
  if (frame) send(std::move(frame));
  if (answered) answer(answered);
}

void Session::when_room(Task task) {
  if (closed()) return;
  if (connection_->queued_bytes() <= hub_.config.limits.queue_bytes / 4) return task();
  waiting_for_room_.push_back(std::move(task));  // at most kMaxStreams
}

void Session::stream(Task start) {
  if (closed()) return;
  if (streams_ >= kMaxStreams) {
    waiting_streams_.push_back(std::move(start));
    return;
  }
  ++streams_;
  when_room(std::move(start));
}

void Session::send_page(FramePtr frame) {
  if (!closed()) connection_->send(std::move(frame));
}

void Session::stream_done() {
  --streams_;
  if (closed() || waiting_streams_.empty()) return;
  Task start = std::move(waiting_streams_.front());
  waiting_streams_.pop_front();
  stream(std::move(start));
}

// ---- errors -------------------------------------------------------------------------------------

void Session::error(sk_status code, std::string_view text, std::string_view document) {
  wire::Error message;
  message.code = static_cast<uint32_t>(code);
  message.message = Bytes(text);
  message.document = Bytes(document);
  hub_.metrics.errors[static_cast<size_t>(code) % 10].add();
  send(FrameBuilder::one(message));
}

void Session::fail(sk_status code, std::string_view text, Close close) {
  if (closed()) return;
  wire::Error message;
  message.code = static_cast<uint32_t>(code);
  message.message = Bytes(text);
  message.fatal = true;
  hub_.metrics.errors[static_cast<size_t>(code) % 10].add();
  log::info("session refused",
            {{"session", id_}, {"peer", peer_}, {"code", code_name(code)}, {"reason", text}});
  Connection* connection = connection_;
  connection->send(FrameBuilder::one(message));
  on_closed();
  connection->close(close, text.substr(0, kMaxCloseReason), false);
}

void Session::fail_from_anywhere(sk_status code, std::string text) {
  executor_.post([self = shared_from_this(), code, text = std::move(text)] {
    self->fail(code, text, Close::policy);
  });
}

// ---- requests -----------------------------------------------------------------------------------

void Session::dispatch(const wire::Frame& frame) {
  switch (frame.kind) {
    case wire::Kind::hello: return on_hello(frame.body);
    case wire::Kind::sync_request: return on_sync_request(frame.body);
    case wire::Kind::update: return on_update(frame.body);
    case wire::Kind::subscribe: return on_subscribe(frame.body);
    case wire::Kind::unsubscribe: return on_unsubscribe(frame.body);
    case wire::Kind::presence: return on_presence(frame.body);
    case wire::Kind::ping: {
      wire::Ping ping;
      if (!wire::decode(frame.body, ping).ok()) {
        return fail(SK_MALFORMED, "malformed Ping", Close::protocol_error);
      }
      FrameBuilder builder;
      return send(builder.pong(ping).take());
    }
    default: return;  // of a later version, or not for a host: ignored
  }
}

void Session::on_hello(Bytes body) {
  wire::Hello hello;
  if (Status status = wire::decode(body, hello); !status.ok()) {
    return fail(SK_MALFORMED, "malformed Hello", Close::protocol_error);
  }
  if (hello.protocol != wire::kProtocol) {
    return fail(SK_UNSUPPORTED,
                "protocol version " + std::to_string(hello.protocol) +
                    " is not spoken here, this host speaks version 1",
                Close::policy);
  }
  if (hello.replica == 0) return fail(SK_MALFORMED, "Hello without a replica", Close::policy);
  if (state_ == State::open && hello.replica != replica_) {
    return fail(SK_CONFLICT, "a later Hello must keep the replica", Close::policy);
  }
  if (hello.credential.len > kMaxCredentialBytes) {
    return fail(SK_LIMIT, "the credential is larger than 64 KiB", Close::policy);
  }
  authenticating_ = true;
  if (state_ == State::connected) state_ = State::authenticating;
  update_pause();
  bool posted = hub_.workers.try_post(
      [self = shared_from_this(), replica = hello.replica, credential = hello.credential.str()] {
        auto result = self->hub_.authority.authenticate(credential);
        self->executor_.post([self, replica, result = std::move(result)]() mutable {
          self->authenticated(replica, std::move(result));
        });
      });
  if (!posted) fail(SK_UNAVAILABLE, "the host is busy, try again later", Close::try_again_later);
}

void Session::authenticated(uint64_t replica, Result<PrincipalPtr> result) {
  if (closed()) return;
  authenticating_ = false;
  if (!result) {
    hub_.metrics.auth_failures.add();
    return fail(result.failure().code, result.failure().text, Close::policy);
  }
  bool renewed = state_ == State::open;
  if (renewed && (*result)->id != principal_->id) {
    return fail(SK_DENIED, "a renewed credential must be of the same principal", Close::policy);
  }
  principal_ = *result;
  if (!renewed) {
    SessionPtr replaced;
    if (!hub_.sessions.enter(replica, shared_from_this(), principal_->id, replaced)) {
      return fail(SK_DENIED, "another principal is connected with this replica id", Close::policy);
    }
    if (replaced) {
      replaced->fail_from_anywhere(SK_CONFLICT, "replaced by a newer connection of this replica");
    }
    replica_ = replica;
    state_ = State::open;
    heard_at_ms_ = steady_ms();
  }
  welcome(renewed);
  update_pause();
}

void Session::welcome(bool renewed) {
  const auto& limits = hub_.config.limits;
  wire::Welcome message;
  message.protocol = wire::kProtocol;
  message.session = Bytes(id_);
  message.host_time_ms = wall_ms();
  message.limits = {limits.frame_bytes,    limits.transaction_bytes,
                    limits.subscriptions,  limits.presence_bytes,
                    limits.clock_skew_ms,  hub_.config.timeouts.heartbeat_ms};
  message.principal = Bytes(principal_->id);
  send(FrameBuilder::one(message));
  log::debug(renewed ? "credential renewed" : "session opened",
             {{"session", id_}, {"peer", peer_}, {"principal", principal_->id},
              {"replica", hex64(replica_)}});
}

bool Session::document_ok(Bytes document) {
  if (!document.empty() && document.len <= wire::kMaxDocumentIdBytes &&
      valid_utf8(document.text())) {
    return true;
  }
  fail(SK_MALFORMED, "a document id is 1 to 512 bytes of UTF-8", Close::protocol_error);
  return false;
}

void Session::route(wire::Kind kind, std::string_view document, Bytes body, bool counted) {
  if (counted) {
    ++inflight_;
    update_pause();
  }
  Request request;
  request.session = shared_from_this();
  request.principal = principal_;
  request.kind = kind;
  request.document = std::string(document);
  request.body = body.str();
  request.counted = counted;
  hub_.route(std::move(request));
}

void Session::on_update(Bytes body) {
  wire::Update update;
  if (!wire::decode(body, update).ok()) {
    return fail(SK_MALFORMED, "malformed Update", Close::protocol_error);
  }
  if (!document_ok(update.document)) return;
  hub_.metrics.updates.add();
  route(wire::Kind::update, update.document.text(), update.transaction, true);
}

void Session::on_sync_request(Bytes body) {
  wire::SyncRequest request;
  if (!wire::decode(body, request).ok()) {
    return fail(SK_MALFORMED, "malformed SyncRequest", Close::protocol_error);
  }
  if (!document_ok(request.document)) return;
  hub_.metrics.sync_requests.add();
  route(wire::Kind::sync_request, request.document.text(), body, true);
}

void Session::on_presence(Bytes body) {
  wire::Presence presence;
  if (!wire::decode(body, presence).ok()) {
    return fail(SK_MALFORMED, "malformed Presence", Close::protocol_error);
  }
  if (!document_ok(presence.document)) return;
  if (presence.data.len > hub_.config.limits.presence_bytes) {
    return error(SK_LIMIT, "the presence state is larger than limits.max_presence_bytes",
                 presence.document.text());
  }
  if (subscribed_.count(presence.document.str()) == 0) {
    return error(SK_CONFLICT, "subscribe to the document before sending presence",
                 presence.document.text());
  }
  route(wire::Kind::presence, presence.document.text(), presence.data, false);
}

void Session::on_subscribe(Bytes body) {
  wire::Subscribe message;
  if (!wire::decode(body, message).ok()) {
    return fail(SK_MALFORMED, "malformed Subscribe", Close::protocol_error);
  }
  for (Bytes document : message.documents) {
    if (!document_ok(document)) return;
    subscribe(document.text());
  }
  if (message.has_query) on_query(message.query);
}

void Session::subscribe(std::string_view document) {
  if (subscribed_.count(std::string(document)) == 0) {
    if (subscribed_.size() >= hub_.config.limits.subscriptions) {
      return error(SK_LIMIT, "limits.max_subscriptions reached: unsubscribe from some documents",
                   document);
    }
    subscribed_.emplace(document);
  }
  route(wire::Kind::subscribe, document, {}, false);
}

void Session::on_unsubscribe(Bytes body) {
  wire::Unsubscribe message;
  if (!wire::decode(body, message).ok()) {
    return fail(SK_MALFORMED, "malformed Unsubscribe", Close::protocol_error);
  }
  for (Bytes document : message.documents) {
    if (subscribed_.erase(document.str()) == 0) continue;
    route(wire::Kind::unsubscribe, document.text(), {}, false);
  }
}

// Documents that the query finds now and that may be read: listed, and subscribed to.
void Session::on_query(const wire::Query& query) {
  Listing listing;
  listing.prefix = query.prefix.str();
  listing.after = query.after.str();
  listing.updated_since_ms = query.updated_since_ms;
  listing.limit = query.limit;
  ++inflight_;
  update_pause();
  bool posted = hub_.workers.try_post([self = shared_from_this(), listing = std::move(listing),
                                       principal = principal_]() mutable {
    auto found = list_documents(self->hub_, *principal, listing);
    self->executor_.post([self, found = std::move(found)] {
      if (self->closed()) return;
      if (!found) {
        self->error(found.failure().code, found.failure().text);
      } else {
        wire::Documents answer;
        for (const Listed& entry : found->entries) {
          answer.entries.push_back({Bytes(entry.document), entry.position, entry.updated_ms});
        }
        answer.more = found->more;
        self->send(FrameBuilder::one(answer));
        for (const Listed& entry : found->entries) self->subscribe(entry.document);
      }
      self->answer(1);
    });
  });
  if (!posted) {
    answer(1);
    error(SK_UNAVAILABLE, "the host is busy, try the query again later");
  }
}

}  // namespace synckit
