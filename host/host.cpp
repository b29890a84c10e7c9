#include "host.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <thread>

#include "admin/routes.hpp"
#include "base/clock.hpp"
#include "base/log.hpp"
#include "config/options.hpp"
#include "net/server.hpp"
#include "sync/document_actor.hpp"
#include "sync/hub.hpp"

namespace synckit {
namespace {

constexpr int64_t kTickMs = 100;
constexpr int64_t kDocumentTickMs = 1000;
constexpr unsigned kMaxDefaultLoops = 4;

bool is_folder(const std::string& path) {
  struct stat s {};
  return ::stat(path.c_str(), &s) == 0 && S_ISDIR(s.st_mode);
}

std::string demo_root(const Config& config) {
  if (!config.demo.enabled) return "";
  if (!config.demo.root.empty()) return config.demo.root;
  for (const char* candidate : {"/demo", "/../share/synckit/demo"}) {
    std::string path = program_folder() + candidate;
    if (is_folder(path)) return path;
  }
  return "";
}

}  // namespace

std::vector<std::string> plugin_folders(const Config& config) {
  return config.plugins.paths.empty() ? default_plugin_folders() : config.plugins.paths;
}

std::string missing_plugins(const Config& config) {
  std::vector<std::string> folders = plugin_folders(config);
  std::string errors;
  auto need = [&](const std::string& name, const std::string& option) {
    auto path = find_plugin(name, folders);
    if (path) return;
    std::vector<std::string> known = plugin_names(folders);
    std::string close = nearest(name, known);
    errors += config.at(option) + path.failure().text +
              (close.empty() ? "" : " (did you mean \"" + close + "\"?)") + "\n";
  };
  need(config.storage.plugin, "storage.plugin");
  need(config.auth.plugin, "auth.plugin");
  for (size_t i = 0; i < config.crdts.size() && !config.plugins.skip_failed; ++i) {
    need(config.crdts[i], "crdts[" + std::to_string(i) + "]");
  }
  return errors;
}

struct Host::Impl {
  Config config;
  Registry registry;
  Metrics metrics;
  std::unique_ptr<Authority> authority;
  std::unique_ptr<Store> store;
  std::unique_ptr<Workers> workers;
  std::unique_ptr<Committer> committer;
  std::vector<std::unique_ptr<Loop>> loops;
  std::unique_ptr<Hub> hub;
  std::unique_ptr<Server> server;
  uint16_t port = 0, admin_port = 0;
  bool stopped = false;

  Result<> load_types(Catalog& catalog) {
    for (const std::string& name : config.crdts) {
      auto plugin = catalog.load(name);
      std::string problem;
      if (!plugin) {
        problem = plugin.failure().text;
      } else if ((*plugin)->crdts.empty()) {
        problem = (*plugin)->file.path + ": it is no CRDT plugin";
      } else {
        for (const auto& table : (*plugin)->crdts) {
          Status added = registry.add(table.get());
          if (added.ok()) continue;
          problem = (*plugin)->file.path + ": type \"" + table->type + "\": " + added.text();
        }
      }
      if (problem.empty()) continue;
      if (!config.plugins.skip_failed) {
        return Failure{SK_UNSUPPORTED,
                       problem + " (set plugins.on_error: skip to start without it)"};
      }
      log::error("plugin skipped", {{"plugin", name}, {"reason", problem}});
    }
    return Done{};
  }

  Result<> open_plugins(Catalog& catalog) {
    if (Result<> types = load_types(catalog); !types) return types;
    auto auth = catalog.auth(config.auth.plugin);
    if (!auth) return auth.failure();
    auto opened = Authority::open(*auth, config.auth.json());
    if (!opened) {
      return Failure{SK_UNSUPPORTED, config.at("auth.plugin") + "auth plugin \"" +
                                         config.auth.plugin + "\": " + opened.failure().text};
    }
    authority = std::move(*opened);
    if (authority->anonymous() && !config.allow_anonymous &&
        !loopback_address(config.listen.address)) {
      return Failure{SK_UNSUPPORTED,
                     config.at("listen.address") + "listen.address " + config.listen.address +
                         " is reachable from other machines, and the auth plugin \"" +
                         config.auth.plugin +
                         "\" lets everyone in; configure auth (for example plugin: jwt), or set "
                         "auth.allow_anonymous: true if that is what you want"};
    }
    auto storage = catalog.storage(config.storage.plugin);
    if (!storage) return storage.failure();
    auto store_opened = Store::open(*storage, config.storage.json());
    if (!store_opened) {
      return Failure{store_opened.failure().code,
                     config.at("storage.plugin") + "storage plugin \"" + config.storage.plugin +
                         "\": " + store_opened.failure().text};
    }
    store = std::move(*store_opened);
    if (!store->durable()) {
      log::warn("storage keeps nothing beyond this process", {{"plugin", config.storage.plugin}});
    }
    return Done{};
  }

  void start_loops() {
    const auto& limits = config.limits;
    workers = std::make_unique<Workers>(config.worker_threads, limits.worker_queue);
    committer = std::make_unique<Committer>(
        *store, metrics,
        Committer::Limits{limits.commit_queue_records, limits.commit_queue_bytes,
                          limits.commit_batch_records, limits.commit_batch_bytes});
    unsigned count = config.listen.threads
                         ? config.listen.threads
                         : std::clamp(std::thread::hardware_concurrency(), 1u, kMaxDefaultLoops);
    hub.reset(new Hub{config, registry, *authority, *store, *committer, *workers, metrics, {}, {}});
    for (unsigned i = 0; i < count; ++i) {
      loops.push_back(std::make_unique<Loop>());
      auto shard = std::make_unique<Shard>();
      shard->executor = loops.back().get();
      hub->shards.push_back(std::move(shard));
    }
    server = std::make_unique<Server>(*hub, loops);
    for (unsigned i = 0; i < count; ++i) {
      loops[i]->start(
          [this, i, last = int64_t{0}](int64_t now) mutable {
            server->tick(i, now);
            if (now - last < kDocumentTickMs) return;
            last = now;
            hub->tick(i, now);
          },
          kTickMs);
    }
  }

  Result<> listen() {
    bool own_admin = config.admin.enabled && config.admin.port != 0;
    auto bound = server->listen(config.listen.address, config.listen.port, true,
                                http_routes(*hub, demo_root(config),
                                            config.admin.enabled && !own_admin));
    if (!bound) {
      return Failure{bound.failure().code, config.at("listen.address") + bound.failure().text};
    }
    port = *bound;
    if (!own_admin) return Done{};
    auto admin = server->listen(config.admin.address, config.admin.port, false,
                                http_routes(*hub, "", true));
    if (!admin) {
      return Failure{admin.failure().code, config.at("admin.port") + admin.failure().text};
    }
    admin_port = *admin;
    return Done{};
  }

  bool wait_for_connections(int64_t until_ms) {
    while (server->open_connections() > 0 && steady_ms() < until_ms) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return server->open_connections() == 0;
  }

  bool stop() {
    if (stopped) return true;
    stopped = true;
    bool clean = true;
    if (server) {
      int64_t until = steady_ms() + config.timeouts.shutdown_ms;
      server->stop_accepting();
      server->stop_reading();
      clean = committer->drain(std::max<int64_t>(0, until - steady_ms()));
      // Documents hear of the last commits, and post the answers to the sessions' loops: those
      // stand there before what close_all posts.
      server->barrier();
      server->close_all();
      clean = wait_for_connections(until) && clean;
      server->abandon();
    }
    // Workers before loops: their last answers are posted to loops that still run.
    if (workers) workers->stop();
    for (auto& loop : loops) loop->stop();
    server.reset();
    if (hub) {
      for (auto& shard : hub->shards) shard->documents.clear();
    }
    loops.clear();
    committer.reset();
    hub.reset();
    workers.reset();
    store.reset();
    authority.reset();
    return clean;
  }
};

Host::Host() : impl_(std::make_unique<Impl>()) {}
Host::~Host() { stop(); }

Result<std::unique_ptr<Host>> Host::start(Config config, Catalog& catalog) {
  std::unique_ptr<Host> host(new Host());
  host->impl_->config = std::move(config);
  if (Result<> opened = host->impl_->open_plugins(catalog); !opened) return opened.failure();
  host->impl_->start_loops();
  if (Result<> listening = host->impl_->listen(); !listening) return listening.failure();
  return host;
}

uint16_t Host::port() const { return impl_->port; }
uint16_t Host::admin_port() const { return impl_->admin_port; }
Hub& Host::hub() { return *impl_->hub; }
bool Host::stop() { return impl_->stop(); }

}  // namespace synckit
