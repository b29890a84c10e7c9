// check/laws.hpp: does a CRDT type keep the laws that abi.h names? Drives any `synckit.crdt/1` with
// its `synckit.crdt.samples/1` through the pure ABI, over random histories of a few replicas.
//
// A history is a list of Commands, each meaningful at any moment (one that finds nothing to do is
// skipped), so that a failing list may be cut down by leaving out any of them. Everything derives
// from the commands: the same list gives the same run.
//
// What is checked, by the name under which a failure is reported:
//   samples      the sampler's intents are accepted; an intent without effect leaves no trace
//   inspect      author, dots, clock and dependencies are true; what inspect refuses, merge refuses
//   agreement    mutate leaves the author as merge leaves everybody else
//   patches      every patch, applied to the view before, gives the view after
//   idempotence  merging what is known changes nothing and writes an empty patch
//   catch-up     encode(since), also for an older version than the receiver's, brings all that the
//                sender has; a snapshot makes an equal replica of nothing
//   dependencies a delta before its dependencies is SK_MISSING_DEPS, or does no harm
//   failure      a refused call (damaged bytes, an output that cannot grow) has changed nothing
//   restamp      a delta with a new clock means to its author what it means to everybody else
//   compaction   forgetting what only replicas behind a stable version could need changes no view,
//                and once all is stable it makes no difference who forgot how early
//   convergence  with all deltas merged, in any causal order, all views and snapshots are equal
//
// Each replica has a shadow that merges every delta the replica knows, one by one: after each
// command the two must be equal, which is how most of the above is noticed at once.
//
// Threads: a run is single-threaded; runs are independent of each other.
#pragma once

#include <check/doc.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace synckit::check {

struct Command {
  enum Kind : uint8_t {
    kEdit,      // replica a edits
    kSend,      // what a wrote so far becomes deliverable
    kDeliver,   // a gets one delta whose turn has come
    kRepeat,    // a gets a delta that it knows
    kCatchUp,   // a gets encode(its version) of b
    kOverlap,   // a gets encode(an earlier version of its own) of b
    kReload,    // a is made anew from its own snapshot
    kEarly,     // a copy of a gets a delta before its dependencies
    kDamage,    // a copy of a gets damaged bytes
    kTight,     // a copy of a works with outputs that cannot grow
    kRestamp,   // a gives new clocks to what it has not sent
    kCompact,   // a forgets what only replicas behind the stable version could need
    kKinds
  };
  Kind kind = kEdit;
  uint8_t a = 0, b = 0;  // taken modulo the number of replicas
  uint64_t random = 0;
};

// Returns the view after `patch`; throws std::exception for a patch that does not fit.
using ApplyPatch = std::string (*)(const std::string& view, const std::string& patch);

struct Subject {
  const sk_crdt_v1* type = nullptr;
  const sk_crdt_samples_v1* samples = nullptr;
  ApplyPatch apply_patch = nullptr;  // without it only "empty patch, same view" is checked
  bool tight_outputs = true;         // play kTight: outputs that cannot grow
};

struct Counts {
  uint64_t histories = 0, edits = 0, merges = 0, refusals = 0;
  uint64_t snapshots = 0;    // documents that were made anew from one
  uint64_t catch_ups = 0;    // merges of what a version lacks
  uint64_t compactions = 0;
};

struct Result {
  bool ok = true;
  std::string law, what;          // what is broken, and how it showed
  std::vector<Command> commands;  // that led there
  unsigned replicas = 0;
  uint64_t seed = 0;     // of check(): the history's own seed
  std::string history;   // the commands and what they did, line by line

  // All of the above as text for a person.
  std::string text() const;
};

struct Options {
  uint64_t seed = 1;
  unsigned histories = 200;
  unsigned commands = 60;      // per history
  unsigned max_replicas = 4;   // at least 2
};

std::vector<Command> random_commands(uint64_t seed, unsigned count);

// Runs one history.
Result run(const Subject& subject, const std::vector<Command>& commands, unsigned replicas,
           Counts* counts = nullptr);

// Leaves out commands as long as the history still breaks the same law.
Result shrink(const Subject& subject, Result failure);

// Runs `histories` random histories, the i-th from seed + i, up to the first failure, which comes
// back shrunk.
Result check(const Subject& subject, const Options& options, Counts* counts = nullptr);

}  // namespace synckit::check
