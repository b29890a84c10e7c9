// The backends that need no server, under the conformance suite.
#include "conformance.hpp"

extern "C" {
const sk_plugin* synckit_plugin_v1_memory(void);
const sk_plugin* synckit_plugin_v1_sqlite(void);
}

namespace synckit::storage_test {
namespace {

std::string sqlite_config() {
  // Sync to disk has tests of its own; this suite is about results.
  return R"({"path": ")" + temporary_folder() + R"(/store.db", "synchronous": "off"})";
}

std::vector<Backend> backends() {
  return {{"memory", synckit_plugin_v1_memory, [] { return std::string("{}"); }},
          {"sqlite", synckit_plugin_v1_sqlite, sqlite_config}};
}

INSTANTIATE_TEST_SUITE_P(storage, Conformance, testing::ValuesIn(backends()), backend_name);

}  // namespace
}  // namespace synckit::storage_test
