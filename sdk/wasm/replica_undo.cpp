// Anchors and undo in replica.wasm: calls of the optional interfaces of the types.
//
// Threads: one.
#include "abilities.hpp"
#include "history.hpp"
#include "replica.hpp"

#define SK_WASM(name) extern "C" __attribute__((export_name(#name), used)) auto name

namespace synckit {
namespace {

Abilities& abilities_of(const Field& field) { return *abilities(replica::type(field)); }
void* instance(Field& field) { return abilities_of(field).instance(replica::instance(field)); }

// The fields of a history are addresses here.
uint32_t number(const Field& field) {
  return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(&field));
}

// Carries out the intents that undo one edit; how many dots they took.
int32_t revert(Field& field, Bytes token) {
  Buffer intents;
  sk_status code = abilities_of(field).undo->revert(instance(field), token.data, token.len,
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
      abilities_of(field).undo->capture(instance(field), &stamp, intent.data, intent.len,
                                     &history.token(), replica::last_error());
  return code == SK_OK ? 0 : replica::fail(code);
}

void record(History& history, Field& field) { history.record(number(field)); }

// ---- exports ------------------------------------------------------------------------------------

// Length of the anchor of a position in UTF-16 units; side: 0 left, 1 right.
SK_WASM(sk_text_anchor)(Field* field, uint32_t position, uint32_t side)->int32_t {
  static Buffer anchor;
  anchor.clear();
  sk_status code = abilities_of(*field).anchors->make(instance(*field), position,
                                                   SK_UNIT_UTF16, side, &anchor,
                                                   replica::last_error());
  return code == SK_OK ? replica::answer(anchor) : replica::fail(code);
}

// Value = position of the anchor in scratch, and whether its character is gone.
SK_WASM(sk_text_position)(Field* field, uint32_t len)->int32_t {
  uint64_t position = 0;
  uint32_t deleted = 0;
  sk_status code = abilities_of(*field).anchors->resolve(
      instance(*field), replica::input(), len, SK_UNIT_UTF16, &position, &deleted,
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
