// One WebSocket connection: Beast reads, the Outbox writes, a Session speaks the protocol.
// Included by server.cpp alone. Threads: one loop.
#pragma once

#include <boost/asio/dispatch.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/websocket/stream.hpp>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "framed_socket.hpp"
#include "peer.hpp"
#include "sync/hub.hpp"

namespace synckit::net {

namespace http = beast::http;
namespace websocket = beast::websocket;
using UpgradeRequest = http::request<http::empty_body>;

class WsConnection final : public Peer,
                           public Connection,
                           public std::enable_shared_from_this<WsConnection> {
 public:
  WsConnection(Hub& hub, size_t loop, Peers& peers, tcp::socket&& socket, std::string peer,
               std::shared_ptr<void> place)
      : hub_(hub), loop_(loop), peers_(peers), peer_(std::move(peer)), place_(std::move(place)),
        ws_(std::move(socket), hub.metrics) {
    hub_.metrics.connections.add();
  }
  ~WsConnection() override { hub_.metrics.connections.sub(); }

  void run(UpgradeRequest request) {
    hub_.metrics.connections_total.add();
    peers_.insert(shared_from_this());
    deadline_ms_ = steady_ms() + hub_.config.timeouts.handshake_ms;
    ws_.set_option(websocket::stream_base::timeout{websocket::stream_base::none(),
                                                   websocket::stream_base::none(), false});
    ws_.read_message_max(hub_.config.limits.frame_bytes);
    ws_.auto_fragment(false);
    ws_.next_layer().on_queued([this] { schedule_flush(); });
    auto kept = std::make_shared<UpgradeRequest>(std::move(request));
    ws_.async_accept(*kept, [self = shared_from_this(), kept](const error_code& error) {
      if (error) return self->end();
      self->deadline_ms_ = 0;
      self->session_ = std::make_shared<Session>(self->hub_, self->loop_, self.get(), self->peer_);
      if (self->stopping_) self->session_->going_away();
      self->read();
    });
  }

  // Connection
  void send(FramePtr frame) override {
    outbox().push(std::move(frame));
    schedule_flush();
  }
  size_t queued_bytes() const override { return ws_.next_layer().outbox().queued(); }
  void pause(bool paused) override {
    bool resumed = paused_ && !paused;
    paused_ = paused;
    if (resumed && !reading_ && !ended_) {
      // Not from inside the session's own call: reading calls it again.
      asio::post(ws_.get_executor(), [self = shared_from_this()] { self->read(); });
    }
  }
  void close(Close code, std::string_view reason, bool now) override {
    if (closing_ || ended_) return;
    closing_ = true;
    if (now) outbox().drop_waiting();
    auto frame = std::make_shared<Frame>();
    Writer out(frame->bytes);
    out.byte(0x88);
    out.byte(static_cast<uint8_t>(reason.size() + 2));
    out.byte(static_cast<uint8_t>(static_cast<uint16_t>(code) >> 8));
    out.byte(static_cast<uint8_t>(code));
    out.raw(Bytes(reason));
    outbox().push(std::move(frame));
    begin_closing();
  }

  // Peer
  void tick(int64_t now_ms) override {
    if (deadline_ms_ && now_ms > deadline_ms_) return end();
    if (session_) session_->tick(now_ms);
  }
  void stop_reading() override {
    stopping_ = true;
    if (session_) session_->going_away();
  }
  void going_away() override {
    if (!session_) return end();
    session_->finish(Close::going_away, "the host is stopping");
  }
  void abandon() override { end(); }

 private:
  Outbox& outbox() { return ws_.next_layer().outbox(); }

  void begin_closing() {
    deadline_ms_ = steady_ms() + hub_.config.timeouts.close_ms;
    schedule_flush();
    // Reads on and ignores what comes: a close with unread bytes would reset the connection and
    // take from the peer what it has not read yet.
    paused_ = false;
    if (!reading_) asio::post(ws_.get_executor(), [self = shared_from_this()] { self->read(); });
  }

  void read() {
    if (reading_ || paused_ || ended_) return;
    reading_ = true;
    ws_.async_read(buffer_, [self = shared_from_this()](const error_code& error, size_t) {
      self->reading_ = false;
      self->on_read(error);
    });
  }

  void on_read(const error_code& error) {
    if (ended_) return;
    if (error) return on_read_error(error);
    if (!closing_ && session_) {
      if (ws_.got_text()) {
        session_->on_text();
      } else {
        auto data = buffer_.cdata();
        session_->on_frame(Bytes(static_cast<const uint8_t*>(data.data()), data.size()));
      }
    }
    buffer_.consume(buffer_.size());
    if (buffer_.capacity() > kKeepReadBuffer) buffer_.shrink_to_fit();
    read();
  }

  // Gone, or closing by the peer's wish: Beast has queued the close frame that answers it.
  void on_read_error(const error_code& error) {
    if (error == beast::error::timeout) return end();
    log::debug("connection ends", {{"peer", peer_}, {"reason", error.message()}});
    gone_ = true;
    closing_ = true;
    if (session_) session_->on_closed();
    if (outbox().idle() || outbox().broken()) return end();
    deadline_ms_ = steady_ms() + hub_.config.timeouts.close_ms;
    schedule_flush();
  }

  // All that is queued while one handler runs leaves in one write.
  void schedule_flush() {
    if (flush_scheduled_ || ended_) return;
    flush_scheduled_ = true;
    asio::post(ws_.get_executor(), [self = shared_from_this()] {
      self->flush_scheduled_ = false;
      self->flush();
    });
  }

  void flush() {
    if (ended_) return;
    outbox().flush([self = shared_from_this()](bool ok) {
      if (self->ended_) return;
      if (!ok) return self->end();
      if (self->session_) self->session_->on_written();
      if (!self->outbox().idle()) return self->flush();
      if (self->gone_) return self->end();
      if (self->closing_) {
        error_code ignored;
        self->socket().shutdown(tcp::socket::shutdown_send, ignored);
      }
    });
  }

  tcp::socket& socket() { return ws_.next_layer().next_layer(); }

  void end() {
    if (ended_) return;
    ended_ = true;
    auto self = shared_from_this();
    peers_.erase(self);
    if (session_) session_->on_closed();
    outbox().fail();
    error_code ignored;
    socket().close(ignored);
  }

  static constexpr size_t kKeepReadBuffer = 4096;

  Hub& hub_;
  const size_t loop_;
  Peers& peers_;
  const std::string peer_;
  std::shared_ptr<void> place_;  // counts towards limits.max_connections while it lives
  websocket::stream<FramedSocket, false> ws_;
  beast::flat_buffer buffer_;
  SessionPtr session_;
  int64_t deadline_ms_ = 0;
  bool reading_ = false, paused_ = false, closing_ = false, gone_ = false, ended_ = false;
  bool flush_scheduled_ = false, stopping_ = false;
};

}  // namespace synckit::net
