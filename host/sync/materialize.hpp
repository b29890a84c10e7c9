// A document as a value, built from storage: for snapshots, HTTP reads and the command line.
//
// Threads: [worker]; each call builds its own Document.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "kernel/document.hpp"
#include "storage/store.hpp"

namespace synckit {

struct Materialized {
  std::unique_ptr<Document> document;
  uint64_t position = 0, epoch = 0, snapshot_position = 0;
};

// Merges the saved snapshot and the log behind it. SK_UNAVAILABLE: storage;
// SK_INTERNAL: a type failed, or what is stored is damaged. A document that was never
// written is empty, at position 0.
Result<Materialized> materialize(const Store& store, const Registry& registry,
                                 std::string_view document, uint32_t max_fields);

// {"document":..,"position":..,"epoch":..,"version":{hex:seq},"digest":"hex","fields":[...]}
Result<std::string> to_json(const Materialized& state, std::string_view document);

}  // namespace synckit
