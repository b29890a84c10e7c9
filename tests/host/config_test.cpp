// The configuration file: every error with its place, all at once.
#include <cstdlib>

#include "config/options.hpp"
#include "support.hpp"

namespace synckit::testing {
namespace {

struct Case {
  const char* text;
  const char* error;  // the whole text of the errors
};

TEST(Configuration, errors_tell_line_column_and_what_was_meant) {
  const Case cases[] = {
      {"listen:\n  prot: 1\n", "f:2:3: unknown key \"listen.prot\" (did you mean \"port\"?)\n"},
      {"lisen:\n  port: 1\n", "f:1:1: unknown key \"lisen\" (did you mean \"listen\"?)\n"},
      {"zzzzzzzz: 1\n", "f:1:1: unknown key \"zzzzzzzz\"\n"},
      {"listen:\n  port: 1\n  port: 2\n", "f:3:3: \"listen.port\" is given twice\n"},
      {"log: {level: info}\nlog: {level: warn}\n", "f:2:1: \"log\" is given twice\n"},
      {"listen:\n  port: high\n",
       "f:2:9: \"listen.port\": expected a whole number from 0 to 65535, not \"high\"\n"},
      {"listen:\n  port: 65536\n",
       "f:2:9: \"listen.port\": expected a whole number from 0 to 65535, not \"65536\"\n"},
      {"timeouts:\n  hello_s: 0\n",
       "f:2:12: \"timeouts.hello_s\": expected a whole number from 1 to 3600 (s), not \"0\"\n"},
      {"demo:\n  enabled: yes\n",
       "f:2:12: \"demo.enabled\": expected true or false, not \"yes\"\n"},
      {"log:\n  level: warning\n",
       "f:2:10: \"log.level\": \"warning\" is not one of debug|info|warn|error (did you mean "
       "\"warn\"?)\n"},
      {"crdts: lww\n", "f:1:8: \"crdts\": expected a list, like [a, b]\n"},
      {"crdts: [lww, {a: b}]\n", "f:1:14: \"crdts\": expected text in the list\n"},
      {"listen: 4242\n", "f:1:9: \"listen\" is a section: expected keys below it\n"},
      {"listen:\n  port: [1]\n", "f:2:9: \"listen.port\": expected a single value\n"},
      {"- a\n", "f:1:1: expected sections, like `listen:`\n"},
      {"storage:\n  plugin: sqlite\n  path: a\n  path: b\n",
       "f:4:3: \"storage.path\" is given twice\n"},
      {"storage:\n  path: ${SYNCKIT_TEST_UNSET}\n",
       "f:2:9: the environment variable SYNCKIT_TEST_UNSET is not set (or give a default: "
       "${SYNCKIT_TEST_UNSET:-...})\n"},
      {"demo:\n  root: \"${OPEN\"\n",
       "f:2:9: \"${\" without \"}\" (write \"$${\" for the characters themselves)\n"},
      {"plugins:\n  allow: [beef]\n",
       "f:2:11: \"plugins.allow\": expected a SHA-256 of 64 hex digits, not \"beef\"\n"},
      {"limits:\n  max_frame_bytes: 2048\n  max_transaction_bytes: 2000\n",
       "f:3:26: limits.max_transaction_bytes must be at least 1024 bytes below "
       "limits.max_frame_bytes\n"},
      {"listen:\n  prot: 1\nlog:\n  level: x\n",
       "f:2:3: unknown key \"listen.prot\" (did you mean \"port\"?)\n"
       "f:4:10: \"log.level\": \"x\" is not one of debug|info|warn|error\n"},
  };
  for (const Case& c : cases) {
    auto config = parse_config(c.text, "f");
    ASSERT_FALSE(config.ok()) << c.text;
    EXPECT_EQ(config.failure().text, c.error) << c.text;
  }
}

TEST(Configuration, what_is_no_yaml_has_a_place_too) {
  for (const char* text : {"a: [1\n", "a: b: c\n", "\t- x", "a: *b\n"}) {
    auto config = parse_config(text, "f");
    ASSERT_FALSE(config.ok()) << text;
    EXPECT_EQ(config.failure().text.rfind("f:", 0), 0u) << config.failure().text;
  }
}

TEST(Configuration, values_reach_their_members) {
  ::setenv("SYNCKIT_TEST_PORT", "4711", 1);
  auto config = parse_config(
      "listen: {address: \"::1\", port: \"${SYNCKIT_TEST_PORT}\", "
      "allowed_origins: [\"${SYNCKIT_TEST_NONE:-https://a}\", \"$${x}\"]}\n"
      "timeouts: {hello_s: 3}\n"
      "storage:\n  plugin: sqlite\n  path: x.db\n  cache_mib: 12\n  flag: true\n"
      "  text: \"12\"\n  list: [a, {b: null}]\n"
      "crdts: []\n"
      "log: {format: json}\n",
      "f");
  ASSERT_TRUE(config.ok()) << config.failure().text;
  EXPECT_EQ(config->listen.address, "::1");
  EXPECT_EQ(config->listen.port, 4711);
  EXPECT_EQ(config->listen.allowed_origins, (std::vector<std::string>{"https://a", "${x}"}));
  EXPECT_EQ(config->timeouts.hello_ms, 3000u);
  EXPECT_EQ(config->storage.plugin, "sqlite");
  EXPECT_EQ(config->storage.json(),
            R"({"path":"x.db","cache_mib":12,"flag":true,"text":"12","list":["a",{"b":null}]})");
  EXPECT_TRUE(config->crdts.empty());
  EXPECT_EQ(config->log.format, "json");
  EXPECT_EQ(config->auth.plugin, "none");
  EXPECT_EQ(config->auth.json(), "{}");
}

TEST(Configuration, every_default_is_valid_and_documented) {
  Config config = default_config();  // aborts when the table contradicts itself
  EXPECT_EQ(config.listen.address, "127.0.0.1");
  EXPECT_EQ(config.listen.port, 4242);
  EXPECT_EQ(config.storage.plugin, "sqlite");
  EXPECT_EQ(config.crdts, (std::vector<std::string>{"lww", "text", "set", "counter"}));
  std::string reference = config_reference();
  for (const Option& option : options()) {
    EXPECT_NE(reference.find("| `" + std::string(option.name) + "` |"), std::string::npos);
    EXPECT_GT(std::string(option.doc).size(), 10u) << option.name;
  }
  EXPECT_TRUE(parse_config("", "f").ok());
  EXPECT_TRUE(parse_config("listen:\n", "f").ok());
}

TEST(Configuration, missing_plugins_are_named_with_their_place) {
  auto config = parse_config("storage: {plugin: sqlight}\nauth: {plugin: none}\n"
                             "crdts: [lww, conter]\nplugins: {paths: [\"" + plugin_folder() +
                             "\"]}\n", "f");
  ASSERT_TRUE(config.ok()) << config.failure().text;
  std::string missing = missing_plugins(*config);
  EXPECT_NE(missing.find("f:1:19: no plugin \"sqlight\""), std::string::npos) << missing;
  EXPECT_NE(missing.find("(did you mean \"sqlite\"?)"), std::string::npos) << missing;
  EXPECT_NE(missing.find("f:3:14: no plugin \"conter\""), std::string::npos) << missing;
  EXPECT_NE(missing.find("(did you mean \"counter\"?)"), std::string::npos) << missing;
}

TEST(Configuration, anonymous_hosts_listen_on_loopback_only) {
  Config config = test_config();
  config.listen.address = "0.0.0.0";
  auto host = Host::start(config, catalog());
  ASSERT_FALSE(host.ok());
  EXPECT_NE(host.failure().text.find("auth.allow_anonymous"), std::string::npos)
      << host.failure().text;
  config.allow_anonymous = true;
  host = Host::start(config, catalog());
  EXPECT_TRUE(host.ok()) << host.failure().text;
}

TEST(Configuration, a_plugin_s_options_are_checked_by_the_plugin) {
  Config config = test_config();
  config.auth.set("levle", "\"write\"");
  auto host = Host::start(config, catalog());
  ASSERT_FALSE(host.ok());
  EXPECT_NE(host.failure().text.find("levle"), std::string::npos) << host.failure().text;
}

}  // namespace
}  // namespace synckit::testing
