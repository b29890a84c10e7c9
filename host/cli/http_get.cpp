#include "http_get.hpp"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace synckit::cli {
namespace {

constexpr size_t kMaxAnswer = 256u << 20;
constexpr int kTimeoutSeconds = 30;

struct Socket {
  int fd = -1;
  ~Socket() {
    if (fd >= 0) ::close(fd);
  }
};

Failure unavailable(const std::string& text) { return {SK_UNAVAILABLE, text}; }

Result<> connect_to(const std::string& host, const std::string& port, Socket& out) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (int code = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found); code != 0) {
    return unavailable(host + ": " + ::gai_strerror(code));
  }
  std::string error = "no address";
  for (addrinfo* at = found; at; at = at->ai_next) {
    Socket socket{::socket(at->ai_family, at->ai_socktype, at->ai_protocol)};
    if (socket.fd < 0) continue;
    timeval timeout{kTimeoutSeconds, 0};
    ::setsockopt(socket.fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    ::setsockopt(socket.fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    if (::connect(socket.fd, at->ai_addr, at->ai_addrlen) == 0) {
      std::swap(out.fd, socket.fd);
      break;
    }
    error = std::strerror(errno);
  }
  ::freeaddrinfo(found);
  if (out.fd < 0) return unavailable("cannot connect to " + host + ":" + port + ": " + error);
  return Done{};
}

}  // namespace

Result<HttpAnswer> http_get(const std::string& base, const std::string& path,
                            const std::string& bearer) {
  if (!base.starts_with("http://")) {
    return Failure{SK_UNSUPPORTED, "--url wants http://host:port, not \"" + base + "\""};
  }
  std::string authority = base.substr(7);
  authority = authority.substr(0, authority.find('/'));
  size_t colon = authority.rfind(':');
  size_t bracket = authority.find(']');
  bool has_port = colon != std::string::npos && (bracket == std::string::npos || colon > bracket);
  std::string host = authority.substr(0, has_port ? colon : std::string::npos);
  std::string port = has_port ? authority.substr(colon + 1) : "80";
  if (host.starts_with("[") && host.ends_with("]")) host = host.substr(1, host.size() - 2);
  Socket socket;
  if (Result<> connected = connect_to(host, port, socket); !connected) return connected.failure();
  if (bearer.find_first_of("\r\n") != std::string::npos) {
    return Failure{SK_UNSUPPORTED, "--token has a line break in it"};
  }
  std::string request = "GET " + path + " HTTP/1.0\r\nHost: " + authority + "\r\n";
  if (!bearer.empty()) request += "Authorization: Bearer " + bearer + "\r\n";
  request += "\r\n";
  for (size_t at = 0; at < request.size();) {
    ssize_t n = ::send(socket.fd, request.data() + at, request.size() - at, MSG_NOSIGNAL);
    if (n <= 0) return unavailable("sending failed: " + std::string(std::strerror(errno)));
    at += static_cast<size_t>(n);
  }
  std::string raw;
  char buffer[65536];
  while (true) {
    ssize_t n = ::recv(socket.fd, buffer, sizeof buffer, 0);
    if (n < 0) return unavailable("reading failed: " + std::string(std::strerror(errno)));
    if (n == 0) break;
    raw.append(buffer, static_cast<size_t>(n));
    if (raw.size() > kMaxAnswer) return Failure{SK_LIMIT, "the answer is larger than 256 MiB"};
  }
  size_t end = raw.find("\r\n\r\n");
  if (!raw.starts_with("HTTP/1.") || end == std::string::npos || raw.size() < 12) {
    return unavailable(authority + " does not speak HTTP");
  }
  return HttpAnswer{std::atoi(raw.c_str() + 9), raw.substr(end + 4)};
}

}  // namespace synckit::cli
