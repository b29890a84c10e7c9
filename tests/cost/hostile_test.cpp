// Deltas that are made to cost: whatever a few bytes claim, reading and merging them takes memory
// and steps in proportion to the bytes (and to the document where they speak of it). Each family
// of deltas is tried at one size and at four times that; steps may grow by four and a bit.
#include "crafted.hpp"

#include <functional>
#include <iostream>

namespace synckit::cost {
namespace {

const std::string none(1, '\0');
constexpr size_t kSmall = 2'000, kTimes = 4;
constexpr double kSlack = 1.5;  // beyond proportion: the logarithm, and growing buffers

struct Attack {
  std::string before, delta;  // a state (or nothing), and what is merged into it
};
struct Family {
  const char* type;
  const char* name;
  std::function<Attack(size_t)> make;
};

// n replicas with a dot each: ids first, first + step, ...
std::string dots(size_t n, uint64_t first, uint64_t step) {
  std::string out = varint(n);
  for (size_t i = 0; i < n; ++i) out += fixed64(first + i * step) + "\1";
  return out;
}
std::string repeated(const std::string& piece, size_t n) {
  std::string out;
  while (n--) out += piece;
  return out;
}

// Replicas 1 and 2 type n letters each, in turn, so that no two atoms of one stand together.
std::string interleaved_text(size_t n) {
  Type type("text");
  check::Doc doc(type.crdt);
  for (size_t i = 0; i < n; ++i) {
    for (uint64_t id : {1, 2}) {
      std::string intent = "\1" + varint(2 * i + id - 1) + none + "x";
      EXPECT_TRUE(doc.mutate({id, i + 1, 0}, intent).ok());
    }
  }
  return doc.snapshot();
}

// The state of one author with n pieces of one letter, each with an exception or none.
std::string text_pieces(size_t n, const std::string& code, const std::string& exceptions) {
  return "\2\1" + fixed64(1) + none + varint(n) + "\1" + varint(n - 1) + none + none +
         repeated(none, n) + code + exceptions + none + std::string(n, 'x');
}

const Family kFamilies[] = {
    {"text", "one deletion of everything, again and again",
     [](size_t n) {
       std::string run = varint(n << 1) + varint((n - 1) << 1 | 1);
       std::string last = varint(n << 1) + varint((n - 1) << 1);
       return Attack{interleaved_text(n),
                     "\5" + fixed64(1) + varint(n + 1) + repeated(run, n / 4) + last};
     }},
    {"text", "pieces of one letter, each the rest of the one before",
     [](size_t n) { return Attack{"", text_pieces(n, "\x0f" + repeated(none, n - 1), "")}; }},
    {"text", "pieces of one letter, last first",
     [](size_t n) {
       std::string codes = varint(15 + 2 * (n - 1));  // then each begins two before the last end
       return Attack{"", text_pieces(n, codes + repeated(varint(15 + 3), n - 1), "")};
     }},
    {"text", "a long insert", [](size_t n) {
       return Attack{"", "\x09" + fixed64(1) + "\1" + none + none + std::string(n * 8, 'x')};
     }},
    {"text", "deletions of single letters",
     [](size_t n) {
       std::string runs;
       for (size_t i = n; i > 0; --i) runs += varint(i << 1) + (i > 1 ? "\1" : none);
       return Attack{interleaved_text(n), "\5" + fixed64(1) + varint(n + 1) + runs};
     }},
    {"text", "writers without letters",
     [](size_t n) {
       std::string ids;
       for (size_t i = 1; i <= n; ++i) ids += fixed64(i) + none + "\1";
       return Attack{"", "\2" + varint(n) + ids + none + none + none};
     }},
    {"lww", "one path, again and again",
     [](size_t n) {
       std::string row = "\x42" + none + none + none + "\2" "\1" "2";
       return Attack{"", map_row("\1k", "1") + repeated(row, n)};
     }},
    {"lww", "paths that share all but a letter",
     [](size_t n) {
       std::string path = "\x20" + std::string(28, 'p'), rows = map_row(path + "0000", "1");
       for (size_t i = 1; i < n; ++i) {
         std::string digits = std::to_string(10000 + i).substr(1);
         rows += "\x5d" + none + "\4" + digits + none + none + "\1" "1";
       }
       return Attack{"", rows};
     }},
    {"set", "elements that share all but a letter",
     [](size_t n) {
       std::string rows = "\x14\1" + fixed64(1) + varint(n + 1);
       rows += "\x40" + none + sized("1" + std::string(40, '0') + "10000");
       for (size_t i = 1; i < n; ++i) rows += "\x69\1" + sized("1" + std::to_string(10000 + i));
       return Attack{"", rows};
     }},
    {"set", "an operation that has seen many",
     [](size_t n) {
       return Attack{"", "\x11" + dots(n, 1, 2) + none + "1"};
     }},
    {"set", "a state that has seen others than here",
     [](size_t n) {
       return Attack{"\x14" + dots(n, 1, 2), "\x14" + dots(n, 2, 2)};
     }},
    {"counter", "other replicas than here",
     [](size_t n) {
       return Attack{"\x12" + dots(n, 1, 2) + repeated("\2", n),
                     "\x12" + dots(n, 2, 2) + repeated("\2", n)};
     }},
    {"counter", "lower replicas than here",
     [](size_t n) {
       return Attack{"\x12" + dots(n, 1 << 20, 1) + repeated("\2", n),
                     "\x12" + dots(n, 1, 1) + repeated("\2", n)};
     }},
};

struct Cost {
  uint64_t steps = 0;
  size_t bytes = 0, memory = 0;
  sk_status status = SK_OK;
};

Cost cost_of(const Family& family, size_t n) {
  Type type(family.type);
  Attack attack = family.make(n);
  check::Doc doc(type.crdt);
  bool ready = attack.before.empty() || doc.merge(attack.before).ok();
  EXPECT_TRUE(ready) << family.name;
  Cost cost;
  cost.bytes = attack.delta.size() + attack.before.size();
  auto* bytes = reinterpret_cast<const uint8_t*>(attack.delta.data());
  Buffer patch;
  Measure measure;
  cost.status = type.crdt->merge(doc.raw(), bytes, attack.delta.size(), &patch, nullptr);
  cost.steps = measure.steps();
  cost.memory = measure.memory();
  return cost;
}

TEST(Hostile, costs_are_in_proportion) {
  double worst = 0;
  size_t most = 0;
  for (const Family& family : kFamilies) {
    Cost small = cost_of(family, kSmall), large = cost_of(family, kSmall * kTimes);
    double growth = static_cast<double>(large.steps) / static_cast<double>(small.steps + 1);
    size_t each = large.memory / large.bytes;
    SCOPED_TRACE(std::string(family.type) + ", " + family.name + ": " +
                 std::to_string(small.bytes) + " bytes take " + std::to_string(small.steps) +
                 " steps, " + std::to_string(large.bytes) + " take " +
                 std::to_string(large.steps) + " and " + std::to_string(large.memory) +
                 " bytes of memory; status " + std::to_string(large.status));
    if (std::getenv("SYNCKIT_COST_VERBOSE")) {
      std::cout << family.type << ", " << family.name << ": x" << growth << ", " << each
                << " bytes of memory a byte, status " << large.status << ", " << large.steps
                << " steps for " << large.bytes << " bytes\n";
    }
    if (Meter::counts_steps()) {
      EXPECT_LE(growth, kTimes * kSlack);
    }
    EXPECT_LE(large.memory, kMemoryPerByte * large.bytes + kMemoryFixed);
    worst = std::max(worst, growth);
    most = std::max(most, each);
  }
  std::cout << "proof: crafted  costs of " << std::size(kFamilies) << " families: x" << worst
            << " steps at most for x" << kTimes << " bytes, " << most
            << " bytes of memory a byte at most" << std::endl;
}

}  // namespace
}  // namespace synckit::cost
