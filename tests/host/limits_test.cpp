// Limits that protect the host and the other clients.
#include "support.hpp"

namespace synckit::testing {
namespace {

TEST(Limits, a_slow_reader_is_cut_while_the_others_keep_receiving) {
  Config config = test_config();
  config.limits.queue_bytes = 256 << 10;
  config.limits.frame_bytes = 128 << 10;
  TestHost host(config);
  Client writer(host.port()), reader(host.port());
  Client slow(host.port(), "", "/sync", 4096);
  writer.hello(1);
  reader.hello(2);
  slow.hello(3);
  for (Client* client : {&reader, &slow}) {
    client->subscribe("doc");
    client->sync("doc");
    client->sync_response();
  }
  Replica a(1), b(2);
  const std::string big = "\"" + std::string(60000, 'x') + "\"";
  int written = 0;
  for (; written < 2000 && host.metrics().slow_readers_cut.get() == 0; ++written) {
    writer.update("doc", a.set("k", big));
    writer.ack();
    wire::Notification n = reader.notification();
    ASSERT_EQ(n.position, static_cast<uint64_t>(written + 1));
    b.merge(n.transactions[0]);
  }
  EXPECT_EQ(host.metrics().slow_readers_cut.get(), 1u);
  EXPECT_LT(written, 2000);
  EXPECT_EQ(a.digest(), b.digest());
  // What had left before is readable, then it is told why it was cut.
  uint64_t position = 0;
  while (true) {
    Received r = slow.last = slow.next();
    if (r.what == Received::end) break;  // gone before the close frame fitted
    if (r.what == Received::close) {
      EXPECT_EQ(r.close_code, 1013);
      break;
    }
    wire::Frame frame;
    wire::Notification n;
    ASSERT_TRUE(wire::decode(Bytes(slow.last.bytes), frame).ok());
    ASSERT_TRUE(wire::decode(frame.body, n).ok());
    ASSERT_EQ(n.position, position + 1);
    position += n.transactions.size();
  }
  EXPECT_LT(position, static_cast<uint64_t>(written));
  Client back(host.port());
  back.hello(3);
  back.sync("doc");
  uint64_t reached = 0;
  for (bool more = true; more;) {
    wire::SyncResponse page = back.sync_response();
    ASSERT_EQ(back.last.kind, wire::Kind::sync_response);
    reached = page.position;
    more = page.more;
  }
  EXPECT_EQ(reached, static_cast<uint64_t>(written));
}

TEST(Limits, a_frame_that_is_too_large_ends_the_connection) {
  Config config = test_config();
  config.limits.frame_bytes = 2048;
  TestHost host(config);
  Client client(host.port());
  client.hello(1);
  client.send_frame(0x2, std::string(3000, 'x'));
  client.expect_close(1009);
}

TEST(Limits, fast_senders_are_told_and_slowed_down_but_lose_nothing) {
  Config config = test_config();
  config.limits.messages_per_s = 20;
  TestHost host(config);
  Client client(host.port());
  client.hello(1);
  constexpr int kPings = 60;
  int64_t start = steady_ms();
  for (int i = 0; i < kPings; ++i) client.ping(static_cast<uint64_t>(i + 1));
  int pongs = 0, told = 0;
  while (pongs < kPings) {
    Received r = client.next();
    ASSERT_EQ(r.what, Received::frame) << r.bytes;
    if (r.kind == wire::Kind::pong) ++pongs;
    if (r.kind == wire::Kind::error) ++told;
  }
  EXPECT_EQ(told, 1);
  EXPECT_GE(host.metrics().throttled.get(), 1u);
  // 40 at once, then 20 a second: it cannot have been faster.
  EXPECT_GE(steady_ms() - start, 700);
}

TEST(Limits, connections_beyond_the_limit_are_refused) {
  Config config = test_config();
  config.limits.connections = 3;
  TestHost host(config);
  std::vector<std::unique_ptr<Client>> open;
  for (int i = 0; i < 3; ++i) {
    open.push_back(std::make_unique<Client>(host.port()));
    EXPECT_EQ(open.back()->status(), 101);
  }
  EXPECT_EQ(Client(host.port()).status(), 503);
  open.pop_back();
  EXPECT_TRUE(eventually([&] { return Client(host.port()).status() == 101; }));
}

TEST(Limits, who_never_finishes_a_request_is_closed_in_time) {
  Config config = test_config();
  config.timeouts.handshake_ms = 200;
  TestHost host(config);
  Http answer = http(host.port(), "/healthz", "X: 1");  // the header's end never comes
  EXPECT_EQ(answer.status, 0);
  Client client(host.port());  // an upgraded connection is not under this timeout
  client.hello(1);
  timespec pause{0, 500000000};
  ::nanosleep(&pause, nullptr);
  client.ping(1);
  EXPECT_EQ(client.expect<wire::Ping>(wire::Kind::pong).time_ms, 1u);
}

TEST(Limits, writers_per_document) {
  Config config = test_config();
  config.limits.replicas = 2;
  TestHost host(config);
  for (uint64_t id = 1; id <= 3; ++id) {
    Client client(host.port());
    client.hello(id);
    Replica a(id);
    client.update("doc", a.counter(1));
    if (id < 3) {
      EXPECT_EQ(client.ack().position, id);
    } else {
      EXPECT_EQ(client.denied().code, static_cast<uint32_t>(SK_LIMIT));
    }
  }
}

TEST(Limits, unanswered_requests_pause_the_sender_and_all_are_answered) {
  Config config = test_config();
  config.limits.inflight = 4;
  TestHost host(config);
  Client client(host.port());
  client.hello(1);
  Replica a(1);
  for (int i = 0; i < 500; ++i) client.update("doc", a.counter(1));
  for (uint64_t i = 1; i <= 500; ++i) ASSERT_EQ(client.ack().position, i);
}

}  // namespace
}  // namespace synckit::testing
