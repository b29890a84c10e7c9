// The host's configuration: what options.cpp's table says, read from one YAML file.
//
// Every value comes from the table's default or from the file, through the same parser, so that
// nothing has two defaults. Errors are collected, not thrown: a user sees all of them at once.
// Threads: built at start, then read only.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace synckit {

// A place in the file, counted from 1; line 0: the value is a default.
struct Mark {
  int line = 0, column = 0;
};

struct Config {
  struct {
    std::string address;
    uint16_t port = 0;
    unsigned threads = 0;
    std::vector<std::string> allowed_origins;
  } listen;
  struct {
    bool enabled = false;
    std::string address;
    uint16_t port = 0;
  } admin;
  struct {
    std::vector<std::string> paths, allow;
    bool skip_failed = false;
  } plugins;
  struct Section {
    std::string plugin;
    std::vector<std::pair<std::string, std::string>> options;  // the other keys, values as JSON
    std::string json() const;                                  // as one JSON object
    void set(const std::string& key, const std::string& json_value);
  };
  Section storage, auth;
  bool allow_anonymous = false;
  std::vector<std::string> crdts;
  struct {
    uint32_t connections = 0, frame_bytes = 0, transaction_bytes = 0, transaction_ops = 0;
    uint32_t queue_bytes = 0, inflight = 0, messages_per_s = 0, subscriptions = 0;
    uint32_t presence_bytes = 0, presence_entries = 0, replicas = 0, fields = 0;
    uint32_t clock_skew_ms = 0, waiting_requests = 0, documents = 0, list_entries = 0;
    uint32_t commit_queue_records = 0, commit_queue_bytes = 0;
    uint32_t commit_batch_records = 0, commit_batch_bytes = 0;
    uint32_t worker_queue = 0, http_header_bytes = 0;
  } limits;
  struct {
    uint32_t handshake_ms = 0, hello_ms = 0, heartbeat_ms = 0, close_ms = 0, shutdown_ms = 0;
  } timeouts;
  struct {
    uint32_t idle_unload_ms = 0, snapshot_every_records = 0, keep_records = 0;
  } documents;
  unsigned worker_threads = 0;
  struct {
    std::string level, format;
  } log;
  struct {
    bool enabled = false;
    std::string root;
  } demo;

  std::string file;                    // "" when there is none
  std::map<std::string, Mark> marks;   // of the options that the file sets; items as "crdts[0]"

  // "synckit.yaml:3:7: " for an option that the file sets, else "".
  std::string at(const std::string& option) const;
};

// All defaults, without a file.
Config default_config();
// Reads a file (or text, named `name`). On failure the text has one line per error, each
// `file:line:col: message`. SK_UNAVAILABLE when the file cannot be read.
Result<Config> read_config(const std::string& file);
Result<Config> parse_config(const std::string& text, const std::string& name);

}  // namespace synckit
