// Threads for what may block: storage reads, authentication, snapshots.
//
// The queue is bounded: try_post says no, and the caller answers UNAVAILABLE. stop() runs what is
// queued to its end and joins; after it try_post says no for ever.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "task.hpp"

namespace synckit {

class Workers {
 public:
  Workers(unsigned threads, size_t max_queue);
  ~Workers();
  bool try_post(Task task);
  void stop();
  size_t queued() const;

 private:
  void run();
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> queue_;
  const size_t max_queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace synckit
