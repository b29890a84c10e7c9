// Request targets: path, query, percent-encoding (RFC 3986).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace synckit {

// Nothing for a bad escape.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false);
std::string percent_encode(std::string_view text);

struct Target {
  std::string raw_path;  // still encoded
  std::map<std::string, std::string> query;
};
std::optional<Target> parse_target(std::string_view target);

}  // namespace synckit
