// Anchors and undo in replica.wasm: calls of the optional interfaces of the types.
//
// Threads: one.
#include "history.hpp"
#include "replica.hpp"

#define SK_WASM(name) extern "C" __attribute__((export_name(#name), used)) auto name

namespace synckit {
namespace {

// ---- the optional interfaces --------------------------------------------------------------------

struct Abilities {
  const sk_crdt_v1* type;
  const sk_crdt_anchor_v1* anchors;
  const sk_crdt_undo_v1* undo;
  void* empty;  // stands for a field that does not exist yet; never edited
};

Abilities& abilities(const Field& field) {
  static Abilities all[4];
  Abilities* at = all;
  for (auto table : {synckit_type_lww, synckit_type_text, synckit_type_set, synckit_type_counter}) {
    if (!at->type) {
      *at = {static_cast<const sk_crdt_v1*>(table(0)),
             static_cast<const sk_crdt_anchor_v1*>(table(1)),
             static_cast<const sk_crdt_undo_v1*>(table(2)), nullptr};
    }
    if (at->type == replica::type(field)) break;
    ++at;
  }
  return *at;
}

void* instance_or_empty(Field& field) {
  if (void* instance = replica::instance(field)) return instance;
  Abilities& type = abilities(field);
  if (!type.empty && type.type->create(&type.empty, nullptr) != SK_OK) out_of_memory();
  return type.empty;
}

// The fields of a history are addresses here.
uint32_t number(const Field& field) {
  return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(&field));
}

// Carries out the intents that undo one edit; how many dots they took.
int32_t revert(Field& field, Bytes token) {
  Buffer intents;
  sk_status code = abilities(field).undo->revert(instance_or_empty(field), token.data, token.len,
                                                 &intents, replica::last_error());
  if (code != SK_OK) return replica::fail(code);
  int32_t sum = 0;
  for (Reader in(intents); !in.done();) {
    int32_t count = replica::edit(field, in.sized());
    if (count < 0) return count;
    sum += count;
  }
  return sum;
}

}  // namespace

void forget(History* history) { delete history; }

int32_t capture(History& history, Field& field, const Stamp& stamp, Bytes intent) {
  sk_status code =
      abilities(field).undo->capture(instance_or_empty(field), &stamp, intent.data, intent.len,
                                     &history.token(), replica::last_error());
  return code == SK_OK ? 0 : replica::fail(code);
}

void record(History& history, Field& field) { history.record(number(field)); }

// ---- exports ------------------------------------------------------------------------------------

// Length of the anchor of a position in UTF-16 units; side: 0 left, 1 right.
SK_WASM(sk_text_anchor)(Field* field, uint32_t position, uint32_t side)->int32_t {
  static Buffer anchor;
  anchor.clear();
  sk_status code = abilities(*field).anchors->make(instance_or_empty(*field), position,
                                                   SK_UNIT_UTF16, side, &anchor,
                                                   replica::last_error());
  return code == SK_OK ? replica::answer(anchor) : replica::fail(code);
}

// Value = position of the anchor in scratch, and whether its character is gone.
SK_WASM(sk_text_position)(Field* field, uint32_t len)->int32_t {
  uint64_t position = 0;
  uint32_t deleted = 0;
  sk_status code = abilities(*field).anchors->resolve(
      instance_or_empty(*field), replica::input(), len, SK_UNIT_UTF16, &position, &deleted,
      replica::last_error());
  if (code != SK_OK) return replica::fail(code);
  return replica::answer(static_cast<uint32_t>(position), deleted);
}

// From now on edits can be undone, up to `depth` steps; forgets earlier ones. 0: no longer.
SK_WASM(sk_replica_history)(Replica* replica, uint32_t depth)->void {
  History*& history = replica::history(*replica);
  delete history;
  history = depth ? new History(depth) : nullptr;
}

// The next edit begins a step.
SK_WASM(sk_replica_step)(Replica* replica)->void {
  if (History* history = replica::history(*replica)) history->split();
}

// Dots that undoing (or redoing) the latest step took; 0: there was none that had an effect.
SK_WASM(sk_replica_undo)(Replica* replica, uint32_t redo)->int32_t {
  History* history = replica::history(*replica);
  if (!history) return 0;
  return history->take_back(redo != 0, [](uint32_t field, Bytes token) {
    return revert(*reinterpret_cast<Field*>(field), token);
  });
}

SK_WASM(sk_replica_steps)(Replica* replica, uint32_t redo)->size_t {
  History* history = replica::history(*replica);
  return history ? history->steps(redo != 0) : 0;
}

}  // namespace synckit
