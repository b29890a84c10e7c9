// The plugin's options: keys and rules. README.md describes them.
#pragma once

#include "claims.hpp"
#include "token.hpp"

namespace synckit::jwt {

inline constexpr int64_t kMaxLeewaySeconds = 300;

// Errors name the option and never contain key material.
Outcome read_options(std::string_view config, KeySet& keys, Rules& rules);

}  // namespace synckit::jwt
