// See sign.hpp.
#include "sign.hpp"

#include "base64url.hpp"
#include "strict_json.hpp"

namespace synckit::jwt {

Outcome sign_compact(std::string_view header, std::string_view payload, const Key& key,
                     std::string& token) {
  std::string input = base64url(header) + "." + base64url(payload), signature;
  SK_TRY_OUTCOME(key.sign(input, signature));
  token = input + "." + base64url(signature);
  return {};
}

Outcome sign_jwt(std::string_view claims, const Key& key, std::string& token) {
  boost::json::object object;
  std::string why;
  if (!parse_object(claims, object, why)) return {SK_MALFORMED, "the claims text " + why};
  std::string_view alg = algorithm_name(key.algorithm);
  boost::json::object header = {{"alg", boost::json::string_view(alg.data(), alg.size())},
                                {"typ", "JWT"}};
  if (!key.kid.empty()) header["kid"] = key.kid;
  return sign_compact(boost::json::serialize(header), claims, key, token);
}

}  // namespace synckit::jwt
