// The network side: HTTP requests, WebSocket upgrades, connections.
//
// Accepted connections are spread over the loops; each stays on its loop. `/sync` (and `/` with an
// Upgrade header) becomes a SyncKit session, everything else goes to an HttpHandler.
// permessage-deflate is not offered: frames are encoded once and shared by all connections, which
// a per-connection compressor would undo.
//
// Threads: constructed, started and stopped by one thread; handlers run on the loops and may
// reply from any thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "loop.hpp"

namespace synckit {

struct Hub;

struct HttpRequest {
  std::string method, target;  // target: path and query, still percent-encoded
  std::string host, origin, authorization, if_none_match;
  bool loopback_listener = false;
};
struct HttpResponse {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::vector<std::pair<std::string, std::string>> headers;
  std::shared_ptr<const std::string> body;  // null: empty
};
using HttpReply = std::function<void(HttpResponse)>;
using HttpHandler = std::function<void(const HttpRequest&, HttpReply)>;

class Server {
 public:
  Server(Hub& hub, std::vector<std::unique_ptr<Loop>>& loops);
  ~Server();

  // Opens a listening socket; gives the port. `sync`: WebSocket sessions are accepted on it.
  Result<uint16_t> listen(const std::string& address, uint16_t port, bool sync,
                          HttpHandler handler);
  // On each loop, from its tick.
  void tick(size_t loop, int64_t now_ms);

  void stop_accepting();
  void stop_reading();  // sessions read no more requests
  void barrier();       // returns when everything posted to the loops before has run
  void close_all();     // sends what is queued and a close frame (1001) to all
  size_t open_connections() const;
  void abandon();       // closes what is left; the loops must still run

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// Whether `host` ("localhost:4242", "127.0.0.1", "[::1]:80") names this machine's loopback.
bool loopback_host(const std::string& host);
// The IP address is a loopback one.
bool loopback_address(const std::string& address);

}  // namespace synckit
