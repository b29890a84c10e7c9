// Hello, Welcome, and what ends a session.
#include <random>

#include "support.hpp"

namespace synckit::testing {
namespace {

wire::Hello hello_of(uint64_t replica, uint32_t protocol = 1) {
  wire::Hello message;
  message.protocol = protocol;
  message.replica = replica;
  return message;
}

TEST(Session, welcome_tells_time_limits_and_principal) {
  Config config = test_config();
  config.limits.clock_skew_ms = 1234;
  config.limits.subscriptions = 7;
  TestHost host(config);
  Client client(host.port());
  ASSERT_EQ(client.status(), 101);
  int64_t before = wall_ms();
  wire::Welcome welcome = client.hello(1);
  EXPECT_EQ(welcome.protocol, 1u);
  EXPECT_GE(welcome.host_time_ms, before);
  EXPECT_LE(welcome.host_time_ms, wall_ms());
  EXPECT_EQ(welcome.limits.max_clock_skew_ms, 1234u);
  EXPECT_EQ(welcome.limits.max_subscriptions, 7u);
  EXPECT_EQ(welcome.limits.max_frame_bytes, config.limits.frame_bytes);
  EXPECT_EQ(welcome.limits.heartbeat_ms, 30000u);
  EXPECT_EQ(welcome.principal.str(), "anonymous");
  EXPECT_EQ(welcome.session.len, 16u);
}

TEST(Session, hello_must_come_first) {
  TestHost host;
  Client client(host.port());
  client.sync("a");
  wire::Error error = client.error();
  EXPECT_EQ(error.code, static_cast<uint32_t>(SK_DENIED));
  EXPECT_TRUE(error.fatal);
  client.expect_close(1008);
}

TEST(Session, an_unknown_protocol_is_refused_with_a_sentence) {
  TestHost host;
  Client client(host.port());
  client.send(hello_of(1, 2));
  wire::Error error = client.error();
  EXPECT_EQ(error.code, static_cast<uint32_t>(SK_UNSUPPORTED));
  EXPECT_TRUE(error.fatal);
  EXPECT_NE(error.message.str().find("version 2"), std::string::npos) << error.message.str();
  client.expect_close(1008);
}

TEST(Session, a_replica_of_zero_is_refused) {
  TestHost host;
  Client client(host.port());
  client.send(hello_of(0));
  EXPECT_TRUE(client.error().fatal);
}

TEST(Session, frames_sent_behind_hello_are_served_after_welcome) {
  TestHost host;
  Client client(host.port());
  client.send(hello_of(5));
  client.ping(77);
  client.expect<wire::Welcome>(wire::Kind::welcome);
  EXPECT_EQ(client.expect<wire::Ping>(wire::Kind::pong).time_ms, 77u);
}

TEST(Session, a_newer_connection_of_the_same_replica_replaces_the_older) {
  TestHost host;
  Client older(host.port());
  older.hello(9);
  Client newer(host.port());
  newer.hello(9);
  wire::Error error = older.error();
  EXPECT_EQ(error.code, static_cast<uint32_t>(SK_CONFLICT));
  EXPECT_TRUE(error.fatal);
  EXPECT_NE(error.message.str().find("newer connection"), std::string::npos);
  older.expect_close(1008);
  newer.ping(1);
  EXPECT_EQ(newer.expect<wire::Ping>(wire::Kind::pong).time_ms, 1u);
}

TEST(Session, hello_again_renews_but_keeps_the_replica) {
  TestHost host;
  Client client(host.port());
  client.hello(3);
  client.hello(3);
  client.send(hello_of(4));
  wire::Error error = client.error();
  EXPECT_TRUE(error.fatal);
  EXPECT_EQ(error.code, static_cast<uint32_t>(SK_CONFLICT));
}

TEST(Session, text_frames_are_refused) {
  TestHost host;
  Client client(host.port());
  client.hello(1);
  client.send_frame(0x1, "hello");
  wire::Error error = client.error();
  EXPECT_TRUE(error.fatal);
  EXPECT_EQ(error.code, static_cast<uint32_t>(SK_MALFORMED));
  client.expect_close(1003);
}

TEST(Session, no_hello_in_time_ends_the_connection) {
  Config config = test_config();
  config.timeouts.hello_ms = 100;
  TestHost host(config);
  Client client(host.port());
  EXPECT_NE(client.error().message.str().find("hello_s"), std::string::npos);
  client.expect_close(1008);
}

TEST(Session, without_heartbeat_the_connection_is_closed) {
  Config config = test_config();
  config.timeouts.heartbeat_ms = 100;
  TestHost host(config);
  Client client(host.port());
  client.hello(1);
  EXPECT_TRUE(client.error().fatal);
  client.expect_close(1001);
  EXPECT_TRUE(eventually([&] { return host.metrics().idle_closed.get() == 1; }));
}

TEST(Session, the_peers_close_is_answered) {
  TestHost host;
  Client client(host.port());
  client.hello(1);
  client.send_frame(0x8, std::string("\x03\xe8", 2));
  client.expect_close(1000);
  EXPECT_TRUE(eventually([&] { return host.metrics().connections.get() == 0; }));
}

TEST(Session, websocket_pings_are_answered_in_between) {
  TestHost host;
  Client client(host.port());
  client.hello(1);
  for (int i = 0; i < 200; ++i) client.send_frame(0x9, "ping");
  client.ping(8);
  EXPECT_EQ(client.expect<wire::Ping>(wire::Kind::pong).time_ms, 8u);
}

TEST(Session, bad_document_ids_are_refused) {
  for (const std::string& id : {std::string(), std::string(513, 'a'), std::string("\xff\xfe")}) {
    TestHost host;
    Client client(host.port());
    client.hello(1);
    client.sync(id);
    EXPECT_TRUE(client.error().fatal);
    client.expect_close(1002);
  }
}

// Whatever bytes come: an error or nothing, and the host serves the next one.
TEST(Session, malformed_frames_never_harm_the_host) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  TestHost host;
  Replica writer(11);
  Buffer valid;
  wire::Update update;
  std::string transaction = writer.counter(1);
  update.document = Bytes("d");
  update.transaction = Bytes(transaction);
  wire::frame(update, valid);
  for (int round = 0; round < 150; ++round) {
    Client client(host.port());
    client.hello(random() | 1);
    for (int i = 0; i < 10; ++i) {
      std::string bytes;
      if (random() % 2) {
        bytes = valid.str();
        for (size_t n = random() % 4 + 1; n > 0; --n) {
          bytes[random() % bytes.size()] = static_cast<char>(random());
        }
        bytes.resize(random() % (bytes.size() + 1));
      } else {
        for (size_t n = random() % 64; n > 0; --n) bytes += static_cast<char>(random());
      }
      client.send_frame(random() % 16 ? 0x2 : static_cast<uint8_t>(random()), bytes);
    }
  }
  Client good(host.port());
  good.hello(1);
  good.ping(5);
  EXPECT_EQ(good.expect<wire::Ping>(wire::Kind::pong).time_ms, 5u);
  EXPECT_EQ(http(host.port(), "/readyz").status, 200);
}

TEST(Session, raw_garbage_instead_of_http_never_harms_the_host) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  TestHost host;
  for (int round = 0; round < 100; ++round) {
    std::string junk;
    for (size_t n = random() % 200; n > 0; --n) junk += static_cast<char>(random());
    Client client(host.port());  // upgraded, then bytes that are no WebSocket frames
    client.send_raw(junk);
    http(host.port(), "/healthz", "X: " + std::string(random() % 3000, 'x') + "\r\n",
         random() % 2 ? "GET" : "\x01\x02");
  }
  EXPECT_EQ(http(host.port(), "/healthz").status, 200);
}

TEST(Session, origins_are_checked) {
  Config config = test_config();
  config.listen.allowed_origins = {"https://app.example.com"};
  TestHost host(config);
  EXPECT_EQ(Client(host.port(), "https://app.example.com").status(), 101);
  EXPECT_EQ(Client(host.port(), "http://localhost:3000").status(), 101);
  EXPECT_EQ(Client(host.port(), "http://127.0.0.1:" + std::to_string(host.port())).status(), 101);
  EXPECT_EQ(Client(host.port(), "https://evil.example.com").status(), 403);
  EXPECT_EQ(Client(host.port(), "null").status(), 403);
  EXPECT_EQ(Client(host.port(), "http://127.0.0.1.evil.example.com").status(), 403);
}

TEST(Session, upgrades_are_served_at_sync_and_root_only) {
  TestHost host;
  EXPECT_EQ(Client(host.port(), "", "/").status(), 101);
  EXPECT_EQ(Client(host.port(), "", "/sync?x=1").status(), 101);
  EXPECT_EQ(Client(host.port(), "", "/other").status(), 404);
}

}  // namespace
}  // namespace synckit::testing
