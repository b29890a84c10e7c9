// The engine by itself: handles, edits, transactions, store records, limits, time.
#include <client/model.hpp>
#include <gtest/gtest.h>

#include "intents.hpp"

namespace synckit::model {
namespace {

constexpr uint64_t kNow = 1'700'000'000'000;

struct EngineTest : testing::Test {
  ClientDisk disk;
  ClientModel client{0x11, 1, disk};
  DocHandle doc = client.open("notes", kNow);

  FieldHandle field(const char* name, const char* type) {
    FieldHandle out = 0;
    EXPECT_TRUE(client.engine.field(doc, name, type, out).ok());
    return out;
  }
  Edit edit(FieldHandle field, const std::string& intent, uint64_t now = kNow) {
    Edit out;
    Status status = client.engine.mutate(doc, field, Bytes(intent), now, out);
    EXPECT_TRUE(status.ok()) << status.text();
    return out;
  }
  wire::Transaction only_queued() {
    wire::Transaction out;
    for (const auto& [key, value] : disk.of("notes")) {
      if (key[7] != 4) continue;
      std::string transaction = value.substr(16);  // after two numbers
      EXPECT_TRUE(wire::decode(Bytes(transaction), out).ok());
    }
    return out;
  }
};

TEST_F(EngineTest, an_edit_is_visible_at_once_and_gives_its_patch) {
  FieldHandle map = field("", "lww");
  Edit made = edit(map, map_set({"a"}, "1"));
  EXPECT_EQ(made.count, 1u);
  EXPECT_EQ(made.last_seq, 1u);
  EXPECT_FALSE(made.patch.empty());
  Buffer json;
  ASSERT_TRUE(client.engine.view(doc, map, json).ok());
  EXPECT_EQ(json.str(), R"({"a":1})");
}

TEST_F(EngineTest, an_intent_without_effect_uses_no_seq) {
  FieldHandle map = field("", "lww");
  EXPECT_EQ(edit(map, map_delete({"absent"})).count, 0u);
  EXPECT_EQ(client.engine.last_seq(doc), 0u);
  client.engine.commit_all(kNow);
  EXPECT_EQ(client.engine.pending(doc), 0u);
}

TEST_F(EngineTest, edits_up_to_the_commit_are_one_transaction) {
  FieldHandle map = field("", "lww"), n = field("n", "counter");
  edit(map, map_set({"a"}, "1"));
  edit(n, count(5));
  edit(map, map_set({"b"}, "2"));
  client.engine.commit_all(kNow);
  EXPECT_EQ(client.engine.pending(doc), 1u);
  client.drain(kNow);
  client.store_all(kNow);
  wire::Transaction stored;
  for (const auto& [key, value] : disk.of("notes")) {
    std::string transaction = value.substr(16);  // after two numbers
    ASSERT_TRUE(wire::decode(Bytes(transaction), stored).ok());
    EXPECT_EQ(stored.changes.size(), 3u);
    EXPECT_EQ(stored.count, 3u);
    EXPECT_EQ(stored.seq, 1u);
  }
  EXPECT_EQ(disk.records().size(), 1u);
}

TEST_F(EngineTest, begin_ends_the_implicit_transaction_and_nests) {
  FieldHandle n = field("n", "counter");
  edit(n, count(1));
  ASSERT_TRUE(client.engine.begin(doc).ok());
  EXPECT_EQ(client.engine.pending(doc), 1u);
  ASSERT_TRUE(client.engine.begin(doc).ok());
  edit(n, count(1));
  ASSERT_TRUE(client.engine.commit(doc, kNow).ok());
  client.engine.commit_all(kNow);  // does not end an explicit one
  EXPECT_EQ(client.engine.pending(doc), 1u);
  edit(n, count(1));
  ASSERT_TRUE(client.engine.commit(doc, kNow).ok());
  EXPECT_EQ(client.engine.pending(doc), 2u);
  EXPECT_EQ(client.engine.last_seq(doc), 3u);
}

TEST_F(EngineTest, saved_is_told_after_stored_and_not_before) {
  edit(field("n", "counter"), count(1));
  client.engine.commit_all(kNow);
  client.drain(kNow);
  EXPECT_EQ(client.told[doc].saved, 0u);
  ASSERT_EQ(client.batches.size(), 1u);
  client.store_all(kNow);
  EXPECT_EQ(client.told[doc].saved, 1u);
}

TEST_F(EngineTest, a_batch_that_was_not_given_out_cannot_be_stored) {
  edit(field("n", "counter"), count(1));
  client.engine.commit_all(kNow);
  client.engine.stored(99, kNow);
  client.drain(kNow);
  EXPECT_EQ(client.told[doc].saved, 0u);
}

TEST_F(EngineTest, a_reload_shows_what_was_stored_and_goes_on_with_the_next_seq) {
  FieldHandle n = field("n", "counter");
  edit(n, count(3));
  client.engine.commit_all(kNow);
  edit(n, count(4));
  client.engine.commit_all(kNow);
  client.drain(kNow);
  client.store_all(kNow);
  edit(n, count(100));  // never stored
  client.engine.commit_all(kNow);

  ClientModel again(0x11, 2, disk);
  DocHandle reopened = again.open("notes", kNow);
  EXPECT_EQ(again.view(reopened), R"([{"field":"n","type":"counter","value":7}])");
  EXPECT_EQ(again.engine.last_seq(reopened), 2u);
  EXPECT_EQ(again.engine.pending(reopened), 2u);
  EXPECT_EQ(again.told[reopened].saved, 2u);
}

TEST_F(EngineTest, another_replicas_queue_is_shown_and_not_ours_to_send) {
  edit(field("n", "counter"), count(3));
  client.engine.commit_all(kNow);
  client.drain(kNow);
  client.store_all(kNow);
  ClientModel tab(0x22, 2, disk);
  DocHandle other = tab.open("notes", kNow);
  EXPECT_EQ(tab.view(other), client.view(doc));
  EXPECT_EQ(tab.engine.pending(other), 0u);
  EXPECT_EQ(tab.engine.last_seq(other), 0u);
}

TEST_F(EngineTest, damaged_records_are_reported_and_skipped) {
  edit(field("n", "counter"), count(3));
  client.engine.commit_all(kNow);
  edit(field("n", "counter"), count(4));
  client.engine.commit_all(kNow);
  client.drain(kNow);
  client.store_all(kNow);
  auto& first = disk.records().begin()->second;
  first = first.substr(0, first.size() / 2);
  ClientModel again(0x11, 2, disk);
  DocHandle reopened = again.open("notes", kNow);
  EXPECT_EQ(again.errors.size(), 1u);
  EXPECT_EQ(again.engine.last_seq(reopened), 2u);
  EXPECT_EQ(again.engine.pending(reopened), 2u);  // a void one in place of what was lost
}

// Such numbers would take for ever to be used up.
TEST_F(EngineTest, records_with_absurd_numbers_are_reported_and_skipped) {
  wire::Transaction far;
  far.replica = 0x11, far.seq = uint64_t{1} << 60, far.count = 1, far.hlc = 1;
  Buffer bytes;
  wire::encode(far, bytes);
  auto big = [](uint64_t value) {
    std::string out;
    for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
    return out;
  };
  std::string prefix("\x00\x05notes", 7), none = big(0) + big(0);
  ClientModel again(0x11, 2, disk);
  DocHandle handle = 0;
  ASSERT_TRUE(again.engine.open("notes", handle).ok());
  auto load = [&](char kind, uint64_t number, const std::string& value) {
    std::string key = prefix + kind + big(0x11) + big(number);
    EXPECT_TRUE(again.engine.load(handle, Bytes(key), Bytes(value), kNow).ok());
  };
  load(kOwnRecord, 0, big(UINT64_MAX) + big(0));
  load(kQueueRecord, far.seq, none + bytes.str());
  ASSERT_TRUE(again.engine.loaded(handle, kNow).ok());
  again.drain(kNow);
  EXPECT_EQ(again.errors.size(), 2u);
  EXPECT_EQ(again.engine.last_seq(handle), 0u);
  EXPECT_EQ(again.engine.pending(handle), 0u);
}

TEST_F(EngineTest, records_of_other_documents_or_out_of_order_are_refused) {
  ClientModel again(0x11, 2, disk);
  DocHandle handle = 0;
  ASSERT_TRUE(again.engine.open("notes", handle).ok());
  std::string prefix("\x00\x05notes", 7), other("\x00\x05other", 7);
  std::string number(8, '\0');
  EXPECT_EQ(again.engine.load(handle, Bytes(other + "\x02" + number), "", kNow).code(),
            SK_MALFORMED);
  EXPECT_EQ(again.engine.load(handle, Bytes(prefix + "\x03" + number), "", kNow).code(), SK_OK);
  EXPECT_EQ(again.engine.load(handle, Bytes(prefix + "\x02" + number), "", kNow).code(),
            SK_MALFORMED);
}

TEST_F(EngineTest, writes_before_ready_and_to_unknown_handles_are_refused) {
  DocHandle handle = 0;
  ASSERT_TRUE(client.engine.open("later", handle).ok());
  FieldHandle n = 0;
  ASSERT_TRUE(client.engine.field(handle, "n", "counter", n).ok());
  Edit out;
  EXPECT_EQ(client.engine.mutate(handle, n, Bytes(count(1)), kNow, out).code(), SK_UNAVAILABLE);
  EXPECT_EQ(client.engine.mutate(doc, 99, Bytes(count(1)), kNow, out).code(), SK_UNSUPPORTED);
  EXPECT_EQ(client.engine.mutate(12345, 1, Bytes(count(1)), kNow, out).code(), SK_UNSUPPORTED);
  EXPECT_EQ(client.engine.field(doc, "x", "no-such-type", n).code(), SK_UNSUPPORTED);
  EXPECT_EQ(client.engine.open("", handle).code(), SK_LIMIT);
  EXPECT_EQ(client.engine.open(Bytes(std::string(513, 'x')), handle).code(), SK_LIMIT);
}

TEST_F(EngineTest, a_failed_edit_changes_nothing) {
  FieldHandle n = field("n", "counter");
  edit(n, count(1));
  Edit out;
  EXPECT_NE(client.engine.mutate(doc, n, Bytes("\xff"), kNow, out).code(), SK_OK);
  edit(n, count(1));
  client.engine.commit_all(kNow);
  EXPECT_EQ(client.engine.last_seq(doc), 2u);
  client.drain(kNow);
  client.store_all(kNow);
  EXPECT_EQ(only_queued().changes.size(), 2u);
}

TEST_F(EngineTest, a_closed_handle_does_not_name_the_next_document) {
  ASSERT_TRUE(client.engine.close(doc, false, kNow).ok());
  DocHandle next = client.open("other", kNow);
  EXPECT_NE(next, doc);
  EXPECT_EQ(client.engine.begin(doc).code(), SK_UNSUPPORTED);
}

TEST_F(EngineTest, two_engines_give_equal_bytes_for_equal_calls) {
  ClientDisk disk2;
  ClientModel twin(0x11, 1, disk2);
  DocHandle doc2 = twin.open("notes", kNow);
  for (auto* one : {&client, &twin}) {
    DocHandle at = one == &client ? doc : doc2;
    FieldHandle map = 0;
    ASSERT_TRUE(one->engine.field(at, "", "lww", map).ok());
    Edit out;
    ASSERT_TRUE(one->engine.mutate(at, map, Bytes(map_set({"k"}, "[1]")), kNow, out).ok());
    one->engine.commit_all(kNow);
    one->drain(kNow);
    one->store_all(kNow);
  }
  EXPECT_EQ(disk.records(), disk2.records());
}

// ---- limits -------------------------------------------------------------------------------------

TEST(EngineLimits, the_queue_is_bounded_in_transactions_and_bytes) {
  ClientDisk disk;
  EngineLimits limits;
  limits.max_pending_transactions = 3;
  ClientModel client(1, 1, disk, limits);
  DocHandle doc = client.open("d", kNow);
  FieldHandle n = 0;
  ASSERT_TRUE(client.engine.field(doc, "n", "counter", n).ok());
  Edit out;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client.engine.mutate(doc, n, Bytes(count(1)), kNow, out).ok());
    client.engine.commit_all(kNow);
  }
  Status status = client.engine.mutate(doc, n, Bytes(count(1)), kNow, out);
  EXPECT_EQ(status.code(), SK_LIMIT);
  EXPECT_NE(std::string(status.text()).find("max_pending_transactions"), std::string::npos);

  limits = {};
  limits.max_pending_bytes = 100;
  ClientModel small(1, 1, disk, limits);
  DocHandle tiny = small.open("e", kNow);
  ASSERT_TRUE(small.engine.field(tiny, "", "lww", n).ok());
  EXPECT_EQ(
      small.engine.mutate(tiny, n, Bytes(map_set({"k"}, std::string(200, '1'))), kNow, out).code(),
      SK_LIMIT);
}

TEST(EngineLimits, documents_are_bounded) {
  ClientDisk disk;
  EngineLimits limits;
  limits.max_documents = 2;
  ClientModel client(1, 1, disk, limits);
  client.open("a", kNow);
  client.open("b", kNow);
  DocHandle doc = 0;
  EXPECT_EQ(client.engine.open("c", doc).code(), SK_LIMIT);
  EXPECT_TRUE(client.engine.open("a", doc).ok());  // open already
}

TEST(EngineLimits, undrained_output_is_bounded) {
  ClientDisk disk;
  EngineLimits limits;
  limits.max_output_bytes = 4096;
  ClientModel client(1, 1, disk, limits);
  DocHandle doc = client.open("d", kNow);
  FieldHandle n = 0;
  ASSERT_TRUE(client.engine.field(doc, "n", "counter", n).ok());
  Edit out;
  Status status;
  int edits = 0;
  for (; edits < 10'000 && status.ok(); ++edits) {
    status = client.engine.mutate(doc, n, Bytes(count(1)), kNow, out);
    client.engine.commit_all(kNow);
  }
  EXPECT_EQ(status.code(), SK_LIMIT);
  client.drain(kNow);
  EXPECT_TRUE(client.engine.mutate(doc, n, Bytes(count(1)), kNow, out).ok());
}

TEST(EngineLimits, a_large_implicit_transaction_is_split_and_an_explicit_one_refused) {
  ClientDisk disk;
  EngineLimits limits;
  limits.max_transaction_bytes = 4096;
  ClientModel client(1, 1, disk, limits);
  DocHandle doc = client.open("d", kNow);
  FieldHandle map = 0;
  ASSERT_TRUE(client.engine.field(doc, "", "lww", map).ok());
  Edit out;
  std::string value = "\"" + std::string(1000, 'x') + "\"";
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(
        client.engine.mutate(doc, map, Bytes(map_set({std::to_string(i)}, value)), kNow, out).ok());
  }
  EXPECT_GE(client.engine.pending(doc), 3u);
  ASSERT_TRUE(client.engine.begin(doc).ok());
  Status status;
  for (int i = 0; i < 10 && status.ok(); ++i) {
    status = client.engine.mutate(doc, map, Bytes(map_set({std::to_string(i)}, value)), kNow, out);
  }
  EXPECT_EQ(status.code(), SK_LIMIT);
}

// ---- memory only, timers ------------------------------------------------------------------------

TEST(EngineMemory, without_a_store_what_is_committed_counts_as_saved) {
  ClientDisk disk;
  ClientModel client(1, 1, disk, {}, false);
  DocHandle doc = client.open("d", kNow);
  FieldHandle n = 0;
  ASSERT_TRUE(client.engine.field(doc, "n", "counter", n).ok());
  Edit out;
  ASSERT_TRUE(client.engine.mutate(doc, n, Bytes(count(1)), kNow, out).ok());
  client.engine.commit_all(kNow);
  client.drain(kNow);
  EXPECT_TRUE(client.batches.empty());
  EXPECT_EQ(client.told[doc].saved, 1u);
  EXPECT_EQ(client.engine.close(doc, false, kNow).code(), SK_UNAVAILABLE);
  EXPECT_TRUE(client.engine.close(doc, true, kNow).ok());
}

TEST(EngineTimers, reconnects_with_full_jitter_up_to_thirty_seconds) {
  ClientDisk disk;
  ClientModel client(1, 42, disk);
  uint64_t now = kNow;
  client.engine.online(true, now);
  client.drain(now);
  EXPECT_TRUE(client.wants_connect);  // at once, the first time
  uint64_t longest = 0;
  for (int attempt = 0; attempt < 200; ++attempt) {
    client.wants_connect = false;
    client.engine.disconnected(now);
    uint64_t at = client.engine.next_timer_ms();
    ASSERT_NE(at, Engine::kNever);
    uint64_t bound = attempt < 5 ? 1000u << attempt : 30'000;
    ASSERT_LE(at - now, bound) << "attempt " << attempt;
    longest = std::max(longest, at - now);
    if (at > now) {
      client.engine.tick(at - 1);
      client.drain(at - 1);
      ASSERT_FALSE(client.wants_connect);
    }
    now = at;
    client.engine.tick(now);
    client.drain(now);
    ASSERT_TRUE(client.wants_connect);
  }
  EXPECT_GT(longest, 25'000u);  // 200 draws: jitter spans the range
}

TEST(EngineTimers, going_offline_stops_the_timers) {
  ClientDisk disk;
  ClientModel client(1, 42, disk);
  client.engine.online(true, kNow);
  client.engine.disconnected(kNow);
  client.engine.online(false, kNow);
  EXPECT_EQ(client.engine.next_timer_ms(), Engine::kNever);
  EXPECT_EQ(client.engine.overall(), DocStatus::offline);
}

}  // namespace
}  // namespace synckit::model
