// Chunks as what a host sends to a client, between edits and time that passes: whatever it is, both
// engines (that of core.wasm, that of core-lite.wasm) go on, put out well formed records, and show
// a document. The first byte says which engine.
#include "fuzz.hpp"

#include <client/engine.hpp>
#include <client/lite/lite.hpp>

extern "C" const void* synckit_type_lww(uint32_t) {
  return synckit::fuzz::types().find("lww");
}

namespace {

using namespace synckit;

// Does what the engine asks for.
template <class Client>
void carry_out(Client& client, uint64_t now_ms) {
  OutputReader in(client.take_output(now_ms));
  bool connect = false, drop = false;
  uint32_t batch = 0;
  for (OutputRecord record; in.next(record);) {
    connect = connect || record.kind == Out::connect;
    drop = drop || record.kind == Out::drop;
    if (record.kind == Out::batch) batch = record.number;
    if (record.kind != Out::frame) continue;
    wire::Frame frame;
    fuzz::require(wire::decode(record.payload, frame).ok(), "it sends what is no frame");
  }
  fuzz::require(in.ok(), "its output is malformed");
  if constexpr (std::is_same_v<Client, Engine>) client.stored(batch, now_ms);
  if (drop) client.disconnected(now_ms);
  if (connect && !drop) client.connected("token", now_ms);
}

template <class Client>
void run(Client& client, FieldHandle field, DocHandle doc, fuzz::Chunks& input) {
  uint64_t now_ms = 1'700'000'000'000;
  fuzz::require(client.loaded(doc, now_ms).ok(), "a document does not open");
  client.online(true, now_ms);
  carry_out(client, now_ms);
  Edit edit;
  while (!input.empty()) {
    uint8_t op = input.byte();
    if (op < 160) {
      (void)client.receive(Bytes(input.next()), now_ms);
    } else if (op < 200) {
      (void)client.mutate(doc, field, Bytes(input.next()), now_ms, edit);
    } else if (op < 220) {
      client.commit_all(now_ms);
    } else {
      now_ms += uint64_t{input.byte()} * (op < 240 ? 1 : 1000);
      client.tick(now_ms);
    }
    carry_out(client, now_ms);
  }
  Buffer json;
  fuzz::require(client.view(doc, field, json).ok(), "it shows nothing");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Chunks input(data, size);
  DocHandle doc = 0;
  FieldHandle field = 1;
  if (input.byte() & 1) {
    Lite lite;
    lite.start(0xa, "fuzz");
    fuzz::require(lite.open("d", doc).ok(), "a document does not open");
    run(lite, field, doc, input);
  } else {
    EngineConfig config;
    config.replica = 0xa;
    config.client = "fuzz";
    Engine engine(fuzz::types(), config);
    fuzz::require(engine.open("d", doc).ok() && engine.field(doc, "", "lww", field).ok(),
                  "a document does not open");
    run(engine, field, doc, input);
  }
  return 0;
}
