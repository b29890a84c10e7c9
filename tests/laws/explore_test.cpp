// Every small history of each built-in type (explore.hpp), and every way in which runs that are
// typed at one place at once can be delivered. SYNCKIT_EXPLORE_DEPTH makes histories shorter
// than what is said here.
#include "explore.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <iostream>

namespace synckit::laws {
namespace {

size_t at_most(size_t depth) {
  const char* text = std::getenv("SYNCKIT_EXPLORE_DEPTH");
  size_t limit = text && *text ? std::strtoul(text, nullptr, 10) : depth;
  return std::min(depth, limit);
}

template <class Model>
Explored explore(const char* name, typename Explorer<Model>::Choices choices, size_t depth) {
  Explored found;
  try {
    found = Explorer<Model>(choices).run(at_most(depth));
  } catch (const std::exception& e) {
    ADD_FAILURE() << name << ": " << e.what();
    return found;
  }
  std::cout << "proof: explore  " << name << ": " << found.total() << " states of up to "
            << found.states.size() - 1 << " edits, " << found.intents << " intents, "
            << found.deliveries << " deliveries, " << found.merges << " merges, " << found.joins
            << " catch-ups, " << found.reloads << " reloads, " << found.compactions
            << " compactions" << std::endl;
  return found;
}

// The states of tla/Text.tla, which TLC counts: one of no insert, 3 of at most one, and so on.
// (With MaxElems = 4 it is what `./dev test tla` prints; with 5 it was run by hand.)
constexpr uint64_t kTlcStates[] = {1, 4, 0, 0, 4670, 109772};

TEST(Explore, text_inserts) {
  Explored found = explore<TextModel>("text, inserts", TextModel::inserts, 5);
  uint64_t sum = 0;
  for (size_t edits = 0; edits < found.states.size(); ++edits) {
    sum += found.states[edits];
    if (edits < std::size(kTlcStates) && kTlcStates[edits]) {
      EXPECT_EQ(sum, kTlcStates[edits]) << "TLC finds another number of states of " << edits;
    }
  }
}

// Inserts anywhere, and deletes of any one character.
std::vector<TextModel::Op> inserts_and_deletes(const Ops<TextModel::Op>& known, DotKey dot) {
  std::vector<TextModel::Op> out = TextModel::inserts(known, dot);
  for (size_t at = 0, size = out.size() - 1; at < size; ++at) {
    out.emplace_back();
    out.back().at = at;
    out.back().erase = 1;
  }
  return out;
}

TEST(Explore, text_inserts_and_deletes) {
  explore<TextModel>("text, deletes", inserts_and_deletes, 4);
}
TEST(Explore, lww) { explore<MapModel>("lww", MapModel::choices, 4); }
TEST(Explore, set) { explore<SetModel>("set", SetModel::choices, 4); }
TEST(Explore, counter) { explore<CounterModel>("counter", CounterModel::choices, 5); }

// ---- runs typed at one place at once ---------------------------------------------------------

enum class Typing { kWhole, kForward, kBackward };  // one edit; letter by letter; each in front

// Three replicas type three letters each at one place of a common text, and every interleaving of
// their deltas is delivered: no run is ever broken up by another.
struct Runs {
  static constexpr size_t kLetters = 3, kReplicas = 3;
  using Op = TextModel::Op;
  struct Run {
    std::vector<std::string> deltas;
    std::string text;
  };
  check::Subject subject = TextModel::subject();
  Ops<Op> base;
  std::vector<std::string> base_deltas;
  uint64_t scenes = 0, deliveries = 0, merges = 0;
  std::string want, snapshot;

  // "xyz" by another replica, without the "y" where there is to be a tombstone.
  void start(bool tombstone) {
    base.clear(), base_deltas.clear();
    check::Doc doc(subject.type);
    write(doc, base, {3, 1}, op(0, 0, U"xyz"), base_deltas);
    if (tombstone) write(doc, base, {3, 4}, op(1, 1, U""), base_deltas);
  }
  static Op op(size_t at, size_t erase, const std::u32string& text) {
    Op op;
    op.at = at, op.erase = erase, op.text = text;
    return op;
  }
  static void write(check::Doc& doc, Ops<Op>& ops, DotKey dot, Op op,
                    std::vector<std::string>& deltas) {
    TextModel::observe(op, ops, dot);
    check::Outcome out = doc.mutate({dot.first, dot.second, 0}, TextModel::intent(op));
    ASSERT_TRUE(out.ok()) << out.error;
    deltas.push_back(out.delta);
    ops[dot] = std::make_shared<const Entry<Op>>(
        Entry<Op>{op, 0, dot.second + out.seqs - 1, out.delta, {}});
  }

  void play(const Typing (&typing)[kReplicas], size_t at) {
    static constexpr uint64_t kIds[kReplicas] = {0x1111, 0x22220000, 7};
    ++scenes;
    Ops<Op> all = base;
    Run runs[kReplicas];
    for (size_t r = 0; r < kReplicas; ++r) {
      check::Doc doc(subject.type);
      for (const std::string& delta : base_deltas) ASSERT_TRUE(doc.merge(delta).ok());
      Ops<Op> own = base;
      for (size_t i = 0; i < (typing[r] == Typing::kWhole ? 1 : kLetters); ++i) {
        std::u32string text(1, U'a' + static_cast<char32_t>(kLetters * r + i));
        if (typing[r] == Typing::kWhole) text = {text[0], text[0] + 1, text[0] + 2};
        size_t place = typing[r] == Typing::kForward ? at + i : at;
        write(doc, own, {kIds[r], i + 1}, op(place, 0, text), runs[r].deltas);
        std::string letters(text.begin(), text.end());
        runs[r].text = typing[r] == Typing::kBackward ? letters + runs[r].text
                                                      : runs[r].text + letters;
      }
      all.insert(own.begin(), own.end());
    }
    want = TextModel::view(all);
    for (const Run& run : runs) {
      ASSERT_NE(want.find(run.text), want.npos) << run.text << " is broken up in " << want;
    }
    snapshot.clear();
    std::vector<size_t> order;
    deliver(runs, {}, order);
  }

  void deliver(const Run (&runs)[kReplicas], std::array<size_t, kReplicas> done,
               std::vector<size_t>& order) {
    bool end = true;
    for (size_t r = 0; r < kReplicas; ++r) {
      if (done[r] == runs[r].deltas.size()) continue;
      end = false;
      ++done[r], order.push_back(r);
      deliver(runs, done, order);
      --done[r], order.pop_back();
    }
    if (!end || ::testing::Test::HasFatalFailure()) return;
    ++deliveries;
    check::Doc doc(subject.type);
    std::array<size_t, kReplicas> next{};
    for (const std::string& delta : base_deltas) ASSERT_TRUE(doc.merge(delta).ok());
    for (size_t r : order) ASSERT_TRUE(doc.merge(runs[r].deltas[next[r]++]).ok());
    merges += base_deltas.size() + order.size();
    ASSERT_EQ(doc.view(), want);
    std::string state = doc.snapshot();
    if (snapshot.empty()) snapshot = state;
    ASSERT_EQ(state, snapshot);
  }
};

TEST(Explore, text_runs_never_interleave) {
  constexpr Typing kAll[] = {Typing::kWhole, Typing::kForward, Typing::kBackward};
  Runs runs;
  for (bool tombstone : {false, true}) {
    runs.start(tombstone);
    for (size_t at = 0; at <= (tombstone ? 2 : 3); ++at) {
      for (Typing a : kAll) {
        for (Typing b : kAll) {
          for (Typing c : kAll) {
            runs.play({a, b, c}, at);
            ASSERT_FALSE(HasFatalFailure()) << "at " << at;
          }
        }
      }
    }
  }
  std::cout << "proof: explore  text, runs: " << runs.scenes << " scenes, " << runs.deliveries
            << " deliveries, " << runs.merges << " merges, none interleaved" << std::endl;
}

}  // namespace
}  // namespace synckit::laws
