// The engine's own notes on one document. Private to sdk/client/*.cpp.
//
// Ownership: every `bytes` pointer here is malloc'ed and freed by the struct that holds it (they
// are trivially copyable, so that Vec can carry them; ~Doc frees them).
#pragma once

#include "engine.hpp"

namespace synckit {

constexpr uint64_t kAnswerTimeoutMs = 30'000;  // for each page of a sync response

inline uint8_t* copy_of(Bytes from) {
  uint8_t* to = static_cast<uint8_t*>(std::malloc(from.len ? from.len : 1));
  if (!to) out_of_memory();
  if (from.len) std::memcpy(to, from.data, from.len);
  return to;
}

// A committed transaction that is not acknowledged.
struct Engine::Pending {
  uint64_t seq;
  uint64_t hlc;
  uint8_t* bytes;
  uint32_t len;
  uint32_t count;
  uint32_t batch;      // the store batch that holds these bytes; 0: stored
  bool maybe_at_host;  // sent once, or loaded: the host may hold it although no ack came
  bool told;           // reported as without effect
  bool empty;          // void: it only uses up its dots

  uint64_t last_seq() const { return seq + count - 1; }
  Bytes view() const { return {bytes, len}; }
};

// A stored record: the numbers of its key, those of its value, and what follows them.
struct Engine::Record {
  uint64_t key, second, a, b;
  Bytes bytes;
};

// Another replica's stored but unacknowledged transaction that the view shows.
struct Foreign {
  uint64_t replica, last_seq, hash;
};

// What of a document begins as zeros.
struct Engine::DocState {
  // From `skipping` to `placing`, the answer to a sync request is awaited. In ascending order of
  // what is known about the host's log.
  enum class Sync : uint8_t {
    idle,
    denied,
    skipping,  // the answer cannot be placed: wait for its end, then rebuild
    asked,     // it has not begun: positions may be of another log
    placing,
    live
  };

  Doc* next;  // in Engine::docs_
  DocHandle number;
  Document* document;
  Document* fresh;  // being built from the host, to replace `document`: see rebuild_wanted

  // The open transaction.
  uint64_t open_hlc;
  uint32_t open_count, depth;  // dots used; nesting of begin

  uint32_t announced_fields;  // told of by event field

  // The offline queue: queue[head ...], ascending and without gaps. What lies before it is
  // acknowledged, and kept to be sent again when the host loses history.
  size_t head, queue_bytes, history_bytes;
  size_t sent;              // of the queue's front, in this session
  uint64_t last_seq;        // own committed
  uint64_t acked;           // own durable
  uint64_t told[4];         // by Stage: the highest seq that was reported
  uint64_t seen_hlc;        // of all that the host confirmed
  uint64_t foreign_hlc;     // of what other replicas' queues brought into the document

  // What the host's log has confirmed: the local snapshot and log hold exactly this.
  uint64_t position, epoch;
  uint64_t at_host;  // own seqs in it
  size_t log_bytes;            // what the stored log costs
  size_t refresh_bytes;        // from here on a snapshot instead of it is worth asking for
  uint64_t snapshot_position;  // of the stored one
  uint32_t dead;

  // Sync.
  uint64_t announced;      // highest position heard of
  uint64_t refused_seq;    // of the transaction that the host last answered with a
  uint32_t refused_times;  // retryable refusal, and how often
  uint32_t attempt, permission;
  Sync sync;
  DocStatus status;
  bool rebuild_wanted;  // replace the document by the host's state and the queue
  bool refreshing;      // the request on its way is for a newer snapshot to store
  bool restarted;       // the host's log is another one: the document may hold what it has lost
  bool presence_dirty;
  bool ready;  // loaded

  DocHandle handle() const;
};

struct Engine::Doc : Engine::DocState {
  Doc(const Registry& registry, const EngineLimits& limits) : DocState() {
    document = new Document(registry, limits.document);
  }
  ~Doc() {
    for (Pending& pending : queue) std::free(pending.bytes);
    delete document;
    delete fresh;
  }

  Vec<Pending> queue;
  Vec<Foreign> foreign;
  uint64_t due = kNever;  // idle: when to ask again; else when the answer must be here
  Buffer prefix;          // of its keys in the store: u16 length (big endian), id
  Buffer last_key, presence;
  Buffer changes;  // of the open transaction, encoded

  Bytes id() const { return {prefix.data + 2, prefix.len - 2}; }
  size_t size() const { return queue.size() - head; }
  Pending& at(size_t i) { return queue[head + i]; }
  uint64_t own_hlc() const { return size() ? queue.back().hlc : 0; }  // of what is queued
  uint64_t next_seq() const { return last_seq + 1 + open_count; }
  Document& target() { return fresh ? *fresh : *document; }
  bool awaits() const { return sync >= Sync::skipping && sync <= Sync::placing; }
};

// A frame for the host: put out when it is complete.
class Engine::FrameOut : public wire::Message {
 public:
  FrameOut(Engine& engine, wire::Kind kind)
      : Message(engine.frame_), engine_(engine), start_(open(static_cast<uint32_t>(kind))) {}
  ~FrameOut() {
    close(start_);
    engine_.tell(Out::frame, 0, 0, engine_.frame_);
    engine_.frame_.clear();
  }
  FrameOut(const FrameOut&) = delete;
  FrameOut& operator=(const FrameOut&) = delete;

 private:
  Engine& engine_;
  size_t start_;
};

}  // namespace synckit
