// Published test vectors: RFC 7515 appendix A.1 (HS256), A.2 (RS256), A.3 (ES256), RFC 8037
// appendix A.4 (EdDSA); and the base64url of RFC 4648.
#include "gate.hpp"

#include <base64url.hpp>
#include <strict_json.hpp>
#include <token.hpp>

namespace synckit::auth_test {
namespace {

const std::string kPayload =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl"
    "fQ";

struct Vector {
  const char* name;
  std::string jwk, token, payload;
  bool deterministic;  // signing again gives the same bytes
};

const Vector kVectors[] = {
    {"HS256",
     R"({"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj)"
     R"(0iPS4hcgUuTwjAzZr1Z9CAow"})",
     "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + kPayload +
         ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
     "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}", true},
    {"RS256",
     R"({"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfH)"
     R"(Qp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ4)"
     R"(7soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapH)"
     R"(g665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGN)"
     R"(j8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"})",
     "eyJhbGciOiJSUzI1NiJ9." + kPayload +
         ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_"
         "O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARN"
         "PvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1"
         "phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
     "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}", false},
    {"ES256",
     R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":)"
     R"("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0)"
     R"(iY7X1fCE9-E9LI"})",
     "eyJhbGciOiJFUzI1NiJ9." + kPayload +
         ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
     "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}", false},
    {"EdDSA",
     R"({"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",")"
     R"(x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})",
     "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcv"
     "Mg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
     "Example of Ed25519 signing", true},
};

boost::json::object parsed(const std::string& text) {
  boost::json::object object;
  std::string why;
  EXPECT_TRUE(jwt::parse_object(text, object, why)) << why;
  return object;
}

TEST(RfcVectors, verify) {
  for (const Vector& v : kVectors) {
    SCOPED_TRACE(v.name);
    jwt::Key key;
    Outcome loaded = key.from_jwk(parsed(v.jwk), jwt::Half::kPublic);
    ASSERT_TRUE(loaded.ok()) << loaded.text;
    jwt::KeySet keys;
    ASSERT_TRUE(keys.add(std::move(key)).ok());
    std::string payload;
    Outcome opened = jwt::open_token(v.token, keys, payload);
    EXPECT_TRUE(opened.ok()) << opened.text;
    EXPECT_EQ(payload, v.payload);
  }
}

TEST(RfcVectors, reach_the_claims_through_the_plugin) {
  // A vector has no sub; that this is the complaint shows that everything before it held.
  for (const Vector& v : kVectors) {
    SCOPED_TRACE(v.name);
    Gate gate(synckit_plugin_v1_jwt);
    std::string text;
    ASSERT_EQ(gate.open(R"({"issuer": "joe", "keys": [{"jwk": )" + v.jwk + "}]}", &text), SK_OK)
        << text;
    bool claims = v.payload.front() == '{';
    Answer answer = gate.ask(v.token, 1300819379000);
    EXPECT_EQ(answer.status, SK_DENIED);
    EXPECT_EQ(answer.text, claims ? "the token does not say who it is for (sub)"
                                  : "the token's payload is not valid JSON");
    if (claims) {
      EXPECT_EQ(gate.ask(v.token, 1300819380000 + 300'000).text,
                "the token expired 5 minutes ago; get a new one");
    }
  }
}

TEST(RfcVectors, sign_gives_the_published_bytes) {
  for (const Vector& v : kVectors) {
    SCOPED_TRACE(v.name);
    jwt::Key key;
    if (!v.deterministic) continue;
    ASSERT_TRUE(key.from_jwk(parsed(v.jwk), jwt::Half::kPrivate).ok());
    std::string header, token;
    ASSERT_TRUE(jwt::from_base64url(v.token.substr(0, v.token.find('.')), header));
    ASSERT_TRUE(jwt::sign_compact(header, v.payload, key, token).ok());
    EXPECT_EQ(token, v.token);
  }
}

TEST(Base64url, follows_rfc_4648) {
  const std::pair<std::string, std::string> pairs[] = {
      {"", ""},         {"f", "Zg"},         {"fo", "Zm8"},         {"foo", "Zm9v"},
      {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff", "-_8"}};
  for (const auto& [bytes, text] : pairs) {
    std::string back;
    EXPECT_EQ(jwt::base64url(bytes), text);
    EXPECT_TRUE(jwt::from_base64url(text, back));
    EXPECT_EQ(back, bytes);
  }
}

TEST(Base64url, has_one_text_for_each_byte_string) {
  std::string bytes;
  for (const char* text : {"Zg==", "Zm8=", "Z", "Zm9vY", "Zh", "Zm9", "Zm+v", "Zm/v", " Zg", "Zg\n",
                           "Zm9v\xc3\xa9"}) {
    EXPECT_FALSE(jwt::from_base64url(text, bytes)) << text;
  }
}

}  // namespace
}  // namespace synckit::auth_test
