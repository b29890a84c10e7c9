// One simulated world: hosts over one disk, clients over theirs, and everything that can go wrong
// between them, all decided by one seed. Same seed, same run, to the byte.
//
// What is checked
//   always    what a client was told is durable is on the hosts' disk; a reloaded client still has
//             what it was told is saved
//   at rest   every client, every reloaded client and the hosts' log have equal digests; what was
//             saved is in the log exactly once, in order; the counter is the sum of what was not
//             refused; nothing is pending
#pragma once

#include <client/model.hpp>

#include <memory>
#include <string>

namespace synckit::model {

struct Scenario {
  unsigned steps = 200;
  unsigned clients = 3, hosts = 1, documents = 1;
  bool shared_disk = false;  // the first two clients are tabs of one browser
  bool skewed = false;       // wall clocks an hour ahead or behind
  bool refusals = false;     // the host refuses some transactions for good
  bool outages = false;      // and some for a while
  bool restores = false;     // the hosts' disk is set back to a backup
  bool crashes = true, disconnects = true, compaction = true;
  EngineLimits limits;

  static Scenario of(uint64_t seed);
  std::string text() const;
};

// Runs one seed; an empty string when all held, else what did not. `fingerprint`: of what the
// clients have stored at the end.
std::string run(uint64_t seed, const Scenario& scenario, bool trace = false,
                uint64_t* fingerprint = nullptr);

}  // namespace synckit::model
