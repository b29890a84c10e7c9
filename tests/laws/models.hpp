// Naive references of the four built-in types: each keeps every operation and computes the view
// from what a replica knows, straight after the meaning in the type's FORMAT.md. Random histories
// (models_test.cpp) and exhaustive ones (explore_test.cpp) are held against the same references.
//
// A model says
//   op(what, known)       some operation for a replica that knows `known`
//   choices(known, dot)   all operations of a small history there (for exhaustive exploration)
//   key(op)               which of the choices this is, as bytes
//   observe(op, known, dot)  fills in what the operation takes from its author's knowledge
//   intent(op), view(known), shown(view)   `shown` makes views comparable
//
// Threads: none.
#pragma once

#include "json_tree.hpp"
#include "subjects.hpp"

#include <check/builtin.hpp>

#include <fugue_testing.hpp>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace synckit::laws {

using check::VersionMap;
using DotKey = std::pair<uint64_t, uint64_t>;  // replica, seq: the first dot of an operation

template <class Op>
struct Entry {  // an operation, as it was sent
  Op op;
  uint64_t hlc = 0, last = 0;  // last: seq of its last dot
  std::string delta;
  VersionMap past;  // what its author knew
};
template <class Op>
using Ops = std::map<DotKey, std::shared_ptr<const Entry<Op>>>;

struct CounterModel {
  struct Op {
    int64_t amount;
  };
  static check::Subject subject() { return counter_subject(); }
  static std::string shown(const std::string& view) { return view; }
  static Op op(uint32_t what, const Ops<Op>&) { return {static_cast<int64_t>(what % 41) - 20}; }
  static std::vector<Op> choices(const Ops<Op>&, DotKey dot) {
    auto own = static_cast<int64_t>(dot.second);
    return {{10 * own + 1}, {-7 * own}};
  }
  static std::string key(const Op& op) { return std::to_string(op.amount); }
  static std::string intent(const Op& op) { return check::counter_add(op.amount); }
  static void observe(Op&, const Ops<Op>&, DotKey) {}
  static std::string view(const Ops<Op>& known) {
    int64_t sum = 0;
    for (const auto& entry : known) sum += entry.second->op.amount;
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
  static Op op(uint32_t what, const Ops<Op>&) {
    int kind = what % 16 == 0 ? 3 : what % 16 < 9 ? 1 : 2;
    return {kind, kind == 3 ? "" : std::to_string(what / 16 % 5), {}};
  }
  static std::vector<Op> choices(const Ops<Op>&, DotKey) {
    return {{1, "1", {}}, {1, "2", {}}, {2, "1", {}}, {3, "", {}}};
  }
  static std::string key(const Op& op) { return std::to_string(op.kind) + op.element; }
  static std::string intent(const Op& op) {
    return std::string(1, static_cast<char>(op.kind)) + op.element;
  }
  static void observe(Op& op, const Ops<Op>& known, DotKey) {
    for (const auto& [dot, other] : known) {
      bool same = op.kind == 3 || other->op.element == op.element;
      if (other->op.kind == 1 && same) op.observed.insert(dot);
    }
  }
  // An element is there when some add of it was observed by no other operation.
  static std::string view(const Ops<Op>& known) {
    std::set<DotKey> observed;
    for (const auto& entry : known) {
      observed.insert(entry.second->op.observed.begin(), entry.second->op.observed.end());
    }
    std::set<std::string> present;
    for (const auto& [dot, add] : known) {
      if (add->op.kind == 1 && !observed.count(dot)) present.insert(add->op.element);
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
  static Op op(uint32_t what, const Ops<Op>&) {
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
  // Writes and deletes of one path and of one below it; every value names its write.
  static std::vector<Op> choices(const Ops<Op>&, DotKey dot) {
    std::string name = std::to_string(dot.first % 100 * 10 + dot.second);
    return {{{"a"}, "{\"b\":" + name + ",\"c\":" + name + "}"},
            {{"a", "b"}, name},
            {{"a"}, std::nullopt},
            {{"a", "b"}, std::nullopt}};
  }
  static std::string key(const Op& op) { return intent(op); }
  static std::string intent(const Op& op) {
    return op.json ? check::map_set(op.path, *op.json) : check::map_delete(op.path);
  }
  static void observe(Op&, const Ops<Op>&, DotKey) {}

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

  static std::string view(const Ops<Op>& known) {
    Node root;
    for (const auto& [dot, write] : known) {
      bool beaten = false;
      for (const auto& [other_dot, other] : known) {
        const auto &path = write->op.path, &above = other->op.path;
        beaten |= above.size() <= path.size() &&
                  std::equal(above.begin(), above.end(), path.begin()) &&
                  std::tuple(other->hlc, other_dot) > std::tuple(write->hlc, dot);
      }
      if (beaten) continue;
      Node* node = &root;
      for (const std::string& name : write->op.path) node = &node->below[name];
      node->op = &write->op;
    }
    return write_tree(*root.value(Tree::object()));
  }
};

// The text: FugueMax as a tree of single characters (fugue_testing.hpp).
struct TextModel {
  struct Op {
    size_t at = 0, erase = 0;  // visible code points
    std::u32string text;
    bool utf16 = false;        // the intent counts UTF-16 units
    size_t at_units = 0, erase_units = 0;
    std::map<DotKey, text::testing::Element> atoms;  // what it inserts, by their dots
    std::set<DotKey> erased;
  };
  static check::Subject subject() { return text_subject(); }
  static std::string shown(const std::string& view) { return view; }

  struct Sight {  // what one replica sees
    text::testing::Model model;
    std::set<DotKey> known, erased;
    std::vector<DotKey> full, visible;
    explicit Sight(const Ops<Op>& ops) {
      for (const auto& entry : ops) {
        const Op& op = entry.second->op;
        model.all.insert(op.atoms.begin(), op.atoms.end());
        erased.insert(op.erased.begin(), op.erased.end());
      }
      for (const auto& atom : model.all) known.insert(atom.first);
      full = model.order(known);
      for (const DotKey& id : full) {
        if (!erased.count(id)) visible.push_back(id);
      }
    }
  };

  // Mostly near the end; often right behind the last edit of anyone, so that edits meet.
  static Op op(uint32_t what, const Ops<Op>& known) {
    static constexpr char32_t kLetters[] = U"abc \"\nжя中文😀🎉";
    auto take = [&](size_t below) {
      what = (what ^ what >> 13) * 0x5bd1e995u + 0x9e3779b9u;
      return (what >> 8) % below;
    };
    size_t size = Sight(known).visible.size();
    Op op;
    op.at = take(3) ? size - take(std::min<size_t>(size, 2) + 1) : take(size + 1);
    if (!take(3)) op.erase = take(std::min<size_t>(size - op.at, 4) + 1);
    size_t count = op.erase && take(2) ? 0 : take(4);
    while (count--) op.text += kLetters[take(12)];
    op.utf16 = take(2);
    return op;
  }
  static std::vector<Op> inserts(const Ops<Op>& known, DotKey dot) {
    std::vector<Op> out;
    // The letter tells the dot.
    char32_t letter = U'A' + static_cast<char32_t>(dot.first % 8 * 8 + dot.second);
    for (size_t at = 0, size = Sight(known).visible.size(); at <= size; ++at) {
      out.emplace_back();
      out.back().at = at;
      out.back().text = letter;
    }
    return out;
  }
  static std::string key(const Op& op) {
    std::string out;
    auto put = [&out](DotKey id) { out += check::fixed64(id.first) + check::varint(id.second); };
    for (const auto& [id, atom] : op.atoms) put(atom.parent), put(atom.right_origin), put(id);
    for (const DotKey& id : op.erased) put(id);
    return out;
  }
  static std::string intent(const Op& op) {
    std::string out(1, op.utf16 ? '\2' : '\1');
    out += check::varint(op.utf16 ? op.at_units : op.at);
    out += check::varint(op.utf16 ? op.erase_units : op.erase);
    for (char32_t letter : op.text) TreeReader::append_utf8(out, letter);
    return out;
  }

  // The delete's dot comes first; what is inserted stands right behind the visible character on
  // the left, tombstones notwithstanding.
  static void observe(Op& op, const Ops<Op>& ops, DotKey dot) {
    Sight sight(ops);
    auto units = [&](size_t from, size_t to) {
      size_t sum = to - from;
      for (; from < to; ++from) sum += sight.model.all.at(sight.visible[from]).letter > 0xffff;
      return sum;
    };
    op.at_units = units(0, op.at);
    op.erase_units = units(op.at, op.at + op.erase);
    op.atoms.clear(), op.erased.clear();
    for (size_t i = op.at; i < op.at + op.erase; ++i) op.erased.insert(sight.visible[i]);
    DotKey left = op.at ? sight.visible[op.at - 1] : text::testing::kRoot;
    auto place = sight.full.begin();
    if (op.at) place = std::find(place, sight.full.end(), left) + 1;
    DotKey right = place == sight.full.end() ? text::testing::kEnd : *place;
    uint64_t seq = dot.second + (op.erase ? 1 : 0);
    for (char32_t letter : op.text) {
      DotKey id{dot.first, seq++};
      sight.model.insert(id, left, right, letter, sight.known);
      op.atoms[id] = sight.model.all.at(id);
      sight.known.insert(id);
      left = id;
    }
  }
  static std::string view(const Ops<Op>& known) {
    Sight sight(known);
    std::string out;
    for (const DotKey& id : sight.visible) {
      TreeReader::append_utf8(out, sight.model.all.at(id).letter);
    }
    return quoted(out);
  }
};

}  // namespace synckit::laws
