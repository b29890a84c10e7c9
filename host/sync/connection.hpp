// What a session needs of its transport; net implements it. All calls on the session's loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "net/frame.hpp"

namespace synckit {

// WebSocket close codes (RFC 6455, 7.4.1).
enum class Close : uint16_t {
  going_away = 1001,
  protocol_error = 1002,
  unsupported_data = 1003,
  policy = 1008,
  try_again_later = 1013,
};

class Connection {
 public:
  virtual void send(FramePtr frame) = 0;
  // Bytes that wait to be written.
  virtual size_t queued_bytes() const = 0;
  // While paused nothing is read, so that TCP slows the sender down.
  virtual void pause(bool paused) = 0;
  // Writes what is queued (or drops it: `now`), then a close frame; then the connection ends.
  virtual void close(Close code, std::string_view reason, bool now) = 0;

 protected:
  ~Connection() = default;
};

}  // namespace synckit
