// Models that the client engine is tested against: a host that obeys proto/wire.proto, a client's
// disk, and a client (engine + disk + what it was told). Everything is in memory and driven step
// by step, so that tests and the simulator decide what is lost, late or repeated.
//
// HostModel keeps `disk` (survives crash) apart from the rest (does not). Several hosts may share
// one disk; they then tell each other by a bus that may lose. It is a reference, not the product:
// small, quadratic where that is simpler, and independent of the host's code.
#pragma once

#include <client/engine.hpp>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace synckit::model {

class Random {  // splitmix64
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
  }
  uint64_t below(uint64_t bound) { return next() % bound; }
  bool chance(unsigned percent) { return below(100) < percent; }

 private:
  uint64_t state_;
};

// The registry of the types that the tests link.
const Registry& registry();

// ---- the host -----------------------------------------------------------------------------------

struct DocLog {
  uint64_t epoch = 0;
  uint64_t trimmed = 0;                // positions up to here are only in the snapshot
  std::string snapshot;                // wire Snapshot at `trimmed`
  std::vector<std::string> log;        // position trimmed + 1 + i
  VersionVector version;
  std::map<std::pair<uint64_t, uint64_t>, uint64_t> placed;  // (replica, last seq) -> position
  uint64_t position() const { return trimmed + log.size(); }
};

using Disk = std::map<std::string, DocLog>;

class HostModel {
 public:
  using SessionId = uint32_t;

  explicit HostModel(uint64_t seed) : disk(own_disk_), random_(seed) {}
  HostModel(uint64_t seed, Disk& shared) : disk(shared), random_(seed) {}

  // Knobs.
  uint64_t now_ms = 1'700'000'000'000;
  uint32_t skew_ms = 5'000, heartbeat_ms = 30'000, page_transactions = 4;
  unsigned lose_notifications = 0, repeat_notifications = 0;  // percent, as a bus may
  std::function<sk_status(const wire::Transaction&)> refuse;  // answer other than SK_OK: Denied
  std::set<std::string> unreadable;
  std::set<uint64_t> read_only;  // replicas

  Disk& disk;
  std::vector<HostModel*> bus;  // the other hosts of the same disk

  SessionId open() { return sessions_[++last_session_], last_session_; }
  void close(SessionId id) { sessions_.erase(id); }
  bool alive(SessionId id) const { return sessions_.count(id) != 0; }
  void receive(SessionId id, const std::string& frame);
  bool take(SessionId id, std::string& frame);  // the next frame for the client

  bool flush();     // makes what was accepted durable, acknowledges and fans out
  bool answer();    // one page of the oldest sync request
  bool idle() const { return requests_.empty(); }
  void crash();     // what was not flushed is gone, and every connection
  void compact(const std::string& document);
  void restore(const Disk& backup);  // an older disk: its logs get new epochs
  uint64_t updates_accepted = 0;

 private:
  struct Session {
    uint64_t replica = 0;
    std::set<std::string> documents;
    std::deque<std::string> out;
  };
  struct Accepted {
    SessionId session;
    std::string document, bytes;
    uint64_t replica, last_seq;
  };
  struct Request {
    SessionId session;
    std::string document;
    uint64_t position, epoch;
    bool begun = false, snapshot = false;
  };

  template <class Message>
  void send(Session& session, const Message& message) {
    Buffer out;
    wire::frame(message, out);
    session.out.push_back(out.str());
  }
  DocLog& log(const std::string& document);
  void update(SessionId id, Session& session, Bytes body);
  void error(Session& session, const std::string& document, uint64_t seq, sk_status code,
             const char* text);
  void deny(Session& session, const std::string& document, uint64_t seq, sk_status code);
  void fan_out(const Accepted& accepted, uint64_t position);
  void notify(const Accepted& accepted, uint64_t position, SessionId author);

  Disk own_disk_;
  Random random_;
  std::map<SessionId, Session> sessions_;
  SessionId last_session_ = 0;
  std::vector<Accepted> accepted_;
  std::deque<Request> requests_;
};

// ---- the client's disk --------------------------------------------------------------------------

class ClientDisk {
 public:
  using Map = std::map<std::string, std::string>;

  void apply(Bytes batch);  // operations, without the id
  // Records of a document, ascending.
  std::vector<std::pair<std::string, std::string>> of(const std::string& document) const;
  const Map& records() const { return map_; }
  Map& records() { return map_; }

 private:
  Map map_;
};

// ---- the client ---------------------------------------------------------------------------------

struct Rejection {
  uint64_t seq;
  uint32_t count, code;
  std::string message;
};

// What a client was told about one document since it was opened.
struct Told {
  uint64_t saved = 0, sent = 0, durable = 0, lost_at = 0;
  uint32_t resets = 0, history_lost = 0;
  DocStatus status = DocStatus::offline;
  std::vector<Rejection> rejected;
  std::vector<std::string> patches;
  std::map<uint64_t, std::string> presence;
};

// One running instance: an engine and its queues to the outside, which the test empties.
class ClientModel {
 public:
  ClientModel(uint64_t replica, uint64_t seed, ClientDisk& disk, EngineLimits limits = {},
              bool persistent = true);

  Engine engine;
  const uint64_t replica;
  ClientDisk& disk;

  std::deque<std::string> frames;                         // to be sent
  std::deque<std::pair<uint32_t, std::string>> batches;   // to be stored
  bool wants_connect = false, wants_drop = false, fatal = false;
  std::map<DocHandle, Told> told;
  std::vector<std::string> errors;
  uint64_t welcomes = 0;

  DocHandle open(const std::string& document, uint64_t now_ms);
  void drain(uint64_t now_ms);           // engine output into the queues above
  bool store_one(uint64_t now_ms);       // the oldest batch onto the disk
  void store_all(uint64_t now_ms);
  uint64_t digest(DocHandle doc) const;
  std::string view(DocHandle doc) const;
};

// A client and a host with a connection that loses nothing: for unit tests.
class Link {
 public:
  Link(ClientModel& client, HostModel& host) : client_(client), host_(host) {}
  bool connected() const { return session_ != 0 && host_.alive(session_); }
  void connect();     // opens the transport when the engine asks
  void disconnect();
  bool step();        // moves what waits anywhere by one; false when all is quiet
  void settle();      // steps until quiet; fails the test when that takes too long

 private:
  ClientModel& client_;
  HostModel& host_;
  HostModel::SessionId session_ = 0;
};

}  // namespace synckit::model
