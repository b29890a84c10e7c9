#include "document_actor.hpp"

#include <algorithm>

#include "base/clock.hpp"
#include "base/log.hpp"

namespace synckit {

DocumentActor::DocumentActor(Hub& hub, size_t shard, std::string id)
    : hub_(hub),
      executor_(*hub.shards[shard]->executor),
      shard_(shard),
      id_(std::move(id)),
      last_used_ms_(steady_ms()),
      audience_(hub.shards.size()) {
  auth_epoch_ = hub.authority.epoch();
  hub.metrics.documents_active.add();
}

DocumentActor::~DocumentActor() {
  hub_.metrics.documents_active.sub();
  if (quarantined_) hub_.metrics.documents_quarantined.sub();
}

// ---- loading ------------------------------------------------------------------------------------

void DocumentActor::load() {
  state_ = State::loading;
  bool posted = hub_.workers.try_post([self = shared_from_this()] {
    auto head = self->hub_.store.head(self->id_);
    self->executor_.post(
        [self, head = std::move(head)]() mutable { self->loaded(std::move(head)); });
  });
  if (posted) return;
  state_ = State::idle;
  refuse_waiting(SK_UNAVAILABLE, "the host is busy, try again later");
}

void DocumentActor::loaded(Result<Store::Head> head) {
  if (!head) {
    state_ = State::idle;
    log::error("document not loaded", {{"document", id_},
                                       {"code", code_name(head.failure().code)},
                                       {"reason", head.failure().text}});
    return refuse_waiting(SK_UNAVAILABLE, "storage cannot be read: " + head.failure().text);
  }
  epoch_ = head->epoch;
  position_ = head->position;
  snapshot_position_ = head->snapshot_position;
  trimmed_ = head->trimmed;
  version_ = head->version;
  speculative_ = version_;
  recovering_ = false;
  state_ = State::active;
  std::deque<Request> waiting;
  waiting.swap(waiting_);
  for (Request& request : waiting) serve(request);
  maybe_snapshot();
}

void DocumentActor::refuse_waiting(sk_status code, const std::string& text) {
  std::deque<Request> waiting;
  waiting.swap(waiting_);
  for (Request& request : waiting) error(request, code, text);
}

// After a storage failure: when nothing is in flight any more, ask storage what it holds.
void DocumentActor::recover() {
  if (recovering_ && inflight_ == 0 && state_ == State::active) load();
}

// The log's epoch is drawn by storage with its first record; append does not tell it.
void DocumentActor::learn_epoch() {
  if (learning_epoch_ || state_ != State::active) return;
  learning_epoch_ = hub_.workers.try_post([self = shared_from_this()] {
    auto head = self->hub_.store.head(self->id_);
    self->executor_.post([self, head = std::move(head)]() mutable {
      self->learning_epoch_ = false;
      if (self->state_ != State::active) return;
      if (!head) {
        return self->refuse_waiting(SK_UNAVAILABLE,
                                    "storage cannot be read: " + head.failure().text);
      }
      self->epoch_ = head->epoch;
      std::deque<Request> waiting;
      waiting.swap(self->waiting_);
      for (Request& request : waiting) self->serve(request);
    });
  });
}

// ---- requests -----------------------------------------------------------------------------------

void DocumentActor::handle(Request&& request) {
  last_used_ms_ = steady_ms();
  bool sync = request.kind == wire::Kind::sync_request;
  bool needs_log = sync || request.kind == wire::Kind::update;
  bool must_wait = needs_log && (state_ != State::active || (sync && epoch_ == 0 && position_ > 0));
  if (!must_wait) return serve(request);
  if (waiting_.size() >= hub_.config.limits.waiting_requests) {
    return error(request, SK_UNAVAILABLE, "too many requests wait for this document to load");
  }
  waiting_.push_back(std::move(request));
  if (state_ == State::idle) load();
  if (state_ == State::active) learn_epoch();
}

void DocumentActor::serve(Request& request) {
  switch (request.kind) {
    case wire::Kind::update: return update(request);
    case wire::Kind::sync_request: return sync_request(request);
    case wire::Kind::subscribe: return subscribe(request);
    case wire::Kind::unsubscribe: return unsubscribe(*request.session);
    case wire::Kind::presence: return presence(request);
    default: return;
  }
}

int32_t DocumentActor::level(const Request& request) {
  uint64_t epoch = hub_.authority.epoch();
  auto at = members_.find(request.session.get());
  if (at != members_.end() && at->second.principal == request.principal &&
      at->second.auth_epoch == epoch) {
    return at->second.level;
  }
  int32_t level = hub_.authority.level(*request.principal, id_);
  if (at != members_.end()) {
    at->second.principal = request.principal;
    at->second.auth_epoch = epoch;
    at->second.level = level;
  }
  return level;
}

void DocumentActor::error(const Request& request, sk_status code, std::string_view text,
                          uint64_t seq) {
  wire::Error message;
  message.code = static_cast<uint32_t>(code);
  message.message = Bytes(text);
  message.document = Bytes(id_);
  message.seq = seq;
  hub_.metrics.errors[static_cast<size_t>(code) % 10].add();
  request.session->deliver(FrameBuilder::one(message), request.counted ? 1 : 0);
}

void DocumentActor::quarantine(const std::string& why) {
  if (quarantined_) return;
  quarantined_ = true;
  hub_.metrics.documents_quarantined.add();
  log::error("document quarantined: a type failed on it; it is refused until the host restarts",
             {{"document", id_}, {"reason", why}});
}

// ---- life ---------------------------------------------------------------------------------------

void DocumentActor::leave(const Session& session) { unsubscribe(session); }

bool DocumentActor::tick(int64_t now_ms) {
  if (uint64_t epoch = hub_.authority.epoch(); epoch != auth_epoch_) {
    auth_epoch_ = epoch;
    recheck_members();
  }
  if (epoch_ == 0 && position_ > 0) learn_epoch();
  bool busy = audience_.size() > 0 || inflight_ > 0 || !waiting_.empty() || snapshotting_ ||
              state_ == State::loading || learning_epoch_ || quarantined_;
  if (busy) {
    last_used_ms_ = now_ms;
    return true;
  }
  return now_ms - last_used_ms_ < static_cast<int64_t>(hub_.config.documents.idle_unload_ms);
}

}  // namespace synckit
