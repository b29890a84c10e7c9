#include "transport.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/websocket.hpp>

#include <deque>
#include <thread>

namespace synckit {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;
using tcp = asio::ip::tcp;
using boost::system::error_code;

constexpr uint64_t kMaxMessageBytes = 64u << 20;

struct Url {
  std::string host, port, path;
};

// False for anything but ws://host[:port][/path].
bool parse(const std::string& text, Url& out) {
  const std::string scheme = "ws://";
  if (text.compare(0, scheme.size(), scheme) != 0) return false;
  size_t slash = text.find('/', scheme.size());
  std::string authority = text.substr(scheme.size(), slash - scheme.size());
  out.path = slash == std::string::npos ? "/sync" : text.substr(slash);
  size_t colon = authority.rfind(':');
  if (!authority.empty() && authority[0] == '[') {  // an IPv6 address
    size_t bracket = authority.find(']');
    if (bracket == std::string::npos) return false;
    out.host = authority.substr(1, bracket - 1);
    out.port = bracket + 1 < authority.size() ? authority.substr(bracket + 2) : "80";
  } else {
    out.host = authority.substr(0, colon);
    out.port = colon == std::string::npos ? "80" : authority.substr(colon + 1);
  }
  return !out.host.empty() && !out.port.empty();
}

// One connection; kept alive by its pending operations.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(asio::io_context& io, const TransportHandlers& handlers)
      : handlers_(handlers), resolver_(io), stream_(io) {}

  void open(const Url& url) {
    url_ = url;
    resolver_.async_resolve(url.host, url.port, [self = shared_from_this()](auto error, auto list) {
      if (error) return self->end(error.message());
      self->dial(list);
    });
  }

  void send(Bytes message) {
    if (!open_) return;
    queue_.emplace_back(message.str());
    if (queue_.size() == 1) write();
  }

  void close() {
    resolver_.cancel();
    error_code ignored;
    beast::get_lowest_layer(stream_).socket().close(ignored);
    end("closed by this side");
  }

 private:
  void dial(const tcp::resolver::results_type& list) {
    auto& lowest = beast::get_lowest_layer(stream_);
    lowest.expires_after(std::chrono::seconds(10));
    lowest.async_connect(list, [self = shared_from_this()](auto error, auto) {
      if (error) return self->end(error.message());
      beast::get_lowest_layer(self->stream_).expires_never();
      error_code ignored;
      beast::get_lowest_layer(self->stream_).socket().set_option(tcp::no_delay(true), ignored);
      self->shake();
    });
  }

  void shake() {
    stream_.set_option(websocket::stream_base::timeout{std::chrono::seconds(10),
                                                       websocket::stream_base::none(), false});
    stream_.read_message_max(kMaxMessageBytes);
    stream_.binary(true);
    stream_.async_handshake(url_.host + ":" + url_.port, url_.path,
                            [self = shared_from_this()](auto error) {
                              if (error) return self->end(error.message());
                              if (self->ended_) return;
                              self->open_ = true;
                              self->handlers_.opened();
                              self->read();
                            });
  }

  void read() {
    stream_.async_read(buffer_, [self = shared_from_this()](auto error, size_t) {
      if (error) return self->end(error.message());
      if (self->ended_) return;
      auto data = self->buffer_.cdata();
      self->handlers_.message(Bytes(static_cast<const uint8_t*>(data.data()), data.size()));
      self->buffer_.consume(self->buffer_.size());
      if (!self->ended_) self->read();
    });
  }

  void write() {
    stream_.async_write(asio::buffer(queue_.front()),
                        [self = shared_from_this()](auto error, size_t) {
                          if (error) return self->end(error.message());
                          self->queue_.pop_front();
                          if (!self->queue_.empty()) self->write();
                        });
  }

  void end(const std::string& why) {
    if (ended_) return;
    ended_ = true;
    open_ = false;
    error_code ignored;
    beast::get_lowest_layer(stream_).socket().close(ignored);
    handlers_.closed(why);
  }

  const TransportHandlers& handlers_;
  tcp::resolver resolver_;
  websocket::stream<beast::tcp_stream> stream_;
  beast::flat_buffer buffer_;
  std::deque<std::string> queue_;  // bounded by the engine's window
  Url url_;
  bool open_ = false, ended_ = false;
};

}  // namespace

struct Transport::Loop {
  explicit Loop(TransportHandlers h) : handlers(std::move(h)) {
    thread = std::thread([this] { io.run(); });
  }
  TransportHandlers handlers;
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  asio::steady_timer timer{io};
  std::shared_ptr<Connection> connection;
  std::thread thread;
};

Transport::Transport(TransportHandlers handlers)
    : loop_(std::make_unique<Loop>(std::move(handlers))) {}

Transport::~Transport() { stop(); }

void Transport::post(std::function<void()> task) { asio::post(loop_->io, std::move(task)); }

void Transport::at(uint64_t delay_ms, std::function<void()> task) {
  loop_->timer.expires_after(std::chrono::milliseconds(delay_ms));
  loop_->timer.async_wait([task = std::move(task)](error_code error) {
    if (!error) task();
  });
}

void Transport::connect(const std::string& url) {
  close();
  Url parsed;
  if (!parse(url, parsed)) {
    loop_->handlers.closed("the url is not ws://host:port/path: " + url);
    return;
  }
  loop_->connection = std::make_shared<Connection>(loop_->io, loop_->handlers);
  loop_->connection->open(parsed);
}

void Transport::send(Bytes message) {
  if (loop_->connection) loop_->connection->send(message);
}

void Transport::close() {
  if (!loop_->connection) return;
  std::shared_ptr<Connection> old = std::move(loop_->connection);
  loop_->connection.reset();
  old->close();
}

void Transport::stop() {
  if (!loop_->thread.joinable()) return;
  asio::post(loop_->io, [this] {
    close();
    loop_->io.stop();  // whoever heard of the close may have asked for a new connection
  });
  loop_->thread.join();
}

}  // namespace synckit
