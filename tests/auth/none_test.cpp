// The `none` plugin, and the helpers of gate.hpp.
#include "gate.hpp"

#include <boost/json.hpp>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <cstdlib>
#include <map>
#include <random>

namespace synckit::auth_test {

namespace {

std::string drain(BIO* bio) {
  char* data = nullptr;
  long len = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<size_t>(len));
  BIO_free(bio);
  return text;
}

Pair pems_of(EVP_PKEY* key) {
  Pair pair;
  BIO* secret = BIO_new(BIO_s_mem());
  EXPECT_EQ(PEM_write_bio_PrivateKey(secret, key, nullptr, nullptr, 0, nullptr, nullptr), 1);
  pair.private_pem = drain(secret);
  BIO* open = BIO_new(BIO_s_mem());
  EXPECT_EQ(PEM_write_bio_PUBKEY(open, key), 1);
  pair.public_pem = drain(open);
  EVP_PKEY_free(key);
  return pair;
}

}  // namespace

const Pair& pair_of(jwt::Algorithm algorithm) {
  static std::map<jwt::Algorithm, Pair> pairs;
  auto found = pairs.find(algorithm);
  if (found != pairs.end()) return found->second;
  EVP_PKEY* key = nullptr;
  if (algorithm == jwt::Algorithm::kRs256) key = EVP_RSA_gen(2048);
  if (algorithm == jwt::Algorithm::kEs256) key = EVP_EC_gen("P-256");
  if (algorithm == jwt::Algorithm::kEdDsa) key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  return pairs[algorithm] = pems_of(key);
}

jwt::Key signer(jwt::Algorithm algorithm, const std::string& kid) {
  jwt::Key key;
  Outcome loaded = algorithm == jwt::Algorithm::kHs256
                       ? key.from_secret(kSecret)
                       : key.from_pem(algorithm, pair_of(algorithm).private_pem,
                                      jwt::Half::kPrivate);
  EXPECT_TRUE(loaded.ok()) << loaded.text;
  key.kid = kid;
  return key;
}

std::string json_string(const std::string& text) {
  return boost::json::serialize(boost::json::string(text));
}

std::string config_for(jwt::Algorithm algorithm, const std::string& kid, const std::string& more) {
  std::string key = R"({"alg": ")" + std::string(jwt::algorithm_name(algorithm)) + "\"";
  if (!kid.empty()) key += R"(, "kid": )" + json_string(kid);
  key += algorithm == jwt::Algorithm::kHs256
             ? R"(, "secret": )" + json_string(kSecret)
             : R"(, "public_key": )" + json_string(pair_of(algorithm).public_pem);
  return R"({"keys": [)" + key + "}]" + more + "}";
}

std::string signed_token(const std::string& claims, jwt::Algorithm algorithm,
                         const std::string& kid) {
  std::string token;
  Outcome made = jwt::sign_compact(
      std::string(R"({"alg":")") + std::string(jwt::algorithm_name(algorithm)) +
          (kid.empty() ? "\"" : R"(","kid":")" + kid + "\"") + R"(,"typ":"JWT"})",
      claims, signer(algorithm, kid), token);
  EXPECT_TRUE(made.ok()) << made.text;
  return token;
}

std::string claims_text(const std::string& more) {
  return R"({"sub":"ann","exp":)" + std::to_string(kNow + 3600) + more + "}";
}

uint64_t test_seed() {
  if (const char* given = std::getenv("SYNCKIT_SEED")) return std::strtoull(given, nullptr, 10);
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

namespace {

TEST(NoneAuth, lets_everyone_in_and_says_so) {
  Gate gate(synckit_plugin_v1_none);
  EXPECT_STREQ(gate.api()->name, "none");
  EXPECT_EQ(gate.api()->flags, uint32_t{SK_AUTH_ANONYMOUS});
  ASSERT_EQ(gate.open(""), SK_OK);
  for (const char* credential : {"", "whatever", "a.b.c"}) {
    Answer answer = gate.ask(credential);
    EXPECT_EQ(answer.status, SK_OK);
    EXPECT_EQ(answer.id, "anonymous");
    EXPECT_EQ(answer.expiry_ms, 0);
    EXPECT_EQ(gate.level(answer, "doc"), SK_LEVEL_WRITE);
  }
  EXPECT_EQ(gate.api()->epoch(gate.raw()), gate.api()->epoch(gate.raw()));
}

TEST(NoneAuth, the_level_is_an_option) {
  Gate gate(synckit_plugin_v1_none);
  const std::pair<const char*, int32_t> levels[] = {{"none", SK_LEVEL_NONE},
                                                    {"read", SK_LEVEL_READ},
                                                    {"write", SK_LEVEL_WRITE},
                                                    {"admin", SK_LEVEL_ADMIN}};
  for (const auto& [name, level] : levels) {
    ASSERT_EQ(gate.open(R"({"level": ")" + std::string(name) + R"("})"), SK_OK);
    EXPECT_EQ(gate.level(gate.ask(""), "doc"), level);
  }
  std::string text;
  EXPECT_EQ(gate.open(R"({"level": "root"})", &text), SK_MALFORMED);
  EXPECT_EQ(text, "option 'level' must be one of none, read, write, admin");
  EXPECT_EQ(gate.open(R"({"levle": "read"})", &text), SK_UNSUPPORTED);
  EXPECT_EQ(text, "unknown option 'levle'; did you mean 'level'? Known: level");
}

}  // namespace
}  // namespace synckit::auth_test
