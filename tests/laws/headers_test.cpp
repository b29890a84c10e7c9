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

TEST(Json, sorted_means_as_the_view_shows_it) {
  auto sorted = [](const char* text) {
    bool answer = false;
    EXPECT_TRUE(json_check(text, &answer).ok());
    return answer;
  };
  EXPECT_TRUE(sorted("{\"a\":{\"b\":1,\"c\":\"x y\"},\"b\":[1,2]}"));
  for (const char* other : {" 1", "1 ", "[1, 2]", "{\"b\":1,\"a\":1}", "{\"a\":1,\"a\":1}",
                            "{\"\\u0061\":1}", "[{\"b\":1,\"a\":1}]"}) {
    EXPECT_FALSE(sorted(other)) << other;
  }
}

TEST(Json, items_and_keys) {
  std::string text = "{ \"a\\\"b\" : \"}\\\\\" , \"c\":[1,{\"d\":2}] ,\"e\":-1.5e3}";
  JsonItems items{Bytes(text)};
  ASSERT_TRUE(items.next());
  EXPECT_EQ(JsonKey::member(items.name).compare({"a\"b", false}), 0);
  EXPECT_EQ(items.value.str(), "\"}\\\\\"");
  ASSERT_TRUE(items.next());
  EXPECT_EQ(items.value.str(), "[1,{\"d\":2}]");
  ASSERT_TRUE(items.next());
  EXPECT_EQ(items.value.str(), "-1.5e3");
  EXPECT_FALSE(items.next());

  JsonItems array{Bytes("[ ]")};
  EXPECT_FALSE(array.next());
  Buffer out;
  Writer writer(out);
  JsonKey::member("\\u0001\\/\\\\\\\"\\u00e9\\u20ac\\ud83d\\ude00").write(writer);
  EXPECT_EQ(out.str(), "\"\\u0001/\\\\\\\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
  EXPECT_LT(JsonKey::member("\\u0061").compare({"b", false}), 0);
  EXPECT_GT(JsonKey::member("\\u0061a").compare({"a", false}), 0);
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

TEST(Order, sort_ids_is_a_stable_sort) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (size_t count = 0; count < 200; ++count) {
    std::vector<unsigned> values(count);
    for (unsigned& value : values) value = static_cast<unsigned>(random() % 30);
    Vec<uint32_t> ids;
    std::vector<uint32_t> model;
    for (uint32_t i = 0; i < count; ++i) ids.push_back(i), model.push_back(i);
    sort_ids(ids, [&](uint32_t a, uint32_t b) { return values[a] < values[b]; });
    std::stable_sort(model.begin(), model.end(),
                     [&](uint32_t a, uint32_t b) { return values[a] < values[b]; });
    ASSERT_TRUE(std::equal(ids.begin(), ids.end(), model.begin(), model.end()));
  }
}

TEST(Order, replica_map_keeps_order) {
  struct Item {
    uint64_t replica, value;
  };
  ReplicaMap<Item> map;
  for (uint64_t replica : {5, 1, 9, 5, 3, 1}) map.at(replica).value += replica;
  ASSERT_EQ(map.items().size(), 4u);
  EXPECT_TRUE(std::is_sorted(map.items().begin(), map.items().end(),
                             [](const Item& a, const Item& b) { return a.replica < b.replica; }));
  EXPECT_EQ(map.find(5)->value, 10u);
  EXPECT_EQ(map.find(4), nullptr);
}

}  // namespace
}  // namespace synckit
