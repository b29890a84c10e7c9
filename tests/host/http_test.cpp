// Health, metrics, documents as JSON, static files.
#include <sys/stat.h>

#include <filesystem>

#include "admin/url.hpp"
#include "base/json.hpp"
#include "support.hpp"

namespace synckit::testing {
namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Admin, health_readiness_and_metrics) {
  TestHost host;
  EXPECT_EQ(http(host.port(), "/healthz").body, "ok\n");
  EXPECT_EQ(http(host.port(), "/readyz").status, 200);
  Client client(host.port());
  client.hello(1);
  Replica a(1);
  client.update("doc", a.counter(1));
  client.ack();
  Http metrics = http(host.port(), "/metrics");
  EXPECT_EQ(metrics.status, 200);
  EXPECT_TRUE(has(metrics.headers, "text/plain; version=0.0.4")) << metrics.headers;
  for (const char* line :
       {"synckit_connections 1\n", "synckit_updates_total 1\n", "synckit_acks_total 1\n",
        "synckit_documents_active 1\n", "synckit_commit_batch_records_count 1\n",
        "synckit_errors_total{code=\"denied\"} 0\n", "synckit_storage_failures_total 0\n"}) {
    EXPECT_TRUE(has(metrics.body, line)) << line << metrics.body;
  }
}

TEST(Admin, a_document_as_json) {
  TestHost host;
  EXPECT_EQ(http(host.port(), "/documents/notes%2Fa").status, 404);
  Client client(host.port());
  client.hello(0xabc);
  Replica a(0xabc);
  client.update("notes/a", a.set("title", "\"x\""));
  client.update("notes/a", a.counter(5, "n"));
  client.ack();
  client.ack();
  Http answer = http(host.port(), "/documents/notes%2Fa");
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(has(answer.headers, "application/json"));
  EXPECT_TRUE(has(answer.headers, "X-Content-Type-Options: nosniff"));
  EXPECT_TRUE(has(answer.body, "{\"document\":\"notes/a\",\"position\":2,\"epoch\":\""))
      << answer.body;
  EXPECT_TRUE(has(answer.body, "\"version\":{\"0000000000000abc\":2}")) << answer.body;
  EXPECT_TRUE(has(answer.body, "\"digest\":\"" + hex64(a.digest()) + "\"")) << answer.body;
  EXPECT_TRUE(has(answer.body, "\"fields\":" + a.view() + "}")) << answer.body;
  EXPECT_EQ(http(host.port(), "/documents/%ff").status, 400);
  EXPECT_EQ(http(host.port(), "/documents/").status, 400);
  EXPECT_EQ(http(host.port(), "/documents/%zz").status, 400);
}

TEST(Admin, lists_documents) {
  TestHost host;
  Client client(host.port());
  client.hello(1);
  for (const char* id : {"a/1", "a/2", "b"}) {
    Replica a(1);
    client.update(id, a.counter(1));
    client.ack();
  }
  Http all = http(host.port(), "/documents");
  EXPECT_TRUE(has(all.body, "\"a/1\"") && has(all.body, "\"b\"")) << all.body;
  EXPECT_TRUE(has(all.body, "\"more\":false"));
  Http one = http(host.port(), "/documents?prefix=a%2F&limit=1");
  EXPECT_TRUE(has(one.body, "\"a/1\"") && !has(one.body, "\"a/2\"") && has(one.body, "true"))
      << one.body;
  Http next = http(host.port(), "/documents?prefix=a/&after=a/1");
  EXPECT_TRUE(!has(next.body, "\"a/1\"") && has(next.body, "\"a/2\"")) << next.body;
  EXPECT_TRUE(has(http(host.port(), "/documents?updated_since=99999999999999").body,
                  "\"documents\":[]"));
  EXPECT_EQ(http(host.port(), "/documents?limit=many").status, 400);
}

// A web page whose name resolves to 127.0.0.1 is no local program.
TEST(Admin, anonymous_documents_are_not_for_foreign_names) {
  TestHost host;
  EXPECT_EQ(http(host.port(), "/documents", "Host: evil.example.com\r\n").status, 403);
  EXPECT_EQ(http(host.port(), "/documents", "Host: localhost:1\r\n").status, 200);
}

TEST(Admin, can_have_a_port_of_its_own) {
  Config config = test_config();
  TestHost probe;  // a port that is free a moment later
  uint16_t port = probe.port();
  probe.stop();
  config.admin.port = port;
  TestHost host(config);
  EXPECT_EQ(host.host().admin_port(), port);
  EXPECT_EQ(http(port, "/healthz").status, 200);
  EXPECT_EQ(http(host.port(), "/healthz").status, 404);
  EXPECT_EQ(Client(port).status(), 404);
}

TEST(Http, only_get_and_head_without_bodies) {
  TestHost host;
  EXPECT_EQ(http(host.port(), "/healthz", "", "POST").status, 405);
  EXPECT_EQ(http(host.port(), "/healthz", "Content-Length: 5\r\n").status, 413);
  EXPECT_EQ(http(host.port(), "/healthz", "X: " + std::string(20000, 'x') + "\r\n").status, 431);
  Http head = http(host.port(), "/healthz", "", "HEAD");
  EXPECT_EQ(head.status, 200);
  EXPECT_TRUE(has(head.headers, "Content-Length: 3"));
  EXPECT_EQ(head.body, "");
}

TEST(StaticFiles, are_served_with_types_etags_and_a_policy) {
  TempFolder folder;
  folder.write("index.html", "<p>hello");
  folder.write("core.wasm", "wasm");
  folder.write("app.js", "let x");
  std::filesystem::create_directory(folder.file("sub"));
  folder.write("sub/index.html", "sub");
  Config config = test_config();
  config.demo.enabled = true;
  config.demo.root = folder.path();
  TestHost host(config);
  Http index = http(host.port(), "/");
  EXPECT_EQ(index.status, 200);
  EXPECT_EQ(index.body, "<p>hello");
  EXPECT_TRUE(has(index.headers, "text/html")) << index.headers;
  EXPECT_TRUE(has(index.headers, "Content-Security-Policy: default-src 'self'"));
  EXPECT_TRUE(has(http(host.port(), "/core.wasm").headers, "application/wasm"));
  EXPECT_TRUE(has(http(host.port(), "/app.js?v=1").headers, "text/javascript"));
  EXPECT_EQ(http(host.port(), "/sub/").body, "sub");
  size_t at = index.headers.find("ETag: ");
  ASSERT_NE(at, std::string::npos);
  std::string etag = index.headers.substr(at + 6, index.headers.find("\r\n", at) - at - 6);
  EXPECT_EQ(http(host.port(), "/", "If-None-Match: " + etag + "\r\n").status, 304);
  EXPECT_EQ(http(host.port(), "/healthz").body, "ok\n");
}

TEST(StaticFiles, nothing_outside_of_the_folder) {
  TempFolder folder, outside;
  outside.write("secret", "s");
  folder.write("a.txt", "a");
  folder.write(".hidden", "h");
  std::filesystem::create_symlink(outside.file("secret"), folder.file("link"));
  std::filesystem::create_directory_symlink(outside.path(), folder.file("dir"));
  ASSERT_EQ(::mkfifo(folder.file("pipe").c_str(), 0600), 0);
  Config config = test_config();
  config.demo.enabled = true;
  config.demo.root = folder.path();
  TestHost host(config);
  EXPECT_EQ(http(host.port(), "/a.txt").status, 200);
  for (const char* path :
       {"/link", "/dir/secret", "/../secret", "/%2e%2e/secret", "/..%2fsecret", "/.hidden",
        "//a.txt", "/a.txt/", "/a.txt%00", "/\\a.txt", "/pipe", "/nothing", "/sub", "/%"}) {
    int status = http(host.port(), path).status;
    EXPECT_TRUE(status == 404 || status == 400) << path << " " << status;
  }
}

TEST(Url, percent_encoding_round_trips) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  EXPECT_EQ(percent_decode(percent_encode(all)), all);
  EXPECT_EQ(percent_decode("%4"), std::nullopt);
  EXPECT_EQ(percent_decode("a+b", true), "a b");
}

}  // namespace
}  // namespace synckit::testing
