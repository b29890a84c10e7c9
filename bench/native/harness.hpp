// What every case of crdt_bench uses: the clock, the lines it prints, random numbers, one instance
// of a type behind its plugin table, and a slab for deltas.
#pragma once

#include <synckit/abi.h>
#include <time.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <synckit/bytes.hpp>
#include <vector>

namespace synckit::bench {

constexpr uint64_t kReplica = 0x1122334455667788;
constexpr uint64_t kKeys = 1000;
constexpr uint64_t kHlcStart = uint64_t{1'700'000'000'000} << 16;

[[noreturn]] inline void fail(const std::string& what) {
  std::fprintf(stderr, "crdt_bench: %s\n", what.c_str());
  std::exit(1);
}

inline void require(bool condition, const char* what) {
  if (!condition) fail(std::string("wrong result: not ") + what);
}

inline double cpu_ms() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) / 1e6;
}

inline void report(const char* id, const std::string& title, const char* unit, double value,
                   size_t n) {
  std::printf("{\"case\":\"%s\",\"title\":\"%s\",\"unit\":\"%s\",\"value\":%.3f,\"n\":%zu}\n", id,
              title.c_str(), unit, value, n);
  std::fflush(stdout);
}

inline void skip(const char* id, const char* why) {
  std::printf("{\"case\":\"%s\",\"skipped\":\"%s\"}\n", id, why);
}

template <class Work>
void timed(const char* id, const std::string& title, size_t n, Work&& work) {
  double from = cpu_ms();
  work();
  report(id, title, "ms", cpu_ms() - from, n);
}

// xorshift64*: fast enough not to show in what is measured.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t operator()() {
    state_ ^= state_ >> 12, state_ ^= state_ << 25, state_ ^= state_ >> 27;
    return state_ * 0x2545F4914F6CDD1D;
  }
  uint64_t below(uint64_t n) { return ((*this)() >> 32) * n >> 32; }

 private:
  uint64_t state_;
};

// ---- one instance of a type behind its table ----------------------------------------------------

class Instance {
 public:
  explicit Instance(const sk_plugin* plugin)
      : type_(static_cast<const sk_crdt_v1*>(plugin->get_interface(SK_IFACE_CRDT, 0))) {
    if (!type_) fail("a plugin without " SK_IFACE_CRDT);
    check(type_->create(&doc_, &error_));
  }
  ~Instance() { type_->destroy(doc_); }
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  // The next own edit, appended to `delta` unless that is null.
  void mutate(Bytes intent, sk_buf* delta) {
    sk_stamp stamp{kReplica, seq_, kHlcStart + seq_};
    uint32_t seqs = 0;
    check(type_->mutate(doc_, &stamp, intent.data, intent.len, delta, nullptr, &seqs, &error_));
    seq_ += seqs;
  }
  void merge(Bytes delta) {
    check(type_->merge(doc_, delta.data, delta.len, nullptr, &error_));
  }
  void snapshot(Buffer& out) {
    sk_version nothing{nullptr, 0};
    check(type_->encode(doc_, &nothing, &out, &error_));
  }
  void view(Buffer& out) { check(type_->view(doc_, &out, &error_)); }

 private:
  void check(sk_status status) {
    if (status != SK_OK) fail(std::string(type_ ? type_->type : "?") + ": " + error_.text);
  }

  const sk_crdt_v1* type_;
  void* doc_ = nullptr;
  uint64_t seq_ = 1;
  sk_error error_{sizeof(sk_error), 0, {}};
};

// Deltas one after the other in one slab, so that keeping them costs what a queue would cost.
struct Deltas {
  Buffer slab;
  std::vector<size_t> ends;

  void done() { ends.push_back(slab.len); }
  template <class Each>
  void each(Each&& call) const {
    size_t from = 0;
    for (size_t end : ends) {
      call(Bytes(slab.data + from, end - from));
      from = end;
    }
  }
};

inline std::string per_delta(const Deltas& deltas) {
  char text[32];
  double n = deltas.ends.empty() ? 1 : static_cast<double>(deltas.ends.size());
  std::snprintf(text, sizeof text, "%.1f", static_cast<double>(deltas.slab.len) / n);
  return std::string(" (") + text + " B each)";
}

}  // namespace synckit::bench
