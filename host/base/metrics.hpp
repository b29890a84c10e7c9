// What the host counts. Relaxed atomics, so that the hot path knows no metrics library;
// admin/metrics_text.cpp turns them into Prometheus' text format.
//
// Threads: any. Values are monotonic counters unless the name says otherwise.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace synckit {

class Counter {
 public:
  void add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  void sub(uint64_t n = 1) { value_.fetch_sub(n, std::memory_order_relaxed); }
  uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// Buckets 1, 2, 4, 8 ... of whatever unit is observed; the last one takes the rest.
class Histogram {
 public:
  static constexpr size_t kBuckets = 24;
  void observe(uint64_t value) {
    size_t i = 0;
    while (i + 1 < kBuckets && (uint64_t{1} << i) < value) ++i;
    buckets_[i].add();
    sum_.add(value);
  }
  uint64_t bucket(size_t i) const { return buckets_[i].get(); }
  uint64_t sum() const { return sum_.get(); }

 private:
  std::array<Counter, kBuckets> buckets_;
  Counter sum_;
};

struct Metrics {
  Counter connections;  // gauge: open WebSocket sessions
  Counter connections_total, connections_refused;
  Counter http_requests;
  Counter frames_in, frames_out, bytes_in, bytes_out;
  Counter updates, acks, duplicates, denied, deliveries, presence;
  std::array<Counter, 10> errors;  // by sk_status
  Counter throttled, slow_readers_cut, idle_closed;
  Counter queue_bytes;       // gauge: waiting to be written to sockets
  Counter commit_queue;      // gauge: records waiting for the committer
  Counter documents_active;  // gauge
  Counter documents_quarantined;  // gauge
  Counter snapshots, snapshot_failures, storage_failures, sync_requests;
  Counter auth_failures;
  Histogram commit_batch;       // records per commit
  Histogram commit_latency_us;  // of one append call
};

}  // namespace synckit
