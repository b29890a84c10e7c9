// Does the law checker notice? A small type that keeps all laws, and one version of it for each law
// that breaks it.
#include <check/laws.hpp>
#include <synckit/crdt.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace synckit::check {
namespace {

enum Fault {
  kNone,
  kArrivalOrder,    // snapshots list notes as they came
  kLastWins,        // of two notes with one letter the later to arrive stays
  kTwice,           // a known note is told again
  kUnderSend,       // a catch-up leaves one note out
  kAuthorDiffers,   // the author keeps something else than it sends
  kWrongPatch,      // the patch tells another letter
  kNoPatch,         // merge never tells
  kHalfMerged,      // a state is merged until it turns out to be malformed
  kSilentDeps,      // inspect names no dependencies
  kDropsEarly,      // a note that comes too early is taken and forgotten
  kWrongDots,       // inspect counts from 0
  kLenient,         // merge takes a letter that inspect refuses
  kRestampSent,     // restamp changes only the bytes
  kTrace,           // an intent without effect is kept
  kPatchLast,       // the patch is written when the change is done
  kBadSample,       // the sampler's intents are refused
  kForgetsTooMuch,  // compaction drops a note
  kForgetsByTime,   // only the first compaction of a document forgets
  kFaults
};

// Notes of one letter, each perhaps an answer to a note of somebody else.
template <Fault F>
struct Notes : Crdt<Notes<F>> {
  static constexpr TypeInfo kInfo{"test.notes"};

  struct Note {
    uint64_t replica, seq, hlc, to_replica, to_seq;
    uint8_t letter;
  };
  Vec<Note> notes;
  bool forgot = false;

  static bool less(const Note& a, const Note& b) {
    return a.replica != b.replica ? a.replica < b.replica : a.seq < b.seq;
  }
  const Note* find(uint64_t replica, uint64_t seq) const {
    for (const Note& note : notes) {
      if (note.replica == replica && note.seq == seq) return &note;
    }
    return nullptr;
  }
  void keep(const Note& note) {
    if (F == kLastWins) {
      for (Note& other : notes) {
        if (other.letter == note.letter) return void(other = note);
      }
    }
    auto at = F == kArrivalOrder ? notes.end()
                                 : std::lower_bound(notes.begin(), notes.end(), note, less);
    notes.insert(static_cast<size_t>(at - notes.begin()), note);
  }

  // Of a note that everybody has seen, nobody needs to know what it answers.
  Status compact(const Version& stable) {
    if (F == kForgetsByTime && forgot) return {};
    forgot = true;
    for (Note& note : notes) {
      if (stable.has({note.replica, note.seq})) note.to_replica = note.to_seq = 0;
    }
    if (F == kForgetsTooMuch && !notes.empty()) notes.pop_back();
    return {};
  }

  static void write(Writer& out, const Note& note) {
    out.varint(note.replica);
    out.varint(note.seq);
    out.varint(note.hlc);
    out.varint(note.to_replica);
    out.varint(note.to_seq);
    out.byte(note.letter);
  }
  static Note read(Reader& in) {
    Note note{in.varint(), in.varint(), in.varint(), in.varint(), in.varint(), in.byte()};
    if (note.replica == 0 || note.seq == 0 || (note.to_replica == 0) != (note.to_seq == 0)) {
      in.fail();
    }
    return note;
  }
  static bool is_letter(uint8_t byte) { return byte >= 'a' && byte <= 'z'; }
  static void show(Writer& out, const Note& note) {
    std::string text = std::to_string(note.replica) + ":" + std::to_string(note.seq);
    out.raw(Bytes("\"" + text + static_cast<char>(note.letter) + "\""));
  }
  static Status malformed() { return Status::malformed("malformed note"); }

  Status mutate(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch, uint32_t& seqs) {
    if (intent.len != 1 || !is_letter(intent.data[0])) return malformed();
    Note note{stamp.replica, stamp.seq, stamp.hlc, 0, 0, intent.data[0]};
    if (note.letter == 'z') {  // says nothing
      if (F == kTrace) keep(note);
      return {};
    }
    for (const Note& other : notes) {
      if (other.replica == stamp.replica) continue;
      note.to_replica = other.replica;
      note.to_seq = other.seq;
    }
    delta.byte(1);
    write(delta, note);
    show(patch, note);
    SK_TRY(delta.status());
    SK_TRY(patch.status());
    if (F == kAuthorDiffers && note.letter == 'c') note.hlc += 1;
    keep(note);
    seqs = 1;
    return {};
  }

  // Reads a delta of either kind and calls each(note) for all its notes.
  template <class Each>
  static Status each_note(Bytes delta, bool strict, Each&& each) {
    Reader in(delta);
    uint8_t kind = in.byte();
    uint64_t count = kind == 1 ? 1 : in.varint();
    if (kind != 1 && kind != 2) return malformed();
    for (; count && in.ok(); --count) {
      Note note = read(in);
      if (!in.ok() || (strict && !is_letter(note.letter))) return malformed();
      SK_TRY(each(note));
    }
    return in.good_end() ? Status{} : malformed();
  }

  Status merge(Bytes delta, Writer& patch) {
    auto nothing = [](const Note&) { return Status{}; };
    if (F != kHalfMerged) SK_TRY(each_note(delta, F != kLenient, nothing));
    bool is_op = !delta.empty() && delta.data[0] == 1;
    Vec<Note> before = notes;
    Status status = each_note(delta, F != kLenient, [&](Note note) -> Status {
      if (find(note.replica, note.seq)) {
        if (F == kTwice && is_op) show(patch, note);
        return {};
      }
      if (is_op && note.to_replica && !find(note.to_replica, note.to_seq)) {
        if (F == kDropsEarly) return {};
        return {SK_MISSING_DEPS, "the note that this one answers is not here"};
      }
      keep(note);
      if (F == kWrongPatch && note.letter == 'b') note.letter = 'c';
      if (F != kNoPatch) show(patch, note);
      return {};
    });
    if (F != kHalfMerged && (!status.ok() || (F != kPatchLast && !patch.status().ok()))) {
      notes = before;
    }
    return status;
  }

  Status encode(const Version& since, Writer& delta) const {
    Vec<Note> sent;
    for (const Note& note : notes) {
      if (!since.has({note.replica, note.seq})) sent.push_back(note);
    }
    if (F == kUnderSend && !since.empty() && !sent.empty()) sent.pop_back();
    delta.byte(2);
    delta.varint(sent.size());
    for (const Note& note : sent) write(delta, note);
    return {};
  }

  Status view(Writer& json) const {
    Vec<Note> sorted = notes;
    std::sort(sorted.begin(), sorted.end(), less);
    for (const Note& note : sorted) show(json, note);
    return {};
  }

  static Status inspect(Bytes delta, Summary& summary, Deps& deps) {
    return each_note(delta, true, [&](const Note& note) {
      ++summary.ops;
      if (delta.data[0] == 1) {
        summary.authors = 1;
        summary.replica = note.replica;
        summary.seq_lo = summary.seq_hi = note.seq - (F == kWrongDots ? 1 : 0);
        if (F != kSilentDeps && note.to_replica) deps.need(note.to_replica, note.to_seq);
      } else {
        summary.authors = 2;
      }
      if (note.hlc > summary.max_hlc) summary.max_hlc = note.hlc;
      return Status{};
    });
  }

  Status restamp(const Stamp& stamp, Bytes delta, Writer& out) {
    return each_note(delta, true, [&](Note note) {
      note.hlc = stamp.hlc;
      out.byte(1);
      write(out, note);
      for (Note& own : notes) {
        bool found = own.replica == note.replica && own.seq == note.seq;
        if (F != kRestampSent && found) own.hlc = stamp.hlc;
      }
      return Status{};
    });
  }

  Status sample(uint64_t random, Writer& intent) const {
    intent.byte(static_cast<uint8_t>(F == kBadSample ? 'A' : "abcdeabcdez"[random % 11]));
    return {};
  }
};

// A patch lists the notes that came, in the form of the view, which is sorted.
std::string apply_notes(const std::string& view, const std::string& patch) {
  std::vector<std::pair<std::pair<uint64_t, uint64_t>, std::string>> notes;
  std::string all = view + patch;
  for (size_t at = 0; at < all.size();) {
    size_t end = all.find('"', at + 1) + 1, colon = all.find(':', at);
    notes.push_back({{std::stoull(all.substr(at + 1)), std::stoull(all.substr(colon + 1))},
                     all.substr(at, end - at)});
    at = end;
  }
  std::sort(notes.begin(), notes.end());
  std::string out;
  for (const auto& note : notes) out += note.second;
  return out;
}

template <Fault F>
Result check_notes(uint64_t seed) {
  Subject subject{Notes<F>::crdt_interface(), Notes<F>::samples_interface(), apply_notes};
  Options options;
  options.seed = seed;
  options.histories = 300;
  return check(subject, options);
}

template <Fault F>
void expect_broken(std::initializer_list<std::string> laws) {
  uint64_t seed = std::random_device{}();
  Result result = check_notes<F>(seed);
  EXPECT_FALSE(result.ok) << "fault " << F << " went unnoticed, seed " << seed;
  EXPECT_TRUE(std::find(laws.begin(), laws.end(), result.law) != laws.end())
      << "fault " << F << ", seed " << seed << "\n" << result.text();
  EXPECT_LE(result.commands.size(), 12u) << "not cut down enough:\n" << result.text();
}

TEST(Checker, passes_a_type_that_keeps_the_laws) {
  uint64_t seed = std::random_device{}();
  Result result = check_notes<kNone>(seed);
  EXPECT_TRUE(result.ok) << result.text() << "seed " << seed;
}

TEST(Checker, notices_what_does_not_converge) {
  expect_broken<kArrivalOrder>({"agreement", "catch-up", "convergence", "restamp"});
  expect_broken<kLastWins>({"agreement", "catch-up", "convergence", "patches", "idempotence"});
}
TEST(Checker, notices_a_delta_that_counts_twice) {
  expect_broken<kTwice>({"idempotence", "patches"});
}
TEST(Checker, notices_a_catch_up_that_lacks_something) { expect_broken<kUnderSend>({"catch-up"}); }
TEST(Checker, notices_an_author_that_keeps_something_else) {
  expect_broken<kAuthorDiffers>({"agreement", "catch-up"});
}
TEST(Checker, notices_wrong_and_missing_patches) {
  expect_broken<kWrongPatch>({"patches"});
  expect_broken<kNoPatch>({"patches"});
}
TEST(Checker, notices_half_a_merge) { expect_broken<kHalfMerged>({"failure"}); }
TEST(Checker, notices_dependencies_that_inspect_keeps_to_itself) {
  expect_broken<kSilentDeps>({"agreement", "convergence", "catch-up"});
}
TEST(Checker, notices_harm_from_early_deltas) { expect_broken<kDropsEarly>({"dependencies"}); }
TEST(Checker, notices_an_inspect_that_is_wrong_about_dots) {
  expect_broken<kWrongDots>({"inspect"});
}
TEST(Checker, notices_a_merge_that_takes_what_inspect_refuses) {
  expect_broken<kLenient>({"inspect", "catch-up", "failure"});
}
TEST(Checker, notices_a_clock_that_only_the_others_see) {
  expect_broken<kRestampSent>({"restamp"});
}
TEST(Checker, notices_the_trace_of_an_intent_without_effect) { expect_broken<kTrace>({"samples"}); }
TEST(Checker, notices_a_change_whose_patch_could_not_be_told) {
  expect_broken<kPatchLast>({"failure"});
}
TEST(Checker, notices_a_compaction_that_forgets_too_much) {
  expect_broken<kForgetsTooMuch>({"compaction"});
}
TEST(Checker, notices_a_compaction_that_depends_on_when_it_was) {
  expect_broken<kForgetsByTime>({"convergence", "catch-up", "restamp"});
}
TEST(Checker, notices_a_sampler_whose_intents_are_refused) {
  expect_broken<kBadSample>({"samples"});
}

TEST(Checker, the_same_commands_give_the_same_run) {
  Subject subject{Notes<kUnderSend>::crdt_interface(), Notes<kUnderSend>::samples_interface(),
                  apply_notes};
  std::vector<Command> commands = random_commands(7, 200);
  Result first = run(subject, commands, 3), second = run(subject, commands, 3);
  EXPECT_FALSE(first.ok);
  EXPECT_EQ(first.text(), second.text());
  Result shrunk = shrink(subject, first);
  EXPECT_EQ(shrunk.law, first.law);
  EXPECT_LT(shrunk.commands.size(), first.commands.size());
}

}  // namespace
}  // namespace synckit::check
