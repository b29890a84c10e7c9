// Group commit: one thread; everything that arrived while the last commit was in flight goes into
// the next one.
//
// Invariants
//   - Records reach storage in the order in which enqueue was called.
//   - A sink hears of a record (committed, on its executor) only after append has returned, and
//     of the records of one sink in their order.
//   - drain() returns when everything that was enqueued before has been answered or time is up.
//
// Threads: enqueue from anywhere; sinks are called on their own executors.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/metrics.hpp"
#include "base/task.hpp"
#include "store.hpp"

namespace synckit {

class Session;
class CommitSink;

struct Commit {
  std::shared_ptr<CommitSink> sink;
  std::shared_ptr<Session> writer;
  uint64_t replica = 0, seq_lo = 0, seq_hi = 0;
  std::string payload;  // stored form
  Bytes transaction;    // inside payload
  // Answer:
  sk_status status = SK_INTERNAL;
  bool duplicate = false;
  uint64_t position = 0;
};
using Commits = std::vector<std::unique_ptr<Commit>>;

// Whoever sent records: a document.
class CommitSink {
 public:
  virtual ~CommitSink() = default;
  virtual const std::string& document() const = 0;
  virtual Executor& executor() = 0;
  virtual void committed(Commits results, const std::string& failure) = 0;
};

class Committer {
 public:
  struct Limits {
    size_t queue_records, queue_bytes, batch_records, batch_bytes;
  };
  Committer(Store& store, Metrics& metrics, Limits limits);
  ~Committer();

  // False when the queue is at its limit or drain() was called: nothing was taken.
  bool enqueue(std::unique_ptr<Commit>& commit);
  // Refuses further records, finishes what is queued. False when `timeout_ms` passed before.
  bool drain(int64_t timeout_ms);

 private:
  void run();
  void commit(Commits batch);
  Store& store_;
  Metrics& metrics_;
  const Limits limits_;
  std::mutex mutex_;
  std::condition_variable wake_, idle_;
  std::deque<std::unique_ptr<Commit>> queue_;
  size_t queued_bytes_ = 0;
  bool busy_ = false, closed_ = false, stop_ = false;
  std::thread thread_;
};

}  // namespace synckit
