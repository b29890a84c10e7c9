// Shared by the tests of crafted deltas: the types by name, documents that are tried on, bytes.
//
// Threads: none.
#pragma once

#include "meter.hpp"

#include "../support/builtin_plugins.hpp"

#include <check/builtin.hpp>

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace synckit::cost {

using check::fixed64;
using check::sized;
using check::varint;

// Decoding a delta takes at most this many bytes of memory for each of its bytes, and a bit.
constexpr size_t kMemoryPerByte = 64, kMemoryFixed = 8192;

struct Type {
  const sk_crdt_v1* crdt = nullptr;
  const sk_crdt_samples_v1* samples = nullptr;

  explicit Type(const std::string& name) {
    for (auto plugin : {synckit_plugin_v1_lww, synckit_plugin_v1_text, synckit_plugin_v1_set,
                        synckit_plugin_v1_counter}) {
      const sk_crdt_v1* type = check::crdt_of(plugin());
      if (name == type->type) crdt = type, samples = check::samples_of(plugin(), name);
    }
  }
};

struct Tally {
  uint64_t refused = 0, accepted = 0;
};

// A document on which deltas are tried.
class Target {
 public:
  Target(const Type& type, std::string state)
      : type_(type), state_(std::move(state)), doc_(fresh()) {
    snapshot_ = doc_.snapshot();
    view_ = doc_.view();
  }

  // Refused whole, or accepted without harm.
  void try_delta(const std::string& delta, Tally& tally) {
    auto* bytes = reinterpret_cast<const uint8_t*>(delta.data());
    sk_summary about{};
    about.size = sizeof about;
    Measure reading;
    sk_status read = type_.crdt->inspect(bytes, delta.size(), &about, nullptr, nullptr);
    ASSERT_LE(reading.memory(), kMemoryPerByte * delta.size() + kMemoryFixed)
        << "inspect of " << delta.size() << " bytes";
    Measure merging;
    sk_status status = type_.crdt->merge(doc_.raw(), bytes, delta.size(), nullptr, nullptr);
    size_t memory = merging.memory();
    if (status == SK_OK) {
      ++tally.accepted;
      ASSERT_EQ(read, SK_OK) << "merge took what inspect refuses";
      check::Doc copy = doc_.copy();
      ASSERT_EQ(copy.snapshot(), doc_.snapshot());
      ASSERT_EQ(copy.view(), doc_.view());
      doc_ = fresh();
      return;
    }
    ++tally.refused;
    ASSERT_TRUE(status == SK_MALFORMED || status == SK_MISSING_DEPS || status == SK_LIMIT ||
                status == SK_UNSUPPORTED || status == SK_CONFLICT)
        << status;
    ASSERT_LE(memory, kMemoryPerByte * delta.size() + kMemoryFixed)
        << "a refused merge of " << delta.size() << " bytes";
    ASSERT_EQ(doc_.snapshot(), snapshot_);
    ASSERT_EQ(doc_.view(), view_);
  }

  void refuses(const std::string& delta, size_t number) {
    Tally tally;
    try_delta(delta, tally);
    EXPECT_EQ(tally.refused, 1u) << "delta " << number << " is accepted";
  }

 private:
  check::Doc fresh() const {
    check::Doc doc(type_.crdt);
    if (!state_.empty() && !doc.merge(state_).ok()) ADD_FAILURE() << "the state is refused";
    return doc;
  }

  Type type_;
  std::string state_;
  check::Doc doc_;
  std::string snapshot_, view_;
};

// A write of the map: one row by replica 1, dot 1, at millisecond 1.
inline std::string map_row(const std::string& path, const std::string& json) {
  return "\x11\1" + fixed64(1) + "\1\x40" + std::string(1, '\0') + sized(path) +
         std::string("\2\0", 2) + sized(json);
}

}  // namespace synckit::cost
