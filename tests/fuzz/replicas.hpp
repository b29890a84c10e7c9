// Two replicas that edit one field of each type and hear each other when the fuzzer says so.
#pragma once

#include "fuzz.hpp"

#include <vector>

namespace synckit::fuzz {

struct Replica {
  explicit Replica(uint64_t id) : id(id), doc(types(), {.max_fields = 8}) {}
  uint64_t id;
  Document doc;
  Hlc clock;
  std::vector<std::string> log;  // own transactions
  size_t seen = 0;               // of the other's
};

inline const char* const kField = "f";
inline const char* const kTypes[] = {"lww", "text", "set", "counter"};

// The stamp of the next edit. Each moves the clock: take it once.
inline Stamp next_stamp(Replica& me, uint64_t now_ms) {
  return {me.id, me.doc.version()[me.id] + 1, me.clock.tick(now_ms)};
}

// Makes an edit and its transaction; a refused one must leave nothing. What the type said.
inline Status edit(Replica& me, const char* type, const Stamp& stamp, const std::string& intent) {
  std::string before = snapshot_of(me.doc);
  Buffer delta;
  Buffer patch;
  uint32_t count = 0;
  Status status = me.doc.mutate(kField, type, stamp, Bytes(intent), delta, count, &patch);
  if (!status.ok() || count == 0) {
    require(snapshot_of(me.doc) == before, "a refused intent changed the document");
    require(delta.empty(), "a refused intent left bytes");
    return status;
  }
  me.doc.commit_local(me.id, stamp.seq + count - 1, stamp.hlc);
  wire::Transaction made;
  made.replica = me.id, made.seq = stamp.seq, made.count = count, made.hlc = stamp.hlc;
  made.changes.push_back({kField, type, count, delta.bytes()});
  Buffer bytes;
  wire::encode(made, bytes);
  me.log.push_back(bytes.str());
  return status;
}

inline void hear(Replica& me, const Replica& from) {
  for (; me.seen < from.log.size(); ++me.seen) {
    wire::Transaction transaction;
    require(wire::decode(Bytes(from.log[me.seen]), transaction).ok(), "an edit is not a message");
    VersionVector deps;
    require(Document::inspect(types(), transaction, false, &deps, nullptr).ok(),
            "inspect refuses an edit");
    Patches patches;
    Merged outcome = Merged::parked;
    Status status = me.doc.merge(transaction, outcome, &patches);
    require(status.ok() && outcome == Merged::applied, "the other replica refuses an edit");
    me.clock.observe(transaction.hlc);
  }
}

// Both have heard all: they must be one document.
inline void require_equal(Replica& a, Replica& b) {
  hear(a, b);
  hear(b, a);
  require(snapshot_of(a.doc) == snapshot_of(b.doc), "the replicas differ");
  require(view_of(a.doc) == view_of(b.doc), "the replicas look different");
  require(a.doc.voided() == 0 && b.doc.voided() == 0, "an edit was void");
  require_reloads(a.doc);
}

}  // namespace synckit::fuzz
