// The tree above the leaves and the index of atoms: see text_leaves.hpp.
#include "text_leaves.hpp"

namespace synckit::text {

// Asks for all lines of a block at once; what comes in after another is waited for each time.
// A large text lies in memory and not in caches.
inline void prefetch([[maybe_unused]] const void* block, [[maybe_unused]] size_t size) {
#if !defined(__wasm__)
  for (size_t at = 0; at < size; at += 64) {
    __builtin_prefetch(static_cast<const uint8_t*>(block) + at);
  }
#endif
}

Arena::~Arena() {
  while (last_) {
    void** block = last_;
    last_ = static_cast<void**>(*block);
    std::free(block);
  }
}

void* Arena::take(size_t size) {
  auto** block = static_cast<void**>(blank(size + sizeof(void*)));
  *block = last_;
  last_ = block;
  return block + 1;
}

// ---- lv -> leaf ---------------------------------------------------------------------------

LeafIndex::Entry& LeafIndex::floor(uint32_t lv) const {
  Chunk* chunk = chunks_[floor_of(&chunks_[0].lv, sizeof(Slot), chunks_.size(), lv)].chunk;
  return chunk->entries[floor_of(&chunk->entries[0].lv, sizeof(Entry), chunk->count, lv)];
}

void LeafIndex::begin(Leaf* leaf) {
  chunks_.push_back({0, static_cast<Chunk*>(arena_.take(sizeof(Chunk)))});
  *chunks_[0].chunk = {1, {{0, leaf}}};
}

void LeafIndex::put(uint32_t lv, Leaf* leaf) {
  Entry& before = floor(lv);
  if (before.lv == lv) {
    before.leaf = leaf;
    return;
  }
  uint32_t at = floor_of(&chunks_[0].lv, sizeof(Slot), chunks_.size(), lv);
  Chunk* chunk = chunks_[at].chunk;
  Entry* entry = &before + 1;
  if (chunk->count == Chunk::kEntries) {
    // A full chunk is halved; where entries come at its end it is left full, as typing appends.
    Entry* end = chunk->entries + Chunk::kEntries;
    Entry* cut = entry == end ? end - 1 : end - Chunk::kEntries / 2;
    auto* fresh = static_cast<Chunk*>(arena_.take(sizeof(Chunk)));
    fresh->count = static_cast<uint32_t>(end - cut);
    chunk->count -= fresh->count;
    std::memcpy(fresh->entries, cut, fresh->count * sizeof(Entry));
    chunks_.insert(at + 1, {cut->lv, fresh});
    if (entry > cut) entry = fresh->entries + (entry - cut), chunk = fresh;
  }
  std::memmove(entry + 1, entry,
               static_cast<size_t>(chunk->entries + chunk->count++ - entry) * sizeof(Entry));
  *entry = {lv, leaf};
}

void LeafIndex::assign(uint32_t lv, uint32_t end, Leaf* leaf, uint32_t known) {
  if (end < known) put(end, find(end));
  for (;;) {
    Entry& last = floor(end - 1);
    if (last.lv <= lv && last.leaf == leaf) return;
    if (last.lv <= lv) return put(lv, leaf);
    // Ranges that begin inside are leftovers of spans that have merged: they move too.
    last.leaf = leaf;
    end = last.lv;
  }
}

Leaf* Leaves::find(uint32_t lv) {
  if (!index_.ready()) {
    index_.begin(first_);
    for (Leaf* leaf = first_; leaf; leaf = leaf->next) {
      for (uint32_t i = 0; i < leaf->count; ++i) assign(leaf->spans[i], leaf);
    }
  }
  return index_.find(lv);
}

// ---- the tree -----------------------------------------------------------------------------

Leaves::Leaves() {
  first_ = fresh();
  root_ = static_cast<Node*>(arena_.take(sizeof(Node)));
  set(root_, root_->count++, first_, {});
}

void Leaves::swap(Leaves& other) {
  arena_.swap(other.arena_);
  index_.swap(other.index_);
  std::swap(root_, other.root_);
  std::swap(first_, other.first_);
  std::swap(total_, other.total_);
  std::swap(height_, other.height_);
  std::swap(known_, other.known_);
}

void Leaves::set(Node* node, uint32_t place, Branch* kid, Extent size) {
  node->kids[place] = kid;
  node->sizes[place] = size;
  kid->parent = node;
  kid->place = static_cast<uint16_t>(place);
}

// Hangs a new branch behind `after`, out of which `size` has gone there.
void Leaves::hang_branch(Branch* after, Branch* fresh, Extent size) {
  Node* node = after->parent;
  if (!node) {  // the root
    root_ = node = static_cast<Node*>(arena_.take(sizeof(Node)));
    ++height_;
    set(node, node->count++, after, total_);
  }
  uint32_t at = after->place + 1u;
  if (node->count == Node::kKids) {
    uint32_t keep = at == Node::kKids ? at - 1 : Node::kKids / 2;
    auto* half = static_cast<Node*>(arena_.take(sizeof(Node)));
    Extent moved;
    for (uint32_t k = keep; k < Node::kKids; ++k) {
      set(half, half->count++, node->kids[k], node->sizes[k]);
      moved += node->sizes[k];
    }
    node->count = static_cast<uint16_t>(keep);
    hang_branch(node, half, moved);
    if (at > keep) node = half, at -= keep;
  }
  for (uint32_t k = node->count++; k > at; --k) {
    set(node, k, node->kids[k - 1], node->sizes[k - 1]);
  }
  node->sizes[at - 1] -= size;
  set(node, at, fresh, size);
}

Leaf* Leaves::seek(uint32_t& units, bool utf16, uint32_t& before) const {
  uint32_t left = units, chars = 0;
  Branch* at = root_;
  for (uint32_t level = height_; level; --level) {
    const Node* node = static_cast<Node*>(at);
    prefetch(node->kids, sizeof node->kids);
    uint32_t i = 0;
    for (uint32_t size; left > (size = node->sizes[i].units(utf16)); ++i) {
      left -= size;
      chars += node->sizes[i].chars();
    }
    at = node->kids[i];
  }
  units = left;
  before = chars;
  auto* leaf = static_cast<Leaf*>(at);
  prefetch(leaf->spans, sizeof leaf->spans);
  return leaf;
}

Extent Leaves::before(const Leaf* leaf) const {
  Extent sum;
  const Branch* at = leaf;
  for (const Node* node; (node = at->parent); at = node) {
    for (uint32_t i = at->place; i--;) sum += node->sizes[i];
  }
  return sum;
}

bool Leaves::precedes(const Leaf* a, const Leaf* b) {
  const Branch *p = a, *q = b;
  while (p->parent != q->parent) p = p->parent, q = q->parent;
  return p->place < q->place;
}

}  // namespace synckit::text
