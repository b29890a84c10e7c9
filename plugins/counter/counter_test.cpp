// Unit tests of the `counter` type. The laws are checked in tests/laws.
#include "counter.hpp"

#include <check/builtin.hpp>
#include <gtest/gtest.h>

#include <climits>

namespace synckit::check {
namespace {

const sk_crdt_v1* type() { return Counter::crdt_interface(); }

std::string record(uint64_t replica, uint64_t seq, uint64_t inc, uint64_t dec) {
  return fixed64(replica) + varint(seq) + varint(inc) + varint(dec);
}
std::string op(uint64_t replica, uint64_t seq, uint64_t inc, uint64_t dec) {
  return "\x11" + record(replica, seq, inc, dec);
}

std::string state(uint64_t replica, uint64_t seq, uint64_t inc, uint64_t dec) {
  return "\x12\x01" + record(replica, seq, inc, dec);
}

TEST(Counter, a_void_operation_leaves_no_trace_in_later_ones) {
  Doc author(type()), other(type());
  author.mutate({1, 1, 0}, counter_add(100));  // refused by the host: nobody else merges it
  EXPECT_EQ(other.merge(author.mutate({1, 2, 0}, counter_add(7)).delta).patch, counter_add(7));
  EXPECT_EQ(other.view(), "7");
}

TEST(Counter, adds_and_takes_away) {
  Doc a(type());
  EXPECT_EQ(a.view(), "0");
  EXPECT_EQ(a.mutate({1, 1, 0}, counter_add(5)).patch, counter_add(5));
  EXPECT_EQ(a.mutate({1, 2, 0}, counter_add(-7)).patch, counter_add(-7));
  EXPECT_EQ(a.view(), "-2");
}

TEST(Counter, zero_has_no_effect) {
  Doc a(type());
  Outcome out = a.mutate({1, 1, 0}, counter_add(0));
  EXPECT_TRUE(out.ok());
  EXPECT_EQ(out.seqs, 0u);
  EXPECT_TRUE(out.delta.empty() && out.patch.empty());
}

TEST(Counter, golden_bytes) {
  Doc a(type());
  a.mutate({0x0807060504030201, 1, 0}, counter_add(300));
  Outcome second = a.mutate({0x0807060504030201, 9, 0}, counter_add(-1));
  EXPECT_EQ(second.delta, std::string("\x11\1\2\3\4\5\6\7\x08\x09\x00\x01", 12));
  EXPECT_EQ(a.snapshot(), std::string("\x12\x01\1\2\3\4\5\6\7\x08\x09\xac\x02\x01", 14));
  EXPECT_EQ(Doc(type()).snapshot(), std::string("\x12\0", 2));
}

TEST(Counter, concurrent_changes_add_up_in_any_order) {
  Doc a(type()), b(type()), c(type());
  std::string from_a = a.mutate({1, 1, 0}, counter_add(10)).delta;
  std::string from_b = b.mutate({2, 1, 0}, counter_add(-3)).delta;
  EXPECT_EQ(a.merge(from_b).patch, counter_add(-3));
  EXPECT_EQ(b.merge(from_a).patch, counter_add(10));
  EXPECT_EQ(c.merge(b.snapshot()).patch, counter_add(7));
  EXPECT_EQ(a.merge(from_b).patch, "");
  EXPECT_EQ(a.view(), "7");
  EXPECT_EQ(a.snapshot(), b.snapshot());
  EXPECT_EQ(a.snapshot(), c.snapshot());
}

TEST(Counter, catch_up_sends_only_what_is_new) {
  Doc a(type()), b(type());
  a.mutate({1, 1, 0}, counter_add(1));
  a.merge(op(2, 5, 7, 0));
  Outcome slice = a.encode({{1, 1}});
  EXPECT_EQ(slice.delta, "\x12\x01" + record(2, 5, 7, 0));
  EXPECT_EQ(a.encode({{1, 1}, {2, 5}}).delta, std::string("\x12\0", 2));
}

TEST(Counter, refuses_to_leave_64_bits) {
  Doc a(type());
  EXPECT_TRUE(a.mutate({1, 1, 0}, counter_add(INT64_MAX)).ok());
  EXPECT_EQ(a.mutate({1, 2, 0}, counter_add(1)).status, SK_LIMIT);
  EXPECT_EQ(a.view(), "9223372036854775807");
  EXPECT_TRUE(a.mutate({1, 2, 0}, counter_add(INT64_MIN)).ok());
  EXPECT_EQ(a.view(), "-1");
  EXPECT_TRUE(a.mutate({1, 3, 0}, counter_add(-INT64_MAX)).ok());
  EXPECT_EQ(a.view(), "-9223372036854775808");
  EXPECT_EQ(a.mutate({1, 4, 0}, counter_add(-1)).status, SK_LIMIT);
}

TEST(Counter, a_replicas_sums_stay_in_64_bits_although_the_value_would) {
  Doc a(type());
  EXPECT_TRUE(a.merge(op(1, 1, UINT64_MAX, UINT64_MAX)).ok());
  EXPECT_EQ(a.view(), "0");
  EXPECT_EQ(a.mutate({1, 2, 0}, counter_add(1)).status, SK_LIMIT);
  EXPECT_EQ(a.mutate({1, 2, 0}, counter_add(-1)).status, SK_LIMIT);
  EXPECT_TRUE(a.mutate({2, 1, 0}, counter_add(1)).ok());
}

TEST(Counter, saturates_on_what_others_claim_and_comes_back_exactly) {
  Doc a(type());
  a.merge(op(1, 1, UINT64_MAX, 0));
  a.merge(op(2, 1, UINT64_MAX, 0));
  EXPECT_EQ(a.view(), "9223372036854775807");
  EXPECT_EQ(a.merge(op(4, 1, 0, 1)).patch, "");  // still far above: nothing visible changes
  a.merge(op(3, 1, 0, UINT64_MAX));
  a.merge(op(5, 1, 0, UINT64_MAX));
  EXPECT_EQ(a.view(), "-1");
}

TEST(Counter, patches_wrap_when_one_merge_moves_more_than_half_of_the_range) {
  Doc a(type());
  a.merge(op(1, 1, UINT64_MAX, 0));
  Outcome out = a.merge("\x12\x02" + record(2, 1, 0, UINT64_MAX) + record(3, 1, 0, UINT64_MAX));
  ASSERT_TRUE(out.ok()) << out.error;
  EXPECT_EQ(a.view(), "-9223372036854775808");
  uint64_t change = static_cast<uint64_t>(Reader(Bytes(out.patch)).zigzag());
  EXPECT_EQ(static_cast<uint64_t>(INT64_MAX) + change, static_cast<uint64_t>(INT64_MIN));
}

TEST(Counter, sums_never_go_backwards) {
  Doc a(type());
  a.merge(op(1, 5, 10, 4));
  std::string before = a.snapshot();
  EXPECT_EQ(a.merge(state(1, 6, 9, 4)).status, SK_MALFORMED);
  EXPECT_EQ(a.merge(state(1, 6, 10, 3)).status, SK_MALFORMED);
  EXPECT_EQ(a.merge(op(1, 6, UINT64_MAX, 0)).status, SK_MALFORMED);
  EXPECT_EQ(a.merge("\x12\x02" + record(1, 6, 9, 9) + record(2, 1, 1, 0)).status, SK_MALFORMED);
  EXPECT_EQ(a.snapshot(), before);
  EXPECT_EQ(a.merge(op(1, 4, 1, 0)).patch, "");  // older than what is known: nothing to do
  EXPECT_EQ(a.snapshot(), before);
}

TEST(Counter, refuses_malformed_bytes) {
  Doc a(type());
  const std::string bad[] = {"",
                             "\x13" + record(1, 1, 1, 0),
                             op(0, 1, 1, 0),
                             op(1, 0, 1, 0),
                             op(1, 1, 0, 0),
                             op(1, 1, 1, 0) + "x",
                             op(1, 1, 1, 0).substr(0, 10),
                             "\x12\x02" + record(2, 1, 1, 0) + record(1, 1, 1, 0),
                             "\x12\x02" + record(1, 1, 1, 0) + record(1, 2, 1, 0),
                             "\x12\x02" + record(1, 1, 1, 0),
                             "\x11" + fixed64(1) + "\x81" + std::string("\0\1\0", 3)};
  for (const std::string& delta : bad) {
    EXPECT_EQ(inspect(type(), delta).status, SK_MALFORMED);
    EXPECT_EQ(a.merge(delta).status, SK_MALFORMED);
  }
  EXPECT_EQ(a.merge("\x21" + record(1, 1, 1, 0)).status, SK_UNSUPPORTED);
  EXPECT_EQ(a.mutate({1, 1, 0}, "").status, SK_MALFORMED);
  EXPECT_EQ(a.mutate({1, 1, 0}, counter_add(1) + "x").status, SK_MALFORMED);
  EXPECT_EQ(a.mutate({0, 1, 0}, counter_add(1)).status, SK_MALFORMED);
  EXPECT_EQ(a.mutate({1, 0, 0}, counter_add(1)).status, SK_MALFORMED);
  EXPECT_EQ(a.snapshot(), Doc(type()).snapshot());
}

TEST(Counter, a_used_seq_is_a_conflict) {
  Doc a(type());
  a.mutate({1, 3, 0}, counter_add(1));
  EXPECT_EQ(a.mutate({1, 3, 0}, counter_add(1)).status, SK_CONFLICT);
  EXPECT_EQ(a.view(), "1");
}

TEST(Counter, inspect_tells_author_and_dots) {
  Inspected one = inspect(type(), op(7, 9, 1, 2));
  EXPECT_EQ(one.summary.authors, 1u);
  EXPECT_EQ(one.summary.replica, 7u);
  EXPECT_EQ(one.summary.seq_lo, 9u);
  EXPECT_EQ(one.summary.seq_hi, 9u);
  EXPECT_EQ(one.summary.max_hlc, 0u);
  EXPECT_TRUE(one.deps.empty());
  EXPECT_EQ(inspect(type(), "\x12\x02" + record(1, 1, 1, 0) + record(2, 2, 1, 0)).summary.authors,
            2u);
}

TEST(Counter, a_million_increments_are_one_record) {
  Doc a(type());
  Buffer delta;
  uint32_t seqs = 0;
  for (uint64_t seq = 1; seq <= 1'000'000; ++seq) {
    sk_stamp stamp{42, seq, 0};
    delta.clear();
    const uint8_t plus_one = 2;
    ASSERT_EQ(type()->mutate(a.raw(), &stamp, &plus_one, 1, &delta, nullptr, &seqs, nullptr),
              SK_OK);
  }
  EXPECT_EQ(a.view(), "1000000");
  EXPECT_LE(a.snapshot().size(), 24u);
}

}  // namespace
}  // namespace synckit::check
