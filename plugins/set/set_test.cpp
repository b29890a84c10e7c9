// Unit tests of the `set` type. The laws are checked in tests/laws.
#include "set.hpp"

#include <check/builtin.hpp>
#include <gtest/gtest.h>

namespace synckit::check {
namespace {

const sk_crdt_v1* type() { return Set::crdt_interface(); }

struct Replica {
  uint64_t id;
  Doc doc{type()};
  uint64_t seq = 0;

  Outcome edit(const std::string& intent) {
    Outcome out = doc.mutate({id, seq + 1, 0}, intent);
    seq += out.seqs;
    return out;
  }
  std::string add(const char* json) { return edit(set_add(json)).delta; }
  std::string remove(const char* json) { return edit(set_remove(json)).delta; }
  Outcome merge(const std::string& delta) { return doc.merge(delta); }
  std::string view() const { return doc.view(); }
};

std::string added(const std::string& json) { return sized("\1" + json); }
std::string removed(const std::string& json) { return sized("\2" + json); }

TEST(Set, adds_and_removes) {
  Replica a{1};
  EXPECT_EQ(a.view(), "[]");
  EXPECT_EQ(a.edit(set_add("\"x\"")).patch, added("\"x\""));
  EXPECT_EQ(a.edit(set_add("2")).patch, added("2"));
  EXPECT_EQ(a.edit(set_add("{\"b\":1}")).patch, added("{\"b\":1}"));
  EXPECT_EQ(a.view(), "[\"x\",2,{\"b\":1}]");
  EXPECT_EQ(a.edit(set_remove("2")).patch, removed("2"));
  EXPECT_EQ(a.view(), "[\"x\",{\"b\":1}]");
  EXPECT_EQ(a.edit(set_clear()).patch.size(), (removed("\"x\"") + removed("{\"b\":1}")).size());
  EXPECT_EQ(a.view(), "[]");
  EXPECT_EQ(a.seq, 5u);
}

TEST(Set, what_changes_nothing_takes_no_dot) {
  Replica a{1};
  EXPECT_EQ(a.edit(set_remove("1")).seqs, 0u);
  EXPECT_EQ(a.edit(set_clear()).seqs, 0u);
  a.add("1");
  Outcome again = a.edit(set_add("1"));  // takes one: it must win over concurrent removes
  EXPECT_EQ(again.seqs, 1u);
  EXPECT_EQ(again.patch, "");
}

TEST(Set, golden_bytes) {
  Replica a{1}, b{2};
  std::string zero(1, '\0');
  std::string add = a.add("7");
  EXPECT_EQ(add, "\x11\x01" + fixed64(1) + "\x01" + zero + "7");
  b.merge(add);
  std::string remove = b.remove("7");  // it has seen dot 1 of replica 1, and its own
  EXPECT_EQ(remove, "\x12\x02" + fixed64(1) + "\x01" + fixed64(2) + "\x01" + "\x01" + "7");
  b.merge(a.add("70")), b.add("70"), b.add("71");
  EXPECT_EQ(b.doc.snapshot(), "\x14\x02" + fixed64(1) + "\x02" + fixed64(2) + "\x03" +
                                  zero + "\x01" + zero + "\x02" + "70" +  // by author 1, seq 2
                                  "\x41\x02\x01" + "1");          // the same; shares a byte
  EXPECT_EQ(b.edit(set_clear()).delta, "\x13\x01" + fixed64(2) + "\x04" + zero);
}

TEST(Set, a_concurrent_add_wins_over_a_remove) {
  Replica a{1}, b{2};
  b.merge(a.add("1"));
  std::string remove = a.remove("1"), again = b.add("1");
  EXPECT_EQ(a.merge(again).patch, added("1"));
  EXPECT_EQ(b.merge(remove).patch, "");
  EXPECT_EQ(a.view(), "[1]");
  EXPECT_EQ(a.doc.snapshot(), b.doc.snapshot());
}

TEST(Set, a_concurrent_add_wins_over_a_clear) {
  Replica a{1}, b{2};
  b.merge(a.add("1"));
  b.merge(a.add("2"));
  std::string clear = a.edit(set_clear()).delta, add = b.add("3");
  a.merge(add);
  EXPECT_EQ(b.merge(clear).patch.size(), 2 * removed("1").size());
  EXPECT_EQ(b.view(), "[3]");
  EXPECT_EQ(a.doc.snapshot(), b.doc.snapshot());
}

TEST(Set, a_hundred_thousand_edits_leave_only_the_present_state) {
  Replica a{0x1234567812345678};
  for (int i = 0; i < 100'000; ++i) {
    std::string value = "\"element-" + std::to_string(i % 1000) + "\"";
    (i / 1000 % 2 == 0 ? a.add(value.c_str()) : a.remove(value.c_str()));
  }
  EXPECT_EQ(a.view(), "[]");
  EXPECT_EQ(a.doc.snapshot().size(), 2u + 8 + 3);  // the head: one author, its last seq
  for (int i = 0; i < 1000; ++i) {
    std::string value = "\"element-" + std::to_string(i) + "\"";
    a.add(value.c_str());
  }
  EXPECT_LT(a.doc.snapshot().size(), 8'000u);
}

TEST(Set, a_snapshot_conveys_removals_without_tombstones) {
  Replica a{1}, b{2};
  b.merge(a.add("1"));
  b.merge(a.add("2"));
  size_t full = a.doc.snapshot().size();
  a.remove("1");
  EXPECT_LT(a.doc.snapshot().size(), full);
  EXPECT_EQ(b.merge(a.doc.snapshot()).patch, removed("1"));
  EXPECT_EQ(b.view(), "[2]");
}

TEST(Set, a_catch_up_conveys_removals_and_keeps_what_the_sender_lacks) {
  Replica a{1}, b{2};
  b.merge(a.add("1"));
  b.merge(a.add("2"));
  std::string own = b.add("3");
  a.remove("1");
  a.add("4");
  Outcome slice = a.doc.encode({{1, 2}});
  EXPECT_EQ(b.merge(slice.delta).patch, added("4") + removed("1"));
  EXPECT_EQ(b.view(), "[2,3,4]");
  a.merge(own);
  EXPECT_EQ(a.doc.snapshot(), b.doc.snapshot());
  EXPECT_EQ(a.doc.encode({{1, 9}, {2, 9}}).delta, std::string("\x14\0", 2));
}

TEST(Set, an_older_snapshot_brings_nothing_back) {
  Replica a{1};
  a.add("1");
  std::string old = a.doc.snapshot();
  a.remove("1");
  EXPECT_EQ(a.merge(old).patch, "");
  EXPECT_EQ(a.view(), "[]");
}

TEST(Set, an_add_replaces_the_dots_that_it_saw) {
  Replica a{1}, b{2}, c{3};
  std::string x = a.add("1"), y = b.add("1");
  for (Replica* replica : {&a, &b, &c}) replica->merge(x), replica->merge(y);
  std::string again = c.add("1");
  a.merge(again);
  EXPECT_EQ(inspect(type(), again).deps.size(), 2u);
  EXPECT_EQ(inspect(type(), a.doc.snapshot()).summary.ops, 1u);  // one dot is left
}

TEST(Set, a_removal_that_comes_before_its_add_still_removes) {
  Replica a{1}, b{2}, c{3}, d{4};
  std::string first = a.add("1"), other = a.add("2");
  b.merge(first), b.merge(other);
  std::string remove = b.remove("1");
  EXPECT_TRUE(c.merge(remove).ok());
  EXPECT_EQ(c.merge(first).patch, "");
  EXPECT_EQ(c.merge(other).patch, added("2"));
  EXPECT_EQ(c.doc.snapshot(), b.doc.snapshot());
  std::string clear = b.edit(set_clear()).delta;
  EXPECT_TRUE(d.merge(remove).ok() && d.merge(clear).ok());
  EXPECT_TRUE(d.merge(first).ok() && d.merge(other).ok());
  EXPECT_EQ(d.view(), "[]");
  EXPECT_EQ(d.doc.snapshot(), b.doc.snapshot());
}

// What such an operation does must not depend on how far a replica has got with the replica that
// it names falsely.
TEST(Set, naming_dots_that_never_existed_splits_nobody) {
  Replica honest{1};
  std::string one = honest.add("1");
  honest.seq = 60;  // the dots between belong to other fields
  std::string two = honest.add("2");
  std::string lie = "\x11\x02" + fixed64(1) + "\x32" + fixed64(9) + "\x01\x01" + "1";
  Doc early(type()), late(type());
  for (const std::string& delta : {one, lie, two}) EXPECT_TRUE(early.merge(delta).ok());
  for (const std::string& delta : {one, two, lie}) EXPECT_TRUE(late.merge(delta).ok());
  EXPECT_EQ(early.snapshot(), late.snapshot());
  for (uint64_t seq = 2; seq < 2 + 3 * Set::kMaxEarly; ++seq) {
    std::string many = "\x12\x02" + fixed64(9) + varint(seq) + fixed64(77) + varint(seq);
    EXPECT_TRUE(early.merge(many + std::string(1, '\0') + "1").ok());
  }
}

TEST(Set, refuses_malformed_bytes) {
  Doc a(type());
  std::string zero(1, '\0'), op = "\x11\x01" + fixed64(1) + "\1" + zero;
  std::string state = "\x14\x01" + fixed64(1) + "\x05";
  const std::string bad[] = {
      "",
      "\x11",
      "\x11\x01" + fixed64(1) + zero + zero + "1",                        // seq 0
      "\x11\x01" + fixed64(0) + "\1" + zero + "1",                        // replica 0
      op,                                                                 // no value
      op + "01",                                                          // not JSON
      op + "1 2",                                                         // two values
      "\x15" + op.substr(1) + "1",                                        // unknown kind
      "\x10" + op.substr(1) + "1",                                        // another one
      "\x13" + op.substr(1) + "1",                                        // clear with a value
      "\x11\x01" + fixed64(1) + "\1\1" + "1",                             // no such author
      "\x11" + zero + zero + "1",                                         // nobody's
      "\x11\x02" + fixed64(3) + "\1" + fixed64(2) + "\1" + zero + "1",    // not ascending
      "\x11\x02" + fixed64(2) + "\1" + fixed64(2) + "\1" + zero + "1",    // a replica twice
      "\x11\x7f" + fixed64(3) + "\1" + zero + "1",                        // count too large
      state + "\x40\x02\x01" + "1",                                     // dot above context
      state + "\x40\x09\x01" + "1",                                     // dot 0
      state + zero + "\1\2\1" + "1",                                     // no such author
      state + "\x41\x07\x01" + "1",                                     // shares with nothing
      state + "\x40\x07\x01" + "x",                                     // not JSON
      state + "\xc0\x07",                                               // again, of nothing
      state + "\x40\x07\x01" + "1" + "\xc0" + zero,                     // a dot twice
      state + "\x40\x07\x01" + "1" + "\xc1\x02",                       // again, and shares
      state + "\x40\x07\x01" + "2" + "\x40\x02\x01" + "1",             // not ascending
      state + "\x40\x07\x01" + "1" + "\x40\x02\x01" + "1",             // an element twice
      state + "\x40\x07\x01" + "1" + zero,                              // cut short
      "\x14\x02" + fixed64(2) + "\1" + fixed64(1) + "\1"};
  for (size_t i = 0; i < std::size(bad); ++i) {
    EXPECT_EQ(inspect(type(), bad[i]).status, SK_MALFORMED) << i;
    EXPECT_EQ(a.merge(bad[i]).status, SK_MALFORMED) << i;
  }
  EXPECT_TRUE(inspect(type(), state + "\x40\x07\x01" + "1" + "\x40\x02\x01" + "2").ok());
  EXPECT_EQ(a.merge("\x21" + zero).status, SK_UNSUPPORTED);
  EXPECT_EQ(a.snapshot(), Doc(type()).snapshot());
  for (const char* intent : {"", "\1", "\2", "\4", "\3x", "\1{", "\1\"\xff\""}) {
    EXPECT_EQ(a.mutate({1, 1, 0}, intent).status, SK_MALFORMED);
  }
}

TEST(Set, limits) {
  Doc a(type());
  std::string longest = "\"" + std::string(Set::kMaxElementBytes - 2, 'x') + "\"";
  EXPECT_TRUE(a.mutate({1, 1, 0}, set_add(longest)).ok());
  EXPECT_EQ(a.mutate({1, 2, 0}, set_add(longest + " ")).status, SK_LIMIT);
  Doc b(type());
  EXPECT_TRUE(b.merge(a.snapshot()).ok());
  EXPECT_EQ(a.snapshot(), b.snapshot());
  EXPECT_EQ(a.mutate({1, 1, 0}, set_add("1")).status, SK_CONFLICT);
}

TEST(Set, an_output_that_cannot_grow_changes_nothing) {
  Replica a{1}, b{2};
  std::string first = a.add("\"a rather long element, longer than the space inside\"");
  b.merge(first);
  a.add("2");
  std::string before = b.doc.snapshot(), state = a.doc.snapshot();
  for (size_t limit = 0; limit < 64; ++limit) {
    TightBuffer delta(limit), patch(limit);
    uint32_t seqs;
    sk_stamp stamp{2, 1, 0};
    for (const std::string& intent :
         {set_add("\"new and also longer than 16 bytes\""), set_clear()}) {
      Bytes in(intent);
      sk_status status = type()->mutate(b.doc.raw(), &stamp, in.data, in.len, &delta, &patch, &seqs,
                                        nullptr);
      if (status == SK_OK) {  // by then there was room for everything
        EXPECT_GT(limit, 16u);
        return;
      }
      EXPECT_EQ(status, SK_NOMEM);
      EXPECT_EQ(b.doc.snapshot(), before) << limit;
    }
    Bytes in(state);
    TightBuffer room(limit % 3);  // never enough
    EXPECT_EQ(type()->merge(b.doc.raw(), in.data, in.len, &room, nullptr), SK_NOMEM);
    EXPECT_EQ(b.doc.snapshot(), before) << limit;
  }
}

}  // namespace
}  // namespace synckit::check
