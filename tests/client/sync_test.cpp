// The engine against a host that obeys proto/wire.proto: sync, acks, refusals, rebuilds.
#include <client/model.hpp>
#include <gtest/gtest.h>

#include "intents.hpp"

namespace synckit::model {
namespace {

struct Side {
  Side(uint64_t replica, HostModel& host, EngineLimits limits = {}, bool persistent = true)
      : client(replica, replica, disk, limits, persistent), link(client, host), host_(host) {
    doc = client.open("doc", host.now_ms);
    EXPECT_TRUE(client.engine.field(doc, "", "lww", map).ok());
    EXPECT_TRUE(client.engine.field(doc, "n", "counter", number).ok());
  }
  void set(const std::string& key, const std::string& json) {
    Edit out;
    Status status =
        client.engine.mutate(doc, map, Bytes(map_set({key}, json)), now(), out);
    EXPECT_TRUE(status.ok()) << status.text();
    client.engine.commit_all(now());
  }
  void add(int64_t amount) {
    Edit out;
    Status status = client.engine.mutate(doc, number, Bytes(count(amount)), now(), out);
    EXPECT_TRUE(status.ok()) << status.text();
    client.engine.commit_all(now());
  }
  uint64_t now() const { return host_.now_ms + skew; }
  Told& told() { return client.told[doc]; }
  std::string view() { return client.view(doc); }
  DocStatus status() { return client.engine.status(doc); }

  ClientDisk disk;
  ClientModel client;
  Link link;
  HostModel& host_;
  DocHandle doc = 0;
  FieldHandle map = 0, number = 0;
  uint64_t skew = 0;
};

void settle(std::vector<Side*> sides) {
  for (bool busy = true; busy;) {
    busy = false;
    for (Side* side : sides) {
      while (side->link.step()) busy = true;
    }
  }
}

struct SyncTest : testing::Test {
  HostModel host{7};
  Side a{0xa, host}, b{0xb, host};
  void connect() {
    a.link.connect();
    b.link.connect();
    settle({&a, &b});
  }
};

TEST_F(SyncTest, two_clients_converge_and_the_host_has_it) {
  connect();
  EXPECT_EQ(a.status(), DocStatus::synced);
  a.set("x", "1");
  b.set("y", "2");
  b.add(4);
  EXPECT_EQ(a.status(), DocStatus::syncing);
  settle({&a, &b});
  EXPECT_EQ(a.view(), b.view());
  EXPECT_EQ(a.client.digest(a.doc), b.client.digest(b.doc));
  EXPECT_EQ(host.disk["doc"].position(), 3u);
  EXPECT_EQ(a.told().durable, 1u);
  EXPECT_EQ(b.told().durable, 2u);
  EXPECT_EQ(a.status(), DocStatus::synced);
  EXPECT_EQ(a.client.engine.overall(), DocStatus::synced);
  EXPECT_FALSE(a.told().patches.empty());
}

TEST_F(SyncTest, nothing_is_sent_before_it_is_stored) {
  connect();
  a.set("x", "1");
  a.client.drain(host.now_ms);
  EXPECT_TRUE(a.client.frames.empty());
  a.client.store_all(host.now_ms);
  EXPECT_EQ(a.client.frames.size(), 1u);
}

TEST_F(SyncTest, offline_edits_arrive_after_the_reconnect_in_order) {
  connect();
  a.link.disconnect();
  for (int i = 0; i < 20; ++i) a.set("k", std::to_string(i));
  EXPECT_EQ(a.status(), DocStatus::offline);
  b.add(1);
  settle({&a, &b});
  host.now_ms += 60'000;
  a.client.engine.tick(host.now_ms);
  settle({&a, &b});
  EXPECT_EQ(a.view(), b.view());
  EXPECT_NE(a.view().find("\"k\":19"), std::string::npos);
  EXPECT_EQ(a.client.engine.pending(a.doc), 0u);
}

TEST_F(SyncTest, an_ack_moves_the_record_from_queue_to_log_in_one_batch) {
  connect();
  a.set("x", "1");
  settle({&a, &b});
  auto records = a.disk.of("doc");
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].first[5], 2);  // log
  EXPECT_EQ(records[1].first[5], 3);  // own
}

TEST_F(SyncTest, a_crash_after_the_host_stored_and_before_the_ack_is_not_a_second_change) {
  connect();
  a.add(5);
  a.client.drain(host.now_ms);
  a.client.store_all(host.now_ms);
  while (!a.client.frames.empty()) {
    // The host gets it; the client dies before it hears of it.
    HostModel::SessionId session = 1;
    host.receive(session, a.client.frames.front());
    a.client.frames.pop_front();
  }
  host.flush();
  Side again(0xa, host);
  again.disk.records() = a.disk.records();
  ClientModel reborn(0xa, 9, again.disk);
  DocHandle doc = reborn.open("doc", host.now_ms);
  EXPECT_EQ(reborn.engine.pending(doc), 1u);
  Link link(reborn, host);
  link.connect();
  link.settle();
  EXPECT_EQ(reborn.engine.pending(doc), 0u);
  EXPECT_EQ(reborn.view(doc), R"([{"field":"n","type":"counter","value":5}])");
  EXPECT_EQ(host.disk["doc"].position(), 1u);
}

TEST_F(SyncTest, a_lost_notification_is_read_from_the_log) {
  connect();
  host.lose_notifications = 100;
  b.add(1);
  settle({&a, &b});
  EXPECT_EQ(a.client.engine.position(a.doc), 0u);
  host.lose_notifications = 0;
  b.add(1);
  settle({&a, &b});
  EXPECT_EQ(a.client.engine.position(a.doc), 2u);
  EXPECT_EQ(a.view(), b.view());
}

TEST_F(SyncTest, own_acks_beyond_a_gap_wait_for_the_log) {
  connect();
  host.lose_notifications = 100;
  b.add(1);
  settle({&b});
  a.add(10);
  settle({&a, &b});
  EXPECT_EQ(a.client.engine.position(a.doc), 2u);
  EXPECT_EQ(a.client.engine.pending(a.doc), 0u);
  EXPECT_EQ(a.told().durable, 1u);
  EXPECT_EQ(a.view(), R"([{"field":"n","type":"counter","value":11}])");
}

TEST_F(SyncTest, a_newcomer_gets_snapshot_and_log_in_pages) {
  connect();
  for (int i = 0; i < 30; ++i) a.set("k" + std::to_string(i), std::to_string(i));
  settle({&a, &b});
  host.compact("doc");
  Side c(0xc, host);
  c.link.connect();
  settle({&a, &b, &c});
  EXPECT_EQ(c.view(), a.view());
  EXPECT_EQ(c.client.engine.position(c.doc), 30u);
  ClientModel again(0xc, 5, c.disk);
  DocHandle doc = again.open("doc", host.now_ms);
  EXPECT_EQ(again.view(doc), a.view());
  EXPECT_EQ(again.engine.position(doc), 30u);
}

TEST_F(SyncTest, the_hosts_snapshot_replaces_a_grown_local_log) {
  EngineLimits limits;
  limits.snapshot_bytes = 3000;  // ten records
  Side c(0xc, host, limits);
  c.link.connect();
  settle({&c});
  auto records = [&](uint8_t kind) {
    size_t found = 0;
    for (const auto& [key, value] : c.disk.of("doc")) found += key[5] == static_cast<char>(kind);
    return found;
  };
  for (int i = 0; i < 12; ++i) c.set("k", std::to_string(i)), settle({&c});
  EXPECT_EQ(records(1), 0u) << "the host has none yet";
  EXPECT_EQ(records(2), 12u);
  for (int i = 12; i < 60; ++i) {
    if (i % 8 == 0) host.compact("doc");
    c.set("k", std::to_string(i)), settle({&c});
  }
  EXPECT_EQ(records(1), 1u);
  EXPECT_LT(records(2), 40u);
  ClientModel again(0xc, 5, c.disk);
  DocHandle doc = again.open("doc", host.now_ms);
  EXPECT_EQ(again.view(doc), c.view());
  EXPECT_EQ(again.engine.position(doc), 60u);
  EXPECT_EQ(again.engine.last_seq(doc), 60u);
}

TEST_F(SyncTest, what_only_another_tabs_queue_holds_is_not_in_the_shared_snapshot) {
  EngineLimits limits;
  limits.snapshot_bytes = 900;  // three records
  Side tab(0xd, host, limits);  // offline: its queue stays on the disk that both tabs share
  tab.set("queued", "1");
  settle({&tab});
  ClientModel other(0xc, 5, tab.disk, limits);
  DocHandle doc = other.open("doc", host.now_ms);
  EXPECT_NE(other.view(doc).find("queued"), std::string::npos);
  Link link(other, host);
  link.connect();
  link.settle();
  connect();
  std::string snapshot;
  for (int i = 0; i < 30; ++i) {
    if (i % 4 == 0 && i) host.compact("doc");
    b.add(1), settle({&b}), link.settle();
  }
  for (const auto& [key, value] : tab.disk.of("doc")) {
    if (key[5] == 1) snapshot = value;
  }
  EXPECT_FALSE(snapshot.empty());
  EXPECT_EQ(snapshot.find("queued"), std::string::npos);
  EXPECT_EQ(other.engine.position(doc), 30u);
  tab.link.connect();
  settle({&tab, &b});
  link.settle();
  EXPECT_EQ(other.view(doc), b.view());
}

TEST_F(SyncTest, when_another_tab_replaced_the_log_no_seq_is_used_twice) {
  connect();
  for (int i = 0; i < 3; ++i) a.add(1), settle({&a, &b});
  // Another tab rebuilt the shared snapshot and log, and has not come further than the beginning.
  ClientDisk torn;
  for (const auto& [key, value] : a.disk.of("doc")) {
    if (key[5] == 3) torn.records()[key] = value;
  }
  ClientModel again(0xa, 5, torn);
  DocHandle doc = again.open("doc", host.now_ms);
  EXPECT_EQ(again.engine.last_seq(doc), 3u);
  FieldHandle n = 0;
  Edit out;
  ASSERT_TRUE(again.engine.field(doc, "n", "counter", n).ok());
  ASSERT_TRUE(again.engine.mutate(doc, n, Bytes(count(1)), host.now_ms, out).ok());
  EXPECT_EQ(out.last_seq, 4u);
  again.engine.commit_all(host.now_ms);
  Link link(again, host);
  link.connect();
  link.settle();
  settle({&b});
  EXPECT_EQ(again.told[doc].resets, 1u);  // the document was built again from the host
  EXPECT_EQ(host.disk["doc"].version[0xa], 4u);
  EXPECT_EQ(again.view(doc), b.view());
}

TEST_F(SyncTest, a_stale_snapshot_does_not_replace_a_newer_one) {
  std::string epoch(8, 'e'), low = epoch + std::string("\0\0\0\0\0\0\0\5", 8) + "old";
  std::string high = epoch + std::string("\0\0\0\0\0\0\1\0", 8) + "new";
  EXPECT_TRUE(snapshot_is_stale(Bytes(high), Bytes(low)));
  EXPECT_TRUE(snapshot_is_stale(Bytes(high), Bytes(high)));
  EXPECT_FALSE(snapshot_is_stale(Bytes(low), Bytes(high)));
  std::string other = std::string(8, 'f') + low.substr(8);
  EXPECT_FALSE(snapshot_is_stale(Bytes(high), Bytes(other)));
}

// ---- refusals -----------------------------------------------------------------------------------

TEST_F(SyncTest, a_refused_transaction_vanishes_and_is_kept_as_a_dead_letter) {
  connect();
  a.set("keep", "1");
  settle({&a, &b});
  host.refuse = [](const wire::Transaction& t) {
    return t.replica == 0xa && !t.changes.empty() && t.changes[0].field == Bytes("n") ? SK_DENIED
                                                                                      : SK_OK;
  };
  a.add(5);
  a.set("after", "2");
  settle({&a, &b});
  EXPECT_EQ(a.view(), b.view());
  EXPECT_EQ(a.view(), R"([{"field":"","type":"lww","value":{"after":2,"keep":1}}])");
  ASSERT_EQ(a.told().rejected.size(), 1u);
  EXPECT_EQ(a.told().rejected[0].seq, 2u);
  EXPECT_EQ(a.told().rejected[0].code, static_cast<uint32_t>(SK_DENIED));
  EXPECT_EQ(a.told().resets, 1u);
  EXPECT_EQ(a.client.engine.pending(a.doc), 0u);
  EXPECT_EQ(host.disk["doc"].version[0xa], 3u);  // the void transaction used up its dot

  ClientModel again(0xa, 5, a.disk);
  DocHandle doc = again.open("doc", host.now_ms);
  EXPECT_EQ(again.view(doc), a.view());
  ASSERT_EQ(again.told[doc].rejected.size(), 1u);
  ASSERT_TRUE(again.engine.discard(doc, 2, host.now_ms).ok());
  again.drain(host.now_ms);
  again.store_all(host.now_ms);
  ClientModel third(0xa, 6, a.disk);
  EXPECT_TRUE(third.told[third.open("doc", host.now_ms)].rejected.empty());
}

TEST_F(SyncTest, an_unavailable_host_is_retried_and_nothing_is_lost) {
  connect();
  bool away = true;
  host.refuse = [&](const wire::Transaction&) { return away ? SK_UNAVAILABLE : SK_OK; };
  a.add(1);
  a.add(2);
  settle({&a, &b});
  EXPECT_EQ(a.client.engine.pending(a.doc), 2u);
  EXPECT_TRUE(a.told().rejected.empty());
  away = false;
  uint64_t at = a.client.engine.next_timer_ms();
  ASSERT_LE(at, host.now_ms + 30'000);
  host.now_ms = at;
  a.client.engine.tick(at);
  settle({&a, &b});
  EXPECT_EQ(a.client.engine.pending(a.doc), 0u);
  EXPECT_EQ(b.view(), R"([{"field":"n","type":"counter","value":3}])");
}

TEST_F(SyncTest, reading_denied_is_a_status_and_reading_only_refuses_edits) {
  host.unreadable.insert("doc");
  connect();
  EXPECT_EQ(a.status(), DocStatus::denied);
  host.unreadable.clear();
  host.read_only.insert(0xa);
  a.link.disconnect();
  host.now_ms += 60'000;
  a.client.engine.tick(host.now_ms);
  settle({&a, &b});
  EXPECT_EQ(a.status(), DocStatus::synced);
  Edit out;
  EXPECT_EQ(a.client.engine.mutate(a.doc, a.number, Bytes(count(1)), host.now_ms, out).code(),
            SK_DENIED);
}

TEST_F(SyncTest, a_malformed_frame_drops_the_connection_and_a_later_one_works) {
  connect();
  EXPECT_NE(a.client.engine.receive(Bytes("\xff\xff\xff"), host.now_ms).code(), SK_OK);
  a.client.drain(host.now_ms);
  EXPECT_TRUE(a.client.wants_drop);
  settle({&a, &b});
  host.now_ms += 60'000;
  a.client.engine.tick(host.now_ms);
  b.add(1);
  settle({&a, &b});
  EXPECT_EQ(a.view(), b.view());
}

TEST_F(SyncTest, random_bytes_never_break_the_engine) {
  uint64_t seed = 20261122;
  Random random(seed);
  SCOPED_TRACE("seed " + std::to_string(seed));
  for (int round = 0; round < 2000; ++round) {
    host.now_ms += 60'000;
    a.client.engine.tick(host.now_ms);
    a.link.connect();
    settle({&a});
    ASSERT_TRUE(a.link.connected()) << "round " << round;
    std::string frame;
    for (uint64_t n = random.below(40); n > 0; --n) frame += static_cast<char>(random.next());
    (void)a.client.engine.receive(Bytes(frame), host.now_ms);
    settle({&a});  // hangs up, most of the time
  }
  b.add(1);
  b.link.connect();
  host.now_ms += 60'000;
  a.client.engine.tick(host.now_ms);
  settle({&a, &b});
  EXPECT_EQ(a.view(), b.view());
}

// ---- clocks -------------------------------------------------------------------------------------

TEST_F(SyncTest, a_fast_clock_is_restamped_on_connect_and_does_not_win_for_ever) {
  a.skew = 3'600'000;  // an hour ahead, and offline
  a.set("k", "\"from the future\"");
  a.set("k", "\"later in the future\"");
  b.link.connect();
  settle({&b});
  b.set("k", "\"before\"");
  settle({&b});
  a.client.engine.online(true, a.now());
  a.client.drain(a.now());
  // The model's link uses the host's clock; this client's own runs an hour ahead.
  HostModel::SessionId session = host.open();
  a.client.engine.connected("t", a.now());
  for (int i = 0; i < 50; ++i) {
    a.client.drain(a.now());
    a.client.store_all(a.now());
    while (!a.client.frames.empty()) {
      host.receive(session, a.client.frames.front());
      a.client.frames.pop_front();
    }
    host.answer();
    host.flush();
    std::string frame;
    while (host.take(session, frame)) (void)a.client.engine.receive(Bytes(frame), a.now());
  }
  settle({&b});
  EXPECT_EQ(a.client.engine.pending(a.doc), 0u);
  EXPECT_EQ(a.view(), b.view());
  EXPECT_NE(b.view().find("later in the future"), std::string::npos);  // above all it had seen
  EXPECT_TRUE(a.told().rejected.empty());
  host.now_ms += 10'000;
  b.set("k", "\"after\"");
  settle({&b});
  EXPECT_NE(b.view().find("after"), std::string::npos);
}

// ---- another log --------------------------------------------------------------------------------

TEST_F(SyncTest, a_restored_backup_gets_back_what_its_clients_hold) {
  connect();
  a.add(1);
  b.add(10);
  settle({&a, &b});
  Disk backup = host.disk;
  a.add(100);
  b.add(1000);
  settle({&a, &b});
  host.restore(backup);
  a.link.disconnect();
  b.link.disconnect();
  host.now_ms += 60'000;
  a.client.engine.tick(host.now_ms);
  b.client.engine.tick(host.now_ms);
  settle({&a, &b});
  EXPECT_EQ(a.told().history_lost, 1u);
  EXPECT_EQ(a.told().lost_at, 1u);
  EXPECT_EQ(a.view(), R"([{"field":"n","type":"counter","value":1111}])");
  EXPECT_EQ(a.view(), b.view());
  EXPECT_EQ(host.disk["doc"].position(), 4u);
}

TEST_F(SyncTest, what_no_one_holds_any_more_is_given_up_by_everyone) {
  EngineLimits forgetful;
  forgetful.history_bytes = 0;
  Side c(0xc, host, forgetful);
  connect();
  c.link.connect();
  settle({&a, &b, &c});
  Disk backup = host.disk;
  c.add(7);
  settle({&a, &b, &c});
  EXPECT_EQ(a.view(), R"([{"field":"n","type":"counter","value":7}])");
  host.restore(backup);
  for (Side* side : {&a, &b, &c}) side->link.disconnect();
  host.now_ms += 60'000;
  for (Side* side : {&a, &b, &c}) side->client.engine.tick(host.now_ms);
  settle({&a, &b, &c});
  a.add(1);
  c.add(1);
  settle({&a, &b, &c});
  EXPECT_EQ(c.told().history_lost, 1u);
  EXPECT_EQ(a.view(), b.view());
  EXPECT_EQ(a.client.digest(a.doc), b.client.digest(b.doc));
  EXPECT_EQ(host.disk["doc"].version[0xc], 2u);  // void, then the new one
}

TEST_F(SyncTest, a_copied_store_does_not_swallow_changes) {
  connect();
  Side copy(0xa, host);  // the same replica id: someone copied the files
  a.add(1);
  settle({&a, &b});
  copy.add(50);
  copy.link.connect();
  settle({&b, &copy});
  ASSERT_EQ(copy.told().rejected.size(), 1u);
  EXPECT_EQ(copy.told().rejected[0].code, static_cast<uint32_t>(SK_CONFLICT));
  EXPECT_EQ(copy.view(), b.view());
}

// ---- heartbeat, presence ------------------------------------------------------------------------

TEST_F(SyncTest, a_silent_host_is_dropped_after_two_and_a_half_heartbeats) {
  connect();
  uint64_t start = host.now_ms;
  a.client.engine.tick(start + 30'000);
  a.client.drain(start + 30'000);
  ASSERT_EQ(a.client.frames.size(), 1u);  // the ping
  a.client.frames.clear();
  a.client.engine.tick(start + 74'999);
  a.client.drain(start + 74'999);
  EXPECT_FALSE(a.client.wants_drop);
  a.client.engine.tick(start + 75'000);
  a.client.drain(start + 75'000);
  EXPECT_TRUE(a.client.wants_drop);
}

TEST_F(SyncTest, presence_is_coalesced_shown_and_removed) {
  connect();
  ASSERT_TRUE(a.client.engine.presence(a.doc, "{\"at\":1}").ok());
  ASSERT_TRUE(a.client.engine.presence(a.doc, "{\"at\":2}").ok());
  a.client.drain(host.now_ms);
  EXPECT_EQ(a.client.frames.size(), 1u);
  settle({&a, &b});
  EXPECT_EQ(b.told().presence[0xa], "{\"at\":2}");
  ASSERT_TRUE(a.client.engine.presence(a.doc, "").ok());
  settle({&a, &b});
  EXPECT_TRUE(b.told().presence.empty());
  ASSERT_TRUE(a.client.engine.presence(a.doc, "{\"at\":3}").ok());
  settle({&a, &b});
  EXPECT_EQ(b.told().presence.size(), 1u);
  b.client.engine.tick(host.now_ms + 70'000);  // pings; a says nothing more
  b.link.disconnect();
  EXPECT_TRUE(b.told().presence.empty());
  EXPECT_EQ(a.client.engine.presence(a.doc, Bytes(std::string(5000, 'x'))).code(), SK_LIMIT);
}

TEST_F(SyncTest, replaced_by_a_newer_connection_stays_offline_until_asked) {
  connect();
  wire::Error error;
  error.code = SK_CONFLICT;
  error.message = "replaced by a newer connection";
  error.fatal = true;
  Buffer frame;
  wire::frame(error, frame);
  ASSERT_TRUE(a.client.engine.receive(frame, host.now_ms).ok());
  settle({&a, &b});
  EXPECT_TRUE(a.client.fatal);
  EXPECT_EQ(a.client.engine.next_timer_ms(), Engine::kNever);
  a.client.engine.online(true, host.now_ms);
  settle({&a, &b});
  EXPECT_EQ(a.status(), DocStatus::synced);
}

}  // namespace
}  // namespace synckit::model
