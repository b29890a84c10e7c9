// json.hpp as the modules for browsers have it, where values are not validated, and nobody looks
// for members: whatever the bytes are, they are read within their bounds (each lies alone on the
// heap, for ASan to see), and how deep they nest is limited.
#define SYNCKIT_CLIENT_ONLY 1
#include <gtest/gtest.h>

#include <synckit/json.hpp>

#include <memory>
#include <string>

namespace synckit {
namespace {

struct Exact {  // a copy without a byte to spare
  explicit Exact(const std::string& text) : size(text.size()), data(new uint8_t[size]) {
    std::memcpy(data.get(), text.data(), size);
  }
  Bytes bytes() const { return {data.get(), size}; }
  size_t size;
  std::unique_ptr<uint8_t[]> data;
};

const char* const kObjects[] = {
    R"({"a":1,"b":"x\\","c":[1,{"d":"}"}],"e":{"f":"\"]"}})",
    R"({"\u0061\n":null,"\u2603":"\\\""})",
    R"({})",
    R"({"a":{}})",
};

TEST(LiteJson, values_pass) {
  for (const char* text : kObjects) EXPECT_TRUE(json_check(text).ok()) << text;
}

TEST(LiteJson, reads_damaged_bytes_within_their_bounds) {
  for (std::string text : kObjects) {
    for (size_t cut = 0; cut < text.size(); ++cut) {
      Exact exact(text.substr(0, cut));
      (void)json_valid(exact.bytes());
    }
    for (size_t at = 0; at < text.size(); ++at) {
      for (char c : {'"', '\\', '{', '}', ',', 'u', '\xf0'}) {
        std::string damaged = text;
        damaged[at] = c;
        Exact exact(damaged);
        (void)json_valid(exact.bytes());
      }
    }
  }
}

TEST(LiteJson, halves_of_surrogate_pairs_are_refused) {
  for (const char* half : {R"("\ud83d")", R"({"\udc00":1})", R"(["\\\ud83d"])"}) {
    EXPECT_FALSE(json_check(half).ok()) << half;
  }
  for (const char* whole : {R"("\\ud83d")", R"("\u001f")", "\"\xf0\x9f\x98\x80ud8\"", R"("\\")"}) {
    EXPECT_TRUE(json_check(whole).ok()) << whole;
  }
}

TEST(LiteJson, nesting_is_limited) {
  auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(json_check(Bytes(nested(kMaxJsonDepth))).ok());
  EXPECT_FALSE(json_check(Bytes(nested(kMaxJsonDepth + 1))).ok());
  EXPECT_FALSE(json_check(Bytes(nested(100'000))).ok());
}

}  // namespace
}  // namespace synckit
