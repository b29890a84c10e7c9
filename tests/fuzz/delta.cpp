// Chunks as deltas of one type, straight through its ABI table: inspect and merge agree on what is
// malformed, a refused merge changes nothing, a second merge changes nothing, states reload.
#include "fuzz.hpp"

using namespace synckit;
using fuzz::require;

namespace {

struct Instance {
  explicit Instance(const sk_crdt_v1* type) : type(type) {
    require(type->create(&doc, nullptr) == SK_OK, "create fails");
  }
  ~Instance() { type->destroy(doc); }
  sk_status merge(const std::string& delta, Buffer& patch) {
    auto* bytes = reinterpret_cast<const uint8_t*>(delta.data());
    return type->merge(doc, bytes, delta.size(), &patch, nullptr);
  }
  std::string state(sk_version since = {}) {
    Buffer out;
    require(type->encode(doc, &since, &out, nullptr) == SK_OK, "encode fails");
    return out.str();
  }
  std::string view() {
    Buffer out;
    require(type->view(doc, &out, nullptr) == SK_OK, "view fails");
    return out.str();
  }
  const sk_crdt_v1* type;
  void* doc = nullptr;
};

void check_summary(const sk_summary& about, const Buffer& deps) {
  if (about.authors == 1) {
    require(about.replica != 0 && about.seq_lo != 0 && about.seq_lo <= about.seq_hi,
            "inspect gives an author without dots");
  }
  require(deps.len % sizeof(Dot) == 0, "inspect gives half a dependency");
  for (size_t at = 0; at < deps.len; at += sizeof(Dot)) {
    Dot dot;
    std::memcpy(&dot, deps.data + at, sizeof dot);
    require(dot.replica != 0 && dot.seq != 0, "inspect gives an empty dependency");
    require(about.authors != 1 || dot.replica != about.replica, "a delta depends on its author");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const sk_crdt_v1* type = fuzz::types().find(SYNCKIT_FUZZ_TYPE);
  Instance one(type);
  fuzz::Chunks input(data, size);
  while (!input.empty()) {
    std::string delta = input.next(), before = one.state();
    sk_summary about{};
    about.size = sizeof about;
    Buffer deps, patch;
    sk_status inspected = type->inspect(reinterpret_cast<const uint8_t*>(delta.data()),
                                        delta.size(), &about, &deps, nullptr);
    if (inspected == SK_OK) check_summary(about, deps);
    sk_status merged = one.merge(delta, patch);
    require(merged != SK_INTERNAL, "merge fails inside");
    require(inspected == SK_OK || merged != SK_OK, "merge takes what inspect refuses");
    std::string after = one.state();
    if (merged != SK_OK) {
      require(after == before, "a refused delta changed the state");
      continue;
    }
    patch.clear();
    require(one.merge(delta, patch) == SK_OK, "a delta does not merge twice");
    require(patch.empty() && one.state() == after, "merging twice is not merging once");
  }
  Instance copy(type);
  Buffer patch;
  std::string state = one.state();
  require(copy.merge(state, patch) == SK_OK, "a state does not load");
  require(copy.state() == state && copy.view() == one.view(), "a loaded state is another one");
  return 0;
}
