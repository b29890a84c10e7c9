// One document at the host: orders its changes, knows its subscribers, answers its questions.
//
// The life of an Update: decoded and its size checked; author = the session's replica; known
// already -> Ack again; permission, per field; sequence: the next one, counted from what is in
// flight too; inspected by its types; clock at most max_clock_skew_ms ahead of the host; what it
// depends on is durable here; then to the committer. When storage has it: version and position
// advance, the writer gets its Ack, everyone else one shared Notification.
//
// How a refusal is told. Denied: the transaction can never be accepted as it is (permission, bytes,
// unknown type, size). Error with document and seq: it may be sent again after a resync (CONFLICT
// the sequence, MISSING_DEPS, UNAVAILABLE, and LIMIT "clock ...": the client corrects its clock by
// Welcome's host_time_ms and stamps it anew).
//
// Invariants
//   - version_ and position_ tell what is durable; speculative_ adds what is in flight. Nothing is
//     acknowledged or fanned out before it is in version_.
//   - After a storage failure nothing is accepted until all that is in flight has been answered
//     and the log's head was read again.
//   - What needs the log (Update, SyncRequest) and arrives while its head is being read waits, in
//     order and bounded. Subscriptions never wait, so none is lost when storage is slow or away.
//
// Threads: everything runs on the document's loop; files document_*.cpp hold its parts.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "fanout.hpp"
#include "hub.hpp"

namespace synckit {

class DocumentActor : public CommitSink, public std::enable_shared_from_this<DocumentActor> {
 public:
  DocumentActor(Hub& hub, size_t shard, std::string id);
  ~DocumentActor() override;

  void handle(Request&& request);
  void leave(const Session& session);
  // False: idle for long enough, forget it.
  bool tick(int64_t now_ms);

  const std::string& document() const override { return id_; }
  Executor& executor() override { return executor_; }
  void committed(Commits results, const std::string& failure) override;

 private:
  // What is cached of one subscriber's permission.
  struct Member {
    SessionPtr session;
    PrincipalPtr principal;
    uint64_t auth_epoch = 0;
    int32_t level = 0;
  };
  struct PresenceEntry {
    const Session* session;
    std::string data, principal;
  };
  enum class State : uint8_t { idle, loading, active };

  // document_actor.cpp: loading, dispatch, life
  void load();
  void loaded(Result<Store::Head> head);
  void serve(Request& request);
  void refuse_waiting(sk_status code, const std::string& text);
  void recover();
  void learn_epoch();
  void quarantine(const std::string& why);
  void error(const Request& request, sk_status code, std::string_view text, uint64_t seq = 0);
  int32_t level(const Request& request);

  // document_update.cpp
  void update(Request& request);
  Result<> check_fields(const Request& request, const wire::Transaction& transaction);
  bool in_order(const Request& request, const wire::Transaction& transaction);
  void enqueue(const Request& request, const wire::Transaction& transaction);
  void denied(const Request& request, uint64_t seq, sk_status code, std::string_view text);
  void ack(const Request& request, uint64_t seq, uint64_t position);

  // document_members.cpp
  void subscribe(Request& request);
  void unsubscribe(const Session& session);
  void presence(Request& request);
  void drop_presence(uint64_t replica);
  void recheck_members();
  void relay(const FramePtr& frame, const Session* except);

  // document_sync.cpp
  void sync_request(Request& request);

  // document_snapshot.cpp
  void maybe_snapshot();
  void snapshot_saved(Result<uint64_t> trimmed, uint64_t position);

  Hub& hub_;
  Executor& executor_;
  const size_t shard_;
  const std::string id_;
  State state_ = State::idle;
  bool recovering_ = false, learning_epoch_ = false, snapshotting_ = false, quarantined_ = false;
  int64_t last_used_ms_;
  std::deque<Request> waiting_;

  uint64_t epoch_ = 0, position_ = 0, snapshot_position_ = 0, trimmed_ = 0;
  uint64_t snapshot_not_before_ = 0;  // after a failure: not again before this position
  VersionVector version_, speculative_;
  size_t inflight_ = 0;

  std::unordered_map<const Session*, Member> members_;
  Audience audience_;
  std::map<uint64_t, PresenceEntry> presence_;
  uint64_t auth_epoch_ = 0;
};

}  // namespace synckit
