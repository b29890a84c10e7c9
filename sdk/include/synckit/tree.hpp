// synckit/tree.hpp: names as a tree of nodes, through one hash index. (parent, name) -> node, and
// the children of a node as a list. A flat set of names is the children of the root.
//
//   struct Node : synckit::TreeNode { ... };  // what the owner keeps of a name
//   synckit::Tree<Node> tree;
//
// A new node is zero bytes, apart from its name; so is none(), which find() gives for what is not
// there, and which nobody may change. A node stays in its place until it is removed.
//
// Nothing observable depends on the order inside the index, therefore the hash may be seeded
// differently in each process: by the parent's address, which keeps whoever sends the names from
// choosing collisions where addresses are random.
//
// Threads: not thread-safe; distinct trees are independent.
#pragma once

#include <synckit/bytes.hpp>

namespace synckit {

struct TreeNode {
  TreeNode *parent, *child, *next;  // the first child; the next sibling
  TreeNode** at;                    // what points here: `child` or `next` of another
  TreeNode* link;                   // the next of the same chain of the index
  uint32_t hash, len;               // of the name, which lies behind the owner's part
};

// What all trees do in one way, whatever their nodes (`size` bytes each).
class TreeBase {
 public:
  TreeBase(const TreeBase&) = delete;
  TreeBase& operator=(const TreeBase&) = delete;

  size_t size() const { return size_; }  // nodes, without the root

 protected:
  TreeBase() = default;
  ~TreeBase() = default;

  static Bytes name(const TreeNode* node, size_t size) {
    return {reinterpret_cast<const uint8_t*>(node) + size, node->len};
  }

  // nullptr when it is not in.
  SK_ONCE TreeNode* find(const TreeNode* parent, Bytes name, uint32_t h, size_t size) const {
    TreeNode* node = chains_.empty() ? nullptr : chains_[h & (chains_.size() - 1)];
    for (; node; node = node->link) {
      if (node->hash == h && node->parent == parent && this->name(node, size) == name) break;
    }
    return node;
  }

  // The node of that name, new when it was not in. When memory runs out (an exception), nothing has
  // changed. Names are shorter than 4 GiB.
  SK_ONCE TreeNode* obtain(TreeNode* parent, Bytes name, size_t size) {
    uint32_t h = hash(parent, name);
    if (TreeNode* known = find(parent, name, h, size)) return known;
    if (size_ >= chains_.size()) grow();
    auto* node = static_cast<TreeNode*>(allocate(size + name.len));
    std::memset(static_cast<void*>(node), 0, size);
    node->hash = h;
    node->len = static_cast<uint32_t>(name.len);
    if (name.len) std::memcpy(reinterpret_cast<uint8_t*>(node) + size, name.data, name.len);
    node->parent = parent;
    node->next = parent->child;
    attach(&parent->child, node);
    if (node->next) node->next->at = &node->next;
    enter(node);
    ++size_;
    return node;
  }

  void remove(TreeNode* node) {
    TreeNode** link = &chains_[node->hash & (chains_.size() - 1)];
    while (*link != node) link = &(*link)->link;
    *link = node->link;
    *node->at = node->next;
    if (node->next) node->next->at = node->at;
    std::free(node);
    --size_;
  }

  // Sorts the first `count` nodes of a list by their names, stable, and ends it behind them.
  // O(n log n); recursion is as deep as the logarithm.
  static TreeNode* sorted(TreeNode* first, size_t count, size_t size) {
    if (count == 1) first->next = nullptr;
    if (count < 2) return first;
    TreeNode* half = first;
    for (size_t i = 0; i < count / 2; ++i) half = half->next;
    TreeNode *right = sorted(half, count - count / 2, size), *left = sorted(first, count / 2, size);
    for (TreeNode** at = &first;; at = &(*at)->next) {
      if (!left || !right) return *at = left ? left : right, first;
      TreeNode*& least = name(right, size) < name(left, size) ? right : left;
      *at = least;
      least = least->next;
    }
  }

  // Sorts the children of a node.
  SK_ONCE static void sort(TreeNode* parent, size_t size) {
    size_t count = 0;
    for (const TreeNode* node = parent->child; node; node = node->next) ++count;
    TreeNode** at = &parent->child;
    for (*at = sorted(*at, count, size); *at; at = &(*at)->next) (*at)->at = at;
  }

  static uint32_t hash(const TreeNode* parent, Bytes name) {
    constexpr uint64_t kMix = 0x9e3779b97f4a7c15u;  // 2^64 / golden ratio, odd
    uint64_t h = (reinterpret_cast<uintptr_t>(parent) ^ name.len) * kMix;
    for (size_t i = 0; i < name.len; ++i) h = (h ^ name.data[i]) * kMix;
    return static_cast<uint32_t>(h >> 32);
  }

  Vec<TreeNode*> chains_;  // heads, a power of two of them

 private:
  static void attach(TreeNode** at, TreeNode* node) {
    node->at = at;
    *at = node;
  }
  void enter(TreeNode* node) {
    TreeNode*& head = chains_[node->hash & (chains_.size() - 1)];
    node->link = head;
    head = node;
  }
  // A chain's nodes stay in it or go to one that is new.
  [[gnu::noinline]] void grow() {
    size_t old = chains_.size();
    chains_.resize(old ? old * 2 : 8);
    for (size_t i = 0; i < old; ++i) {
      TreeNode* node = chains_[i];
      chains_[i] = nullptr;
      for (TreeNode* next; node; node = next) {
        next = node->link;
        enter(node);
      }
    }
  }

  size_t size_ = 0;
};

// A tree of `Node`, which derives from TreeNode. Its destructor runs when it goes.
template <class Node>
class Tree : public TreeBase {
 public:
  Tree() = default;
  ~Tree() {
    for (TreeNode* node : chains_) {
      for (TreeNode* next; node; node = next) {
        next = node->link;
        destroy(node);
        std::free(node);
      }
    }
  }

  Node* root() { return &root_; }
  const Node* root() const { return &root_; }
  const Node* none() const { return &none_; }
  static Node* parent(const Node* node) { return static_cast<Node*>(node->parent); }
  static Node* child(const Node* node) { return static_cast<Node*>(node->child); }
  static Node* next(const Node* node) { return static_cast<Node*>(node->next); }
  static Bytes name(const Node* node) { return TreeBase::name(node, sizeof(Node)); }

  const Node* find(const Node* parent, Bytes name) const {
    const TreeNode* found = TreeBase::find(parent, name, hash(parent, name), sizeof(Node));
    return found ? static_cast<const Node*>(found) : &none_;
  }
  Node* obtain(Node* parent, Bytes name) {
    return static_cast<Node*>(TreeBase::obtain(parent, name, sizeof(Node)));
  }
  // A node without children.
  void remove(Node* node) {
    destroy(node);
    TreeBase::remove(node);
  }
  // The children by their names, stable.
  static void sort(const Node* parent) {
    TreeBase::sort(const_cast<Node*>(parent), sizeof(Node));
  }

 private:
  static void destroy(TreeNode* node) { static_cast<Node*>(node)->~Node(); }

  Node root_{}, none_{};
};

}  // namespace synckit
