// A TCP socket whose writes all go through one queue (Outbox), so that shared, pre-framed messages
// and what Beast itself writes (handshake, pong, close) never interleave.
//
// FramedSocket is what beast::websocket::stream sits on: it reads from the socket and "writes" by
// queueing. Included by server.cpp alone.
// Threads: one loop.
#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/role.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/metrics.hpp"
#include "base/task.hpp"
#include "net/frame.hpp"

namespace synckit::net {

namespace asio = boost::asio;
namespace beast = boost::beast;
using tcp = asio::ip::tcp;
using boost::system::error_code;

// Everything that waits to be written to one socket. All that is pending leaves in one gathered
// write: small frames copied side by side, large ones as they are.
class Outbox {
 public:
  static constexpr size_t kSmall = 8 << 10;       // copied
  static constexpr size_t kStaging = 256 << 10;   // most of them per write
  static constexpr size_t kMaxParts = 32;         // buffers per write
  static constexpr size_t kBeastMayAdd = 64 << 10;

  Outbox(tcp::socket& socket, Metrics& metrics) : socket_(socket), metrics_(metrics) {}
  ~Outbox() { metrics_.queue_bytes.sub(queued_); }

  void push(FramePtr frame) {
    if (broken_) return;
    queued_ += frame->size();
    metrics_.queue_bytes.add(frame->size());
    metrics_.frames_out.add(frame->messages);
    queue_.push_back(std::move(frame));
  }
  // Forgets what is not being written yet.
  void drop_waiting() {
    for (const FramePtr& frame : queue_) count_out(frame->size());
    queue_.clear();
  }
  size_t queued() const { return queued_; }
  bool idle() const { return !writing_ && queue_.empty(); }
  bool broken() const { return broken_; }

  // Starts a write when none is under way. `done` is called after each, and keeps the owner alive.
  void flush(std::function<void(bool ok)> done) {
    if (writing_ || queue_.empty() || broken_) return;
    gather();
    writing_ = true;
    asio::async_write(socket_, parts_,
                      [this, done = std::move(done)](const error_code& error, size_t) {
                        writing_ = false;
                        for (const FramePtr& frame : in_flight_) count_out(frame->size());
                        in_flight_.clear();
                        staging_.clear();
                        if (staging_.capacity() > kSmall) staging_.shrink_to_fit();
                        if (error) fail();
                        release_beast();
                        done(!error);
                      });
  }
  void fail() {
    broken_ = true;
    drop_waiting();
    release_beast();
  }

  // What Beast writes: its operation completes when the queue is short, so that a peer which asks
  // for pongs faster than it reads them is not read from.
  void push_from_beast(FramePtr frame, Task completion) {
    push(std::move(frame));
    beast_waits_ = std::move(completion);
    if (queued_ <= kBeastMayAdd || broken_) release_beast();
  }

 private:
  void count_out(size_t bytes) {
    queued_ -= bytes;
    metrics_.queue_bytes.sub(bytes);
    metrics_.bytes_out.add(bytes);
  }
  void release_beast() {
    if (!beast_waits_ || (queued_ > kBeastMayAdd && !broken_)) return;
    Task task = std::move(beast_waits_);
    beast_waits_ = Task();
    task();
  }
  void gather() {
    // Sizes first: `parts_` points into `staging_`, which therefore may not grow later.
    size_t small = 0, parts = 0, count = 0;
    for (const FramePtr& frame : queue_) {
      bool copied = frame->size() <= kSmall;
      if (copied ? small + frame->size() > kStaging : parts + 2 > kMaxParts) break;
      copied ? small += frame->size() : parts += 2;
      ++count;
    }
    staging_.reserve(small);
    parts_.clear();
    size_t run = 0;  // where the copied run at the end of staging_ began
    auto close_run = [&] {
      size_t end = staging_.size();
      if (end > run) parts_.push_back(asio::buffer(&staging_[run], end - run));
      run = end;
    };
    for (size_t i = 0; i < count; ++i) {
      FramePtr& frame = queue_.front();
      if (frame->size() <= kSmall) {
        staging_.append(frame->bytes.bytes().text());
      } else {
        close_run();
        parts_.push_back(asio::buffer(frame->bytes.data, frame->bytes.len));
      }
      in_flight_.push_back(std::move(frame));
      queue_.pop_front();
    }
    close_run();
  }

  tcp::socket& socket_;
  Metrics& metrics_;
  std::deque<FramePtr> queue_;
  std::vector<FramePtr> in_flight_;
  std::vector<asio::const_buffer> parts_;
  std::string staging_;
  size_t queued_ = 0;
  bool writing_ = false, broken_ = false;
  Task beast_waits_;
};

class FramedSocket {
 public:
  using executor_type = tcp::socket::executor_type;
  using next_layer_type = tcp::socket;

  FramedSocket(tcp::socket&& socket, Metrics& metrics)
      : socket_(std::move(socket)), outbox_(socket_, metrics) {}

  executor_type get_executor() { return socket_.get_executor(); }
  tcp::socket& next_layer() { return socket_; }
  const tcp::socket& next_layer() const { return socket_; }
  Outbox& outbox() { return outbox_; }
  const Outbox& outbox() const { return outbox_; }
  // Called when something was queued from inside Beast.
  void on_queued(std::function<void()> call) { queued_ = std::move(call); }

  template <class Buffers, class Handler>
  auto async_read_some(const Buffers& buffers, Handler&& handler) {
    return socket_.async_read_some(buffers, std::forward<Handler>(handler));
  }

  template <class Buffers, class Handler>
  auto async_write_some(const Buffers& buffers, Handler&& handler) {
    return asio::async_initiate<Handler, void(error_code, size_t)>(
        [this](auto completion, const Buffers& data) {
          auto frame = std::make_shared<Frame>();
          Writer out(frame->bytes);
          for (auto at = asio::buffer_sequence_begin(data); at != asio::buffer_sequence_end(data);
               ++at) {
            asio::const_buffer part(*at);
            out.raw(part.data(), part.size());
          }
          size_t size = frame->size();
          auto executor = get_executor();
          outbox_.push_from_beast(
              std::move(frame),
              Task([executor, size, completion = std::move(completion)]() mutable {
                asio::post(executor, beast::bind_front_handler(std::move(completion),
                                                               error_code{}, size));
              }));
          if (queued_) queued_();
        },
        handler, buffers);
  }

  // The connection itself closes the socket, after its queue has left: nothing to tear down here.
  template <class Handler>
  friend void async_teardown(beast::role_type, FramedSocket& self, Handler&& handler) {
    asio::post(self.get_executor(),
               beast::bind_front_handler(std::forward<Handler>(handler), error_code{}));
  }
  friend void teardown(beast::role_type, FramedSocket&, error_code& error) { error = {}; }

 private:
  tcp::socket socket_;
  Outbox outbox_;
  std::function<void()> queued_;
};

}  // namespace synckit::net
