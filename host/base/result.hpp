// Result<T>: a value, or a code of abi.h with one sentence that says what was wrong, where, and
// what to do. Used wherever the host can fail; exceptions stay inside start-up libraries.
#pragma once

#include <synckit/abi.h>

#include <optional>
#include <string>
#include <utility>

namespace synckit {

struct Failure {
  sk_status code = SK_INTERNAL;
  std::string text;
};

struct Done {};

// Result<>: for what only succeeds or fails; `return Done{};`.
template <class T = Done>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}                // NOLINT: that is the point
  Result(Failure failure) : failure_(std::move(failure)) {}    // NOLINT
  bool ok() const { return value_.has_value(); }
  explicit operator bool() const { return ok(); }
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }
  const Failure& failure() const { return failure_; }

 private:
  std::optional<T> value_;
  Failure failure_;
};

// The word for a code in logs, metrics and messages.
inline const char* code_name(sk_status code) {
  static const char* const kNames[] = {"ok",          "malformed", "missing_deps", "limit",
                                       "conflict",    "unavailable", "denied",     "unsupported",
                                       "nomem",       "internal"};
  return code >= 0 && code <= SK_INTERNAL ? kNames[code] : "unknown";
}

}  // namespace synckit
