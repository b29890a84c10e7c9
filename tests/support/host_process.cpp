#include "host_process.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace synckit::testing_support {
namespace {

constexpr int kStartTimeoutMs = 30'000;

std::string binary() {
  const char* given = std::getenv("SYNCKIT_BIN");
  return given && *given ? given : "./synckit";
}

// Reads up to the end of the line that says where it listens.
int read_port(int fd) {
  std::string line;
  for (;;) {
    pollfd ready{fd, POLLIN, 0};
    if (poll(&ready, 1, kStartTimeoutMs) <= 0) return -1;
    char c;
    if (read(fd, &c, 1) != 1) return -1;
    if (c != '\n') {
      line += c;
      continue;
    }
    size_t at = line.rfind(':');
    if (line.find("listening on") != std::string::npos && at != std::string::npos) {
      return std::atoi(line.c_str() + at + 1);
    }
    line.clear();
  }
}

}  // namespace

TempDir::TempDir() {
  std::string pattern = (std::filesystem::temp_directory_path() / "synckit-XXXXXX").string();
  if (!mkdtemp(pattern.data())) throw std::runtime_error("cannot make a temporary directory");
  path_ = pattern;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

HostProcess::HostProcess(std::string data_dir, std::vector<std::string> extra_args)
    : data_dir_(std::move(data_dir)), extra_args_(std::move(extra_args)) {}

HostProcess::~HostProcess() { kill9(); }

void HostProcess::start() {
  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) throw std::runtime_error("pipe failed");
  std::string log_path = data_dir_ + "/host.log";
  int log_fd = open(log_path.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
  std::vector<std::string> args = {binary(), "serve",  "--data", data_dir_,
                                   "--port", std::to_string(port_)};
  args.insert(args.end(), extra_args_.begin(), extra_args_.end());
  std::vector<char*> argv;
  for (std::string& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  pid_ = fork();
  if (pid_ == 0) {
    dup2(pipe_fds[1], STDOUT_FILENO);
    dup2(log_fd, STDERR_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  }
  close(pipe_fds[1]);
  close(log_fd);
  int port = read_port(pipe_fds[0]);
  out_ = pipe_fds[0];
  if (port <= 0) {
    kill9();
    throw std::runtime_error("the host did not start; its log:\n" + log());
  }
  port_ = port;
}

int HostProcess::reap() {
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  if (out_ >= 0) close(out_);
  out_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void HostProcess::kill9() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  reap();
}

int HostProcess::terminate() {
  if (pid_ <= 0) return -1;
  kill(pid_, SIGTERM);
  return reap();
}

std::string HostProcess::ws_url() const {
  return "ws://127.0.0.1:" + std::to_string(port_) + "/sync";
}

std::string HostProcess::get(const std::string& path) const {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port_));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    close(fd);
    throw std::runtime_error("cannot connect to the host");
  }
  std::string request = "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port_) +
                        "\r\nConnection: close\r\n\r\n";
  if (write(fd, request.data(), request.size()) < 0) {
    close(fd);
    throw std::runtime_error("cannot write to the host");
  }
  std::string answer;
  char chunk[65536];
  for (ssize_t n; (n = read(fd, chunk, sizeof chunk)) > 0;) answer.append(chunk, size_t(n));
  close(fd);
  if (answer.compare(0, 12, "HTTP/1.1 200") != 0) {
    throw std::runtime_error("GET " + path + ": " + answer.substr(0, 500));
  }
  size_t body = answer.find("\r\n\r\n");
  return body == std::string::npos ? "" : answer.substr(body + 4);
}

std::string HostProcess::log() const {
  std::ifstream in(data_dir_ + "/host.log");
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

}  // namespace synckit::testing_support
