// The engine's own notes on one document. Private to sdk/client/*.cpp.
//
// Ownership: every `bytes` pointer here is malloc'ed and freed by the struct that holds it (they
// are trivially copyable, so that Vec can carry them; ~Doc frees them).
#pragma once

#include "engine.hpp"

namespace synckit {

constexpr uint64_t kAnswerTimeoutMs = 30'000;  // for each page of a sync response

inline uint8_t* copy_bytes(Bytes from) {
  uint8_t* to = static_cast<uint8_t*>(std::malloc(from.len ? from.len : 1));
  if (!to) out_of_memory();
  if (from.len) std::memcpy(to, from.data, from.len);
  return to;
}

inline uint64_t hash_bytes(Bytes bytes) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i < bytes.len; ++i) hash = (hash ^ bytes.data[i]) * 0x100000001b3u;
  return hash;
}

// Record kinds of the local store (FORMAT.md).
enum RecordKind : uint8_t {
  kSnapshotRecord = 1,
  kLogRecord = 2,
  kOwnRecord = 3,
  kQueueRecord = 4,
  kDeadRecord = 5
};

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

  uint64_t last_seq() const { return seq + count - 1; }
  Bytes view() const { return {bytes, len}; }
};

// Whether an encoded transaction only uses up its dots.
inline bool is_void(Bytes encoded) {
  wire::Transaction transaction;
  return wire::decode(encoded, transaction).ok() && transaction.changes.empty();
}

// An own acknowledged transaction, kept to send it again when the host's history is lost.
struct Kept {
  uint64_t seq;
  uint8_t* bytes;
  uint32_t len;
  uint32_t count;
};

// Another replica's stored but unacknowledged transaction that the view shows.
struct Foreign {
  uint64_t replica, last_seq, hash;
};

struct FieldName {
  uint8_t* bytes;  // name, then type
  uint32_t name_len, type_len;
  Bytes name() const { return {bytes, name_len}; }
  Bytes type() const { return {bytes + name_len, type_len}; }
};

struct OpenChange {
  FieldHandle field;
  uint32_t count;
  size_t start, len;  // in Doc::deltas
};

struct Peer {
  uint64_t replica;
  uint64_t expires_ms;
};

struct Engine::Doc {
  explicit Doc(const Registry& registry, const EngineLimits& limits)
      : document(new Document(registry, limits.document)) {}
  ~Doc() {
    for (size_t i = head; i < queue.size(); ++i) std::free(queue[i].bytes);
    for (Kept& kept : history) std::free(kept.bytes);
    for (FieldName& field : fields) std::free(field.bytes);
    delete document;
    delete fresh;
  }

  DocHandle handle = 0;
  Buffer id;
  Document* document;
  Document* fresh = nullptr;  // being built from the host, to replace `document`
  Vec<FieldName> fields;      // by handle - 1

  // Loading.
  bool ready = false;
  Buffer last_key;

  // The open transaction.
  Buffer deltas;
  Vec<OpenChange> changes;
  uint64_t open_hlc = 0;
  uint32_t open_count = 0, depth = 0;

  // The offline queue: queue[head ...], ascending and without gaps.
  Vec<Pending> queue;
  size_t head = 0, queue_bytes = 0;
  size_t sent = 0, sent_bytes = 0;  // of the queue's front, in this session
  size_t saved = 0;                 // of the queue's front, reported as saved
  uint64_t last_seq = 0;            // own committed
  uint64_t acked = 0;               // own durable
  uint64_t saved_seq = 0, sent_seq = 0;  // highest that was reported
  uint64_t own_hlc = 0;             // of the last own transaction
  uint64_t seen_hlc = 0;            // of all that the host confirmed
  uint64_t foreign_hlc = 0;         // of what other replicas' queues brought into the document
  uint32_t dead = 0;
  Vec<Kept> history;
  size_t history_bytes = 0;
  Vec<Foreign> foreign;

  // What the host's log has confirmed: the local snapshot and log hold exactly this.
  VersionVector confirmed;
  uint64_t position = 0, epoch = 0;
  uint32_t log_records = 0;
  size_t log_bytes = 0, snapshot_bytes = 0;
  bool own_dirty = false;  // the own record is to be written with the next batch

  // Sync.
  enum class Sync : uint8_t { idle, requested, live, denied } sync = Sync::idle;
  bool first_page = false;      // the answer has not begun: positions may be of another log
  bool rebuild_wanted = false;  // replace the document by the host's state and the queue
  bool rebuilding = false;      // the request on its way is for that
  bool skipping = false;        // its answer cannot be placed: wait for its end, then rebuild
  bool restarted = false;       // its answer is of another log than the one we knew
  bool diverged = false;        // it holds what the host has lost
  bool broken_told = false;
  uint64_t announced = 0;       // highest position heard of
  uint64_t retry_at = kNever, answer_by = kNever;
  uint32_t attempt = 0;
  uint64_t refused_seq = 0;     // of the transaction that the host last answered with a
  uint32_t refused_times = 0;   // retryable refusal, and how often
  uint32_t permission = 0;
  DocStatus status = DocStatus::offline;

  // Presence.
  Buffer presence;
  bool presence_dirty = false;
  Vec<Peer> peers;

  size_t size() const { return queue.size() - head; }
  Pending& at(size_t i) { return queue[head + i]; }
  uint64_t next_seq() const { return last_seq + 1 + open_count; }
  Document& target() { return fresh ? *fresh : *document; }
};

}  // namespace synckit
