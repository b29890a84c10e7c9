// See token.hpp.
#include "token.hpp"

#include "base64url.hpp"
#include "strict_json.hpp"

namespace synckit::jwt {
namespace {

constexpr size_t kMaxShownBytes = 40;

Outcome denied(std::string text) { return {SK_DENIED, std::move(text)}; }

// A word of a token nobody has vouched for, fit for a log line.
std::string shown(std::string_view text) {
  std::string out = shortened(text, kMaxShownBytes);
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return "'" + out + "'";
}

// "JWT", "at+jwt" (RFC 9068) or nothing: a signature made for another purpose is no token.
bool is_token_type(std::string_view typ) {
  std::string lower;
  for (char c : typ) lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  std::string_view rest = lower;
  if (rest.starts_with("application/")) rest.remove_prefix(12);
  return rest == "jwt" || rest == "at+jwt";
}

struct Header {
  Algorithm algorithm = Algorithm::kHs256;
  std::string kid;
  bool has_kid = false;
};

Outcome read_header(std::string_view text, Header& header) {
  boost::json::object object;
  std::string why;
  if (!parse_object(text, object, why)) return denied("the token's header " + why);
  if (object.contains("crit")) {
    return denied("the token asks for extensions (crit) that this server does not know");
  }
  const boost::json::string* alg = string_member(object, "alg");
  if (!alg) return denied("the token's header does not name an algorithm (alg)");
  if (!algorithm_from_name(view(*alg), header.algorithm)) {
    return denied("the token's algorithm " + shown(view(*alg)) +
                  " is not accepted; use HS256, RS256, ES256 or EdDSA");
  }
  const boost::json::string* typ = string_member(object, "typ");
  if (object.contains("typ") && !(typ && is_token_type(view(*typ)))) {
    return denied("the token's type (typ) is not JWT");
  }
  const boost::json::string* kid = string_member(object, "kid");
  header.has_kid = object.contains("kid");
  if (header.has_kid && !(kid && kid->size() <= kMaxKidBytes)) {
    return denied("the token's key name (kid) is not a string of at most 256 bytes");
  }
  if (kid) header.kid = view(*kid);
  return {};
}

}  // namespace

Outcome KeySet::add(Key key) {
  if (keys_.size() == kMaxKeys) return {SK_LIMIT, "there are more than 64 keys"};
  if (key.kid.size() > kMaxKidBytes) return {SK_LIMIT, "a kid has at most 256 bytes"};
  for (const Key& other : keys_) {
    if (!key.kid.empty() && other.kid == key.kid) {
      return {SK_MALFORMED, "two keys have the kid " + shown(key.kid) + "; each needs its own"};
    }
  }
  keys_.push_back(std::move(key));
  return {};
}

Outcome KeySet::select(Algorithm algorithm, const std::string* kid, const Key*& key) const {
  key = nullptr;
  bool named = false;
  if (kid && !kid->empty()) {
    for (const Key& candidate : keys_) {
      if (candidate.kid == *kid) key = &candidate, named = true;
    }
  }
  if (named) {
    if (key->algorithm == algorithm) return {};
    return denied("the token's algorithm is not the one of its key; get a new one");
  }
  size_t matches = 0;
  for (const Key& candidate : keys_) {
    if (candidate.algorithm != algorithm || (kid && !candidate.kid.empty())) continue;
    key = &candidate;
    ++matches;
  }
  if (matches == 1) return {};
  if (kid) return denied("the token was made with the key " + shown(*kid) +
                         ", which this server does not have; get a new one");
  if (matches == 0) {
    return denied("this server has no key for the token's algorithm, " +
                  std::string(algorithm_name(algorithm)));
  }
  return denied("the token does not name its key (kid), and this server has several for " +
                std::string(algorithm_name(algorithm)));
}

Outcome open_token(std::string_view token, const KeySet& keys, std::string& payload) {
  if (token.empty()) return denied("there is no token; send a JWT as the credential");
  if (token.size() > kMaxTokenBytes) return denied("the token is longer than 16 KiB");
  size_t first = token.find('.');
  size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos) {
    return denied("the credential is not a JWT: it has not three parts with dots between them");
  }
  std::string header_text, signature;
  if (!from_base64url(token.substr(0, first), header_text) ||
      !from_base64url(token.substr(second + 1), signature)) {
    return denied("the credential is not a JWT: a part of it is not base64url without padding");
  }
  Header header;
  SK_TRY_OUTCOME(read_header(header_text, header));
  const Key* key = nullptr;
  SK_TRY_OUTCOME(keys.select(header.algorithm, header.has_kid ? &header.kid : nullptr, key));
  if (!key->verify(token.substr(0, second), signature)) {
    return denied("the token's signature does not match; get a new one");
  }
  if (!from_base64url(token.substr(first + 1, second - first - 1), payload)) {
    return denied("the token's payload is not base64url without padding");
  }
  return {};
}

}  // namespace synckit::jwt
