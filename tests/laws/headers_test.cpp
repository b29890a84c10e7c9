// Unit tests of the small headers that types are built from: json.hpp, intern.hpp, order.hpp.
#include <synckit/intern.hpp>
#include <synckit/json.hpp>
#include <synckit/order.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace synckit {
namespace {

TEST(Json, accepts_what_rfc_8259_does) {
  for (const char* good :
       {"null", "true", "false", "0", "-0", "-0.0e-10", "1E+2", "123456789012345678901234567890",
        "\"\"", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\"", "\"\xf4\x8f\xbf\xbf\x7f\"",
        "[]", "{}", " [ 1 , [ ] , { } ] ", "{\"\":{\"a\":[]},\"b\":1}", "\r\n\t 1 \r\n\t",
        "{\"a\":1,\"a\":2}"}) {
    EXPECT_TRUE(json_check(good).ok()) << good;
  }
}

TEST(Json, refuses_everything_else) {
  for (const char* bad :
       {"", " ", "nul", "nulll", "True", "+1", "01", "-", "1.", ".5", "1e", "1e+", "0x1", "NaN",
        "\"", "\"\\\"", "\"\\x\"", "\"\\u12g4\"", "\"\\u123\"", "\"\\ud800\"", "\"\\udc00\"",
        "\"\\ud800\\u0041\"", "\"\x1f\"", "\"\n\"", "\"\xc0\x80\"", "\"\xe0\x80\x80\"", "\"\xff\"",
        "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xe2\x82\"", "[", "]", "[1", "[1,", "[1,]",
        "[,1]", "[1 2]", "{", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{a:1}",
        "{1:1}", "{\"a\" 1}", "{,}", "1 1", "[]]", "'a'", "// a\n1", "\xef\xbb\xbf" "1"}) {
    EXPECT_EQ(json_check(bad).code(), SK_MALFORMED) << bad;
  }
  EXPECT_EQ(json_check(std::string("\"\0\"", 3)).code(), SK_MALFORMED);
}

TEST(Json, depth_is_limited) {
  auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(json_check(nested(kMaxJsonDepth)).ok());
  EXPECT_FALSE(json_check(nested(kMaxJsonDepth + 1)).ok());
  EXPECT_FALSE(json_check(std::string(1'000'000, '[')).ok());
}

TEST(Json, items_have_decoded_names_and_values_as_written) {
  std::string text = " { \"a\\\"b\" : \"}\\\\\" , \"\":[1,{\"d\":2}] ,\"e\":-1.5e3}";
  JsonItems items{Bytes(text)};
  ASSERT_TRUE(items.next());
  EXPECT_EQ(items.name.str(), "a\"b");
  EXPECT_EQ(items.value.str(), "\"}\\\\\"");
  EXPECT_EQ(items.written.str(), "\"a\\\"b\"");
  ASSERT_TRUE(items.next());
  EXPECT_EQ(items.name.str(), "");
  EXPECT_EQ(items.value.str(), "[1,{\"d\":2}]");
  ASSERT_TRUE(items.next());
  EXPECT_EQ(items.value.str(), "-1.5e3");
  EXPECT_FALSE(items.next());
  EXPECT_FALSE(items.next());
  for (const char* none : {"{ }", "[ ]", "[{\"a\":1}]", "1", ""}) {
    EXPECT_FALSE(JsonItems{Bytes(none)}.next()) << none;
  }
  JsonItems escaped{"{\"\\u0001\\/\\\\\\\"\\u00e9\\u20AC\\ud83d\\uDE00\\b\\f\\n\\r\\t\\u0041\":0}"};
  ASSERT_TRUE(escaped.next());
  EXPECT_EQ(escaped.name.str(), "\x01/\\\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\b\f\n\r\tA");
}

TEST(Json, strings_are_escaped_only_where_they_must_be) {
  Buffer out;
  Writer writer(out);
  json_string(writer, "\x01/\\\"\xc3\xa9\b\f\n\r\t\x0b\x1f\x7f");
  EXPECT_EQ(out.str(), "\"\\u0001/\\\\\\\"\xc3\xa9\\b\\f\\n\\r\\t\\u000b\\u001f\x7f\"");
}

TEST(Json, at_signs_and_backquotes_are_no_hexadecimal_digits) {
  EXPECT_FALSE(json_check("\"\\u000@\"").ok());
  EXPECT_FALSE(json_check("\"\\u`000\"").ok());
  EXPECT_FALSE(json_check("\"\\uG000\"").ok());
}

TEST(Intern, behaves_like_a_map) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  Intern intern;
  std::map<std::pair<uint32_t, std::string>, uint32_t> model;
  for (int step = 0; step < 50'000; ++step) {
    auto scope = static_cast<uint32_t>(random() % 3);
    std::string bytes(random() % 40, static_cast<char>('a' + random() % 20));
    Bytes view(bytes);
    auto found = model.find({scope, bytes});
    ASSERT_EQ(intern.find(scope, view), found == model.end() ? kNoId : found->second);
    if (random() % 2) {
      uint32_t id = intern.add(scope, view);
      if (found != model.end()) {
        ASSERT_EQ(id, found->second);
      }
      model[{scope, bytes}] = id;
      ASSERT_EQ(intern.bytes(id).str(), bytes);
      ASSERT_EQ(intern.scope(id), scope);
    } else if (found != model.end()) {
      intern.remove(found->second);
      model.erase(found);
    }
    ASSERT_EQ(intern.size(), model.size());
  }
  for (const auto& [key, id] : model) ASSERT_EQ(intern.find(key.first, Bytes(key.second)), id);
  EXPECT_LE(intern.slots(), 3u * 40 * 20);
}

TEST(Intern, sorts_by_bytes) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (size_t count = 0; count < 200; ++count) {
    Intern intern;
    Vec<uint32_t> ids;
    std::vector<uint32_t> model;
    for (uint32_t i = 0; i < count; ++i) {  // the same bytes in several scopes: ties
      std::string bytes(random() % 3, static_cast<char>('a' + random() % 26));
      uint32_t id = intern.add(i, Bytes(bytes));
      ids.push_back(id), model.push_back(id);
    }
    intern.sort(ids);
    std::stable_sort(model.begin(), model.end(),
                     [&](uint32_t a, uint32_t b) { return intern.bytes(a) < intern.bytes(b); });
    ASSERT_TRUE(std::equal(ids.begin(), ids.end(), model.begin(), model.end()));
  }
}

TEST(Order, dots_keep_order_and_the_highest_seq) {
  Dots dots;
  for (uint64_t replica : {5, 1, 9, 5, 3, 1}) dots.raise({replica, 10 - replica + dots.size()});
  ASSERT_EQ(dots.size(), 4u);
  EXPECT_TRUE(std::is_sorted(dots.begin(), dots.end(),
                             [](const Dot& a, const Dot& b) { return a.replica < b.replica; }));
  EXPECT_EQ(dots.seq(5), 8u);
  EXPECT_EQ(dots.seq(1), 13u);
  EXPECT_EQ(dots.seq(4), 0u);
  EXPECT_EQ(dots.seq(10), 0u);
  EXPECT_TRUE(dots.has({5, 8}));
  EXPECT_FALSE(dots.has({5, 9}));
  dots.raise({5, 2});
  EXPECT_EQ(dots.seq(5), 8u);
}

}  // namespace
}  // namespace synckit
