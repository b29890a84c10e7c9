// An event loop: one thread, one io_context, one queue of tasks.
//
// post() wakes the loop once for any number of tasks that arrive while it works, which is what
// keeps a fan-out to thousands of sessions cheap.
// Threads: post and here from anywhere; start and stop from the owner.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/task.hpp"

namespace boost::asio {
class io_context;
}

namespace synckit {

class Loop : public Executor {
 public:
  Loop();
  ~Loop() override;
  // `tick` runs on the loop every `tick_ms`, with the steady clock.
  void start(std::function<void(int64_t now_ms)> tick, int64_t tick_ms);
  // Runs what is queued, then ends the thread. Posting afterwards drops the task.
  void stop();

  void post(Task task) override;
  bool here() const override;
  boost::asio::io_context& context();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace synckit
