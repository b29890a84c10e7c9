// Who may do what: the authentication plugin behind C++ types.
//
// Threads: authenticate is [worker]; level and epoch are [io].
#pragma once

#include <synckit/abi.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace synckit {

// An authenticated credential. Immutable: a renewed credential is a new Principal.
struct Principal {
  std::string id;
  std::string claims;     // the plugin's, opaque
  int64_t expiry_ms = 0;  // Unix milliseconds; 0: never
};
using PrincipalPtr = std::shared_ptr<const Principal>;

class Authority {
 public:
  static Result<std::unique_ptr<Authority>> open(const sk_auth_v1* table,
                                                 const std::string& config);
  ~Authority();
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;

  Result<PrincipalPtr> authenticate(std::string_view credential) const;
  // SK_LEVEL_... on the document as a whole, and on one field of it.
  int32_t level(const Principal& principal, std::string_view document) const;
  int32_t level(const Principal& principal, std::string_view document,
                std::string_view field) const;
  uint64_t epoch() const { return table_->epoch(auth_); }
  bool anonymous() const { return (table_->flags & SK_AUTH_ANONYMOUS) != 0; }

 private:
  Authority(const sk_auth_v1* table, void* auth) : table_(table), auth_(auth) {}
  const sk_auth_v1* table_;
  void* auth_;
};

}  // namespace synckit
