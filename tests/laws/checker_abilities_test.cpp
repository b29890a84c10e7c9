// Does the law checker notice broken anchors, undo and compaction? A small type that has all three,
// and one version of it for each way to get them wrong.
#include <check/laws.hpp>
#include <synckit/crdt.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>

namespace synckit::check {
namespace {

enum Fault {
  kNone,
  kUndoesTooMuch,    // revert takes back twice
  kNoToken,          // capture sees nothing to undo
  kCaptureActs,      // capture makes the edit
  kHalfToken,        // capture overlooks what takes away
  kBadIntents,       // mutate refuses what revert gives
  kArrival,          // an anchor counts what came, not what there is
  kForgetful,        // after compaction an anchor does not resolve
  kCompactsAway,     // compact forgets what everybody has seen
};

// A list of amounts, ordered by dot; its view is their sum. Anchors name an amount.
template <Fault F>
struct Tally : Crdt<Tally<F>> {
  static constexpr TypeInfo kInfo{"test.tally"};
  struct Entry {
    uint64_t replica, seq;
    int64_t amount;
  };
  std::vector<Entry> entries;  // in order
  std::vector<Dot> arrived;
  bool compacted = false;

  static bool less(const Entry& a, const Entry& b) {
    return a.replica != b.replica ? a.replica < b.replica : a.seq < b.seq;
  }
  bool keep(const Entry& entry) {
    auto at = std::lower_bound(entries.begin(), entries.end(), entry, less);
    if (at != entries.end() && !less(entry, *at)) return false;
    entries.insert(at, entry);
    arrived.push_back({entry.replica, entry.seq});
    return true;
  }
  int64_t sum() const {
    int64_t out = 0;
    for (const Entry& entry : entries) out += entry.amount;
    return out;
  }
  static void write(Writer& out, const Entry& entry) {
    out.varint(entry.replica), out.varint(entry.seq), out.zigzag(entry.amount);
  }
  static Status read(Bytes delta, std::vector<Entry>& out) {
    for (Reader in(delta); !in.done();) {
      Entry entry{in.varint(), in.varint(), in.zigzag()};
      if (!in.ok() || !entry.replica || !entry.seq) return Status::malformed("bad tally");
      if (!out.empty() && !less(out.back(), entry)) return Status::malformed("bad order");
      out.push_back(entry);
    }
    return {};
  }
  static Status amount_of(Bytes intent, int64_t& amount) {
    Reader in(intent);
    amount = in.zigzag();
    return in.good_end() && amount > -1000 && amount < 1000 ? Status{}
                                                            : Status::malformed("bad amount");
  }

  Status mutate(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch, uint32_t& seqs) {
    int64_t amount;
    SK_TRY(amount_of(intent, amount));
    if (!amount) return {};
    Entry entry{stamp.replica, stamp.seq, amount};
    write(delta, entry);
    patch.byte('!');
    SK_TRY(delta.status());
    SK_TRY(patch.status());
    keep(entry);
    seqs = 1;
    return {};
  }
  Status merge(Bytes delta, Writer& patch) {
    std::vector<Entry> fresh;
    SK_TRY(read(delta, fresh));
    Tally next = *this;
    bool news = false;
    for (const Entry& entry : fresh) news = next.keep(entry) || news;
    if (news) patch.byte('!');
    SK_TRY(patch.status());
    *this = next;
    return {};
  }
  Status encode(const Version& since, Writer& delta) const {
    for (const Entry& entry : entries) {
      if (!since.has({entry.replica, entry.seq})) write(delta, entry);
    }
    return {};
  }
  Status view(Writer& json) const {
    json.raw(Bytes(std::to_string(sum())));
    return {};
  }
  static Status inspect(Bytes delta, Summary& summary, Deps&) {
    std::vector<Entry> entries;
    SK_TRY(read(delta, entries));
    summary.ops = entries.size();
    for (const Entry& entry : entries) {
      if (entry.replica != summary.replica) ++summary.authors, summary.seq_lo = entry.seq;
      summary.replica = entry.replica, summary.seq_hi = entry.seq;
    }
    return {};
  }
  Status sample(uint64_t random, Writer& intent) const {
    intent.zigzag(static_cast<int64_t>(random % 9) - 4);
    return {};
  }

  Status capture(const Stamp& stamp, Bytes intent, Writer& token) {
    int64_t amount;
    SK_TRY(amount_of(intent, amount));
    if (F == kCaptureActs) keep({stamp.replica, stamp.seq, amount});
    if (F == kNoToken || (F == kHalfToken && amount < 0)) return {};
    if (amount) token.zigzag(amount);
    return {};
  }
  Status revert(Bytes token, Writer& intents) const {
    int64_t amount;
    SK_TRY(amount_of(token, amount));
    Buffer intent;
    Writer(intent).zigzag(F == kBadIntents ? 5000 : F == kUndoesTooMuch ? -2 * amount : -amount);
    intents.sized(intent);
    return {};
  }

  Status make_anchor(uint64_t position, uint32_t, uint32_t, Writer& anchor) const {
    if (position > entries.size()) return Status::malformed("past the end");
    if (position == entries.size()) return anchor.varint(0), Status{};
    const Entry& entry = entries[static_cast<size_t>(position)];
    anchor.varint(entry.replica);
    anchor.varint(entry.seq);
    return {};
  }
  Status resolve_anchor(Bytes anchor, uint32_t, uint64_t& position, bool&) const {
    Reader in(anchor);
    uint64_t replica = in.varint();
    position = entries.size();
    if (in.good_end() && replica == 0) return {};
    uint64_t seq = in.varint();
    if (!in.good_end()) return Status::malformed("bad anchor");
    if (F == kForgetful && compacted) return Status::malformed("forgotten");
    for (position = 0; position < entries.size(); ++position) {
      const Entry& entry = entries[static_cast<size_t>(position)];
      if (entry.replica == replica && entry.seq == seq) break;
    }
    if (position == entries.size()) return {SK_MISSING_DEPS, "not here yet"};
    if (F == kArrival && arrived.size() > 4 && arrived[0].replica == replica) position = 0;
    return {};
  }

  Status compact(const Version& stable) {
    compacted = true;
    if (F != kCompactsAway) return {};
    int64_t gone = 0;
    for (size_t i = entries.size(); i--;) {
      if (!stable.has({entries[i].replica, entries[i].seq})) continue;
      gone += entries[i].amount;
      entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(i));
    }
    if (!entries.empty()) entries[0].amount += gone;
    return {};
  }
};

template <Fault F>
Result check_tally(uint64_t seed) {
  using T = Tally<F>;
  Subject subject{T::crdt_interface(),    T::samples_interface(), nullptr, true,
                  T::anchor_interface(), T::undo_interface()};
  Options options;
  options.seed = seed;
  options.histories = 300;
  return check(subject, options);
}

// `laws`: those that may be the first to notice.
template <Fault F>
void expect_broken(const std::set<std::string>& laws) {
  uint64_t seed = std::random_device{}();
  Result result = check_tally<F>(seed);
  EXPECT_FALSE(result.ok) << "fault " << F << " went unnoticed, seed " << seed;
  EXPECT_TRUE(laws.count(result.law)) << "fault " << F << ", seed " << seed << "\n"
                                      << result.text();
}

TEST(CheckerAbilities, passes_a_type_that_keeps_the_laws) {
  uint64_t seed = std::random_device{}();
  Result result = check_tally<kNone>(seed);
  EXPECT_TRUE(result.ok) << result.text() << "seed " << seed;
}
TEST(CheckerAbilities, notices_an_undo_that_does_not_undo) {
  expect_broken<kUndoesTooMuch>({"undo"});
  expect_broken<kNoToken>({"undo"});
  expect_broken<kCaptureActs>({"undo"});
  expect_broken<kHalfToken>({"undo"});
  expect_broken<kBadIntents>({"undo"});
}
TEST(CheckerAbilities, notices_anchors_that_do_not_hold) {
  expect_broken<kArrival>({"anchors"});
  expect_broken<kForgetful>({"anchors"});
}
TEST(CheckerAbilities, notices_a_compaction_that_shows) {
  // It does not keep its encoding, nor what it forgot from being taken once more, nor its anchors:
  // whichever of these a history comes to first.
  expect_broken<kCompactsAway>({"compaction", "idempotence", "catch-up", "anchors"});
}

}  // namespace
}  // namespace synckit::check
