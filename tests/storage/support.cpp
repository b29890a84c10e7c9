// Shared by the storage tests: scratch folders and seeds.
#include "conformance.hpp"

#include <cstdlib>
#include <filesystem>
#include <random>
#include <stdexcept>
#include <unistd.h>

namespace synckit::storage_test {
namespace {

// Removed when the process ends in the usual way; a killed child leaves its parent's alone.
struct Scratch {
  std::string root;
  pid_t owner = getpid();
  int count = 0;

  Scratch() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "synckit-storage-XXXXXX").string();
    if (!mkdtemp(pattern.data())) throw std::runtime_error("no scratch folder: " + pattern);
    root = pattern;
  }
  ~Scratch() {
    std::error_code ignored;
    if (owner == getpid()) std::filesystem::remove_all(root, ignored);
  }
};

}  // namespace

std::string temporary_folder() {
  static Scratch scratch;
  std::string folder = scratch.root + "/" + std::to_string(scratch.count++);
  std::filesystem::create_directory(folder);
  return folder;
}

uint64_t test_seed() {
  if (const char* given = std::getenv("SYNCKIT_SEED")) return std::strtoull(given, nullptr, 10);
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

}  // namespace synckit::storage_test
