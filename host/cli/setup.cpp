#include "setup.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/json.hpp"
#include "base/log.hpp"
#include "cli.hpp"

namespace synckit::cli {

std::optional<Config> load_config(const std::string& file, const std::string& data, int& code) {
  Config config = default_config();
  if (!file.empty()) {
    auto read = read_config(file);
    if (!read) {
      std::fputs(read.failure().text.c_str(), stderr);
      code = read.failure().code == SK_UNAVAILABLE ? kNoInput : kConfig;
      return std::nullopt;
    }
    config = *read;
  }
  if (data.empty()) return config;
  if (config.storage.plugin != "sqlite") {
    std::fprintf(stderr, "synckit: --data is for the sqlite storage, the configuration has %s\n",
                 config.storage.plugin.c_str());
    code = kUsage;
    return std::nullopt;
  }
  if (::mkdir(data.c_str(), 0700) != 0 && errno != EEXIST) {
    std::fprintf(stderr, "synckit: cannot make the folder %s: %s\n", data.c_str(),
                 std::strerror(errno));
    code = kUnavailable;
    return std::nullopt;
  }
  config.storage.set("path", json_quoted(data + "/synckit.db"));
  return config;
}

void set_up_log(const Config& config) {
  const std::string& level = config.log.level;
  log::set_up(level == "debug"  ? log::Level::debug
              : level == "info" ? log::Level::info
              : level == "warn" ? log::Level::warn
                                : log::Level::error,
              config.log.format == "json");
}

}  // namespace synckit::cli
