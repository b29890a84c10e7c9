// Chunks as transactions into one document of all four types: a refused one changes nothing, an
// accepted one is a duplicate the second time, and the document always reloads from its snapshot.
#include "fuzz.hpp"

using namespace synckit;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Document doc(fuzz::types(), {.max_fields = 8, .max_parked_transactions = 8});
  fuzz::Chunks input(data, size);
  fuzz::Patches patches;
  wire::Transaction transaction;
  while (!input.empty() && !doc.broken()) {
    std::string bytes = input.next();
    if (!wire::decode(Bytes(bytes), transaction).ok()) continue;
    Document::inspect(fuzz::types(), transaction, true, nullptr, nullptr).ok();
    std::string before = fuzz::snapshot_of(doc);
    size_t parked = doc.parked();
    Merged outcome = Merged::parked;
    Status status = doc.merge(transaction, outcome, &patches);
    if (!status.ok()) {
      require(!doc.broken(), "a type failed half way");
      require(fuzz::snapshot_of(doc) == before && doc.parked() == parked,
              "a refused transaction changed the document");
      continue;
    }
    std::string after = fuzz::snapshot_of(doc);
    require(outcome == Merged::applied || after == before, "a waiting one changed the document");
    Merged again = Merged::applied;
    require(doc.merge(transaction, again, &patches).ok() && again != Merged::applied,
            "a transaction took effect twice");
    require(fuzz::snapshot_of(doc) == after, "a duplicate changed the document");
  }
  if (!doc.broken()) fuzz::require_reloads(doc);
  return 0;
}
