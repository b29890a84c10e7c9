// What the claims of a correctly signed token must be.
#include "gate.hpp"

namespace synckit::auth_test {
namespace {

class Claims : public testing::Test {
 protected:
  Claims() : gate_(synckit_plugin_v1_jwt) { configure(""); }
  void configure(const std::string& more) {
    std::string text;
    ASSERT_EQ(gate_.open(config_for(jwt::Algorithm::kHs256, "", more), &text), SK_OK) << text;
  }
  Answer ask(const std::string& claims, int64_t now_ms = kNowMs) {
    return gate_.ask(signed_token(claims), now_ms);
  }
  void expect_denied(const std::string& claims, const std::string& text,
                     int64_t now_ms = kNowMs) {
    Answer answer = ask(claims, now_ms);
    EXPECT_EQ(answer.status, SK_DENIED) << claims;
    EXPECT_EQ(answer.text, text) << claims;
  }
  static std::string at(int64_t seconds) { return std::to_string(seconds); }

  Gate gate_;
};

TEST_F(Claims, a_good_token_is_a_principal) {
  Answer answer = ask(claims_text(R"(,"permissions":{"doc1":"read-write","doc2":"read-only"})"));
  ASSERT_EQ(answer.status, SK_OK) << answer.text;
  EXPECT_EQ(answer.id, "ann");
  EXPECT_EQ(answer.expiry_ms, kNowMs + 3'600'000 + 30'000);
  EXPECT_EQ(gate_.level(answer, "doc1"), SK_LEVEL_WRITE);
  EXPECT_EQ(gate_.level(answer, "doc2"), SK_LEVEL_READ);
  EXPECT_EQ(gate_.level(answer, "doc3"), SK_LEVEL_NONE);
  EXPECT_EQ(gate_.api()->flags, 0u);
  EXPECT_EQ(gate_.api()->epoch(gate_.raw()), 1u);
}

TEST_F(Claims, without_permissions_nothing_is_granted) {
  Answer answer = ask(claims_text());
  ASSERT_EQ(answer.status, SK_OK);
  EXPECT_EQ(gate_.level(answer, "doc"), SK_LEVEL_NONE);
}

TEST_F(Claims, expiry_is_needed_and_kept_to_the_millisecond) {
  expect_denied(R"({"sub":"a"})", "the token has no expiry (exp); get one that has");
  std::string claims = R"({"sub":"a","exp":)" + at(kNow) + "}";
  int64_t end = kNowMs + 30'000;  // with the default leeway
  EXPECT_EQ(ask(claims, end - 1).status, SK_OK);
  EXPECT_EQ(ask(claims, end - 1).expiry_ms, end);
  expect_denied(claims, "the token expired 30 seconds ago; get a new one", end);
  expect_denied(claims, "the token expired 1 minute ago; get a new one", kNowMs + 60'000);
  expect_denied(claims, "the token expired 2 hours ago; get a new one", kNowMs + 7'200'000);
  expect_denied(claims, "the token expired 3 days ago; get a new one", kNowMs + 3 * 86'400'000);
  claims = R"({"sub":"a","exp":)" + at(kNow) + ".25}";
  EXPECT_EQ(ask(claims, end + 249).status, SK_OK);
  EXPECT_EQ(ask(claims, end + 250).status, SK_DENIED);
  for (const char* bad : {"\"soon\"", "null", "true", "-1", "1e300", "253402300800",
                          "18446744073709551615", "[]", "{}"}) {
    expect_denied(R"({"sub":"a","exp":)" + std::string(bad) + "}",
                  "the token's expiry (exp) is not a time in seconds");
  }
  EXPECT_EQ(ask(R"({"sub":"a","exp":253402300799})").status, SK_OK);
  EXPECT_EQ(ask(R"({"sub":"a","exp":2e9})").status, SK_OK);
}

TEST_F(Claims, the_start_is_honoured) {
  std::string claims = claims_text(R"(,"nbf":)" + at(kNow + 60));
  expect_denied(claims, "the token is not valid yet; it will be in 1 minute (or a clock is wrong)");
  EXPECT_EQ(ask(claims, kNowMs + 30'000).status, SK_OK);
  EXPECT_EQ(ask(claims, kNowMs + 29'999).status, SK_DENIED);
  expect_denied(claims_text(R"(,"nbf":"x")"), "the token's start (nbf) is not a time in seconds");
  expect_denied(claims_text(R"(,"iat":"x")"),
                "the token's issue time (iat) is not a time in seconds");
}

TEST_F(Claims, the_leeway_is_an_option) {
  configure(R"(, "leeway_s": 0)");
  std::string claims = R"({"sub":"a","exp":)" + at(kNow) + "}";
  EXPECT_EQ(ask(claims, kNowMs - 1).status, SK_OK);
  EXPECT_EQ(ask(claims, kNowMs).status, SK_DENIED);
}

TEST_F(Claims, the_issuer_must_match_when_one_is_expected) {
  EXPECT_EQ(ask(claims_text(R"(,"iss":"anyone")")).status, SK_OK);
  configure(R"(, "issuer": "https://login.example.com")");
  const char* refused = "the token is not from the issuer (iss) that this server trusts";
  EXPECT_EQ(ask(claims_text(R"(,"iss":"https://login.example.com")")).status, SK_OK);
  expect_denied(claims_text(), refused);
  expect_denied(claims_text(R"(,"iss":"https://login.example.com/")"), refused);
  expect_denied(claims_text(R"(,"iss":["https://login.example.com"])"), refused);
}

TEST_F(Claims, the_audience_must_be_this_server) {
  const char* other = "the token is for another audience (aud); get one for this server";
  EXPECT_EQ(ask(claims_text()).status, SK_OK);
  expect_denied(claims_text(R"(,"aud":"somebody")"), other);
  configure(R"(, "audience": "synckit")");
  EXPECT_EQ(ask(claims_text(R"(,"aud":"synckit")")).status, SK_OK);
  EXPECT_EQ(ask(claims_text(R"(,"aud":["mail","synckit"])")).status, SK_OK);
  expect_denied(claims_text(), "the token has no audience (aud); get one for this server");
  expect_denied(claims_text(R"(,"aud":"Synckit")"), other);
  expect_denied(claims_text(R"(,"aud":[])"), other);
  expect_denied(claims_text(R"(,"aud":["synckit",1])"),
                "the token's audience (aud) is not a list of strings");
  expect_denied(claims_text(R"(,"aud":1)"),
                "the token's audience (aud) is not a string or a list of strings");
}

TEST_F(Claims, a_token_is_for_somebody) {
  std::string end = R"(","exp":)" + at(kNow + 60) + "}";
  const char* nobody = "the token does not say who it is for (sub)";
  expect_denied(R"({"exp":)" + at(kNow + 60) + "}", nobody);
  expect_denied(R"({"sub":")" + end, nobody);
  expect_denied(R"({"sub":7,"exp":)" + at(kNow + 60) + "}", nobody);
  EXPECT_EQ(ask(R"({"sub":")" + std::string(127, 'x') + end).id, std::string(127, 'x'));
  expect_denied(R"({"sub":")" + std::string(128, 'x') + end,
                "the token's sub is longer than 127 bytes");
  const char* control = "the token's sub has control characters in it";
  expect_denied(R"({"sub":"a\u0000b)" + end, control);
  expect_denied(R"({"sub":"a\nroot logged in)" + end, control);
  EXPECT_EQ(ask(R"({"sub":"\u00e4\ud83d\ude00)" + end).id, "\xc3\xa4\xf0\x9f\x98\x80");
}

TEST_F(Claims, required_claims_are_required) {
  configure(R"(, "required_claims": ["jti", "tenant"])");
  EXPECT_EQ(ask(claims_text(R"(,"jti":"1","tenant":null)")).status, SK_OK);
  expect_denied(claims_text(R"(,"jti":"1")"),
                "the token lacks the claim 'tenant' that this server asks for");
}

TEST_F(Claims, permissions_are_levels) {
  expect_denied(claims_text(R"(,"permissions":["doc"])"),
                "the token's permissions are not an object of document: level");
  const char* bad = "the token's permission for 'doc' is not one of none, read, write, admin (or "
                    "read-only, read-write)";
  for (const char* level : {"\"owner\"", "2", "null", "\"Read\"", "\"\"", "[\"read\"]"}) {
    expect_denied(claims_text(R"(,"permissions":{"doc":)" + std::string(level) + "}"), bad);
  }
}

TEST_F(Claims, the_payload_is_strict_json_without_repeated_names) {
  const char* invalid = "the token's payload is not valid JSON";
  expect_denied("", invalid);
  expect_denied("{", invalid);
  expect_denied(claims_text() + "x", invalid);
  expect_denied(claims_text(",\"x\":\"\xff\""), invalid);
  expect_denied(claims_text(R"(,"x":"\ud800")"), invalid);
  expect_denied(claims_text(",\"x\":" + std::string(200, '[') + std::string(200, ']')), invalid);
  expect_denied("[]", "the token's payload is not a JSON object");
  expect_denied(claims_text(R"(,"sub":"root")"), "the token's payload has the member 'sub' twice");
  expect_denied(claims_text(R"(,"\u0073ub":"root")"),
                "the token's payload has the member 'sub' twice");
  expect_denied(claims_text(R"(,"permissions":{"d":"read","d":"admin"})"),
                "the token's payload has the member 'd' twice");
  EXPECT_EQ(ask(claims_text(R"(,"a":{"d":1},"b":{"d":1},"c":[{"d":1},{"d":2}])")).status, SK_OK);
}

}  // namespace
}  // namespace synckit::auth_test
