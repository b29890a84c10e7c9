// The way of an Update: Ack to the writer, Notification to the others, and every refusal.
#include "support.hpp"

#include "../kernel/toy.hpp"

namespace synckit::testing {
namespace {

uint32_t code(sk_status status) { return static_cast<uint32_t>(status); }

TEST(Update, is_acknowledged_and_reaches_the_other_client) {
  TestHost host;
  Client writer(host.port()), reader(host.port());
  writer.hello(1);
  reader.hello(2);
  reader.subscribe("doc");
  reader.sync("doc");
  EXPECT_EQ(reader.sync_response().position, 0u);
  Replica a(1), b(2);
  std::string first = a.set("title", "\"x\""), second = a.counter(3);
  writer.update("doc", first);
  writer.update("doc", second);
  wire::Ack ack = writer.ack();
  EXPECT_EQ(ack.document.str(), "doc");
  EXPECT_EQ(ack.replica, 1u);
  EXPECT_EQ(ack.seq, 1u);
  EXPECT_EQ(ack.position, 1u);
  ack = writer.ack();
  EXPECT_EQ(ack.seq, 2u);
  EXPECT_EQ(ack.position, 2u);
  uint64_t expected = 1;
  while (expected <= 2) {  // one Notification or two, as the commits fell
    wire::Notification n = reader.notification();
    EXPECT_EQ(n.document.str(), "doc");
    EXPECT_EQ(n.position, expected);
    ASSERT_FALSE(n.transactions.empty());
    for (Bytes transaction : n.transactions) b.merge(transaction), ++expected;
  }
  EXPECT_EQ(b.view(), a.view());
  EXPECT_EQ(b.digest(), a.digest());
}

TEST(Update, writers_see_their_own_as_ack_and_each_others_as_notification) {
  TestHost host;
  constexpr int kEach = 50;
  Client one(host.port()), two(host.port());
  one.hello(1);
  two.hello(2);
  one.subscribe("doc");
  two.subscribe("doc");
  one.ping(1);
  two.ping(1);
  one.expect<wire::Ping>(wire::Kind::pong);
  two.expect<wire::Ping>(wire::Kind::pong);
  one.sync("doc");
  two.sync("doc");
  one.sync_response();
  two.sync_response();
  Replica a(1), b(2);
  for (int i = 0; i < kEach; ++i) {
    one.update("doc", a.counter(1));
    two.update("doc", b.counter(1));
  }
  auto follow = [kEach](Client& client, Replica& own) {
    uint64_t position = 0;
    int acks = 0;
    while (position < 2 * kEach) {
      Received r = client.last = client.next();
      ASSERT_EQ(r.what, Received::frame);
      wire::Frame frame;
      ASSERT_TRUE(wire::decode(Bytes(client.last.bytes), frame).ok());
      if (frame.kind == wire::Kind::ack) {
        wire::Ack ack;
        ASSERT_TRUE(wire::decode(frame.body, ack).ok());
        ASSERT_EQ(ack.position, position + 1);
        ++position, ++acks;
      } else {
        ASSERT_EQ(frame.kind, wire::Kind::notification);
        wire::Notification n;
        ASSERT_TRUE(wire::decode(frame.body, n).ok());
        ASSERT_EQ(n.position, position + 1);
        for (Bytes transaction : n.transactions) own.merge(transaction), ++position;
      }
    }
    EXPECT_EQ(acks, kEach);
  };
  follow(one, a);
  follow(two, b);
  EXPECT_EQ(a.view(), b.view());
  EXPECT_NE(a.view().find("100"), std::string::npos) << a.view();
}

TEST(Update, of_another_replica_is_denied) {
  TestHost host;
  Client client(host.port());
  client.hello(1);
  Replica other(2);
  client.update("doc", other.counter(1));
  wire::Denied denied = client.denied();
  EXPECT_EQ(denied.code, code(SK_DENIED));
  EXPECT_EQ(denied.seq, 1u);
  EXPECT_EQ(denied.permission, 2u);
}

TEST(Update, with_a_gap_is_told_the_expected_seq) {
  TestHost host;
  Client client(host.port());
  client.hello(1);
  Replica a(1);
  a.counter(1);
  client.update("doc", a.counter(1));
  wire::Error error = client.error();
  EXPECT_EQ(error.code, code(SK_CONFLICT));
  EXPECT_EQ(error.seq, 2u);
  EXPECT_EQ(error.document.str(), "doc");
  EXPECT_FALSE(error.fatal);
  EXPECT_NE(error.message.str().find("expected 1"), std::string::npos) << error.message.str();
}

TEST(Update, sent_again_is_acknowledged_again_and_stored_once) {
  TestHost host;
  Client client(host.port());
  client.hello(1);
  Replica a(1);
  std::string first = a.counter(1);
  client.update("doc", first);
  EXPECT_EQ(client.ack().position, 1u);
  client.update("doc", first);
  wire::Ack again = client.ack();
  EXPECT_EQ(again.seq, 1u);
  EXPECT_EQ(again.position, 0u);
  client.sync("doc");
  wire::SyncResponse response = client.sync_response();
  EXPECT_EQ(response.position, 1u);
  EXPECT_EQ(response.transactions.size(), 1u);
}

TEST(Update, repeated_while_in_flight_is_acknowledged_twice_and_stored_once) {
  TestHost host;
  Client client(host.port());
  client.hello(1);
  Replica a(1);
  std::string first = a.counter(1), second = a.counter(1);
  for (const std::string& t : {first, first, second, first, second}) client.update("doc", t);
  // A repetition that finds its change durable already is answered at once, others in their turn.
  std::vector<uint64_t> acked(3), position(3);
  for (int i = 0; i < 5; ++i) {
    wire::Ack ack = client.ack();
    ASSERT_TRUE(ack.seq == 1 || ack.seq == 2);
    ++acked[ack.seq];
    if (ack.position) position[ack.seq] = ack.position;
  }
  EXPECT_EQ(acked, (std::vector<uint64_t>{0, 3, 2}));
  EXPECT_EQ(position, (std::vector<uint64_t>{0, 1, 2}));
  client.sync("doc");
  EXPECT_EQ(client.sync_response().position, 2u);
}

TEST(Update, from_a_clock_too_far_ahead_is_refused) {
  Config config = test_config();
  config.limits.clock_skew_ms = 5000;
  TestHost host(config);
  Client client(host.port());
  client.hello(1);
  Replica ahead(1);
  ahead.clock_offset_ms = 60000;
  client.update("doc", ahead.counter(1));
  wire::Error error = client.error();
  EXPECT_EQ(error.code, code(SK_LIMIT));
  EXPECT_EQ(error.seq, 1u);
  EXPECT_EQ(error.message.str().rfind("clock", 0), 0u) << error.message.str();
  Replica near(1);
  near.clock_offset_ms = 3000;
  client.update("doc", near.counter(1));
  EXPECT_EQ(client.ack().seq, 1u);
}

TEST(Update, of_an_unknown_type_is_denied_by_name) {
  Config config = test_config();
  config.crdts = {"lww"};
  TestHost host(config);
  Client client(host.port());
  client.hello(1);
  Replica a(1);
  client.update("doc", a.counter(1));
  wire::Denied denied = client.denied();
  EXPECT_EQ(denied.code, code(SK_UNSUPPORTED));
  EXPECT_NE(denied.message.str().find("\"counter\""), std::string::npos);
}

TEST(Update, whose_delta_its_type_refuses_is_denied) {
  TestHost host;
  Client client(host.port());
  client.hello(1);
  wire::Transaction transaction;
  transaction.replica = 1;
  transaction.seq = transaction.count = 1;
  transaction.hlc = Hlc::pack(static_cast<uint64_t>(wall_ms()));
  transaction.changes.push_back({Bytes(""), Bytes("lww"), 1, Bytes("\x11garbage")});
  Buffer bytes;
  wire::encode(transaction, bytes);
  client.update("doc", bytes.str());
  EXPECT_EQ(client.denied().code, code(SK_MALFORMED));
}

TEST(Update, larger_than_the_limit_is_denied) {
  Config config = test_config();
  config.limits.transaction_bytes = 2000;
  TestHost host(config);
  Client client(host.port());
  client.hello(1);
  Replica a(1);
  client.update("doc", a.set("k", "\"" + std::string(3000, 'x') + "\""));
  wire::Denied denied = client.denied();
  EXPECT_EQ(denied.code, code(SK_LIMIT));
  EXPECT_EQ(denied.seq, 1u);
}

std::string toy_transaction(uint64_t replica, uint64_t seq, Behaviour behaviour,
                            std::vector<Dot> deps = {}) {
  ToyDelta delta;
  delta.replica = replica;
  delta.seq = seq;
  delta.count = 1;
  delta.hlc = Hlc::pack(static_cast<uint64_t>(wall_ms()));
  delta.behaviour = behaviour;
  delta.deps = std::move(deps);
  delta.text = "t";
  std::string bytes = delta.bytes();
  wire::Transaction transaction;
  transaction.replica = replica;
  transaction.seq = seq;
  transaction.count = 1;
  transaction.hlc = delta.hlc;
  transaction.changes.push_back({Bytes("toy"), Bytes("test.toy"), 1, Bytes(bytes)});
  Buffer out;
  wire::encode(transaction, out);
  return out.str();
}

TEST(Update, that_builds_on_what_is_not_stored_is_refused) {
  TestHost host;
  Client one(host.port()), two(host.port());
  one.hello(1);
  two.hello(2);
  std::string dependent = toy_transaction(2, 1, kFine, {{1, 1}});
  two.update("doc", dependent);
  wire::Error error = two.error();
  EXPECT_EQ(error.code, code(SK_MISSING_DEPS));
  EXPECT_EQ(error.seq, 1u);
  one.update("doc", toy_transaction(1, 1, kFine));
  EXPECT_EQ(one.ack().position, 1u);
  two.update("doc", dependent);
  EXPECT_EQ(two.ack().position, 2u);
}

TEST(Update, void_ones_use_up_their_dots) {
  TestHost host;
  Client client(host.port());
  client.hello(1);
  Replica a(1);
  client.update("doc", a.empty());
  client.update("doc", a.counter(4));
  EXPECT_EQ(client.ack().position, 1u);
  EXPECT_EQ(client.ack().position, 2u);
}

// A type that fails on a document costs that document, not the host.
TEST(Update, a_type_that_fails_quarantines_the_document_alone) {
  Config config = test_config();
  config.documents.snapshot_every_records = 2;
  TestHost host(config);
  Client client(host.port());
  client.hello(1);
  Replica a(1);
  client.update("bad", toy_transaction(1, 1, kThrows));
  client.ack();
  client.update("bad", toy_transaction(1, 2, kFine));
  client.ack();
  EXPECT_TRUE(eventually([&] { return host.metrics().documents_quarantined.get() == 1; }));
  client.update("bad", toy_transaction(1, 3, kFine));
  EXPECT_EQ(client.error().code, code(SK_INTERNAL));
  client.sync("bad");
  EXPECT_EQ(client.error().code, code(SK_INTERNAL));
  client.update("good", a.counter(1));
  EXPECT_EQ(client.ack().document.str(), "good");
}

}  // namespace
}  // namespace synckit::testing
