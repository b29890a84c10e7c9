// Unit tests of the `lww` type. The laws are checked in tests/laws.
#include "lww.hpp"

#include <check/builtin.hpp>
#include <gtest/gtest.h>

#include <random>

namespace synckit::check {
namespace {

const sk_crdt_v1* type() { return Lww::crdt_interface(); }

// One replica whose clock the test sets.
struct Replica {
  uint64_t id;
  Doc doc{type()};
  uint64_t seq = 0;

  Outcome edit(uint64_t hlc, const std::string& intent) {
    Outcome out = doc.mutate({id, seq + 1, hlc}, intent);
    seq += out.seqs;
    return out;
  }
  std::string set(uint64_t hlc, const PathNames& path, const char* json) {
    return edit(hlc, map_set(path, json)).delta;
  }
  std::string drop(uint64_t hlc, const PathNames& path) {
    return edit(hlc, map_delete(path)).delta;
  }
  Outcome merge(const std::string& delta) { return doc.merge(delta); }
  std::string view() const { return doc.view(); }
  std::string contents() const {
    Buffer parts;
    EXPECT_EQ(type()->contents(doc.raw(), &parts, nullptr), SK_OK);
    return parts.str();
  }
  std::string get(const PathNames& path) const {
    Buffer json;
    Writer out(json);
    return static_cast<Lww*>(doc.raw())->get(path_bytes(path), out) ? json.str() : "(absent)";
  }
};

std::string patch_set(const PathNames& path, const std::string& json) {
  return sized(path_bytes(path) + json);
}
std::string patch_delete(const PathNames& path) { return patch_set(path, ""); }

TEST(Lww, sets_reads_and_deletes) {
  Replica a{1};
  EXPECT_EQ(a.view(), "{}");
  EXPECT_EQ(a.edit(1, map_set({"b"}, "1")).patch, patch_set({"b"}, "1"));
  EXPECT_EQ(a.edit(2, map_set({"a"}, "\"x\"")).patch, patch_set({"a"}, "\"x\""));
  EXPECT_EQ(a.view(), "{\"a\":\"x\",\"b\":1}");
  EXPECT_EQ(a.get({"a"}), "\"x\"");
  EXPECT_EQ(a.edit(3, map_delete({"b"})).patch, patch_delete({"b"}));
  EXPECT_EQ(a.view(), "{\"a\":\"x\"}");
  EXPECT_EQ(a.get({"b"}), "(absent)");
}

TEST(Lww, deleting_what_is_not_there_takes_no_dot) {
  Replica a{1};
  EXPECT_EQ(a.edit(1, map_delete({"a"})).seqs, 0u);
  a.set(2, {"a"}, "{\"b\":1}");
  EXPECT_EQ(a.edit(3, map_delete({"a", "c"})).seqs, 0u);
  EXPECT_EQ(a.edit(3, map_delete({"a", "b", "c"})).seqs, 0u);
  EXPECT_EQ(a.edit(3, map_delete({"a", "b"})).seqs, 1u);
  EXPECT_EQ(a.edit(4, map_delete({"a", "b"})).seqs, 0u);
  EXPECT_EQ(a.view(), "{\"a\":{}}");
}

TEST(Lww, golden_bytes) {
  Replica a{0x0807060504030201};
  std::string zero(1, '\0');
  std::string op = a.set(0x010203040506'0708, {"k", "x"}, "7");
  EXPECT_EQ(op, "\x11\x01\1\2\3\4\5\6\7\x08\x01\x40" + zero + "\x04\x01k\x01x" +
                    varint(2 * 0x010203040506) + varint(0x0708) + "\x01" "7");
  a.set(0x010203040507'0001, {"k", "y"}, "null");
  a.drop(0x010203040507'0002, {"k", "x"});
  EXPECT_EQ(a.doc.snapshot(),
            "\x11\x01\1\2\3\4\5\6\7\x08\x03"
            // k/x: deleted, by author 0; shares nothing with the row before
            "\xc0" + zero + "\x04\x01k\x01x" + varint(2 * 0x010203040507) + "\x02"
            // k/y: shares three bytes with the path of k/x; seq 2 comes after 3
            "\x43\x01\x01y" + zero + "\x01\x04null");
}

TEST(Lww, the_last_writer_wins_whatever_the_order) {
  Replica a{1}, b{2};
  std::string older = a.set(5, {"k"}, "1"), newer = b.set(6, {"k"}, "2");
  EXPECT_EQ(a.merge(newer).patch, patch_set({"k"}, "2"));
  EXPECT_EQ(b.merge(older).patch, "");
  EXPECT_EQ(a.view(), "{\"k\":2}");
  EXPECT_EQ(a.doc.snapshot(), b.doc.snapshot());
}

TEST(Lww, ties_go_to_the_higher_replica_then_seq) {
  Replica a{1}, b{2};
  std::string from_a = a.set(5, {"k"}, "1"), from_b = b.set(5, {"k"}, "2");
  a.merge(from_b), b.merge(from_a);
  EXPECT_EQ(a.view(), "{\"k\":2}");
  EXPECT_EQ(b.view(), "{\"k\":2}");
  b.set(5, {"k"}, "3");
  EXPECT_EQ(b.view(), "{\"k\":3}");
}

TEST(Lww, a_delete_is_a_write) {
  Replica a{1}, b{2};
  b.merge(a.set(1, {"k"}, "1"));
  std::string drop = a.drop(3, {"k"}), late = b.set(2, {"k"}, "2");
  EXPECT_EQ(a.merge(late).patch, "");
  EXPECT_EQ(b.merge(drop).patch, patch_delete({"k"}));
  EXPECT_EQ(a.view(), "{}");
  EXPECT_EQ(a.doc.snapshot(), b.doc.snapshot());
}

TEST(Lww, a_write_hides_what_is_older_below_it) {
  Replica a{1}, b{2};
  std::string below = a.set(1, {"a", "b"}, "1"), above = b.set(2, {"a"}, "{\"c\":2}");
  a.merge(above), b.merge(below);
  EXPECT_EQ(a.view(), "{\"a\":{\"c\":2}}");
  EXPECT_EQ(a.doc.snapshot(), b.doc.snapshot());
  EXPECT_EQ(static_cast<Lww*>(a.doc.raw())->entries(), 1u);
}

TEST(Lww, newer_entries_overlay_the_object_above_them) {
  Replica a{1};
  a.set(1, {"a"}, "{\"x\":1,\"y\":{\"z\":2,\"w\":3}}");
  EXPECT_EQ(a.edit(2, map_set({"a", "y", "z"}, "9")).patch, patch_set({"a", "y", "z"}, "9"));
  a.set(3, {"a", "n"}, "[]");
  a.drop(4, {"a", "x"});
  EXPECT_EQ(a.view(), "{\"a\":{\"y\":{\"z\":9,\"w\":3},\"n\":[]}}");
  EXPECT_EQ(a.get({"a", "y"}), "{\"z\":9,\"w\":3}");
  EXPECT_EQ(a.get({"a", "y", "w"}), "3");
  EXPECT_EQ(a.get({"a", "y", "w", "v"}), "(absent)");
}

TEST(Lww, what_is_no_object_gives_way_to_one_and_comes_back) {
  Replica a{1};
  a.set(1, {"a"}, "5");
  EXPECT_EQ(a.edit(2, map_set({"a", "b", "c"}, "1")).patch, patch_set({"a", "b", "c"}, "1"));
  EXPECT_EQ(a.view(), "{\"a\":{\"b\":{\"c\":1}}}");
  EXPECT_EQ(a.edit(3, map_delete({"a", "b"})).patch,
            patch_set({"a"}, "5") + patch_delete({"a", "b"}));
  EXPECT_EQ(a.view(), "{\"a\":5}");
}

TEST(Lww, implied_objects_come_and_go_with_what_is_below_them) {
  Replica a{1};
  EXPECT_EQ(a.edit(1, map_set({"a", "b"}, "1")).patch, patch_set({"a", "b"}, "1"));
  EXPECT_EQ(a.edit(2, map_set({"a", "c"}, "2")).patch, patch_set({"a", "c"}, "2"));
  EXPECT_EQ(a.edit(3, map_delete({"a", "b"})).patch, patch_delete({"a", "b"}));
  EXPECT_EQ(a.edit(4, map_delete({"a", "c"})).patch, patch_delete({"a"}));
  EXPECT_EQ(a.view(), "{}");
  a.set(5, {"a"}, "{}");
  a.set(6, {"a", "b"}, "1");
  EXPECT_EQ(a.edit(7, map_delete({"a", "b"})).patch, patch_delete({"a", "b"}));
  EXPECT_EQ(a.view(), "{\"a\":{}}");
}

TEST(Lww, an_ancestor_that_comes_late_goes_below_what_is_newer) {
  Replica a{1}, b{2};
  std::string late = b.set(1, {"a"}, "{\"b\":0,\"c\":0}");
  a.set(2, {"a", "b"}, "1");
  EXPECT_EQ(a.merge(late).patch,
            patch_set({"a"}, "{\"b\":0,\"c\":0}") + patch_set({"a", "b"}, "1"));
  std::string drop = b.drop(3, {"a"});
  a.set(4, {"a", "b"}, "2");
  EXPECT_EQ(a.merge(drop).patch, patch_delete({"a"}) + patch_set({"a", "b"}, "2"));
}

TEST(Lww, a_delete_is_told_no_higher_than_it_must_be) {
  Replica a{1}, b{2};
  a.set(1, {"t", "1", "x"}, "1"), a.set(2, {"t", "2", "x"}, "2");
  // "t" is an object still, and nothing above says what "1" is without its entries.
  EXPECT_EQ(a.edit(3, map_delete({"t", "1", "x"})).patch, patch_delete({"t", "1"}));
  a.set(4, {"t"}, "{\"1\":{\"x\":1,\"y\":2},\"2\":0}");
  a.set(5, {"t", "1", "z"}, "3");
  EXPECT_EQ(a.edit(6, map_delete({"t", "1", "x"})).patch, patch_delete({"t", "1", "x"}));
  // Now only the value of "t" knows what is left of "1".
  EXPECT_EQ(a.edit(7, map_delete({"t", "1", "z"})).patch,
            patch_set({"t"}, "{\"1\":{\"x\":1,\"y\":2},\"2\":0}") +
                patch_delete({"t", "1", "x"}) + patch_delete({"t", "1", "z"}));
  EXPECT_EQ(a.view(), "{\"t\":{\"1\":{\"y\":2},\"2\":0}}");
  // The second of two deletes is told again, unless it lost.
  b.merge(a.doc.snapshot());
  std::string first = a.drop(8, {"t", "2"}), second = b.drop(9, {"t", "2"});
  EXPECT_EQ(a.merge(second).patch, patch_delete({"t", "2"}));
  EXPECT_EQ(b.merge(first).patch, "");
}

TEST(Lww, contents_are_the_entries_the_upper_ones_first) {
  Replica a{1};
  EXPECT_EQ(a.contents(), "");
  a.set(1, {"a"}, "{\"b\":1}");
  a.drop(2, {"a", "b"});
  EXPECT_EQ(a.contents(), patch_set({"a"}, "{\"b\":1}") + patch_delete({"a", "b"}));
}

TEST(Lww, members_keep_their_order_and_others_come_sorted_behind) {
  Replica a{1};
  a.set(1, {"v"},
        " { \"b\" : [ { \"d\":1 } , 1.50 ], \"\\u0061\\n\":\"\\u0061\", \"b\":3 } ");
  std::string shown = "{\"v\":{\"b\":[ { \"d\":1 } , 1.50 ],\"\\u0061\\n\":\"\\u0061\",\"b\":3}}";
  EXPECT_EQ(a.view(), shown);
  EXPECT_EQ(a.get({"v", "b"}), "3");
  Replica b{2};
  b.set(1, {"v", "b", "x"}, "0");  // somebody else's write and delete of what is not there
  std::string gone = b.drop(2, {"v", "b", "x"});
  std::string as_written = a.contents();
  EXPECT_EQ(a.merge(gone).patch, as_written + patch_delete({"v", "b", "x"}));
  EXPECT_EQ(a.view(), shown);
  a.set(3, {"v", "a\n"}, "0"), a.set(3, {"v", "B"}, "2"), a.set(3, {"v", "A"}, "1");
  EXPECT_EQ(a.view(), "{\"v\":{\"b\":[ { \"d\":1 } , 1.50 ],\"\\u0061\\n\":0,"
                      "\"b\":3,\"A\":1,\"B\":2}}");
  a.drop(4, {"v", "b"});
  a.set(5, {"\"\\\x01"}, "1");
  EXPECT_EQ(a.view(), "{\"\\\"\\\\\\u0001\":1,\"v\":{\"\\u0061\\n\":0,\"A\":1,\"B\":2}}");
  a.set(6, {"w"}, "{\"\\ud83d\\ude00\":1}");
  EXPECT_EQ(a.get({"w", "\xf0\x9f\x98\x80"}), "1");
}

TEST(Lww, empty_names_are_names) {
  Replica a{1};
  a.set(1, {"v"}, "{\"\":1,\"b\":2}");
  EXPECT_EQ(a.get({"v", "b"}), "2");
  EXPECT_EQ(a.get({"v", ""}), "1");
  a.set(2, {"v", ""}, "3");
  EXPECT_EQ(a.edit(3, map_set({""}, "4")).patch, patch_set({""}, "4"));
  EXPECT_EQ(a.view(), "{\"\":4,\"v\":{\"\":3,\"b\":2}}");
}

TEST(Lww, snapshots_and_catch_ups) {
  Replica a{1}, b{2};
  a.set(1, {"a"}, "1");
  a.set(2, {"b", "c"}, "2");
  b.merge(a.doc.snapshot());
  EXPECT_EQ(b.doc.snapshot(), a.doc.snapshot());
  a.drop(3, {"a"});
  a.set(4, {"b", "d"}, "3");
  Outcome slice = a.doc.encode({{1, 2}});
  Inspected told = inspect(type(), slice.delta);
  EXPECT_EQ(told.summary.ops, 2u);
  EXPECT_EQ(told.summary.seq_lo, 3u);
  EXPECT_EQ(told.summary.seq_hi, 4u);
  EXPECT_EQ(told.summary.max_hlc, 4u);
  EXPECT_EQ(b.merge(slice.delta).patch, patch_delete({"a"}) + patch_set({"b", "d"}, "3"));
  EXPECT_EQ(b.view(), "{\"b\":{\"c\":2,\"d\":3}}");
  EXPECT_EQ(b.merge(slice.delta).patch, "");
  EXPECT_EQ(a.doc.encode({{1, 9}}).delta, std::string("\x11\0", 2));
}

TEST(Lww, restamp_lets_a_wrong_clock_neither_win_nor_lose_work) {
  Replica a{1}, b{2};
  std::string one = a.set(1000, {"k"}, "1"), two = a.set(1001, {"k"}, "2");
  std::string side = a.set(1002, {"s", "t"}, "3"), other = b.set(10, {"k"}, "0");
  a.merge(other);
  std::string sent[] = {a.doc.restamp({1, 1, 11}, one).delta, a.doc.restamp({1, 2, 12}, two).delta,
                        a.doc.restamp({1, 3, 13}, side).delta};
  EXPECT_EQ(inspect(type(), sent[1]).summary.max_hlc, 12u);
  for (const std::string& delta : sent) EXPECT_TRUE(b.merge(delta).ok());
  EXPECT_EQ(b.view(), "{\"k\":2,\"s\":{\"t\":3}}");
  EXPECT_EQ(a.view(), b.view());
  EXPECT_EQ(a.doc.snapshot(), b.doc.snapshot());
  b.merge(b.set(14, {"k"}, "9"));
  a.merge(b.doc.snapshot());
  EXPECT_EQ(a.get({"k"}), "9");
}

TEST(Lww, restamp_lifts_a_write_that_had_lost_to_a_faster_clock) {
  Replica a{1}, b{2};
  std::string slow = a.set(1, {"a", "b"}, "1"), fast = b.set(50, {"a"}, "2");
  a.merge(fast);
  EXPECT_EQ(a.view(), "{\"a\":2}");
  b.merge(a.doc.restamp({1, 1, 51}, slow).delta);
  EXPECT_EQ(a.view(), "{\"a\":{\"b\":1}}");
  EXPECT_EQ(a.doc.snapshot(), b.doc.snapshot());
}

TEST(Lww, restamp_takes_only_own_operations) {
  Replica a{1}, b{2};
  std::string other = b.set(5, {"k"}, "1");
  a.merge(other);
  std::string before = a.doc.snapshot();
  EXPECT_EQ(a.doc.restamp({1, 1, 9}, other).status, SK_MALFORMED);
  b.set(6, {"l"}, "2");
  EXPECT_EQ(b.doc.restamp({2, 1, 9}, b.doc.snapshot()).status, SK_MALFORMED);
  EXPECT_EQ(a.doc.snapshot(), before);
}

std::string head(uint64_t replica = 1, uint64_t seq = 1) {
  return "\x11\x01" + fixed64(replica) + varint(seq);
}
// One row by author 0 with seq 1; its milliseconds are 1.
std::string row(const std::string& path, const std::string& json) {
  return std::string("\x40\0", 2) + sized(path) + std::string("\2\0", 2) + sized(json);
}

TEST(Lww, refuses_malformed_deltas) {
  Doc a(type());
  std::string zero(1, '\0'), k = "\1k", good = row(k, "1"), many, far;
  for (int i = 0; i < 65; ++i) many += "\1a";
  ASSERT_TRUE(a.merge(head() + good).ok());
  std::string two = head(1, 2) + "\x40\1" + good.substr(2);
  ASSERT_TRUE(a.merge(two + "\x40\2" + sized("\1l") + zero + zero + sized("2")).ok());
  a = Doc(type());
  const std::string bad[] = {
      "",
      "\x11",
      "\x12" + zero,
      head(0) + good,                                               // replica 0
      head(1, 0) + good,                                            // seq 0
      head() + row("", "1"),                                        // no segment
      head() + row("\2k", "1"),                                     // a segment that is cut short
      head() + row(zero + "\xff", "1"),                             // another one
      head() + row("\1\xff", "1"),                                  // not UTF-8
      head() + row("\3\xed\xa0\x80", "1"),                          // a surrogate
      head() + row(k, ""),                                          // no value
      head() + row(k, "{\"a\":}"),                                  // not JSON
      head() + row(k, "1 2"),                                       // two values
      head() + row(many, "1"),                                      // too many segments
      head() + row(sized(std::string(1025, 'k')), "1"),             // a long one
      head() + row(k, "\"" + std::string(1 << 20, 'v') + "\""),     // a long value
      head() + good + "x",                                          // something follows
      (head() + good).substr(0, 15),                                // cut short
      head() + "\x41" + good.substr(1),                             // shares with nothing
      head() + zero + "\1" + good.substr(1),                        // no such author
      head() + "\x40\1" + good.substr(2),                           // a dot with seq 0
      head() + "\x40\2" + good.substr(2),                           // a dot above the author's
      head() + "\x40" + zero + sized(k) + "\1" + zero + sized("1"),    // negative time
      head() + "\x40" + zero + sized(k) + "\2\x80\x80\x04" + sized("1"),  // logical too large
      "\x11\x02" + fixed64(1) + "\1" + fixed64(1) + "\1" + good,    // an author twice
      "\x11" + zero + good};                                        // no author
  for (size_t i = 0; i < std::size(bad); ++i) {
    EXPECT_EQ(inspect(type(), bad[i]).status, SK_MALFORMED) << i;
    EXPECT_EQ(a.merge(bad[i]).status, SK_MALFORMED) << i;
  }
  EXPECT_EQ(a.merge("\x21" + zero).status, SK_UNSUPPORTED);
  EXPECT_EQ(a.snapshot(), Doc(type()).snapshot());
  for (const std::string& intent :
       {std::string(), std::string("\1\0", 2) + "1", "\3" + path_bytes({"a"}), map_set({"a"}, ""),
        map_set({"\xed\xa0\x80"}, "1"), map_delete({"a"}) + "1", std::string("\1\x7f\1k1"),
        map_delete({"\xff"})}) {
    EXPECT_EQ(a.mutate({1, 1, 1}, intent).status, SK_MALFORMED);
  }
}

TEST(Lww, one_dot_at_two_paths_counts_at_the_upper_one) {
  std::string upper = head() + row("\1k", "{}"), lower = head() + row("\1k\1l", "1");
  Doc a(type()), b(type());
  EXPECT_TRUE(a.merge(upper).ok() && a.merge(lower).ok());
  EXPECT_TRUE(b.merge(lower).ok() && b.merge(upper).ok());
  EXPECT_EQ(a.view(), "{\"k\":{}}");
  EXPECT_EQ(a.snapshot(), b.snapshot());
}

TEST(Lww, rows_before_a_malformed_one_leave_no_trace) {
  Replica a{1};
  a.set(1, {"a"}, "{\"x\":1}");
  a.set(2, {"a", "b", "c"}, "2");
  std::string before = a.doc.snapshot(), shown = a.view();
  Replica b{2};
  b.set(3, {"a"}, "3");
  b.set(4, {"d", "e"}, "4");
  b.drop(5, {"d", "e"});
  std::string delta = b.doc.snapshot();
  for (size_t len = 0; len < delta.size(); ++len) {
    Outcome out = a.merge(delta.substr(0, len));
    if (out.ok()) a = Replica{1}, a.merge(before);  // it ended between two rows
    ASSERT_EQ(a.doc.snapshot(), before) << len;
    ASSERT_EQ(a.view(), shown) << len;
  }
}

// The journal then names a node twice, which must not go twice.
TEST(Lww, a_path_twice_in_one_delta_goes_once) {
  std::string k = row("\1k", "1"), again = "\x40" + k.substr(1);
  Doc a(type()), b(type());
  EXPECT_EQ(a.merge(head() + k + again + again + "x").status, SK_MALFORMED);
  EXPECT_EQ(a.snapshot(), b.snapshot());
  std::string two = head(1, 2), zero(1, '\0');
  two += "\x40\1" + sized("\1k\1l") + std::string("\2\0", 2) + sized("1");
  two += "\x40\2" + sized("\1k") + std::string("\2\0", 2) + sized("2");  // newer: hides it
  EXPECT_TRUE(a.merge(two).ok() && b.merge(two).ok());
  EXPECT_EQ(a.view(), "{\"k\":2}");
  for (Doc* doc : {&a, &b}) {  // whatever comes next finds the tree in order
    EXPECT_TRUE(doc->mutate({2, 1, 1 << 20}, map_set({"l", "m"}, "3")).ok());
    EXPECT_TRUE(doc->mutate({2, 2, 1 << 20}, map_delete({"l", "m"})).ok());
    EXPECT_TRUE(doc->mutate({2, 3, 1 << 20}, map_set({"n"}, "4")).ok());
  }
  EXPECT_EQ(a.view(), "{\"k\":2,\"n\":4}");
  EXPECT_EQ(a.snapshot(), b.snapshot());
}

TEST(Lww, limits_of_an_intent) {
  Doc a(type());
  EXPECT_EQ(a.mutate({1, 1, 1}, map_set(PathNames(65, "a"), "1")).status, SK_LIMIT);
  EXPECT_EQ(a.mutate({1, 1, 1}, map_set({std::string(1025, 'k')}, "1")).status, SK_LIMIT);
  std::string large = "\"" + std::string((1 << 20) - 1, 'v') + "\"";
  EXPECT_EQ(a.mutate({1, 1, 1}, map_set({"a"}, large)).status, SK_LIMIT);
  EXPECT_TRUE(a.mutate({1, 1, 1}, map_set(PathNames(64, std::string(1024, 'k')), "1")).ok());
  Doc b(type());
  EXPECT_TRUE(b.merge(a.snapshot()).ok());
  EXPECT_EQ(a.snapshot(), b.snapshot());
  EXPECT_EQ(a.view(), b.view());
  EXPECT_EQ(a.mutate({0, 1, 1}, map_set({"a"}, "1")).status, SK_MALFORMED);
  EXPECT_EQ(a.mutate({1, 0, 1}, map_set({"a"}, "1")).status, SK_MALFORMED);
}

TEST(Lww, values_of_any_length_replace_one_another) {
  Replica a{1};
  for (uint64_t i = 1; i <= 200; ++i) {
    size_t length = (i * 37) % 90;
    std::string json = "\"" + std::string(length, 'x') + "\"";
    a.set(i, {"k" + std::to_string(i % 3)}, json.c_str());
    ASSERT_EQ(a.get({"k" + std::to_string(i % 3)}), json);
  }
}

TEST(Lww, an_output_that_cannot_grow_changes_nothing) {
  Replica a{1}, b{2};
  b.merge(a.set(1, {"a"}, "{\"x\":1}"));
  b.merge(a.set(2, {"a", "b", "c"}, "\"longer than what is kept inside\""));
  b.merge(a.set(3, {"d"}, "1"));
  a.set(9, {"a"}, "7");
  a.set(9, {"e", "f"}, "8");
  std::string state = a.doc.snapshot(), before = b.doc.snapshot(), shown = b.view();
  for (const std::string& intent :
       {map_set({"a"}, "1"), map_delete({"a"}), map_set({"d", "e"}, "[1]"),
        map_delete({"a", "b"})}) {
    for (size_t limit = 0;; ++limit) {
      Doc twin = b.doc.copy();
      TightBuffer delta(limit), patch(limit);
      uint32_t seqs;
      sk_stamp stamp{2, 1, 50};
      Bytes in(intent);
      sk_status status =
          type()->mutate(twin.raw(), &stamp, in.data, in.len, &delta, &patch, &seqs, nullptr);
      if (status == SK_OK) {
        EXPECT_GT(limit, 16u);
        break;
      }
      ASSERT_EQ(status, SK_NOMEM);
      ASSERT_EQ(twin.snapshot(), before) << limit;
      ASSERT_EQ(twin.view(), shown) << limit;
      TightBuffer room(limit % 8);
      Bytes bytes(state);
      ASSERT_EQ(type()->merge(twin.raw(), bytes.data, bytes.len, &room, nullptr), SK_NOMEM);
      ASSERT_EQ(twin.snapshot(), before) << limit;
      ASSERT_EQ(twin.view(), shown) << limit;
    }
  }
}

TEST(Lww, a_hundred_thousand_writes_leave_only_the_present_state) {
  std::mt19937 random(1);
  Replica a{0x1234567812345678};
  const uint64_t start = uint64_t{1'790'000'000'000} << 16;
  for (uint64_t i = 0; i < 100'000; ++i) {
    uint64_t clock = start + (i / 3000 << 16) + i % 3000;
    std::string key = "key" + std::to_string(random() % 1000);
    ASSERT_EQ(a.edit(clock, map_set({key}, std::to_string(i))).seqs, 1u);
  }
  EXPECT_EQ(static_cast<Lww*>(a.doc.raw())->entries(), 1000u);
  EXPECT_LT(a.doc.snapshot().size(), 18'000u);
  EXPECT_EQ(a.doc.copy().snapshot(), a.doc.snapshot());
}

}  // namespace
}  // namespace synckit::check
