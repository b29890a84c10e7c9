// Credentials for the jwt plugin. First byte even: the rest is the token as it came. Odd: the rest
// is the payload of a token with a good signature, so that the claims' reader is reached too.
#include <sign.hpp>

#include "fuzz.hpp"

using namespace synckit;
using fuzz::require;

extern "C" const sk_plugin* synckit_plugin_v1_jwt(void);

namespace {

constexpr char kSecret[] = "a secret of the fuzzer, and of nobody else.";
constexpr int64_t kNow = 1767225600000;

const sk_auth_v1* plugin() {
  return static_cast<const sk_auth_v1*>(
      synckit_plugin_v1_jwt()->get_interface(SK_IFACE_AUTH, 0));
}

void* opened() {
  std::string config = R"({"keys":[{"alg":"HS256","secret":")" + std::string(kSecret) + "\"}]}";
  sk_error error{};
  error.size = sizeof error;
  void* auth = nullptr;
  sk_status status = plugin()->open(config.data(), config.size(), &auth, &error);
  require(status == SK_OK, error.text);
  return auth;
}

std::string signed_token(std::string_view payload) {
  jwt::Key key;
  require(key.from_secret(kSecret).ok(), "the fuzzer's secret is refused");
  std::string token;
  bool made = jwt::sign_compact(R"({"alg":"HS256","typ":"JWT"})", payload, key, token).ok();
  return made ? token : "";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static void* auth = opened();
  if (size == 0) return 0;
  std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::string token = data[0] & 1 ? signed_token(text) : text;
  sk_principal who{};
  who.size = sizeof who;
  sk_error error{};
  error.size = sizeof error;
  Buffer claims;
  sk_status status = plugin()->authenticate(auth, reinterpret_cast<const uint8_t*>(token.data()),
                                            token.size(), kNow, &who, &claims, &error);
  if (status != SK_OK) {
    require(error.text[0] != '\0', "a refusal without a sentence");
    require(!std::strstr(error.text, kSecret), "a refusal tells the secret");
    return 0;
  }
  // Whoever gets in has a token that this secret signed.
  size_t second = token.find('.', token.find('.') + 1);
  require(second != std::string::npos, "a token without three parts is accepted");
  require(std::memchr(who.id, 0, sizeof who.id) != nullptr, "the principal does not end");
  for (const char* doc : {"d", "notes/a", "notes/", "*", ""}) {
    int32_t level = plugin()->authorize(auth, claims.data, claims.len, doc, std::strlen(doc),
                                        nullptr, 0);
    require(level >= SK_LEVEL_NONE && level <= SK_LEVEL_ADMIN, "no such level");
  }
  return 0;
}
