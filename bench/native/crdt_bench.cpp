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
#include "harness.hpp"

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
  baseline<ChunkedRope<1024>>("floor-rope", "floor: plain chunked rope, the trace", trace);
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

// Edits at random places, 3 of 4 insertions: each(position, letter, or 0 to remove one).
template <class Each>
void random_edits(size_t n, Each&& each) {
  Random random(n);
  uint64_t length = 0;
  for (size_t i = 0; i < n; ++i) {
    uint64_t roll = random();
    bool remove = length > 0 && roll % 4 == 0;
    uint64_t position = random.below(remove ? length : length + 1);
    each(position, remove ? '\0' : static_cast<char>('a' + (roll >> 8) % 26));
    length += remove ? uint64_t(-1) : 1;
  }
}

// The time of one read whose address depends on the read before, in as many bytes as the spans of
// n random edits take: what a step down a tree of that size costs at least.
void random_reads(size_t n) {
  constexpr size_t kReads = 1'000'000, kSpanBytes = 24;  // a span has 16, and leaves are not full
  std::vector<uint32_t> block(n * kSpanBytes / sizeof(uint32_t));
  for (size_t i = 0; i < block.size(); i += 16) block[i] = static_cast<uint32_t>(i & 1);
  Random random(n);
  uint32_t read = 0;
  double from = cpu_ms();
  for (size_t i = 0; i < kReads; ++i) {
    read = block[((random() >> 32) + read) * block.size() >> 32];
  }
  double ms = cpu_ms() - from;
  require(read <= 1, "what was written");
  std::string edits = std::to_string(n);
  report(("floor-reads-" + edits).c_str(),
         "floor: random reads, each after the last, in the memory of " + edits + " edits", "ms", ms,
         kReads);
}

// How the cost of an edit grows with the document. Small ones are replayed several times, each time
// into a new text; the time is that of one.
void growth(double scale) {
  const double most = std::max(1e7 * scale, 1e4);
  for (size_t n = 10'000; static_cast<double>(n) <= most; n *= 10) {
    random_reads(n);
    const size_t rounds = std::max<size_t>(1, 200'000 / n);
    std::string expected;
    {
      ChunkedRope<16384> rope;
      random_edits(n, [&](uint64_t position, char letter) {
        rope.splice(position, letter ? 0 : 1, std::string_view(&letter, letter ? 1 : 0));
      });
      expected = rope.text();
    }
    double ms = 0;
    for (size_t round = 0; round < rounds; ++round) {
      Instance text(synckit_plugin_v1_text());
      Buffer intent, view;
      double from = cpu_ms();
      random_edits(n, [&](uint64_t position, char letter) {
        std::string_view insert(&letter, letter ? 1 : 0);
        splice_intent(intent, position, letter ? 0 : 1, insert);
        text.mutate(intent, nullptr);
      });
      ms += cpu_ms() - from;
      text.view(view);
      require(unescape(view.bytes().text()) == expected, "the expected text");
    }
    std::string id = "text-random-" + std::to_string(n);
    report(id.c_str(), "text: " + std::to_string(n) + " random edits", "ms",
           ms / static_cast<double>(rounds), n);
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
  std::vector<bool> found(kKeys);
  std::string_view json = view.bytes().text();
  for (size_t at = 1; at + 1 < json.size(); ++at) {
    size_t key = std::strtoul(json.data() + at, nullptr, 10);
    require(key < kKeys && !found[key], "an element, once");
    found[key] = true;
    at = std::min(json.find(',', at), json.size());
  }
  require(found == present, "the elements that are left");
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
