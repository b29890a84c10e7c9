// The demo's files, read from one folder. Threads: [worker], it reads from disk.
#pragma once

#include <string>

#include "net/server.hpp"

namespace synckit {

// `path` is decoded, starts with "/" and is not trusted. 404 for whatever is not a regular file
// inside `root`.
HttpResponse static_file(const std::string& root, const std::string& path,
                         const std::string& if_none_match);

}  // namespace synckit
