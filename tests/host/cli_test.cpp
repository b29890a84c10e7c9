// The program itself: what it prints, and its exit codes.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "support.hpp"

extern char** environ;

namespace synckit::testing {
namespace {

struct Ran {
  int code = -1;
  std::string out, err;
};

std::string slurp(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

class Program {
 public:
  Program(const TempFolder& folder, std::vector<std::string> args)
      : out_(folder.file("stdout")), err_(folder.file("stderr")) {
    args.insert(args.begin(), SYNCKIT_PROGRAM);
    std::vector<char*> argv;
    for (std::string& arg : args) argv.push_back(arg.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    constexpr int kFlags = O_WRONLY | O_CREAT | O_TRUNC;
    posix_spawn_file_actions_addopen(&files, 1, out_.c_str(), kFlags, 0600);
    posix_spawn_file_actions_addopen(&files, 2, err_.c_str(), kFlags, 0600);
    EXPECT_EQ(posix_spawn(&pid_, SYNCKIT_PROGRAM, &files, nullptr, argv.data(), environ), 0);
    posix_spawn_file_actions_destroy(&files);
  }
  ~Program() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    wait();
  }
  Ran wait() {
    int status = 0;
    EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
    pid_ = -1;
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), slurp(out_),
            slurp(err_)};
  }
  void signal(int number) { ::kill(pid_, number); }
  // The port of `listening on http://127.0.0.1:PORT`.
  uint16_t port() {
    std::string line;
    EXPECT_TRUE(eventually([&] { return (line = slurp(out_)).find('\n') != std::string::npos; }))
        << slurp(err_);
    EXPECT_EQ(line.rfind("listening on http://127.0.0.1:", 0), 0u) << line;
    return static_cast<uint16_t>(std::atoi(line.substr(line.rfind(':') + 1).c_str()));
  }

 private:
  std::string out_, err_;
  pid_t pid_ = -1;
};

Ran run(const std::vector<std::string>& args) {
  TempFolder folder;
  return Program(folder, args).wait();
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string config_for(const TempFolder& folder, const std::string& more = "") {
  return folder.write("synckit.yaml", "crdts: [lww, counter]\nlisten: {port: 0}\n"
                                      "plugins: {paths: [\"" + plugin_folder() + "\"]}\n" + more);
}

TEST(Cli, usage_errors) {
  EXPECT_EQ(run({}).code, 64);
  EXPECT_EQ(run({"fly"}).code, 64);
  EXPECT_EQ(run({"serve", "--port", "70000"}).code, 64);
  Ran version = run({"--version"});
  EXPECT_EQ(version.code, 0);
  EXPECT_TRUE(has(version.out, "synckit ")) << version.out;
  EXPECT_EQ(run({"--help"}).code, 0);
  EXPECT_EQ(run({"serve", "--help"}).code, 0);
}

TEST(Cli, check_config) {
  TempFolder folder;
  EXPECT_EQ(run({"check-config", folder.file("none.yaml")}).code, 66);
  std::string good = config_for(folder);
  Ran ok = run({"check-config", good});
  EXPECT_EQ(ok.code, 0) << ok.err;
  EXPECT_EQ(ok.out, good + ": ok\n");
  std::string bad = folder.write("bad.yaml", "listen:\n  prot: 1\n");
  Ran refused = run({"check-config", bad});
  EXPECT_EQ(refused.code, 78);
  EXPECT_EQ(refused.err, bad + ":2:3: unknown key \"listen.prot\" (did you mean \"port\"?)\n");
  EXPECT_EQ(run({"serve", "--config", bad}).code, 78);
}

TEST(Cli, config_reference) {
  Ran reference = run({"config-reference"});
  EXPECT_EQ(reference.code, 0);
  EXPECT_TRUE(has(reference.out, "| `listen.port` | 0 to 65535 | `4242` |")) << reference.out;
}

TEST(Cli, plugin_list) {
  TempFolder folder;
  Ran list = run({"plugin", "list", "--config", config_for(folder)});
  EXPECT_EQ(list.code, 0) << list.err << list.out;
  EXPECT_TRUE(has(list.out, "synckit.storage/1 sqlite")) << list.out;
  std::string bad =
      folder.write("bad.yaml", "plugins: {paths: [\"" + test_plugin_folder() + "\"]}");
  Ran refused = run({"plugin", "list", "--json", "--config", bad});
  EXPECT_EQ(refused.code, 65);
  EXPECT_TRUE(has(refused.out, "\"status\":\"refused\",\"reason\":\"")) << refused.out;
  EXPECT_TRUE(has(refused.out, "\"interfaces\":[\"synckit.crdt/1 test.toy\"]")) << refused.out;
}

TEST(Cli, serves_stops_on_sigterm_and_reads_documents_back) {
  TempFolder folder;
  std::string config = config_for(folder), data = folder.file("data");
  {
    Program host(folder, {"serve", "--config", config, "--data", data});
    uint16_t port = host.port();
    std::string url = "http://127.0.0.1:" + std::to_string(port);
    Client client(port);
    client.hello(1);
    Replica a(1);
    client.update("notes/a", a.counter(7));
    EXPECT_EQ(client.ack().position, 1u);
    Ran get = run({"doc", "get", "notes/a", "--url", url});
    EXPECT_EQ(get.code, 0) << get.err;
    EXPECT_TRUE(has(get.out, "\"value\":7")) << get.out;
    EXPECT_EQ(run({"doc", "get", "other", "--url", url}).code, 66);
    EXPECT_TRUE(has(run({"doc", "list", "--url", url}).out, "notes/a"));
    // One host per store: the second one says so.
    Ran second = run({"serve", "--config", config, "--data", data});
    EXPECT_EQ(second.code, 69) << second.err;
    Ran direct = run({"doc", "list", "--config", config, "--data", data});
    EXPECT_EQ(direct.code, 69);
    EXPECT_TRUE(has(direct.err, "--url")) << direct.err;
    host.signal(SIGTERM);
    client.expect_close(1001);
    Ran ended = host.wait();
    EXPECT_EQ(ended.code, 0) << ended.err;
    EXPECT_EQ(ended.out, "listening on " + url + "\n");
  }
  Ran get = run({"doc", "get", "notes/a", "--config", config, "--data", data});
  EXPECT_EQ(get.code, 0) << get.err;
  EXPECT_TRUE(has(get.out, "\"value\":7")) << get.out;
  EXPECT_EQ(run({"doc", "get", "other", "--config", config, "--data", data}).code, 66);
  EXPECT_TRUE(has(run({"doc", "list", "--config", config, "--data", data}).out, "notes/a"));
}

TEST(Cli, logs_json_lines_when_asked) {
  TempFolder folder;
  std::string config =
      config_for(folder, "log: {format: json}\nstorage: {plugin: memory}\n");
  Program host(folder, {"serve", "--config", config});
  host.port();
  host.signal(SIGINT);
  Ran ended = host.wait();
  EXPECT_EQ(ended.code, 0);
  EXPECT_TRUE(has(ended.err, "\"level\":\"info\",\"msg\":\"ready\",\"storage\":\"memory\""))
      << ended.err;
}

TEST(Cli, an_address_in_use_or_not_ours_is_unavailable) {
  TempFolder folder;
  std::string config = config_for(folder, "storage: {plugin: memory}\n");
  TestHost taken;
  Ran run_it = run({"serve", "--config", config, "--port", std::to_string(taken.port())});
  EXPECT_EQ(run_it.code, 69) << run_it.err;
  EXPECT_TRUE(has(run_it.err, "cannot listen")) << run_it.err;
  EXPECT_EQ(run({"serve", "--config", config, "--listen", "0.0.0.0:0"}).code, 78);
  EXPECT_EQ(run({"doc", "list", "--url", "http://127.0.0.1:1"}).code, 69);
}

TEST(Cli, token_makes_what_the_host_accepts) {
  TempFolder folder;
  std::string key = folder.write("key", "0123456789abcdef0123456789abcdef\n");
  Ran token = run({"token", "--key", key, "--sub", "ann", "--permissions", "{\"*\":\"read\"}"});
  ASSERT_EQ(token.code, 0) << token.err;
  ASSERT_FALSE(token.out.empty());
  Config config = test_config();
  config.auth.plugin = "jwt";
  config.auth.set("keys", "[{\"alg\":\"HS256\",\"secret_file\":\"" + key + "\"}]");
  TestHost host(config);
  Client client(host.port());
  wire::Welcome welcome = client.hello(1, token.out.substr(0, token.out.size() - 1));
  EXPECT_EQ(welcome.principal.str(), "ann");
  EXPECT_EQ(run({"token", "--key", folder.file("none")}).code, 66);
  EXPECT_EQ(run({"token", "--key", folder.write("short", "x")}).code, 65);
  EXPECT_EQ(run({"token", "--key", key, "--permissions", "{"}).code, 65);
}

}  // namespace
}  // namespace synckit::testing
