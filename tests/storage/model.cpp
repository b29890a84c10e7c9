// Random histories against a naive model (see conformance.hpp). The model is written from the
// sentences of abi.h, with linear searches, and shares nothing with any backend.
#include "conformance.hpp"

#include <algorithm>
#include <random>

namespace synckit::storage_test {
namespace {

struct ModelDoc {
  std::vector<Row> records;  // all that was ever appended
  uint64_t trimmed = 0, snapshot_position = 0;
  std::string snapshot;
  int64_t updated_ms = 0;

  uint64_t last_seq(uint64_t replica) const {
    uint64_t last = 0;
    for (const Row& row : records) {
      if (row.replica == replica) last = row.seq_hi;
    }
    return last;
  }
};

using Model = std::map<std::string, ModelDoc>;

Written model_append(Model& model, const Write& w, int64_t now_ms) {
  ModelDoc probe;
  auto found = model.find(w.doc);
  const ModelDoc& there = found == model.end() ? probe : found->second;
  uint64_t last = there.last_seq(w.replica);
  if (w.seq_hi <= last) {
    for (const Row& row : there.records) {
      bool holds = row.replica == w.replica && row.seq_lo <= w.seq_hi && w.seq_hi <= row.seq_hi;
      if (holds) return {row.position <= there.trimmed ? 0 : row.position, SK_OK, true};
    }
  }
  if (w.seq_lo != last + 1) return {0, SK_CONFLICT, false};
  ModelDoc& doc = model[w.doc];
  uint64_t position = doc.records.size() + 1;
  doc.updated_ms = doc.records.empty() ? now_ms : std::max(doc.updated_ms, now_ms);
  doc.records.push_back({position, w.replica, w.seq_lo, w.seq_hi, now_ms, w.payload});
  return {position, SK_OK, false};
}

sk_status model_save(Model& model, const std::string& id, uint64_t position, uint64_t expected,
                     uint64_t trim, const std::string& snapshot) {
  if (position == 0 || trim > position) return SK_MALFORMED;
  auto found = model.find(id);
  if (found == model.end()) return SK_CONFLICT;
  ModelDoc& doc = found->second;
  if (doc.snapshot_position != expected || position > doc.records.size() || position < expected) {
    return SK_CONFLICT;
  }
  doc.snapshot = snapshot;
  doc.snapshot_position = position;
  doc.trimmed = std::max(doc.trimmed, trim);
  return SK_OK;
}

class History {
 public:
  History(Store& store, uint64_t seed) : store_(store), random_(seed) {}

  void step() {
    switch (below(10)) {
      case 0: return save();
      case 1: return read();
      case 2: return list();
      case 3: return below(8) == 0 ? erase() : check(pick_id());
      default: return append();
    }
  }
  void check_all() {
    for (const std::string& id : kIds) check(id);
    list();
  }

 private:
  uint64_t below(uint64_t n) { return random_() % n; }
  std::string pick_id() { return kIds[below(kIds.size())]; }
  std::string bytes() {
    std::string out(below(40), '\0');
    for (char& c : out) c = static_cast<char>(below(256));
    return out;
  }

  void append() {
    std::vector<Write> writes;
    for (uint64_t n = 1 + below(6); n > 0; --n) {
      Write w{pick_id(), kReplicas[below(kReplicas.size())], 0, 0, bytes()};
      auto found = model_.find(w.doc);
      uint64_t last = found == model_.end() ? 0 : found->second.last_seq(w.replica);
      for (const Write& earlier : writes) {  // mostly the right next seq, within the batch too
        bool same = earlier.doc == w.doc && earlier.replica == w.replica;
        if (same) last = std::max(last, earlier.seq_hi);
      }
      uint64_t kind = below(8);
      w.seq_lo = kind == 0 ? 1 + below(last + 1) : kind == 1 ? last + 1 + below(3) : last + 1;
      w.seq_hi = w.seq_lo + below(3);
      writes.push_back(w);
    }
    now_ms_ += static_cast<int64_t>(below(20)) - 5;
    std::vector<Written> expected;
    for (const Write& w : writes) expected.push_back(model_append(model_, w, now_ms_));
    EXPECT_EQ(store_.put(writes, now_ms_), expected);
  }
  void save() {
    std::string id = pick_id(), snapshot = bytes();
    auto found = model_.find(id);
    uint64_t end = found == model_.end() ? 0 : found->second.records.size();
    uint64_t there = found == model_.end() ? 0 : found->second.snapshot_position;
    uint64_t position = below(4) == 0 ? below(end + 3) : end;
    uint64_t expected = below(6) == 0 ? below(end + 2) : there;
    uint64_t trim = below(position + 2);
    EXPECT_EQ(store_.save(id, position, expected, trim, snapshot),
              model_save(model_, id, position, expected, trim, snapshot));
    check(id);
  }
  void read() {
    std::string id = pick_id();
    auto found = model_.find(id);
    ModelDoc none;
    const ModelDoc& doc = found == model_.end() ? none : found->second;
    uint64_t after = below(doc.records.size() + 2), max_bytes = below(200);
    std::vector<Row> rows, expected;
    sk_status status = store_.read(id, after, max_bytes, &rows);
    if (after < doc.trimmed) {
      EXPECT_EQ(status, SK_CONFLICT);
      return;
    }
    EXPECT_EQ(status, SK_OK);
    uint64_t total = 0;
    for (const Row& row : doc.records) {
      if (row.position <= after) continue;
      total += row.payload.size();
      if (total > max_bytes && !expected.empty()) break;
      expected.push_back(row);
    }
    EXPECT_EQ(rows, expected);
  }
  void list() {
    std::string prefix = pick_id().substr(0, below(4)), after = below(2) ? pick_id() : "";
    int64_t since = now_ms_ - static_cast<int64_t>(below(100));
    auto limit = static_cast<uint32_t>(below(6));
    std::vector<Listed> expected;
    for (const auto& [id, doc] : model_) {
      bool wanted = id.compare(0, prefix.size(), prefix) == 0 && id > after &&
                    doc.updated_ms >= since && expected.size() < limit;
      if (wanted) expected.push_back({id, doc.records.size(), doc.updated_ms});
    }
    EXPECT_EQ(store_.list(prefix, after, since, limit), expected);
  }
  void erase() {
    std::string id = pick_id();
    EXPECT_EQ(store_.erase(id), SK_OK);
    model_.erase(id);
    epochs_.erase(id);
    check(id);
  }
  void check(const std::string& id) {
    Head head = store_.head(id);
    auto found = model_.find(id);
    ASSERT_EQ(head.exists, found != model_.end());
    if (!head.exists) return;
    const ModelDoc& doc = found->second;
    EXPECT_EQ(head.position, doc.records.size());
    EXPECT_EQ(head.trimmed, doc.trimmed);
    EXPECT_EQ(head.snapshot_position, doc.snapshot_position);
    EXPECT_NE(head.epoch, 0u);
    auto [epoch, fresh] = epochs_.try_emplace(id, head.epoch);
    EXPECT_EQ(epoch->second, head.epoch) << "the epoch of a log does not change";
    std::map<uint64_t, uint64_t> version;
    for (const Row& row : doc.records) version[row.replica] = row.seq_hi;
    EXPECT_EQ(head.version,
              (std::vector<std::pair<uint64_t, uint64_t>>(version.begin(), version.end())));
    std::vector<Row> kept(doc.records.begin() + static_cast<std::ptrdiff_t>(doc.trimmed),
                          doc.records.end());
    EXPECT_EQ(store_.all(id, doc.trimmed), kept);
    Loaded loaded = store_.load(id);
    EXPECT_EQ(loaded.position, doc.snapshot_position);
    EXPECT_EQ(loaded.bytes, doc.snapshot);
  }

  static inline const std::vector<std::string> kIds = {"a", "a/b", "a/c", "ab", "b", "\xd1\x8f/1"};
  static inline const std::vector<uint64_t> kReplicas = {1, 2, uint64_t{1} << 63, UINT64_MAX};

  Store& store_;
  std::mt19937_64 random_;
  Model model_;
  std::map<std::string, uint64_t> epochs_;
  int64_t now_ms_ = 1'000'000;
};

TEST_P(Conformance, random_histories_match_a_naive_model) {
  uint64_t seed = test_seed();
  SCOPED_TRACE("reproduce with SYNCKIT_SEED=" + std::to_string(seed));
  for (uint64_t round = 0; round < 12; ++round) {
    Store store(GetParam().entry);
    std::string config = GetParam().fresh_config();
    ASSERT_EQ(store.open(config), SK_OK);
    History history(store, seed + round);
    for (int i = 0; i < 250; ++i) {
      history.step();
      if (HasFailure()) FAIL() << "round " << round << ", step " << i;
      bool restart = durable() && i % 100 == 99;
      if (restart) {
        ASSERT_EQ(store.open(config), SK_OK);
      }
    }
    history.check_all();
  }
}

}  // namespace
}  // namespace synckit::storage_test
