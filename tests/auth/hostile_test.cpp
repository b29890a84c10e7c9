// Tokens that somebody bent: changed in any byte they never authenticate, and nothing crashes.
#include "gate.hpp"

#include <random>

namespace synckit::auth_test {
namespace {

using jwt::Algorithm;

class Hostile : public testing::Test {
 protected:
  Hostile() : gate_(synckit_plugin_v1_jwt) {}
  void configure(Algorithm algorithm, const std::string& kid = "") {
    std::string text;
    ASSERT_EQ(gate_.open(config_for(algorithm, kid), &text), SK_OK) << text;
  }
  Gate gate_;
};

TEST_F(Hostile, no_changed_byte_authenticates) {
  for (Algorithm algorithm : kAlgorithms) {
    SCOPED_TRACE(std::string(jwt::algorithm_name(algorithm)));
    configure(algorithm, "k");
    std::string token = signed_token(claims_text(R"(,"permissions":{"*":"read"})"), algorithm, "k");
    ASSERT_EQ(gate_.ask(token).status, SK_OK);
    // Every other value of every byte where checking is cheap; each bit, and neighbours in the
    // alphabet, where it is not.
    for (size_t at = 0; at < token.size(); ++at) {
      for (unsigned value = 1; value < 256; ++value) {
        bool cheap = algorithm == Algorithm::kHs256;
        if (!cheap && (value & (value - 1)) != 0 && value != 3) continue;
        std::string bent = token;
        bent[at] = static_cast<char>(static_cast<unsigned char>(token[at]) ^ value);
        Answer answer = gate_.ask(bent);
        ASSERT_EQ(answer.status, SK_DENIED) << "byte " << at << " xor " << value;
      }
    }
  }
}

TEST_F(Hostile, no_cut_doubled_or_swapped_piece_authenticates) {
  for (Algorithm algorithm : kAlgorithms) {
    configure(algorithm);
    std::string token = signed_token(claims_text(), algorithm);
    std::string other = signed_token(claims_text(R"(,"permissions":{"*":"admin"})"), algorithm);
    for (size_t n = 0; n < token.size(); ++n) {
      ASSERT_EQ(gate_.ask(token.substr(0, n)).status, SK_DENIED);
      ASSERT_EQ(gate_.ask(token.substr(n + 1)).status, SK_DENIED);
      ASSERT_EQ(gate_.ask(token.substr(0, n) + token.substr(n + 1)).status, SK_DENIED) << n;
    }
    size_t end = token.rfind('.'), other_end = other.rfind('.');
    EXPECT_EQ(gate_.ask(other.substr(0, other_end) + token.substr(end)).status, SK_DENIED);
    EXPECT_EQ(gate_.ask(token + token).status, SK_DENIED);
  }
}

TEST_F(Hostile, malformed_tokens_are_denied_whatever_they_are) {
  uint64_t seed = test_seed();
  SCOPED_TRACE("reproduce with SYNCKIT_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  configure(Algorithm::kHs256);
  std::string good = signed_token(claims_text(R"(,"permissions":{"a":"read","b*":"write"})"));
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_..";
  for (int round = 0; round < 20'000; ++round) {
    std::string token;
    if (random() % 2) {
      token.resize(random() % 300);
      for (char& c : token) c = random() % 8 ? alphabet[random() % alphabet.size()]
                                             : static_cast<char>(random());
    } else {
      token = good;
      for (uint64_t n = 1 + random() % 3; n > 0; --n) {
        size_t at = random() % token.size();
        if (random() % 3 == 0) token.erase(at, 1 + random() % 5);
        else if (random() % 2) token.insert(at, 1, alphabet[random() % alphabet.size()]);
        else token[at] = static_cast<char>(random());
        if (token.empty()) break;
      }
      if (token == good) continue;
    }
    ASSERT_EQ(gate_.ask(token).status, SK_DENIED) << "round " << round << ": " << token;
  }
}

// The signature holds, the content does not: an issuer with bugs must not hurt the host.
TEST_F(Hostile, well_signed_nonsense_is_denied_or_a_sound_principal) {
  uint64_t seed = test_seed();
  SCOPED_TRACE("reproduce with SYNCKIT_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  configure(Algorithm::kHs256);
  jwt::Key key = signer(Algorithm::kHs256);
  const std::string pieces[] = {"{", "}", "[", "]", ",", ":", "\"", "\\u0000", "\\ud800", "null",
                                "1e999", "-1", "\"exp\"", "\"sub\"", "\"permissions\"", "\"*\"",
                                "\"admin\"", "\xc3", "18446744073709551616", " "};
  int accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    const std::string permissions = R"(,"permissions":{"a":"read","b*":"write"})";
    std::string claims = claims_text(random() % 4 ? permissions : R"(,"nbf":1,"aud":[])");
    std::string header = R"({"alg":"HS256","typ":"JWT"})";
    std::string& target = random() % 4 ? claims : header;
    for (uint64_t n = random() % 3; n > 0; --n) {
      size_t at = random() % (target.size() + 1);
      if (random() % 2) target.insert(at, pieces[random() % std::size(pieces)]);
      else target.erase(at, random() % 8);
    }
    std::string token;
    ASSERT_TRUE(jwt::sign_compact(header, claims, key, token).ok());
    Answer answer = gate_.ask(token);
    if (answer.status == SK_OK) {
      ++accepted;
      EXPECT_FALSE(answer.id.empty());
      EXPECT_GT(answer.expiry_ms, kNowMs);
      int32_t level = gate_.level(answer, "bx");
      EXPECT_TRUE(level >= SK_LEVEL_NONE && level <= SK_LEVEL_ADMIN);
    } else {
      ASSERT_EQ(answer.status, SK_DENIED) << answer.text << "\n" << header << claims;
    }
  }
  EXPECT_GT(accepted, 100) << "the loop must reach both sides";
}

}  // namespace
}  // namespace synckit::auth_test
