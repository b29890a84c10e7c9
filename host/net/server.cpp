// The one translation unit that compiles Beast.
#include "server.hpp"

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <future>

#include "http_connection.hpp"

namespace synckit {

using net::tcp;
using net::error_code;

struct Server::Impl : std::enable_shared_from_this<Server::Impl> {
  Hub& hub;
  std::vector<std::unique_ptr<Loop>>& loops;
  std::vector<net::Peers> peers;  // by loop
  std::vector<std::shared_ptr<tcp::acceptor>> acceptors;
  std::atomic<size_t> next{0}, open{0};

  Impl(Hub& h, std::vector<std::unique_ptr<Loop>>& l) : hub(h), loops(l), peers(l.size()) {}

  struct Place {
    std::shared_ptr<Impl> impl;
    explicit Place(std::shared_ptr<Impl> i) : impl(std::move(i)) { ++impl->open; }
    ~Place() { --impl->open; }
  };

  void accept(std::shared_ptr<tcp::acceptor> acceptor,
              std::shared_ptr<const net::Listener> listener) {
    size_t loop = next++ % loops.size();
    acceptor->async_accept(
        loops[loop]->context(),
        [self = shared_from_this(), acceptor, listener, loop](const error_code& error,
                                                              tcp::socket socket) {
          if (error == boost::asio::error::operation_aborted || !acceptor->is_open()) return;
          if (error) {
            // Out of descriptors, most likely: a pause, so that the loop does not spin.
            log::warn("accept failed", {{"reason", error.message()}});
            auto timer = std::make_shared<boost::asio::steady_timer>(
                acceptor->get_executor(), std::chrono::milliseconds(100));
            timer->async_wait([self, acceptor, listener, timer](const error_code& stopped) {
              if (!stopped && acceptor->is_open()) self->accept(acceptor, listener);
            });
            return;
          }
          self->admit(std::move(socket), listener, loop);
          self->accept(acceptor, listener);
        });
  }

  void admit(tcp::socket socket, const std::shared_ptr<const net::Listener>& listener,
             size_t loop) {
    if (open >= hub.config.limits.connections) {
      hub.metrics.connections_refused.add();
      error_code ignored;
      static const std::string kBusy =
          "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
      socket.non_blocking(true, ignored);
      socket.write_some(boost::asio::buffer(kBusy), ignored);
      return;
    }
    auto connection = std::make_shared<net::HttpConnection>(
        hub, loop, peers[loop], std::move(socket), listener,
        std::make_shared<Place>(shared_from_this()));
    loops[loop]->post([connection] { connection->run(); });
  }

  // Runs `call` for every connection, on the loops, and waits for it.
  template <class Call>
  void everywhere(Call call) {
    std::vector<std::future<void>> done;
    for (size_t i = 0; i < loops.size(); ++i) {
      auto promise = std::make_shared<std::promise<void>>();
      done.push_back(promise->get_future());
      loops[i]->post([this, i, call, promise] {
        net::Peers all = peers[i];  // ending a connection takes it out of the set
        for (const auto& peer : all) call(*peer);
        promise->set_value();
      });
    }
    for (auto& future : done) future.wait();
  }
};

Server::Server(Hub& hub, std::vector<std::unique_ptr<Loop>>& loops)
    : impl_(std::make_shared<Impl>(hub, loops)) {}

// Acceptors and connections go while all loops still exist, whoever holds the rest of Impl.
Server::~Server() {
  impl_->acceptors.clear();
  for (auto& peers : impl_->peers) peers.clear();
}

Result<uint16_t> Server::listen(const std::string& address, uint16_t port, bool sync,
                                HttpHandler handler) {
  error_code error;
  auto ip = boost::asio::ip::make_address(address, error);
  if (error) return Failure{SK_UNSUPPORTED, "\"" + address + "\" is not an IP address"};
  auto acceptor = std::make_shared<tcp::acceptor>(impl_->loops[0]->context());
  tcp::endpoint endpoint(ip, port);
  acceptor->open(endpoint.protocol(), error);
  if (!error) acceptor->set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor->bind(endpoint, error);
  if (!error) acceptor->listen(boost::asio::socket_base::max_listen_connections, error);
  if (error) {
    return Failure{SK_UNAVAILABLE, "cannot listen on " + address + " port " +
                                       std::to_string(port) + ": " + error.message()};
  }
  uint16_t bound = acceptor->local_endpoint(error).port();
  auto listener = std::make_shared<net::Listener>();
  listener->sync = sync;
  listener->loopback = ip.is_loopback();
  listener->handler = std::move(handler);
  impl_->acceptors.push_back(acceptor);
  impl_->loops[0]->post([impl = impl_, acceptor, listener] { impl->accept(acceptor, listener); });
  return bound;
}

void Server::tick(size_t loop, int64_t now_ms) {
  net::Peers all = impl_->peers[loop];
  for (const auto& peer : all) peer->tick(now_ms);
}

void Server::stop_accepting() {
  std::promise<void> done;
  impl_->loops[0]->post([this, &done] {
    error_code ignored;
    for (const auto& acceptor : impl_->acceptors) acceptor->close(ignored);
    done.set_value();
  });
  done.get_future().wait();
}

void Server::stop_reading() {
  impl_->everywhere([](net::Peer& peer) { peer.stop_reading(); });
}
void Server::barrier() {
  impl_->everywhere([](net::Peer&) {});
}
void Server::close_all() {
  impl_->everywhere([](net::Peer& peer) { peer.going_away(); });
}
void Server::abandon() {
  impl_->everywhere([](net::Peer& peer) { peer.abandon(); });
}
size_t Server::open_connections() const { return impl_->open; }

bool loopback_address(const std::string& address) {
  error_code error;
  auto ip = boost::asio::ip::make_address(address, error);
  return !error && ip.is_loopback();
}

bool loopback_host(const std::string& host) {
  std::string name = host;
  if (name.starts_with("[")) {
    name = name.substr(1, name.find(']') - 1);
  } else {
    name = name.substr(0, name.find(':'));
  }
  return name == "localhost" || name.ends_with(".localhost") || loopback_address(name);
}

}  // namespace synckit
