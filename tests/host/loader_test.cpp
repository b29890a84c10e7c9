// What may be loaded, and the sentence for everything else.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "support.hpp"

namespace synckit::testing {
namespace {

namespace fs = std::filesystem;

std::string library(const std::string& folder, const std::string& name) {
  return folder + "/libsynckit_" + name + ".so";
}

// A private copy of a good plugin.
class Loader : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::copy_file(library(plugin_folder(), "counter"), library(folder_.path(), "counter"));
    ::chmod(library(folder_.path(), "counter").c_str(), 0644);
  }
  std::string copy() const { return library(folder_.path(), "counter"); }
  std::string refusal(std::vector<std::string> allow = {}, const std::string& name = "counter") {
    Catalog catalog({folder_.path()}, std::move(allow));
    auto plugin = catalog.load(name);
    return plugin ? "" : plugin.failure().text;
  }
  void expect_refused(const std::string& word, std::vector<std::string> allow = {}) {
    std::string text = refusal(std::move(allow));
    EXPECT_NE(text.find(word), std::string::npos) << "got: " << text;
    EXPECT_NE(text.find("counter"), std::string::npos) << "no file name: " << text;
  }
  TempFolder folder_;
};

TEST_F(Loader, loads_a_good_plugin_and_tells_about_it) {
  Catalog catalog({folder_.path()}, {});
  auto plugin = catalog.load("counter");
  ASSERT_TRUE(plugin.ok()) << plugin.failure().text;
  EXPECT_EQ((*plugin)->id, "synckit.counter");
  EXPECT_EQ((*plugin)->abi_major, SK_ABI_MAJOR);
  ASSERT_EQ((*plugin)->crdts.size(), 1u);
  EXPECT_STREQ((*plugin)->crdts[0]->type, "counter");
  EXPECT_EQ((*plugin)->file.sha256.size(), 64u);
  auto again = catalog.load("counter");
  EXPECT_EQ(*again, *plugin);
}

TEST_F(Loader, with_its_hash_allowed_the_sealed_copy_is_loaded) {
  auto file = check_plugin_file(copy(), {});
  ASSERT_TRUE(file.ok());
  Catalog catalog({folder_.path()}, {std::string(64, '0'), file->sha256});
  auto plugin = catalog.load("counter");
  ASSERT_TRUE(plugin.ok()) << plugin.failure().text;
  EXPECT_EQ((*plugin)->file.load_path.rfind("/proc/self/fd/", 0), 0u);
  // What runs does not change with the file.
  ASSERT_EQ(::truncate(copy().c_str(), 0), 0);
  void* document = nullptr;
  const sk_crdt_v1& type = *(*plugin)->crdts[0];
  ASSERT_EQ(type.create(&document, nullptr), SK_OK);
  Buffer json;
  EXPECT_EQ(type.view(document, &json, nullptr), SK_OK);
  EXPECT_EQ(json.str(), "0");
  type.destroy(document);
}

TEST_F(Loader, refuses_another_hash) {
  expect_refused("not in plugins.allow", {std::string(64, '0')});
}

TEST_F(Loader, refuses_symbolic_links) {
  fs::remove(copy());
  fs::create_symlink(library(plugin_folder(), "counter"), copy());
  expect_refused("symbolic link");
}

TEST_F(Loader, refuses_files_that_others_may_write) {
  ::chmod(copy().c_str(), 0666);
  expect_refused("writable by group or others");
  ::chmod(copy().c_str(), 0664);
  expect_refused("writable by group or others");
}

TEST_F(Loader, refuses_folders_that_others_may_write) {
  ::chmod(folder_.path().c_str(), 0777);
  expect_refused("its folder");
}

TEST_F(Loader, refuses_what_is_no_regular_file) {
  fs::remove(copy());
  ASSERT_EQ(::mkfifo(copy().c_str(), 0600), 0);
  expect_refused("not a regular file");
  fs::remove(copy());
  fs::create_directory(copy());
  expect_refused("not a regular file");
}

// At every length: an error, never a signal.
TEST_F(Loader, refuses_truncated_files) {
  auto size = static_cast<off_t>(fs::file_size(copy()));
  for (off_t len : {off_t{0}, off_t{3}, off_t{40}, off_t{64}, off_t{500}, size / 4, size / 2,
                    size - 64, size - 1}) {
    if (len >= size) continue;
    ASSERT_EQ(::truncate(copy().c_str(), len), 0);
    EXPECT_NE(refusal(), "") << "loaded at " << len << " of " << size;
    fs::remove(copy());
    SetUp();
  }
}

TEST_F(Loader, refuses_what_is_no_library) {
  folder_.write("libsynckit_counter.so", std::string(100000, 'x'));
  expect_refused("not an ELF library");
}

TEST_F(Loader, says_where_it_looked_for_a_missing_one) {
  std::string text = refusal({}, "nothing");
  EXPECT_NE(text.find("libsynckit_nothing.so in " + folder_.path()), std::string::npos) << text;
  EXPECT_NE(refusal({}, "../counter"), "");
}

TEST(BadPlugins, are_refused_with_a_sentence) {
  const std::pair<const char*, const char*> cases[] = {
      {"bad_magic", "wrong magic number"},
      {"bad_major", "ABI major version 2"},
      {"bad_symbol", "does not export synckit_plugin_v1"},
      {"bad_size", "descriptor is too small"},
      {"bad_init", "the moon is in the wrong phase"},
      {"bad_table", "without a required function"},
      {"bad_nothing", "returned nothing"},
  };
  for (auto [name, words] : cases) {
    Catalog catalog({test_plugin_folder()}, {});
    auto plugin = catalog.load(name);
    ASSERT_FALSE(plugin.ok()) << name;
    EXPECT_NE(plugin.failure().text.find(words), std::string::npos) << plugin.failure().text;
    EXPECT_NE(plugin.failure().text.find(name), std::string::npos) << plugin.failure().text;
  }
}

TEST(BadPlugins, stop_the_start_or_are_skipped) {
  Config config = test_config();
  config.crdts = {"lww", "bad_init"};
  auto host = Host::start(config, catalog());
  ASSERT_FALSE(host.ok());
  EXPECT_NE(host.failure().text.find("plugins.on_error"), std::string::npos)
      << host.failure().text;
  config.plugins.skip_failed = true;
  host = Host::start(config, catalog());
  EXPECT_TRUE(host.ok()) << host.failure().text;
}

TEST(BadPlugins, a_plugin_of_another_kind_is_refused) {
  Config config = test_config();
  config.storage.plugin = "lww";
  auto host = Host::start(config, catalog());
  ASSERT_FALSE(host.ok());
  EXPECT_NE(host.failure().text.find("no storage plugin"), std::string::npos);
}

}  // namespace
}  // namespace synckit::testing
