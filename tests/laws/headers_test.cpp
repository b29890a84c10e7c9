// Unit tests of the small headers that types are built from: json.hpp, order.hpp, tree.hpp.
#include <synckit/json.hpp>
#include <synckit/order.hpp>
#include <synckit/tree.hpp>

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
        "{1:1}", "{\"a\" 1}", "{,}", "1 1", "[]]", "'a'", "// a\n1", "\xef\xbb\xbf" "1",
        "\"\\.\"", "\"\\\xff\"", "\"\\u001\x10\"", "\"\\u00\xe1g\""}) {
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

struct Node : TreeNode {
  uint32_t value;
};

// The names of the children, as they come.
std::vector<std::string> children(const Node* parent) {
  std::vector<std::string> out;
  for (const Node* node = Tree<Node>::child(parent); node; node = Tree<Node>::next(node)) {
    out.push_back(Tree<Node>::name(node).str());
  }
  return out;
}

TEST(Tree, behaves_like_a_map) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  Tree<Node> tree;
  Node* parents[] = {tree.root(), tree.obtain(tree.root(), "parent"), tree.obtain(tree.root(), "")};
  std::map<std::pair<uint32_t, std::string>, Node*> model;
  for (int step = 0; step < 50'000; ++step) {
    auto scope = static_cast<uint32_t>(random() % 3);
    std::string bytes(1 + random() % 40, static_cast<char>('a' + random() % 20));
    Bytes view(bytes);
    auto found = model.find({scope, bytes});
    const Node* known = tree.find(parents[scope], view);
    ASSERT_EQ(known, found == model.end() ? tree.none() : found->second);
    if (random() % 2) {
      Node* node = tree.obtain(parents[scope], view);
      if (found != model.end()) {
        ASSERT_EQ(node, found->second);
        ASSERT_EQ(node->value, bytes.size());
      } else {
        ASSERT_EQ(node->value, 0u);
        node->value = static_cast<uint32_t>(bytes.size());
      }
      model[{scope, bytes}] = node;
      ASSERT_EQ(tree.name(node).str(), bytes);
      ASSERT_EQ(tree.parent(node), parents[scope]);
    } else if (found != model.end()) {
      tree.remove(found->second);
      model.erase(found);
    }
    ASSERT_EQ(tree.size(), model.size() + 2);
    ASSERT_EQ(tree.none()->value, 0u);
  }
  for (const auto& [key, node] : model) {
    ASSERT_EQ(tree.find(parents[key.first], Bytes(key.second)), node);
  }
  for (uint32_t scope = 0; scope < 3; ++scope) {  // the list has the same names, in any order
    std::vector<std::string> expected;
    if (scope == 0) expected = {"parent", ""};
    for (const auto& [key, node] : model) {
      if (key.first == scope) expected.push_back(key.second);
    }
    std::vector<std::string> names = children(parents[scope]);
    std::sort(expected.begin(), expected.end());
    std::sort(names.begin(), names.end());
    ASSERT_EQ(names, expected);
  }
}

TEST(Tree, sorts_by_bytes) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (size_t count = 0; count < 200; ++count) {
    Tree<Node> tree;
    std::vector<std::string> model;
    for (uint32_t i = 0; i < count; ++i) {
      std::string bytes(random() % 3, static_cast<char>('a' + random() % 26));
      bytes += static_cast<char>(random() % 256);
      size_t before = tree.size();
      tree.obtain(tree.root(), Bytes(bytes));
      if (tree.size() != before) model.push_back(bytes);
    }
    std::sort(model.begin(), model.end(), [](const std::string& a, const std::string& b) {
      return Bytes(a) < Bytes(b);
    });
    tree.sort(tree.root());
    ASSERT_EQ(children(tree.root()), model);
    for (size_t i = 0; i < model.size(); i += 2) {  // removing knows where the nodes have got to
      tree.remove(const_cast<Node*>(tree.find(tree.root(), Bytes(model[i]))));
    }
    std::vector<std::string> rest;
    for (size_t i = 1; i < model.size(); i += 2) rest.push_back(model[i]);
    ASSERT_EQ(children(tree.root()), rest);
  }
}

TEST(Order, dots_admit_all_that_are_new_at_once) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 500; ++round) {
    Dots dots, more;
    std::map<uint64_t, uint64_t> model;
    for (size_t i = random() % 9; i; --i) {
      Dot dot{1 + random() % 20, 1 + random() % 5};
      dots.raise(dot);
      model[dot.replica] = std::max(model[dot.replica], dot.seq);
    }
    for (size_t i = 2 + random() % 9; i; --i) more.raise({1 + random() % 20, 1});
    if (more.size() > 1) {
      for (const Dot& dot : more) model[dot.replica];
    }
    dots.admit(more);
    ASSERT_EQ(dots.size(), model.size());
    size_t at = 0;
    for (const auto& [replica, seq] : model) {
      ASSERT_EQ(dots[at].replica, replica);
      ASSERT_EQ(dots[at++].seq, seq);
    }
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
