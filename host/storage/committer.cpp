#include "committer.hpp"

#include <chrono>
#include <unordered_map>

#include "base/clock.hpp"
#include "base/log.hpp"

namespace synckit {

Committer::Committer(Store& store, Metrics& metrics, Limits limits)
    : store_(store), metrics_(metrics), limits_(limits), thread_([this] { run(); }) {}

Committer::~Committer() {
  {
    std::lock_guard lock(mutex_);
    closed_ = stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

bool Committer::enqueue(std::unique_ptr<Commit>& commit) {
  {
    std::lock_guard lock(mutex_);
    if (closed_ || queue_.size() >= limits_.queue_records ||
        queued_bytes_ + commit->payload.size() > limits_.queue_bytes) {
      return false;
    }
    queued_bytes_ += commit->payload.size();
    queue_.push_back(std::move(commit));
  }
  metrics_.commit_queue.add();
  wake_.notify_one();
  return true;
}

bool Committer::drain(int64_t timeout_ms) {
  std::unique_lock lock(mutex_);
  closed_ = true;
  return idle_.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                        [this] { return queue_.empty() && !busy_; });
}

void Committer::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stop_ || !queue_.empty(); });
    if (stop_) return;
    Commits batch;
    size_t bytes = 0;
    while (!queue_.empty() && batch.size() < limits_.batch_records &&
           (batch.empty() || bytes + queue_.front()->payload.size() <= limits_.batch_bytes)) {
      bytes += queue_.front()->payload.size();
      batch.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
    queued_bytes_ -= bytes;
    busy_ = true;
    lock.unlock();
    metrics_.commit_queue.sub(batch.size());
    commit(std::move(batch));
    lock.lock();
    busy_ = false;
    if (queue_.empty()) idle_.notify_all();
  }
}

void Committer::commit(Commits batch) {
  std::vector<sk_append> records(batch.size());
  for (size_t i = 0; i < batch.size(); ++i) {
    const Commit& c = *batch[i];
    records[i] = {Bytes(c.sink->document()), c.replica, c.seq_lo, c.seq_hi, Bytes(c.payload),
                  0,                         SK_INTERNAL, 0};
  }
  int64_t start = steady_us();
  Result<> outcome = store_.append(records.data(), records.size());
  metrics_.commit_latency_us.observe(static_cast<uint64_t>(steady_us() - start));
  metrics_.commit_batch.observe(batch.size());
  std::string failure;
  if (!outcome) {
    failure = outcome.failure().text;
    metrics_.storage_failures.add();
    log::error("storage refused a commit",
               {{"records", batch.size()}, {"code", code_name(outcome.failure().code)},
                {"reason", failure}});
  }
  // By sink, in order; then one task per executor.
  std::vector<std::pair<std::shared_ptr<CommitSink>, Commits>> groups;
  std::unordered_map<CommitSink*, size_t> where;
  for (size_t i = 0; i < batch.size(); ++i) {
    Commit& c = *batch[i];
    c.status = outcome ? records[i].status : SK_UNAVAILABLE;
    c.duplicate = records[i].duplicate != 0;
    c.position = records[i].position;
    auto [at, fresh] = where.try_emplace(c.sink.get(), groups.size());
    if (fresh) groups.emplace_back(c.sink, Commits{});
    groups[at->second].second.push_back(std::move(batch[i]));
  }
  for (auto& [sink, results] : groups) {
    Executor& executor = sink->executor();
    executor.post([sink = std::move(sink), results = std::move(results), failure]() mutable {
      sink->committed(std::move(results), failure);
    });
  }
}

}  // namespace synckit
