// What types can beside merging (synckit.crdt.anchor/1, synckit.crdt.undo/1), between two replicas:
// no bytes crash it or change anything, undoing the latest edit brings the view back, anchors mean
// the same on both sides, and what an undo makes is an edit like any other.
//
// Input: a byte (bits 0-1 type, 2 side, 3 who, 4-5 who hears first, 6-7 what to do), then a chunk.
#include "replicas.hpp"

#include <check/doc.hpp>

using namespace synckit;
using fuzz::require;

namespace {

const sk_plugin* (*const kPlugins[])(void) = {synckit_plugin_v1_lww, synckit_plugin_v1_text,
                                              synckit_plugin_v1_set, synckit_plugin_v1_counter};

const uint32_t kUnits[] = {SK_UNIT_CODE_POINTS, SK_UNIT_UTF16};

struct Step {  // an own edit that can be undone
  std::string token, before, after;  // the views around it
};

struct Side {
  explicit Side(uint64_t id) : replica(id) {}
  fuzz::Replica replica;
  std::vector<Step> steps[4];  // by type
};

std::string view_of(const fuzz::Replica& me, const char* type) {
  Buffer out;
  require(me.doc.view(fuzz::kField, type, out).ok(), "a field has no view");
  return out.str();
}

void require_refusal(sk_status status) {
  require(status == SK_MALFORMED || status == SK_MISSING_DEPS || status == SK_LIMIT ||
              status == SK_UNSUPPORTED,
          "bytes from outside are answered by neither a result nor a refusal");
}

// The field's instance, or an empty one where there is none yet.
class Instance {
 public:
  Instance(const fuzz::Replica& me, const char* name) : type_(fuzz::types().find(name)) {
    doc = me.doc.instance(fuzz::kField, name);
    if (doc) return;
    require(type_->create(&made_, nullptr) == SK_OK, "create fails");
    doc = made_;
  }
  ~Instance() {
    if (made_) type_->destroy(made_);
  }
  void* doc;

 private:
  const sk_crdt_v1* type_;
  void* made_ = nullptr;
};

void edit(Side& me, uint8_t type, const std::string& intent, uint64_t now_ms) {
  const char* name = fuzz::kTypes[type];
  Stamp stamp = next_stamp(me.replica, now_ms);
  std::string before = view_of(me.replica, name), state = fuzz::snapshot_of(me.replica.doc);
  Buffer token;
  Bytes in(intent);
  sk_status captured = check::undo_of(kPlugins[type](), name)
                           ->capture(Instance(me.replica, name).doc, &stamp, in.data, in.len,
                                     &token, nullptr);
  require(fuzz::snapshot_of(me.replica.doc) == state, "capture changed the document");
  Status status = edit(me.replica, name, stamp, intent);
  require(captured == status.code(), "capture and mutate do not agree on an intent");
  if (!status.ok() || token.empty()) return;
  me.steps[type].push_back({token.str(), before, view_of(me.replica, name)});
}

// Reverts a token; false when it is refused.
bool revert(Side& me, uint8_t type, const std::string& token, uint64_t now_ms) {
  const char* name = fuzz::kTypes[type];
  std::string state = fuzz::snapshot_of(me.replica.doc);
  Buffer intents;
  Bytes in(token);
  sk_status status = check::undo_of(kPlugins[type](), name)
                         ->revert(Instance(me.replica, name).doc, in.data, in.len, &intents,
                                  nullptr);
  require(fuzz::snapshot_of(me.replica.doc) == state, "revert changed the document");
  if (status != SK_OK) {
    require_refusal(status);
    return false;
  }
  Reader read(intents.bytes());
  while (!read.done()) edit(me, type, read.sized().str(), now_ms);
  require(read.ok(), "revert does not write intents after their lengths");
  return true;
}

void undo(Side& me, uint8_t type, uint64_t now_ms) {
  if (me.steps[type].empty()) return;
  Step step = me.steps[type].back();
  me.steps[type].pop_back();
  const char* name = fuzz::kTypes[type];
  bool latest = view_of(me.replica, name) == step.after;
  require(revert(me, type, step.token, now_ms), "an own token is refused");
  // A map may write the same value in another way.
  if (!latest || type == 0 || me.replica.seen) return;
  require(view_of(me.replica, name) == step.before, "undo does not bring the view back");
}

std::string resolve(const fuzz::Replica& me, const std::string& anchor, uint32_t unit) {
  std::string state = fuzz::snapshot_of(me.doc);
  uint64_t position = 0;
  uint32_t deleted = 0;
  Bytes in(anchor);
  sk_status status = check::anchors_of(synckit_plugin_v1_text(), "text")
                         ->resolve(Instance(me, "text").doc, in.data, in.len, unit, &position,
                                   &deleted, nullptr);
  require(fuzz::snapshot_of(me.doc) == state, "resolving an anchor changed the document");
  if (status == SK_OK) return std::to_string(position) + (deleted ? " deleted" : "");
  require_refusal(status);
  return "refused";
}

// Anchors at a position, which counts in either unit; empty where there is no such place.
std::string anchor(const fuzz::Replica& me, uint64_t position, uint32_t unit, uint32_t side) {
  Buffer made;
  sk_status status = check::anchors_of(synckit_plugin_v1_text(), "text")
                         ->make(Instance(me, "text").doc, position, unit, side, &made, nullptr);
  if (status != SK_OK) {
    require_refusal(status);
    return {};
  }
  require(resolve(me, made.str(), unit) == std::to_string(position),
          "an anchor is not where it was made");
  return made.str();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Side a(0xa), b(0xb00000000000000b);
  std::vector<std::string> anchors;
  fuzz::Chunks input(data, size);
  for (uint64_t now_ms = 1000; !input.empty(); ++now_ms) {
    uint8_t op = input.byte(), type = op & 3;
    if (op & 16) hear(a.replica, b.replica);
    if (op & 32) hear(b.replica, a.replica);
    Side& me = op & 8 ? b : a;
    std::string chunk = input.next();
    switch (op >> 6) {
      case 0: edit(me, type, chunk, now_ms); break;
      case 1:
        for (uint32_t unit : kUnits) {
          uint8_t position = chunk.empty() ? 0 : static_cast<uint8_t>(chunk[0]);
          anchors.push_back(anchor(me.replica, position, unit, op >> 2 & 1));
        }
        break;
      case 2: anchors.push_back(chunk); break;
      default: chunk.empty() ? undo(me, type, now_ms) : void(revert(me, type, chunk, now_ms));
    }
  }
  require_equal(a.replica, b.replica);
  for (const std::string& one : anchors) {
    for (uint32_t unit : kUnits) {
      require(resolve(a.replica, one, unit) == resolve(b.replica, one, unit),
              "an anchor is not at one place for both");
    }
  }
  return 0;
}
