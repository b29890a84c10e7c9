// What is at rest (proto/store.fbs): FlatBuffers, verified on every read and then read in place.
//
// Threads: free functions; reentrant. The views borrow from the bytes that they were read from.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "kernel/document.hpp"

namespace synckit::stored {

// Payload of a log record. `transaction` is set to where the transaction's bytes are inside it.
void write_entry(Bytes transaction, std::string_view principal, std::string& out,
                 Bytes& stored_transaction);

struct Entry {
  Bytes transaction;
  std::string_view principal;
};
// `room` takes a copy when the payload is not aligned for reading in place; keep it as long.
Result<Entry> read_entry(Bytes payload, std::string& room);

// The snapshot of a document that stands at `position`. Fails when a type does.
Result<std::string> write_snapshot(const Document& document, uint64_t position);
// `position` is optional. `bytes` must be aligned to 8, as what malloc gives is.
Result<> read_snapshot(Bytes bytes, wire::Snapshot& out, uint64_t* position);

}  // namespace synckit::stored
