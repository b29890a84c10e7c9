// synckit/crdt.hpp: the C++20 layer for CRDT plugin authors. One class, one macro:
//
//   struct Max : synckit::Crdt<Max> {
//     static constexpr synckit::TypeInfo kInfo{"com.example.max"};
//     synckit::Status mutate(const synckit::Stamp&, synckit::Bytes intent,
//                            synckit::Writer& delta, synckit::Writer& patch, uint32_t& seqs);
//     synckit::Status merge(synckit::Bytes delta, synckit::Writer& patch);
//     synckit::Status encode(const synckit::Version& since, synckit::Writer& delta) const;
//     synckit::Status view(synckit::Writer& json) const;
//     static synckit::Status inspect(synckit::Bytes delta, synckit::Summary&, synckit::Deps&);
//   };
//   SYNCKIT_CRDT_PLUGIN(Max, "com.example.max", "1.0.0")
//
// Optional members, found by name: `compact(const Version&)`, `restamp(const Stamp&, Bytes,
// Writer&)`, `sample(uint64_t random, Writer& intent)`, `contents(Writer& parts)` (only for the
// types that come with SyncKit), and of the optional interfaces
//   anchor/1  make_anchor(uint64_t position, uint32_t unit, uint32_t side, Writer& anchor) and
//             resolve_anchor(Bytes anchor, uint32_t unit, uint64_t& position, bool& deleted)
//   undo/1    capture(const Stamp&, Bytes intent, Writer& token) and
//             revert(Bytes token, Writer& intents), which writes each one with Writer::sized
// The duties and laws of each are in abi.h.
// Exceptions may be thrown inside a member; they end in the thunks here (bad_alloc -> SK_NOMEM,
// anything else -> SK_INTERNAL).
//
// Threads: the host never overlaps calls on one instance; `inspect` must be reentrant.
#pragma once

#include <synckit/bytes.hpp>

namespace synckit {

// Whether deltas were inspected before they come, by those who have all checks (ADR 8).
#if defined(SYNCKIT_CLIENT_ONLY)
inline constexpr bool kVouchedFor = true;
#else
inline constexpr bool kVouchedFor = false;
#endif

using Stamp = sk_stamp;
using Dot = sk_dot;
using Summary = sk_summary;

inline bool operator==(const Dot& a, const Dot& b) {
  return a.replica == b.replica && a.seq == b.seq;
}

struct TypeInfo {
  const char* type;
  uint32_t format = 1;
  uint32_t min_format = 1;
};

// Index of the first dot, ascending by replica, whose replica is not below. O(log n).
inline size_t dot_position(const Dot* dots, size_t len, uint64_t replica) {
  size_t low = 0;
  while (low < len) {
    size_t middle = (low + len) / 2;
    if (dots[middle].replica < replica) {
      low = middle + 1;
    } else {
      len = middle;
    }
  }
  return low;
}

// Raises the seq of the dot's replica, which is, or gets, its place at `at` (dot_position). O(n)
// when it is new. Gives `at`.
SK_ONCE inline size_t raise_dot(Vec<Dot>& dots, size_t at, Dot dot) {
  if (at == dots.size() || dots[at].replica != dot.replica) dots.insert(at, {dot.replica, 0});
  Dot& known = dots[at];
  if (known.seq < dot.seq) known.seq = dot.seq;
  return at;
}

// A borrowed version vector.
class Version {
 public:
  Version() = default;
  explicit Version(const sk_version* version) : v_(version ? *version : sk_version{}) {}
  bool empty() const { return v_.len == 0; }
  // Highest contiguous seq seen of `replica`, 0 when none. O(log n).
  uint64_t operator[](uint64_t replica) const {
    size_t at = dot_position(v_.dots, v_.len, replica);
    return at < v_.len && v_.dots[at].replica == replica ? v_.dots[at].seq : 0;
  }
  bool has(Dot dot) const { return dot.seq <= (*this)[dot.replica]; }

 private:
  sk_version v_{};
};

// Collects what a delta depends on: keeps the highest seq per replica.
class Deps {
 public:
  explicit Deps(sk_buf* out) : out_(out), start_(out ? out->len : 0) {}
  void need(uint64_t replica, uint64_t seq) {
    if (!out_ || seq == 0) return;
    for (size_t at = start_; at + sizeof(Dot) <= out_->len; at += sizeof(Dot)) {
      Dot dot;
      std::memcpy(&dot, out_->data + at, sizeof dot);
      if (dot.replica != replica) continue;
      if (dot.seq < seq) {
        dot.seq = seq;
        std::memcpy(out_->data + at, &dot, sizeof dot);
      }
      return;
    }
    add(replica, seq);
  }
  // The same for a caller that names each replica once: without the search through all others.
  void add(uint64_t replica, uint64_t seq) {
    Dot dot{replica, seq};
    if (out_) Writer(out_).raw(&dot, sizeof dot);
  }

 private:
  sk_buf* out_;
  size_t start_;
};

inline void set_error(sk_error* error, sk_status code, const char* text) {
  if (!error || error->size < sizeof(sk_error)) return;
  error->code = code;
  size_t n = std::strlen(text);
  if (n >= sizeof error->text) n = sizeof error->text - 1;
  std::memcpy(error->text, text, n);
  error->text[n] = '\0';
}

// How a thunk ends: the error of the call, or of the first output that could not grow.
[[gnu::noinline]] inline sk_status report(sk_error* error, Status status) {
  if (!status.ok()) set_error(error, status.code(), status.text());
  return status.code();
}
#if defined(SYNCKIT_SMALL)
[[gnu::noinline]]
#endif
inline Status with_output(Status status, const Writer& out) {
  return status.ok() ? out.status() : status;
}

// Runs `call` (returning Status) behind the ABI: no exception leaves, errors get their text.
template <class Call>
sk_status guarded(sk_error* error, Call&& call) noexcept {
#if defined(__cpp_exceptions)
  try {
    Status status = call();
    return status.ok() ? SK_OK : report(error, status);
  } catch (const std::bad_alloc&) {
    return report(error, {SK_NOMEM, "out of memory"});
  } catch (const std::exception& e) {
    set_error(error, SK_INTERNAL, e.what());
    return SK_INTERNAL;
  } catch (...) {
    return report(error, {SK_INTERNAL, "the plugin threw something that is not a std::exception"});
  }
#elif defined(SYNCKIT_CLIENT_ONLY)  // the kernel asks for no sentences
  (void)error;
  return call().code();
#else
  Status status = call();
  return status.ok() ? SK_OK : report(error, status);
#endif
}

template <class T>
struct Crdt {
  static const sk_crdt_v1* crdt_interface() {
    static constexpr sk_crdt_v1 table = make_table();
    return &table;
  }

  static const sk_crdt_samples_v1* samples_interface() {
    if constexpr (requires(T & t, uint64_t r, Writer & w) { t.sample(r, w); }) {
      static const sk_crdt_samples_v1 table = {sizeof(sk_crdt_samples_v1), T::kInfo.type, &sample};
      return &table;
    } else {
      return nullptr;
    }
  }

#if !defined(SYNCKIT_CLIENT_ONLY)
  static const sk_crdt_anchor_v1* anchor_interface() {
    if constexpr (requires(T & t, Writer & w) { t.make_anchor(0, 0, 0, w); }) {
      static const sk_crdt_anchor_v1 table = {sizeof(sk_crdt_anchor_v1), T::kInfo.type,
                                              &make_anchor, &resolve_anchor};
      return &table;
    } else {
      return nullptr;
    }
  }

  static const sk_crdt_undo_v1* undo_interface() {
    if constexpr (requires(T & t, Bytes b, Writer & w) { t.revert(b, w); }) {
      static const sk_crdt_undo_v1 table = {sizeof(sk_crdt_undo_v1), T::kInfo.type, &capture,
                                            &revert};
      return &table;
    } else {
      return nullptr;
    }
  }

  // The interface of that id, nullptr when the type does not have it.
  static const void* find_interface(const char* id) {
    if (std::strcmp(id, SK_IFACE_CRDT) == 0) return crdt_interface();
    if (std::strcmp(id, SK_IFACE_SAMPLES) == 0) return samples_interface();
    if (std::strcmp(id, SK_IFACE_ANCHOR) == 0) return anchor_interface();
    if (std::strcmp(id, SK_IFACE_UNDO) == 0) return undo_interface();
    return nullptr;
  }
#endif

 private:
  static T& self(void* doc) { return *static_cast<T*>(doc); }

  static constexpr sk_crdt_v1 make_table() {
    sk_crdt_v1 t{};
    t.size = sizeof t;
    t.format = T::kInfo.format;
    t.min_format = T::kInfo.min_format;
    t.type = T::kInfo.type;
    t.create = [](void** doc, sk_error* error) {
      return guarded(error, [&] {
        *doc = new T();
        return Status{};
      });
    };
    t.destroy = [](void* doc) { delete static_cast<T*>(doc); };
    t.mutate = [](void* doc, const sk_stamp* stamp, const uint8_t* intent, size_t len,
                  sk_buf* delta, sk_buf* patch, uint32_t* seqs, sk_error* error) {
      return guarded(error, [&] {
        Writer d(delta), p(patch);
        *seqs = 0;
        Status status = self(doc).mutate(*stamp, Bytes(intent, len), d, p, *seqs);
        return with_output(with_output(status, d), p);
      });
    };
    t.merge = [](void* doc, const uint8_t* delta, size_t len, sk_buf* patch, sk_error* error) {
      return guarded(error, [&] {
        Writer p(patch);
        return with_output(self(doc).merge(Bytes(delta, len), p), p);
      });
    };
#if !defined(SYNCKIT_CLIENT_ONLY)  // core.wasm stores the host's snapshots: it makes none
    t.encode = [](void* doc, const sk_version* since, sk_buf* delta, sk_error* error) {
      return guarded(error, [&] {
        Writer d(delta);
        return with_output(self(doc).encode(Version(since), d), d);
      });
    };
    if constexpr (requires(T & x, const Version& v) { x.compact(v); }) {
      t.compact = [](void* doc, const sk_version* stable, sk_error* error) {
        return guarded(error, [&] { return self(doc).compact(Version(stable)); });
      };
    }
#endif
    constexpr bool kHasContents = requires(T & x, Writer & w) { x.contents(w); };
    if constexpr (kHasContents) {
      t.contents = [](void* doc, sk_buf* parts, sk_error* error) {
        return guarded(error, [&] {
          Writer p(parts);
          return with_output(self(doc).contents(p), p);
        });
      };
    }
    if constexpr (!kHasContents || !kVouchedFor) {
      t.view = [](void* doc, sk_buf* json, sk_error* error) {
        return guarded(error, [&] {
          Writer j(json);
          return with_output(self(doc).view(j), j);
        });
      };
    }
#if !defined(SYNCKIT_CLIENT_ONLY)  // what the host sends was inspected there
    t.inspect = [](const uint8_t* delta, size_t len, sk_summary* summary, sk_buf* deps,
                   sk_error* error) {
      return guarded(error, [&] {
        uint32_t size = summary->size;
        *summary = {};
        summary->size = size;
        Deps d(deps);
        return T::inspect(Bytes(delta, len), *summary, d);
      });
    };
#endif
    if constexpr (requires(T & x, const Stamp& s, Bytes b, Writer& w) { x.restamp(s, b, w); }) {
      t.restamp = [](void* doc, const sk_stamp* stamp, const uint8_t* delta, size_t len,
                     sk_buf* out, sk_error* error) {
        return guarded(error, [&] {
          Writer w(out);
          return with_output(self(doc).restamp(*stamp, Bytes(delta, len), w), w);
        });
      };
    }
    return t;
  }

  static sk_status sample(void* doc, uint64_t random, sk_buf* intent, sk_error* error) {
    return guarded(error, [&] {
      Writer w(intent);
      return with_output(self(doc).sample(random, w), w);
    });
  }

#if !defined(SYNCKIT_CLIENT_ONLY)
  static sk_status make_anchor(void* doc, uint64_t position, uint32_t unit, uint32_t side,
                               sk_buf* anchor, sk_error* error) {
    return guarded(error, [&] {
      Writer w(anchor);
      return with_output(self(doc).make_anchor(position, unit, side, w), w);
    });
  }
  static sk_status resolve_anchor(void* doc, const uint8_t* anchor, size_t len, uint32_t unit,
                                  uint64_t* position, uint32_t* deleted, sk_error* error) {
    return guarded(error, [&] {
      bool gone = false;
      Status status = self(doc).resolve_anchor(Bytes(anchor, len), unit, *position, gone);
      *deleted = gone;
      return status;
    });
  }
  static sk_status capture(void* doc, const sk_stamp* stamp, const uint8_t* intent, size_t len,
                           sk_buf* token, sk_error* error) {
    return guarded(error, [&] {
      Writer w(token);
      return with_output(self(doc).capture(*stamp, Bytes(intent, len), w), w);
    });
  }
  static sk_status revert(void* doc, const uint8_t* token, size_t len, sk_buf* intents,
                          sk_error* error) {
    return guarded(error, [&] {
      Writer w(intents);
      return with_output(self(doc).revert(Bytes(token, len), w), w);
    });
  }
#endif
};

}  // namespace synckit

// The entry symbol. A build that links several plugins statically renames it
// (-DSYNCKIT_PLUGIN_SYMBOL=synckit_plugin_v1_text).
#if !defined(SYNCKIT_PLUGIN_SYMBOL)
#define SYNCKIT_PLUGIN_SYMBOL synckit_plugin_v1
#endif

#if defined(__VERSION__)
#define SYNCKIT_BUILD_TEXT __VERSION__
#else
#define SYNCKIT_BUILD_TEXT "unknown compiler"
#endif

// Exports one CRDT class as a plugin.
#define SYNCKIT_CRDT_PLUGIN(Class, plugin_id, plugin_version)                                   \
  extern "C" SK_EXPORT const sk_plugin* SYNCKIT_PLUGIN_SYMBOL(void) {                           \
    static const sk_plugin plugin = {                                                           \
        SK_ABI_MAGIC, SK_ABI_MAJOR, SK_ABI_MINOR, sizeof(sk_plugin), plugin_id, plugin_version, \
        SYNCKIT_BUILD_TEXT, nullptr, nullptr,                                                   \
        [](const char* id, uint32_t index) -> const void* {                                     \
          return index == 0 ? Class::find_interface(id) : nullptr;                              \
        }};                                                                                     \
    return &plugin;                                                                             \
  }
