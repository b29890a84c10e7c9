// Random histories of one type, driven through the plugin ABI alone, and a hash of every byte that
// the type gave. The same source is compiled natively and to parity.wasm: equal seeds must give
// equal hashes (tests/parity/parity.mjs), or a browser and a host would disagree.
#pragma once

#include <synckit/crdt.hpp>

namespace synckit::parity {

struct Result {
  uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a over statuses, deltas, patches, views, snapshots
  uint32_t edits = 0;                   // that had an effect
  uint32_t failed = 0;                  // calls that were refused, mostly damaged deltas
};

// One history of `steps` steps over three replicas.
Result run(const sk_crdt_v1& type, const sk_crdt_samples_v1& samples, uint64_t seed,
           uint32_t steps);

// The built-in types, 0 .. 3; nullptr past the last one.
const char* type_name(uint32_t index);
Result run_built_in(uint32_t index, uint64_t seed, uint32_t steps);

}  // namespace synckit::parity
