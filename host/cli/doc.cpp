// doc list and doc get: from a store that no host has open, or from a running host over HTTP.
#include <cstdio>
#include <memory>

#include "admin/url.hpp"
#include "base/json.hpp"
#include "cli.hpp"
#include "host.hpp"
#include "http_get.hpp"
#include "setup.hpp"
#include "storage/store.hpp"
#include "sync/materialize.hpp"

namespace synckit::cli {
namespace {

// Plugins outlive what is opened with them.
struct Opened {
  Config config;
  std::unique_ptr<Catalog> catalog;
  Registry registry;
  std::unique_ptr<Store> store;
};

int open_store(const Documents& options, Opened& out) {
  int code = kOk;
  auto config = load_config(options.config, options.data, code);
  if (!config) return code;
  out.config = std::move(*config);
  out.catalog = std::make_unique<Catalog>(plugin_folders(out.config), out.config.plugins.allow);
  for (const std::string& name : out.config.crdts) {
    auto plugin = out.catalog->load(name);
    if (!plugin) return complain(plugin.failure());
    for (const auto& table : (*plugin)->crdts) {
      if (Status added = out.registry.add(table.get()); !added.ok()) {
        return complain({added.code(), added.text()});
      }
    }
  }
  auto table = out.catalog->storage(out.config.storage.plugin);
  if (!table) return complain(table.failure());
  auto store = Store::open(*table, out.config.storage.json());
  if (!store) {
    return complain({store.failure().code,
                     store.failure().text + " (a running host answers through --url)"});
  }
  out.store = std::move(*store);
  return kOk;
}

int over_http(const Documents& options, const std::string& path) {
  auto answer = http_get(options.url, path, options.token);
  if (!answer) return complain(answer.failure());
  std::FILE* out = answer->status == 200 ? stdout : stderr;
  std::fputs(answer->body.c_str(), out);
  switch (answer->status) {
    case 200: return kOk;
    case 400: return kUsage;
    case 401:
    case 403: return kNoPermission;
    case 404: return kNoInput;
    default: return kUnavailable;
  }
}

}  // namespace

int doc_list(const Documents& options) {
  constexpr uint32_t kDefaultLimit = 1000;
  uint32_t limit = options.limit ? options.limit : kDefaultLimit;
  if (!options.url.empty()) {
    return over_http(options, "/documents?prefix=" + percent_encode(options.prefix) +
                                  "&limit=" + std::to_string(limit));
  }
  Opened opened;
  if (int code = open_store(options, opened); code != kOk) return code;
  std::string out = "{\"documents\":[";
  uint32_t count = 0;
  Result<> listed = opened.store->list(options.prefix, "", 0, limit + 1, [&](const sk_listed& row) {
    if (++count > limit) return false;
    out += std::string(count > 1 ? "," : "") + "{\"document\":" +
           json_quoted(Bytes(row.doc).text()) + ",\"position\":" + std::to_string(row.position) +
           ",\"updated_ms\":" + std::to_string(row.updated_ms) + "}";
    return true;
  });
  if (!listed) return complain(listed.failure());
  std::printf("%s],\"more\":%s}\n", out.c_str(), count > limit ? "true" : "false");
  return kOk;
}

int doc_get(const Documents& options) {
  if (options.id.empty() || options.id.size() > wire::kMaxDocumentIdBytes) {
    std::fputs("synckit: a document id is 1 to 512 bytes\n", stderr);
    return kUsage;
  }
  if (!options.url.empty()) return over_http(options, "/documents/" + percent_encode(options.id));
  Opened opened;
  if (int code = open_store(options, opened); code != kOk) return code;
  auto state = materialize(*opened.store, opened.registry, options.id,
                           opened.config.limits.fields);
  if (!state) return complain(state.failure());
  if (state->position == 0) {
    std::fprintf(stderr, "synckit: there is no document \"%s\"\n", options.id.c_str());
    return kNoInput;
  }
  auto body = to_json(*state, options.id);
  if (!body) return complain(body.failure());
  std::printf("%s\n", body->c_str());
  return kOk;
}

}  // namespace synckit::cli
