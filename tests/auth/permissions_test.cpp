// The permission table: patterns, a naive model, hostile bytes, and that authorize allocates
// nothing (this executable counts what operator new is asked for).
#include "gate.hpp"

#include <permissions.hpp>

#include <atomic>
#include <cstdlib>
#include <map>
#include <new>
#include <random>

namespace {
std::atomic<uint64_t> g_allocations{0};
}

// Not inlined: GCC warns of free() where it sees through one half of a pair only.
[[gnu::noinline]] void* operator new(size_t size) {
  ++g_allocations;
  if (void* memory = std::malloc(size ? size : 1)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace synckit::auth_test {
namespace {

using Table = std::map<std::string, int32_t>;

Buffer table_of(const Table& grants) {
  std::vector<jwt::Grant> list;
  for (const auto& [pattern, level] : grants) list.push_back({pattern, level});
  Buffer table;
  Writer out(table);
  Outcome written = jwt::write_permissions(list, out);
  EXPECT_TRUE(written.ok()) << written.text;
  return table;
}

// The rules of README.md, said in the plainest way.
int32_t naive_level(const Table& grants, const std::string& doc) {
  auto exact = grants.find(doc);
  if (exact != grants.end() && !doc.ends_with('*')) return exact->second;
  int32_t level = SK_LEVEL_NONE;
  size_t longest = 0;
  for (const auto& [pattern, granted] : grants) {
    if (!pattern.ends_with('*') || pattern.size() < longest) continue;
    if (doc.compare(0, pattern.size() - 1, pattern, 0, pattern.size() - 1) == 0) {
      level = granted;
      longest = pattern.size();
    }
  }
  return level;
}

TEST(Permissions, exact_beats_patterns_and_the_longest_pattern_wins) {
  Buffer table = table_of({{"doc1", SK_LEVEL_WRITE},
                           {"doc2", SK_LEVEL_READ},
                           {"notes/*", SK_LEVEL_WRITE},
                           {"notes/secret/*", SK_LEVEL_NONE},
                           {"notes/secret/mine", SK_LEVEL_ADMIN},
                           {"a*b", SK_LEVEL_ADMIN},
                           {"*", SK_LEVEL_READ}});
  const std::pair<const char*, int32_t> expected[] = {
      {"doc1", SK_LEVEL_WRITE},          {"doc2", SK_LEVEL_READ},
      {"doc3", SK_LEVEL_READ},           {"notes", SK_LEVEL_READ},
      {"notes/", SK_LEVEL_WRITE},        {"notes/a/b/c", SK_LEVEL_WRITE},
      {"notes/secret", SK_LEVEL_WRITE},  {"notes/secret/x", SK_LEVEL_NONE},
      {"notes/secret/mine", SK_LEVEL_ADMIN}, {"notes/secret/mine2", SK_LEVEL_NONE},
      {"a*b", SK_LEVEL_ADMIN},           {"axb", SK_LEVEL_READ},
      {"", SK_LEVEL_READ},               {"\xff", SK_LEVEL_READ}};
  for (const auto& [doc, level] : expected) EXPECT_EQ(jwt::level_of(table, doc), level) << doc;
}

TEST(Permissions, prefixes_sort_without_their_star) {
  // '!' is below '*' and '+' above: the order of the patterns is not the order of the prefixes.
  Buffer table = table_of({{"a*", SK_LEVEL_READ}, {"a!*", SK_LEVEL_WRITE}, {"a!x*", SK_LEVEL_ADMIN},
                           {"a+*", SK_LEVEL_NONE}});
  EXPECT_EQ(jwt::level_of(table, "a"), SK_LEVEL_READ);
  EXPECT_EQ(jwt::level_of(table, "a!"), SK_LEVEL_WRITE);
  EXPECT_EQ(jwt::level_of(table, "a!y"), SK_LEVEL_WRITE);
  EXPECT_EQ(jwt::level_of(table, "a!x!"), SK_LEVEL_ADMIN);
  EXPECT_EQ(jwt::level_of(table, "a+"), SK_LEVEL_NONE);
  EXPECT_EQ(jwt::level_of(table, "az"), SK_LEVEL_READ);
  EXPECT_EQ(jwt::level_of(table, "b"), SK_LEVEL_NONE);
}

TEST(Permissions, random_tables_match_a_naive_model) {
  uint64_t seed = test_seed();
  SCOPED_TRACE("reproduce with SYNCKIT_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  auto word = [&](size_t max) {
    std::string out(random() % (max + 1), ' ');
    for (char& c : out) c = "ab!*/\xff"[random() % 6];
    return out;
  };
  for (int round = 0; round < 3000; ++round) {
    Table grants;
    for (uint64_t n = random() % 20; n > 0; --n) {
      std::string pattern = word(5) + (random() % 2 ? "*" : "");
      grants[pattern] = static_cast<int32_t>(random() % 4);
    }
    Buffer table = table_of(grants);
    for (int i = 0; i < 40; ++i) {
      std::string doc = word(7);
      ASSERT_EQ(jwt::level_of(table, doc), naive_level(grants, doc)) << "round " << round << " doc "
                                                                    << doc;
    }
  }
}

TEST(Permissions, hostile_bytes_grant_a_level_or_none_and_never_crash) {
  uint64_t seed = test_seed();
  SCOPED_TRACE("reproduce with SYNCKIT_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  Buffer good = table_of({{"a*", 1}, {"ab*", 2}, {"abc*", 3}, {"b", 2}, {"*", 1}});
  for (size_t n = 0; n < good.len; ++n) {  // cut anywhere
    std::string cut = good.str().substr(0, n);
    std::vector<uint8_t> exact_size(cut.begin(), cut.end());  // so that ASan sees an overrun
    int32_t level = jwt::level_of({exact_size.data(), exact_size.size()}, "abcd");
    EXPECT_TRUE(level >= SK_LEVEL_NONE && level <= SK_LEVEL_ADMIN);
  }
  for (int round = 0; round < 100'000; ++round) {
    std::string text = good.str();
    for (uint64_t n = 1 + random() % 4; n > 0; --n) {
      text[random() % text.size()] = static_cast<char>(random());
    }
    std::vector<uint8_t> bytes(text.begin(), text.end());
    for (const char* doc : {"abcd", "b", "", "zz"}) {
      int32_t level = jwt::level_of({bytes.data(), bytes.size()}, doc);
      ASSERT_TRUE(level >= SK_LEVEL_NONE && level <= SK_LEVEL_ADMIN) << "round " << round;
    }
  }
  EXPECT_EQ(jwt::level_of({}, "a"), SK_LEVEL_NONE);
}

TEST(Permissions, authorize_allocates_nothing) {
  Gate gate(synckit_plugin_v1_jwt);
  ASSERT_EQ(gate.open(config_for(jwt::Algorithm::kHs256)), SK_OK);
  std::string permissions;
  for (int i = 0; i < 200; ++i) {
    permissions += "\"folder/" + std::to_string(i) + (i % 2 ? "/*" : "") + "\":\"write\",";
  }
  Answer answer =
      gate.ask(signed_token(claims_text(",\"permissions\":{" + permissions + "\"*\":\"read\"}")));
  ASSERT_EQ(answer.status, SK_OK) << answer.text;
  Bytes claims(answer.claims);
  std::string_view docs[] = {"folder/7/a document with quite a long name", "folder/8", "other"};
  int32_t levels[3] = {};
  uint64_t before = g_allocations;
  for (int i = 0; i < 3; ++i) {
    levels[i] = gate.api()->authorize(gate.raw(), claims.data, claims.len, docs[i].data(),
                                      docs[i].size(), nullptr, 0);
  }
  EXPECT_EQ(g_allocations, before);
  EXPECT_EQ(levels[0], SK_LEVEL_WRITE);
  EXPECT_EQ(levels[1], SK_LEVEL_WRITE);
  EXPECT_EQ(levels[2], SK_LEVEL_READ);
}

TEST(Permissions, a_table_has_a_limit) {
  std::vector<jwt::Grant> grants = {{std::string(40'000, 'a'), 1}, {std::string(40'000, 'b'), 1}};
  Buffer table;
  Writer out(table);
  EXPECT_EQ(jwt::write_permissions(grants, out).code, SK_LIMIT);
}

}  // namespace
}  // namespace synckit::auth_test
