// Writing JSON text: strings escaped as RFC 8259 asks. Reading is left to whoever needs it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace synckit {

// Appends `text` with quotes. Bytes that are not UTF-8 become U+FFFD, so that the result is JSON.
void json_quote(std::string& out, std::string_view text);
inline std::string json_quoted(std::string_view text) {
  std::string out;
  json_quote(out, text);
  return out;
}
std::string hex64(uint64_t value);  // 16 digits
std::string hex_bytes(const uint8_t* data, size_t len);
bool valid_utf8(std::string_view text);

}  // namespace synckit
