// Task: a move-only callable. Executor: whoever runs tasks, one after the other, on its thread.
//
// Threads: post may be called from anywhere; here() tells whether this is the executor's thread.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace synckit {

class Task {
 public:
  Task() = default;
  template <class Call, class = std::enable_if_t<!std::is_same_v<std::decay_t<Call>, Task>>>
  Task(Call&& call)  // NOLINT: callables convert
      : body_(std::make_unique<Body<std::decay_t<Call>>>(std::forward<Call>(call))) {}
  void operator()() { body_->run(); }
  explicit operator bool() const { return body_ != nullptr; }

 private:
  struct Base {
    virtual ~Base() = default;
    virtual void run() = 0;
  };
  template <class Call>
  struct Body final : Base {
    template <class C>
    explicit Body(C&& c) : call(std::forward<C>(c)) {}
    void run() override { call(); }
    Call call;
  };
  std::unique_ptr<Base> body_;
};

class Executor {
 public:
  virtual ~Executor() = default;
  virtual void post(Task task) = 0;
  virtual bool here() const = 0;
};

}  // namespace synckit
