// crdt_bench: the built-in types through the plugin ABI, without a host, a kernel or WASM around
// them, and plain text structures on the same trace as the floor.
//
//   crdt_bench [--trace FILE] [--scale X]
//
// FILE is what `node bench/traces.mjs convert` writes; without it the text cases are skipped.
// Prints one JSON line per case: {"case", "title", "value", "unit", "n"}; value is CPU milliseconds
// of the process, or bytes. Every final value is checked; a wrong one ends the run with status 1.
// One thread.

#include <synckit/abi.h>
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <synckit/bytes.hpp>
#include <vector>

#include "baselines.hpp"

#ifdef BENCH_TEXT
extern "C" const sk_plugin* synckit_plugin_v1_text(void);
#endif
#ifdef BENCH_LWW
extern "C" const sk_plugin* synckit_plugin_v1_lww(void);
#endif
#ifdef BENCH_SET
extern "C" const sk_plugin* synckit_plugin_v1_set(void);
#endif
#ifdef BENCH_COUNTER
extern "C" const sk_plugin* synckit_plugin_v1_counter(void);
#endif

namespace synckit::bench {
namespace {

constexpr uint64_t kReplica = 0x1122334455667788;
[[maybe_unused]] constexpr uint64_t kKeys = 1000;
constexpr uint64_t kHlcStart = uint64_t{1'700'000'000'000} << 16;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "crdt_bench: %s\n", what.c_str());
  std::exit(1);
}

void require(bool condition, const char* what) {
  if (!condition) fail(std::string("wrong result: not ") + what);
}

double cpu_ms() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) / 1e6;
}

void report(const char* id, const std::string& title, const char* unit, double value, size_t n) {
  std::printf("{\"case\":\"%s\",\"title\":\"%s\",\"unit\":\"%s\",\"value\":%.3f,\"n\":%zu}\n", id,
              title.c_str(), unit, value, n);
  std::fflush(stdout);
}

[[maybe_unused]] void skip(const char* id, const char* why) {
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

std::string per_delta(const Deltas& deltas) {
  char text[32];
  double n = deltas.ends.empty() ? 1 : static_cast<double>(deltas.ends.size());
  std::snprintf(text, sizeof text, "%.1f", static_cast<double>(deltas.slab.len) / n);
  return std::string(" (") + text + " B each)";
}

// ---- the trace ----------------------------------------------------------------------------------

struct Patch {
  uint64_t position, remove;
  Bytes insert;
};

struct Trace {
  std::string file;
  std::vector<Patch> patches;
  std::string end;
};

std::string read_file(const char* path) {
  FILE* file = std::fopen(path, "rb");
  if (!file) fail(std::string("cannot open ") + path);
  std::string out;
  char block[1 << 16];
  while (size_t n = std::fread(block, 1, sizeof block, file)) out.append(block, n);
  std::fclose(file);
  return out;
}

void read_trace(const char* path, Trace& trace) {
  trace.file = read_file(path);
  Reader in{Bytes(trace.file)};
  if (in.raw(4).text() != "SKT1") fail(std::string(path) + " is not a converted trace");
  uint64_t n = in.varint();
  if (n > in.left()) fail(std::string(path) + " is cut off");
  trace.patches.reserve(n);
  for (uint64_t i = 0; i < n && in.ok(); ++i) {
    uint64_t position = in.varint();
    uint64_t remove = in.varint();
    trace.patches.push_back({position, remove, in.sized()});
  }
  trace.end = in.sized().str();
  if (!in.good_end()) fail(std::string(path) + " is damaged");
}

bool ascii(const Trace& trace) {
  for (const Patch& patch : trace.patches) {
    for (size_t i = 0; i < patch.insert.len; ++i) {
      if (patch.insert.data[i] >= 0x80) return false;
    }
  }
  return true;
}

template <class Text>
void baseline(const char* id, const char* title, const Trace& trace) {
  Text text;
  timed(id, title, trace.patches.size(), [&] {
    for (const Patch& p : trace.patches) text.splice(p.position, p.remove, p.insert.text());
  });
  require(text.text() == trace.end, "the text of the trace");
}

void baselines(const Trace& trace) {
  if (!ascii(trace)) {
    skip("floor", "the trace is not ASCII");
    return;
  }
  baseline<GapBuffer>("floor-gap", "floor: plain gap buffer, the trace", trace);
  baseline<ChunkedRope>("floor-rope", "floor: plain chunked rope, the trace", trace);
}

// ---- text ---------------------------------------------------------------------------------------

#ifdef BENCH_TEXT

// The string that a JSON string literal stands for (the escapes that a text view can contain).
std::string unescape(std::string_view json) {
  require(json.size() >= 2 && json.front() == '"' && json.back() == '"', "a JSON string");
  json = json.substr(1, json.size() - 2);
  std::string out;
  for (size_t i = 0; i < json.size(); ++i) {
    if (json[i] != '\\') {
      out += json[i];
      continue;
    }
    static constexpr std::string_view kFrom = "nrtbf\"\\/", kTo = "\n\r\t\b\f\"\\/";
    require(++i < json.size(), "a complete escape");
    if (json[i] == 'u') {
      require(i + 4 < json.size(), "a complete escape");
      out += static_cast<char>(std::stoi(std::string(json.substr(i + 1, 4)), nullptr, 16));
      i += 4;
      continue;
    }
    size_t which = kFrom.find(json[i]);
    require(which != kFrom.npos, "a known escape");
    out += kTo[which];
  }
  return out;
}

void splice_intent(Buffer& out, uint64_t position, uint64_t remove, Bytes insert) {
  out.clear();
  Writer w(out);
  w.byte(1);
  w.varint(position);
  w.varint(remove);
  w.raw(insert);
}

void replay(Instance& text, const Trace& trace, Deltas* deltas) {
  Buffer intent;
  for (const Patch& p : trace.patches) {
    splice_intent(intent, p.position, p.remove, p.insert);
    text.mutate(intent, deltas ? &deltas->slab : nullptr);
    if (deltas) deltas->done();
  }
}

void require_text(Instance& text, const Trace& trace) {
  Buffer view;
  text.view(view);
  require(unescape(view.bytes().text()) == trace.end, "the text of the trace");
}

void text_cases(const Trace& trace) {
  size_t n = trace.patches.size();
  {
    Instance text(synckit_plugin_v1_text());
    timed("text-replay", "text: replay the trace", n, [&] { replay(text, trace, nullptr); });
    require_text(text, trace);
  }
  Deltas deltas;
  Buffer snapshot;
  {
    Instance text(synckit_plugin_v1_text());
    double from = cpu_ms();
    replay(text, trace, &deltas);
    double ms = cpu_ms() - from;
    report("text-deltas", "text: the same with a delta each" + per_delta(deltas), "ms", ms, n);
    require_text(text, trace);
    timed("text-encode", "text: encode the snapshot", n, [&] { text.snapshot(snapshot); });
    report("text-size", "text: snapshot", "bytes", static_cast<double>(snapshot.len), n);
  }
  {
    Instance text(synckit_plugin_v1_text());
    timed("text-merge", "text: merge those deltas one by one", n,
          [&] { deltas.each([&](Bytes delta) { text.merge(delta); }); });
    require_text(text, trace);
    Buffer again;
    text.snapshot(again);
    require(again.bytes() == snapshot.bytes(), "the author's snapshot");
  }
  Instance text(synckit_plugin_v1_text());
  Buffer view;
  timed("text-load", "text: load the snapshot and read", n, [&] {
    text.merge(snapshot);
    text.view(view);
  });
  require(unescape(view.bytes().text()) == trace.end, "the text of the trace");
}

// How the cost of an edit grows with the document: edits at random places, 3 of 4 insertions.
void growth(double scale) {
  const double most = 1e7 * scale;
  for (size_t n = 10'000; static_cast<double>(n) <= std::max(most, 1e4); n *= 10) {
    Instance text(synckit_plugin_v1_text());
    Random random(n);
    Buffer intent;
    uint64_t length = 0;
    std::string id = "text-random-" + std::to_string(n);
    timed(id.c_str(), "text: " + std::to_string(n) + " random edits", n, [&] {
      for (size_t i = 0; i < n; ++i) {
        uint64_t roll = random();
        bool remove = length > 0 && roll % 4 == 0;
        uint64_t position = random.below(remove ? length : length + 1);
        char letter = static_cast<char>('a' + (roll >> 8) % 26);
        splice_intent(intent, position, remove ? 1 : 0,
                      remove ? Bytes{} : Bytes(std::string_view(&letter, 1)));
        text.mutate(intent, nullptr);
        length += remove ? uint64_t(-1) : 1;
      }
    });
    Buffer view;
    text.view(view);
    require(view.len == length + 2, "the length of the text");
  }
}

#endif

// ---- the other types ----------------------------------------------------------------------------

[[maybe_unused]] void merge_all(const char* id, const char* what, const sk_plugin* plugin,
                                const Deltas& deltas, Instance& author) {
  Instance reader(plugin);
  timed(id, std::string(what) + per_delta(deltas), deltas.ends.size(),
        [&] { deltas.each([&](Bytes delta) { reader.merge(delta); }); });
  Buffer mine, theirs, view;
  author.snapshot(theirs);
  reader.snapshot(mine);
  require(mine.bytes() == theirs.bytes(), "the author's snapshot");
}

#ifdef BENCH_LWW
void lww_case(size_t n) {
  Instance map(synckit_plugin_v1_lww());
  Deltas deltas;
  Random random(7);
  std::vector<size_t> last(kKeys, SIZE_MAX);
  Buffer intent;
  std::vector<std::string> keys;
  for (uint64_t k = 0; k < kKeys; ++k) keys.push_back("key-" + std::to_string(k));
  timed("lww-writes", "lww: map writes with a delta each, 1,000 keys", n, [&] {
    for (size_t i = 0; i < n; ++i) {
      uint64_t key = random.below(kKeys);
      last[key] = i;
      intent.clear();
      Writer w(intent);
      w.byte(1);
      w.varint(1);
      w.sized(keys[key]);
      char value[24];
      int len = std::snprintf(value, sizeof value, "%zu", i);
      w.raw(value, static_cast<size_t>(len));
      map.mutate(intent, &deltas.slab);
      deltas.done();
    }
  });
  merge_all("lww-merges", "lww: merge those deltas", synckit_plugin_v1_lww(), deltas, map);
  Buffer view;
  map.view(view);
  for (uint64_t k = 0; k < kKeys; ++k) {
    if (last[k] == SIZE_MAX) continue;
    std::string member = "\"" + keys[k] + "\":" + std::to_string(last[k]);
    size_t at = view.bytes().text().find(member);
    require(at != std::string_view::npos, "the last value of every key");
    char after = view.bytes().text()[at + member.size()];
    require(after == ',' || after == '}', "the last value of every key");
  }
}
#endif

#ifdef BENCH_SET
void set_case(size_t n) {
  Instance set(synckit_plugin_v1_set());
  Deltas deltas;
  Random random(11);
  std::vector<bool> present(kKeys);
  Buffer intent;
  timed("set-edits", "set: adds and removes with a delta each, 1,000 elements", n, [&] {
    for (size_t i = 0; i < n; ++i) {
      uint64_t key = random.below(kKeys);
      present[key] = !present[key];
      intent.clear();
      Writer w(intent);
      w.byte(present[key] ? 1 : 2);
      char value[24];
      int len = std::snprintf(value, sizeof value, "%u", static_cast<unsigned>(key));
      w.raw(value, static_cast<size_t>(len));
      set.mutate(intent, &deltas.slab);
      deltas.done();
    }
  });
  merge_all("set-merges", "set: merge those deltas", synckit_plugin_v1_set(), deltas, set);
  Buffer view;
  set.view(view);
  size_t expected = 0, found = 0;
  for (bool p : present) expected += p;
  for (char c : view.bytes().text()) found += c == ',';
  require((view.len > 2 ? found + 1 : 0) == expected, "the elements that are left");
}
#endif

#ifdef BENCH_COUNTER
void counter_case(size_t n) {
  Instance counter(synckit_plugin_v1_counter());
  Deltas deltas;
  Buffer intent;
  Writer(intent).zigzag(1);
  timed("counter-increments", "counter: increments with a delta each", n, [&] {
    for (size_t i = 0; i < n; ++i) {
      counter.mutate(intent, &deltas.slab);
      deltas.done();
    }
  });
  merge_all("counter-merges", "counter: merge those deltas", synckit_plugin_v1_counter(), deltas,
            counter);
  Buffer view, snapshot;
  counter.view(view);
  require(view.bytes().text() == std::to_string(n), "the number of increments");
  counter.snapshot(snapshot);
  report("counter-size", "counter: snapshot", "bytes", static_cast<double>(snapshot.len), n);
}
#endif

int run(int argc, char** argv) {
  const char* trace_file = nullptr;
  double scale = 1;
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 == argc) fail(std::string(argv[i]) + " needs a value");
    if (std::strcmp(argv[i], "--trace") == 0) {
      trace_file = argv[i + 1];
    } else if (std::strcmp(argv[i], "--scale") == 0) {
      scale = std::atof(argv[i + 1]);
    } else {
      fail(std::string("unknown option ") + argv[i] + " (--trace FILE, --scale X)");
    }
  }
  if (!(scale > 0 && scale <= 1)) fail("--scale must be above 0 and at most 1");
  const size_t million = static_cast<size_t>(1e6 * scale);
  Trace trace;
  if (trace_file) {
    read_trace(trace_file, trace);
    baselines(trace);
  } else {
    skip("floor", "no --trace");
  }
#ifdef BENCH_TEXT
  if (trace_file) {
    text_cases(trace);
  } else {
    skip("text", "no --trace");
  }
  growth(scale);
#else
  skip("text", "the plugin is not built");
#endif
#ifdef BENCH_LWW
  lww_case(million);
#else
  skip("lww", "the plugin is not built");
#endif
#ifdef BENCH_SET
  set_case(million);
#else
  skip("set", "the plugin is not built");
#endif
#ifdef BENCH_COUNTER
  counter_case(million);
#else
  skip("counter", "the plugin is not built");
#endif
  (void)million;
  return 0;
}

}  // namespace
}  // namespace synckit::bench

int main(int argc, char** argv) { return synckit::bench::run(argc, argv); }
