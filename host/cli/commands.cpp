// serve, check-config and plugin list.
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "base/json.hpp"
#include "base/log.hpp"
#include "cli.hpp"
#include "host.hpp"
#include "net/server.hpp"
#include "setup.hpp"

namespace synckit::cli {
namespace {

// SIGTERM and SIGINT are taken by sigwait on the main thread; every other thread inherits the
// mask. A peer that closes must not end the process with SIGPIPE.
sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signals;
}

std::string url_of(const Config& config, uint16_t port) {
  bool v6 = config.listen.address.find(':') != std::string::npos;
  return "http://" + (v6 ? "[" + config.listen.address + "]" : config.listen.address) + ":" +
         std::to_string(port);
}

bool split_listen(const std::string& text, Config& config) {
  size_t colon = text.rfind(':');
  bool v6 = text.starts_with("[");
  std::string address = text, port;
  if (v6) {
    size_t end = text.find(']');
    if (end == std::string::npos) return false;
    address = text.substr(1, end - 1);
    if (end + 1 < text.size()) port = text.substr(end + 1);
    if (!port.empty() && port[0] != ':') return false;
    if (!port.empty()) port.erase(0, 1);
  } else if (colon != std::string::npos && text.find(':') == colon) {
    address = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  config.listen.address = address;
  config.marks.erase("listen.address");
  if (port.empty()) return true;
  if (port.size() > 5 || port.find_first_not_of("0123456789") != std::string::npos ||
      std::stoul(port) > 65535) {
    return false;
  }
  config.listen.port = static_cast<uint16_t>(std::stoul(port));
  return true;
}

}  // namespace

int complain(const Failure& failure) {
  std::string text = failure.text;
  if (text.empty() || text.back() != '\n') text += '\n';
  std::fputs(("synckit: " + text).c_str(), stderr);
  switch (failure.code) {
    case SK_MALFORMED: return kData;
    case SK_UNAVAILABLE: return kUnavailable;
    case SK_DENIED: return kNoPermission;
    case SK_UNSUPPORTED: return kConfig;
    case SK_LIMIT: return kData;
    default: return kInternal;
  }
}

int serve(const Serve& options) {
  sigset_t signals = block_signals();
  int code = kOk;
  auto loaded = load_config(options.config, options.data, code);
  if (!loaded) return code;
  Config config = std::move(*loaded);
  if (!options.listen.empty() && !split_listen(options.listen, config)) {
    std::fprintf(stderr, "synckit: --listen wants an address, or address:port, not \"%s\"\n",
                 options.listen.c_str());
    return kUsage;
  }
  if (options.port >= 0) config.listen.port = static_cast<uint16_t>(options.port);
  set_up_log(config);
  if (std::string missing = missing_plugins(config); !missing.empty()) {
    std::fputs(missing.c_str(), stderr);
    return kConfig;
  }
  Catalog catalog(plugin_folders(config), config.plugins.allow);
  auto host = Host::start(config, catalog);
  if (!host) return complain(host.failure());
  log::info("ready", {{"storage", config.storage.plugin}, {"auth", config.auth.plugin},
                      {"port", (*host)->port()}});
  std::printf("listening on %s\n", url_of(config, (*host)->port()).c_str());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&signals, &signal);
  log::info("stopping", {{"signal", signal}});
  bool clean = (*host)->stop();
  if (!clean) log::warn("stopped before everything was out: timeouts.shutdown_s has passed");
  return kOk;
}

int check_config(const std::string& file) {
  auto config = read_config(file);
  if (!config) {
    std::fputs(config.failure().text.c_str(), stderr);
    return config.failure().code == SK_UNAVAILABLE ? kNoInput : kConfig;
  }
  if (std::string missing = missing_plugins(*config); !missing.empty()) {
    std::fputs(missing.c_str(), stderr);
    return kConfig;
  }
  std::printf("%s: ok\n", file.c_str());
  return kOk;
}

int plugin_list(const std::string& file, bool json) {
  int code = kOk;
  auto config = load_config(file, "", code);
  if (!config) return code;
  std::vector<std::string> folders = plugin_folders(*config);
  Catalog catalog(folders, config->plugins.allow);
  std::string out = json ? "[" : "";
  if (!json) {
    std::printf("%-28s %-9s %-4s %-44s %s\n", "ID", "VERSION", "ABI", "INTERFACES", "FILE");
  }
  bool all_good = true;
  for (const std::string& name : plugin_names(folders)) {
    auto plugin = catalog.load(name);
    all_good = all_good && plugin.ok();
    std::string interfaces;
    if (plugin) {
      for (const std::string& one : (*plugin)->interfaces) {
        interfaces += (interfaces.empty() ? "" : ", ") + (json ? json_quoted(one) : one);
      }
    }
    if (!json && plugin) {
      const Plugin& p = **plugin;
      std::printf("%-28s %-9s %u.%u  %-44s %s\n", p.id.c_str(), p.version.c_str(), p.abi_major,
                  p.abi_minor, interfaces.c_str(), p.file.path.c_str());
    } else if (!json) {
      std::printf("%-28s refused: %s\n", name.c_str(), plugin.failure().text.c_str());
    } else if (plugin) {
      const Plugin& p = **plugin;
      out += std::string(out.size() > 1 ? ",\n " : "") + "{\"name\":" + json_quoted(name) +
             ",\"id\":" + json_quoted(p.id) + ",\"version\":" + json_quoted(p.version) +
             ",\"abi\":\"" + std::to_string(p.abi_major) + "." + std::to_string(p.abi_minor) +
             "\",\"build\":" + json_quoted(p.build) + ",\"interfaces\":[" + interfaces +
             "],\"file\":" + json_quoted(p.file.path) + ",\"sha256\":\"" + p.file.sha256 +
             "\",\"status\":\"ok\"}";
    } else {
      out += std::string(out.size() > 1 ? ",\n " : "") + "{\"name\":" + json_quoted(name) +
             ",\"status\":\"refused\",\"reason\":" + json_quoted(plugin.failure().text) + "}";
    }
  }
  if (json) std::printf("%s]\n", out.c_str());
  return all_good ? kOk : kData;
}

}  // namespace synckit::cli
