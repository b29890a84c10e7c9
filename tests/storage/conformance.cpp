// The contract of synckit.storage/1, sentence by sentence (see conformance.hpp).
#include "conformance.hpp"

#include <algorithm>

namespace synckit::storage_test {
namespace {

constexpr uint64_t kA = 7, kB = 0xfedcba9876543210u;  // kB is negative as a signed number

Written stored(uint64_t position) { return {position, SK_OK, false}; }
Written duplicate(uint64_t position) { return {position, SK_OK, true}; }
Written refused(sk_status status) { return {0, status, false}; }

using Results = std::vector<Written>;

TEST_P(Conformance, a_new_store_is_empty) {
  Head head = store_.head("doc");
  EXPECT_FALSE(head.exists);
  EXPECT_EQ(head.epoch, 0u);
  EXPECT_EQ(head.position, 0u);
  EXPECT_TRUE(head.version.empty());
  EXPECT_TRUE(store_.all("doc").empty());
  EXPECT_TRUE(store_.all("doc", 17).empty());
  EXPECT_EQ(store_.load("doc").position, 0u);
  EXPECT_TRUE(store_.list("").empty());
  EXPECT_EQ(store_.erase("doc"), SK_OK);
}

TEST_P(Conformance, positions_are_dense_per_document) {
  Results results = store_.put({{"a", kA, 1, 1, "one"},
                                {"b", kA, 1, 2, "two"},
                                {"a", kA, 2, 5, "three"},
                                {"a", kB, 1, 1, ""}},
                               1234);
  EXPECT_EQ(results, (Results{stored(1), stored(1), stored(2), stored(3)}));
  EXPECT_EQ(store_.put({{"a", kB, 2, 2, "five"}}, 1300), (Results{stored(4)}));
  EXPECT_EQ(store_.all("a"), (std::vector<Row>{{1, kA, 1, 1, 1234, "one"},
                                               {2, kA, 2, 5, 1234, "three"},
                                               {3, kB, 1, 1, 1234, ""},
                                               {4, kB, 2, 2, 1300, "five"}}));
  EXPECT_EQ(store_.all("b"), (std::vector<Row>{{1, kA, 1, 2, 1234, "two"}}));
  Head head = store_.head("a");
  EXPECT_TRUE(head.exists);
  EXPECT_NE(head.epoch, 0u);
  EXPECT_EQ(head.position, 4u);
  EXPECT_EQ(head.snapshot_position, 0u);
  EXPECT_EQ(head.trimmed, 0u);
}

TEST_P(Conformance, an_empty_batch_is_fine) { EXPECT_TRUE(store_.put({}).empty()); }

TEST_P(Conformance, versions_ascend_as_unsigned_numbers) {
  std::vector<uint64_t> replicas = {UINT64_MAX, 1, uint64_t{1} << 63, (uint64_t{1} << 63) - 1, kB};
  for (uint64_t replica : replicas) store_.put({{"doc", replica, 1, 3, "x"}});
  std::sort(replicas.begin(), replicas.end());
  std::vector<std::pair<uint64_t, uint64_t>> expected;
  for (uint64_t replica : replicas) expected.emplace_back(replica, 3);
  EXPECT_EQ(store_.head("doc").version, expected);
}

TEST_P(Conformance, a_record_sent_again_is_a_duplicate_where_it_stands) {
  store_.put({{"doc", kA, 1, 1, "a"}, {"doc", kB, 1, 1, "b"}, {"doc", kA, 2, 4, "c"}});
  EXPECT_EQ(store_.put({{"doc", kA, 1, 1, "a"}}), (Results{duplicate(1)}));
  EXPECT_EQ(store_.put({{"doc", kA, 2, 4, "c"}}), (Results{duplicate(3)}));
  EXPECT_EQ(store_.put({{"doc", kA, 3, 3, "part"}}), (Results{duplicate(3)}));
  EXPECT_EQ(store_.put({{"doc", kB, 1, 1, "b"}}), (Results{duplicate(2)}));
  EXPECT_EQ(store_.all("doc").size(), 3u);
}

TEST_P(Conformance, records_of_one_batch_see_each_other) {
  Results results = store_.put({{"doc", kA, 1, 1, "a"},
                                {"doc", kA, 1, 1, "a"},
                                {"doc", kA, 2, 2, "b"},
                                {"doc", kA, 4, 4, "gap"},
                                {"doc", kA, 3, 3, "c"},
                                {"doc", kA, 2, 2, "b"},
                                {"doc", kA, 4, 4, "no gap"}});
  EXPECT_EQ(results, (Results{stored(1), duplicate(1), stored(2), refused(SK_CONFLICT), stored(3),
                              duplicate(2), stored(4)}));
  EXPECT_EQ(store_.all("doc").back().payload, "no gap");
}

TEST_P(Conformance, a_gap_or_an_overlap_is_a_conflict_of_that_record_alone) {
  store_.put({{"doc", kA, 1, 3, "a"}});
  Results results = store_.put({{"doc", kA, 5, 5, "gap"},
                                {"doc", kA, 3, 4, "overlap"},
                                {"doc", kB, 2, 2, "no start"},
                                {"fresh", kB, 2, 2, "no start"},
                                {"doc", kA, 4, 4, "next"},
                                {"other", kB, 1, 1, "other"}});
  EXPECT_EQ(results,
            (Results{refused(SK_CONFLICT), refused(SK_CONFLICT), refused(SK_CONFLICT),
                     refused(SK_CONFLICT), stored(2), stored(1)}));
  EXPECT_FALSE(store_.head("fresh").exists);
  EXPECT_EQ(store_.head("doc").version,
            (std::vector<std::pair<uint64_t, uint64_t>>{{kA, 4}}));
  EXPECT_EQ(store_.list("").size(), 2u);
}

TEST_P(Conformance, what_no_store_accepts_is_refused_alone) {
  std::string long_id(513, 'x'), longest_id(512, 'x');
  Results results = store_.put({{"doc", 0, 1, 1, "no author"},
                                {"doc", kA, 0, 1, "seq 0"},
                                {"doc", kA, 2, 1, "reversed"},
                                {"doc", kA, 1, UINT64_MAX, "huge"},
                                {"", kA, 1, 1, "no id"},
                                {long_id, kA, 1, 1, "long id"},
                                {longest_id, kA, 1, 1, "longest id"},
                                {"doc", kA, 1, 1, "good"}});
  EXPECT_EQ(results,
            (Results{refused(SK_MALFORMED), refused(SK_MALFORMED), refused(SK_MALFORMED),
                     refused(SK_LIMIT), refused(SK_MALFORMED), refused(SK_LIMIT), stored(1),
                     stored(1)}));
  EXPECT_EQ(store_.all(longest_id).size(), 1u);
  std::vector<Row> rows;
  EXPECT_EQ(store_.read("", 0, 1, &rows), SK_MALFORMED);
  EXPECT_EQ(store_.read(long_id, 0, 1, &rows), SK_LIMIT);
  EXPECT_EQ(store_.erase(long_id), SK_LIMIT);
}

TEST_P(Conformance, the_largest_seq_is_stored_and_found) {
  uint64_t end = INT64_MAX;
  EXPECT_EQ(store_.put({{"doc", kA, 1, end - 1, "all but one"}, {"doc", kA, end, end, "last"}}),
            (Results{stored(1), stored(2)}));
  EXPECT_EQ(store_.put({{"doc", kA, 5, end - 1, ""}, {"doc", kA, end, end, ""}}),
            (Results{duplicate(1), duplicate(2)}));
  EXPECT_EQ(store_.head("doc").version.front().second, end);
}

TEST_P(Conformance, ids_and_payloads_are_bytes) {
  std::string every(256, '\0');
  for (size_t i = 0; i < every.size(); ++i) every[i] = static_cast<char>(i);
  std::string id = "\xd0\xb6/\xf0\x9f\x98\x80/" + std::string(1, '\0') + "tail";
  store_.put({{id, kA, 1, 1, every}, {id.substr(0, 8), kA, 1, 1, "prefix"}});
  EXPECT_EQ(store_.all(id).at(0).payload, every);
  EXPECT_EQ(store_.all(id.substr(0, 8)).at(0).payload, "prefix");
  ASSERT_EQ(store_.save(id, 1, 0, 0, every), SK_OK);
  EXPECT_EQ(store_.load(id).bytes, every);
}

TEST_P(Conformance, read_gives_what_fits_and_at_least_one) {
  const std::vector<size_t> sizes = {10, 20, 30, 0, 100, 5};
  for (uint64_t i = 0; i < sizes.size(); ++i) {
    store_.put({{"doc", kA, i + 1, i + 1, std::string(sizes[i], 'x')}});
  }
  for (uint64_t max_bytes : {uint64_t{0}, uint64_t{1}, uint64_t{29}, uint64_t{30}, uint64_t{60},
                             uint64_t{165}, UINT64_MAX}) {
    std::vector<Row> seen, page;
    while (seen.size() < sizes.size()) {
      uint64_t after = seen.size(), total = 0;
      ASSERT_EQ(store_.read("doc", after, max_bytes, &page), SK_OK);
      ASSERT_FALSE(page.empty());
      for (const Row& row : page) {
        total += row.payload.size();
        EXPECT_EQ(row.position, ++after);
        seen.push_back(row);
      }
      if (page.size() > 1) {
        EXPECT_LE(total, max_bytes);
      }
      if (after < sizes.size()) {
        EXPECT_GT(total + sizes[after], max_bytes) << "more would fit";
      }
    }
    EXPECT_EQ(seen, store_.all("doc"));
  }
  EXPECT_TRUE(store_.all("doc", 6).empty());
  EXPECT_TRUE(store_.all("doc", UINT64_MAX).empty());
}

TEST_P(Conformance, a_callback_may_stop) {
  store_.put({{"doc", kA, 1, 1, "a"}, {"doc", kA, 2, 2, "b"}, {"doc2", kA, 1, 1, "c"}});
  std::vector<Row> rows;
  EXPECT_EQ(store_.read("doc", 0, UINT64_MAX, &rows, 1), SK_OK);
  EXPECT_EQ(rows.size(), 1u);
  EXPECT_EQ(store_.list("", "", 0, 10, 1).size(), 1u);
  EXPECT_EQ(store_.all("doc").size(), 2u);
}

TEST_P(Conformance, a_callback_may_call_the_store) {
  store_.put({{"doc", kA, 1, 1, "a"}, {"doc", kA, 2, 2, "b"}});
  struct Context {
    Store* store;
    size_t calls = 0;
  } context{&store_};
  Complaint complaint;
  sk_bytes id = Bytes("doc");
  auto each = [](void* raw, const sk_record* record) -> int {
    auto* c = static_cast<Context*>(raw);
    ++c->calls;
    EXPECT_EQ(c->store->head("doc").position >= record->position, true);
    c->store->put({{"side", kA, record->position, record->position, "from a callback"}});
    return 0;
  };
  ASSERT_EQ(store_.api()->read(store_.raw(), &id, 0, UINT64_MAX, each, &context, complaint.get()),
            SK_OK);
  EXPECT_EQ(context.calls, 2u);
  EXPECT_EQ(store_.all("side").size(), 2u);
}

TEST_P(Conformance, save_is_a_compare_and_swap) {
  for (uint64_t i = 1; i <= 5; ++i) store_.put({{"doc", kA, i, i, "x"}});
  EXPECT_EQ(store_.save("doc", 3, 1, 0, "wrong"), SK_CONFLICT);
  EXPECT_EQ(store_.save("absent", 1, 0, 0, "no document"), SK_CONFLICT);
  EXPECT_FALSE(store_.head("absent").exists);
  EXPECT_EQ(store_.save("doc", 6, 0, 0, "past the end"), SK_CONFLICT);
  EXPECT_EQ(store_.save("doc", 0, 0, 0, "nothing covered"), SK_MALFORMED);
  EXPECT_EQ(store_.save("doc", 3, 0, 4, "would lose 4"), SK_MALFORMED);
  EXPECT_EQ(store_.load("doc").position, 0u);
  ASSERT_EQ(store_.save("doc", 3, 0, 0, "three"), SK_OK);
  EXPECT_EQ(store_.save("doc", 4, 0, 0, "late"), SK_CONFLICT);
  EXPECT_EQ(store_.save("doc", 2, 3, 0, "older"), SK_CONFLICT);
  Loaded loaded = store_.load("doc");
  EXPECT_EQ(loaded.position, 3u);
  EXPECT_EQ(loaded.bytes, "three");
  ASSERT_EQ(store_.save("doc", 3, 3, 0, ""), SK_OK);  // encoded anew
  EXPECT_EQ(store_.load("doc").bytes, "");
  EXPECT_EQ(store_.load("doc").position, 3u);
  EXPECT_EQ(store_.head("doc").snapshot_position, 3u);
  EXPECT_EQ(store_.all("doc").size(), 5u);
}

TEST_P(Conformance, trimmed_records_exist_only_in_the_snapshot) {
  for (uint64_t i = 1; i <= 6; ++i) {
    store_.put({{"doc", i % 2 ? kA : kB, (i + 1) / 2, (i + 1) / 2, "x"}});
  }
  ASSERT_EQ(store_.save("doc", 5, 0, 4, "five"), SK_OK);
  Head head = store_.head("doc");
  EXPECT_EQ(head.trimmed, 4u);
  EXPECT_EQ(head.snapshot_position, 5u);
  EXPECT_EQ(head.position, 6u);
  EXPECT_EQ(head.version, (std::vector<std::pair<uint64_t, uint64_t>>{{kA, 3}, {kB, 3}}));
  std::vector<Row> rows;
  EXPECT_EQ(store_.read("doc", 3, UINT64_MAX, &rows), SK_CONFLICT);
  EXPECT_TRUE(rows.empty());
  EXPECT_EQ(store_.all("doc", 4).size(), 2u);
  EXPECT_EQ(store_.put({{"doc", kA, 1, 1, "x"}, {"doc", kA, 3, 3, "x"}, {"doc", kB, 2, 2, "x"}}),
            (Results{duplicate(0), duplicate(5), duplicate(0)}));
  ASSERT_EQ(store_.save("doc", 6, 5, 2, "six"), SK_OK);  // a lower trim takes nothing back
  EXPECT_EQ(store_.head("doc").trimmed, 4u);
  ASSERT_EQ(store_.save("doc", 6, 6, 6, "six"), SK_OK);
  EXPECT_TRUE(store_.all("doc", 6).empty());
  EXPECT_EQ(store_.put({{"doc", kA, 4, 4, "x"}}), (Results{stored(7)}));
  EXPECT_EQ(store_.all("doc", 6).at(0).position, 7u);
}

TEST_P(Conformance, list_filters_and_pages_by_bytes) {
  const std::vector<std::string> ids = {"a",      "a/1",        "a/10", "a/2",
                                        "a\xc3\xa4", "a\xff", "b",    "B"};
  for (size_t i = 0; i < ids.size(); ++i) {
    store_.put({{ids[i], kA, 1, 1, "x"}}, static_cast<int64_t>(1000 + i));
  }
  auto sorted = ids;
  std::sort(sorted.begin(), sorted.end());
  auto names = [](const std::vector<Listed>& rows) {
    std::vector<std::string> out;
    for (const Listed& row : rows) out.push_back(row.doc);
    return out;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names(store_.list("")), sorted);
  EXPECT_EQ(names(store_.list("a/")), (Names{"a/1", "a/10", "a/2"}));
  EXPECT_EQ(names(store_.list("a")), (Names{"a", "a/1", "a/10", "a/2", "a\xc3\xa4", "a\xff"}));
  EXPECT_EQ(names(store_.list("a\xff")), (Names{"a\xff"}));
  EXPECT_EQ(names(store_.list("\xff")), Names{});
  EXPECT_EQ(names(store_.list("a/", "a/1")), (Names{"a/10", "a/2"}));
  EXPECT_EQ(names(store_.list("a/", "A")), (Names{"a/1", "a/10", "a/2"}));
  EXPECT_EQ(names(store_.list("a/", "a0")), Names{});
  EXPECT_EQ(names(store_.list("a/", "a/")), (Names{"a/1", "a/10", "a/2"}));
  EXPECT_EQ(names(store_.list("", "", 1006)), (Names{"B", "b"}));
  EXPECT_EQ(names(store_.list("", "", 0, 0)), Names{});
  EXPECT_EQ(store_.list("b"), (std::vector<Listed>{{"b", 1, 1006}}));
  Names paged;
  while (true) {
    Names page = names(store_.list("", paged.empty() ? "" : paged.back(), 0, 3));
    if (page.empty()) break;
    EXPECT_LE(page.size(), 3u);
    paged.insert(paged.end(), page.begin(), page.end());
  }
  EXPECT_EQ(paged, sorted);
}

TEST_P(Conformance, the_time_of_a_change_never_goes_back) {
  store_.put({{"doc", kA, 1, 1, "x"}}, 5000);
  store_.put({{"doc", kA, 2, 2, "x"}}, 4000);  // a clock that was set back
  EXPECT_EQ(store_.list("doc").at(0).updated_ms, 5000);
  EXPECT_EQ(store_.all("doc").at(1).time_ms, 4000);
  ASSERT_EQ(store_.save("doc", 2, 0, 2, "snapshot"), SK_OK);
  EXPECT_EQ(store_.list("doc").at(0).updated_ms, 5000);
  store_.put({{"doc", kA, 2, 2, "x"}}, 9000);  // a duplicate is no change
  EXPECT_EQ(store_.list("doc").at(0).updated_ms, 5000);
}

TEST_P(Conformance, erase_removes_everything_and_a_new_log_has_a_new_epoch) {
  store_.put({{"doc", kA, 1, 4, "x"}, {"other", kA, 1, 1, "y"}});
  ASSERT_EQ(store_.save("doc", 1, 0, 0, "snapshot"), SK_OK);
  uint64_t epoch = store_.head("doc").epoch;
  ASSERT_EQ(store_.erase("doc"), SK_OK);
  EXPECT_FALSE(store_.head("doc").exists);
  EXPECT_TRUE(store_.all("doc").empty());
  EXPECT_EQ(store_.load("doc").position, 0u);
  EXPECT_EQ(store_.list("").size(), 1u);
  EXPECT_EQ(store_.save("doc", 1, 1, 0, "late snapshot"), SK_CONFLICT);
  EXPECT_EQ(store_.put({{"doc", kA, 1, 1, "again"}}), (Results{stored(1)}));
  EXPECT_NE(store_.head("doc").epoch, epoch);
  EXPECT_EQ(store_.head("doc").version.front().second, 1u);
  EXPECT_EQ(store_.all("other").size(), 1u);
}

TEST_P(Conformance, a_durable_store_keeps_everything_when_reopened) {
  if (!durable()) GTEST_SKIP() << "the backend does not promise it";
  store_.put({{"doc", kA, 1, 1, "a"}, {"doc", kB, 1, 1, "b"}, {"doc", kA, 2, 2, "c"}}, 1111);
  store_.put({{"two", kA, 1, 1, "d"}}, 2222);
  ASSERT_EQ(store_.save("doc", 2, 0, 1, "snapshot"), SK_OK);
  Head before = store_.head("doc");
  auto rows = store_.all("doc", 1);
  auto listed = store_.list("");
  reopen();
  Head after = store_.head("doc");
  EXPECT_EQ(after.epoch, before.epoch);
  EXPECT_EQ(after.position, 3u);
  EXPECT_EQ(after.snapshot_position, 2u);
  EXPECT_EQ(after.trimmed, 1u);
  EXPECT_EQ(after.version, before.version);
  EXPECT_EQ(store_.all("doc", 1), rows);
  EXPECT_EQ(store_.list(""), listed);
  EXPECT_EQ(store_.load("doc").bytes, "snapshot");
  EXPECT_EQ(store_.put({{"doc", kA, 2, 2, "c"}, {"doc", kB, 2, 2, "e"}}),
            (Results{duplicate(3), stored(4)}));
}

TEST_P(Conformance, an_unknown_option_is_refused_by_name) {
  Store second(GetParam().entry);
  std::string text;
  EXPECT_EQ(second.open(R"({"no_such_option": 1})", &text), SK_UNSUPPORTED);
  EXPECT_NE(text.find("no_such_option"), std::string::npos) << text;
  EXPECT_EQ(second.open("[]", &text), SK_MALFORMED);
  EXPECT_EQ(second.open("{", &text), SK_MALFORMED);
}

}  // namespace
}  // namespace synckit::storage_test
