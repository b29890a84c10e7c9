// An auth plugin as the tests see it (the pure ABI behind plain C++ values), and the keys that the
// tests sign with. Threads: none.
#pragma once

#include <sign.hpp>

#include <synckit/outcome.hpp>

#include <gtest/gtest.h>

#include <string>

extern "C" const sk_plugin* synckit_plugin_v1_jwt(void);
extern "C" const sk_plugin* synckit_plugin_v1_none(void);

namespace synckit::auth_test {

inline constexpr int64_t kNow = 1'700'000'000;  // seconds
inline constexpr int64_t kNowMs = kNow * 1000;
inline const std::string kSecret = "0123456789abcdef0123456789abcdef-hmac";

struct Answer {
  sk_status status = SK_OK;
  std::string text;  // of the error
  std::string id;
  int64_t expiry_ms = 0;
  std::string claims;
};

class Gate {
 public:
  explicit Gate(sk_plugin_fn entry)
      : api_(static_cast<const sk_auth_v1*>(entry()->get_interface(SK_IFACE_AUTH, 0))) {}
  ~Gate() { close(); }
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  sk_status open(const std::string& config, std::string* text = nullptr) {
    close();
    sk_error error{};
    error.size = sizeof error;
    sk_status status = api_->open(config.data(), config.size(), &auth_, &error);
    if (status != SK_OK) auth_ = nullptr;
    if (text) *text = error.text;
    return status;
  }
  void close() {
    if (auth_) api_->close(auth_);
    auth_ = nullptr;
  }

  Answer ask(std::string_view credential, int64_t now_ms = kNowMs) {
    sk_error error{};
    error.size = sizeof error;
    sk_principal principal{};
    principal.size = sizeof principal;
    Buffer claims;
    Bytes bytes(credential);
    Answer answer;
    answer.status = api_->authenticate(auth_, bytes.data, bytes.len, now_ms, &principal, &claims,
                                       &error);
    answer.text = error.text;
    answer.id = principal.id;
    answer.expiry_ms = principal.expiry_ms;
    answer.claims = claims.str();
    if (answer.status != SK_OK) {
      EXPECT_EQ(error.code, answer.status);
      EXPECT_NE(answer.text, "");
      EXPECT_EQ(answer.text.find(kSecret), std::string::npos);
    }
    return answer;
  }
  int32_t level(const Answer& answer, std::string_view doc) {
    Bytes claims(answer.claims);
    int32_t whole =
        api_->authorize(auth_, claims.data, claims.len, doc.data(), doc.size(), nullptr, 0);
    EXPECT_EQ(whole, api_->authorize(auth_, claims.data, claims.len, doc.data(), doc.size(),
                                     "field", 5));
    return whole;
  }

  const sk_auth_v1* api() const { return api_; }
  void* raw() const { return auth_; }

 private:
  const sk_auth_v1* api_;
  void* auth_ = nullptr;
};

// A fresh key pair of an asymmetric algorithm, made by OpenSSL once a run.
struct Pair {
  std::string private_pem, public_pem;
};
const Pair& pair_of(jwt::Algorithm algorithm);

// A key that signs: the shared secret, or the private half of pair_of().
jwt::Key signer(jwt::Algorithm algorithm, const std::string& kid = "");

// The text as a JSON string.
std::string json_string(const std::string& text);

// {"keys": [one key]} that checks what signer(algorithm, kid) made, and `more` options.
std::string config_for(jwt::Algorithm algorithm, const std::string& kid = "",
                       const std::string& more = "");

std::string signed_token(const std::string& claims,
                         jwt::Algorithm algorithm = jwt::Algorithm::kHs256,
                         const std::string& kid = "");

// {"sub":"ann","exp":<in an hour>, ...}
std::string claims_text(const std::string& more = "");

uint64_t test_seed();

inline const jwt::Algorithm kAlgorithms[] = {jwt::Algorithm::kHs256, jwt::Algorithm::kRs256,
                                             jwt::Algorithm::kEs256, jwt::Algorithm::kEdDsa};

}  // namespace synckit::auth_test
