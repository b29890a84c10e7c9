// The built-in types against their naive references (models.hpp) over random histories: edits with
// gaps between their dots, deliveries in any causal order, repeated deltas, catch-ups from any
// version, and, inside every history, saving, loading and (where a type has it) compaction.
//
// Histories come from rapidcheck, which cuts a failing one down and prints how to run it again.
#include "models.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cstdlib>
#include <iostream>
#include <ostream>

namespace synckit::laws {

using check::Doc;

struct Step {
  enum Kind : uint8_t { kEdit, kDeliver, kRepeat, kCatchUp, kReload, kCompact } kind = kEdit;
  uint8_t a = 0, b = 0;
  uint32_t what = 0;  // of an edit: which operation; of a delivery: which delta
};

std::ostream& operator<<(std::ostream& out, const Step& step) {
  static const char* const kNames[] = {"edit",     "deliver", "repeat",
                                       "catch-up", "reload",  "compact"};
  return out << kNames[step.kind] << '(' << int{step.a} << ", " << int{step.b} << ", " << step.what
             << ')';
}

namespace {

struct Totals {
  uint64_t histories = 0, edits = 0, merges = 0, catch_ups = 0, reloads = 0, compactions = 0;
};

// Replicas that know operations.
template <class Model>
struct World {
  using Op = typename Model::Op;
  struct Replica {
    uint64_t id;
    Doc doc;
    Ops<Op> ops;
    uint64_t seq = 0, clock = 0;

    VersionMap version() const {
      VersionMap version;
      for (const auto& [dot, entry] : ops) {
        version[dot.first] = std::max(version[dot.first], entry->last);
      }
      return version;
    }
  };
  check::Subject subject = Model::subject();
  std::vector<Replica> replicas;
  Totals& totals;

  World(size_t count, Totals& totals) : totals(totals) {
    for (size_t i = 0; i < count; ++i) {
      replicas.push_back({(i * 5 + 3) % 7 + 1, Doc(subject.type), {}, 0, 0});
    }
    ++totals.histories;
  }

  void play(const std::vector<Step>& steps) {
    for (size_t i = 0; i < steps.size(); ++i) {
      play(steps[i]);
      if (i != steps.size() / 2) continue;
      for (Replica& replica : replicas) {  // no history without
        reload(replica);
        compact(replica);
        follows(replica);
      }
    }
    finish();
  }

  void play(const Step& step) {
    Replica& self = replicas[step.a % replicas.size()];
    Replica& other = replicas[step.b % replicas.size()];
    switch (step.kind) {
      case Step::kEdit: edit(self, step.what); break;
      case Step::kDeliver: deliver(self, other, step.what); break;
      case Step::kRepeat: repeat(self, step.what); break;
      case Step::kCatchUp: catch_up(self, other, step.what); break;
      case Step::kReload: reload(self); break;
      case Step::kCompact: compact(self); break;
    }
    follows(self);
  }

  void follows(const Replica& self) {
    RC_ASSERT(Model::shown(self.doc.view()) == Model::view(self.ops));
  }

  void edit(Replica& self, uint32_t what) {
    Op op = Model::op(what, self.ops);
    uint64_t hlc = std::max<uint64_t>(self.clock + 1, what % 64);
    uint64_t gap = what % 5 ? 0 : what % 3;  // dots of other fields
    DotKey first{self.id, self.seq + 1 + gap};
    Model::observe(op, self.ops, first);
    check::Outcome out = self.doc.mutate({first.first, first.second, hlc}, Model::intent(op));
    RC_ASSERT(out.ok());
    if (out.seqs == 0) return;
    self.clock = hlc;
    self.seq = first.second + out.seqs - 1;
    Entry<Op> entry{op, hlc, self.seq, out.delta, self.version()};
    self.ops[first] = std::make_shared<const Entry<Op>>(std::move(entry));
    ++totals.edits;
  }

  // One of the other's deltas whose author knew nothing that the receiver does not.
  void deliver(Replica& self, const Replica& other, uint32_t what) {
    VersionMap version = self.version();
    std::vector<typename Ops<Op>::const_iterator> next;
    for (auto at = other.ops.begin(); at != other.ops.end(); ++at) {
      const VersionMap& past = at->second->past;
      bool ready = at->first.second > version[at->first.first] &&
                   std::all_of(past.begin(), past.end(), [&](const auto& need) {
                     return version[need.first] >= need.second;
                   });
      if (ready) next.push_back(at);
    }
    if (next.empty()) return;
    auto chosen = next[what % next.size()];
    merge(self, chosen->second->delta);
    self.ops.insert(*chosen);
    self.clock = std::max(self.clock, chosen->second->hlc);
  }

  check::Outcome merge(Replica& self, const std::string& delta) {
    ++totals.merges;
    check::Outcome out = self.doc.merge(delta);
    RC_ASSERT(out.ok());
    return out;
  }

  void repeat(Replica& self, uint32_t what) {
    if (self.ops.empty()) return;
    auto known = std::next(self.ops.begin(), static_cast<std::ptrdiff_t>(what % self.ops.size()));
    RC_ASSERT(merge(self, known->second->delta).patch.empty());
  }

  // What the other has beyond the receiver's version, or beyond an older one.
  void catch_up(Replica& self, const Replica& other, uint32_t what) {
    VersionMap since = self.version();
    if (what % 3 == 0 && !self.ops.empty()) {
      auto known = std::next(self.ops.begin(), static_cast<std::ptrdiff_t>(what % self.ops.size()));
      since = known->second->past;
    }
    check::Outcome slice = other.doc.encode(since);
    RC_ASSERT(slice.ok());
    merge(self, slice.delta);
    self.ops.insert(other.ops.begin(), other.ops.end());
    self.clock = std::max(self.clock, other.clock);
    ++totals.catch_ups;
  }

  void reload(Replica& self) {
    std::string saved = self.doc.snapshot();
    Doc fresh(subject.type);
    RC_ASSERT(fresh.merge(saved).ok());
    RC_ASSERT(fresh.snapshot() == saved);
    self.doc = std::move(fresh);
    ++totals.reloads;
  }

  // Forgets what everybody knows, and the authors of all edits that are still to come here knew.
  void compact(Replica& self) {
    if (!subject.type->compact) return;
    VersionMap stable = self.version();
    auto meet = [&stable](VersionMap other) {
      for (auto& [id, seq] : stable) seq = std::min(seq, other[id]);
    };
    for (const Replica& other : replicas) {
      meet(other.version());
      for (const auto& [dot, entry] : other.ops) {
        if (!self.ops.count(dot)) meet(entry->past);
      }
    }
    RC_ASSERT(self.doc.compact(stable).ok());
    ++totals.compactions;
  }

  // Everyone learns everything, in two rounds: what was forgotten early and late must not differ.
  void finish() {
    for (int round = 0; round < 2; ++round) {
      for (Replica& self : replicas) {
        for (Replica& other : replicas) catch_up(self, other, 1);
      }
    }
    for (Replica& self : replicas) {
      compact(self);
      follows(self);
      reload(self);
      RC_ASSERT(self.doc.snapshot() == replicas[0].doc.snapshot());
    }
  }
};

rc::Gen<Step> any_step() {
  auto kind = rc::gen::weightedElement<Step::Kind>({{6, Step::kEdit},
                                                    {6, Step::kDeliver},
                                                    {1, Step::kRepeat},
                                                    {2, Step::kCatchUp},
                                                    {1, Step::kReload},
                                                    {1, Step::kCompact}});
  return rc::gen::build<Step>(rc::gen::set(&Step::kind, kind),
                              rc::gen::set(&Step::a, rc::gen::inRange<uint8_t>(0, 4)),
                              rc::gen::set(&Step::b, rc::gen::inRange<uint8_t>(0, 4)),
                              rc::gen::set(&Step::what, rc::gen::inRange<uint32_t>(0, 1u << 20)));
}

template <class Model>
void follow_model(const char* name) {
  Totals totals;
  bool holds = rc::check(std::string(name) + " follows its model", [&] {
    auto count = *rc::gen::inRange(2u, 5u);
    World<Model>(count, totals).play(*rc::gen::container<std::vector<Step>>(any_step()));
  });
  EXPECT_TRUE(holds);
  std::cout << "proof: model    " << name << ": " << totals.histories << " histories, "
            << totals.edits << " edits, " << totals.merges << " merges, " << totals.catch_ups
            << " catch-ups, " << totals.reloads << " reloads, " << totals.compactions
            << " compactions" << std::endl;
}

TEST(Models, lww) { follow_model<MapModel>("lww"); }
TEST(Models, set) { follow_model<SetModel>("set"); }
TEST(Models, counter) { follow_model<CounterModel>("counter"); }
TEST(Models, text) { follow_model<TextModel>("text"); }

}  // namespace
}  // namespace synckit::laws

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (!std::getenv("RC_PARAMS")) setenv("RC_PARAMS", "max_success=2000", 1);
  return RUN_ALL_TESTS();
}
