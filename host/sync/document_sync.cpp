// Answering SyncRequest: the log after a position, or a snapshot and the log after it, in pages.
//
// After a position of this log: what follows it. Otherwise (another epoch, a position that the log
// does not reach, a trimmed one): the snapshot and all that follows, whatever version the client
// names; pages stay contiguous, so that a client can tell each transaction's position.
// The answer is read on worker threads, a page at a time, the next one when the connection has
// room. It ends at the position (and version) that the document had when it was asked; what came
// later reaches subscribers as Notifications. Both sides overlap at worst: positions are dense, so
// that a client ignores what it has and sees a hole.
#include "base/log.hpp"
#include "document_actor.hpp"
#include "storage/stored.hpp"

namespace synckit {
namespace {

constexpr int kMaxRestarts = 8;  // the log is trimmed under a reader that often: give up

class SyncStream : public std::enable_shared_from_this<SyncStream> {
 public:
  SyncStream(Hub& hub, Request&& request, const wire::SyncRequest& asked, Store::Head head,
             int32_t level)
      : hub_(hub),
        request_(std::move(request)),
        head_(std::move(head)),
        level_(static_cast<uint32_t>(level)) {
    need_snapshot_ = asked.epoch != head_.epoch || asked.position > head_.position;
    after_ = need_snapshot_ ? 0 : asked.position;
  }

  // Any thread: takes its turn among the session's streams.
  void begin() {
    request_.session->executor().post([self = shared_from_this()] {
      self->request_.session->stream([self] { self->next(); });
    });
  }

 private:
  // On the session's loop, when its connection has room.
  void next() {
    if (!hub_.workers.try_post([self = shared_from_this()] { self->page(); })) {
      fail({SK_UNAVAILABLE, "the host is busy, try again later"});
    }
  }

  // [worker]
  void page() {
    wire::SyncResponse response;
    response.document = Bytes(request_.document);
    response.epoch = head_.epoch;
    response.permission = level_;
    Buffer snapshot;      // what `response` borrows from
    std::string entries;
    std::vector<std::pair<size_t, size_t>> parts;
    size_t room = hub_.config.limits.frame_bytes;
    while (true) {
      if (need_snapshot_) {
        if (Result<> loaded = load_snapshot(snapshot); !loaded) return fail(loaded.failure());
        response.has_snapshot = !snapshot.empty();
        room -= std::min(room, snapshot.len);
      }
      if (after_ >= head_.position || room == 0) break;
      Result<> read = read_log(room, entries, parts);
      if (read) break;
      if (read.failure().code != SK_CONFLICT || ++restarts_ > kMaxRestarts) {
        return fail(read.failure());
      }
      // Trimmed below us: what is missing is in the snapshot.
      need_snapshot_ = true;
    }
    response.snapshot = snapshot;
    std::string_view all(entries);
    for (auto [at, len] : parts) response.transactions.push_back(Bytes(all.substr(at, len)));
    response.position = after_;
    response.more = after_ < head_.position;
    if (!response.more) response.version = head_.version;
    send(FrameBuilder::one(response), response.more);
  }

  Result<> load_snapshot(Buffer& out) {
    need_snapshot_ = false;
    auto saved = hub_.store.load(request_.document);
    if (!saved) return saved.failure();
    if (saved->position == 0 || saved->position <= after_) return Done{};
    wire::Snapshot snapshot;
    if (Result<> read = stored::read_snapshot(saved->bytes, snapshot, nullptr); !read) return read;
    after_ = saved->position;
    if (saved->position >= head_.position) {  // newer than the question
      head_.position = saved->position;
      head_.version = snapshot.version;
    }
    wire::encode(snapshot, out);
    return Done{};
  }

  Result<> read_log(size_t room, std::string& entries,
                   std::vector<std::pair<size_t, size_t>>& parts) {
    Failure bad{SK_OK, ""};
    uint64_t before = after_;
    std::string copy;
    Result<> read = hub_.store.read(request_.document, after_, room, [&](const sk_record& record) {
      if (record.position > head_.position) return false;
      if (record.position != after_ + 1) {
        bad = {SK_INTERNAL, "the log has a hole at position " + std::to_string(after_ + 1)};
        return false;
      }
      auto entry = stored::read_entry(Bytes(record.payload), copy);
      if (!entry) {
        bad = entry.failure();
        return false;
      }
      if (!parts.empty() && entries.size() + entry->transaction.len > room) return false;
      after_ = record.position;
      parts.emplace_back(entries.size(), entry->transaction.len);
      entries.append(entry->transaction.text());
      return entries.size() < room;
    });
    if (!read) return read;
    if (bad.code == SK_OK && after_ == before) {
      bad = {SK_INTERNAL, "the log ends before position " + std::to_string(head_.position)};
    }
    if (bad.code != SK_OK) return Failure{SK_INTERNAL, bad.text};
    return Done{};
  }

  void send(FramePtr frame, bool more) {
    Executor& executor = request_.session->executor();
    executor.post([self = shared_from_this(), frame = std::move(frame), more]() mutable {
      Session& session = *self->request_.session;
      session.send_page(std::move(frame));
      if (more) return session.when_room([self] { self->next(); });
      session.answer(1);
      session.stream_done();
    });
  }

  void fail(const Failure& failure) {
    log::warn("sync failed", {{"session", request_.session->id()},
                              {"document", request_.document},
                              {"code", code_name(failure.code)},
                              {"reason", failure.text}});
    wire::Error error;
    error.code = static_cast<uint32_t>(failure.code);
    error.message = Bytes(failure.text);
    error.document = Bytes(request_.document);
    hub_.metrics.errors[static_cast<size_t>(failure.code) % 10].add();
    send(FrameBuilder::one(error), false);
  }

  Hub& hub_;
  Request request_;
  Store::Head head_;
  const uint32_t level_;
  bool need_snapshot_ = false;
  uint64_t after_ = 0;
  int restarts_ = 0;
};

}  // namespace

void DocumentActor::sync_request(Request& request) {
  wire::SyncRequest asked;
  (void)wire::decode(Bytes(request.body), asked);  // the session decoded it before
  int32_t permission = level(request);
  if (permission < SK_LEVEL_READ) {
    return denied(request, 0, SK_DENIED, "no permission to read this document");
  }
  if (quarantined_) {
    return error(request, SK_INTERNAL,
                 "the document is quarantined: one of its types failed on it");
  }
  bool nothing_new = position_ == 0 || (asked.epoch == epoch_ && asked.position == position_);
  if (nothing_new) {
    wire::SyncResponse response;
    response.document = Bytes(id_);
    response.epoch = epoch_;
    response.version = version_;
    response.position = position_;
    response.permission = static_cast<uint32_t>(permission);
    request.session->deliver(FrameBuilder::one(response), 1);
    return;
  }
  Store::Head head;
  head.epoch = epoch_;
  head.position = position_;
  head.version = version_;
  std::make_shared<SyncStream>(hub_, std::move(request), asked, std::move(head), permission)
      ->begin();
}

}  // namespace synckit
