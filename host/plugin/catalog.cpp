#include "catalog.hpp"

#include <boost/dll/shared_library.hpp>
#include <cstring>

#include "base/log.hpp"

namespace synckit {
namespace {

constexpr uint32_t kMaxInterfaces = 256;  // per plugin and id
constexpr size_t kMaxName = 128;

Failure refuse(const std::string& path, const std::string& why) {
  return {SK_UNSUPPORTED, path + ": " + why};
}

void plugin_log(int32_t level, const char* text) {
  if (!text) return;
  log::Level at = level >= SK_LOG_ERROR  ? log::Level::error
                  : level == SK_LOG_WARN ? log::Level::warn
                  : level == SK_LOG_INFO ? log::Level::info
                                         : log::Level::debug;
  if (log::enabled(at)) log::write(at, text, {{"source", "plugin"}});
}

const sk_host kHost = {sizeof(sk_host), SK_ABI_MAJOR, SK_ABI_MINOR, &plugin_log};

// Libraries stay mapped until the process ends: their code may be running on any thread, and
// static data of theirs may be referenced from anywhere.
std::vector<boost::dll::shared_library>& libraries() {
  static auto* kept = new std::vector<boost::dll::shared_library>();
  return *kept;
}

// A table into a zeroed struct of this build's size: what the plugin's build lacks stays NULL.
template <class Table>
std::unique_ptr<Table> copy_table(const void* source) {
  uint32_t size = 0;
  std::memcpy(&size, source, sizeof size);
  auto out = std::make_unique<Table>();
  std::memset(static_cast<void*>(out.get()), 0, sizeof(Table));
  std::memcpy(static_cast<void*>(out.get()), source, size < sizeof(Table) ? size : sizeof(Table));
  return out;
}

bool usable_name(const char* name) {
  return name && *name && ::strnlen(name, kMaxName) < kMaxName;
}

const char* problem(const sk_crdt_v1& t) {
  if (!usable_name(t.type)) return "a synckit.crdt/1 table without a type name";
  bool whole = t.create && t.destroy && t.mutate && t.merge && t.encode && t.view && t.inspect;
  return whole ? nullptr : "a synckit.crdt/1 table without a required function";
}
const char* problem(const sk_storage_v1& t) {
  if (!usable_name(t.name)) return "a synckit.storage/1 table without a name";
  bool whole = t.open && t.close && t.append && t.head && t.read && t.save && t.load && t.list &&
               t.erase;
  return whole ? nullptr : "a synckit.storage/1 table without a required function";
}
const char* problem(const sk_auth_v1& t) {
  if (!usable_name(t.name)) return "a synckit.auth/1 table without a name";
  return t.open && t.close && t.authenticate && t.authorize && t.epoch
             ? nullptr
             : "a synckit.auth/1 table without a required function";
}

const char* name_of(const sk_crdt_v1& t) { return t.type; }
const char* name_of(const sk_storage_v1& t) { return t.name; }
const char* name_of(const sk_auth_v1& t) { return t.name; }

template <class Table>
Result<> collect(const sk_plugin& plugin, const char* id, const std::string& path,
                std::vector<std::unique_ptr<Table>>& out, std::vector<std::string>& names) {
  for (uint32_t i = 0; i < kMaxInterfaces; ++i) {
    const void* source = plugin.get_interface(id, i);
    if (!source) return Done{};
    auto table = copy_table<Table>(source);
    if (const char* wrong = problem(*table)) return refuse(path, std::string("it has ") + wrong);
    names.push_back(std::string(id) + " " + name_of(*table));
    out.push_back(std::move(table));
  }
  return refuse(path, "more than 256 implementations of one interface");
}

// Smallest descriptor that major version 1 ever had: up to and including get_interface.
constexpr size_t kLeastDescriptor = offsetof(sk_plugin, get_interface) + sizeof(void*);

Result<> check_descriptor(const sk_plugin* source, const std::string& path, sk_plugin& out) {
  if (!source) return refuse(path, "synckit_plugin_v1() returned nothing");
  std::memcpy(&out, source, offsetof(sk_plugin, id));  // magic, major, minor, size
  if (out.magic != SK_ABI_MAGIC) return refuse(path, "wrong magic number: not a SyncKit plugin");
  if (out.major != SK_ABI_MAJOR) {
    return refuse(path, "built for ABI major version " + std::to_string(out.major) +
                            ", this host has " + std::to_string(SK_ABI_MAJOR) +
                            "; rebuild the plugin with this host's headers");
  }
  if (out.size < kLeastDescriptor) return refuse(path, "its descriptor is too small");
  size_t size = out.size < sizeof out ? out.size : sizeof out;
  std::memset(static_cast<void*>(&out), 0, sizeof out);
  std::memcpy(static_cast<void*>(&out), source, size);
  if (!usable_name(out.id) || !usable_name(out.version) || !out.get_interface) {
    return refuse(path, "its descriptor lacks id, version or get_interface");
  }
  return Done{};
}

Result<const sk_plugin*> enter(const PluginFile& file) {
  namespace dll = boost::dll;
  boost::dll::fs::error_code error;
  dll::shared_library library;
  library.load(file.load_path, error, dll::load_mode::rtld_now | dll::load_mode::rtld_local);
  if (error || !library.is_loaded()) {
    const char* detail = ::dlerror();
    return refuse(file.path, std::string("the loader refused it: ") +
                                 (detail ? detail : error.message().c_str()));
  }
  if (!library.has(SK_PLUGIN_SYMBOL)) {
    return refuse(file.path, "it does not export " SK_PLUGIN_SYMBOL ": not a SyncKit plugin");
  }
  auto entry = library.get<const sk_plugin*(void)>(SK_PLUGIN_SYMBOL);
  libraries().push_back(library);
  try {
    return entry();
  } catch (...) {
    return refuse(file.path, "synckit_plugin_v1() threw an exception");
  }
}

}  // namespace

Catalog::Catalog(std::vector<std::string> folders, std::vector<std::string> allow)
    : folders_(std::move(folders)), allow_(std::move(allow)) {}

Catalog::~Catalog() {
  for (auto plugin = plugins_.rbegin(); plugin != plugins_.rend(); ++plugin) {
    if ((*plugin)->deinit) (*plugin)->deinit();
  }
}

Result<const Plugin*> Catalog::load(const std::string& name) {
  for (const auto& plugin : plugins_) {
    if (plugin->name == name) return static_cast<const Plugin*>(plugin.get());
  }
  auto path = find_plugin(name, folders_);
  if (!path) return path.failure();
  return load_file(name, *path);
}

Result<const Plugin*> Catalog::load_file(const std::string& name, const std::string& path) {
  auto file = check_plugin_file(path, allow_);
  if (!file) return file.failure();
  auto source = enter(*file);
  if (!source) return source.failure();
  sk_plugin descriptor;
  if (Result<> checked = check_descriptor(*source, path, descriptor); !checked) {
    return checked.failure();
  }
  auto plugin = std::make_unique<Plugin>();
  plugin->name = name;
  plugin->file = *file;
  plugin->id = descriptor.id;
  plugin->version = descriptor.version;
  plugin->build = descriptor.build ? descriptor.build : "";
  plugin->abi_major = descriptor.major;
  plugin->abi_minor = descriptor.minor;
  if (descriptor.init) {
    sk_error error{};
    error.size = sizeof error;
    if (sk_status code = descriptor.init(&kHost, &error); code != SK_OK) {
      error.text[sizeof error.text - 1] = '\0';
      return refuse(path, std::string("its init failed (") + code_name(code) + "): " +
                              (error.text[0] ? error.text : "it gave no reason"));
    }
  }
  plugin->deinit = descriptor.deinit;
  for (Result<> found :
       {collect(descriptor, SK_IFACE_CRDT, path, plugin->crdts, plugin->interfaces),
        collect(descriptor, SK_IFACE_STORAGE, path, plugin->storages, plugin->interfaces),
        collect(descriptor, SK_IFACE_AUTH, path, plugin->auths, plugin->interfaces)}) {
    if (found) continue;
    if (plugin->deinit) plugin->deinit();
    return found.failure();
  }
  plugins_.push_back(std::move(plugin));
  return static_cast<const Plugin*>(plugins_.back().get());
}

Result<const sk_storage_v1*> Catalog::storage(const std::string& name) {
  auto plugin = load(name);
  if (!plugin) return plugin.failure();
  if ((*plugin)->storages.empty()) {
    return refuse((*plugin)->file.path, "it is no storage plugin");
  }
  return static_cast<const sk_storage_v1*>((*plugin)->storages[0].get());
}

Result<const sk_auth_v1*> Catalog::auth(const std::string& name) {
  auto plugin = load(name);
  if (!plugin) return plugin.failure();
  if ((*plugin)->auths.empty()) {
    return refuse((*plugin)->file.path, "it is no authentication plugin");
  }
  return static_cast<const sk_auth_v1*>((*plugin)->auths[0].get());
}

}  // namespace synckit
