#include "fanout.hpp"

#include <algorithm>
#include <atomic>

#include "hub.hpp"

namespace synckit {

Audience::Group& Audience::writable(size_t loop) {
  auto& group = groups_[loop];
  if (!group) {
    group = std::make_shared<Group>();
  } else if (group->readers.load(std::memory_order_acquire) != 0) {
    auto copy = std::make_shared<Group>();
    copy->sessions = group->sessions;
    group = std::move(copy);
  }
  return *group;
}

std::shared_ptr<Audience::Group> Audience::lend(size_t loop) const {
  if (!groups_[loop] || groups_[loop]->sessions.empty()) return nullptr;
  groups_[loop]->readers.fetch_add(1, std::memory_order_relaxed);
  return groups_[loop];
}

void Audience::add(const SessionPtr& session) {
  writable(session->loop()).sessions.push_back(session);
  ++size_;
}

void Audience::remove(const Session& session) {
  if (!groups_[session.loop()]) return;
  auto& group = writable(session.loop()).sessions;
  auto at = std::find_if(group.begin(), group.end(),
                         [&](const SessionPtr& s) { return s.get() == &session; });
  if (at == group.end()) return;
  *at = std::move(group.back());
  group.pop_back();
  --size_;
}

void Delivery::send(Hub& hub, const Audience& audience) {
  static std::atomic<uint64_t> tags{0};
  uint64_t tag = ++tags;
  for (size_t loop = 0; loop < by_loop_.size(); ++loop) {
    auto group = shared_.empty() ? nullptr : audience.lend(loop);
    if (by_loop_[loop].empty() && !group) continue;
    auto run = [&hub, tag, ones = std::move(by_loop_[loop]), shared = shared_,
                group = std::move(group)] {
      uint64_t sent = 0;
      for (const ToOne& one : ones) {
        one.session->skip_tag = tag;
        for (const FramePtr& frame : one.frames) one.session->send(frame);
        if (one.answered) one.session->answer(one.answered);
        sent += one.frames.size();
      }
      if (group) {
        for (const SessionPtr& session : group->sessions) {
          if (session->skip_tag == tag) continue;
          for (const FramePtr& frame : shared) session->send(frame);
          sent += shared.size();
        }
        Audience::done(*group);
      }
      hub.metrics.deliveries.add(sent);
    };
    Executor& executor = *hub.shards[loop]->executor;
    if (executor.here()) {
      run();
    } else {
      executor.post(std::move(run));
    }
  }
}

}  // namespace synckit
