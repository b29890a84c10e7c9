// The command line: `synckit serve`, check-config, config-reference, plugin, doc, token.
//
// Exit codes are sysexits': 0, 64 usage, 65 data, 66 no input, 69 unavailable, 70 internal,
// 77 no permission, 78 configuration.
#pragma once

#include <string>

#include "base/result.hpp"

namespace synckit::cli {

enum Exit : int {
  kOk = 0,
  kUsage = 64,
  kData = 65,
  kNoInput = 66,
  kUnavailable = 69,
  kInternal = 70,
  kNoPermission = 77,
  kConfig = 78
};

int run(int argc, char** argv);

// Says what failed on stderr, and gives the exit code that fits.
int complain(const Failure& failure);

// ---- commands -----------------------------------------------------------------------------------

struct Serve {
  std::string config, data, listen;
  int port = -1;
};
int serve(const Serve& options);

int check_config(const std::string& file);
int plugin_list(const std::string& config, bool json);

struct Documents {
  std::string config, data, url, token, prefix, id;
  unsigned limit = 0;
};
int doc_list(const Documents& options);
int doc_get(const Documents& options);

struct Token {
  std::string key_file, algorithm = "HS256", kid, subject = "dev", issuer, audience;
  std::string permissions = "{\"*\":\"write\"}";
  long lifetime_s = 3600;
};
int token(const Token& options);

}  // namespace synckit::cli
