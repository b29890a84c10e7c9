// Chunks as snapshots into one document: a refused one changes nothing (but when a later field of
// it failed: then earlier ones may be in, without a version that claims them, or the document is
// broken; see document.hpp), an accepted one reloads and is merged once.
#include "fuzz.hpp"

using namespace synckit;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Document doc(fuzz::types(), {.max_fields = 8});
  fuzz::Chunks input(data, size);
  fuzz::Patches patches;
  wire::Snapshot snapshot;
  while (!input.empty()) {
    std::string bytes = input.next();
    if (!wire::decode(Bytes(bytes), snapshot).ok()) continue;
    std::string before = fuzz::snapshot_of(doc);
    VersionVector version = doc.version();
    Status status = doc.merge_snapshot(snapshot, &patches);
    if (doc.broken()) {
      require(!status.ok(), "a broken document says that all is well");
      require(snapshot.fields.size() > 1, "one field broke the document");
      return 0;
    }
    std::string after = fuzz::snapshot_of(doc);
    if (!status.ok()) {
      require(after == before || snapshot.fields.size() > 1,
              "a refused snapshot changed the document");
      require(doc.version() == version, "a refused snapshot is claimed by the version");
      continue;
    }
    patches.bytes = 0;
    require(doc.merge_snapshot(snapshot, &patches).ok(), "a snapshot does not merge twice");
    require(patches.bytes == 0 && fuzz::snapshot_of(doc) == after, "merging twice changes it");
  }
  fuzz::require_reloads(doc);
  return 0;
}
