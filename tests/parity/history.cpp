#include "history.hpp"

#include "../support/builtin_plugins.hpp"

namespace synckit::parity {
namespace {

constexpr size_t kReplicas = 3;

uint64_t next(uint64_t& state) {  // splitmix64
  uint64_t z = (state += 0x9e3779b97f4a7c15u);
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

struct Delta {
  size_t start, len;  // in History::log
  size_t author;
};

class History {
 public:
  History(const sk_crdt_v1& type, const sk_crdt_samples_v1& samples, uint64_t seed)
      : type_(type), samples_(samples), random_(seed) {
    for (void*& doc : docs_) note(type.create(&doc, nullptr));
  }
  ~History() {
    for (void* doc : docs_) type_.destroy(doc);
  }
  History(const History&) = delete;
  History& operator=(const History&) = delete;

  void step() {
    size_t who = next(random_) % kReplicas;
    uint64_t draw = next(random_) % 13;
    if (draw < 6) {
      edit(who);
    } else if (draw < 9) {
      catch_up(who, 1 + next(random_) % 5);
    } else if (draw < 10) {
      restart(who);
    } else if (draw < 11) {
      join(who, (who + 1) % kReplicas);
    } else {
      damage(who);
    }
  }

  void finish() {
    for (size_t who = 0; who < kReplicas; ++who) {
      catch_up(who, deltas_.size());
      view(who);
    }
  }

  Result result;

 private:
  void note(sk_status status) {
    mix(&status, sizeof status);
    if (status != SK_OK) ++result.failed;
  }
  void note(const Buffer& bytes) {
    uint64_t len = bytes.len;
    mix(&len, sizeof len);
    mix(bytes.data, bytes.len);
  }
  void mix(const void* bytes, size_t len) {
    for (size_t i = 0; i < len; ++i) {
      result.hash = (result.hash ^ static_cast<const uint8_t*>(bytes)[i]) * 0x100000001b3u;
    }
  }

  void edit(size_t who) {
    // Half of all edits run beside others that their author has not seen. The log stays causal:
    // what an author knows beyond its cursor stands before what it writes now.
    if (next(random_) % 2) catch_up(who, deltas_.size());
    Buffer intent, delta, patch;
    note(samples_.sample(docs_[who], next(random_), &intent, nullptr));
    note(intent);
    sk_stamp stamp{who + 1, seqs_[who] + 1, (1'700'000'000'000u + ++clock_) << 16};
    uint32_t count = 0;
    sk_status status = type_.mutate(docs_[who], &stamp, intent.data, intent.len, &delta, &patch,
                                    &count, nullptr);
    note(status);
    if (status != SK_OK || count == 0) return;
    note(delta);
    note(patch);
    inspect(delta);
    seqs_[who] += count;
    deltas_.push_back({log_.len, delta.len, who});
    Writer(log_).raw(delta);
    ++result.edits;
  }

  void inspect(const Buffer& delta) {
    sk_summary summary{};
    summary.size = sizeof summary;
    Buffer deps;
    note(type_.inspect(delta.data, delta.len, &summary, &deps, nullptr));
    note(deps);
    mix(&summary.replica, 5 * sizeof(uint64_t));
  }

  void catch_up(size_t who, size_t most) {
    for (; most > 0 && cursors_[who] < deltas_.size(); --most) {
      const Delta& delta = deltas_[cursors_[who]++];
      if (delta.author == who) continue;
      Buffer patch;
      note(type_.merge(docs_[who], log_.data + delta.start, delta.len, &patch, nullptr));
      note(patch);
    }
  }

  // A new instance from the snapshot, and once more from a slice.
  void restart(size_t who) {
    Buffer snapshot, slice, patch;
    sk_version nothing{};
    note(type_.encode(docs_[who], &nothing, &snapshot, nullptr));
    note(snapshot);
    sk_dot dot{who + 1, seqs_[who] / 2};
    sk_version some{&dot, dot.seq ? 1u : 0u};
    note(type_.encode(docs_[who], &some, &slice, nullptr));
    note(slice);
    void* fresh = nullptr;
    note(type_.create(&fresh, nullptr));
    note(type_.merge(fresh, snapshot.data, snapshot.len, &patch, nullptr));
    note(type_.merge(fresh, slice.data, slice.len, nullptr, nullptr));
    note(patch);
    type_.destroy(docs_[who]);
    docs_[who] = fresh;
    view(who);
  }

  // One replica takes the state of another.
  void join(size_t who, size_t from) {
    Buffer state, patch;
    sk_version nothing{};
    note(type_.encode(docs_[from], &nothing, &state, nullptr));
    note(type_.merge(docs_[who], state.data, state.len, &patch, nullptr));
    note(patch);
    view(who);
  }

  // A copy gets a delta with one bit flipped, or cut: refused or not, the same here and there.
  void damage(size_t who) {
    if (deltas_.empty()) return;
    const Delta& delta = deltas_[next(random_) % deltas_.size()];
    Buffer bad, state, patch;
    Writer(bad).raw(log_.data + delta.start, delta.len);
    bad.data[next(random_) % bad.len] ^= static_cast<uint8_t>(1u << next(random_) % 8);
    if (next(random_) % 4 == 0) bad.len = next(random_) % bad.len;
    sk_version nothing{};
    note(type_.encode(docs_[who], &nothing, &state, nullptr));
    void* copy = nullptr;
    note(type_.create(&copy, nullptr));
    note(type_.merge(copy, state.data, state.len, nullptr, nullptr));
    note(type_.merge(copy, bad.data, bad.len, &patch, nullptr));
    note(patch);
    state.clear();
    note(type_.encode(copy, &nothing, &state, nullptr));
    note(state);
    type_.destroy(copy);
  }

  void view(size_t who) {
    Buffer json;
    note(type_.view(docs_[who], &json, nullptr));
    note(json);
  }

  const sk_crdt_v1& type_;
  const sk_crdt_samples_v1& samples_;
  uint64_t random_;
  void* docs_[kReplicas] = {};
  uint64_t seqs_[kReplicas] = {};
  size_t cursors_[kReplicas] = {};
  uint64_t clock_ = 0;
  Buffer log_;
  Vec<Delta> deltas_;
};

}  // namespace

Result run(const sk_crdt_v1& type, const sk_crdt_samples_v1& samples, uint64_t seed,
           uint32_t steps) {
  History history(type, samples, seed);
  for (uint32_t i = 0; i < steps; ++i) history.step();
  history.finish();
  return history.result;
}

const char* type_name(uint32_t index) {
  constexpr const char* kNames[] = {"lww", "text", "set", "counter"};
  return index < 4 ? kNames[index] : nullptr;
}

Result run_built_in(uint32_t index, uint64_t seed, uint32_t steps) {
  constexpr sk_plugin_fn kPlugins[] = {synckit_plugin_v1_lww, synckit_plugin_v1_text,
                                       synckit_plugin_v1_set, synckit_plugin_v1_counter};
  const sk_plugin* plugin = kPlugins[index]();
  return run(*static_cast<const sk_crdt_v1*>(plugin->get_interface(SK_IFACE_CRDT, 0)),
             *static_cast<const sk_crdt_samples_v1*>(plugin->get_interface(SK_IFACE_SAMPLES, 0)),
             seed, steps);
}

}  // namespace synckit::parity
