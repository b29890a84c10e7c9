// One message of every kind, with every field used, plus the edge values that codecs get wrong
// (zero, maximum, empty but present, non-ASCII). proto/golden holds their bytes.
//
// The vectors are a contract: add new ones, never change the old ones.
#pragma once

#include <kernel/wire.hpp>
#include <string>
#include <vector>

namespace synckit::golden {

struct Sample {
  std::string file;     // in proto/golden
  std::string message;  // protobuf message name
  std::string bytes;
};

inline constexpr uint64_t kAda = 0x1122334455667788, kBob = 0xffeeddccbbaa9988;
inline constexpr uint64_t kClock = uint64_t{1767225600000} << 16 | 7;  // 2026-01-01T00:00:00Z
inline constexpr uint64_t kEpoch = 0xa1b2c3d4e5f60718;

inline wire::Transaction transaction_of_two() {
  wire::Transaction t;
  t.replica = kAda;
  t.seq = 41;
  t.count = 6;
  t.hlc = kClock;
  static const uint8_t kDelta[] = {0x00, 0xff, 0x80, 0x7f, 0x0a};
  t.changes.push_back({"", "lww", 1, Bytes(kDelta, sizeof kDelta)});
  t.changes.push_back({"заметка", "text", 5, "delta of five"});
  return t;
}

inline wire::Transaction void_transaction() {
  wire::Transaction t;
  t.replica = kBob;
  t.seq = 1;
  t.count = 3;
  t.hlc = kClock + 1;
  return t;
}

inline wire::Transaction largest_transaction() {
  wire::Transaction t;
  t.replica = UINT64_MAX;
  t.seq = UINT64_MAX - UINT32_MAX;
  t.count = UINT32_MAX;
  t.hlc = UINT64_MAX;
  t.changes.push_back({"f", "com.example.max-register", UINT32_MAX, ""});
  return t;
}

inline wire::Snapshot snapshot_of_two() {
  wire::Snapshot s;
  s.version.raise(kAda, 46);
  s.version.raise(kBob, 3);
  s.max_hlc = kClock + 1;
  s.fields.push_back({"", "lww", 1, "state of the root"});
  s.fields.push_back({"заметка", "text", 2, ""});
  return s;
}

template <class Message>
std::string encoded(const Message& message) {
  Buffer out;
  wire::encode(message, out);
  return out.str();
}

template <class Message>
std::string framed(const Message& message) {
  Buffer out;
  wire::frame(message, out);
  return out.str();
}

// Frames from the client.
inline void add_client_frames(std::vector<Sample>& out) {
  auto add = [&](const char* file, auto message) {
    out.push_back({std::string(file) + ".bin", "synckit.v1.Envelope", framed(message)});
  };
  wire::Hello hello;
  hello.protocol = 1;
  hello.replica = kAda;
  hello.credential = "eyJhbGciOiJIUzI1NiJ9.e30.c2ln";
  hello.features.push_back("deflate");
  hello.features.push_back("");
  hello.client = "synckit-js/0.1.0";
  add("hello", hello);
  wire::Hello anonymous;
  anonymous.protocol = 1;
  anonymous.replica = 1;
  add("hello_anonymous", anonymous);

  wire::SyncRequest request;
  request.document = "notes/первая";
  request.version.raise(kAda, 46);
  request.version.raise(kBob, UINT64_MAX);
  request.position = 300;
  request.epoch = kEpoch;
  add("sync_request", request);
  wire::SyncRequest first;
  first.document = "d";
  add("sync_request_first", first);

  std::string transaction = encoded(transaction_of_two()), empty = encoded(void_transaction());
  wire::Update update;
  update.document = "notes/первая";
  update.transaction = transaction;
  add("update", update);
  update.transaction = empty;
  add("update_void", update);

  wire::Subscribe subscribe;
  subscribe.documents.push_back("notes/первая");
  subscribe.documents.push_back("d");
  subscribe.has_query = true;
  subscribe.query = {"notes/", 1767225600000, 100, "notes/a"};
  add("subscribe", subscribe);
  wire::Subscribe everything;
  everything.has_query = true;
  add("subscribe_everything", everything);
  wire::Unsubscribe unsubscribe;
  unsubscribe.documents.push_back("d");
  add("unsubscribe", unsubscribe);
}

// Frames from the host.
inline void add_host_frames(std::vector<Sample>& out) {
  auto add = [&](const char* file, auto message) {
    out.push_back({std::string(file) + ".bin", "synckit.v1.Envelope", framed(message)});
  };
  wire::Welcome welcome;
  welcome.protocol = 1;
  welcome.session = "s-1";
  welcome.host_time_ms = 1767225600000;
  welcome.limits = {1u << 20, 1u << 19, 1000, 4096, 5000, 30000};
  welcome.principal = "Ада";
  welcome.features.push_back("deflate");
  add("welcome", welcome);
  wire::Welcome early;  // a clock before 1970, and limits that are present but zero
  early.protocol = 1;
  early.host_time_ms = -1;
  add("welcome_before_1970", early);

  std::string one = encoded(transaction_of_two()), two = encoded(void_transaction());
  std::string snapshot = encoded(snapshot_of_two());
  wire::SyncResponse response;
  response.document = "notes/первая";
  response.epoch = kEpoch;
  response.snapshot = snapshot;
  response.has_snapshot = true;
  response.transactions.push_back(one);
  response.transactions.push_back(two);
  response.version.raise(kAda, 46);
  response.version.raise(kBob, 3);
  response.position = 302;
  response.permission = 2;
  add("sync_response", response);
  wire::SyncResponse part;
  part.document = "d";
  part.has_snapshot = true;
  part.more = true;
  add("sync_response_empty_snapshot", part);

  add("ack", wire::Ack{"notes/первая", kAda, 46, 301});
  wire::Notification notification;
  notification.document = "notes/первая";
  notification.position = 301;
  notification.transactions.push_back(one);
  notification.transactions.push_back(two);
  add("notification", notification);
  add("denied", wire::Denied{"d", 41, SK_DENIED, "you may only read this document", 1});
  add("denied_reading", wire::Denied{"d", 0, SK_DENIED, "no permission", 0});
  add("error", wire::Error{"d", 41, SK_LIMIT, "a frame is longer than max_frame_bytes", true});
  add("error_empty", wire::Error{});
  wire::Documents documents;
  documents.entries.push_back({"notes/a", 1, 1767225600000});
  documents.entries.push_back({"notes/б", UINT64_MAX, -1});
  documents.more = true;
  add("documents", documents);
}

inline std::vector<Sample> wire_samples() {
  std::vector<Sample> out;
  add_client_frames(out);
  add_host_frames(out);
  auto frame = [&](const char* file, const Buffer& bytes) {
    out.push_back({file, "synckit.v1.Envelope", bytes.str()});
  };
  Buffer presence, left, ping, pong;
  wire::frame(wire::Presence{"d", kAda, "{\"cursor\":[3,5],\"name\":\"Ада\"}", "ada"}, presence);
  wire::frame(wire::Presence{"d", kAda, {}, {}}, left);
  wire::frame_ping(wire::Ping{1767225600123}, ping);
  wire::frame_pong(wire::Pong{UINT64_MAX}, pong);
  frame("presence.bin", presence);
  frame("presence_left.bin", left);
  frame("ping.bin", ping);
  frame("pong.bin", pong);
  auto part = [&](const char* file, const char* name, std::string bytes) {
    out.push_back({file, std::string("synckit.v1.") + name, std::move(bytes)});
  };
  part("transaction.bin", "Transaction", encoded(transaction_of_two()));
  part("transaction_void.bin", "Transaction", encoded(void_transaction()));
  part("transaction_largest.bin", "Transaction", encoded(largest_transaction()));
  part("snapshot.bin", "Snapshot", encoded(snapshot_of_two()));
  part("snapshot_empty.bin", "Snapshot", encoded(wire::Snapshot{}));
  return out;
}

}  // namespace synckit::golden
