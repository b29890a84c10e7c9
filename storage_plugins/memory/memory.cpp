// The memory storage plugin: documents, logs and snapshots in ordered maps of one process.
//
// Why: demos and tests without a disk, and a plain picture of what synckit.storage/1 asks for.
//
// Invariants, per document:
//   - log[i] stands at position trimmed + 1 + i, and trimmed + log.size() is the head position;
//   - an author's `seq` is the end of its last record, trimmed or not; its `kept` lists the
//     seqs and position of each of its records that is still in the log, ascending;
//   - 0 or trimmed <= snapshot_position <= head position.
//
// Threads: one readers-writer lock. Payloads are immutable and shared, so that rows are handed to
// the host after the lock was released, and a callback may call the store again.
#include <synckit/config.hpp>
#include <synckit/storage.hpp>

#include <algorithm>
#include <deque>
#include <map>
#include <mutex>
#include <random>
#include <shared_mutex>
#include <vector>

namespace synckit {
namespace {

using Shared = std::shared_ptr<const std::string>;

struct Record {
  uint64_t replica, seq_lo, seq_hi;
  int64_t time_ms;
  Shared payload;
};

struct Kept {
  uint64_t seq_lo, seq_hi, position;
};

struct Author {
  uint64_t seq = 0;
  std::deque<Kept> kept;
};

struct Document {
  uint64_t epoch = 0;
  uint64_t trimmed = 0;
  uint64_t snapshot_position = 0;
  int64_t updated_ms = 0;
  std::deque<Record> log;
  std::map<uint64_t, Author> authors;
  Shared snapshot;

  uint64_t position() const { return trimmed + log.size(); }
};

using Documents = std::map<std::string, Document, std::less<>>;  // by bytes

// What one stored record changed; undoing these backwards restores the state before the batch.
struct Step {
  Documents::iterator document;
  std::map<uint64_t, Author>::iterator author;
  uint64_t seq_before;
  int64_t updated_before;
};

uint64_t random_epoch() {
  std::random_device device;
  uint64_t epoch = 0;
  while (epoch == 0) epoch = (uint64_t{device()} << 32) | device();
  return epoch;
}

class Memory : public Storage<Memory> {
 public:
  static constexpr StorageInfo kInfo{"memory", 0};

  static Outcome open(std::string_view config, std::unique_ptr<Memory>& store) {
    Config options;
    SK_TRY_OUTCOME(Config::parse(config, options));
    SK_TRY_OUTCOME(options.only({}));
    store = std::make_unique<Memory>();
    return {};
  }

  Outcome append(std::span<sk_append> records, int64_t now_ms) {
    std::unique_lock lock(mutex_);
    std::vector<Step> steps;
    steps.reserve(records.size());  // so that noting a step cannot fail
    try {
      for (sk_append& record : records) {
        if (record.status == SK_OK) append_one(record, now_ms, steps);
      }
    } catch (...) {
      for (; !steps.empty(); steps.pop_back()) undo(steps.back());
      throw;
    }
    return {};
  }

  Outcome head(Bytes doc, sk_head& head, Writer& version) {
    std::shared_lock lock(mutex_);
    auto found = documents_.find(doc.text());
    if (found == documents_.end()) return {};
    const Document& d = found->second;
    head.exists = 1;
    head.epoch = d.epoch;
    head.position = d.position();
    head.snapshot_position = d.snapshot_position;
    head.trimmed = d.trimmed;
    for (const auto& [replica, author] : d.authors) {
      sk_dot dot{replica, author.seq};
      version.raw(&dot, sizeof dot);
    }
    return {};
  }

  Outcome read(Bytes doc, uint64_t after, uint64_t max_bytes, const RecordSink& each) {
    std::vector<Record> page;
    {
      std::shared_lock lock(mutex_);
      auto found = documents_.find(doc.text());
      if (found == documents_.end()) return {};
      const Document& d = found->second;
      if (after < d.trimmed) {
        return {SK_CONFLICT, "records up to position " + std::to_string(d.trimmed) +
                                 " were trimmed; load the snapshot first"};
      }
      uint64_t given = 0;
      for (uint64_t at = after - d.trimmed; at < d.log.size(); ++at) {
        uint64_t bytes = d.log[at].payload->size();
        bool fits = given <= max_bytes && bytes <= max_bytes - given;
        if (!fits && !page.empty()) break;
        given += bytes;
        page.push_back(d.log[at]);
      }
    }
    for (const Record& r : page) {
      ++after;
      if (!each({after, r.replica, r.seq_lo, r.seq_hi, r.time_ms, Bytes(*r.payload)})) break;
    }
    return {};
  }

  Outcome save(Bytes doc, uint64_t position, uint64_t expected, uint64_t trim, Bytes snapshot) {
    Shared bytes = std::make_shared<const std::string>(snapshot.text());
    std::unique_lock lock(mutex_);
    auto found = documents_.find(doc.text());
    uint64_t there = found == documents_.end() ? 0 : found->second.snapshot_position;
    if (there != expected) {
      return {SK_CONFLICT, "the snapshot that is there covers position " + std::to_string(there) +
                               ", not " + std::to_string(expected)};
    }
    uint64_t end = found == documents_.end() ? 0 : found->second.position();
    if (position > end) {
      return {SK_CONFLICT, "the document's log ends at position " + std::to_string(end) +
                               ", before the snapshot"};
    }
    if (position < there) return {SK_CONFLICT, "the snapshot is older than the one that is there"};
    Document& d = found->second;
    d.snapshot = std::move(bytes);
    d.snapshot_position = position;
    for (; d.trimmed < trim; ++d.trimmed) {
      d.authors.find(d.log.front().replica)->second.kept.pop_front();
      d.log.pop_front();
    }
    return {};
  }

  Outcome load(Bytes doc, Writer& snapshot, uint64_t& position) {
    Shared bytes;
    {
      std::shared_lock lock(mutex_);
      auto found = documents_.find(doc.text());
      if (found == documents_.end() || !found->second.snapshot) return {};
      bytes = found->second.snapshot;
      position = found->second.snapshot_position;
    }
    snapshot.raw(Bytes(*bytes));
    return {};
  }

  Outcome list(const ListQuery& query, const ListedSink& each) {
    struct Row {
      std::string doc;
      uint64_t position;
      int64_t updated_ms;
    };
    std::vector<Row> rows;
    {
      std::shared_lock lock(mutex_);
      auto at = query.after < query.prefix ? documents_.lower_bound(query.prefix.text())
                                           : documents_.upper_bound(query.after.text());
      // An empty `after` means "from the start"; no document has the empty id.
      for (; at != documents_.end() && rows.size() < query.limit; ++at) {
        if (!at->first.starts_with(query.prefix.text())) break;
        if (at->second.updated_ms < query.updated_since_ms) continue;
        rows.push_back({at->first, at->second.position(), at->second.updated_ms});
      }
    }
    for (const Row& row : rows) {
      if (!each({Bytes(row.doc), row.position, row.updated_ms})) break;
    }
    return {};
  }

  Outcome erase(Bytes doc) {
    std::unique_lock lock(mutex_);
    auto found = documents_.find(doc.text());
    if (found != documents_.end()) documents_.erase(found);
    return {};
  }

 private:
  // Strong guarantee: on a throw, nothing of this record is left.
  void append_one(sk_append& record, int64_t now_ms, std::vector<Step>& steps) {
    auto found = documents_.find(Bytes(record.doc).text());
    uint64_t last = 0;
    if (found != documents_.end()) {
      auto author = found->second.authors.find(record.replica);
      if (author != found->second.authors.end()) last = author->second.seq;
      if (record.seq_hi <= last) {
        record.duplicate = 1;
        record.position = position_of(author->second, record.seq_hi);
        return;
      }
    }
    if (record.seq_lo != last + 1) {
      record.status = SK_CONFLICT;
      return;
    }
    Record stored{record.replica, record.seq_lo, record.seq_hi, now_ms,
                  std::make_shared<const std::string>(Bytes(record.payload).text())};
    if (found == documents_.end()) {
      uint64_t epoch = random_epoch();
      found = documents_.try_emplace(Bytes(record.doc).str()).first;
      found->second.epoch = epoch;
      found->second.updated_ms = now_ms;
    }
    Document& d = found->second;
    try {
      auto author = d.authors.try_emplace(record.replica).first;
      author->second.kept.push_back({record.seq_lo, record.seq_hi, d.position() + 1});
      try {
        d.log.push_back(std::move(stored));
      } catch (...) {
        author->second.kept.pop_back();
        throw;
      }
      steps.push_back({found, author, last, d.updated_ms});
      author->second.seq = record.seq_hi;
    } catch (...) {
      drop_if_empty(found, record.replica);
      throw;
    }
    d.updated_ms = std::max(d.updated_ms, now_ms);
    record.position = d.position();
  }

  void undo(const Step& step) {
    Document& d = step.document->second;
    uint64_t replica = step.author->first;
    d.log.pop_back();
    d.updated_ms = step.updated_before;
    step.author->second.kept.pop_back();
    step.author->second.seq = step.seq_before;
    drop_if_empty(step.document, replica);
  }

  // An author without records, and a document without authors, exist only inside a failed call.
  void drop_if_empty(Documents::iterator document, uint64_t replica) {
    auto& authors = document->second.authors;
    auto author = authors.find(replica);
    if (author != authors.end() && author->second.seq == 0) authors.erase(author);
    if (authors.empty()) documents_.erase(document);
  }

  // Where the author's record that holds `seq` stands, 0 when it was trimmed.
  static uint64_t position_of(const Author& author, uint64_t seq) {
    auto at = std::lower_bound(author.kept.begin(), author.kept.end(), seq,
                               [](const Kept& kept, uint64_t s) { return kept.seq_hi < s; });
    return at == author.kept.end() || at->seq_lo > seq ? 0 : at->position;
  }

  std::shared_mutex mutex_;
  Documents documents_;
};

}  // namespace
}  // namespace synckit

SYNCKIT_STORAGE_PLUGIN(synckit::Memory, "synckit.memory", "1.0.0")
