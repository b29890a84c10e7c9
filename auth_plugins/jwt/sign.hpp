// Making tokens: for `synckit token` and for tests. The plugin itself never signs.
//
//   synckit::jwt::Key key;
//   key.from_secret(secret);  key.kid = "2024";
//   std::string token;
//   synckit::jwt::sign_jwt(R"({"sub":"ann","exp":1700000000})", key, token);
//
// Threads: pure functions.
#pragma once

#include "keys.hpp"

namespace synckit::jwt {

// `claims` must be one JSON object without repeated names; the header gets alg, typ and, when the
// key has one, kid.
Outcome sign_jwt(std::string_view claims, const Key& key, std::string& token);

// header and payload as they are (RFC 7515, section 7.1).
Outcome sign_compact(std::string_view header, std::string_view payload, const Key& key,
                     std::string& token);

}  // namespace synckit::jwt
