// What Lite notes of one document. Private to sdk/client/lite/*.cpp.
#pragma once

#include "lite.hpp"

namespace synckit {

// The map's type, and how it is named in changes and states.
inline const sk_crdt_v1& map_type() {
  return *static_cast<const sk_crdt_v1*>(synckit_type_lww(0));
}
inline Bytes map_type_name() { return {reinterpret_cast<const uint8_t*>("lww"), 3}; }

inline void* make_map() {
  void* map = nullptr;
  (void)map_type().create(&map, nullptr);
  if (!map) out_of_memory();
  return map;
}

inline Status of_type(sk_status code) {
  if (code != SK_OK) return {code, "says the field's type"};
  return {};
}

constexpr size_t kOverhead = 128;  // of an intent in a transaction, beside its own bytes, at most

template <class T>
void raise(T& value, T to) {
  if (value < to) value = to;
}

// A transaction in the queue; behind it come its changes, encoded.
struct [[gnu::packed]] Lite::Pending {
  uint64_t seq, hlc;
  uint32_t count, len;  // dots; bytes of changes: without any it only uses up its seqs

  uint64_t last_seq() const { return seq + count - 1; }
  Bytes changes() const { return {reinterpret_cast<const uint8_t*>(this + 1), len}; }
  size_t size() const { return sizeof *this + len; }
};

// What of a document begins as zeros.
struct Lite::DocState {
  DocHandle handle() const;

  // In ascending order of what is known about the host's log.
  enum class Sync : uint8_t {
    idle,
    denied,
    asked,    // the answer has not begun: positions may be of another log
    placing,  // it has more pages
    live
  };

  Doc* next;
  DocHandle number;
  void* fresh;  // being made from the host's whole state, to replace `map`

  // Offsets in the queue: of the first one, of the first that this session has not sent, of the
  // open transaction. All are at a transaction, or at the end.
  size_t first, unsent, open;
  uint32_t queued;  // without the open one
  uint32_t depth;   // of explicit transactions
  uint64_t last_seq, acked;  // own ones: committed, durable
  uint64_t told;             // own ones: the last that was reported as sent
  uint64_t hlc;              // the highest seen

  // The host's log.
  uint64_t epoch, position;
  uint64_t announced;    // above all positions heard of
  uint64_t own_there;    // our last seq in what was read of it
  uint64_t refused_seq;  // the one that is to become void
  uint64_t due;  // idle: when to ask; else when the answer must be here. While there is a session
  uint32_t permission;
  Sync sync;
  DocStatus status;
  bool is_open;  // else it only knows how far our seqs have come
  bool restamp;  // the host finds our clock too far ahead
};

struct Lite::Doc : Lite::DocState {
  Doc() : DocState() {}
  ~Doc() {
    drop_fresh();
    map_type().destroy(map);
  }

  static constexpr uint64_t kNoLog = UINT64_MAX;  // an epoch that no log has

  Buffer id;
  Buffer queue;  // Pending, ascending and without gaps
  void* map = make_map();

  Pending& at(size_t offset) { return *reinterpret_cast<Pending*>(queue.data + offset); }
  bool awaits() const { return sync == Sync::asked || sync == Sync::placing; }
  void drop_fresh() {
    if (fresh) map_type().destroy(fresh);
    fresh = nullptr;
  }
  // To be asked for as a whole. What is shown stays until it is here.
  void lose_log() {
    drop_fresh();
    epoch = kNoLog;
    position = 0;
  }
  // When it is closed. It stays for the sake of its seqs, which the host does not take twice.
  void empty() {
    map_type().destroy(map);
    map = make_map();
    queue = Buffer();
    first = unsent = open = queued = depth = 0;
    last_seq = told = acked;
    lose_log();
    sync = Sync::denied;  // nothing is asked, sent or told
    due = kNever;
    status = DocStatus::offline;
    permission = 0;
    is_open = restamp = false;
  }
  // Out of step with the host, until what is asked for at that time.
  void ask(uint64_t at_ms) {
    if (fresh) lose_log();
    sync = Sync::idle;
    due = at_ms;
  }
};

}  // namespace synckit
