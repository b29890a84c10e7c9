// From a payload whose signature matched to a principal (RFC 7519, section 4).
//
// Threads: pure functions; Rules are immutable after open.
#pragma once

#include "permissions.hpp"

#include <synckit/auth.hpp>

#include <vector>

namespace synckit::jwt {

// What this server expects of a token; empty strings expect nothing.
struct Rules {
  std::string issuer, audience;
  std::vector<std::string> required_claims;
  int64_t leeway_s = 30;
};

// Fills the principal and the permission table, or says (safely) why not.
Outcome check_claims(std::string_view payload, const Rules& rules, int64_t now_ms,
                     Principal& principal, Writer& table);

}  // namespace synckit::jwt
