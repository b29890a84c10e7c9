// What sessions and documents share, and the way from the one to the other.
//
// A document belongs to one loop: hash(id) modulo the number of loops. Each loop has a Shard, the
// table of its documents, that only its thread touches.
//
// Threads: Hub is filled at start; `sessions` locks; route and at_document work from anywhere.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "authority.hpp"
#include "base/metrics.hpp"
#include "base/workers.hpp"
#include "config/config.hpp"
#include "kernel/document.hpp"
#include "session.hpp"
#include "storage/committer.hpp"

namespace synckit {

class DocumentActor;

// One client's request on its way to a document.
struct Request {
  SessionPtr session;
  PrincipalPtr principal;  // as it was when the request arrived
  wire::Kind kind = wire::Kind::unknown;
  std::string document;
  std::string body;
  bool counted = false;  // the session waits for an answer
};

struct Shard {
  Executor* executor = nullptr;
  std::unordered_map<std::string, std::shared_ptr<DocumentActor>> documents;
};

// Which session speaks for a replica.
class SessionTable {
 public:
  // Fails when another principal holds the replica; else `replaced` is the session that the new
  // one takes over from (may be null).
  bool enter(uint64_t replica, const SessionPtr& session, const std::string& principal,
             SessionPtr& replaced);
  void leave(uint64_t replica, const Session* session);

 private:
  struct Entry {
    std::weak_ptr<Session> session;
    const Session* raw;
    std::string principal;
  };
  std::mutex mutex_;
  std::unordered_map<uint64_t, Entry> entries_;
};

struct Hub {
  const Config& config;
  const Registry& registry;
  const Authority& authority;
  Store& store;
  Committer& committer;
  Workers& workers;
  Metrics& metrics;
  std::vector<std::unique_ptr<Shard>> shards;
  SessionTable sessions;

  size_t shard_of(std::string_view document) const {
    return std::hash<std::string_view>{}(document) % shards.size();
  }
  // Runs the request on its document's loop: at once when that is this thread.
  void route(Request&& request);
  // The session is gone: its subscription and presence on the document end.
  void leave(const SessionPtr& session, const std::string& document);
  // On a shard's loop, about once a second.
  void tick(size_t shard, int64_t now_ms);

 private:
  void handle(Shard& shard, size_t index, Request&& request);
};

}  // namespace synckit
