// The map, the set and the counter against naive models that keep every operation and compute the
// view from what a replica knows, straight after the meaning in each FORMAT.md.
//
// Histories come from rapidcheck, which cuts a failing one down and prints how to run it again.
#include "json_tree.hpp"
#include "subjects.hpp"

#include <check/builtin.hpp>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <ostream>
#include <set>
#include <tuple>

namespace synckit::laws {

using check::Doc;
using check::VersionMap;

struct Step {
  enum Kind : uint8_t { kEdit, kDeliver, kCatchUp } kind = kEdit;
  uint8_t a = 0, b = 0;
  uint32_t what = 0;  // of an edit: which operation; of a delivery: which delta
};

std::ostream& operator<<(std::ostream& out, const Step& step) {
  static const char* const kNames[] = {"edit", "deliver", "catch-up"};
  return out << kNames[step.kind] << '(' << int{step.a} << ", " << int{step.b} << ", " << step.what
             << ')';
}

namespace {

using DotKey = std::pair<uint64_t, uint64_t>;  // replica, seq

// ---- the models -------------------------------------------------------------------------------

struct CounterModel {
  struct Op {
    int64_t amount;
  };
  static check::Subject subject() { return counter_subject(); }
  static std::string shown(const std::string& view) { return view; }
  static Op op(uint32_t what) { return {static_cast<int64_t>(what % 41) - 20}; }
  static std::string intent(const Op& op) { return check::counter_add(op.amount); }
  template <class Known>
  static void observe(Op&, const Known&) {}
  template <class Known>
  static std::string view(const Known& known) {
    int64_t sum = 0;
    for (const auto& entry : known) sum += entry.second.op.amount;
    return std::to_string(sum);
  }
};

struct SetModel {
  struct Op {
    int kind;  // 1 add, 2 remove, 3 clear
    std::string element;
    std::set<DotKey> observed;  // adds that its author knew, of this element (or of all)
  };
  static check::Subject subject() { return set_subject(); }
  static std::string shown(const std::string& view) { return view; }
  static Op op(uint32_t what) {
    int kind = what % 16 == 0 ? 3 : what % 16 < 9 ? 1 : 2;
    return {kind, kind == 3 ? "" : std::to_string(what / 16 % 5), {}};
  }
  static std::string intent(const Op& op) {
    return std::string(1, static_cast<char>(op.kind)) + op.element;
  }
  template <class Known>
  static void observe(Op& op, const Known& known) {
    for (const auto& [dot, other] : known) {
      bool same = op.kind == 3 || other.op.element == op.element;
      if (other.op.kind == 1 && same) op.observed.insert(dot);
    }
  }
  // An element is there when some add of it was observed by no other operation.
  template <class Known>
  static std::string view(const Known& known) {
    std::set<DotKey> observed;
    for (const auto& entry : known) {
      observed.insert(entry.second.op.observed.begin(), entry.second.op.observed.end());
    }
    std::set<std::string> present;
    for (const auto& [dot, add] : known) {
      if (add.op.kind == 1 && !observed.count(dot)) present.insert(add.op.element);
    }
    std::string out = "[";
    for (const std::string& element : present) out += (out.size() > 1 ? "," : "") + element;
    return out + "]";
  }
};

struct MapModel {
  struct Op {
    check::PathNames path;
    std::optional<std::string> json;  // none: delete
  };
  static check::Subject subject() { return map_subject(); }
  static std::string shown(const std::string& view) { return write_tree(parse_tree(view)); }
  static Op op(uint32_t what) {
    static const char* const kNames[] = {"a", "b", "\xc3\xa9"};
    static const char* const kValues[] = {"1", "[{\"b\":0,\"a\":0}]", "{}",
                                          "{\"a\":{\"b\":2},\"b\":3}",
                                          "{\"b\": 4, \"\\u00e9\" :{\"a\":5,\"a\":6}}"};
    Op op;
    for (uint32_t depth = what % 3 + 1; depth; --depth, what /= 3) {
      op.path.push_back(kNames[what / 3 % 3]);
    }
    what /= 3;
    if (what % 3) op.json = kValues[what / 3 % 5];
    return op;
  }
  static std::string intent(const Op& op) {
    return op.json ? check::map_set(op.path, *op.json) : check::map_delete(op.path);
  }
  template <class Known>
  static void observe(Op&, const Known&) {}

  struct Node {
    std::map<std::string, Node> below;
    const Op* op = nullptr;
    bool any_set_below() const {
      for (const auto& [name, node] : below) {
        if ((node.op && node.op->json) || node.any_set_below()) return true;
      }
      return false;
    }
    std::optional<Tree> value(std::optional<Tree> inherited) const {
      std::optional<Tree> tree = std::move(inherited);
      if (op) tree = op->json ? std::optional<Tree>(parse_tree(*op->json)) : std::nullopt;
      bool object = tree && tree->is_object();
      if (any_set_below() && !object) tree = Tree::object();
      if (!tree || !tree->is_object()) return tree;
      for (const auto& [name, node] : below) {
        std::optional<Tree> member;
        if (auto found = tree->members.find(name); found != tree->members.end()) {
          member = found->second;
        }
        member = node.value(std::move(member));
        if (member) {
          tree->members[name] = std::move(*member);
        } else {
          tree->members.erase(name);
        }
      }
      return tree;
    }
  };

  template <class Known>
  static std::string view(const Known& known) {
    Node root;
    for (const auto& [dot, write] : known) {
      bool beaten = false;
      for (const auto& [other_dot, other] : known) {
        const auto &path = write.op.path, &above = other.op.path;
        beaten |= above.size() <= path.size() &&
                  std::equal(above.begin(), above.end(), path.begin()) &&
                  std::tuple(other.hlc, other_dot) > std::tuple(write.hlc, dot);
      }
      if (beaten) continue;
      Node* node = &root;
      for (const std::string& name : write.op.path) node = &node->below[name];
      node->op = &write.op;
    }
    return write_tree(*root.value(Tree::object()));
  }
};

// ---- replicas that know operations ----------------------------------------------------------

template <class Model>
struct World {
  struct Known {
    typename Model::Op op;
    uint64_t hlc;
    std::string delta;
    VersionMap past;  // what its author knew: delivered before it
  };
  using Ops = std::map<DotKey, Known>;
  struct Replica {
    uint64_t id;
    Doc doc;
    Ops ops;
    uint64_t seq = 0, clock = 0;

    VersionMap version() const {
      VersionMap version;
      for (const auto& [dot, op] : ops) {
        version[dot.first] = std::max(version[dot.first], dot.second);
      }
      return version;
    }
  };
  std::vector<Replica> replicas;

  explicit World(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      replicas.push_back({(i * 5 + 3) % 7 + 1, Doc(Model::subject().type), {}, 0, 0});
    }
  }

  void play(const Step& step) {
    Replica& self = replicas[step.a % replicas.size()];
    Replica& other = replicas[step.b % replicas.size()];
    if (step.kind == Step::kEdit) {
      edit(self, step.what);
    } else if (step.kind == Step::kDeliver) {
      deliver(self, other, step.what);
    } else {
      check::Outcome slice = other.doc.encode(self.version());
      RC_ASSERT(slice.ok());
      RC_ASSERT(self.doc.merge(slice.delta).ok());
      self.ops.insert(other.ops.begin(), other.ops.end());
      self.clock = std::max(self.clock, other.clock);
    }
    RC_ASSERT(Model::shown(self.doc.view()) == Model::view(self.ops));
  }

  void edit(Replica& self, uint32_t what) {
    typename Model::Op op = Model::op(what);
    uint64_t hlc = std::max<uint64_t>(self.clock + 1, what % 64);
    check::Outcome out = self.doc.mutate({self.id, self.seq + 1, hlc}, Model::intent(op));
    RC_ASSERT(out.ok());
    if (out.seqs == 0) return;
    Model::observe(op, self.ops);
    self.clock = hlc;
    VersionMap past = self.version();
    self.ops[{self.id, ++self.seq}] = {op, hlc, out.delta, past};
  }

  // One of the other's deltas whose author knew nothing that the receiver does not.
  void deliver(Replica& self, const Replica& other, uint32_t what) {
    VersionMap version = self.version();
    std::vector<const std::pair<const DotKey, Known>*> next;
    for (const auto& entry : other.ops) {
      const VersionMap& past = entry.second.past;
      bool ready = entry.first.second == version[entry.first.first] + 1 &&
                   std::all_of(past.begin(), past.end(), [&](const auto& need) {
                     return version[need.first] >= need.second;
                   });
      if (ready) next.push_back(&entry);
    }
    if (next.empty()) return;
    const auto& [dot, known] = *next[what % next.size()];
    RC_ASSERT(self.doc.merge(known.delta).ok());
    self.ops[dot] = known;
    self.clock = std::max(self.clock, known.hlc);
  }
};

rc::Gen<Step> any_step() {
  return rc::gen::build<Step>(
      rc::gen::set(&Step::kind,
                   rc::gen::weightedElement<Step::Kind>(
                       {{5, Step::kEdit}, {6, Step::kDeliver}, {2, Step::kCatchUp}})),
      rc::gen::set(&Step::a, rc::gen::inRange<uint8_t>(0, 4)),
      rc::gen::set(&Step::b, rc::gen::inRange<uint8_t>(0, 4)),
      rc::gen::set(&Step::what, rc::gen::inRange<uint32_t>(0, 1u << 20)));
}

template <class Model>
void follow_model(const char* name) {
  uint64_t histories = 0, edits = 0;
  bool holds = rc::check(std::string(name) + " follows its model", [&] {
    World<Model> world(*rc::gen::inRange(2u, 5u));
    for (const Step& step : *rc::gen::container<std::vector<Step>>(any_step())) world.play(step);
    ++histories;
    for (const auto& replica : world.replicas) edits += replica.seq;
  });
  EXPECT_TRUE(holds);
  std::cout << name << ": " << histories << " histories, " << edits << " edits" << std::endl;
}

TEST(Models, lww) { follow_model<MapModel>("lww"); }
TEST(Models, set) { follow_model<SetModel>("set"); }
TEST(Models, counter) { follow_model<CounterModel>("counter"); }

}  // namespace
}  // namespace synckit::laws

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (!std::getenv("RC_PARAMS")) setenv("RC_PARAMS", "max_success=2000", 1);
  return RUN_ALL_TESTS();
}
