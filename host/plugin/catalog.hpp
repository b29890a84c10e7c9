// The plugins of this process: loaded once, checked, and never unloaded.
//
// A plugin is loaded with RTLD_NOW | RTLD_LOCAL. Its descriptor and interface tables are checked
// and copied (into zeroed structs of this build's size) before anything is called through them;
// optional entries that an older build does not have are therefore NULL.
//
// Threads: filled at start by one thread, then read only.
#pragma once

#include <synckit/abi.h>

#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "file.hpp"

namespace synckit {

struct Plugin {
  std::string name;  // "sqlite", as in the configuration
  PluginFile file;
  std::string id, version, build;
  uint32_t abi_major = 0, abi_minor = 0;
  std::vector<std::unique_ptr<sk_crdt_v1>> crdts;
  std::vector<std::unique_ptr<sk_storage_v1>> storages;
  std::vector<std::unique_ptr<sk_auth_v1>> auths;
  std::vector<std::string> interfaces;  // "synckit.crdt/1 text"
  void (*deinit)(void) = nullptr;
};

class Catalog {
 public:
  Catalog(std::vector<std::string> folders, std::vector<std::string> allow);
  ~Catalog();
  Catalog(const Catalog&) = delete;
  Catalog& operator=(const Catalog&) = delete;

  // Loads a plugin by name; a second call gives the same one. Failures say what to do.
  Result<const Plugin*> load(const std::string& name);
  Result<const Plugin*> load_file(const std::string& name, const std::string& path);

  // The interface of a plugin that must have it.
  Result<const sk_storage_v1*> storage(const std::string& name);
  Result<const sk_auth_v1*> auth(const std::string& name);

  const std::vector<std::string>& folders() const { return folders_; }

 private:
  std::vector<std::string> folders_, allow_;
  std::vector<std::unique_ptr<Plugin>> plugins_;
};

}  // namespace synckit
