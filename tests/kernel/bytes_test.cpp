// The varint reader and writer, and the growable array, that every format is built from.
#include <gtest/gtest.h>

#include <random>
#include <synckit/bytes.hpp>

namespace synckit {
namespace {

std::string varint(uint64_t value) {
  Buffer out;
  Writer(out).varint(value);
  return out.str();
}

TEST(Varint, round_trips_at_every_width) {
  for (unsigned bits = 0; bits <= 64; ++bits) {
    for (int around = -1; around <= 1; ++around) {
      uint64_t value = (bits == 64 ? 0 : uint64_t{1} << bits) + static_cast<uint64_t>(around);
      std::string bytes = varint(value);
      Reader in{Bytes(bytes)};
      EXPECT_EQ(in.varint(), value);
      EXPECT_TRUE(in.good_end()) << value;
      EXPECT_LE(bytes.size(), 10u);
    }
  }
}

TEST(Varint, refuses_all_but_the_shortest_form) {
  for (std::string bytes : {std::string("\x80\x00", 2), std::string("\xff\x80\x00", 3)}) {
    Reader in{Bytes(bytes)};
    in.varint();
    EXPECT_FALSE(in.ok());
  }
}

TEST(Varint, refuses_more_than_64_bits) {
  std::string max = varint(UINT64_MAX);
  max.back() = 2;  // the tenth byte holds one bit
  Reader in{Bytes(max)};
  in.varint();
  EXPECT_FALSE(in.ok());
  std::string endless(11, '\x80');
  Reader second{Bytes(endless)};
  second.varint();
  EXPECT_FALSE(second.ok());
}

TEST(Varint, zigzag_round_trips) {
  for (int64_t value : {int64_t{0}, int64_t{-1}, int64_t{1}, INT64_MIN, INT64_MAX, int64_t{-64}}) {
    Buffer out;
    Writer(out).zigzag(value);
    Reader in{out.bytes()};
    EXPECT_EQ(in.zigzag(), value);
    EXPECT_TRUE(in.good_end());
  }
}

TEST(Reader, stays_bad_and_gives_zeros_past_the_end) {
  Reader in{Bytes("ab")};
  EXPECT_EQ(in.raw(3).len, 0u);
  EXPECT_FALSE(in.ok());
  EXPECT_EQ(in.byte(), 0);
  EXPECT_EQ(in.varint(), 0u);
  EXPECT_EQ(in.fixed64(), 0u);
  EXPECT_EQ(in.left(), 0u);
  EXPECT_FALSE(in.good_end());
}

TEST(Reader, a_length_beyond_the_input_is_refused_without_overflow) {
  Buffer out;
  Writer(out).varint(UINT64_MAX);
  Writer(out).raw("abc", 3);
  Reader in{out.bytes()};
  EXPECT_EQ(in.sized().len, 0u);
  EXPECT_FALSE(in.ok());
}

TEST(Writer, discards_without_a_target) {
  Writer none(nullptr);
  none.varint(300);
  none.sized("abc");
  EXPECT_FALSE(none.wanted());
  EXPECT_TRUE(none.status().ok());
}

TEST(Writer, a_refused_reserve_is_sticky_and_writes_nothing) {
  uint8_t space[64];  // of which the writer may use 4
  sk_buf fixed{space, 0, 4, [](sk_buf*, size_t) -> sk_status { return SK_NOMEM; }};
  Writer out(&fixed);
  out.raw("abc", 3);
  out.fixed64(1);
  out.byte('d');  // would fit, but something before it is missing
  EXPECT_EQ(fixed.len, 3u);
  EXPECT_EQ(out.status().code(), SK_NOMEM);
}

TEST(Vec, behaves_like_a_vector) {
  uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  Vec<uint32_t> mine;
  std::vector<uint32_t> model;
  for (int step = 0; step < 3000; ++step) {
    auto value = static_cast<uint32_t>(random());
    size_t at = model.empty() ? 0 : random() % model.size();
    switch (random() % 6) {
      case 0:
      case 1: mine.push_back(value), model.push_back(value); break;
      case 2:
        mine.insert(at, value);
        model.insert(model.begin() + static_cast<long>(at), value);
        break;
      case 3:
        if (model.empty()) break;
        mine.erase(at);
        model.erase(model.begin() + static_cast<long>(at));
        break;
      case 4: mine.resize(at + 3), model.resize(at + 3); break;
      case 5:
        if (!mine.empty()) mine.push_back(mine[at]), model.push_back(model[at]);
        break;
    }
    Vec<uint32_t> copy = mine;
    ASSERT_EQ(std::vector<uint32_t>(copy.begin(), copy.end()), model) << "step " << step;
  }
}

}  // namespace
}  // namespace synckit
