// One client's connection as the protocol sees it: Hello first, then requests that it hands to the
// documents' loops, and answers on the way back.
//
// Invariants
//   - Before Welcome nothing but Hello is accepted; while a credential is being checked nothing is
//     read.
//   - At most limits.max_inflight requests are unanswered; beyond that nothing is read. Every
//     routed Update and SyncRequest is answered exactly once (deliver with answered = 1).
//   - What waits to be written is bounded; a reader that lets it grow beyond is cut.
//
// Threads: owned by one loop. deliver, fail_from_anywhere and executor may be used from any thread.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "authority.hpp"
#include "base/task.hpp"
#include "connection.hpp"

namespace synckit {

struct Hub;

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(Hub& hub, size_t loop, Connection* connection, std::string peer);

  // From the transport, on the loop.
  void on_frame(Bytes frame);
  void on_text();
  void on_closed();
  void on_written();           // the queue of the connection has shrunk
  void tick(int64_t now_ms);   // steady clock
  void going_away();           // the host stops: no more requests are read
  void finish(Close code, std::string_view reason);

  // Any thread.
  void deliver(FramePtr frame, unsigned answered = 0);
  void fail_from_anywhere(sk_status code, std::string text);
  Executor& executor() const { return executor_; }

  // On the loop.
  void send(FramePtr frame);
  void answer(unsigned count);
  // Runs `task` now, or when the connection has room again; dropped when it closes.
  void when_room(Task task);
  // Answers in pages: `start` runs when there is room and at most kMaxStreams are under way; each
  // sends its pages (which never cut the reader: they wait for room), then says that it is done.
  void stream(Task start);
  void send_page(FramePtr frame);
  void stream_done();

  size_t loop() const { return loop_; }
  uint64_t replica() const { return replica_; }  // fixed after Welcome
  const std::string& id() const { return id_; }
  bool closed() const { return connection_ == nullptr; }

  uint64_t skip_tag = 0;  // sync/fanout.cpp: the delivery that this session is left out of

 private:
  enum class State : uint8_t { connected, authenticating, open, closed };
  void dispatch(const wire::Frame& frame);
  void on_hello(Bytes body);
  void authenticated(uint64_t replica, Result<PrincipalPtr> result);
  void welcome(bool renewed);
  void on_update(Bytes body);
  void on_sync_request(Bytes body);
  void on_subscribe(Bytes body);
  void on_unsubscribe(Bytes body);
  void on_presence(Bytes body);
  void on_query(const wire::Query& query);
  void subscribe(std::string_view document);
  void route(wire::Kind kind, std::string_view document, Bytes body, bool counted);
  bool document_ok(Bytes document);
  void error(sk_status code, std::string_view text, std::string_view document = {});
  void fail(sk_status code, std::string_view text, Close close);
  bool take_token(int64_t now_ms);
  void update_pause();

  Hub& hub_;
  Executor& executor_;
  const size_t loop_;
  Connection* connection_;
  const std::string id_, peer_;
  State state_ = State::connected;
  bool stopping_ = false, throttled_ = false, authenticating_ = false;
  uint64_t replica_ = 0;
  PrincipalPtr principal_;
  uint32_t inflight_ = 0;
  double tokens_ = 0;
  int64_t tokens_at_ms_ = 0, throttle_told_ms_ = 0;
  int64_t connected_at_ms_, heard_at_ms_;
  std::unordered_set<std::string> subscribed_;
  std::vector<Task> waiting_for_room_;
  std::deque<Task> waiting_streams_;  // at most one per unanswered SyncRequest
  unsigned streams_ = 0;
};
using SessionPtr = std::shared_ptr<Session>;

}  // namespace synckit
