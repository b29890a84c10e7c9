// Keys of the four algorithms: loading, signing, verifying.
//
// Invariants: a key has exactly one algorithm, fixed when it is loaded, whatever a token says
// (RFC 8725, section 3.1); weak keys are not loaded. All cryptography is OpenSSL's EVP interface.
//
// Threads: a loaded key is immutable; verify and sign may run at once.
#pragma once

#include <synckit/outcome.hpp>

#include <boost/json.hpp>
#include <openssl/evp.h>

#include <memory>
#include <string>
#include <string_view>

namespace synckit::jwt {

inline constexpr size_t kMinSecretBytes = 32;  // RFC 7518, section 3.2
inline constexpr int kMinRsaBits = 2048;       // RFC 7518, section 3.3
inline constexpr int kMaxRsaBits = 8192;       // so that one token costs little to check
inline constexpr size_t kMaxKeyFileBytes = 256 << 10;

enum class Algorithm { kHs256, kRs256, kEs256, kEdDsa };

// "HS256", "RS256", "ES256", "EdDSA".
std::string_view algorithm_name(Algorithm algorithm);
bool algorithm_from_name(std::string_view name, Algorithm& algorithm);

enum class Half { kPublic, kPrivate };

class Key {
 public:
  std::string kid;  // empty: the key has no name
  Algorithm algorithm = Algorithm::kHs256;

  ~Key();
  Key() = default;
  Key(Key&&) = default;
  Key& operator=(Key&&) = default;

  // Each replaces this key on success. Errors never contain key material.
  Outcome from_secret(std::string secret);
  // PKCS#8 or SubjectPublicKeyInfo in PEM ("BEGIN PRIVATE KEY", "BEGIN PUBLIC KEY").
  Outcome from_pem(Algorithm wanted, std::string_view pem, Half half);
  // RFC 7517. `alg` may be left out: kty and crv leave one choice. Takes kid too.
  Outcome from_jwk(const boost::json::object& jwk, Half half);

  bool verify(std::string_view input, std::string_view signature) const;
  // Needs a secret or a private half.
  Outcome sign(std::string_view input, std::string& signature) const;

 private:
  struct Free {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  };
  Outcome take(EVP_PKEY* key, Algorithm wanted, Half half);

  std::string secret_;
  std::unique_ptr<EVP_PKEY, Free> pkey_;
  Half half_ = Half::kPublic;
};

// The bytes of a small file.
Outcome read_key_file(const std::string& path, std::string& bytes);

}  // namespace synckit::jwt
