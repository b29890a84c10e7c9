// The engine's own notes on one document. Private to sdk/client/*.cpp.
//
// Ownership: ~Doc frees what hangs on a document.
#pragma once

#include "engine.hpp"

namespace synckit {

constexpr uint64_t kAnswerTimeoutMs = 30'000;  // for each page of a sync response

template <class T>
void raise(T& value, T to) {
  if (value < to) value = to;
}

// A committed transaction that is not acknowledged, or was; its bytes lie behind it.
struct Engine::Pending {
  Pending* next;
  uint64_t seq;
  uint64_t hlc;
  uint32_t len;
  uint32_t count;
  uint32_t batch;      // the store batch that holds these bytes; 0: stored
  bool maybe_at_host;  // sent once, or loaded: the host may hold it although no ack came
  bool told;           // reported as without effect
  bool empty;          // void: it only uses up its dots

  uint64_t last_seq() const { return seq + count - 1; }
  Bytes view() const { return {reinterpret_cast<const uint8_t*>(this + 1), len}; }
};

// A list of own transactions, ascending.
struct Engine::Queue {
  Pending* first;
  Pending* last;  // means nothing when there is no first one
  size_t bytes;

  void add(Pending* pending) {
    (first ? last->next : first) = pending;
    last = pending;
    bytes += pending->len;
  }
  Pending* take() {  // the first one, which there must be
    Pending* pending = first;
    first = pending->next;
    pending->next = nullptr;
    bytes -= pending->len;
    return pending;
  }
};

// A stored record: the numbers of its key, those of its value, and what follows them.
struct Engine::Record {
  uint64_t key, second, a, b;
  Bytes bytes;
};

// What of a document begins as zeros.
struct Engine::DocState {
  // In ascending order of what is known about the host's log.
  enum class Sync : uint8_t {
    idle,
    denied,
    asked,    // the answer has not begun: positions may be of another log
    placing,  // it has more pages
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

  Queue queue;        // the offline queue, without gaps
  Queue history;      // what left it as acknowledged, to be sent again when the host loses it
  Pending* unsaved;   // of the queue: the first that was not reported as saved
  uint32_t queued;    // how many there are
  uint64_t sent;      // own seqs in this session
  uint64_t last_seq;  // own committed
  uint64_t acked;     // own durable
  uint64_t told[4];   // by Stage: the highest seq that was reported
  uint64_t seen_hlc;  // of all that the host confirmed
  uint64_t own_hlc;   // of what is queued, and of what other replicas' queues brought along

  // What the host's log has confirmed: the local snapshot and log hold exactly this.
  uint64_t position, epoch;
  uint64_t at_host;  // own seqs in it
  size_t log_bytes;            // what the stored log costs
  size_t refresh_bytes;        // from here on a snapshot instead of it is worth asking for
  uint64_t snapshot_position;  // of the stored one
  uint32_t dead;

  // Sync.
  uint64_t announced;      // highest position heard of
  uint64_t refused_seq;    // which the host refused last, and how often in a row for want of
  uint32_t refused_times;  // what it builds on
  uint32_t attempt, permission;
  Sync sync;
  DocStatus status;
  bool rebuild_wanted;  // replace the document by the host's state and the queue
  bool refreshing;      // the request on its way is for a newer snapshot to store
  bool presence_dirty;
  bool ready;  // loaded

  DocHandle handle() const;
};

struct Engine::Doc : Engine::DocState {
  Doc(const Registry& registry, const EngineLimits& limits) : DocState() {
    document = new Document(registry, limits.document);
  }
  ~Doc() {
    while (queue.first) std::free(queue.take());
    while (history.first) std::free(history.take());
    delete document;
    delete fresh;
  }

  Vec<uint64_t> foreign;  // hashes of the transactions of other replicas' queues that are shown
  uint64_t due = kNever;  // idle: when to ask again; else when the answer must be here
  Buffer prefix;          // of its keys in the store: u16 length (big endian), id
  Buffer last_key, presence;
  Buffer changes;  // of the open transaction, encoded

  Bytes id() const { return {prefix.data + 2, prefix.len - 2}; }
  uint64_t next_seq() const { return last_seq + 1 + open_count; }
  Document& target() { return fresh ? *fresh : *document; }
  bool awaits() const { return sync == Sync::asked || sync == Sync::placing; }
};

}  // namespace synckit
