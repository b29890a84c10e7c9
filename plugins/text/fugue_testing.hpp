// The naive reference for the order of the text: FugueMax (Weidner and Kleppmann, arXiv:2305.00583)
// as the paper defines it and tla/Text.tla states it, a tree with one node per character. Nothing
// here is shared with the type: no spans, no walk over concurrent neighbours.
//
// A character that is inserted between two neighbours becomes a right child of the left one, or,
// where its writer already saw such a child, a left child of the right one. The text is the
// tree's traversal: left children, the node, right children. Left children stand by id; right
// children by the reverse order of their right origins, then by id.
//
// Threads: none.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace synckit::text::testing {

using Id = std::pair<uint64_t, uint64_t>;  // replica, seq
constexpr Id kRoot{0, 0}, kEnd{0, 1};

// One character as Text.tla has it.
struct Element {
  Id parent, right_origin;
  bool right_side;
  char32_t letter;
};

struct Model {
  std::map<Id, Element> all;

  std::vector<Id> path(Id id) const {
    std::vector<Id> out;
    for (; id != kRoot; id = all.at(id).parent) out.push_back(id);
    return {out.rbegin(), out.rend()};
  }
  bool sibling_before(Id a, Id b) const {
    const Element &x = all.at(a), &y = all.at(b);
    if (x.right_side != y.right_side) return !x.right_side;
    if (x.right_side && x.right_origin != y.right_origin) {
      if (x.right_origin == kEnd) return true;
      if (y.right_origin == kEnd) return false;
      return before(y.right_origin, x.right_origin);
    }
    return a < b;
  }
  bool before(Id a, Id b) const {
    std::vector<Id> p = path(a), q = path(b);
    size_t m = std::min(p.size(), q.size());
    for (size_t i = 0; i < m; ++i) {
      if (p[i] != q[i]) return sibling_before(p[i], q[i]);
    }
    return p.size() < q.size() ? all.at(q[m]).right_side : !all.at(p[m]).right_side;
  }

  // The known characters (with each its parent) in document order.
  std::vector<Id> order(const std::set<Id>& known) const {
    std::map<Id, std::vector<Id>> kids;  // of one node: the left ones, then the right ones
    for (Id id : known) kids[all.at(id).parent].push_back(id);
    for (auto& entry : kids) {
      std::sort(entry.second.begin(), entry.second.end(),
                [&](Id a, Id b) { return a != b && sibling_before(a, b); });
    }
    std::vector<Id> out, stack{kRoot};
    std::set<Id> opened;  // whose left children are on the stack already
    while (!stack.empty()) {
      Id id = stack.back();
      stack.pop_back();
      if (!opened.insert(id).second) {
        out.push_back(id);
        continue;
      }
      const std::vector<Id>& below = kids[id];
      auto first_right = std::find_if(below.begin(), below.end(),
                                      [&](Id kid) { return all.at(kid).right_side; });
      stack.insert(stack.end(), std::make_reverse_iterator(below.end()),
                   std::make_reverse_iterator(first_right));
      if (id != kRoot) stack.push_back(id);  // met again behind its left children
      stack.insert(stack.end(), std::make_reverse_iterator(first_right),
                   std::make_reverse_iterator(below.begin()));
    }
    return out;
  }

  // What becomes of a character between two neighbours of what its writer knows.
  Element placed(Id left, Id right, char32_t letter, const std::set<Id>& known) const {
    bool taken = std::any_of(known.begin(), known.end(), [&](Id other) {
      return all.at(other).parent == left && all.at(other).right_side;
    });
    return {taken ? right : left, right, !taken, letter};
  }
  void insert(Id id, Id left, Id right, char32_t letter, const std::set<Id>& known) {
    all[id] = placed(left, right, letter, known);
  }
};

}  // namespace synckit::text::testing
