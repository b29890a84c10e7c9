// Subscriptions, queries, presence, permissions.
#include <openssl/evp.h>

#include "support.hpp"

namespace synckit::testing {
namespace {

constexpr char kSecret[] = "0123456789abcdef0123456789abcdef";

std::string base64url(std::string_view bytes) {
  static const char* kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (char c : bytes) {
    bits = bits << 8 | static_cast<uint8_t>(c);
    for (count += 8; count >= 6; count -= 6) out += kDigits[bits >> (count - 6) & 63];
  }
  if (count > 0) out += kDigits[bits << (6 - count) & 63];
  return out;
}

// Signed here by hand, so that the host's plugin is tested against something else than itself.
std::string token(const std::string& subject, const std::string& permissions, int64_t expires_s) {
  std::string claims = "{\"sub\":\"" + subject + "\",\"exp\":" + std::to_string(expires_s) +
                       ",\"permissions\":" + permissions + "}";
  std::string input = base64url("{\"alg\":\"HS256\",\"typ\":\"JWT\"}") + "." + base64url(claims);
  unsigned char mac[EVP_MAX_MD_SIZE];
  size_t len = 0;
  EXPECT_NE(EVP_Q_mac(nullptr, "HMAC", nullptr, "SHA256", nullptr, kSecret, sizeof kSecret - 1,
                      reinterpret_cast<const unsigned char*>(input.data()), input.size(), mac,
                      sizeof mac, &len),
            nullptr);
  return input + "." + base64url({reinterpret_cast<char*>(mac), len});
}

int64_t in_an_hour() { return wall_ms() / 1000 + 3600; }

Config jwt_config() {
  Config config = test_config();
  config.auth.plugin = "jwt";
  config.auth.set("keys", std::string("[{\"alg\":\"HS256\",\"secret\":\"") + kSecret + "\"}]");
  config.auth.set("leeway_s", "0");
  return config;
}

uint32_t code(sk_status status) { return static_cast<uint32_t>(status); }

// A pong says that all that was sent before it was taken in by the session; a SyncResponse, by the
// document.
void settle(Client& client, const std::string& document) {
  client.sync(document);
  while (true) {
    Received r = client.next();
    ASSERT_EQ(r.what, Received::frame) << r.bytes;
    if (r.kind == wire::Kind::sync_response) return;
  }
}

TEST(Permissions, a_reader_reads_and_is_denied_writing) {
  TestHost host(jwt_config());
  Client reader(host.port()), writer(host.port());
  wire::Welcome welcome = reader.hello(1, token("ann", R"({"doc":"read-only"})", in_an_hour()));
  EXPECT_EQ(welcome.principal.str(), "ann");
  writer.hello(2, token("bob", R"({"doc":"read-write"})", in_an_hour()));
  reader.subscribe("doc");
  reader.sync("doc");
  EXPECT_EQ(reader.sync_response().permission, 1u);
  Replica a(1), b(2);
  reader.update("doc", a.counter(1));
  wire::Denied denied = reader.denied();
  EXPECT_EQ(denied.code, code(SK_DENIED));
  EXPECT_EQ(denied.seq, 1u);
  EXPECT_EQ(denied.permission, 1u);
  writer.update("doc", b.counter(1));
  EXPECT_EQ(writer.ack().position, 1u);
  EXPECT_EQ(reader.notification().position, 1u);
  // In place of what was refused: uses up the dot.
  Replica again(1);
  reader.update("doc", again.empty());
  EXPECT_EQ(reader.ack().position, 2u);
}

TEST(Permissions, without_any_nothing_is_told) {
  TestHost host(jwt_config());
  Client client(host.port());
  client.hello(1, token("eve", R"({"other":"write"})", in_an_hour()));
  client.sync("doc");
  wire::Denied denied = client.denied();
  EXPECT_EQ(denied.seq, 0u);
  EXPECT_EQ(denied.permission, 0u);
  client.subscribe("doc");
  EXPECT_EQ(client.denied().seq, 0u);
  Replica a(1);
  client.update("doc", a.counter(1));
  EXPECT_EQ(client.denied().seq, 1u);
}

TEST(Permissions, a_bad_token_ends_the_session) {
  TestHost host(jwt_config());
  std::string good = token("ann", R"({"*":"write"})", in_an_hour());
  for (const std::string& bad : {std::string(), std::string("x.y.z"), good + "A",
                                 token("ann", R"({"*":"write"})", wall_ms() / 1000 - 60)}) {
    Client client(host.port());
    wire::Hello hello;
    hello.protocol = 1;
    hello.replica = 1;
    hello.credential = Bytes(bad);
    client.send(hello);
    wire::Error error = client.error();
    EXPECT_EQ(error.code, code(SK_DENIED));
    EXPECT_TRUE(error.fatal);
    client.expect_close(1008);
  }
  EXPECT_EQ(host.metrics().auth_failures.get(), 4u);
}

TEST(Permissions, an_expired_session_is_closed_and_a_renewed_one_is_not) {
  TestHost host(jwt_config());
  Client expires(host.port()), renews(host.port());
  int64_t soon = wall_ms() / 1000 + 2;
  expires.hello(1, token("ann", R"({"*":"write"})", soon));
  renews.hello(2, token("bob", R"({"*":"write"})", soon));
  renews.hello(2, token("bob", R"({"*":"read"})", in_an_hour()));
  EXPECT_EQ(expires.error().code, code(SK_DENIED));
  expires.expect_close(1008);
  renews.sync("doc");
  EXPECT_EQ(renews.sync_response().permission, 1u);
}

TEST(Permissions, a_replica_is_not_taken_over_by_another_principal) {
  TestHost host(jwt_config());
  Client ann(host.port()), eve(host.port());
  ann.hello(1, token("ann", R"({"*":"write"})", in_an_hour()));
  std::string credential = token("eve", R"({"*":"write"})", in_an_hour());
  wire::Hello hello;
  hello.protocol = 1;
  hello.replica = 1;
  hello.credential = Bytes(credential);
  eve.send(hello);
  EXPECT_EQ(eve.error().code, code(SK_DENIED));
  ann.ping(3);
  EXPECT_EQ(ann.expect<wire::Ping>(wire::Kind::pong).time_ms, 3u);
}

TEST(Permissions, http_asks_for_the_same) {
  TestHost host(jwt_config());
  EXPECT_EQ(http(host.port(), "/documents/doc").status, 401);
  auto bearer = [](const std::string& permissions) {
    return "Authorization: Bearer " + token("ann", permissions, in_an_hour()) + "\r\n";
  };
  EXPECT_EQ(http(host.port(), "/documents/doc", bearer(R"({"x":"read"})")).status, 403);
  EXPECT_EQ(http(host.port(), "/documents/doc", bearer(R"({"doc":"read"})")).status, 404);
  EXPECT_EQ(http(host.port(), "/healthz").status, 200);
}

TEST(Query, lists_and_subscribes_to_what_may_be_read) {
  TestHost host(jwt_config());
  Client writer(host.port()), reader(host.port());
  writer.hello(1, token("w", R"({"*":"write"})", in_an_hour()));
  reader.hello(2, token("r", R"({"notes/*":"read","notes/secret":"none"})", in_an_hour()));
  std::vector<Replica> replicas;
  for (const char* id : {"notes/a", "notes/b", "notes/secret", "other"}) {
    Replica a(1);
    writer.update(id, a.counter(1));
    writer.ack();
  }
  wire::Subscribe subscribe;
  subscribe.has_query = true;
  subscribe.query.prefix = "notes/";
  subscribe.query.limit = 1;
  reader.send(subscribe);
  wire::Documents found = reader.expect<wire::Documents>(wire::Kind::documents);
  ASSERT_EQ(found.entries.size(), 1u);
  EXPECT_EQ(found.entries[0].document.str(), "notes/a");
  EXPECT_EQ(found.entries[0].position, 1u);
  EXPECT_TRUE(found.more);
  subscribe.query.after = "notes/a";
  reader.send(subscribe);
  found = reader.expect<wire::Documents>(wire::Kind::documents);
  ASSERT_EQ(found.entries.size(), 1u);
  EXPECT_EQ(found.entries[0].document.str(), "notes/b");
  EXPECT_FALSE(found.more);
  settle(reader, "notes/a");
  settle(reader, "notes/b");
  Replica a(1);
  a.counter(1);
  writer.update("notes/a", a.counter(1));
  EXPECT_EQ(reader.notification().document.str(), "notes/a");
}

TEST(Subscribe, unsubscribed_documents_are_silent) {
  TestHost host;
  Client writer(host.port()), reader(host.port());
  writer.hello(1);
  reader.hello(2);
  reader.subscribe("a");
  reader.subscribe("b");
  wire::Unsubscribe out;
  out.documents.push_back(Bytes("a"));
  reader.send(out);
  settle(reader, "a");
  settle(reader, "b");
  Replica a(1), b(1);
  writer.update("a", a.counter(1));
  writer.ack();
  writer.update("b", b.counter(1));
  writer.ack();
  EXPECT_EQ(reader.notification().document.str(), "b");
}

TEST(Subscribe, beyond_the_limit_is_an_error) {
  Config config = test_config();
  config.limits.subscriptions = 2;
  TestHost host(config);
  Client client(host.port());
  client.hello(1);
  for (const char* id : {"a", "b", "c"}) client.subscribe(id);
  wire::Error error = client.error();
  EXPECT_EQ(error.code, code(SK_LIMIT));
  EXPECT_EQ(error.document.str(), "c");
  EXPECT_FALSE(error.fatal);
}

void present(Client& client, const std::string& document, const std::string& data) {
  wire::Presence message;
  message.document = Bytes(document);
  message.data = Bytes(data);
  client.send(message);
}
wire::Presence presence(Client& client) {
  return client.expect<wire::Presence>(wire::Kind::presence);
}

TEST(PresenceRelay, reaches_subscribers_newcomers_and_ends_with_the_connection) {
  TestHost host;
  auto one = std::make_unique<Client>(host.port());
  Client two(host.port());
  one->hello(1);
  two.hello(2);
  one->subscribe("doc");
  two.subscribe("doc");
  settle(*one, "doc");
  settle(two, "doc");
  present(*one, "doc", "{\"name\":\"ann\"}");
  wire::Presence seen = presence(two);
  EXPECT_EQ(seen.replica, 1u);
  EXPECT_EQ(seen.data.str(), "{\"name\":\"ann\"}");
  EXPECT_EQ(seen.principal.str(), "anonymous");
  Client late(host.port());
  late.hello(3);
  late.subscribe("doc");
  EXPECT_EQ(presence(late).data.str(), "{\"name\":\"ann\"}");
  one.reset();
  for (Client* client : {&two, &late}) {
    wire::Presence gone = presence(*client);
    EXPECT_EQ(gone.replica, 1u);
    EXPECT_TRUE(gone.data.empty());
  }
}

TEST(PresenceRelay, has_limits) {
  Config config = test_config();
  config.limits.presence_bytes = 10;
  config.limits.presence_entries = 1;
  TestHost host(config);
  Client one(host.port()), two(host.port());
  one.hello(1);
  two.hello(2);
  present(one, "doc", "1");
  EXPECT_EQ(one.error().code, code(SK_CONFLICT));
  one.subscribe("doc");
  settle(one, "doc");
  present(one, "doc", "12345678901");
  EXPECT_EQ(one.error().code, code(SK_LIMIT));
  present(one, "doc", "1");
  settle(one, "doc");
  two.subscribe("doc");
  EXPECT_EQ(presence(two).replica, 1u);
  present(two, "doc", "2");
  EXPECT_EQ(two.error().code, code(SK_LIMIT));
}

}  // namespace
}  // namespace synckit::testing
