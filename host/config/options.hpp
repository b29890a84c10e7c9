// The table of options: the one source of names, types, ranges, defaults and words. It drives the
// parser (config.cpp) and the reference (docs/configuration.md).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config.hpp"

namespace synckit {

enum class Kind { boolean, integer, text, choice, list };

struct Value {
  bool flag = false;
  int64_t number = 0;
  std::string text;
  std::vector<std::string> list;
};

struct Option {
  const char* name;      // "limits.max_frame_bytes"
  Kind kind;
  const char* fallback;  // as it would stand in the file; lists separated by ", "
  int64_t min, max;      // integer only
  const char* unit;      // "bytes", "" without one
  const char* choices;   // "a|b", choice only
  const char* doc;       // one or two sentences
  void (*set)(Config& config, Value&& value);
};

std::span<const Option> options();
const Option* find_option(std::string_view name);

// Parses a scalar as the option's kind; on failure `error` says what was expected.
bool parse_scalar(const Option& option, const std::string& text, Value& out, std::string& error);

// The closest of `names` when it is close enough to be a typing mistake, else "".
std::string nearest(std::string_view word, const std::vector<std::string>& names);

// docs/configuration.md
std::string config_reference();

}  // namespace synckit
