// The plugin's options: what is refused, how it is said, and every way to give a key.
#include "gate.hpp"

#include <base64url.hpp>

#include <openssl/evp.h>
#include <openssl/pem.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace synckit::auth_test {
namespace {

using jwt::Algorithm;

class Options : public testing::Test {
 protected:
  Options() : gate_(synckit_plugin_v1_jwt) {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "synckit-auth-XXXXXX").string();
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  ~Options() override { std::filesystem::remove_all(folder_); }

  void refused(const std::string& config, sk_status status, const std::string& part) {
    std::string text;
    EXPECT_EQ(gate_.open(config, &text), status) << config << "\n" << text;
    EXPECT_NE(text.find(part), std::string::npos) << text;
    EXPECT_EQ(text.find(kSecret), std::string::npos);
  }
  void accepted(const std::string& config, Algorithm algorithm, const std::string& kid = "") {
    std::string text;
    ASSERT_EQ(gate_.open(config, &text), SK_OK) << text;
    Answer answer = gate_.ask(signed_token(claims_text(), algorithm, kid));
    EXPECT_EQ(answer.status, SK_OK) << answer.text;
  }
  std::string file(const std::string& name, const std::string& bytes) {
    std::ofstream(folder_ + "/" + name, std::ios::binary) << bytes;
    return json_string(folder_ + "/" + name);
  }
  static std::string one_key(const std::string& members) {
    return R"({"keys": [{)" + members + "}]}";
  }

  Gate gate_;
  std::string folder_;
};

TEST_F(Options, unknown_ones_are_refused_by_name) {
  refused(R"({"isuer": "x"})", SK_UNSUPPORTED,
          "unknown option 'isuer'; did you mean 'issuer'? Known: keys, jwks_file, issuer, "
          "audience, leeway_s, required_claims");
  refused(one_key(R"("alg": "HS256", "secrets": "x")"), SK_UNSUPPORTED,
          "unknown option 'keys[0].secrets'; did you mean 'secret'?");
  refused(one_key(R"("alg": "RS256", "secret": "x")"), SK_UNSUPPORTED, "'keys[0].secret'");
}

TEST_F(Options, there_must_be_a_key) {
  refused("", SK_MALFORMED, "there is no key");
  refused("{}", SK_MALFORMED, "there is no key");
  refused(R"({"keys": []})", SK_MALFORMED, "there is no key");
  refused(R"({"keys": {}})", SK_MALFORMED, "option 'keys' must be a list of objects");
  refused(R"({"keys": [1]})", SK_MALFORMED, "option 'keys[0]' must be an object");
}

TEST_F(Options, values_are_checked) {
  auto more = [](const std::string& text) {
    return config_for(Algorithm::kHs256, "", ", " + text);
  };
  refused(more(R"("leeway_s": 301)"), SK_MALFORMED, "a whole number from 0 to 300");
  refused(more(R"("leeway_s": -1)"), SK_MALFORMED, "a whole number from 0 to 300");
  refused(more(R"("issuer": "")"), SK_MALFORMED, "'issuer' must be not empty");
  refused(more(R"("audience": ["x"])"), SK_MALFORMED, "'audience' must be a string");
  refused(more(R"("required_claims": "jti")"), SK_MALFORMED, "a list of strings");
}

TEST_F(Options, algorithms_are_named) {
  for (const char* alg : {"none", "HS512", "", "rs256"}) {
    refused(one_key(R"("alg": ")" + std::string(alg) + R"(", "secret": "x")"), SK_MALFORMED,
            "option 'keys[0].alg' must be one of HS256, RS256, ES256, EdDSA");
  }
  refused(one_key(R"("secret": "x")"), SK_MALFORMED, "option 'keys[0].alg'");
}

TEST_F(Options, weak_secrets_are_refused) {
  refused(one_key(R"("alg": "HS256", "secret": ")" + std::string(31, 'x') + "\""), SK_MALFORMED,
          "has 31 bytes; it needs at least 32");
  refused(one_key(R"("alg": "HS256", "secret": )" +
                  json_string(pair_of(Algorithm::kRs256).public_pem)),
          SK_MALFORMED, "looks like a PEM key");
  refused(one_key(R"("alg": "HS256")"), SK_MALFORMED, "give either 'secret' or 'secret_file'");
  refused(one_key(R"("alg": "HS256", "secret": ")" + kSecret + R"(", "secret_file": "x")"),
          SK_MALFORMED, "give either 'secret' or 'secret_file'");
}

TEST_F(Options, weak_or_wrong_public_keys_are_refused) {
  auto pem_of = [](EVP_PKEY* key) {
    BIO* bio = BIO_new(BIO_s_mem());
    EXPECT_EQ(PEM_write_bio_PUBKEY(bio, key), 1);
    char* data = nullptr;
    long len = BIO_get_mem_data(bio, &data);
    std::string pem(data, static_cast<size_t>(len));
    BIO_free(bio);
    EVP_PKEY_free(key);
    return json_string(pem);
  };
  auto key = [&](const char* alg, const std::string& pem) {
    return one_key(R"("alg": ")" + std::string(alg) + R"(", "public_key": )" + pem);
  };
  refused(key("RS256", pem_of(EVP_RSA_gen(1024))), SK_MALFORMED, "has 1024 bits");
  refused(key("ES256", pem_of(EVP_EC_gen("P-384"))), SK_MALFORMED, "the curve P-256");
  refused(key("RS256", pem_of(EVP_EC_gen("P-256"))), SK_MALFORMED, "RS256 needs an RSA key");
  refused(key("ES256", json_string(pair_of(Algorithm::kEdDsa).public_pem)), SK_MALFORMED, "P-256");
  refused(key("EdDSA", json_string(pair_of(Algorithm::kEs256).public_pem)), SK_MALFORMED,
          "Ed25519");
  refused(key("EdDSA", json_string(pair_of(Algorithm::kEdDsa).private_pem)), SK_MALFORMED,
          "this is a private key; give its public half");
  refused(key("RS256", "\"-----BEGIN PUBLIC KEY-----\\nAAAA\\n-----END PUBLIC KEY-----\""),
          SK_MALFORMED, "not a public key for RS256");
}

TEST_F(Options, keys_come_from_files) {
  accepted(one_key(R"("alg": "HS256", "secret_file": )" + file("secret", kSecret + "\r\n")),
           Algorithm::kHs256);
  for (Algorithm algorithm : {Algorithm::kRs256, Algorithm::kEs256, Algorithm::kEdDsa}) {
    std::string name(jwt::algorithm_name(algorithm));
    accepted(one_key(R"("alg": ")" + name + R"(", "public_key_file": )" +
                     file(name, pair_of(algorithm).public_pem)),
             algorithm);
  }
  refused(one_key(R"("alg": "HS256", "secret_file": "/no/such/file")"), SK_UNAVAILABLE,
          "cannot open the key file '/no/such/file'");
  refused(one_key(R"("alg": "HS256", "secret_file": )" + file("big", std::string(300'000, 'x'))),
          SK_LIMIT, "larger than 256 KiB");
}

TEST_F(Options, kids_are_names_of_one_key_each) {
  std::string key = R"({"kid": "a", "alg": "HS256", "secret": ")" + kSecret + "\"}";
  refused(R"({"keys": [)" + key + "," + key + "]}", SK_MALFORMED, "two keys have the kid 'a'");
  std::string many = R"({"keys": [)";
  for (int i = 0; i < 65; ++i) {
    many += std::string(i ? "," : "") + R"({"kid": ")" + std::to_string(i) +
            R"(", "alg": "HS256", "secret": ")" + kSecret + "\"}";
  }
  refused(many + "]}", SK_LIMIT, "more than 64 keys");
}

TEST_F(Options, a_key_may_be_a_jwk) {
  std::string oct = R"({"kty": "oct", "kid": "j", "k": ")" + jwt::base64url(kSecret) + "\"}";
  accepted(one_key(R"("jwk": )" + oct), Algorithm::kHs256, "j");
  accepted(one_key(R"("kid": "other", "alg": "HS256", "jwk": )" + oct), Algorithm::kHs256, "other");
  refused(one_key(R"("alg": "ES256", "jwk": )" + oct), SK_MALFORMED, "must be HS256 for this key");
  refused(one_key(R"("jwk": 1)"), SK_MALFORMED, "an object (RFC 7517)");
  refused(one_key(R"("secret": "x", "jwk": )" + oct), SK_UNSUPPORTED, "'keys[0].secret'");
  refused(one_key(R"("jwk": {"kty": "oct", "k": "c2hvcnQ"})"), SK_MALFORMED, "has 5 bytes");
  refused(one_key(R"("jwk": {"kty": "oct", "k": "==="})"), SK_MALFORMED, "not base64url");
  refused(one_key(R"("jwk": {"kty": "oct", "use": "enc", "k": "AAAA"})"), SK_UNSUPPORTED, "use");
  refused(one_key(R"("jwk": {"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"})"),
          SK_MALFORMED, "not a public key for ES256");
  std::string ones = jwt::base64url(std::string(32, '\1'));
  refused(one_key(R"("jwk": {"kty": "EC", "crv": "P-256", "x": ")" + ones + R"(", "y": ")" +
                  ones + "\"}"),
          SK_MALFORMED, "ES256");  // a point that is not on the curve
  refused(one_key(R"("jwk": {"kty": "RSA", "alg": "PS256", "n": "AAAA", "e": "AQAB"})"),
          SK_UNSUPPORTED, "\"alg\" is not RS256");
}

TEST_F(Options, a_key_set_is_read_and_other_keys_passed_over) {
  std::string ours = R"({"kty": "oct", "kid": "j", "k": ")" + jwt::base64url(kSecret) + "\"}";
  std::string others = R"({"kty": "RSA", "use": "enc", "n": "AAAA", "e": "AQAB"},
                          {"kty": "RSA", "alg": "RS512", "n": "AAAA", "e": "AQAB"},
                          {"kty": "AKP", "pub": "AAAA"})";
  accepted(R"({"jwks_file": )" + file("set", R"({"keys": [)" + others + "," + ours + "]}") + "}",
           Algorithm::kHs256, "j");
  refused(R"({"jwks_file": )" + file("none", R"({"keys": [)" + others + "]}") + "}", SK_MALFORMED,
          "no key for HS256");
  refused(R"({"jwks_file": )" + file("bad", R"({"keys": [{"kty": "oct", "k": "AAAA"}]})") + "}",
          SK_MALFORMED, "keys[0]: ");
  refused(R"({"jwks_file": )" + file("text", "hello") + "}", SK_MALFORMED, "not valid JSON");
  refused(R"({"jwks_file": )" + file("list", "{}") + "}", SK_MALFORMED, "no list \"keys\"");
  refused(R"({"jwks_file": ")" + folder_ + R"(/absent"})", SK_UNAVAILABLE, "cannot open");
}

}  // namespace
}  // namespace synckit::auth_test
