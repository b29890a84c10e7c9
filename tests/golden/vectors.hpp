// What the generator and the test of the golden vectors share: JSON by libprotobuf, and the
// samples of store.fbs.
#pragma once

#include "samples.hpp"
#include "wire.pb.h"

#include <google/protobuf/util/json_util.h>
#include <store_generated.h>

#include <memory>
#include <stdexcept>

namespace synckit::golden {

using Protobuf = google::protobuf::Message;

// An empty message by its full name, "synckit.v1.Envelope".
inline std::unique_ptr<Protobuf> new_message(const std::string& name) {
  const auto* type = v1::Envelope::descriptor()->file()->pool()->FindMessageTypeByName(name);
  if (!type) throw std::runtime_error("wire.proto has no message " + name);
  auto* factory = google::protobuf::MessageFactory::generated_factory();
  return std::unique_ptr<Protobuf>(factory->GetPrototype(type)->New());
}

inline std::string to_json(const Protobuf& message) {
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(message, &json).ok()) {
    throw std::runtime_error("libprotobuf cannot write its message as JSON");
  }
  return json;
}

// A sample of store.fbs. `json` names what a reader must find, by the rules of proto3's JSON.
struct StoredSample {
  std::string file, json, bytes;
};

inline std::string base64(const std::string& bytes) {
  static const char* kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j) {
      group = group << 8 | (i + j < bytes.size() ? static_cast<uint8_t>(bytes[i + j]) : 0);
    }
    for (size_t j = 0; j < 4; ++j) {
      out += j <= bytes.size() - i ? kDigits[group >> (18 - 6 * j) & 63] : '=';
    }
  }
  return out;
}

inline std::string stored_bytes(flatbuffers::FlatBufferBuilder& builder, store::Root type,
                                flatbuffers::Offset<void> root) {
  store::FinishStoredBuffer(builder, store::CreateStored(builder, type, root));
  return {reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize()};
}

inline flatbuffers::Offset<flatbuffers::Vector<uint8_t>> ubytes(
    flatbuffers::FlatBufferBuilder& builder, const std::string& bytes) {
  return builder.CreateVector(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
}

inline StoredSample stored_log_entry() {
  std::string transaction = encoded(transaction_of_two());
  flatbuffers::FlatBufferBuilder builder;
  auto entry = store::CreateLogEntry(builder, ubytes(builder, transaction),
                                     builder.CreateString("Ада"));
  return {"store_log_entry.bin",
          "{\"transaction\":\"" + base64(transaction) + "\",\"principal\":\"Ада\"}",
          stored_bytes(builder, store::Root::LogEntry, entry.Union())};
}

inline StoredSample stored_snapshot() {
  flatbuffers::FlatBufferBuilder builder;
  store::Dot dots[] = {store::Dot(kAda, 46), store::Dot(kBob, 3)};
  auto field = [&](const char* name, const char* type, uint32_t format, const char* state) {
    auto bytes = ubytes(builder, state);
    auto field_name = builder.CreateString(name), type_name = builder.CreateString(type);
    return store::CreateField(builder, field_name, type_name, format, bytes);
  };
  std::vector<flatbuffers::Offset<store::Field>> fields = {
      field("", "lww", 1, "state of the root"), field("заметка", "text", 2, "")};
  auto version = builder.CreateVectorOfStructs(dots, 2);
  auto all = builder.CreateVector(fields);
  auto snapshot = store::CreateSnapshot(builder, 302, kClock + 1, version, all);
  std::string json =
      "{\"position\":\"302\",\"maxHlc\":\"" + std::to_string(kClock + 1) +
      "\",\"version\":[{\"replica\":\"" + std::to_string(kAda) +
      "\",\"seq\":\"46\"},{\"replica\":\"" + std::to_string(kBob) +
      "\",\"seq\":\"3\"}],\"fields\":[{\"field\":\"\",\"type\":\"lww\",\"format\":1,\"state\":\"" +
      base64("state of the root") +
      "\"},{\"field\":\"заметка\",\"type\":\"text\",\"format\":2,\"state\":\"\"}]}";
  return {"store_snapshot.bin", json,
          stored_bytes(builder, store::Root::Snapshot, snapshot.Union())};
}

}  // namespace synckit::golden
