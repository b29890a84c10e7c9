// For tests of the host: a host inside this process, a raw WebSocket client over a real socket, and
// a replica that makes real transactions.
//
// The client is plain blocking sockets on purpose: it can also send what no library would.
#pragma once

#include <gtest/gtest.h>
#include <time.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "config/config.hpp"
#include "host.hpp"
#include "kernel/document.hpp"
#include "plugin/catalog.hpp"
#include "sync/hub.hpp"

namespace synckit::testing {

// A folder that goes away with the test.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  std::string write(const std::string& name, const std::string& text) const;

 private:
  std::string path_;
};

// The plugins of the build tree, and those of tests/host/plugins, loaded once for all tests.
Catalog& catalog();
std::string plugin_folder();
std::string test_plugin_folder();

// Memory storage, no authentication, a free port, quiet log, short timeouts.
Config test_config();

class TestHost {
 public:
  explicit TestHost(Config config = test_config());
  ~TestHost();
  uint16_t port() const { return host_->port(); }
  const Metrics& metrics() { return host_->hub().metrics; }
  Hub& hub() { return host_->hub(); }
  Host& host() { return *host_; }
  bool stop() { return host_->stop(); }

 private:
  std::unique_ptr<Host> host_;
};

// One WebSocket frame as received.
struct Received {
  enum What { frame, close, end } what = end;
  wire::Kind kind = wire::Kind::unknown;
  std::string bytes;      // the whole envelope; the close reason for close
  uint16_t close_code = 0;
};

class Client {
 public:
  explicit Client(uint16_t port, const std::string& origin = "", const std::string& path = "/sync",
                  int receive_buffer = 0);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  int status() const { return status_; }  // of the upgrade, 101 when it worked
  const std::string& answer() const { return answer_; }

  template <class Message>
  void send(const Message& message) {
    Buffer out;
    wire::frame(message, out);
    send_frame(0x2, out.bytes().text());
  }
  void ping(uint64_t time) {
    Buffer out;
    wire::frame_ping({time}, out);
    send_frame(0x2, out.bytes().text());
  }
  void send_frame(uint8_t opcode, std::string_view payload);
  bool send_raw(std::string_view bytes);  // false: the connection is gone

  // The next frame. A test that waits for this long has failed.
  Received next(int timeout_ms = 20000);
  bool silent(int for_ms);  // nothing arrives

  // The next frame must be of this kind. Messages borrow from `last`.
  template <class Message>
  Message expect(wire::Kind kind) {
    last = next();
    Message message;
    EXPECT_EQ(last.what, Received::frame) << last.bytes;
    EXPECT_EQ(static_cast<int>(last.kind), static_cast<int>(kind)) << describe(last);
    if (last.what != Received::frame || last.kind != kind) return message;
    wire::Frame frame;
    EXPECT_TRUE(wire::decode(Bytes(last.bytes), frame).ok());
    EXPECT_TRUE(wire::decode(frame.body, message).ok());
    return message;
  }
  wire::Ack ack() { return expect<wire::Ack>(wire::Kind::ack); }
  wire::Error error() { return expect<wire::Error>(wire::Kind::error); }
  wire::Denied denied() { return expect<wire::Denied>(wire::Kind::denied); }
  wire::Notification notification() {
    return expect<wire::Notification>(wire::Kind::notification);
  }
  wire::SyncResponse sync_response() {
    return expect<wire::SyncResponse>(wire::Kind::sync_response);
  }
  void expect_close(uint16_t code);

  // Hello and Welcome.
  wire::Welcome hello(uint64_t replica, const std::string& credential = "");
  void subscribe(const std::string& document);
  void update(const std::string& document, const std::string& transaction);
  void sync(const std::string& document, uint64_t epoch = 0, uint64_t position = 0,
            const VersionVector& version = {});

  static std::string describe(const Received& received);
  Received last;

 private:
  bool read_some(int timeout_ms);
  int fd_ = -1;
  int status_ = 0;
  std::string answer_, in_;
};

// A writer with a document of its own.
class Replica {
 public:
  explicit Replica(uint64_t id);
  // An encoded transaction with one change.
  std::string counter(int64_t amount, const std::string& field = "n");
  std::string set(const std::string& key, const std::string& json);
  std::string edit(const std::string& field, const std::string& type, const std::string& intent);
  std::string empty();  // a void one
  // Takes over what a host sent.
  void merge(const wire::SyncResponse& response);
  void merge(Bytes transaction);

  std::string view();
  uint64_t digest();
  const VersionVector& version() const { return document_->version(); }
  uint64_t id() const { return id_; }
  uint64_t seq = 0;
  int64_t clock_offset_ms = 0;

 private:
  uint64_t id_;
  std::unique_ptr<Document> document_;
};

struct Http {
  int status = 0;
  std::string headers, body;
};
Http http(uint16_t port, const std::string& target, const std::string& more_headers = "",
          const std::string& method = "GET");

// Polls until `condition` holds; the test fails when it does not within 20 s.
template <class Condition>
bool eventually(Condition condition) {
  for (int64_t until = steady_ms() + 20000; steady_ms() < until;) {
    if (condition()) return true;
    timespec pause{0, 2000000};
    ::nanosleep(&pause, nullptr);
  }
  return condition();
}

}  // namespace synckit::testing
