// Runs the real host binary in a temporary directory, for tests: start, kill -9, start again.
//
// The binary is $SYNCKIT_BIN or `synckit` in the build directory (the working directory of ctest).
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

namespace synckit::testing_support {

// A fresh directory below $TMPDIR, removed with everything in it by the destructor.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class HostProcess {
 public:
  // Port 0: a free one is chosen at the first start, and kept for the later ones.
  explicit HostProcess(std::string data_dir, std::vector<std::string> extra_args = {});
  ~HostProcess();
  HostProcess(const HostProcess&) = delete;
  HostProcess& operator=(const HostProcess&) = delete;

  // Starts it and waits for its "listening on" line. Throws std::runtime_error with the log.
  void start();
  void kill9();
  int terminate();  // SIGTERM; gives the exit code
  bool running() const { return pid_ > 0; }
  int port() const { return port_; }
  std::string ws_url() const;
  // Body of GET path; throws unless the answer is 200.
  std::string get(const std::string& path) const;
  std::string log() const;  // what it wrote to stderr

 private:
  int reap();
  std::string data_dir_;
  std::vector<std::string> extra_args_;
  pid_t pid_ = -1;
  int out_ = -1;
  int port_ = 0;
};

}  // namespace synckit::testing_support
