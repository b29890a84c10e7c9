// Version vectors against a std::map, and the promises of the hybrid logical clock.
#include <gtest/gtest.h>

#include <kernel/version.hpp>
#include <map>
#include <random>

namespace synckit {
namespace {

VersionVector vector_of(const std::map<uint64_t, uint64_t>& model) {
  VersionVector out;
  for (auto [replica, seq] : model) out.raise(replica, seq);
  return out;
}

TEST(VersionVector, agrees_with_a_map) {
  uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  VersionVector mine;
  std::map<uint64_t, uint64_t> model;
  for (int step = 0; step < 5000; ++step) {
    uint64_t replica = 1 + random() % 40, seq = random() % 20;
    if (random() % 3) {
      mine.raise(replica, seq);
      if (seq > model[replica]) model[replica] = seq;
      if (model[replica] == 0) model.erase(replica);
    } else {
      mine.set(replica, seq);
      model[replica] = seq;
      if (seq == 0) model.erase(replica);
    }
    ASSERT_EQ(mine.size(), model.size());
    size_t i = 0;
    for (auto [id, value] : model) {
      ASSERT_EQ(mine.dots()[i].replica, id) << "ascending by replica";
      ASSERT_EQ(mine.dots()[i++].seq, value);
      ASSERT_EQ(mine[id], value);
    }
    ASSERT_EQ(mine[1000], 0u);
  }
}

TEST(VersionVector, orders_replicas_as_unsigned) {
  VersionVector v;
  v.raise(UINT64_MAX, 1);
  v.raise(1, 1);
  v.raise(uint64_t{1} << 63, 1);
  EXPECT_EQ(v.dots()[0].replica, 1u);
  EXPECT_EQ(v.dots()[2].replica, UINT64_MAX);
}

TEST(VersionVector, join_is_the_least_upper_bound) {
  uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 300; ++round) {
    std::map<uint64_t, uint64_t> a, b, both;
    for (int i = 0; i < 6; ++i) a[1 + random() % 8] = 1 + random() % 9;
    for (int i = 0; i < 6; ++i) b[1 + random() % 8] = 1 + random() % 9;
    both = a;
    for (auto [r, s] : b) both[r] = std::max(both[r], s);
    VersionVector va = vector_of(a), vb = vector_of(b), ab = va, ba = vb;
    ab.join(vb);
    ba.join(va);
    ASSERT_TRUE(ab == ba);
    ASSERT_TRUE(ab == vector_of(both));
    ASSERT_TRUE(ab.covers(va) && ab.covers(vb));
    ASSERT_EQ(va.covers(vb), ab == va);
  }
}

TEST(VersionVector, two_incomparable_ones_cover_neither) {
  VersionVector a, b;
  a.raise(1, 2);
  b.raise(2, 1);
  EXPECT_FALSE(a.covers(b));
  EXPECT_FALSE(b.covers(a));
  EXPECT_FALSE(a == b);
  EXPECT_TRUE(a.covers({}));
}

TEST(Version, the_borrowed_view_reads_the_same) {
  VersionVector v;
  for (uint64_t replica = 2; replica < 60; replica += 3) v.raise(replica, replica * 2);
  sk_version raw = v.view();
  Version borrowed(&raw);
  for (uint64_t replica = 0; replica < 62; ++replica) ASSERT_EQ(borrowed[replica], v[replica]);
  EXPECT_TRUE(borrowed.has({5, 10}));
  EXPECT_FALSE(borrowed.has({5, 11}));
  EXPECT_TRUE(Version().empty());
}

TEST(Deps, keeps_the_highest_of_each_replica) {
  Buffer out;
  Writer(out).byte(0xee);  // what was there before is left alone
  Deps deps(&out);
  deps.need(7, 3);
  deps.need(9, 1);
  deps.need(7, 2);
  deps.need(7, 5);
  deps.need(4, 0);  // seq 0 is nothing
  ASSERT_EQ(out.len, 1 + 2 * sizeof(Dot));
  Dot first;
  std::memcpy(&first, out.data + 1, sizeof first);
  EXPECT_TRUE((first == Dot{7, 5}));
}

TEST(Hlc, follows_the_wall_clock_and_never_goes_back) {
  Hlc clock;
  EXPECT_EQ(clock.tick(1000), Hlc::pack(1000));
  EXPECT_EQ(clock.tick(1000), Hlc::pack(1000, 1));
  EXPECT_EQ(clock.tick(500), Hlc::pack(1000, 2)) << "the wall clock jumped back";
  EXPECT_EQ(clock.tick(1001), Hlc::pack(1001));
  EXPECT_EQ(Hlc::ms(clock.last()), 1001u);
}

TEST(Hlc, ticks_above_what_it_observed) {
  Hlc clock;
  clock.observe(Hlc::pack(2000, 9));
  clock.observe(Hlc::pack(1500));
  EXPECT_EQ(clock.tick(1000), Hlc::pack(2000, 10));
}

TEST(Hlc, a_full_counter_runs_into_the_milliseconds) {
  Hlc clock;
  clock.observe(Hlc::pack(2000, 0xffff));
  uint64_t next = clock.tick(2000);
  EXPECT_EQ(next, Hlc::pack(2001, 0));
  EXPECT_GT(clock.tick(2000), next);
}

}  // namespace
}  // namespace synckit
