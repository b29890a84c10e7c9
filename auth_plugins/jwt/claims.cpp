// See claims.hpp.
#include "claims.hpp"

#include "strict_json.hpp"

#include <cmath>

namespace synckit::jwt {
namespace {

namespace json = boost::json;

constexpr int64_t kMaxSeconds = 253402300799;  // the end of the year 9999
constexpr size_t kMaxShownBytes = 40;

Outcome denied(std::string text) { return {SK_DENIED, std::move(text)}; }

// A duration as people say it, rounded down.
std::string spoken(int64_t ms) {
  struct Unit {
    int64_t seconds;
    const char* name;
  };
  int64_t seconds = ms / 1000;
  for (const Unit& unit : {Unit{86400, "day"}, Unit{3600, "hour"}, Unit{60, "minute"}}) {
    int64_t n = seconds / unit.seconds;
    if (n >= 1) return std::to_string(n) + " " + unit.name + (n == 1 ? "" : "s");
  }
  return std::to_string(seconds) + (seconds == 1 ? " second" : " seconds");
}

// NumericDate: seconds since 1970, whole or not.
bool time_claim(const json::value& value, int64_t& ms) {
  if (const int64_t* whole = value.if_int64()) {
    ms = *whole * (*whole >= 0 && *whole <= kMaxSeconds ? 1000 : 0);
    return *whole >= 0 && *whole <= kMaxSeconds;
  }
  const double* part = value.if_double();
  if (!part || !(*part >= 0 && *part <= static_cast<double>(kMaxSeconds))) return false;
  ms = static_cast<int64_t>(std::floor(*part * 1000));
  return true;
}

Outcome check_time(const json::object& claims, const Rules& rules, int64_t now_ms,
                   Principal& principal) {
  const json::value* exp = claims.if_contains("exp");
  int64_t ms = 0, leeway_ms = rules.leeway_s * 1000;
  if (!exp) return denied("the token has no expiry (exp); get one that has");
  if (!time_claim(*exp, ms)) return denied("the token's expiry (exp) is not a time in seconds");
  if (now_ms >= ms + leeway_ms) {
    return denied("the token expired " + spoken(now_ms - ms) + " ago; get a new one");
  }
  principal.expiry_ms = ms + leeway_ms;
  if (const json::value* nbf = claims.if_contains("nbf")) {
    if (!time_claim(*nbf, ms)) return denied("the token's start (nbf) is not a time in seconds");
    if (now_ms < ms - leeway_ms) {
      return denied("the token is not valid yet; it will be in " + spoken(ms - now_ms) +
                    " (or a clock is wrong)");
    }
  }
  if (const json::value* iat = claims.if_contains("iat")) {
    if (!time_claim(*iat, ms)) {
      return denied("the token's issue time (iat) is not a time in seconds");
    }
  }
  return {};
}

Outcome check_audience(const json::object& claims, const Rules& rules) {
  const json::value* aud = claims.if_contains("aud");
  if (!aud && rules.audience.empty()) return {};
  if (!aud) return denied("the token has no audience (aud); get one for this server");
  bool ours = false;
  auto matches = [&](const json::value& one) {
    const json::string* text = one.if_string();
    if (text && !rules.audience.empty() && view(*text) == rules.audience) ours = true;
    return text != nullptr;
  };
  if (const json::array* several = aud->if_array()) {
    for (const json::value& one : *several) {
      if (!matches(one)) return denied("the token's audience (aud) is not a list of strings");
    }
  } else if (!matches(*aud)) {
    return denied("the token's audience (aud) is not a string or a list of strings");
  }
  if (ours) return {};
  // RFC 7519, section 4.1.3: a token for somebody is not for a server that has no name.
  return denied("the token is for another audience (aud); get one for this server");
}

Outcome check_subject(const json::object& claims, Principal& principal) {
  const json::string* sub = string_member(claims, "sub");
  if (!sub || sub->empty()) return denied("the token does not say who it is for (sub)");
  if (sub->size() > kMaxPrincipalBytes) return denied("the token's sub is longer than 127 bytes");
  for (char c : *sub) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      return denied("the token's sub has control characters in it");
    }
  }
  principal.id = view(*sub);
  return {};
}

Outcome read_permissions(const json::object& claims, std::vector<Grant>& grants) {
  const json::value* value = claims.if_contains("permissions");
  if (!value) return {};
  if (!value->is_object()) {
    return denied("the token's permissions are not an object of document: level");
  }
  for (const auto& member : value->get_object()) {
    Grant grant{std::string(member.key().data(), member.key().size()), SK_LEVEL_NONE};
    const json::string* level = member.value().if_string();
    if (!level || !level_from_name(view(*level), grant.level)) {
      return denied("the token's permission for '" + shortened(grant.pattern, kMaxShownBytes) +
                    "' is not one of none, read, write, admin (or read-only, read-write)");
    }
    grants.push_back(std::move(grant));
  }
  return {};
}

}  // namespace

Outcome check_claims(std::string_view payload, const Rules& rules, int64_t now_ms,
                     Principal& principal, Writer& table) {
  json::object claims;
  std::string why;
  if (!parse_object(payload, claims, why)) return denied("the token's payload " + why);
  SK_TRY_OUTCOME(check_time(claims, rules, now_ms, principal));
  if (!rules.issuer.empty()) {
    const json::string* iss = string_member(claims, "iss");
    if (!iss || view(*iss) != rules.issuer) {
      return denied("the token is not from the issuer (iss) that this server trusts");
    }
  }
  SK_TRY_OUTCOME(check_audience(claims, rules));
  SK_TRY_OUTCOME(check_subject(claims, principal));
  for (const std::string& name : rules.required_claims) {
    if (!claims.contains(name)) {
      return denied("the token lacks the claim '" + shortened(name, kMaxShownBytes) +
                    "' that this server asks for");
    }
  }
  std::vector<Grant> grants;
  SK_TRY_OUTCOME(read_permissions(claims, grants));
  return write_permissions(grants, table);
}

}  // namespace synckit::jwt
