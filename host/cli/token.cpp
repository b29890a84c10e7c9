// token: signs a JWT from a key file. For development; the auth plugin itself never signs.
#include <cstdio>
#include <string>

#include "base/clock.hpp"
#include "base/json.hpp"
#include "cli.hpp"
#include "sign.hpp"

namespace synckit::cli {
namespace {

int fail(int code, const std::string& text) {
  std::fprintf(stderr, "synckit: %s\n", text.c_str());
  return code;
}

std::string claims_of(const Token& options) {
  int64_t now_s = wall_ms() / 1000;
  std::string out = "{\"sub\":" + json_quoted(options.subject) +
                    ",\"iat\":" + std::to_string(now_s) +
                    ",\"exp\":" + std::to_string(now_s + options.lifetime_s);
  if (!options.issuer.empty()) out += ",\"iss\":" + json_quoted(options.issuer);
  if (!options.audience.empty()) out += ",\"aud\":" + json_quoted(options.audience);
  return out + ",\"permissions\":" + options.permissions + "}";
}

}  // namespace

int token(const Token& options) {
  std::string bytes;
  if (auto read = jwt::read_key_file(options.key_file, bytes); !read.ok()) {
    return fail(kNoInput, read.text);
  }
  jwt::Key key;
  jwt::Algorithm algorithm{};
  jwt::algorithm_from_name(options.algorithm, algorithm);
  bool secret = algorithm == jwt::Algorithm::kHs256;
  if (secret && bytes.ends_with("\n")) {  // the plugin reads secret files alike
    bytes.pop_back();
    if (bytes.ends_with("\r")) bytes.pop_back();
  }
  auto loaded = secret ? key.from_secret(bytes)
                       : key.from_pem(algorithm, bytes, jwt::Half::kPrivate);
  if (!loaded.ok()) return fail(kData, options.key_file + ": " + loaded.text);
  key.kid = options.kid;
  std::string token;
  if (auto made = jwt::sign_jwt(claims_of(options), key, token); !made.ok()) {
    return fail(kData, "--permissions or another claim: " + made.text);
  }
  std::printf("%s\n", token.c_str());
  return kOk;
}

}  // namespace synckit::cli
