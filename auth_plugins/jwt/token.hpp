// From the characters of a token to a payload whose signature was checked (JWS compact form, RFC
// 7515; the rules of RFC 8725 where they are stricter).
//
// Invariants: nothing of the payload is looked at before the signature matched. The key decides
// the algorithm; the token only names the key. Keys that a token brings along or points to (jwk,
// jku, x5c, x5u) are never used. Errors are SK_DENIED and safe to send.
//
// Threads: a KeySet is immutable once filled; open_token may run at once.
#pragma once

#include "keys.hpp"

#include <synckit/bytes.hpp>

#include <vector>

namespace synckit::jwt {

inline constexpr size_t kMaxTokenBytes = 16 << 10;
inline constexpr size_t kMaxKeys = 64;
inline constexpr size_t kMaxKidBytes = 256;

class KeySet {
 public:
  // SK_MALFORMED when a key of this kid is there, SK_LIMIT past kMaxKeys.
  Outcome add(Key key);
  bool empty() const { return keys_.empty(); }

  // The one key for a token with this header. A kid selects the key of that name, or else a key
  // without a name; what is left must be a single key of the token's algorithm.
  Outcome select(Algorithm algorithm, const std::string* kid, const Key*& key) const;

 private:
  std::vector<Key> keys_;
};

Outcome open_token(std::string_view token, const KeySet& keys, std::string& payload);

}  // namespace synckit::jwt
