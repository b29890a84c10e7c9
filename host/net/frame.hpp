// Frame: bytes as they leave on a socket, WebSocket header and envelope, encoded once and shared
// by everyone who gets them. Immutable when built.
//
// Threads: a FrameBuilder belongs to one thread; frames may be shared.
#pragma once

#include <memory>

#include "kernel/wire.hpp"

namespace synckit {

struct Frame {
  Buffer bytes;
  uint32_t messages = 0;
  size_t size() const { return bytes.len; }
};
using FramePtr = std::shared_ptr<const Frame>;

// Several messages may go into one Frame: each is a WebSocket frame of its own (RFC 6455, 5.2:
// FIN, binary, not masked).
class FrameBuilder {
 public:
  template <class Message>
  FrameBuilder& add(const Message& message) {
    scratch_.clear();
    wire::frame(message, scratch_);
    append(scratch_);
    return *this;
  }
  FrameBuilder& pong(const wire::Ping& ping) {
    scratch_.clear();
    wire::frame_pong(ping, scratch_);
    append(scratch_);
    return *this;
  }
  bool empty() const { return !frame_; }
  FramePtr take() { return std::move(frame_); }

  template <class Message>
  static FramePtr one(const Message& message) {
    return FrameBuilder().add(message).take();
  }

 private:
  void append(Bytes envelope) {
    if (!frame_) frame_ = std::make_shared<Frame>();
    Writer out(frame_->bytes);
    out.byte(0x82);
    if (envelope.len < 126) {
      out.byte(static_cast<uint8_t>(envelope.len));
    } else if (envelope.len < 65536) {
      out.byte(126);
      out.byte(static_cast<uint8_t>(envelope.len >> 8));
      out.byte(static_cast<uint8_t>(envelope.len));
    } else {
      out.byte(127);
      for (int shift = 56; shift >= 0; shift -= 8) {
        out.byte(static_cast<uint8_t>(static_cast<uint64_t>(envelope.len) >> shift));
      }
    }
    out.raw(envelope);
    if (!out.status().ok()) out_of_memory();
    ++frame_->messages;
  }

  Buffer scratch_;
  std::shared_ptr<Frame> frame_;
};

}  // namespace synckit
