#include "log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <memory>

#include "json.hpp"

namespace synckit::log {
namespace {

std::atomic<bool> g_json{false};
std::atomic<int> g_level{static_cast<int>(Level::info)};

spdlog::logger& logger() {
  static const auto instance = [] {
    auto made = std::make_shared<spdlog::logger>(
        "synckit", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_level(spdlog::level::trace);
    made->flush_on(spdlog::level::warn);
    made->set_pattern("%Y-%m-%d %H:%M:%S.%e %l %v");
    return made;
  }();
  return *instance;
}

spdlog::level::level_enum of(Level level) {
  switch (level) {
    case Level::debug: return spdlog::level::debug;
    case Level::info: return spdlog::level::info;
    case Level::warn: return spdlog::level::warn;
    default: return spdlog::level::err;
  }
}

// A value that could be mistaken for the line's structure is quoted.
void text_value(std::string& out, std::string_view value) {
  bool plain = !value.empty();
  for (char c : value) plain = plain && c > ' ' && c != '"' && c != '=' && c != 0x7f;
  plain ? void(out.append(value)) : json_quote(out, value);
}

}  // namespace

void set_up(Level level, bool json) {
  g_json = json;
  g_level = static_cast<int>(level);
  // %v is a JSON object's inside; the rest of the line completes it.
  logger().set_pattern(json ? R"({"ts":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l",%v})"
                            : "%Y-%m-%d %H:%M:%S.%e %l %v");
}

bool enabled(Level level) { return static_cast<int>(level) >= g_level.load(); }

void write(Level level, std::string_view message, Fields fields) {
  if (!enabled(level)) return;
  std::string line;
  if (g_json) {
    line = "\"msg\":";
    json_quote(line, message);
    for (const Field& field : fields) {
      line += ",";
      json_quote(line, field.key);
      line += ":";
      field.number ? void(line += field.value) : json_quote(line, field.value);
    }
  } else {
    line = message;
    for (const Field& field : fields) {
      line.append(" ").append(field.key).append("=");
      text_value(line, field.value);
    }
  }
  logger().log(of(level), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace synckit::log
