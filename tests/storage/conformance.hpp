// The conformance suite of synckit.storage/1. It runs against any backend:
//
//   std::vector<Backend> mine() { return {{"mine", synckit_plugin_v1_mine, fresh_config}}; }
//   INSTANTIATE_TEST_SUITE_P(mine, Conformance, testing::ValuesIn(mine()), backend_name);
//
// in one file that is linked with conformance.cpp and model.cpp. A backend that needs a server
// returns no Backend when the server is not configured, and says so.
#pragma once

#include "store.hpp"

#include <functional>
#include <map>

namespace synckit::storage_test {

struct Backend {
  std::string name;
  sk_plugin_fn entry;
  // Options of a new, empty store. Opening with the same options again must find the same store
  // (when it is durable).
  std::function<std::string()> fresh_config;
};

inline std::string backend_name(const testing::TestParamInfo<Backend>& info) {
  return info.param.name;
}
inline std::ostream& operator<<(std::ostream& out, const Backend& b) { return out << b.name; }

class Conformance : public testing::TestWithParam<Backend> {
 protected:
  Conformance() : store_(GetParam().entry), config_(GetParam().fresh_config()) {
    std::string text;
    EXPECT_EQ(store_.open(config_, &text), SK_OK) << text;
  }
  void reopen() {
    std::string text;
    ASSERT_EQ(store_.open(config_, &text), SK_OK) << text;
  }
  bool durable() const { return (store_.api()->flags & SK_STORAGE_DURABLE) != 0; }

  Store store_;
  std::string config_;
};

// A folder under TMPDIR that is removed at exit of the process that made it.
std::string temporary_folder();

// A seed for a randomized test: SYNCKIT_SEED or a new one, printed when the test fails.
uint64_t test_seed();

}  // namespace synckit::storage_test
