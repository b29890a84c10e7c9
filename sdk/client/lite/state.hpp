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

constexpr size_t kOverhead = 1024;   // of a transaction and its frame, beside its deltas
constexpr size_t kPendingCost = 64;  // of one in the queue, beside its bytes

template <class T>
void raise(T& value, T to) {
  if (value < to) value = to;
}

// A committed transaction that is not acknowledged; its bytes lie behind it.
struct Lite::Pending {
  Pending* next;
  uint64_t seq, hlc;
  uint32_t count, len;
  bool is_void;  // it only uses up its seqs

  uint64_t last_seq() const { return seq + count - 1; }
  Bytes bytes() const { return {reinterpret_cast<const uint8_t*>(this + 1), len}; }
  size_t cost() const { return len + kPendingCost; }
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
  void* fresh;  // being made from the host's state, to replace `map`

  // The open transaction.
  uint64_t open_hlc;
  uint32_t open_count, depth;

  // The queue, a list, ascending and without gaps.
  Pending* first;
  Pending* unsent;  // the first one that this session has not sent
  size_t queue_bytes, sent_bytes;
  uint32_t queued;
  uint64_t last_seq, acked;    // own ones: committed, durable
  uint64_t told;               // own ones: the last that was reported as sent
  uint64_t own_hlc, seen_hlc;  // of the last own one; the highest of the host's log

  // The host's log.
  uint64_t epoch, position;
  uint64_t announced;  // the highest position heard of
  uint64_t own_there;  // our last seq in what was read of it
  uint64_t refused_seq;
  uint32_t refusals;  // of refused_seq, in a row
  uint32_t attempt, permission;
  Sync sync;
  DocStatus status;
  bool rebuild;  // ask for the whole state: the map is to be made anew
  bool whole;    // the answer on its way is that
  bool restamp;  // the host finds our clock too far ahead
};

struct Lite::Doc : Lite::DocState {
  Doc() : DocState() {}
  ~Doc() {
    while (Pending* pending = first) {
      first = pending->next;
      std::free(pending);
    }
    map_type().destroy(map);
    drop_fresh();
  }

  Buffer id;
  void* map = make_map();
  Pending** end = &first;  // of the queue
  uint64_t due = kNever;   // idle: when to ask again; else when the answer must be here
  Buffer open;             // the changes of the open transaction, encoded

  Bytes name() const { return id; }
  uint64_t next_seq() const { return last_seq + 1 + open_count; }
  bool awaits() const { return sync == Sync::asked || sync == Sync::placing; }
  void drop_fresh() {
    if (fresh) map_type().destroy(fresh);
    fresh = nullptr;
  }
  void resend() {
    unsent = first;
    sent_bytes = 0;
  }
  // What is known of the host ends with the connection.
  void forget() {
    drop_fresh();
    resend();
    sync = Sync::idle;
    due = kNever;
  }
  void replace(Pending** at, Pending* made) {
    Pending* old = *at;
    made->next = old->next;
    if (end == &old->next) end = &made->next;
    if (unsent == old) unsent = made;
    queue_bytes += made->cost() - old->cost();
    *at = made;
    std::free(old);
  }
};

}  // namespace synckit
