// Any bytes as what storage gives back. First byte even: a log record, odd: a snapshot; the rest is
// the payload. Damaged ones are refused; what is read goes on to where the host takes it.
#include <storage/stored.hpp>

#include "fuzz.hpp"

#include <cstdlib>

using namespace synckit;
using fuzz::require;

namespace {

void read_record(Bytes payload) {
  std::string room;
  auto entry = stored::read_entry(payload, room);
  if (!entry) return require(!entry.failure().text.empty(), "an error without a sentence");
  wire::Transaction transaction;
  bool decodes = wire::decode(entry->transaction, transaction).ok();
  std::string again, principal(entry->principal);
  Bytes inside;
  stored::write_entry(entry->transaction, principal, again, inside);
  require(inside == entry->transaction, "a written entry holds another transaction");
  auto reread = stored::read_entry(Bytes(again), room);
  require(reread.ok() && reread->transaction == inside, "a written entry is not read back");
  Document doc(fuzz::types());
  Merged outcome;
  if (decodes) (void)doc.merge(transaction, outcome, nullptr).ok();
}

void read_state(Bytes payload) {
  wire::Snapshot snapshot;
  uint64_t position = 0;
  auto read = stored::read_snapshot(payload, snapshot, &position);
  if (!read) return require(!read.failure().text.empty(), "an error without a sentence");
  Document doc(fuzz::types());
  if (!doc.merge_snapshot(snapshot, nullptr).ok() || doc.has_unknown_types()) return;
  auto again = stored::write_snapshot(doc, position);
  require(again.ok(), "a document that was read is not written");
  Buffer aligned;
  Writer(aligned).raw(Bytes(*again));
  wire::Snapshot second;
  uint64_t at = 0;
  require(stored::read_snapshot(aligned, second, &at).ok() && at == position, "not read back");
  Document copy(fuzz::types());
  require(copy.merge_snapshot(second, nullptr).ok(), "what was written does not load");
  require(fuzz::snapshot_of(copy) == fuzz::snapshot_of(doc), "a stored document changes");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  Buffer payload;  // of malloc: aligned, and no longer than the input
  Writer(payload).raw(data + 1, size - 1);
  if (data[0] & 1) {
    read_state(payload);
  } else {
    read_record(payload);
  }
  return 0;
}
