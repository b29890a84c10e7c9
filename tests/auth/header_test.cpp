// The form of a token, its header, and which key it gets.
#include "gate.hpp"

#include <base64url.hpp>
#include <token.hpp>

namespace synckit::auth_test {
namespace {

using jwt::Algorithm;

// Signs the shared claims under any header.
std::string with_header(const std::string& header, Algorithm algorithm = Algorithm::kHs256) {
  std::string token;
  EXPECT_TRUE(jwt::sign_compact(header, claims_text(), signer(algorithm), token).ok());
  return token;
}

class Header : public testing::Test {
 protected:
  Header() : gate_(synckit_plugin_v1_jwt) {
    EXPECT_EQ(gate_.open(config_for(Algorithm::kHs256)), SK_OK);
  }
  void expect_denied(const std::string& token, const std::string& text) {
    Answer answer = gate_.ask(token);
    EXPECT_EQ(answer.status, SK_DENIED) << token;
    EXPECT_EQ(answer.text, text) << token;
  }
  void configure(const std::string& config) {
    std::string text;
    ASSERT_EQ(gate_.open(config, &text), SK_OK) << text;
  }

  Gate gate_;
};

TEST_F(Header, a_token_has_three_parts_of_base64url) {
  std::string good = with_header(R"({"alg":"HS256"})");
  ASSERT_EQ(gate_.ask(good).status, SK_OK);
  expect_denied("", "there is no token; send a JWT as the credential");
  const char* parts = "the credential is not a JWT: it has not three parts with dots between them";
  for (const std::string& bad : {std::string("x"), std::string("a.b"), good + ".", good + ".x"}) {
    expect_denied(bad, parts);
  }
  const char* encoding =
      "the credential is not a JWT: a part of it is not base64url without padding";
  for (const std::string& bad : {good + "=", " " + good, good + "\n", "Bearer " + good}) {
    expect_denied(bad, encoding);
  }
  expect_denied("..", "the token's header is not valid JSON");
}

TEST_F(Header, a_token_has_at_most_16_kib) {
  std::string filler(jwt::kMaxTokenBytes * 3 / 4 - 200, 'x');
  std::string fits = signed_token(claims_text(R"(,"x":")" + filler + "\""));
  ASSERT_LE(fits.size(), jwt::kMaxTokenBytes);
  EXPECT_EQ(gate_.ask(fits).status, SK_OK);
  expect_denied(signed_token(claims_text(R"(,"x":")" + filler + filler + "\"")),
                "the token is longer than 16 KiB");
}

TEST_F(Header, the_header_is_strict) {
  expect_denied(with_header("{"), "the token's header is not valid JSON");
  expect_denied(with_header("[]"), "the token's header is not a JSON object");
  expect_denied(with_header(R"({"alg":"none","alg":"HS256"})"),
                "the token's header has the member 'alg' twice");
  expect_denied(with_header(R"({"typ":"JWT"})"),
                "the token's header does not name an algorithm (alg)");
  expect_denied(with_header(R"({"alg":5})"), "the token's header does not name an algorithm (alg)");
  expect_denied(with_header(R"({"alg":"HS256","crit":["exp"],"exp":1})"),
                "the token asks for extensions (crit) that this server does not know");
  expect_denied(with_header(R"({"alg":"HS256","crit":[]})"),
                "the token asks for extensions (crit) that this server does not know");
  for (const char* typ : {"\"JWS\"", "\"secevent+jwt\"", "\"\"", "1", "null"}) {
    expect_denied(with_header(R"({"alg":"HS256","typ":)" + std::string(typ) + "}"),
                  "the token's type (typ) is not JWT");
  }
  for (const char* typ : {"JWT", "jwt", "at+jwt", "application/at+JWT"}) {
    EXPECT_EQ(gate_.ask(with_header(R"({"alg":"HS256","typ":")" + std::string(typ) + "\"}")).status,
              SK_OK);
  }
  expect_denied(with_header(R"({"alg":"HS256","kid":7})"),
                "the token's key name (kid) is not a string of at most 256 bytes");
  expect_denied(with_header(R"({"alg":"HS256","kid":")" + std::string(257, 'k') + "\"}"),
                "the token's key name (kid) is not a string of at most 256 bytes");
}

TEST_F(Header, none_and_unknown_algorithms_are_refused) {
  std::string body = "." + jwt::base64url(claims_text()) + ".";
  for (const char* alg : {"none", "None", "NONE", "", "hs256", "HS384", "HS512", "RS512", "PS256",
                          "ES384", "ES256K", "HS256 "}) {
    std::string text = "the token's algorithm '" + std::string(alg) +
                       "' is not accepted; use HS256, RS256, ES256 or EdDSA";
    std::string header = R"({"alg":")" + std::string(alg) + "\"}";
    expect_denied(jwt::base64url(header) + body, text);
    expect_denied(with_header(header), text);
  }
  Answer answer = gate_.ask(with_header(R"({"alg":"a\u0007\nb"})"));
  EXPECT_NE(answer.text.find("'a??b'"), std::string::npos) << answer.text;
}

TEST_F(Header, an_empty_or_cut_signature_is_refused) {
  for (Algorithm algorithm : kAlgorithms) {
    configure(config_for(algorithm));
    std::string token = signed_token(claims_text(), algorithm);
    ASSERT_EQ(gate_.ask(token).status, SK_OK);
    std::string input = token.substr(0, token.rfind('.') + 1), signature;
    ASSERT_TRUE(jwt::from_base64url(token.substr(input.size()), signature));
    for (size_t n = 0; n < signature.size(); ++n) {
      expect_denied(input + jwt::base64url(signature.substr(0, n)),
                    "the token's signature does not match; get a new one");
    }
    expect_denied(input + jwt::base64url(signature + '\0'),
                  "the token's signature does not match; get a new one");
    expect_denied(input + jwt::base64url(std::string(signature.size(), '\0')),
                  "the token's signature does not match; get a new one");
  }
}

TEST_F(Header, a_public_key_is_never_a_secret) {
  configure(config_for(Algorithm::kRs256));
  // The classic mix-up verifies HMAC with the public key's text as the secret.
  expect_denied(with_header(R"({"alg":"HS256"})"),
                "this server has no key for the token's algorithm, HS256");
  jwt::Key confused;
  EXPECT_FALSE(confused.from_secret(pair_of(Algorithm::kRs256).public_pem).ok());
}

TEST_F(Header, each_key_has_one_algorithm) {
  for (Algorithm key : kAlgorithms) {
    configure(config_for(key, "k"));
    for (Algorithm used : kAlgorithms) {
      std::string header =
          R"({"kid":"k","alg":")" + std::string(jwt::algorithm_name(used)) + "\"}";
      Answer answer = gate_.ask(with_header(header, used));
      EXPECT_EQ(answer.status, used == key ? SK_OK : SK_DENIED);
      if (used != key) {
        EXPECT_EQ(answer.text, "the token's algorithm is not the one of its key; get a new one");
      }
    }
  }
}

TEST_F(Header, the_kid_selects_the_key) {
  auto key = [](const std::string& kid, char fill) {
    std::string name = kid.empty() ? "" : R"("kid": ")" + kid + "\", ";
    return "{" + name + R"("alg": "HS256", "secret": ")" + std::string(32, fill) + "\"}";
  };
  auto token = [](const std::string& kid, char fill) {
    jwt::Key signing;
    EXPECT_TRUE(signing.from_secret(std::string(32, fill)).ok());
    signing.kid = kid;
    std::string out;
    EXPECT_TRUE(jwt::sign_jwt(claims_text(), signing, out).ok());
    return out;
  };
  configure(R"({"keys": [)" + key("a", 'a') + "," + key("b", 'b') + "]}");
  EXPECT_EQ(gate_.ask(token("a", 'a')).status, SK_OK);
  EXPECT_EQ(gate_.ask(token("b", 'b')).status, SK_OK);
  expect_denied(token("a", 'b'), "the token's signature does not match; get a new one");
  expect_denied(token("c", 'a'),
                "the token was made with the key 'c', which this server does not have; get a "
                "new one");
  expect_denied(token("", 'a'),
                "the token does not name its key (kid), and this server has several for HS256");
  configure(R"({"keys": [)" + key("a", 'a') + "]}");
  EXPECT_EQ(gate_.ask(token("", 'a')).status, SK_OK);
  EXPECT_EQ(gate_.ask(token("c", 'a')).status, SK_DENIED);
  configure(R"({"keys": [)" + key("a", 'a') + "," + key("", 'n') + "]}");
  EXPECT_EQ(gate_.ask(token("other", 'n')).status, SK_OK);
  EXPECT_EQ(gate_.ask(token("other", 'a')).status, SK_DENIED);
}

TEST_F(Header, keys_that_a_token_brings_along_are_not_used) {
  jwt::Key own;
  ASSERT_TRUE(own.from_secret(std::string(32, 'e')).ok());
  std::string token;
  std::string header = R"({"alg":"HS256","jwk":{"kty":"oct","k":")" +
                       jwt::base64url(std::string(32, 'e')) +
                       R"("},"jku":"https://evil.example/keys","x5u":"https://evil.example/"})";
  ASSERT_TRUE(jwt::sign_compact(header, claims_text(), own, token).ok());
  expect_denied(token, "the token's signature does not match; get a new one");
}

TEST_F(Header, the_signer_writes_what_the_plugin_reads) {
  for (Algorithm algorithm : kAlgorithms) {
    configure(config_for(algorithm, "key 1"));
    std::string token;
    ASSERT_TRUE(jwt::sign_jwt(claims_text(), signer(algorithm, "key 1"), token).ok());
    Answer answer = gate_.ask(token);
    EXPECT_EQ(answer.status, SK_OK) << answer.text;
  }
  std::string token;
  EXPECT_EQ(jwt::sign_jwt("[]", signer(Algorithm::kHs256), token).code, SK_MALFORMED);
  EXPECT_EQ(jwt::sign_jwt(R"({"a":1,"a":2})", signer(Algorithm::kHs256), token).code, SK_MALFORMED);
  jwt::Key half;
  ASSERT_TRUE(half.from_pem(Algorithm::kEs256, pair_of(Algorithm::kEs256).public_pem,
                            jwt::Half::kPublic).ok());
  EXPECT_EQ(jwt::sign_jwt("{}", half, token).code, SK_MALFORMED);
}

}  // namespace
}  // namespace synckit::auth_test
