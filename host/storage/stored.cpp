#include "stored.hpp"

#include <flatbuffers/flatbuffers.h>

#include <cstdint>

#include "store_generated.h"

namespace synckit::stored {
namespace {

using Builder = flatbuffers::FlatBufferBuilder;

constexpr uint32_t kMaxTables = 1u << 20;  // fields of one snapshot, and then some

void finish(Builder& builder, store::Root kind, flatbuffers::Offset<void> root) {
  builder.Finish(store::CreateStored(builder, kind, root), store::StoredIdentifier());
}

Result<const store::Stored*> verify(Bytes bytes) {
  flatbuffers::Verifier verifier(bytes.data, bytes.len, 16, kMaxTables);
  if (bytes.len < 8 || !store::VerifyStoredBuffer(verifier)) {
    return Failure{SK_MALFORMED,
                   "a stored record is damaged: its bytes are no Stored of store.fbs"};
  }
  return store::GetStored(bytes.data);
}

Bytes view(const flatbuffers::Vector<uint8_t>* bytes) { return {bytes->data(), bytes->size()}; }
Bytes view(const flatbuffers::String* text) {
  return std::string_view(text->c_str(), text->size());
}

}  // namespace

void write_entry(Bytes transaction, std::string_view principal, std::string& out,
                 Bytes& stored_transaction) {
  Builder builder(transaction.len + principal.size() + 96);
  auto bytes = builder.CreateVector(transaction.data, transaction.len);
  auto who = builder.CreateString(principal.data(), principal.size());
  auto entry = store::CreateLogEntry(builder, bytes, who);
  finish(builder, store::Root::LogEntry, entry.Union());
  out.assign(reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize());
  auto written = store::GetStored(out.data())->root_as_LogEntry();
  stored_transaction = view(written->transaction());
}

Result<Entry> read_entry(Bytes payload, std::string& room) {
  if (reinterpret_cast<uintptr_t>(payload.data) % 8 != 0) {
    room.assign(payload.text());
    payload = Bytes(room);
  }
  auto stored = verify(payload);
  if (!stored) return stored.failure();
  const store::LogEntry* entry = (*stored)->root_as_LogEntry();
  if (!entry) return Failure{SK_MALFORMED, "a log record holds something else than a LogEntry"};
  Entry out;
  out.transaction = view(entry->transaction());
  if (entry->principal()) out.principal = view(entry->principal()).text();
  return out;
}

Result<std::string> write_snapshot(const Document& document, uint64_t position) {
  struct Context {
    Builder builder{4096};
    std::vector<flatbuffers::Offset<store::Field>> fields;
  } context;
  Status status = document.each_field_state(
      [](void* raw, const wire::FieldState& field) -> Status {
        auto& c = *static_cast<Context*>(raw);
        auto name = c.builder.CreateString(field.field.text().data(), field.field.len);
        auto type = c.builder.CreateString(field.type.text().data(), field.type.len);
        auto state = c.builder.CreateVector(field.delta.data, field.delta.len);
        c.fields.push_back(store::CreateField(c.builder, name, type, field.count, state));
        return {};
      },
      &context);
  if (!status.ok()) return Failure{status.code(), status.text()};
  std::vector<store::Dot> dots;
  for (const Dot& dot : document.version().dots()) dots.emplace_back(dot.replica, dot.seq);
  Builder& builder = context.builder;
  auto version = builder.CreateVectorOfStructs(dots);
  auto fields = builder.CreateVector(context.fields);
  auto snapshot = store::CreateSnapshot(builder, position, document.max_hlc(), version, fields);
  finish(builder, store::Root::Snapshot, snapshot.Union());
  return std::string(reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize());
}

Result<> read_snapshot(Bytes bytes, wire::Snapshot& out, uint64_t* position) {
  auto stored = verify(bytes);
  if (!stored) return stored.failure();
  const store::Snapshot* snapshot = (*stored)->root_as_Snapshot();
  if (!snapshot) return Failure{SK_MALFORMED, "a saved snapshot holds something else"};
  // The verifier aligns a vector's length (4 bytes), but not its elements (8 here). An empty one
  // has none, and is not aligned by those who write it.
  const auto* version = snapshot->version();
  if (version && version->size() > 0 &&
      reinterpret_cast<uintptr_t>(version->Data()) % alignof(store::Dot) != 0) {
    return Failure{SK_MALFORMED, "a saved snapshot is damaged: its version is not aligned"};
  }
  out.version.clear();
  out.fields.clear();
  out.max_hlc = snapshot->max_hlc();
  if (position) *position = snapshot->position();
  if (version) {
    for (const store::Dot* dot : *version) {
      out.version.raise(dot->replica(), dot->seq());
    }
  }
  if (snapshot->fields()) {
    for (const store::Field* field : *snapshot->fields()) {
      out.fields.push_back({view(field->field()), view(field->type()), field->format(),
                            view(field->state())});
    }
  }
  return Done{};
}

}  // namespace synckit::stored
