#include "options.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

namespace synckit {
namespace {

constexpr int64_t kBig = std::numeric_limits<uint32_t>::max();
constexpr int64_t kDay = 86400;

// Setters: the member, converted. Ranges were checked by the parser.
#define SK_NUMBER(member)                                                  \
  [](Config& c, Value&& v) {                                               \
    c.member = static_cast<std::remove_reference_t<decltype(c.member)>>(v.number); \
  }
#define SK_SECONDS(member) \
  [](Config& c, Value&& v) { c.member = static_cast<uint32_t>(v.number * 1000); }
#define SK_TEXT(member) [](Config& c, Value&& v) { c.member = std::move(v.text); }
#define SK_LIST(member) [](Config& c, Value&& v) { c.member = std::move(v.list); }
#define SK_FLAG(member) [](Config& c, Value&& v) { c.member = v.flag; }

constexpr Option integer(const char* name, const char* fallback, int64_t min, int64_t max,
                         const char* unit, const char* doc, void (*set)(Config&, Value&&)) {
  return {name, Kind::integer, fallback, min, max, unit, "", doc, set};
}
constexpr Option other(const char* name, Kind kind, const char* fallback, const char* choices,
                       const char* doc, void (*set)(Config&, Value&&)) {
  return {name, kind, fallback, 0, 0, "", choices, doc, set};
}

const Option kOptions[] = {
    other("listen.address", Kind::text, "127.0.0.1", "",
          "IP address to listen on. Without authentication only a loopback address is accepted.",
          SK_TEXT(listen.address)),
    integer("listen.port", "4242", 0, 65535, "", "TCP port; 0 lets the system pick a free one.",
            SK_NUMBER(listen.port)),
    integer("listen.threads", "0", 0, 64, "threads",
            "Event loops. 0: one per core, at most 4.", SK_NUMBER(listen.threads)),
    other("listen.allowed_origins", Kind::list, "", "",
          "Origins of web pages that may connect, for example `https://app.example.com`; `*` lets "
          "every page in. Always allowed: pages of this host itself, pages of a loopback "
          "host while listening on loopback, and clients that send no Origin.",
          SK_LIST(listen.allowed_origins)),

    other("admin.enabled", Kind::boolean, "true", "",
          "Serve /healthz, /readyz, /metrics and /documents.", SK_FLAG(admin.enabled)),
    other("admin.address", Kind::text, "127.0.0.1", "",
          "Where the separate admin port listens.", SK_TEXT(admin.address)),
    integer("admin.port", "0", 0, 65535, "",
            "A port of its own for the admin paths; 0 keeps them on listen.port.",
            SK_NUMBER(admin.port)),

    other("plugins.paths", Kind::list, "", "",
          "Folders to look for `libsynckit_<name>.so` in, in this order. Empty: `plugins` beside "
          "the program, then `../lib/synckit/plugins`.",
          SK_LIST(plugins.paths)),
    other("plugins.on_error", Kind::choice, "refuse", "refuse|skip",
          "What a CRDT plugin that cannot be loaded does: refuse to start, or be skipped with a "
          "log line. Storage and authentication are always required.",
          [](Config& c, Value&& v) { c.plugins.skip_failed = v.text == "skip"; }),
    other("plugins.allow", Kind::list, "", "",
          "SHA-256 hashes (64 hex digits) of the plugin files that may be loaded. Empty: any. The "
          "bytes that are hashed are the very bytes that are loaded.",
          SK_LIST(plugins.allow)),

    other("storage.plugin", Kind::text, "sqlite", "",
          "Storage plugin by name. All other keys of `storage` go to the plugin.",
          SK_TEXT(storage.plugin)),
    other("auth.plugin", Kind::text, "none", "",
          "Authentication plugin by name. All other keys of `auth` go to the plugin.",
          SK_TEXT(auth.plugin)),
    other("auth.allow_anonymous", Kind::boolean, "false", "",
          "Listen beyond loopback although the plugin lets everyone in.",
          SK_FLAG(allow_anonymous)),
    other("crdts", Kind::list, "lww, text, set, counter", "",
          "CRDT plugins to load, by name.", SK_LIST(crdts)),
    other("durability", Kind::choice, "strict", "strict",
          "When a change is acknowledged and fanned out: `strict` = after storage reported it "
          "durable.",
          [](Config&, Value&&) {}),

    integer("limits.max_connections", "10000", 1, 1000000, "connections",
            "Open connections; further ones are refused with 503.", SK_NUMBER(limits.connections)),
    integer("limits.max_frame_bytes", "4194304", 1024, 64 << 20, "bytes",
            "Largest frame that a client may send, and the size that answers are paged at (one "
            "snapshot or one transaction may be larger).",
            SK_NUMBER(limits.frame_bytes)),
    integer("limits.max_transaction_bytes", "1048576", 256, 32 << 20, "bytes",
            "Largest transaction.", SK_NUMBER(limits.transaction_bytes)),
    integer("limits.max_transaction_ops", "1000000", 1, kBig, "operations",
            "Most work that one transaction may ask of a merge, as its type counts it.",
            SK_NUMBER(limits.transaction_ops)),
    integer("limits.max_queue_bytes", "16777216", 65536, 1 << 30, "bytes",
            "What may wait to be written to one connection. A reader slower than that is cut and "
            "resyncs when it returns.",
            SK_NUMBER(limits.queue_bytes)),
    integer("limits.max_inflight", "1024", 1, 1000000, "requests",
            "Unanswered requests of one connection; at the limit the host stops reading from it "
            "until answers are out.",
            SK_NUMBER(limits.inflight)),
    integer("limits.max_messages_per_s", "20000", 1, 10000000, "frames/s",
            "Frames per second and connection, with a burst of twice that. Above it the host "
            "says so once with Error LIMIT and reads no faster; nothing is dropped.",
            SK_NUMBER(limits.messages_per_s)),
    integer("limits.max_subscriptions", "10000", 1, 1000000, "documents",
            "Documents that one connection may subscribe to.", SK_NUMBER(limits.subscriptions)),
    integer("limits.max_presence_bytes", "4096", 0, 1 << 20, "bytes",
            "Largest presence state.", SK_NUMBER(limits.presence_bytes)),
    integer("limits.max_presence_entries", "1024", 0, 1000000, "replicas",
            "Presence states that are kept per document.", SK_NUMBER(limits.presence_entries)),
    integer("limits.max_replicas", "65536", 1, 65536, "replicas",
            "Writers that one document may ever have.", SK_NUMBER(limits.replicas)),
    integer("limits.max_fields", "4096", 1, 1000000, "fields", "Fields of one document.",
            SK_NUMBER(limits.fields)),
    integer("limits.max_clock_skew_ms", "5000", 0, 3600000, "ms",
            "How far a change's clock may be ahead of the host's.",
            SK_NUMBER(limits.clock_skew_ms)),
    integer("limits.max_waiting_requests", "4096", 1, 1000000, "requests",
            "Requests that wait for one document to be loaded.",
            SK_NUMBER(limits.waiting_requests)),
    integer("limits.max_documents", "100000", 1, 10000000, "documents",
            "Documents that are active at once.", SK_NUMBER(limits.documents)),
    integer("limits.max_list_entries", "1000", 1, 100000, "documents",
            "Entries of one answer to a query.", SK_NUMBER(limits.list_entries)),
    integer("limits.max_commit_queue_records", "65536", 1, 10000000, "records",
            "Transactions that wait for storage; further ones get Error UNAVAILABLE.",
            SK_NUMBER(limits.commit_queue_records)),
    integer("limits.max_commit_queue_bytes", "268435456", 1 << 20, kBig, "bytes",
            "The same, in bytes.", SK_NUMBER(limits.commit_queue_bytes)),
    integer("limits.max_commit_batch_records", "4096", 1, 100000, "records",
            "Most transactions in one commit.", SK_NUMBER(limits.commit_batch_records)),
    integer("limits.max_commit_batch_bytes", "16777216", 65536, 1 << 30, "bytes",
            "Most bytes in one commit.", SK_NUMBER(limits.commit_batch_bytes)),
    integer("limits.max_worker_queue", "16384", 16, 10000000, "jobs",
            "Jobs (reads, logins, snapshots) that wait for a worker thread.",
            SK_NUMBER(limits.worker_queue)),
    integer("limits.max_http_header_bytes", "16384", 1024, 1 << 20, "bytes",
            "Largest HTTP request header.", SK_NUMBER(limits.http_header_bytes)),

    integer("timeouts.handshake_s", "10", 1, 3600, "s",
            "From the connection to a complete HTTP request.", SK_SECONDS(timeouts.handshake_ms)),
    integer("timeouts.hello_s", "10", 1, 3600, "s", "From the upgrade to Hello.",
            SK_SECONDS(timeouts.hello_ms)),
    integer("timeouts.heartbeat_s", "30", 1, 3600, "s",
            "How often clients send Ping. A connection without any frame for 2.5 times this is "
            "closed.",
            SK_SECONDS(timeouts.heartbeat_ms)),
    integer("timeouts.close_s", "2", 1, 60, "s",
            "How long a closing connection may take to drain.", SK_SECONDS(timeouts.close_ms)),
    integer("timeouts.shutdown_s", "10", 1, 3600, "s",
            "After SIGTERM: how long commits and answers may take to finish.",
            SK_SECONDS(timeouts.shutdown_ms)),

    integer("documents.idle_unload_s", "60", 1, kDay, "s",
            "A document without subscribers leaves memory after this time.",
            SK_SECONDS(documents.idle_unload_ms)),
    integer("documents.snapshot_every_records", "1000", 1, kBig, "records",
            "A snapshot is saved when this many records came after the last one.",
            SK_NUMBER(documents.snapshot_every_records)),
    integer("documents.keep_records", "1000", 0, kBig, "records",
            "Records kept in the log behind a snapshot, for clients that were away shortly.",
            SK_NUMBER(documents.keep_records)),

    integer("workers.threads", "2", 1, 64, "threads",
            "Threads for storage reads, authentication and snapshots.",
            SK_NUMBER(worker_threads)),
    other("log.level", Kind::choice, "info", "debug|info|warn|error", "Least level to log.",
          SK_TEXT(log.level)),
    other("log.format", Kind::choice, "text", "text|json", "Form of the lines on stderr.",
          SK_TEXT(log.format)),
    other("demo.enabled", Kind::boolean, "true", "",
          "Serve the static files of `demo.root` at `/`.", SK_FLAG(demo.enabled)),
    other("demo.root", Kind::text, "", "",
          "Folder of the demo. Empty: `demo` beside the program, then `../share/synckit/demo`.",
          SK_TEXT(demo.root)),
};

bool parse_integer(const Option& option, const std::string& text, Value& out, std::string& error) {
  const char* end = text.data() + text.size();
  auto [at, code] = std::from_chars(text.data(), end, out.number);
  if (code == std::errc{} && at == end && out.number >= option.min && out.number <= option.max) {
    return true;
  }
  error = std::string("expected a whole number from ") + std::to_string(option.min) + " to " +
          std::to_string(option.max) + (*option.unit ? std::string(" (") + option.unit + ")" : "") +
          ", not \"" + text + "\"";
  return false;
}

bool parse_choice(const Option& option, const std::string& text, Value& out, std::string& error) {
  std::vector<std::string> choices;
  std::string_view rest = option.choices;
  while (true) {
    size_t bar = rest.find('|');
    choices.emplace_back(rest.substr(0, bar));
    if (bar == std::string_view::npos) break;
    rest.remove_prefix(bar + 1);
  }
  if (std::find(choices.begin(), choices.end(), text) != choices.end()) {
    out.text = text;
    return true;
  }
  error = "\"" + text + "\" is not one of " + option.choices;
  if (std::string close = nearest(text, choices); !close.empty()) {
    error += " (did you mean \"" + close + "\"?)";
  }
  return false;
}

// Optimal string alignment distance: insert, delete, replace, swap neighbours.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + cost});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::span<const Option> options() { return kOptions; }

const Option* find_option(std::string_view name) {
  for (const Option& option : kOptions) {
    if (option.name == name) return &option;
  }
  return nullptr;
}

bool parse_scalar(const Option& option, const std::string& text, Value& out, std::string& error) {
  switch (option.kind) {
    case Kind::boolean:
      out.flag = text == "true";
      if (out.flag || text == "false") return true;
      error = "expected true or false, not \"" + text + "\"";
      return false;
    case Kind::integer: return parse_integer(option, text, out, error);
    case Kind::choice: return parse_choice(option, text, out, error);
    case Kind::text: out.text = text; return true;
    case Kind::list: break;
  }
  error = "expected a list, like [a, b]";
  return false;
}

std::string nearest(std::string_view word, const std::vector<std::string>& names) {
  constexpr size_t kMaxWord = 64;  // longer ones are no typing mistakes
  if (word.size() > kMaxWord) return "";
  size_t best = std::clamp<size_t>(word.size() / 2, 1, 3) + 1;
  std::string out;
  for (const std::string& name : names) {
    size_t d = distance(word, name);
    if (d < best) best = d, out = name;
  }
  return out;
}

std::string config_reference() {
  std::string out =
      "# Configuration reference\n\n"
      "Generated by `synckit config-reference`; the table in `host/config/options.cpp` is its "
      "source.\n\n"
      "`synckit serve --config synckit.yaml` reads one YAML file. Unknown and duplicate keys, "
      "wrong types and values\nout of range are errors with file, line and column; "
      "`synckit check-config synckit.yaml` reports all of them at once.\n"
      "`${NAME}` and `${NAME:-default}` in a value are replaced from the environment; `$${` "
      "stands for `${`.\nKeys of `storage` and `auth` other than those below belong to the "
      "plugin: see its README.\n";
  std::string_view section = "-";
  for (const Option& option : kOptions) {
    std::string_view name = option.name;
    size_t dot = name.find('.');
    std::string_view now = dot == std::string_view::npos ? "" : name.substr(0, dot);
    if (now != section) {
      section = now;
      out += now.empty() ? "\n## Top level\n\n" : "\n## " + std::string(now) + "\n\n";
      out += "| key | type | default | meaning |\n|---|---|---|---|\n";
    }
    std::string type;
    switch (option.kind) {
      case Kind::boolean: type = "true or false"; break;
      case Kind::integer:
        type = std::to_string(option.min) + " to " + std::to_string(option.max);
        if (*option.unit) type += std::string(" ") + option.unit;
        break;
      case Kind::text: type = "text"; break;
      case Kind::choice: {
        for (const char* c = option.choices; *c; ++c) *c == '|' ? type += " or " : type += *c;
        break;
      }
      case Kind::list: type = "list"; break;
    }
    std::string fallback = *option.fallback ? option.fallback : "";
    if (option.kind == Kind::list) fallback = "[" + fallback + "]";
    out += "| `" + std::string(name) + "` | " + type + " | " +
           (fallback.empty() ? "" : "`" + fallback + "`") + " | " + option.doc + " |\n";
  }
  return out;
}

}  // namespace synckit
