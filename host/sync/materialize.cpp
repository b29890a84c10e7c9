#include "materialize.hpp"

#include "base/json.hpp"
#include "storage/stored.hpp"

namespace synckit {
namespace {

constexpr uint64_t kPageBytes = 4u << 20;
constexpr int kMaxRestarts = 8;

Failure internal(const Status& status, const char* what) {
  return {SK_INTERNAL, std::string(what) + ": " + status.text()};
}

Result<> merge_snapshot(const Store& store, std::string_view id, Materialized& out) {
  auto saved = store.load(id);
  if (!saved) return saved.failure();
  if (saved->position == 0) return Done{};
  wire::Snapshot snapshot;
  if (Result<> read = stored::read_snapshot(saved->bytes, snapshot, nullptr); !read) return read;
  if (Status s = out.document->merge_snapshot(snapshot, nullptr); !s.ok()) {
    return internal(s, "the saved snapshot was refused");
  }
  out.position = out.snapshot_position = saved->position;
  return Done{};
}

Result<> merge_log(const Store& store, std::string_view id, uint64_t until, Materialized& out) {
  Failure bad{SK_OK, ""};
  wire::Transaction transaction;
  std::string room;
  while (out.position < until) {
    uint64_t before = out.position;
    Result<> read = store.read(id, out.position, kPageBytes, [&](const sk_record& record) {
      auto entry = stored::read_entry(Bytes(record.payload), room);
      if (!entry) {
        bad = {SK_INTERNAL, entry.failure().text};
        return false;
      }
      Merged outcome = Merged::parked;
      Status status = wire::decode(entry->transaction, transaction);
      if (status.ok()) status = out.document->merge(transaction, outcome, nullptr);
      if (status.ok() && outcome == Merged::parked) {
        status = {SK_INTERNAL, "it builds on something that the log does not hold before it"};
      }
      if (!status.ok()) {
        bad = internal(status, ("log position " + std::to_string(record.position)).c_str());
        return false;
      }
      out.position = record.position;
      return out.position < until;
    });
    if (!read) return read;
    if (bad.code != SK_OK) return bad;
    if (out.position == before) return Failure{SK_INTERNAL, "the log ends before its head"};
  }
  return Done{};
}

}  // namespace

Result<Materialized> materialize(const Store& store, const Registry& registry,
                                 std::string_view id, uint32_t max_fields) {
  Failure last;
  for (int attempt = 0; attempt < kMaxRestarts; ++attempt) {
    auto head = store.head(id);
    if (!head) return head.failure();
    Materialized out;
    DocumentLimits limits;
    limits.max_fields = max_fields;
    out.document = std::make_unique<Document>(registry, limits);
    out.epoch = head->epoch;
    Result<> merged = Done{};
    if (head->exists) merged = merge_snapshot(store, id, out);
    if (merged && head->exists) merged = merge_log(store, id, head->position, out);
    if (merged) return out;
    last = merged.failure();
    if (last.code != SK_CONFLICT) return last;  // CONFLICT: trimmed meanwhile, begin again
  }
  return last;
}

Result<std::string> to_json(const Materialized& state, std::string_view document) {
  std::string out = "{\"document\":" + json_quoted(document) +
                    ",\"position\":" + std::to_string(state.position) + ",\"epoch\":\"" +
                    hex64(state.epoch) + "\",\"version\":{";
  bool first = true;
  for (const Dot& dot : state.document->version().dots()) {
    out += std::string(first ? "\"" : ",\"") + hex64(dot.replica) +
           "\":" + std::to_string(dot.seq);
    first = false;
  }
  uint64_t digest = 0;
  Buffer fields;
  Status status = state.document->digest(digest);
  if (status.ok()) status = state.document->view_all(fields);
  if (!status.ok()) return Failure{status.code(), status.text()};
  out += "},\"digest\":\"" + hex64(digest) + "\",\"fields\":" + fields.str() + "}";
  return out;
}

}  // namespace synckit
