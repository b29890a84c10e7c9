// SyncRequest, snapshots, restarts.
#include "support.hpp"

namespace synckit::testing {
namespace {

void write_many(Client& client, Replica& replica, int count, const std::string& document = "doc") {
  for (int i = 0; i < count; ++i) {
    client.update(document, replica.set("k" + std::to_string(i % 17), std::to_string(i)));
  }
  for (int i = 0; i < count; ++i) client.ack();
}

// Follows pages to the end; checks that they are contiguous.
struct Caught {
  Replica replica{99};
  uint64_t position = 0, epoch = 0;
  int pages = 0, transactions = 0, snapshots = 0;
  VersionVector version;
};
void follow(Client& client, Caught& out) {
  while (true) {
    wire::SyncResponse page = client.sync_response();
    ASSERT_EQ(client.last.kind, wire::Kind::sync_response);
    ++out.pages;
    out.epoch = page.epoch;
    out.snapshots += page.has_snapshot ? 1 : 0;
    out.transactions += static_cast<int>(page.transactions.size());
    uint64_t base = page.position - page.transactions.size();
    if (page.has_snapshot) {
      ASSERT_GE(base, out.position);
    } else {
      ASSERT_EQ(base, out.position);
    }
    out.replica.merge(page);
    out.position = page.position;
    if (page.more) {
      ASSERT_TRUE(page.version.empty());
      continue;
    }
    out.version = page.version;
    return;
  }
}

TEST(Sync, a_document_that_was_never_written_is_empty) {
  TestHost host;
  Client client(host.port());
  client.hello(1);
  client.sync("nothing");
  wire::SyncResponse response = client.sync_response();
  EXPECT_EQ(response.position, 0u);
  EXPECT_FALSE(response.has_snapshot);
  EXPECT_TRUE(response.version.empty());
  EXPECT_EQ(response.permission, 2u);
  EXPECT_FALSE(response.more);
}

TEST(Sync, a_newcomer_gets_everything) {
  TestHost host;
  Client client(host.port()), newcomer(host.port());
  client.hello(1);
  newcomer.hello(2);
  Replica a(1);
  write_many(client, a, 40);
  newcomer.sync("doc");
  Caught caught;
  follow(newcomer, caught);
  EXPECT_EQ(caught.position, 40u);
  EXPECT_NE(caught.epoch, 0u);
  EXPECT_EQ(caught.version[1], 40u);
  EXPECT_EQ(caught.replica.digest(), a.digest());
}

TEST(Sync, resumes_after_a_position_of_the_same_epoch) {
  TestHost host;
  Client client(host.port());
  client.hello(1);
  Replica a(1);
  write_many(client, a, 10);
  client.sync("doc");
  Caught caught;
  follow(client, caught);
  write_many(client, a, 5);
  client.sync("doc", caught.epoch, caught.position);
  wire::SyncResponse rest = client.sync_response();
  EXPECT_EQ(rest.transactions.size(), 5u);
  EXPECT_EQ(rest.position, 15u);
  client.sync("doc", caught.epoch, 15);
  wire::SyncResponse nothing = client.sync_response();
  EXPECT_TRUE(nothing.transactions.empty());
  EXPECT_EQ(nothing.position, 15u);
  EXPECT_EQ(nothing.version[1], 15u);
}

TEST(Sync, another_epoch_or_a_position_beyond_the_log_gets_everything) {
  TestHost host;
  Client client(host.port());
  client.hello(1);
  Replica a(1);
  write_many(client, a, 10);
  client.sync("doc");
  Caught first;
  follow(client, first);
  for (auto [epoch, position] : {std::pair<uint64_t, uint64_t>{first.epoch + 1, 5},
                                 {first.epoch, 11}, {0, 0}}) {
    client.sync("doc", epoch, position, a.version());
    Caught again;
    follow(client, again);
    EXPECT_EQ(again.transactions, 10);
    EXPECT_EQ(again.replica.digest(), a.digest());
    EXPECT_EQ(again.epoch, first.epoch);
  }
}

TEST(Sync, long_logs_come_in_pages) {
  Config config = test_config();
  config.limits.frame_bytes = 4096;
  config.limits.transaction_bytes = 2048;
  TestHost host(config);
  Client client(host.port()), newcomer(host.port());
  client.hello(1);
  newcomer.hello(2);
  Replica a(1);
  write_many(client, a, 400);
  newcomer.sync("doc");
  Caught caught;
  follow(newcomer, caught);
  EXPECT_GT(caught.pages, 3);
  EXPECT_EQ(caught.transactions, 400);
  EXPECT_EQ(caught.position, 400u);
  EXPECT_EQ(caught.replica.digest(), a.digest());
}

TEST(Sync, a_page_stream_waits_for_a_reader_with_a_small_queue) {
  Config config = test_config();
  config.limits.frame_bytes = 65536;
  config.limits.transaction_bytes = 60000;
  config.limits.queue_bytes = 131072;
  TestHost host(config);
  Client client(host.port());
  client.hello(1);
  Replica a(1);
  const std::string big = "\"" + std::string(50000, 'x') + "\"";
  for (int i = 0; i < 100; ++i) {
    client.update("doc", a.set("k" + std::to_string(i), big));
    client.ack();
  }
  Client slow(host.port(), "", "/sync", 4096);
  slow.hello(2);
  slow.sync("doc");
  timespec pause{0, 300000000};
  ::nanosleep(&pause, nullptr);  // lets the host run ahead as far as it would
  EXPECT_LT(host.metrics().queue_bytes.get(), 400000u);
  Caught caught;
  follow(slow, caught);
  EXPECT_EQ(caught.transactions, 100);
  EXPECT_EQ(host.metrics().slow_readers_cut.get(), 0u);
}

TEST(Sync, snapshots_are_saved_and_newcomers_converge_from_them) {
  Config config = test_config();
  config.documents.snapshot_every_records = 50;
  config.documents.keep_records = 10;
  TestHost host(config);
  Client client(host.port()), newcomer(host.port());
  client.hello(1);
  newcomer.hello(2);
  Replica a(1);
  write_many(client, a, 120);
  ASSERT_TRUE(eventually([&] { return host.metrics().snapshots.get() >= 1; }));
  write_many(client, a, 7);
  newcomer.sync("doc");
  Caught caught;
  follow(newcomer, caught);
  EXPECT_EQ(caught.snapshots, 1);
  EXPECT_LT(caught.transactions, 127);
  EXPECT_EQ(caught.position, 127u);
  EXPECT_EQ(caught.replica.digest(), a.digest());
  // A position that was trimmed gets the snapshot too; it is not left with a hole.
  newcomer.sync("doc", caught.epoch, 1);
  Caught again;
  again.position = 1;
  follow(newcomer, again);
  EXPECT_EQ(again.snapshots, 1);
  EXPECT_EQ(again.position, 127u);
}

TEST(Sync, a_restart_keeps_everything_that_was_acknowledged) {
  TempFolder folder;
  Config config = test_config();
  config.storage.plugin = "sqlite";
  config.storage.set("path", "\"" + folder.file("t.db") + "\"");
  config.documents.snapshot_every_records = 20;
  Replica a(1);
  uint64_t epoch = 0;
  for (int round = 0; round < 3; ++round) {
    TestHost host(config);
    Client client(host.port());
    client.hello(1);
    client.sync("doc");
    Caught caught;
    follow(client, caught);
    EXPECT_EQ(caught.replica.digest(), a.digest());
    if (round > 0) {
      EXPECT_EQ(caught.epoch, epoch);
    }
    write_many(client, a, 30);
    EXPECT_TRUE(eventually([&] {
      client.sync("doc");
      Caught now;
      follow(client, now);
      epoch = now.epoch;
      return now.position == 30u * static_cast<unsigned>(round + 1);
    }));
    EXPECT_TRUE(host.stop());
  }
}

TEST(Sync, idle_documents_leave_memory_and_come_back) {
  Config config = test_config();
  config.documents.idle_unload_ms = 1;
  TestHost host(config);
  Client client(host.port());
  client.hello(1);
  Replica a(1);
  write_many(client, a, 3);
  EXPECT_TRUE(eventually([&] { return host.metrics().documents_active.get() == 0; }));
  client.update("doc", a.counter(1));
  EXPECT_EQ(client.ack().position, 4u);
}

// A full disk: nothing is acknowledged or fanned out that is not stored, and the host goes on.
TEST(Sync, after_a_storage_failure_the_host_tells_what_storage_holds) {
  TempFolder folder;
  Config config = test_config();
  config.storage.plugin = "sqlite";
  config.storage.set("path", "\"" + folder.file("t.db") + "\"");
  config.storage.set("max_size_mib", "1");
  TestHost host(config);
  Client writer(host.port()), reader(host.port());
  writer.hello(1);
  reader.hello(2);
  reader.subscribe("doc");
  reader.sync("doc");
  reader.sync_response();
  Replica a(1);
  const std::string big = "\"" + std::string(50000, 'x') + "\"";
  constexpr unsigned kSent = 60;
  unsigned sent = 0;
  auto send = [&] { writer.update("doc", a.set("k" + std::to_string(sent++), big)); };
  send();  // alone: the rest may well be one commit, of which then nothing is stored
  uint64_t acked = 0, failed = 0;
  while (acked + failed < kSent) {
    while (acked && sent < kSent) send();
    Received r = writer.last = writer.next();
    ASSERT_EQ(r.what, Received::frame) << r.bytes;
    wire::Frame frame;
    ASSERT_TRUE(wire::decode(Bytes(writer.last.bytes), frame).ok());
    if (frame.kind == wire::Kind::ack) {
      wire::Ack ack;
      ASSERT_TRUE(wire::decode(frame.body, ack).ok());
      EXPECT_EQ(ack.position, ++acked);
      continue;
    }
    wire::Error error;
    ASSERT_EQ(frame.kind, wire::Kind::error);
    ASSERT_TRUE(wire::decode(frame.body, error).ok());
    EXPECT_TRUE(error.code == SK_UNAVAILABLE || error.code == SK_CONFLICT) << error.message.str();
    EXPECT_EQ(error.document.str(), "doc");
    EXPECT_FALSE(error.fatal);
    ++failed;
  }
  EXPECT_GT(acked, 0u);
  EXPECT_GT(failed, 0u);
  EXPECT_GE(host.metrics().storage_failures.get(), 1u);
  uint64_t seen = 0;
  while (seen < acked) {
    wire::Notification n = reader.notification();
    ASSERT_EQ(n.position, seen + 1);
    seen += n.transactions.size();
  }
  EXPECT_EQ(seen, acked);
  reader.sync("doc");
  wire::SyncResponse last;
  do {
    last = reader.sync_response();
    ASSERT_EQ(reader.last.kind, wire::Kind::sync_response);
  } while (last.more);
  EXPECT_EQ(last.position, acked);
  EXPECT_EQ(last.version[1], acked);
  EXPECT_EQ(http(host.port(), "/healthz").status, 200);
}

// Subscriptions are taken before the document's log was read.
TEST(Sync, many_subscriptions_at_once_all_count) {
  Config config = test_config();
  config.limits.worker_queue = 16;
  config.worker_threads = 1;
  TestHost host(config);
  Client writer(host.port()), reader(host.port());
  writer.hello(1);
  reader.hello(2);
  constexpr int kDocuments = 500;
  wire::Subscribe subscribe;
  std::vector<std::string> ids;
  for (int i = 0; i < kDocuments; ++i) ids.push_back("d" + std::to_string(i));
  for (const std::string& id : ids) subscribe.documents.push_back(Bytes(id));
  reader.send(subscribe);
  reader.ping(1);
  EXPECT_EQ(reader.expect<wire::Ping>(wire::Kind::pong).time_ms, 1u);
  for (const std::string& id : ids) {
    Replica a(1);
    writer.update(id, a.counter(1));
    EXPECT_EQ(writer.ack().document.str(), id);
    EXPECT_EQ(reader.notification().document.str(), id);
  }
}

TEST(Sync, stopping_finishes_commits_and_says_goodbye) {
  TempFolder folder;
  Config config = test_config();
  config.storage.plugin = "sqlite";
  config.storage.set("path", "\"" + folder.file("t.db") + "\"");
  uint64_t acked = 0;
  {
    TestHost host(config);
    Client client(host.port());
    client.hello(1);
    Replica a(1);
    for (int i = 0; i < 200; ++i) client.update("doc", a.counter(1));
    EXPECT_EQ(client.ack().seq, 1u);
    acked = 1;
    EXPECT_TRUE(host.stop());
    while (true) {
      Received r = client.last = client.next();
      if (r.what == Received::close) {
        EXPECT_EQ(r.close_code, 1001);
        break;
      }
      ASSERT_EQ(r.what, Received::frame) << r.bytes;
      if (r.kind != wire::Kind::ack) continue;
      wire::Frame frame;
      wire::Ack ack;
      ASSERT_TRUE(wire::decode(Bytes(client.last.bytes), frame).ok());
      ASSERT_TRUE(wire::decode(frame.body, ack).ok());
      EXPECT_EQ(ack.seq, acked + 1);
      acked = ack.seq;
    }
  }
  TestHost again(config);
  Client client(again.port());
  client.hello(1);
  client.sync("doc");
  EXPECT_GE(client.sync_response().version[1], acked);
}

}  // namespace
}  // namespace synckit::testing
