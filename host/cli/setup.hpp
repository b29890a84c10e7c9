// What several commands begin with. Threads: main.
#pragma once

#include <optional>
#include <string>

#include "config/config.hpp"

namespace synckit::cli {

// Reads the file (or the defaults, when it is ""), with --data applied. Nothing, and the exit code,
// after having said why.
std::optional<Config> load_config(const std::string& file, const std::string& data, int& code);
void set_up_log(const Config& config);

}  // namespace synckit::cli
