// core.wasm: the flat C functions that JavaScript calls, over one Engine per instance.
//
// EXPORTS.md is the contract. Inputs are written to the scratch area (sk_scratch) before the call,
// data that a call gives is the last record it puts out: a local edit is one call into WASM with
// at most one copy each way. Times and seqs cross as f64, other 64-bit values as they are (BigInt).
//
// Invariants: scratch holds still until the next sk_* call; memory may grow in any call, so that
// views over it are to be renewed when memory.buffer changed.
#include "core.hpp"
#include "external.hpp"
#include "types.hpp"

extern "C" __attribute__((import_module("env"), import_name("now"), pure)) double sk_now();

namespace synckit {
namespace {

#if defined(SYNCKIT_LITE)
constinit Lite instance;
#else
constinit Registry registry;
constinit Engine instance(registry);
#endif
constinit Buffer scratch, output;
constinit Edit edit;

}  // namespace

namespace core {

[[gnu::noinline]] uint64_t now() { return static_cast<uint64_t>(sk_now()); }
Bytes input(uint32_t at, uint32_t len) { return {scratch.data + at, len}; }
[[gnu::noinline]] void give(Bytes bytes, uint64_t value, uint32_t number) {
  hand_over(Out::data, 0, number, value, 0, bytes, {});
}
CoreEngine* const engine = &instance;
Buffer& cleared_output() { return output.clear(), output; }
int32_t answer(Status status, uint32_t good) {
  if (status.ok()) return static_cast<int32_t>(good);
  give(status.text());
  return -static_cast<int32_t>(status.code());
}

}  // namespace core

using namespace core;

// ---- memory and the engine ------------------------------------------------------------------

SK_WASM(sk_scratch)(uint32_t size)->uint8_t* {
  // One byte more: also nothing has an address.
  return Buffer::grow(&scratch, size + 1) == SK_OK ? scratch.data : nullptr;
}

SK_WASM(sk_init)
(uint64_t replica, uint32_t persistent)->void {
  const char* client = "synckit-js/0.1.0";  // as in sdk/js/package.json
#if defined(SYNCKIT_LITE)
  (void)persistent;
  engine->start(replica, client);
#else
  for (const void* type : {synckit_type_lww(0), synckit_type_text(0), synckit_type_set(0),
                           synckit_type_counter(0)}) {
    registry.add_builtin(static_cast<const sk_crdt_v1*>(type));
  }
  engine->start({replica, 0, persistent != 0, client, {}});
#endif
}

#if defined(SYNCKIT_FULL)
SK_WASM(sk_register)
(uint32_t index, uint32_t type_len, uint32_t format, uint32_t min_format)->int32_t {
  const sk_crdt_v1* table = nullptr;
  Status status = external_type(index, input(0, type_len), format, min_format, table);
  if (status.ok()) status = registry.add(table);
  return answer(status);
}
#endif

// ---- documents --------------------------------------------------------------------------------

SK_WASM(sk_open)(uint32_t id_len)->int32_t {
  DocHandle doc = 0;
  Status status = engine->open(input(0, id_len), doc);
  return answer(status, doc);
}
#if !defined(SYNCKIT_LITE)
SK_WASM(sk_load)(uint32_t doc, uint32_t key_len, uint32_t value_len)->int32_t {
  return answer(engine->load(doc, input(0, key_len), input(key_len, value_len), 0));
}
#endif
SK_WASM(sk_loaded)(uint32_t doc)->void {
  (void)engine->loaded(doc, now());
#if !defined(SYNCKIT_LITE)
  give({}, engine->last_seq(doc));
#endif
}
SK_WASM(sk_close)(uint32_t doc)->int32_t {
  Status status = engine->close(doc, false, 0);
#if defined(SYNCKIT_FULL)
  if (status.ok()) forget_history(doc);
#endif
  return answer(status);
}

// ---- edits ------------------------------------------------------------------------------------

#if !defined(SYNCKIT_LITE)
SK_WASM(sk_field)(uint32_t doc, uint32_t len)->int32_t {
  uint32_t zero = 0;
  while (zero < len && scratch.data[zero]) ++zero;
  Bytes type = input(0, zero), name = input(zero + 1, len - zero - 1);
  FieldHandle field = 0;
  Status status = engine->field(doc, name, type, field);
  return answer(status, field);
}
#endif
SK_WASM(sk_mutate)(uint32_t doc, uint32_t field, uint32_t intent_len)->int32_t {
  Status status = engine->mutate(doc, field, input(0, intent_len), now(), edit);
  give(edit.patch, edit.last_seq);
  return answer(status);
}
SK_WASM(sk_begin)(uint32_t doc)->void { (void)engine->begin(doc); }
SK_WASM(sk_commit)(uint32_t doc)->void { (void)engine->commit(doc, 0); }
SK_WASM(sk_commit_all)()->void { engine->commit_all(0); }

// ---- reading ----------------------------------------------------------------------------------

SK_WASM(sk_view)(uint32_t doc, uint32_t field)->int32_t {
  output.clear();
  Status status = engine->view(doc, field, output);
  give(output);
  return answer(status);
}
#if !defined(SYNCKIT_LITE)
SK_WASM(sk_version)(uint32_t doc)->int32_t {
  struct sk_version version {};
  Status status = engine->version(doc, version);
  give({reinterpret_cast<const uint8_t*>(version.dots), version.len * sizeof(Dot)});
  return answer(status);
}
SK_WASM(sk_digest)(uint32_t doc)->uint64_t {
  uint64_t digest = 0;
  (void)engine->digest(doc, digest);
  return digest;
}
#endif
SK_WASM(sk_pending)(uint32_t doc)->uint32_t { return engine->pending(doc); }

// ---- persistence, presence --------------------------------------------------------------------

#if !defined(SYNCKIT_LITE)
SK_WASM(sk_stored)(uint32_t batch)->void { engine->stored(batch, 0); }
SK_WASM(sk_discard)(uint32_t doc, double seq)->void {
  (void)engine->discard(doc, static_cast<uint64_t>(seq), 0);
}
SK_WASM(sk_presence)(uint32_t doc, uint32_t len)->int32_t {
  return answer(engine->presence(doc, input(0, len)));
}
#endif

// ---- the session ------------------------------------------------------------------------------

SK_WASM(sk_online)(uint32_t wanted)->void { engine->online(wanted != 0, now()); }
SK_WASM(sk_connected)(uint32_t credential_len)->void {
  engine->connected(input(0, credential_len), now());
}
SK_WASM(sk_disconnected)()->void { engine->disconnected(now()); }
SK_WASM(sk_receive)(uint32_t frame_len)->void {
  (void)engine->receive(input(0, frame_len), now());  // a defective host is dropped, and told of
}
SK_WASM(sk_drain)()->uint32_t {
  uint64_t now_ms = now();
  engine->tick(now_ms);
  engine->take_output(now_ms);
  uint64_t at = engine->next_timer_ms();
  if (at == CoreEngine::kNever) return 0;
  uint64_t pause = at > now_ms ? at - now_ms + 1 : 1;  // `now` may be later in its millisecond
  return pause < INT32_MAX ? static_cast<uint32_t>(pause) : INT32_MAX;
}

}  // namespace synckit
