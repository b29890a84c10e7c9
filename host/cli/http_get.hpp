// One HTTP GET, for the command line: plain HTTP to a host that we run ourselves.
// Threads: blocks the caller, at most kTimeoutSeconds per read.
#pragma once

#include <string>

#include "base/result.hpp"

namespace synckit::cli {

struct HttpAnswer {
  int status = 0;
  std::string body;
};
// `base`: "http://host:port". https is refused with a sentence: put a proxy's address there.
Result<HttpAnswer> http_get(const std::string& base, const std::string& path,
                            const std::string& bearer);

}  // namespace synckit::cli
