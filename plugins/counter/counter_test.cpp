// Unit tests of the `counter` type. The laws are checked in tests/laws.
#include "counter.hpp"

#include <check/builtin.hpp>
#include <gtest/gtest.h>

#include <climits>

namespace synckit::check {
namespace {

const sk_crdt_v1* type() { return Counter::crdt_interface(); }

std::string op(uint64_t replica, uint64_t seq, int64_t amount) {
  return "\x11\x01" + fixed64(replica) + varint(seq) + counter_add(amount);
}
std::string state(uint64_t replica, uint64_t seq, int64_t sum) {
  return "\x12" + op(replica, seq, sum).substr(1);
}
std::string two(uint64_t a, int64_t sum_a, uint64_t b, int64_t sum_b) {  // their seqs are 1
  return "\x12\x02" + fixed64(a) + "\1" + fixed64(b) + "\1" + counter_add(sum_a) +
         counter_add(sum_b);
}

std::string shows(int64_t value) { return "\x08" + fixed64(static_cast<uint64_t>(value)); }

TEST(Counter, a_void_operation_leaves_no_trace_in_later_ones) {
  Doc author(type()), other(type());
  author.mutate({1, 1, 0}, counter_add(100));  // refused by the host: nobody else merges it
  EXPECT_EQ(other.merge(author.mutate({1, 2, 0}, counter_add(7)).delta).patch, shows(7));
  EXPECT_EQ(other.view(), "7");
}

TEST(Counter, adds_and_takes_away) {
  Doc a(type());
  EXPECT_EQ(a.view(), "0");
  EXPECT_EQ(a.mutate({1, 1, 0}, counter_add(5)).patch, shows(5));
  EXPECT_EQ(a.mutate({1, 2, 0}, counter_add(-7)).patch, shows(-2));
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
  EXPECT_EQ(second.delta, std::string("\x11\x01\1\2\3\4\5\6\7\x08\x09\x01", 12));
  EXPECT_EQ(a.snapshot(), std::string("\x12\x01\1\2\3\4\5\6\7\x08\x09\xd6\x04", 13));
  EXPECT_EQ(Doc(type()).snapshot(), std::string("\x12\0", 2));
}

TEST(Counter, concurrent_changes_add_up_in_any_order) {
  Doc a(type()), b(type()), c(type());
  std::string from_a = a.mutate({1, 1, 0}, counter_add(10)).delta;
  std::string from_b = b.mutate({2, 1, 0}, counter_add(-3)).delta;
  EXPECT_EQ(a.merge(from_b).patch, shows(7));
  EXPECT_EQ(b.merge(from_a).patch, shows(7));
  EXPECT_EQ(c.merge(b.snapshot()).patch, shows(7));
  EXPECT_EQ(a.merge(from_b).patch, "");
  EXPECT_EQ(a.view(), "7");
  EXPECT_EQ(a.snapshot(), b.snapshot());
  EXPECT_EQ(a.snapshot(), c.snapshot());
}

TEST(Counter, catch_up_sends_only_what_is_new) {
  Doc a(type()), b(type());
  a.mutate({1, 1, 0}, counter_add(1));
  a.merge(op(2, 5, 7));
  Outcome slice = a.encode({{1, 1}});
  EXPECT_EQ(slice.delta, state(2, 5, 7));
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

TEST(Counter, what_others_claim_wraps_and_comes_back_exactly) {
  Doc a(type());
  a.merge(op(1, 1, INT64_MAX));
  Outcome over = a.merge(op(2, 1, 2));
  EXPECT_EQ(a.view(), "-9223372036854775807");
  EXPECT_EQ(over.patch, shows(INT64_MIN + 1));
  Outcome far = a.merge(two(3, INT64_MIN, 4, -1));
  EXPECT_EQ(a.view(), "0");
  EXPECT_EQ(far.patch, shows(0));
  EXPECT_TRUE(a.mutate({1, 2, 0}, counter_add(INT64_MAX)).ok());  // its own sum wraps too
  Doc b(type());
  EXPECT_TRUE(b.merge(a.snapshot()).ok());
  EXPECT_EQ(b.view(), "9223372036854775807");
}

TEST(Counter, of_two_states_the_newer_counts) {
  Doc a(type());
  a.merge(op(1, 5, 6));
  EXPECT_EQ(a.merge(state(1, 6, 4)).patch, shows(4));
  std::string before = a.snapshot();
  EXPECT_EQ(a.merge(op(1, 4, 1)).patch, "");  // older than what is known: nothing to do
  EXPECT_EQ(a.merge(state(1, 6, 9)).patch, "");
  EXPECT_EQ(a.merge(state(1, 5, 6)).patch, "");
  EXPECT_EQ(a.snapshot(), before);
}

TEST(Counter, refuses_malformed_bytes) {
  Doc a(type());
  const std::string bad[] = {"",
                             "\x13" + op(1, 1, 1).substr(1),
                             op(0, 1, 1),
                             op(1, 0, 1),
                             op(1, 1, 1) + "x",
                             op(1, 1, 1).substr(0, 11),
                             op(1, 1, 1).substr(0, 9),
                             two(2, 1, 1, 1),
                             two(1, 1, 1, 1),
                             "\x11" + two(1, 1, 2, 1).substr(1),  // an operation of two authors
                             std::string("\x11\0", 2),
                             "\x12\x02" + fixed64(1) + "\1",
                             "\x11\x01" + fixed64(1) + std::string("\x81\0\2", 3)};
  for (const std::string& delta : bad) {
    EXPECT_EQ(inspect(type(), delta).status, SK_MALFORMED);
    EXPECT_EQ(a.merge(delta).status, SK_MALFORMED);
  }
  EXPECT_EQ(a.merge("\x21" + op(1, 1, 1).substr(1)).status, SK_UNSUPPORTED);
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
  Inspected one = inspect(type(), op(7, 9, -1));
  EXPECT_EQ(one.summary.authors, 1u);
  EXPECT_EQ(one.summary.replica, 7u);
  EXPECT_EQ(one.summary.seq_lo, 9u);
  EXPECT_EQ(one.summary.seq_hi, 9u);
  EXPECT_EQ(one.summary.max_hlc, 0u);
  EXPECT_TRUE(one.deps.empty());
  EXPECT_EQ(inspect(type(), two(1, 1, 2, 1)).summary.authors, 2u);
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
