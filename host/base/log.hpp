// Structured logging: a sentence and fields. log.cpp is the one place that knows spdlog.
//
//   log::warn("slow reader cut", {{"session", id}, {"queued_bytes", bytes}});
//
// Text form: `2026-01-31 12:00:00.123 warn slow reader cut session=ab12 queued_bytes=9`; JSON form:
// one object a line with ts, level, msg and the fields. Everything goes to stderr.
// Threads: any.
#pragma once

#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>

namespace synckit::log {

enum class Level { debug, info, warn, error };

struct Field {
  std::string_view key;
  std::string value;
  bool number = false;
  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, const std::string& v) : key(k), value(v) {}
  Field(std::string_view k, const char* v) : key(k), value(v) {}
  template <std::integral T>
  Field(std::string_view k, T v) : key(k), value(std::to_string(v)), number(true) {}
};
using Fields = std::initializer_list<Field>;

void set_up(Level level, bool json);
bool enabled(Level level);
void write(Level level, std::string_view message, Fields fields);

inline void debug(std::string_view m, Fields f = {}) {
  if (enabled(Level::debug)) write(Level::debug, m, f);
}
inline void info(std::string_view m, Fields f = {}) { write(Level::info, m, f); }
inline void warn(std::string_view m, Fields f = {}) { write(Level::warn, m, f); }
inline void error(std::string_view m, Fields f = {}) { write(Level::error, m, f); }

}  // namespace synckit::log
