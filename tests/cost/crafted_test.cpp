// Crafted deltas: whatever is wrong with one, it is refused whole. After each refusal the document
// has the view and the snapshot that it had, and decoding took no more memory than a small multiple
// of the bytes (kMemoryPerByte). What is accepted leaves a document that agrees with its own
// snapshot.
#include "crafted.hpp"

#include <iostream>

namespace synckit::cost {
namespace {

const char* const kNames[] = {"lww", "text", "set", "counter"};

// ---- every cut and every flipped bit of real deltas --------------------------------------------

struct Sample {
  std::string before;  // snapshot of a document that may take the delta
  std::string delta;
};

// Operations, catch-ups and snapshots of three replicas that edit and hear each other.
std::vector<Sample> samples_of_history(const char* name) {
  Type type(name);
  std::vector<Sample> out;
  check::Doc docs[] = {check::Doc(type.crdt), check::Doc(type.crdt), check::Doc(type.crdt)};
  check::VersionMap versions[3];
  uint64_t seqs[3] = {}, dice = 7;
  auto random = [&dice] {
    dice ^= dice << 13, dice ^= dice >> 7, dice ^= dice << 17;
    return dice >> 8;
  };
  for (uint64_t round = 1; round <= 24; ++round) {
    size_t who = random() % 3, other = (who + 1 + random() % 2) % 3;
    uint64_t id = 1 + who * 0x0123456789;
    Buffer intent;
    EXPECT_EQ(type.samples->sample(docs[who].raw(), random(), &intent, nullptr), SK_OK);
    std::string before = docs[who].snapshot();
    check::Outcome edit =
        docs[who].mutate({id, seqs[who] + 1, round << 16}, intent.bytes().text());
    if (edit.seqs) out.push_back({before, edit.delta});
    seqs[who] += edit.seqs, versions[who][id] = seqs[who];
    if (random() % 2) continue;
    std::string slice = docs[who].encode(versions[other]).delta;
    out.push_back({docs[other].snapshot(), slice});
    EXPECT_TRUE(docs[other].merge(slice).ok());
    for (const auto& [replica, seq] : versions[who]) {
      versions[other][replica] = std::max(versions[other][replica], seq);
    }
  }
  std::string nothing = check::Doc(type.crdt).snapshot();
  for (const check::Doc& doc : docs) out.push_back({nothing, doc.snapshot()});
  return out;
}

TEST(Crafted, every_cut_and_every_flipped_bit_is_refused_whole_or_harmless) {
  for (const char* name : kNames) {
    Type type(name);
    Tally tally;
    std::vector<Sample> all = samples_of_history(name);
    for (const Sample& sample : all) {
      for (bool empty : {false, true}) {
        Target target(type, empty ? std::string() : sample.before);
        for (size_t cut = 0; cut < sample.delta.size(); ++cut) {
          target.try_delta(sample.delta.substr(0, cut), tally);
        }
        for (size_t bit = 0; bit < sample.delta.size() * 8; ++bit) {
          std::string bytes = sample.delta;
          bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
          target.try_delta(bytes, tally);
        }
        for (const char* more : {"x", "\x80", "\xff\xff"}) {
          target.try_delta(sample.delta + more, tally);
        }
        ASSERT_FALSE(HasFatalFailure()) << name;
      }
    }
    EXPECT_GT(tally.refused, 1000u);
    std::cout << "proof: crafted  " << name << ": " << all.size() << " deltas cut and flipped, "
              << tally.refused << " refused whole, " << tally.accepted << " harmless" << std::endl;
  }
}

// ---- what each format forbids -------------------------------------------------------------------

const std::string none(1, '\0');
const uint64_t kHuge = uint64_t{1} << 60;

std::string text_op(uint8_t flags, uint64_t replica, uint64_t seq, const std::string& rest) {
  return std::string(1, static_cast<char>(flags | 1)) + fixed64(replica) + varint(seq) + rest;
}
enum : uint8_t { kErases = 4, kInserts = 8, kTyping = 16 };
// Dots in an op: of its author, by their distance; of others, the k-th of those that it names.
std::string own(uint64_t distance) { return varint(distance << 1); }
std::string their(uint64_t seq, uint64_t which, const std::string& id = {}) {
  return varint(seq << 1 | 1) + varint(which) + id;
}

// Replica 1 typed "abc" (dots 1 to 3), replica 2 "xy" behind it (1, 2), 1 deleted the "b" (4).
Target small_text(const Type& type) {
  check::Doc a(type.crdt), b(type.crdt);
  std::string abc = a.mutate({1, 1, 0}, std::string("\1\0\0abc", 6)).delta;
  EXPECT_TRUE(b.merge(abc).ok());
  std::string xy = b.mutate({2, 1, 0}, std::string("\1\3\0xy", 5)).delta;
  EXPECT_TRUE(a.merge(xy).ok());
  EXPECT_TRUE(a.mutate({1, 4, 0}, std::string("\1\1\1", 3)).ok());
  EXPECT_EQ(a.view(), "\"acxy\"");
  return Target(type, a.snapshot());
}

TEST(Crafted, text_origins_and_deletions_that_are_forged) {
  Type type("text");
  Target target = small_text(type);
  std::string two = fixed64(2);
  const std::string bad[] = {
      text_op(kInserts, 1, 5, own(1) + none + "q"),                  // own dot 4: a deletion
      text_op(kInserts, 1, 5, own(5) + none + "q"),                  // own dot 0
      text_op(kInserts, 1, 5, own(6) + none + "q"),                  // own dot -1
      text_op(kInserts, 1, 5, own(kHuge) + none + "q"),              // far below 0
      text_op(kInserts, 1, 9, own(2) + none + "q"),                  // own dot 7, of another field
      text_op(kInserts, 9, 1, own(1) + none + "q"),                  // itself
      text_op(kInserts, 1, 5, their(3, 0, two) + none + "q"),        // not there yet
      text_op(kInserts, 1, 5, none + their(3, 0, two) + "q"),        // neither as right origin
      text_op(kInserts, 2, 3, their(4, 0, fixed64(1)) + none + "q"), // a deletion
      text_op(kInserts, 1, 5, their(1, 0, fixed64(77)) + none + "q"),  // a stranger's
      text_op(kInserts, 1, 5, their(1, 1, two) + none + "q"),        // the second, without a first
      text_op(kInserts, 1, 5, their(1, kHuge, two) + none + "q"),
      text_op(kInserts, 1, 5, their(0, 0, two) + none + "q"),        // their dot 0
      text_op(kInserts, 1, 5, their(kHuge, 0, two) + none + "q"),
      text_op(kInserts, 1, 5, their(1, 0, fixed64(1)) + none + "q"), // itself as another
      text_op(kInserts, 1, 5, their(1, 0, fixed64(0)) + none + "q"), // nobody as another
      text_op(kInserts, 1, 5, their(1, 0) + none),                   // an id that is cut short
      text_op(kInserts, 1, 3, none + none + "cq"),                   // overlaps: 4 is no atom
      text_op(kInserts, 1, ~uint64_t{0}, none + none + "qq"),        // past the last seq
      text_op(kInserts, 1, uint64_t{1} << 63, none + none + "q"),
      text_op(kInserts, 1, (uint64_t{1} << 63) - 1, none + none + "qq"),
      text_op(kInserts, 0, 5, none + none + "q"),                    // nobody's
      text_op(kInserts, 1, 0, none + none + "q"),                    // dot 0
      text_op(kTyping | kInserts, 1, 5, none + "q"),                 // typed behind a deletion
      text_op(kTyping | kInserts, 9, 1, none + "q"),                 // typed behind nothing
      text_op(kTyping | kErases, 1, 5, own(2) + none),               // flags that exclude
      text_op(kInserts | 64, 1, 5, none + none + "q"),               // unknown flags
      text_op(kInserts | 128, 1, 5, none + none + "q"),
      text_op(kInserts | 32, 1, 5, none + none + "q"),
      text_op(0, 1, 5, "q"),                                         // does nothing
      text_op(kInserts, 1, 5, none + none),                          // inserts nothing
      text_op(kErases, 1, 5, own(1) + none),                         // deletes a deletion
      text_op(kErases, 1, 5, none + none),                           // deletes itself
      text_op(kErases, 1, 5, own(2) + varint(kHuge << 1)),           // 2^60 atoms
      text_op(kErases, 1, 5, own(2) + varint(2 << 1)),               // one too many: it reaches 5
      text_op(kErases, 1, 5, their(1, 0, two) + varint(uint64_t{1} << 29)),
      text_op(kErases, 1, 5, own(4) + "\1" + own(4) + none),         // deletes an atom twice
      text_op(kErases, 1, 5, own(4) + "\1" + own(2) + "\1" + own(4) + none),
      text_op(kErases, 1, 5, own(2) + "\1" + own(4) + none),         // runs that descend
      text_op(kErases, 1, 5, own(2) + "\1"),                         // promises another run
      text_op(kErases, 1, 5, own(2) + none + "q")};                  // something follows
  size_t count = 0;
  for (const std::string& delta : bad) target.refuses(delta, count++);
  std::cout << "proof: crafted  text: " << count << " forged operations refused whole" << std::endl;
}

TEST(Crafted, text_states_that_lie) {
  Type type("text");
  // One replica with dots 1 to 2; pieces: one of two atoms, or two of one; text "ab".
  auto head = [&](uint64_t base, uint64_t more) {
    return "\2\1" + fixed64(1) + varint(base) + varint(more);
  };
  std::string runs = std::string("\1\1\0", 3), gone = none, one_piece = "\2\x0f" + none;
  Target target(type, head(0, 2) + runs + gone + one_piece + "ab");
  auto pieces = [](std::initializer_list<uint64_t> codes) {
    std::string out;
    for (uint64_t code : codes) out += varint(code);
    return out;
  };
  const std::string bad[] = {
      "\2" + varint(kHuge),                                             // 2^60 replicas
      "\2" + varint(kHuge) + fixed64(1) + none + none,
      "\2\2" + fixed64(2) + none + "\1" + fixed64(1) + none + "\1",     // not ascending
      "\2\1" + fixed64(0) + none + "\1" + runs + gone + one_piece + "ab",
      head(~uint64_t{0}, 2) + runs + gone + one_piece + "ab",           // dots past the last
      head(0, kHuge) + "\1" + varint(kHuge - 1) + none + gone,          // 2^60 atoms
      head(0, 1) + runs + gone + one_piece + "ab",                      // more atoms than dots
      head(0, 2) + "\1\1\1\1" + none + gone + one_piece + "ab",         // runs beyond the dots
      "\2\2" + fixed64(1) + none + "\1" + fixed64(2) + none + "\1" + "\1\2" + none + none + gone +
          pieces({0, 15}) + none + "a",                                 // an atom of nobody
      head(5, 2) + runs + gone + one_piece + "ab",                      // a base that is not here
      head(0, 2) + runs + "\1" + none + none + one_piece + "ab",        // deletes what it carries
      head(0, 2) + runs + gone + pieces({0, 0, 15, 16}) + none + "ab",  // two pieces on one atom
      head(0, 2) + runs + gone + pieces({4, 15}) + none + "ab",         // a piece of three atoms
      head(0, 2) + runs + gone + pieces({kHuge << 1, 15}) + none + "ab",
      head(0, 2) + runs + gone + pieces({2, 17}) + none + "ab",         // begins at 1: overlaps
      head(0, 2) + runs + gone + pieces({2, 16}) + none + "ab",         // begins before 0
      head(0, 2) + runs + gone + pieces({2, 0}) + none + "ab",          // no end to continue
      head(0, 2) + runs + gone + pieces({2, 15, 1, 1, 0, 0}) + "ab",    // its own left origin
      head(0, 2) + runs + gone + pieces({2, 15, 1, 3, 0, 0}) + "ab",    // an atom before the first
      head(0, 2) + runs + gone + pieces({0, 0, 15, 15, 1, 0, 1}) + none + "ab",
      head(0, 2) + runs + gone + pieces({2, 15, 1, 2, 1, 0, 0}) + "ab",  // a dot above the base
      head(0, 2) + runs + gone + pieces({2, 15, 1, 4, 1, 0, 0}) + "ab",  // no such replica
      head(0, 2) + runs + gone + pieces({2, 15, 2, 0, 0, 0}) + "ab",    // an origin without piece
      head(0, 2) + runs + gone + pieces({2, 15, kHuge}) + none + "ab",
      head(0, 2) + runs + gone + one_piece + "a",                       // text too short
      head(0, 2) + runs + gone + one_piece + "abc",                     // too long
      head(0, 2) + runs + gone + one_piece + "a\xed\xa0\x80",           // a surrogate
      head(0, 2) + runs + gone + pieces({3, 15}) + none + "ab"};        // text of a tombstone
  size_t count = 0;
  for (const std::string& delta : bad) target.refuses(delta, count++);
  std::cout << "proof: crafted  text: " << count << " lying states refused whole" << std::endl;
}

TEST(Crafted, no_delta_and_no_edit_splits_a_surrogate_pair) {
  Type type("text");
  const std::string smile = "\xf0\x9f\x98\x80";
  check::Doc doc(type.crdt);
  ASSERT_TRUE(doc.mutate({1, 1, 0}, std::string("\1\0\0", 3) + "a" + smile + smile + "b").ok());
  Target target(type, doc.snapshot());
  size_t count = 0;
  // UTF-16 units: a 0, pairs 1-2 and 3-4, b 5.
  for (uint64_t at = 0; at <= 6; ++at) {
    for (uint64_t erase = 0; at + erase <= 6; ++erase) {
      auto inside = [](uint64_t unit) { return unit == 2 || unit == 4; };
      check::Doc copy = doc.copy();
      std::string before = copy.snapshot();
      bool good = !inside(at) && !inside(at + erase);
      check::Outcome out = copy.mutate({1, 5, 0}, "\2" + varint(at) + varint(erase) + "q");
      ASSERT_EQ(out.ok(), good) << at << ' ' << erase;
      if (good) continue;
      ASSERT_EQ(copy.snapshot(), before);
      ++count;
    }
  }
  const std::string halves[] = {"\xed\xa0\xbd", "\xed\xb8\x80", "\xed\xa0\xbd\xed\xb8\x80",
                                "\xf0\x9f\x98", "\x98\x80", "\xc0\x80", "\xf4\x90\x80\x80",
                                "\xf0\x80\x80\x80", "\xff", "a\x80"};
  for (const std::string& half : halves) {
    target.refuses(text_op(kInserts, 9, 1, none + none + half), count++);
    target.refuses(text_op(kTyping | kInserts, 1, 5, none + half), count++);
    ASSERT_EQ(doc.mutate({1, 5, 0}, std::string("\1\0\0", 3) + half).status, SK_MALFORMED);
    std::string json = "\"" + half + "\"";
    Type map("lww"), set("set");
    Target(map, "").refuses(map_row("\1k", json), count++);
    Target(set, "").refuses("\x11\1" + fixed64(1) + "\1" + none + json, count++);
  }
  for (const char* json : {"\"\\ud83d\"", "\"\\ude00\"", "\"\\ude00\\ud83d\"", "\"\\ud83dx\""}) {
    Target(Type("lww"), "").refuses(map_row("\1k", json), count++);
    Target(Type("set"), "").refuses("\x11\1" + fixed64(1) + "\1" + none + json, count++);
  }
  std::cout << "proof: crafted  halves of surrogate pairs: " << count << " refused whole"
            << std::endl;
}

TEST(Crafted, huge_counts_deep_values_and_long_varints) {
  size_t count = 0;
  std::string huge = varint(kHuge), deep(1'000'000, '['), objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  std::string just = std::string(65, '[') + std::string(65, ']');
  for (const std::string& json : {deep, objects, just}) {
    Target(Type("lww"), "").refuses(map_row("\1k", json), count++);
    Target(Type("set"), "").refuses("\x11\1" + fixed64(1) + "\1" + none + json, count++);
  }
  auto all = [&](const char* name, std::initializer_list<std::string> deltas) {
    for (const std::string& delta : deltas) Target(Type(name), "").refuses(delta, count++);
  };
  std::string row = map_row("\1k", "1");
  all("lww", {"\x11" + huge, "\x11" + huge + row.substr(2), row.substr(0, 13) + huge,
              "\x11\1" + fixed64(1) + "\1\x40" + none + huge + "\1k",
              "\x11\1" + fixed64(1) + "\1\x40" + none + "\x0a" + huge + "k",  // a long segment
              "\x11\1" + fixed64(1) + "\1\x40" + none + "\2\1k\2" + none + huge + "1",
              "\x11\1" + fixed64(1) + "\1\x40" + none + "\2\1k" + huge + none + "\1" "1",
              "\x11\1" + fixed64(1) + "\1\x40" + none + "\2\1k\2" + huge + "\1" "1"});
  all("set", {"\x11" + huge, "\x14" + huge, "\x14\1" + fixed64(1) + "\5\x40\x09" + huge + "1",
              "\x11\1" + fixed64(1) + "\1" + huge + "1"});
  all("counter", {"\x11" + huge, "\x12" + huge, "\x12" + huge + fixed64(1) + "\1\2"});
  // A varint in a longer form than it needs, and one of more than 64 bits.
  struct Good {
    const char* type;
    std::string delta;
    std::vector<size_t> varints;  // offsets; each is one byte
  };
  const Good good[] = {
      {"text", text_op(kInserts, 1, 1, none + none + "q"), {9, 10, 11}},
      {"lww", row, {1, 10, 12, 13, 16, 17, 18}},
      {"set", "\x11\1" + fixed64(1) + "\1" + none + "1", {1, 10, 11}},
      {"counter", "\x11\1" + fixed64(1) + "\1\2", {1, 10, 11}}};
  for (const Good& one : good) {
    check::Doc doc(Type(one.type).crdt);
    ASSERT_TRUE(doc.merge(one.delta).ok()) << one.type;
    for (size_t at : one.varints) {
      for (size_t longer : {1, 2, 9, 10}) {
        std::string bytes = one.delta;
        bytes[at] = static_cast<char>(bytes[at] | 0x80);
        bytes.insert(at + 1, std::string(longer - 1, '\x80') + none);
        Target(Type(one.type), "").refuses(bytes, count++);
        bytes = one.delta;
        bytes.replace(at, 1, std::string(longer + 1, '\xff') + '\x7f');
        if (longer >= 9) Target(Type(one.type), "").refuses(bytes, count++);
      }
    }
  }
  std::cout << "proof: crafted  huge counts, deep values, long varints: " << count
            << " refused whole" << std::endl;
}

}  // namespace
}  // namespace synckit::cost
