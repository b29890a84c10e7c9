// The `jwt` auth plugin: JSON Web Tokens (RFC 7519) signed with HS256, RS256, ES256 or EdDSA.
//
// Why: who somebody is and what they may do is decided by the operator's own login service, which
// signs it; the host needs a key and no database.
//
// The way of a credential: token.hpp (form, key, signature) -> claims.hpp (time, issuer, audience,
// who) -> permissions.hpp (the table that authorize reads). README.md is the operator's page.
//
// Threads: keys and rules are immutable after open, so epoch() is constant; a changed key file is
// read at the next start.
#include "options.hpp"

namespace synckit::jwt {
namespace {

class Jwt : public Auth<Jwt> {
 public:
  static constexpr AuthInfo kInfo{"jwt", 0};

  static Outcome open(std::string_view config, std::unique_ptr<Jwt>& auth) {
    auto opened = std::make_unique<Jwt>();
    SK_TRY_OUTCOME(read_options(config, opened->keys_, opened->rules_));
    auth = std::move(opened);
    return {};
  }

  Outcome authenticate(Bytes credential, int64_t now_ms, Principal& principal, Writer& claims) {
    std::string payload;
    SK_TRY_OUTCOME(open_token(credential.text(), keys_, payload));
    return check_claims(payload, rules_, now_ms, principal, claims);
  }

  int32_t authorize(Bytes claims, std::string_view doc, std::string_view) const noexcept {
    return level_of(claims, doc);
  }

 private:
  KeySet keys_;
  Rules rules_;
};

}  // namespace
}  // namespace synckit::jwt

SYNCKIT_AUTH_PLUGIN(synckit::jwt::Jwt, "synckit.jwt", "1.0.0")
