#include "loop.hpp"

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/clock.hpp"

namespace synckit {
namespace asio = boost::asio;

struct Loop::Impl {
  asio::io_context context{1};
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work;
  asio::steady_timer timer{context};
  std::function<void(int64_t)> tick;
  int64_t tick_ms = 100;

  std::mutex mutex;
  std::vector<Task> queue;
  bool scheduled = false, closed = false;
  std::atomic<std::thread::id> id{};
  std::thread thread;

  void arm() {
    timer.expires_after(std::chrono::milliseconds(tick_ms));
    timer.async_wait([this](const boost::system::error_code& error) {
      if (error) return;
      tick(steady_ms());
      arm();
    });
  }

  void drain() {
    std::vector<Task> tasks;
    {
      std::lock_guard lock(mutex);
      tasks.swap(queue);
      scheduled = false;
    }
    for (Task& task : tasks) {
      task();
      task = Task();
    }
  }
};

Loop::Loop() : impl_(std::make_unique<Impl>()) {}

Loop::~Loop() { stop(); }

void Loop::start(std::function<void(int64_t)> tick, int64_t tick_ms) {
  impl_->tick = std::move(tick);
  impl_->tick_ms = tick_ms;
  impl_->work.emplace(impl_->context.get_executor());
  impl_->arm();
  impl_->thread = std::thread([this] {
    impl_->id = std::this_thread::get_id();
    impl_->context.run();
  });
}

void Loop::stop() {
  if (!impl_->thread.joinable()) return;
  asio::post(impl_->context, [this] {
    impl_->drain();
    impl_->timer.cancel();
    impl_->work.reset();
    impl_->context.stop();
  });
  impl_->thread.join();
  std::vector<Task> rest;  // tasks own sessions and documents: they go while we still exist
  {
    std::lock_guard lock(impl_->mutex);
    impl_->closed = true;
    rest.swap(impl_->queue);
  }
}

void Loop::post(Task task) {
  {
    std::lock_guard lock(impl_->mutex);
    if (impl_->closed) return;
    impl_->queue.push_back(std::move(task));
    if (impl_->scheduled) return;
    impl_->scheduled = true;
  }
  asio::post(impl_->context, [this] { impl_->drain(); });
}

bool Loop::here() const { return impl_->id.load() == std::this_thread::get_id(); }

asio::io_context& Loop::context() { return impl_->context; }

}  // namespace synckit
