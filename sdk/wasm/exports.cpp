// core.wasm: the flat C functions that JavaScript calls, over one Engine per instance.
//
// EXPORTS.md is the contract. Inputs are written to the scratch area (sk_scratch) before the call,
// outputs are found through the result struct (sk_result): a local edit is one call into WASM with
// at most one copy each way. 64-bit values cross as two u32 (low, high) or in memory, times as f64.
//
// Invariants: scratch and result hold still until the next sk_* call; memory may grow in any call,
// so that views over it are to be renewed when memory.buffer changed.
#include "core.hpp"
#include "external.hpp"
#include "types.hpp"

namespace synckit {
namespace {

// What the last call left; 48 bytes, all little endian u32. See EXPORTS.md.
struct Result {
  int32_t code;
  uint32_t data, data_len;  // patch, view, output ...
  uint32_t text, text_len;  // why it failed
  uint32_t unused;
  uint32_t count;           // dots that an edit used
  uint32_t reserved;
  uint32_t value[4];        // numbers: low, high, low, high
};
static_assert(sizeof(Result) == 48);

Result result;
constinit Registry registry;
constinit Engine instance(registry);
constinit Buffer scratch, output;

uint32_t address(const void* pointer) {
  return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(pointer));
}
uint64_t u64(uint32_t lo, uint32_t hi) { return lo | static_cast<uint64_t>(hi) << 32; }
}  // namespace

namespace core {

uint64_t ms(double now) { return now > 0 ? static_cast<uint64_t>(now) : 0; }
Bytes input(uint32_t at, uint32_t len) {
  return at <= scratch.cap && len <= scratch.cap - at ? Bytes{scratch.data + at, len} : Bytes{};
}
void number(size_t i, uint64_t value) {
  result.value[i] = static_cast<uint32_t>(value);
  result.value[i + 1] = static_cast<uint32_t>(value >> 32);
}
void give(Bytes bytes) {
  result.data = address(bytes.data);
  result.data_len = static_cast<uint32_t>(bytes.len);
}
int32_t done(Status status) {
  result.code = status.code();
  if (!status.ok()) {
    result.text = address(status.text());
    result.text_len = static_cast<uint32_t>(std::strlen(status.text()));
  }
  return status.code();
}
Engine* const engine = &instance;
Buffer& cleared_output() { return output.clear(), output; }
void count(uint32_t dots) { result.count = dots; }

}  // namespace core

using namespace core;

// ---- memory and the engine ------------------------------------------------------------------

SK_WASM(sk_scratch)(uint32_t size)->uint8_t* {
  if (size > scratch.cap && scratch.reserve(&scratch, size) != SK_OK) return nullptr;
  return scratch.data;
}

SK_WASM(sk_result)()->Result* { return &result; }

SK_WASM(sk_init)
(uint32_t replica_lo, uint32_t replica_hi, uint32_t seed_lo, uint32_t seed_hi, uint32_t persistent,
 uint32_t client_len)
    ->int32_t {
  EngineConfig config;
  config.replica = u64(replica_lo, replica_hi);
  config.seed = u64(seed_lo, seed_hi);
  config.persistent = persistent != 0;
  config.client = input(0, client_len);
  if (config.replica == 0) return done(Status::malformed("the replica is 0"));
  for (auto type : {
           synckit_type_lww,
#if !defined(SYNCKIT_LITE)
           synckit_type_text, synckit_type_set, synckit_type_counter,
#endif
       }) {
    registry.add_builtin(static_cast<const sk_crdt_v1*>(type(0)));
  }
  engine->start(config);
  return done({});
}

#if defined(SYNCKIT_FULL)
SK_WASM(sk_register)
(uint32_t index, uint32_t type_len, uint32_t format, uint32_t min_format)->int32_t {
  const sk_crdt_v1* table = nullptr;
  Status status = external_type(index, input(0, type_len), format, min_format, table);
  if (status.ok()) status = registry.add(table);
  return done(status);
}
#endif

// ---- documents --------------------------------------------------------------------------------

SK_WASM(sk_open)(uint32_t id_len)->uint32_t {
  DocHandle doc = 0;
  return done(engine->open(input(0, id_len), doc)) == SK_OK ? doc : 0;
}
#if !defined(SYNCKIT_LITE)
SK_WASM(sk_load)(uint32_t doc, uint32_t key_len, uint32_t value_len, double now)->int32_t {
  return done(engine->load(doc, input(0, key_len), input(key_len, value_len), ms(now)));
}
#endif
SK_WASM(sk_loaded)(uint32_t doc, double now)->int32_t { return done(engine->loaded(doc, ms(now))); }
SK_WASM(sk_close)(uint32_t doc, uint32_t force, double now)->int32_t {
  Status status = engine->close(doc, force != 0, ms(now));
#if defined(SYNCKIT_FULL)
  if (status.ok()) forget_history(doc);
#endif
  return done(status);
}

// ---- edits ------------------------------------------------------------------------------------

SK_WASM(sk_field)(uint32_t doc, uint32_t name_len, uint32_t type_len)->uint32_t {
  FieldHandle field = 0;
  Status status = engine->field(doc, input(0, name_len), input(name_len, type_len), field);
  return done(status) == SK_OK ? field : 0;
}
SK_WASM(sk_mutate)(uint32_t doc, uint32_t field, uint32_t intent_len, double now)->int32_t {
  Edit edit;
  Status status = engine->mutate(doc, field, input(0, intent_len), ms(now), edit);
  give(edit.patch);
  result.count = edit.count;
  number(0, edit.last_seq);
  return done(status);
}
SK_WASM(sk_begin)(uint32_t doc)->int32_t { return done(engine->begin(doc)); }
SK_WASM(sk_commit)(uint32_t doc, double now)->int32_t { return done(engine->commit(doc, ms(now))); }
SK_WASM(sk_commit_all)(double now)->void { engine->commit_all(ms(now)); }

// ---- reading ----------------------------------------------------------------------------------

SK_WASM(sk_view)(uint32_t doc, uint32_t field)->int32_t {
  output.clear();
  Status status = engine->view(doc, field, output);
  give(output);
  return done(status);
}
#if !defined(SYNCKIT_LITE)
SK_WASM(sk_version)(uint32_t doc)->int32_t {
  output.clear();
  VersionVector version;
  Status status = engine->version(doc, version);
  Writer(output).raw(version.dots().data(), version.size() * sizeof(Dot));
  give(output);
  return done(status);
}
SK_WASM(sk_digest)(uint32_t doc)->int32_t {
  uint64_t digest = 0;
  Status status = engine->digest(doc, digest);
  number(0, digest);
  return done(status);
}
#endif
// value[0..1] = own last seq, value[2..3] = position; count = pending transactions.
SK_WASM(sk_info)(uint32_t doc)->int32_t {
  number(0, engine->last_seq(doc));
  number(2, engine->position(doc));
  result.count = engine->pending(doc);
  return static_cast<int32_t>(engine->status(doc));
}

// ---- persistence, presence --------------------------------------------------------------------

#if !defined(SYNCKIT_LITE)
SK_WASM(sk_stored)(uint32_t batch, double now)->void { engine->stored(batch, ms(now)); }
SK_WASM(sk_discard)(uint32_t doc, uint32_t seq_lo, uint32_t seq_hi, double now)->int32_t {
  return done(engine->discard(doc, u64(seq_lo, seq_hi), ms(now)));
}
SK_WASM(sk_presence)(uint32_t doc, uint32_t len)->int32_t {
  return done(engine->presence(doc, input(0, len)));
}
#endif

// ---- the session ------------------------------------------------------------------------------

SK_WASM(sk_online)(uint32_t wanted, double now)->void { engine->online(wanted != 0, ms(now)); }
SK_WASM(sk_connected)(uint32_t credential_len, double now)->void {
  engine->connected(input(0, credential_len), ms(now));
}
SK_WASM(sk_disconnected)(double now)->void { engine->disconnected(ms(now)); }
SK_WASM(sk_receive)(uint32_t frame_len, double now)->int32_t {
  return done(engine->receive(input(0, frame_len), ms(now)));
}
SK_WASM(sk_tick)(double now)->void { engine->tick(ms(now)); }
SK_WASM(sk_next_timer)()->double {
  uint64_t at = engine->next_timer_ms();
  return at == Engine::kNever ? -1 : static_cast<double>(at);
}

// ---- output -----------------------------------------------------------------------------------

SK_WASM(sk_drain)(double now)->uint32_t {
  Bytes bytes = engine->take_output(ms(now));
  give(bytes);
  return result.data_len;
}

}  // namespace synckit
