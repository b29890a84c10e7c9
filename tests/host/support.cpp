#include "support.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/log.hpp"

namespace synckit::testing {

TempFolder::TempFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "synckit-test-XXXXXX").string();
  path_ = ::mkdtemp(pattern.data());
}
TempFolder::~TempFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}
std::string TempFolder::write(const std::string& name, const std::string& text) const {
  std::ofstream(file(name), std::ios::binary) << text;
  return file(name);
}

std::string plugin_folder() { return SYNCKIT_PLUGIN_FOLDER; }
std::string test_plugin_folder() { return SYNCKIT_TEST_PLUGIN_FOLDER; }

Catalog& catalog() {
  static Catalog instance({plugin_folder(), test_plugin_folder()}, {});
  return instance;
}

Config test_config() {
  Config config = default_config();
  config.listen.port = 0;
  config.listen.threads = 2;
  config.storage.plugin = "memory";
  config.crdts = {"lww", "counter", "set", "toy"};
  config.plugins.paths = {plugin_folder(), test_plugin_folder()};
  config.demo.enabled = false;
  config.timeouts.shutdown_ms = 20000;
  return config;
}

TestHost::TestHost(Config config) {
  log::set_up(std::getenv("SYNCKIT_TEST_LOG") ? log::Level::debug : log::Level::error, false);
  auto host = Host::start(std::move(config), catalog());
  if (!host) {
    ADD_FAILURE() << host.failure().text;
    std::abort();
  }
  host_ = std::move(*host);
}
TestHost::~TestHost() = default;

// ---- Client -------------------------------------------------------------------------------------

namespace {

int connect_to(uint16_t port, int receive_buffer) {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (receive_buffer) {
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  }
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

}  // namespace

Client::Client(uint16_t port, const std::string& origin, const std::string& path,
               int receive_buffer)
    : fd_(connect_to(port, receive_buffer)) {
  std::string request = "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) +
                        "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  if (!origin.empty()) request += "Origin: " + origin + "\r\n";
  send_raw(request + "\r\n");
  size_t end = std::string::npos;
  while ((end = in_.find("\r\n\r\n")) == std::string::npos) {
    if (!read_some(20000)) return;
  }
  answer_ = in_.substr(0, end);
  in_.erase(0, end + 4);
  status_ = std::atoi(answer_.c_str() + 9);
}

Client::~Client() { ::close(fd_); }

bool Client::read_some(int timeout_ms) {
  pollfd poll{fd_, POLLIN, 0};
  if (::poll(&poll, 1, timeout_ms) <= 0) return false;
  char buffer[65536];
  ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
  if (n <= 0) return false;
  in_.append(buffer, static_cast<size_t>(n));
  return true;
}

bool Client::send_raw(std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

void Client::send_frame(uint8_t opcode, std::string_view payload) {
  std::string out(1, static_cast<char>(0x80 | opcode));
  if (payload.size() < 126) {
    out += static_cast<char>(0x80 | payload.size());
  } else if (payload.size() < 65536) {
    out += static_cast<char>(0x80 | 126);
    out += static_cast<char>(payload.size() >> 8);
    out += static_cast<char>(payload.size());
  } else {
    out += static_cast<char>(0x80 | 127);
    for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(payload.size() >> shift);
  }
  const char mask[4] = {0x11, 0x22, 0x33, 0x44};
  out.append(mask, 4);
  for (size_t i = 0; i < payload.size(); ++i) out += static_cast<char>(payload[i] ^ mask[i % 4]);
  send_raw(out);
}

Received Client::next(int timeout_ms) {
  int64_t until = steady_ms() + timeout_ms;
  while (true) {
    size_t head = 2, len = 0;
    if (in_.size() >= 2) {
      auto byte = [this](size_t i) { return static_cast<uint8_t>(in_[i]); };
      len = byte(1) & 0x7f;
      size_t extra = len == 126 ? 2 : len == 127 ? 8 : 0;
      head += extra;
      if (in_.size() >= head && extra) {
        len = 0;
        for (size_t i = 0; i < extra; ++i) len = len << 8 | byte(2 + i);
      }
    }
    if (in_.size() >= 2 && in_.size() >= head && in_.size() - head >= len) {
      uint8_t opcode = static_cast<uint8_t>(in_[0]) & 0x0f;
      Received out;
      out.bytes = in_.substr(head, len);
      in_.erase(0, head + len);
      if (opcode == 0x8) {
        out.what = Received::close;
        if (out.bytes.size() >= 2) {
          out.close_code = static_cast<uint16_t>(static_cast<uint8_t>(out.bytes[0]) << 8 |
                                                 static_cast<uint8_t>(out.bytes[1]));
          out.bytes.erase(0, 2);
        }
        return out;
      }
      if (opcode != 0x2) continue;  // pong
      out.what = Received::frame;
      wire::Frame frame;
      EXPECT_TRUE(wire::decode(Bytes(out.bytes), frame).ok());
      out.kind = frame.kind;
      return out;
    }
    int left = static_cast<int>(until - steady_ms());
    if (left <= 0 || !read_some(left)) {
      Received out;
      out.bytes = left <= 0 ? "nothing arrived in time" : "the connection ended";
      return out;
    }
  }
}

bool Client::silent(int for_ms) {
  Received received = next(for_ms);
  if (received.what == Received::frame) ADD_FAILURE() << "not silent: " << describe(received);
  return received.what == Received::end;
}

void Client::expect_close(uint16_t code) {
  Received received = next();
  EXPECT_EQ(received.what, Received::close) << describe(received);
  EXPECT_EQ(received.close_code, code) << received.bytes;
}

std::string Client::describe(const Received& received) {
  wire::Frame frame;
  std::string out = "kind " + std::to_string(static_cast<int>(received.kind));
  if (received.what != Received::frame || !wire::decode(Bytes(received.bytes), frame).ok()) {
    return "no frame: " + received.bytes;
  }
  wire::Error error;
  wire::Denied denied;
  if (received.kind == wire::Kind::error && wire::decode(frame.body, error).ok()) {
    out += " error " + std::to_string(error.code) + ": " + error.message.str();
  }
  if (received.kind == wire::Kind::denied && wire::decode(frame.body, denied).ok()) {
    out += " denied " + std::to_string(denied.code) + ": " + denied.message.str();
  }
  return out;
}

wire::Welcome Client::hello(uint64_t replica, const std::string& credential) {
  wire::Hello message;
  message.protocol = wire::kProtocol;
  message.replica = replica;
  message.credential = Bytes(credential);
  message.client = "test";
  send(message);
  return expect<wire::Welcome>(wire::Kind::welcome);
}

void Client::subscribe(const std::string& document) {
  wire::Subscribe message;
  message.documents.push_back(Bytes(document));
  send(message);
}

void Client::update(const std::string& document, const std::string& transaction) {
  wire::Update message;
  message.document = Bytes(document);
  message.transaction = Bytes(transaction);
  send(message);
}

void Client::sync(const std::string& document, uint64_t epoch, uint64_t position,
                  const VersionVector& version) {
  wire::SyncRequest message;
  message.document = Bytes(document);
  message.epoch = epoch;
  message.position = position;
  message.version = version;
  send(message);
}

// ---- Replica ------------------------------------------------------------------------------------

namespace {

const Registry& registry() {
  static const Registry* instance = [] {
    auto* made = new Registry();
    for (const char* name : {"lww", "counter", "set", "toy"}) {
      auto plugin = catalog().load(name);
      if (!plugin) {
        ADD_FAILURE() << plugin.failure().text;
        std::abort();
      }
      for (const auto& table : (*plugin)->crdts) EXPECT_TRUE(made->add(table.get()).ok());
    }
    return made;
  }();
  return *instance;
}

}  // namespace

Replica::Replica(uint64_t id) : id_(id), document_(std::make_unique<Document>(registry())) {}

std::string Replica::edit(const std::string& field, const std::string& type,
                          const std::string& intent) {
  Buffer delta, out;
  uint32_t count = 0;
  uint64_t now = static_cast<uint64_t>(wall_ms() + clock_offset_ms);
  uint64_t hlc = std::max(Hlc::pack(now), document_->max_hlc() + 1);
  Status status = document_->mutate(Bytes(field), Bytes(type), {id_, seq + 1, hlc}, Bytes(intent),
                                    delta, count, nullptr);
  EXPECT_TRUE(status.ok()) << status.text();
  wire::Transaction transaction;
  transaction.replica = id_;
  transaction.seq = seq + 1;
  transaction.count = count;
  transaction.hlc = hlc;
  transaction.changes.push_back({Bytes(field), Bytes(type), count, delta});
  wire::encode(transaction, out);
  seq += count;
  document_->commit_local(id_, seq, hlc);
  return out.str();
}

std::string Replica::counter(int64_t amount, const std::string& field) {
  Buffer intent;
  Writer(intent).zigzag(amount);
  return edit(field, "counter", intent.str());
}

std::string Replica::set(const std::string& key, const std::string& json) {
  Buffer intent;
  Writer out(intent);
  out.byte(1);
  out.varint(1);
  out.sized(Bytes(key));
  out.raw(Bytes(json));
  return edit("", "lww", intent.str());
}

std::string Replica::empty() {
  Buffer out;
  wire::Transaction transaction;
  transaction.replica = id_;
  transaction.seq = ++seq;
  transaction.count = 1;
  transaction.hlc = Hlc::pack(static_cast<uint64_t>(wall_ms()));
  wire::encode(transaction, out);
  document_->commit_local(id_, seq, transaction.hlc);
  return out.str();
}

void Replica::merge(Bytes bytes) {
  wire::Transaction transaction;
  ASSERT_TRUE(wire::decode(bytes, transaction).ok());
  Merged outcome = Merged::parked;
  Status status = document_->merge(transaction, outcome, nullptr);
  ASSERT_TRUE(status.ok()) << status.text();
  ASSERT_NE(outcome, Merged::parked);
}

void Replica::merge(const wire::SyncResponse& response) {
  if (response.has_snapshot) {
    wire::Snapshot snapshot;
    ASSERT_TRUE(wire::decode(response.snapshot, snapshot).ok());
    Status status = document_->merge_snapshot(snapshot, nullptr);
    ASSERT_TRUE(status.ok()) << status.text();
  }
  for (Bytes transaction : response.transactions) merge(transaction);
}

std::string Replica::view() {
  Buffer out;
  EXPECT_TRUE(document_->view_all(out).ok());
  return out.str();
}

uint64_t Replica::digest() {
  uint64_t out = 0;
  EXPECT_TRUE(document_->digest(out).ok());
  return out;
}

// ---- HTTP ---------------------------------------------------------------------------------------

Http http(uint16_t port, const std::string& target, const std::string& more_headers,
          const std::string& method) {
  int fd = connect_to(port, 0);
  std::string host = more_headers.find("Host:") == std::string::npos
                         ? "Host: 127.0.0.1:" + std::to_string(port) + "\r\n"
                         : "";
  std::string request = method + " " + target + " HTTP/1.1\r\n" + host +
                        "Connection: close\r\n" + more_headers + "\r\n";
  EXPECT_EQ(::send(fd, request.data(), request.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(request.size()));
  std::string raw;
  char buffer[65536];
  pollfd poll{fd, POLLIN, 0};
  while (::poll(&poll, 1, 20000) > 0) {
    ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0) break;
    raw.append(buffer, static_cast<size_t>(n));
  }
  ::close(fd);
  Http out;
  size_t end = raw.find("\r\n\r\n");
  if (end == std::string::npos) return out;
  out.status = std::atoi(raw.c_str() + 9);
  out.headers = raw.substr(0, end);
  out.body = raw.substr(end + 4);
  return out;
}

}  // namespace synckit::testing
