// Chunks as intents of two replicas that exchange their transactions now and then: local edits
// never crash or half apply, and both documents come out equal.
#include "fuzz.hpp"

#include <vector>

using namespace synckit;
using fuzz::require;

namespace {

struct Replica {
  explicit Replica(uint64_t id) : id(id), doc(fuzz::types(), {.max_fields = 8}) {}
  uint64_t id;
  Document doc;
  Hlc clock;
  std::vector<std::string> log;  // own transactions
  size_t seen = 0;               // of the other's
};

const char* const kTypes[] = {"lww", "text", "set", "counter"};

void edit(Replica& me, const char* type, const std::string& intent, uint64_t now_ms) {
  std::string before = fuzz::snapshot_of(me.doc);
  Buffer delta;
  fuzz::Patches patches;
  uint32_t count = 0;
  Stamp stamp{me.id, me.doc.version()[me.id] + 1, me.clock.tick(now_ms)};
  Status status = me.doc.mutate("f", type, stamp, Bytes(intent), delta, count, &patches);
  if (!status.ok() || count == 0) {
    require(fuzz::snapshot_of(me.doc) == before, "a refused intent changed the document");
    require(delta.empty(), "a refused intent left bytes");
    return;
  }
  me.doc.commit_local(me.id, stamp.seq + count - 1, stamp.hlc);
  wire::Transaction made;
  made.replica = me.id, made.seq = stamp.seq, made.count = count, made.hlc = stamp.hlc;
  made.changes.push_back({"f", type, count, delta.bytes()});
  Buffer bytes;
  wire::encode(made, bytes);
  me.log.push_back(bytes.str());
}

void hear(Replica& me, Replica& from) {
  for (; me.seen < from.log.size(); ++me.seen) {
    wire::Transaction transaction;
    require(wire::decode(Bytes(from.log[me.seen]), transaction).ok(), "an edit is not a message");
    VersionVector deps;
    require(Document::inspect(fuzz::types(), transaction, false, &deps, nullptr).ok(),
            "inspect refuses an edit");
    fuzz::Patches patches;
    Merged outcome = Merged::parked;
    Status status = me.doc.merge(transaction, outcome, &patches);
    require(status.ok() && outcome == Merged::applied, "the other replica refuses an edit");
    me.clock.observe(transaction.hlc);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Replica a(0xa), b(0xb00000000000000b);
  fuzz::Chunks input(data, size);
  for (uint64_t now_ms = 1000; !input.empty(); ++now_ms) {
    uint8_t op = input.byte();
    if (op & 16) hear(a, b);
    if (op & 32) hear(b, a);
    edit(op & 8 ? b : a, kTypes[op & 3], input.next(), now_ms);
  }
  hear(a, b);
  hear(b, a);
  require(fuzz::snapshot_of(a.doc) == fuzz::snapshot_of(b.doc), "the replicas differ");
  require(fuzz::view_of(a.doc) == fuzz::view_of(b.doc), "the replicas look different");
  require(a.doc.voided() == 0 && b.doc.voided() == 0, "an edit was void");
  fuzz::require_reloads(a.doc);
  return 0;
}
