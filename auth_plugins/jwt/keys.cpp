// See keys.hpp.
#include "keys.hpp"

#include "base64url.hpp"
#include "strict_json.hpp"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <cstdio>

namespace synckit::jwt {
namespace {

template <auto Function>
struct FreeWith {
  template <class T>
  void operator()(T* object) const {
    Function(object);
  }
};
using Bio = std::unique_ptr<BIO, FreeWith<BIO_free>>;
using Number = std::unique_ptr<BIGNUM, FreeWith<BN_clear_free>>;
using Digest = std::unique_ptr<EVP_MD_CTX, FreeWith<EVP_MD_CTX_free>>;
using PkeyContext = std::unique_ptr<EVP_PKEY_CTX, FreeWith<EVP_PKEY_CTX_free>>;
using ParamsBuilder = std::unique_ptr<OSSL_PARAM_BLD, FreeWith<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, FreeWith<OSSL_PARAM_free>>;
using Signature = std::unique_ptr<ECDSA_SIG, FreeWith<ECDSA_SIG_free>>;

constexpr size_t kHalfBytes = 32;       // one coordinate, or one half of a signature, of P-256
constexpr size_t kEd25519Bytes = 32;    // a key
constexpr size_t kSignatureBytes = 64;  // of ES256 and EdDSA

const unsigned char* raw(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

Outcome bad_key(const std::string& what) { return {SK_MALFORMED, what}; }

const EVP_MD* digest_of(Algorithm algorithm) {
  return algorithm == Algorithm::kEdDsa ? nullptr : EVP_sha256();  // Ed25519 hashes by itself
}

bool hmac_sha256(std::string_view key, std::string_view input, std::string& mac) {
  mac.assign(32, '\0');
  size_t len = 0;
  return EVP_Q_mac(nullptr, "HMAC", nullptr, "SHA256", nullptr, key.data(), key.size(), raw(input),
                   input.size(), reinterpret_cast<unsigned char*>(mac.data()), mac.size(),
                   &len) != nullptr &&
         len == mac.size();
}

// JWS has r and s side by side (RFC 7518, section 3.4), OpenSSL wants DER.
bool der_from_pair(std::string_view pair, std::string& der) {
  if (pair.size() != kSignatureBytes) return false;
  Signature signature(ECDSA_SIG_new());
  Number r(BN_bin2bn(raw(pair), kHalfBytes, nullptr));
  Number s(BN_bin2bn(raw(pair) + kHalfBytes, kHalfBytes, nullptr));
  if (!signature || !r || !s || ECDSA_SIG_set0(signature.get(), r.get(), s.get()) != 1) {
    return false;
  }
  (void)r.release();
  (void)s.release();
  unsigned char* out = nullptr;
  int len = i2d_ECDSA_SIG(signature.get(), &out);
  if (len <= 0) return false;
  der.assign(reinterpret_cast<char*>(out), static_cast<size_t>(len));
  OPENSSL_free(out);
  return true;
}

bool pair_from_der(std::string_view der, std::string& pair) {
  const unsigned char* at = raw(der);
  Signature signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  pair.assign(kSignatureBytes, '\0');
  auto out = reinterpret_cast<unsigned char*>(pair.data());
  return signature &&
         BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), out, kHalfBytes) == int{kHalfBytes} &&
         BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), out + kHalfBytes, kHalfBytes) ==
             int{kHalfBytes};
}

// An encrypted PEM must not make the host ask for a password on a terminal.
int no_password(char*, int, int, void*) { return -1; }

std::string member(const boost::json::object& jwk, std::string_view name) {
  const boost::json::string* text = string_member(jwk, name);
  return text ? std::string(view(*text)) : std::string();
}

// A base64url member; false when it is absent or not base64url.
bool bytes_member(const boost::json::object& jwk, std::string_view name, std::string& bytes) {
  const boost::json::string* text = string_member(jwk, name);
  return text && !text->empty() && from_base64url(view(*text), bytes);
}

EVP_PKEY* build(const char* type, OSSL_PARAM_BLD* builder, Half half) {
  Params params(OSSL_PARAM_BLD_to_param(builder));
  PkeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  int selection = half == Half::kPrivate ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY;
  if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, selection, params.get()) != 1) {
    return nullptr;
  }
  return key;
}

EVP_PKEY* rsa_from_jwk(const boost::json::object& jwk, Half half) {
  struct Part {
    const char* name;
    const char* param;
    bool secret;
  };
  static constexpr Part kParts[] = {
      {"n", OSSL_PKEY_PARAM_RSA_N, false},         {"e", OSSL_PKEY_PARAM_RSA_E, false},
      {"d", OSSL_PKEY_PARAM_RSA_D, true},          {"p", OSSL_PKEY_PARAM_RSA_FACTOR1, true},
      {"q", OSSL_PKEY_PARAM_RSA_FACTOR2, true},    {"dp", OSSL_PKEY_PARAM_RSA_EXPONENT1, true},
      {"dq", OSSL_PKEY_PARAM_RSA_EXPONENT2, true}, {"qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1, true}};
  ParamsBuilder builder(OSSL_PARAM_BLD_new());
  Number numbers[std::size(kParts)];  // the builder borrows them
  for (size_t i = 0; i < std::size(kParts); ++i) {
    if (kParts[i].secret && half == Half::kPublic) continue;
    std::string bytes;
    if (!bytes_member(jwk, kParts[i].name, bytes) || bytes.size() > kMaxRsaBits / 8) return nullptr;
    numbers[i].reset(BN_bin2bn(raw(bytes), static_cast<int>(bytes.size()), nullptr));
    OPENSSL_cleanse(bytes.data(), bytes.size());
    if (!builder || !numbers[i] ||
        OSSL_PARAM_BLD_push_BN(builder.get(), kParts[i].param, numbers[i].get()) != 1) {
      return nullptr;
    }
  }
  return build("RSA", builder.get(), half);
}

EVP_PKEY* ec_from_jwk(const boost::json::object& jwk, Half half) {
  std::string x, y, d;
  if (member(jwk, "crv") != "P-256" || !bytes_member(jwk, "x", x) || !bytes_member(jwk, "y", y) ||
      x.size() != kHalfBytes || y.size() != kHalfBytes) {
    return nullptr;
  }
  std::string point = '\x04' + x + y;
  ParamsBuilder builder(OSSL_PARAM_BLD_new());
  Number number;
  if (!builder ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1",
                                      0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                       point.size()) != 1) {
    return nullptr;
  }
  if (half == Half::kPrivate) {
    if (!bytes_member(jwk, "d", d) || d.size() != kHalfBytes) return nullptr;
    number.reset(BN_bin2bn(raw(d), kHalfBytes, nullptr));
    OPENSSL_cleanse(d.data(), d.size());
    if (!number ||
        OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_PRIV_KEY, number.get()) != 1) {
      return nullptr;
    }
  }
  return build("EC", builder.get(), half);
}

EVP_PKEY* ed25519_from_jwk(const boost::json::object& jwk, Half half) {
  std::string bytes;
  if (member(jwk, "crv") != "Ed25519" ||
      !bytes_member(jwk, half == Half::kPrivate ? "d" : "x", bytes) ||
      bytes.size() != kEd25519Bytes) {
    return nullptr;
  }
  EVP_PKEY* key =
      half == Half::kPrivate
          ? EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, raw(bytes), bytes.size())
          : EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, raw(bytes), bytes.size());
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return key;
}

}  // namespace

std::string_view algorithm_name(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::kHs256: return "HS256";
    case Algorithm::kRs256: return "RS256";
    case Algorithm::kEs256: return "ES256";
    case Algorithm::kEdDsa: break;
  }
  return "EdDSA";
}

bool algorithm_from_name(std::string_view name, Algorithm& algorithm) {
  for (Algorithm each : {Algorithm::kHs256, Algorithm::kRs256, Algorithm::kEs256,
                         Algorithm::kEdDsa}) {
    if (algorithm_name(each) == name) return algorithm = each, true;
  }
  return false;
}

Key::~Key() { OPENSSL_cleanse(secret_.data(), secret_.size()); }

Outcome Key::from_secret(std::string secret) {
  if (secret.size() < kMinSecretBytes) {
    return bad_key("the secret of HS256 has " + std::to_string(secret.size()) +
                   " bytes; it needs at least 32, e.g. from `openssl rand -base64 48`");
  }
  if (secret.starts_with("-----BEGIN")) {
    return bad_key("the secret of HS256 looks like a PEM key, which others may know; use a random "
                   "secret, or the key's own algorithm");
  }
  secret_ = std::move(secret);
  algorithm = Algorithm::kHs256;
  half_ = Half::kPrivate;
  pkey_.reset();
  return {};
}

Outcome Key::from_pem(Algorithm wanted, std::string_view pem, Half half) {
  if (wanted == Algorithm::kHs256) return bad_key("HS256 takes a secret, not a PEM key");
  bool is_private = pem.find("PRIVATE KEY-----") != std::string_view::npos;
  if (half == Half::kPublic && is_private) {
    return bad_key("this is a private key; give its public half (`openssl pkey -pubout`) and keep "
                   "the private one where tokens are made");
  }
  Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  EVP_PKEY* key = nullptr;
  if (bio && half == Half::kPublic) {
    key = PEM_read_bio_PUBKEY(bio.get(), nullptr, no_password, nullptr);
  } else if (bio) {
    key = PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr);
  }
  return take(key, wanted, half);
}

Outcome Key::from_jwk(const boost::json::object& jwk, Half half) {
  std::string kty = member(jwk, "kty"), alg = member(jwk, "alg");
  const boost::json::value* use = jwk.if_contains("use");
  if (use && member(jwk, "use") != "sig") {
    return {SK_UNSUPPORTED, "the key's \"use\" is not \"sig\", so it is not for tokens"};
  }
  Algorithm wanted;
  EVP_PKEY* key = nullptr;
  std::string secret;
  if (kty == "oct") {
    wanted = Algorithm::kHs256;
    if (!bytes_member(jwk, "k", secret)) return bad_key("the key's \"k\" is not base64url");
  } else if (kty == "RSA") {
    wanted = Algorithm::kRs256;
    key = rsa_from_jwk(jwk, half);
  } else if (kty == "EC") {
    wanted = Algorithm::kEs256;
    key = ec_from_jwk(jwk, half);
  } else if (kty == "OKP") {
    wanted = Algorithm::kEdDsa;
    key = ed25519_from_jwk(jwk, half);
  } else {
    return {SK_UNSUPPORTED, "the key's \"kty\" is not one of oct, RSA, EC, OKP"};
  }
  if (jwk.contains("alg") && alg != algorithm_name(wanted)) {
    EVP_PKEY_free(key);
    return {SK_UNSUPPORTED, "the key's \"alg\" is not " + std::string(algorithm_name(wanted)) +
                                ", the one that its type is used with here"};
  }
  if (kty == "oct") {
    SK_TRY_OUTCOME(from_secret(std::move(secret)));
  } else {
    SK_TRY_OUTCOME(take(key, wanted, half));
  }
  kid = member(jwk, "kid");
  return {};
}

// Owns `key` from here, whatever comes out.
Outcome Key::take(EVP_PKEY* key, Algorithm wanted, Half half) {
  std::unique_ptr<EVP_PKEY, Free> owned(key);
  std::string name(algorithm_name(wanted));
  if (!key) {
    return bad_key(half == Half::kPublic
                       ? "this is not a public key for " + name + " that OpenSSL can read (PEM: "
                         "BEGIN PUBLIC KEY)"
                       : "this is not a private key for " + name + " that OpenSSL can read (PEM: "
                         "BEGIN PRIVATE KEY, not encrypted)");
  }
  char group[32] = "";
  size_t len = 0;
  switch (wanted) {
    case Algorithm::kRs256:
      if (!EVP_PKEY_is_a(key, "RSA")) return bad_key("RS256 needs an RSA key");
      if (EVP_PKEY_get_bits(key) < kMinRsaBits || EVP_PKEY_get_bits(key) > kMaxRsaBits) {
        return bad_key("the RSA key has " + std::to_string(EVP_PKEY_get_bits(key)) +
                       " bits; RS256 needs 2048 to 8192");
      }
      break;
    case Algorithm::kEs256: {
      PkeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
      if (!EVP_PKEY_is_a(key, "EC") ||
          EVP_PKEY_get_group_name(key, group, sizeof group, &len) != 1 ||
          std::string_view(group) != "prime256v1" || !context ||
          EVP_PKEY_public_check(context.get()) != 1) {
        return bad_key("ES256 needs a key on the curve P-256");
      }
      break;
    }
    case Algorithm::kEdDsa:
      if (!EVP_PKEY_is_a(key, "ED25519")) return bad_key("EdDSA needs an Ed25519 key");
      break;
    case Algorithm::kHs256: return bad_key("HS256 takes a secret");
  }
  pkey_ = std::move(owned);
  algorithm = wanted;
  half_ = half;
  return {};
}

bool Key::verify(std::string_view input, std::string_view signature) const {
  if (algorithm == Algorithm::kHs256) {
    std::string mac;
    return hmac_sha256(secret_, input, mac) && signature.size() == mac.size() &&
           CRYPTO_memcmp(mac.data(), signature.data(), mac.size()) == 0;
  }
  std::string der;
  if (algorithm == Algorithm::kEs256) {
    if (!der_from_pair(signature, der)) return false;
    signature = der;
  }
  Digest context(EVP_MD_CTX_new());
  return context &&
         EVP_DigestVerifyInit(context.get(), nullptr, digest_of(algorithm), nullptr,
                              pkey_.get()) == 1 &&
         EVP_DigestVerify(context.get(), raw(signature), signature.size(), raw(input),
                          input.size()) == 1;
}

Outcome Key::sign(std::string_view input, std::string& signature) const {
  const Outcome failed{SK_INTERNAL, "OpenSSL could not sign with this key"};
  if (half_ != Half::kPrivate) {
    return {SK_MALFORMED, "signing needs the private half of the key"};
  }
  if (algorithm == Algorithm::kHs256) {
    return hmac_sha256(secret_, input, signature) ? Outcome() : failed;
  }
  Digest context(EVP_MD_CTX_new());
  size_t len = 0;
  std::string made;
  if (!context ||
      EVP_DigestSignInit(context.get(), nullptr, digest_of(algorithm), nullptr, pkey_.get()) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &len, raw(input), input.size()) != 1) {
    return failed;
  }
  made.resize(len);
  if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(made.data()), &len,
                     raw(input), input.size()) != 1) {
    return failed;
  }
  made.resize(len);
  if (algorithm == Algorithm::kEs256) return pair_from_der(made, signature) ? Outcome() : failed;
  signature = std::move(made);
  return {};
}

Outcome read_key_file(const std::string& path, std::string& bytes) {
  std::unique_ptr<FILE, FreeWith<fclose>> file(fopen(path.c_str(), "rb"));
  std::string shown = "'" + shortened(path, 100) + "'";
  if (!file) return {SK_UNAVAILABLE, "cannot open the key file " + shown};
  bytes.assign(kMaxKeyFileBytes + 1, '\0');
  bytes.resize(fread(bytes.data(), 1, bytes.size(), file.get()));
  if (ferror(file.get())) return {SK_UNAVAILABLE, "cannot read the key file " + shown};
  if (bytes.size() > kMaxKeyFileBytes) {
    return {SK_LIMIT, "the key file " + shown + " is larger than 256 KiB"};
  }
  return {};
}

}  // namespace synckit::jwt
