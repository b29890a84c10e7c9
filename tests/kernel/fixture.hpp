// What tests of Document share: a registry with the toy types, and transactions from short
// descriptions.
#pragma once

#include "toy.hpp"

#include <gtest/gtest.h>

#include <kernel/document.hpp>

namespace synckit::testing {

// One change of a transaction to build.
struct Part {
  std::string field, text;
  uint8_t behaviour = kFine;
  std::vector<Dot> deps = {};
  uint32_t count = 1;
  std::string type = kToyName;
};

inline std::string transaction(uint64_t replica, uint64_t seq, uint64_t hlc,
                               const std::vector<Part>& parts) {
  wire::Transaction t;
  t.replica = replica;
  t.seq = seq;
  t.hlc = hlc;
  std::vector<std::string> deltas;
  for (const Part& part : parts) {
    deltas.push_back(ToyDelta{replica, seq + t.count, part.count, hlc, part.behaviour, part.deps,
                              part.text}
                         .bytes());
    t.count += part.count;
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    t.changes.push_back({Bytes(parts[i].field), Bytes(parts[i].type), parts[i].count,
                         Bytes(deltas[i])});
  }
  if (parts.empty()) t.count = 1;
  Buffer out;
  wire::encode(t, out);
  return out.str();
}

struct Patches : PatchSink {
  std::string all;
  void patch(const DocumentField& field, Bytes patch) override {
    all += field.name().str() + "/" + field.type_name().str() + patch.str();
  }
};

class DocumentFixture : public ::testing::Test {
 protected:
  DocumentFixture() {
    EXPECT_TRUE(registry.add(ToyA::crdt_interface()).ok());
    EXPECT_TRUE(registry.add(ToyB::crdt_interface()).ok());
    toys_alive = 0;
    toy_creation_fails = false;
    toy_next_deps.clear();
  }
  ~DocumentFixture() override { EXPECT_EQ(toys_alive, 0) << "instances leaked"; }

  static Status merge(Document& doc, const std::string& bytes, Merged& outcome,
                      PatchSink* sink = nullptr) {
    wire::Transaction t;
    SK_TRY(wire::decode(Bytes(bytes), t));
    return doc.merge(t, outcome, sink);
  }
  // Merges; the outcome, or a failed test.
  static Merged merge(Document& doc, const std::string& bytes, PatchSink* sink = nullptr) {
    Merged outcome = Merged::parked;
    Status status = merge(doc, bytes, outcome, sink);
    EXPECT_TRUE(status.ok()) << status.text();
    return outcome;
  }
  static sk_status merge_code(Document& doc, const std::string& bytes) {
    Merged outcome;
    return merge(doc, bytes, outcome).code();
  }
  static std::string view(const Document& doc) {
    Buffer json;
    EXPECT_TRUE(doc.view_all(json).ok());
    return json.str();
  }
  static std::string snapshot(const Document& doc) {
    Buffer out;
    EXPECT_TRUE(doc.encode_snapshot(out).ok());
    return out.str();
  }
  static Status load(Document& doc, const std::string& bytes, PatchSink* sink = nullptr) {
    wire::Snapshot s;
    SK_TRY(wire::decode(Bytes(bytes), s));
    return doc.merge_snapshot(s, sink);
  }
  static uint64_t digest(const Document& doc) {
    uint64_t out = 0;
    EXPECT_TRUE(doc.digest(out).ok());
    return out;
  }

  Registry registry;
};

}  // namespace synckit::testing
