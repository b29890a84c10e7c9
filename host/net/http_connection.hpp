// One HTTP connection until it is upgraded or closed. Only GET and HEAD, no bodies.
// Included by server.cpp alone. Threads: one loop; replies come from anywhere.
#pragma once

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <optional>

#include "server.hpp"
#include "ws_connection.hpp"

namespace synckit::net {

struct Listener {
  bool sync = true, loopback = false;
  HttpHandler handler;
};

class HttpConnection final : public Peer, public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(Hub& hub, size_t loop, Peers& peers, tcp::socket&& socket,
                 std::shared_ptr<const Listener> listener, std::shared_ptr<void> place)
      : hub_(hub), loop_(loop), peers_(peers), socket_(std::move(socket)),
        listener_(std::move(listener)), place_(std::move(place)) {}

  void run() {
    peers_.insert(shared_from_this());
    error_code error;
    auto endpoint = socket_.remote_endpoint(error);
    if (!error) peer_ = endpoint.address().to_string() + ":" + std::to_string(endpoint.port());
    socket_.set_option(tcp::no_delay(true), error);
    read();
  }

  void tick(int64_t now_ms) override {
    if (now_ms > deadline_ms_) end();
  }
  void stop_reading() override { closing_ = true; }
  void going_away() override {
    closing_ = true;
    if (!busy_) end();
  }
  void abandon() override { end(); }

 private:
  void read() {
    parser_.emplace();
    parser_->header_limit(hub_.config.limits.http_header_bytes);
    parser_->body_limit(0);
    deadline_ms_ = steady_ms() + hub_.config.timeouts.handshake_ms;
    http::async_read_header(socket_, buffer_, *parser_,
                            [self = shared_from_this()](const error_code& error, size_t) {
                              self->on_header(error);
                            });
  }

  void on_header(const error_code& error) {
    if (ended_) return;
    if (error == http::error::header_limit) {
      return refuse(http::status::request_header_fields_too_large,
                    "the request header is larger than limits.max_http_header_bytes\n");
    }
    if (error == http::error::body_limit) {
      return refuse(http::status::payload_too_large, "requests have no body here\n");
    }
    if (error == http::error::end_of_stream || error == asio::error::eof) return end();
    if (error) {
      bool bad = error.category() == http::make_error_code(http::error::bad_method).category();
      return bad ? refuse(http::status::bad_request, "not an HTTP request\n") : end();
    }
    hub_.metrics.http_requests.add();
    const auto& request = parser_->get();
    if (parser_->chunked() || parser_->content_length().value_or(0) > 0) {
      return refuse(http::status::payload_too_large, "requests have no body here\n");
    }
    if (websocket::is_upgrade(request)) return upgrade();
    if (request.method() != http::verb::get && request.method() != http::verb::head) {
      return refuse(http::status::method_not_allowed, "only GET and HEAD\n");
    }
    serve();
  }

  std::string header(http::field name) const {
    auto value = parser_->get()[name];
    return std::string(value.data(), value.size());
  }

  void serve() {
    const auto& request = parser_->get();
    HttpRequest out;
    out.method = std::string(request.method_string());
    out.target = std::string(request.target());
    out.host = header(http::field::host);
    out.origin = header(http::field::origin);
    out.authorization = header(http::field::authorization);
    out.if_none_match = header(http::field::if_none_match);
    out.loopback_listener = listener_->loopback;
    busy_ = true;
    deadline_ms_ = steady_ms() + 4 * int64_t{hub_.config.timeouts.handshake_ms};
    Executor& executor = *hub_.shards[loop_]->executor;
    listener_->handler(out, [self = shared_from_this(), &executor](HttpResponse response) {
      executor.post([self, response = std::move(response)] { self->reply(response); });
    });
  }

  void reply(const HttpResponse& in) {
    if (ended_ || !parser_) return;
    const auto& request = parser_->get();
    auto out = std::make_shared<http::response<http::string_body>>(
        static_cast<http::status>(in.status), request.version());
    bool keep = request.keep_alive() && !closing_ && !close_after_;
    out->set(http::field::server, "synckit");
    out->set(http::field::content_type, in.content_type);
    out->set("X-Content-Type-Options", "nosniff");
    out->set("Referrer-Policy", "no-referrer");
    out->set("X-Frame-Options", "DENY");
    out->set("Cross-Origin-Resource-Policy", "same-origin");
    for (const auto& [name, value] : in.headers) out->set(name, value);
    out->keep_alive(keep);
    size_t size = in.body ? in.body->size() : 0;
    if (in.body && request.method() != http::verb::head) out->body() = *in.body;
    out->content_length(size);
    deadline_ms_ = steady_ms() + 4 * int64_t{hub_.config.timeouts.handshake_ms};
    auto done = [self = shared_from_this(), out, keep](const error_code& error, size_t) {
      self->busy_ = false;
      if (self->ended_) return;
      if (error || !keep || self->closing_) return self->linger();
      self->read();
    };
    if (request.method() == http::verb::head) {
      auto serializer = std::make_shared<http::response_serializer<http::string_body>>(*out);
      http::async_write_header(socket_, *serializer,
                               [serializer, done](const error_code& error, size_t n) {
                                 done(error, n);
                               });
    } else {
      http::async_write(socket_, *out, done);
    }
  }

  void refuse(http::status status, const char* text) {
    busy_ = true;
    close_after_ = true;
    HttpResponse response;
    response.status = static_cast<unsigned>(status);
    response.body = std::make_shared<std::string>(text);
    reply(response);
  }

  void upgrade() {
    std::string target(parser_->get().target());
    target = target.substr(0, target.find('?'));
    if (!listener_->sync || (target != "/sync" && target != "/")) {
      return refuse(http::status::not_found, "WebSockets are served at /sync\n");
    }
    if (closing_) return refuse(http::status::service_unavailable, "the host is stopping\n");
    std::string origin = header(http::field::origin);
    if (!origin_allowed(origin, header(http::field::host))) {
      log::warn("origin refused", {{"peer", peer_}, {"origin", origin}});
      return refuse(http::status::forbidden,
                    "this page's origin may not connect; add it to listen.allowed_origins\n");
    }
    auto connection =
        std::make_shared<WsConnection>(hub_, loop_, peers_, std::move(socket_), peer_, place_);
    auto request = parser_->release();
    ended_ = true;
    peers_.erase(shared_from_this());
    connection->run(std::move(request));
  }

  // On a loopback listener the Host must be a loopback name too: otherwise a web page whose name
  // was made to resolve to 127.0.0.1 (DNS rebinding) would pass as the host's own page.
  bool origin_allowed(const std::string& origin, const std::string& host) const {
    if (origin.empty()) return true;
    for (const std::string& allowed : hub_.config.listen.allowed_origins) {
      if (allowed == "*" || allowed == origin) return true;
    }
    size_t scheme = origin.find("://");
    if (scheme == std::string::npos) return false;
    std::string from = origin.substr(scheme + 3);
    if (listener_->loopback) return loopback_host(from) && loopback_host(host);
    return from == host;
  }

  // Tells the peer that nothing more comes, and waits for it to close, so that it can read the
  // answer before unread bytes of its own reset the connection.
  void linger() {
    error_code error;
    socket_.shutdown(tcp::socket::shutdown_send, error);
    if (error) return end();
    deadline_ms_ = steady_ms() + hub_.config.timeouts.close_ms;
    discard();
  }
  void discard() {
    buffer_.clear();
    socket_.async_read_some(buffer_.prepare(4096),
                            [self = shared_from_this()](const error_code& error, size_t) {
                              if (self->ended_) return;
                              error ? self->end() : self->discard();
                            });
  }

  void end() {
    if (ended_) return;
    ended_ = true;
    peers_.erase(shared_from_this());
    error_code ignored;
    socket_.close(ignored);
  }

  Hub& hub_;
  const size_t loop_;
  Peers& peers_;
  tcp::socket socket_;
  std::shared_ptr<const Listener> listener_;
  std::shared_ptr<void> place_;  // counts towards limits.max_connections while it lives
  std::string peer_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::empty_body>> parser_;
  int64_t deadline_ms_ = 0;
  bool busy_ = false, closing_ = false, close_after_ = false, ended_ = false;
};

}  // namespace synckit::net
