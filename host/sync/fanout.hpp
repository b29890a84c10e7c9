// From one commit to many sockets: the same frames, one task per loop.
//
// Audience: a document's subscribers, by loop; copied when it changes while a delivery still uses
// it. Delivery: what one batch of a document sends; built on the document's loop.
//
// Order: every session gets what concerns a document in the order of its positions, because all
// of it comes from the document's loop and each loop runs its tasks in order.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "session.hpp"

namespace synckit {

struct Hub;

class Audience {
 public:
  struct Group {
    std::vector<SessionPtr> sessions;
    std::atomic<uint32_t> readers{0};  // deliveries that still go through it
  };
  explicit Audience(size_t loops) : groups_(loops) {}
  void add(const SessionPtr& session);
  void remove(const Session& session);
  size_t size() const { return size_; }
  size_t loops() const { return groups_.size(); }
  // Null when nobody listens there; else whoever gets it counts as a reader until `done`.
  std::shared_ptr<Group> lend(size_t loop) const;
  static void done(Group& group) { group.readers.fetch_sub(1, std::memory_order_release); }

 private:
  Group& writable(size_t loop);
  std::vector<std::shared_ptr<Group>> groups_;
  size_t size_ = 0;
};

class Delivery {
 public:
  struct ToOne {
    SessionPtr session;
    std::vector<FramePtr> frames;
    unsigned answered = 0;
  };
  explicit Delivery(size_t loops) : by_loop_(loops) {}
  // A session that gets frames of its own instead of the shared ones.
  void to_one(ToOne one) { by_loop_[one.session->loop()].push_back(std::move(one)); }
  // Everyone else in the audience.
  void to_all(FramePtr frame) { shared_.push_back(std::move(frame)); }
  void send(Hub& hub, const Audience& audience);

 private:
  std::vector<std::vector<ToOne>> by_loop_;
  std::vector<FramePtr> shared_;
};

}  // namespace synckit
