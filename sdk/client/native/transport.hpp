// A WebSocket for the native client, and the thread that everything of it runs on.
//
// Threads: the handlers run on the loop's thread; post and every Transport member may be called
// from there only, except post itself and the constructor and destructor.
#pragma once

#include <synckit/bytes.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace synckit {

struct TransportHandlers {
  std::function<void()> opened;
  std::function<void(Bytes message)> message;
  std::function<void(const std::string& why)> closed;  // also when opening failed; once per connect
};

class Transport {
 public:
  explicit Transport(TransportHandlers handlers);
  ~Transport();  // stops the thread

  void post(std::function<void()> task);                       // any thread
  void at(uint64_t delay_ms, std::function<void()> task);      // replaces the one timer
  // "ws://host:port/path"; a failure is told by `closed`. One connection at a time.
  void connect(const std::string& url);
  void send(Bytes message);  // queued; dropped when not open
  void close();
  void stop();  // any thread but the loop's: closes, drops what was posted, joins

 private:
  struct Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace synckit
