// A running host: plugins opened, loops started, listening. main.cpp and the tests start it.
//
// Threads: start, stop and the destructor from one thread.
#pragma once

#include <memory>

#include "config/config.hpp"
#include "plugin/catalog.hpp"

namespace synckit {

struct Hub;

// Folders to search: plugins.paths, else the default ones.
std::vector<std::string> plugin_folders(const Config& config);
// One line per plugin that the configuration names and that is not there; "" when all are.
std::string missing_plugins(const Config& config);

class Host {
 public:
  // `catalog` outlives the host. SK_UNSUPPORTED: the configuration cannot work; SK_UNAVAILABLE:
  // storage or the port.
  static Result<std::unique_ptr<Host>> start(Config config, Catalog& catalog);
  ~Host();

  uint16_t port() const;
  uint16_t admin_port() const;  // 0: none of its own
  Hub& hub();

  // Accepts nothing new, finishes queued commits, sends their answers, closes all sessions (1001)
  // and storage. False when timeouts.shutdown_s passed before everything was out.
  bool stop();

 private:
  Host();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace synckit
