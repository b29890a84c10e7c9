// Document, one promise of document.hpp a test. Orders and random histories: document_order_test.
#include "fixture.hpp"

namespace synckit::testing {
namespace {

constexpr uint64_t kA = 0xa, kB = 0xb, kC = 0xc;

class DocumentTest : public DocumentFixture {};
class RegistryTest : public DocumentFixture {};

// ---- Registry -----------------------------------------------------------------------------------

TEST_F(RegistryTest, finds_types_and_refuses_a_second_of_one_name) {
  EXPECT_EQ(registry.find(kToyName), ToyA::crdt_interface());
  EXPECT_EQ(registry.find("test"), nullptr);
  EXPECT_EQ(registry.add(ToyA::crdt_interface()).code(), SK_CONFLICT);
}

TEST_F(RegistryTest, refuses_incomplete_tables_and_bad_names) {
  sk_crdt_v1 table = *ToyA::crdt_interface();
  EXPECT_EQ(registry.add(nullptr).code(), SK_UNSUPPORTED);
  table.merge = nullptr;
  table.type = "fine";
  EXPECT_EQ(registry.add(&table).code(), SK_UNSUPPORTED);
  table = *ToyA::crdt_interface();
  std::string longest(64, 'x'), longer(65, 'x');
  for (const char* bad : {"", "Upper", "with space", "a/b", longer.c_str()}) {
    table.type = bad;
    EXPECT_EQ(registry.add(&table).code(), SK_UNSUPPORTED) << bad;
  }
  table.type = longest.c_str();
  EXPECT_EQ(registry.add(&table).code(), SK_OK);
}

TEST_F(RegistryTest, holds_at_most_256_types) {
  std::vector<std::string> names;
  for (int i = 0; i < 300; ++i) names.push_back("t" + std::to_string(i));
  std::vector<sk_crdt_v1> tables(names.size(), *ToyA::crdt_interface());
  Registry many;
  size_t added = 0;
  for (size_t i = 0; i < names.size(); ++i) {
    tables[i].type = names[i].c_str();
    Status status = many.add(&tables[i]);
    EXPECT_EQ(status.code(), i < Registry::kMaxTypes ? SK_OK : SK_LIMIT);
    added += status.ok();
  }
  EXPECT_EQ(added, Registry::kMaxTypes);
}

// ---- local edits --------------------------------------------------------------------------------

TEST_F(DocumentTest, a_local_edit_reaches_others_as_it_was_made) {
  Document mine(registry), other(registry);
  Buffer delta;
  uint32_t count = 0;
  Buffer patch;
  Stamp stamp{kA, 1, 100};
  Status refused = mine.mutate("f", kToyName, stamp, Bytes("\x02\x00hi"), delta, count, &patch);
  ASSERT_EQ(refused.code(), SK_MALFORMED)
      << "the literal ends at its zero byte";
  std::string intent("\x02\x00hi", 4);
  ASSERT_TRUE(mine.mutate("f", kToyName, stamp, Bytes(intent), delta, count, &patch).ok());
  EXPECT_EQ(count, 2u);
  EXPECT_EQ(patch.str(), "+hi;");
  EXPECT_TRUE(mine.version().empty()) << "commit_local raises it";
  mine.commit_local(kA, 2, 100);
  EXPECT_EQ(mine.version()[kA], 2u);
  EXPECT_EQ(mine.max_hlc(), 100u);

  wire::Transaction t;
  t.replica = kA, t.seq = 1, t.count = 2, t.hlc = 100;
  t.changes.push_back({"f", kToyName, 2, delta.bytes()});
  Buffer bytes;
  wire::encode(t, bytes);
  EXPECT_EQ(merge(other, bytes.str()), Merged::applied);
  EXPECT_EQ(view(other), view(mine));
  EXPECT_EQ(snapshot(other), snapshot(mine));
  EXPECT_EQ(merge(mine, bytes.str()), Merged::duplicate) << "its own, coming back";
}

TEST_F(DocumentTest, an_edit_without_effect_or_with_an_error_leaves_no_trace) {
  Document doc(registry);
  Buffer delta;
  Writer(delta).byte('x');
  uint32_t count = 9;
  std::string nothing("\x00\x00", 2);
  ASSERT_TRUE(doc.mutate("f", kToyName, {kA, 1, 1}, Bytes(nothing), delta, count, nullptr).ok());
  EXPECT_EQ(count, 0u);
  EXPECT_EQ(doc.mutate("f", kToyName, {kA, 1, 1}, "", delta, count, nullptr).code(), SK_MALFORMED);
  EXPECT_EQ(doc.mutate("f", "none", {kA, 1, 1}, "", delta, count, nullptr).code(), SK_UNSUPPORTED);
  std::string name(257, 'f');
  EXPECT_EQ(doc.mutate(Bytes(name), kToyName, {kA, 1, 1}, "", delta, count, nullptr).code(),
            SK_LIMIT);
  std::string refused("\x01\x01no", 4);  // writes its delta, then refuses
  EXPECT_EQ(doc.mutate("f", kToyName, {kA, 1, 1}, Bytes(refused), delta, count, nullptr).code(),
            SK_MALFORMED);
  EXPECT_EQ(delta.str(), "x");
  EXPECT_EQ(doc.field_count(), 0u);
  EXPECT_EQ(view(doc), "[]");
}

TEST_F(DocumentTest, one_name_with_two_types_is_two_fields) {
  Document doc(registry);
  merge(doc, transaction(kA, 1, 5, {{"f", "one"}, {"f", "two", kFine, {}, 1, kOtherName}}));
  EXPECT_EQ(doc.field_count(), 2u);
  EXPECT_EQ(view(doc),
            "[{\"field\":\"f\",\"type\":\"test.other\",\"value\":[\"two@5\"]},"
            "{\"field\":\"f\",\"type\":\"test.toy\",\"value\":[\"one@5\"]}]");
}

TEST_F(DocumentTest, view_of_an_absent_field_is_the_empty_value) {
  Document doc(registry);
  Buffer json;
  ASSERT_TRUE(doc.view("absent", kToyName, json).ok());
  EXPECT_EQ(json.str(), "[]");
  EXPECT_EQ(doc.field_count(), 0u);
  EXPECT_EQ(doc.view("absent", "none", json).code(), SK_UNSUPPORTED);
}

TEST_F(DocumentTest, view_all_escapes_field_names) {
  Document doc(registry);
  merge(doc, transaction(kA, 1, 5, {{std::string("\"\\\n\x01", 4), "x"}}));
  EXPECT_NE(view(doc).find("\\\"\\\\\\u000a\\u0001"), std::string::npos) << view(doc);
}

// ---- merging ------------------------------------------------------------------------------------

TEST_F(DocumentTest, a_transaction_takes_effect_once) {
  Document doc(registry);
  std::string one = transaction(kA, 1, 5, {{"f", "one"}});
  Patches patches;
  EXPECT_EQ(merge(doc, one, &patches), Merged::applied);
  EXPECT_EQ(merge(doc, one, &patches), Merged::duplicate);
  EXPECT_EQ(patches.all, "f/test.toy+one;");
  EXPECT_EQ(doc.version()[kA], 1u);
}

TEST_F(DocumentTest, a_transaction_that_overlaps_a_known_one_is_malformed) {
  Document doc(registry);
  merge(doc, transaction(kA, 1, 5, {{"f", "one"}, {"f", "two"}}));
  std::string before = snapshot(doc);
  EXPECT_EQ(merge_code(doc, transaction(kA, 2, 5, {{"f", "two"}, {"f", "three"}})), SK_MALFORMED);
  EXPECT_EQ(snapshot(doc), before);
}

TEST_F(DocumentTest, waits_for_the_authors_earlier_ones) {
  Document doc(registry);
  std::string two = transaction(kA, 2, 6, {{"f", "two"}});
  Patches patches;
  EXPECT_EQ(merge(doc, two, &patches), Merged::parked);
  EXPECT_EQ(merge(doc, two, &patches), Merged::parked);
  EXPECT_EQ(doc.parked(), 1u) << "waiting twice is waiting once";
  EXPECT_EQ(view(doc), "[]");
  EXPECT_TRUE(doc.version().empty());
  EXPECT_EQ(merge(doc, transaction(kA, 1, 5, {{"f", "one"}}), &patches), Merged::applied);
  EXPECT_EQ(doc.parked(), 0u);
  EXPECT_EQ(doc.version()[kA], 2u);
  EXPECT_EQ(patches.all, "f/test.toy+one;f/test.toy+two;");
}

TEST_F(DocumentTest, waits_for_what_a_delta_builds_on) {
  Document doc(registry);
  std::string reply = transaction(kB, 1, 6, {{"f", "reply", kFine, {{kA, 2}}}});
  EXPECT_EQ(merge(doc, reply), Merged::parked);
  merge(doc, transaction(kA, 1, 4, {{"f", "one"}}));
  EXPECT_EQ(doc.parked(), 1u) << "it needs the second";
  merge(doc, transaction(kA, 2, 5, {{"f", "two"}}));
  EXPECT_EQ(doc.parked(), 0u);
  EXPECT_EQ(doc.version()[kB], 1u);
}

TEST_F(DocumentTest, a_long_chain_drains_in_one_call) {
  Document doc(registry);
  for (uint64_t seq = 200; seq >= 2; --seq) {
    ASSERT_EQ(merge(doc, transaction(kA, seq, seq, {{"f", "x"}})), Merged::parked);
  }
  EXPECT_EQ(doc.parked(), 199u);
  EXPECT_EQ(merge(doc, transaction(kA, 1, 1, {{"f", "x"}})), Merged::applied);
  EXPECT_EQ(doc.parked(), 0u);
  EXPECT_EQ(doc.version()[kA], 200u);
}

TEST_F(DocumentTest, parking_is_bounded_in_number_and_bytes) {
  Document few(registry, {.max_parked_transactions = 2});
  merge(few, transaction(kA, 2, 1, {{"f", "x"}}));
  std::string last = transaction(kA, 3, 1, {{"f", "x"}});
  merge(few, last);
  EXPECT_EQ(merge_code(few, transaction(kA, 4, 1, {{"f", "x"}})), SK_LIMIT);
  EXPECT_EQ(few.parked(), 2u);
  EXPECT_EQ(merge(few, last), Merged::parked) << "what waits already costs nothing";
  merge(few, transaction(kA, 1, 1, {{"f", "x"}}));
  EXPECT_EQ(few.version()[kA], 3u);
  EXPECT_EQ(merge(few, transaction(kA, 5, 1, {{"f", "x"}})), Merged::parked) << "room again";

  std::string big = transaction(kA, 2, 1, {{"f", std::string(1000, 'x')}});
  Document small(registry, {.max_parked_bytes = static_cast<uint32_t>(big.size())});
  EXPECT_EQ(merge(small, big), Merged::parked);
  EXPECT_EQ(merge_code(small, transaction(kA, 3, 1, {{"f", ""}})), SK_LIMIT);
}

TEST_F(DocumentTest, void_transactions_use_up_their_dots) {
  Document doc(registry);
  merge(doc, transaction(kA, 1, 5, {}));
  EXPECT_EQ(doc.version()[kA], 1u);
  EXPECT_EQ(doc.field_count(), 0u);
  EXPECT_EQ(merge(doc, transaction(kA, 2, 6, {{"f", "two"}})), Merged::applied);
}

TEST_F(DocumentTest, a_change_that_its_type_refuses_is_void_and_the_rest_counts) {
  for (uint8_t behaviour : {kVoid, kMissing, kFull}) {
    Document doc(registry);
    std::string bytes = transaction(
        kA, 1, 5, {{"f", "one"}, {"g", "no", behaviour}, {"f", "no", behaviour}, {"f", "four"}});
    EXPECT_EQ(merge(doc, bytes), Merged::applied);
    EXPECT_EQ(doc.version()[kA], 4u);
    EXPECT_EQ(doc.voided(), 2u);
    EXPECT_EQ(doc.field_count(), 1u) << "the field g never came into being";
    EXPECT_FALSE(doc.broken());
    EXPECT_EQ(merge(doc, bytes), Merged::duplicate);
    EXPECT_EQ(doc.voided(), 2u);
  }
}

TEST_F(DocumentTest, a_type_that_breaks_half_way_breaks_the_document) {
  for (uint8_t behaviour : {kThrows, kNoMemory}) {
    Document doc(registry);
    sk_status want = behaviour == kThrows ? SK_INTERNAL : SK_NOMEM;
    std::string bytes = transaction(kA, 1, 5, {{"f", "one"}, {"f", "two", behaviour}});
    EXPECT_EQ(merge_code(doc, bytes), want);
    EXPECT_TRUE(doc.broken());
    EXPECT_TRUE(doc.version().empty());
    Buffer out;
    uint32_t count;
    std::string intent("\x01\x00x", 3);
    EXPECT_EQ(merge_code(doc, transaction(kB, 1, 5, {{"f", "x"}})), SK_INTERNAL);
    EXPECT_EQ(doc.encode_snapshot(out).code(), SK_INTERNAL);
    EXPECT_EQ(doc.mutate("f", kToyName, {kC, 1, 1}, Bytes(intent), out, count, nullptr).code(),
              SK_INTERNAL);
    EXPECT_EQ(load(doc, "").code(), SK_INTERNAL);
  }
}

TEST_F(DocumentTest, a_field_that_cannot_be_made_half_way_breaks_the_document) {
  struct FailAfterFirst : PatchSink {
    void patch(const DocumentField&, Bytes) override { toy_creation_fails = true; }
  } after_first;
  Document doc(registry);
  merge(doc, transaction(kA, 1, 5, {{"f", "one"}}));
  Merged outcome;
  Status status =
      merge(doc, transaction(kA, 2, 5, {{"f", "two"}, {"g", "three"}}), outcome, &after_first);
  EXPECT_EQ(status.code(), SK_NOMEM);
  EXPECT_TRUE(doc.broken()) << "f has the second, the version does not";
  toy_creation_fails = true;
  Document fresh(registry);
  EXPECT_EQ(merge_code(fresh, transaction(kA, 1, 5, {{"f", "one"}})), SK_NOMEM);
  EXPECT_FALSE(fresh.broken()) << "nothing changed";
  toy_creation_fails = false;
  EXPECT_EQ(merge(fresh, transaction(kA, 1, 5, {{"f", "one"}})), Merged::applied);
}

TEST_F(DocumentTest, max_fields_is_refused_before_anything_changes) {
  Document doc(registry, {.max_fields = 2});
  merge(doc, transaction(kA, 1, 5, {{"f", "one"}}));
  std::string before = snapshot(doc);
  EXPECT_EQ(merge_code(doc, transaction(kA, 2, 6, {{"f", "x"}, {"g", "x"}, {"h", "x"}})), SK_LIMIT);
  EXPECT_EQ(snapshot(doc), before);
  Buffer delta;
  uint32_t count;
  std::string intent("\x01\x00x", 3);
  merge(doc, transaction(kA, 2, 6, {{"g", "x"}}));
  EXPECT_EQ(doc.mutate("h", kToyName, {kB, 1, 7}, Bytes(intent), delta, count, nullptr).code(),
            SK_LIMIT);
}

TEST_F(DocumentTest, a_parked_one_that_cannot_be_applied_does_not_fail_the_one_that_freed_it) {
  Document doc(registry, {.max_fields = 1});
  std::string two = transaction(kA, 2, 6, {{"g", "two"}});
  EXPECT_EQ(merge(doc, two), Merged::parked);
  EXPECT_EQ(merge(doc, transaction(kA, 1, 5, {{"f", "one"}})), Merged::applied);
  EXPECT_EQ(doc.version()[kA], 1u);
  EXPECT_EQ(doc.parked(), 1u) << "nothing is dropped silently";
  EXPECT_FALSE(doc.broken());
  EXPECT_EQ(merge_code(doc, two), SK_LIMIT) << "the one who did it is told";
  EXPECT_EQ(merge(doc, transaction(kB, 1, 7, {{"f", "other"}})), Merged::applied);
}

TEST_F(DocumentTest, inspect_guards_author_dots_and_clock) {
  using T = wire::Transaction;
  auto code = [&](auto change) {
    std::string delta = ToyDelta{kA, 1, 2, 50, kFine, {}, "x"}.bytes();
    T t;
    t.replica = kA, t.seq = 1, t.count = 2, t.hlc = 50;
    t.changes.push_back({"f", kToyName, 2, Bytes(delta)});
    change(t);
    return Document::inspect(registry, t, false, nullptr, nullptr).code();
  };
  EXPECT_EQ(code([](T&) {}), SK_OK);
  EXPECT_EQ(code([](T& t) { t.replica = kB; }), SK_MALFORMED);
  EXPECT_EQ(code([](T& t) { t.seq = 2; }), SK_MALFORMED);
  EXPECT_EQ(code([](T& t) { t.changes[0].count = 3; }), SK_MALFORMED);
  EXPECT_EQ(code([](T& t) { t.hlc = 49; }), SK_MALFORMED);
  EXPECT_EQ(code([](T& t) { t.changes[0].type = "none"; }), SK_UNSUPPORTED);
  EXPECT_EQ(code([](T& t) { t.changes[0].delta = "S"; }), SK_MALFORMED) << "no author";
  EXPECT_EQ(code([](T& t) { t.changes[0].delta = "D"; }), SK_MALFORMED) << "cut off";
}

TEST_F(DocumentTest, inspect_sums_work_and_foreign_dependencies) {
  std::string bytes = transaction(
      kA, 5, 50, {{"f", "x", kFine, {{kB, 3}, {kA, 4}}}, {"g", "y", kFine, {{kB, 7}}, 2}});
  wire::Transaction t;
  ASSERT_TRUE(wire::decode(Bytes(bytes), t).ok());
  VersionVector deps;
  uint64_t ops = 0;
  ASSERT_TRUE(Document::inspect(registry, t, false, &deps, &ops).ok());
  EXPECT_EQ(ops, 3u);
  EXPECT_EQ(deps.size(), 1u);
  EXPECT_EQ(deps[kB], 7u);
}

TEST_F(DocumentTest, a_malformed_delta_is_refused_before_it_waits) {
  Document doc(registry);
  EXPECT_EQ(merge_code(doc, transaction(kA, 2, 5, {{"f", "x", kBadInspect}})), SK_MALFORMED);
  EXPECT_EQ(doc.parked(), 0u);
}

TEST_F(DocumentTest, unknown_types_count_as_seen_and_are_marked) {
  Document doc(registry);
  std::string bytes =
      transaction(kA, 1, 5, {{"f", "x"}, {"g", "y", kFine, {}, 3, "com.example.later"}});
  EXPECT_EQ(merge(doc, bytes), Merged::applied);
  EXPECT_TRUE(doc.has_unknown_types());
  EXPECT_EQ(doc.version()[kA], 4u);
  EXPECT_EQ(doc.field_count(), 1u);
  wire::Transaction t;
  ASSERT_TRUE(wire::decode(Bytes(bytes), t).ok());
  EXPECT_EQ(Document::inspect(registry, t, false, nullptr, nullptr).code(), SK_UNSUPPORTED);
  EXPECT_EQ(Document::inspect(registry, t, true, nullptr, nullptr).code(), SK_OK);
}

// ---- re-stamping --------------------------------------------------------------------------------

TEST_F(DocumentTest, restamp_changes_the_clock_here_and_in_the_bytes) {
  Document mine(registry), other(registry);
  std::string bytes = transaction(kA, 1, 900, {{"f", "one"}, {"g", "two", kFine, {}, 3}});
  merge(mine, bytes);
  wire::Transaction t;
  ASSERT_TRUE(wire::decode(Bytes(bytes), t).ok());
  Buffer again, changes;
  ASSERT_TRUE(mine.restamp(t, 100, changes).ok());
  wire::encode(wire::TransactionHead{t.replica, t.seq, t.count, 100}, again);
  Writer(again).raw(changes);
  ASSERT_EQ(merge(other, again.str()), Merged::applied);
  EXPECT_EQ(view(other), view(mine));
  EXPECT_NE(view(mine).find("one@100"), std::string::npos) << view(mine);
  EXPECT_NE(view(mine).find("two@100"), std::string::npos) << view(mine);
  wire::Transaction next;
  ASSERT_TRUE(wire::decode(again, next).ok());
  EXPECT_EQ(next.hlc, 100u);
  EXPECT_EQ(next.changes.size(), 2u);
  EXPECT_TRUE(Document::inspect(registry, next, false, nullptr, nullptr).ok());
}

TEST_F(DocumentTest, restamp_that_fails_at_once_changes_nothing) {
  Document doc(registry);
  merge(doc, transaction(kA, 1, 900, {{"f", "one"}}));
  std::string foreign = transaction(kB, 1, 900, {{"f", "never merged"}});
  wire::Transaction t;
  ASSERT_TRUE(wire::decode(Bytes(foreign), t).ok());
  std::string before = snapshot(doc);
  Buffer out;
  EXPECT_EQ(doc.restamp(t, 100, out).code(), SK_MALFORMED);
  EXPECT_TRUE(out.empty());
  EXPECT_FALSE(doc.broken());
  EXPECT_EQ(snapshot(doc), before);
}

// ---- snapshots ----------------------------------------------------------------------------------

TEST_F(DocumentTest, a_snapshot_restores_everything) {
  Document doc(registry), copy(registry);
  merge(doc, transaction(kB, 1, 7, {{"g", "two", kFine, {}, 1, kOtherName}, {"f", "x"}}));
  merge(doc, transaction(kA, 1, 5, {{"f", "one"}}));
  Patches patches;
  ASSERT_TRUE(load(copy, snapshot(doc), &patches).ok());
  EXPECT_EQ(view(copy), view(doc));
  EXPECT_EQ(snapshot(copy), snapshot(doc));
  EXPECT_EQ(digest(copy), digest(doc));
  EXPECT_TRUE(copy.version() == doc.version());
  EXPECT_EQ(copy.max_hlc(), 7u);
  EXPECT_EQ(patches.all, "f/test.toy+one;+x;g/test.other+two;");
  patches.all.clear();
  ASSERT_TRUE(load(copy, snapshot(doc), &patches).ok());
  EXPECT_EQ(patches.all, "") << "merging what is known changes nothing";
}

TEST_F(DocumentTest, a_snapshot_joins_what_is_there_and_frees_what_waits) {
  Document doc(registry), late(registry);
  merge(doc, transaction(kA, 1, 5, {{"f", "one"}}));
  merge(doc, transaction(kA, 2, 6, {{"f", "two"}}));
  merge(late, transaction(kB, 1, 7, {{"f", "own"}}));
  merge(late, transaction(kA, 3, 8, {{"f", "three"}}));
  merge(late, transaction(kA, 2, 6, {{"f", "two"}}));
  EXPECT_EQ(late.parked(), 2u);
  ASSERT_TRUE(load(late, snapshot(doc)).ok());
  EXPECT_EQ(late.parked(), 0u);
  EXPECT_EQ(late.version()[kA], 3u);
  EXPECT_EQ(late.version()[kB], 1u);
}

TEST_F(DocumentTest, a_bad_snapshot_changes_nothing) {
  Document source(registry), doc(registry);
  merge(source, transaction(kA, 1, 5, {{"f", "one"}}));
  merge(doc, transaction(kB, 1, 5, {{"h", "own"}}));
  std::string before = snapshot(doc);
  wire::Snapshot s;
  s.version.raise(kA, 1);
  s.fields.push_back({"f", kToyName, 3, "S"});  // format 3 is from the future
  EXPECT_EQ(doc.merge_snapshot(s, nullptr).code(), SK_UNSUPPORTED);
  s.fields[0].count = 2;
  s.fields[0].delta = "?";
  EXPECT_EQ(doc.merge_snapshot(s, nullptr).code(), SK_MALFORMED);
  // A state that only merge, not inspect, refuses: the field that was made for it goes again.
  std::string state("S"), entry = ToyDelta{kA, 1, 1, 5, kStateRefused, {}, "x"}.bytes();
  state += static_cast<char>(entry.size());
  state += entry;
  s.fields[0].delta = Bytes(state);
  EXPECT_EQ(doc.merge_snapshot(s, nullptr).code(), SK_MALFORMED);
  EXPECT_EQ(snapshot(doc), before);
  EXPECT_EQ(doc.field_count(), 1u);
  EXPECT_FALSE(doc.broken());
}

TEST_F(DocumentTest, a_snapshot_cannot_pass_max_fields_or_max_replicas) {
  Document source(registry), doc(registry, {.max_fields = 1});
  merge(source, transaction(kA, 1, 5, {{"f", "x"}, {"g", "x"}}));
  EXPECT_EQ(load(doc, snapshot(source)).code(), SK_LIMIT);
  EXPECT_EQ(doc.field_count(), 0u);

  wire::Snapshot full, more;
  for (uint64_t r = 1; r <= VersionVector::kMaxReplicas; ++r) full.version.raise(r, 1);
  more.version.raise(VersionVector::kMaxReplicas + 1, 1);
  ASSERT_TRUE(doc.merge_snapshot(full, nullptr).ok());
  EXPECT_EQ(doc.merge_snapshot(more, nullptr).code(), SK_LIMIT);
  EXPECT_EQ(doc.version().size(), VersionVector::kMaxReplicas);
  EXPECT_EQ(merge_code(doc, transaction(VersionVector::kMaxReplicas + 1, 1, 1, {})), SK_LIMIT);
  EXPECT_EQ(merge(doc, transaction(7, 2, 1, {})), Merged::applied);
}

TEST_F(DocumentTest, unknown_types_in_a_snapshot_are_marked) {
  Document doc(registry);
  wire::Snapshot s;
  s.version.raise(kA, 1);
  s.fields.push_back({"f", "com.example.later", 9, "whatever"});
  ASSERT_TRUE(doc.merge_snapshot(s, nullptr).ok());
  EXPECT_TRUE(doc.has_unknown_types());
  EXPECT_EQ(doc.version()[kA], 1u);
}

TEST_F(DocumentTest, digests_tell_values_names_and_types_apart) {
  auto of = [&](std::vector<Part> parts) {
    Document doc(registry);
    merge(doc, transaction(kA, 1, 5, parts));
    return digest(doc);
  };
  uint64_t one = of({{"f", "x"}});
  EXPECT_EQ(one, of({{"f", "x"}}));
  EXPECT_NE(one, of({{"f", "y"}}));
  EXPECT_NE(one, of({{"g", "x"}}));
  EXPECT_NE(one, of({{"f", "x", kFine, {}, 1, kOtherName}}));
  EXPECT_NE(one, of({}));
}

TEST_F(DocumentTest, compact_reaches_every_field) {
  Document doc(registry);
  merge(doc, transaction(kA, 1, 5, {{"f", "x"}}));
  merge(doc, transaction(kB, 1, 6, {{"f", "y", kFine, {{kA, 1}}}}));
  std::string before = snapshot(doc), seen = view(doc);
  ASSERT_TRUE(doc.compact(doc.version()).ok());
  EXPECT_LT(snapshot(doc).size(), before.size());
  EXPECT_EQ(view(doc), seen);
}

}  // namespace
}  // namespace synckit::testing
