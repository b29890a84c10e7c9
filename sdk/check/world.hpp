// check/world.hpp: a few replicas of one field, what each of them knows, and the commands that move
// deltas between them. The laws themselves are in the comments of laws.hpp.
//
// The model of delivery is the kernel's: every replica writes its deltas one after the other with
// rising dots (with gaps: the dots between belong to other fields); a delta is ready for a
// replica that knows its author's earlier deltas and all that inspect named. What a replica has
// not sent is known to nobody, until it is sent or its author's state is.
#pragma once

#include <check/laws.hpp>

#include <string>
#include <utility>
#include <vector>

namespace synckit::check {

// splitmix64 (Steele, Lea, Flood 2014): a stream of numbers from one seed.
class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  size_t below(size_t sides) { return static_cast<size_t>(next() % sides); }

 private:
  uint64_t state_;
};

struct Broken {
  std::string law, what;
};

class World {
 public:
  World(const Subject& subject, unsigned replicas, bool trace, Counts& counts);

  // Plays the commands, then lets everyone know everything; throws Broken.
  void play(const std::vector<Command>& commands);
  const std::string& history() const { return history_; }

 private:
  using Known = std::vector<size_t>;  // per author: how many of its ops
  struct Op {
    size_t author;
    sk_stamp stamp;
    uint64_t last_seq;
    std::string delta;
    std::vector<sk_dot> deps;
    Known past;  // what its author knew
  };
  struct Replica {
    uint64_t id;
    Doc doc, shadow;
    std::string shown;         // the view, as its patches make it
    Known known;
    std::vector<Known> past;   // what it knew before each change
    Known forgot;              // the stable version of its last compaction
    std::vector<Op> log;       // what it wrote
    size_t sent = 0;           // of the log
    uint64_t last_seq = 0;
    uint64_t clock = 0;        // highest that it has seen
  };

  void play(const Command& command);
  void edit(Replica& self, Dice dice);
  void check_inspect(const Replica& self, const Op& op, const sk_stamp& stamp);
  void deliver(Replica& self, Dice dice);
  void repeat(Replica& self, Dice dice);
  void catch_up(Replica& self, Replica& from, const Known& since, const char* law);
  void reload(Replica& self);
  void early(Replica& self, Dice dice);
  void damage(Replica& self, Replica& other, Dice dice);
  void tight(Replica& self, Replica& other, Dice dice);
  void restamp(Replica& self, Dice dice);
  void compact(Replica& self);
  void finish();

  std::vector<const Op*> ready(const Known& known, bool met) const;
  void learn(Replica& self, const Known& target, Doc& doc, Known& known, Dice& dice,
             const Op* taken = nullptr);
  void merge(Replica& self, const std::string& delta, const char* law);
  void show(Replica& self, const std::string& patch);
  void same(const Doc& a, const Doc& b, const char* law, const char* who) const;
  VersionMap version(const Known& known) const;
  Known stable(const Replica& self) const;
  void forget(Doc& doc, const Known& stable);
  uint64_t clock_of(const Known& known) const;
  Replica& replica(uint8_t index) { return replicas_[index % replicas_.size()]; }
  void note(const std::string& line);
  [[noreturn]] void broken(const char* law, const std::string& what) const;

  const Subject& subject_;
  bool trace_;
  Counts& counts_;
  std::vector<Replica> replicas_;
  std::string history_;
  uint64_t now_ = 1000;  // the wall clock of all replicas whose clock is right
};

}  // namespace synckit::check
