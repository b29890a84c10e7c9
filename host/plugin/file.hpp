// A plugin's file, before anything of it runs: found, checked, read once, hashed.
//
// Refused: symbolic links, what is not a regular file, files or folders that group or others may
// write, files larger than kMaxPluginBytes, files that are not a complete ELF library. With an
// allow-list the bytes are hashed and then loaded from a sealed memory file, so that what was
// hashed is what runs, whatever happens to the file meanwhile; without one the path is loaded,
// which keeps debuggers and profilers able to find the symbols.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"

namespace synckit {

inline constexpr size_t kMaxPluginBytes = 256u << 20;

struct PluginFile {
  std::string path;       // where it was found
  std::string load_path;  // what to give to the dynamic loader
  std::string sha256;     // lower-case hex
};

// Looks for libsynckit_<name>.so in `folders`, in order. SK_UNAVAILABLE when it is in none.
Result<std::string> find_plugin(const std::string& name, const std::vector<std::string>& folders);

// All the checks above. `allow`: hex hashes, any case; empty: everything is allowed.
Result<PluginFile> check_plugin_file(const std::string& path,
                                     const std::vector<std::string>& allow);

// Names of all plugins in the folders: sorted, without duplicates.
std::vector<std::string> plugin_names(const std::vector<std::string>& folders);

// `plugins` beside the program, or ../lib/synckit/plugins.
std::vector<std::string> default_plugin_folders();
std::string program_folder();

}  // namespace synckit
