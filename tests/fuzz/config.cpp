// Any text as the host's YAML configuration: a configuration or an error with a sentence.
#include <config/config.hpp>

#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  auto config = synckit::parse_config(text, "fuzz.yaml");
  (void)config;
  return 0;
}
