// synckit/intern.hpp: byte strings as small dense ids, through one hash index.
//
// (scope, bytes) -> id and back. `scope` is any number: 0 for a flat set of strings, the parent's
// id for a tree of names. Ids begin with 1, are dense and reused after remove(), so per-string data
// of the owner is a Vec beside it, sized by slots(); what stands there at 0 is nobody's.
//
// Nothing observable depends on the order inside the index, therefore the hash may be seeded
// differently in each process: the seed is the table's own address, which keeps whoever sends the
// strings from choosing collisions where addresses are random.
//
// Threads: not thread-safe; distinct objects are independent.
#pragma once

#include <synckit/order.hpp>

namespace synckit {

inline constexpr uint32_t kNoId = 0;

class Intern {
 public:
  Intern() { items_.resize(1); }
  Intern(const Intern&) = delete;
  Intern& operator=(const Intern&) = delete;
  ~Intern() {
    for (Item& item : items_) std::free(item.data);
  }

  size_t size() const { return size_; }           // strings that are in
  size_t slots() const { return items_.size(); }  // one more than the highest id ever given
  Bytes bytes(uint32_t id) const { return {items_[id].data, items_[id].len}; }
  uint32_t scope(uint32_t id) const { return items_[id].scope; }

  // kNoId when it is not in.
  uint32_t find(uint32_t scope, Bytes bytes) const {
    return find(scope, bytes, hash(scope, bytes));
  }

  // The id of the string, new when it was not in (then slots() may have grown by one). When
  // memory runs out (an exception), nothing has changed. Bytes are fewer than 4 GiB.
  uint32_t add(uint32_t scope, Bytes bytes) {
    uint32_t h = hash(scope, bytes), id = find(scope, bytes, h);
    if (id) return id;
    if (size_ >= chains_.size()) rehash();
    id = free_;
    if (!id) {
      id = static_cast<uint32_t>(items_.size());
      make_room(items_);
    }
    auto* data = static_cast<uint8_t*>(std::malloc(bytes.len + 1));
    if (!data) out_of_memory();
    if (bytes.len) std::memcpy(data, bytes.data, bytes.len);
    if (id == free_) {
      free_ = items_[id].link;
    } else {
      items_.push_back({});
    }
    uint32_t& head = chains_[h & (chains_.size() - 1)];
    items_[id] = {data, static_cast<uint32_t>(bytes.len), scope, h, head};
    head = id;
    ++size_;
    return id;
  }

  // `id` is in.
  void remove(uint32_t id) {
    Item& item = items_[id];
    uint32_t* link = &chains_[item.hash & (chains_.size() - 1)];
    while (*link != id) link = &items_[*link].link;
    *link = item.link;
    std::free(item.data);
    item.data = nullptr;
    item.link = free_;
    free_ = id;
    --size_;
  }

  // Sorts ids by their bytes, stable. O(n log n), n / 2 ids of scratch.
  void sort(Vec<uint32_t>& ids) const {
    Vec<uint32_t> scratch;
    scratch.resize(ids.size() / 2);
    sort(ids.data(), ids.size(), scratch.data());
  }

 private:
  struct Item {
    uint8_t* data;
    uint32_t len, scope, hash;
    uint32_t link;  // the next of the same chain; of a free item: the next free one
  };

  uint32_t find(uint32_t scope, const Bytes& bytes, uint32_t h) const {
    if (chains_.empty()) return kNoId;
    uint32_t id = chains_[h & (chains_.size() - 1)];
    for (; id; id = items_[id].link) {
      const Item& item = items_[id];
      if (item.hash == h && item.scope == scope && this->bytes(id) == bytes) break;
    }
    return id;
  }

  [[gnu::noinline]] void rehash() {
    Vec<uint32_t> chains;
    chains.resize(chains_.empty() ? 8 : chains_.size() * 2);
    for (uint32_t id = 1; id < items_.size(); ++id) {
      Item& item = items_[id];
      if (!item.data) continue;
      uint32_t& head = chains[item.hash & (chains.size() - 1)];
      item.link = head;
      head = id;
    }
    chains_.swap(chains);
  }

  void sort(uint32_t* ids, size_t count, uint32_t* scratch) const {
    if (count < 2) return;
    size_t left = count / 2, from = 0, right = left, out = 0;
    sort(ids, left, scratch);
    sort(ids + left, count - left, scratch);
    if (!(bytes(ids[left]) < bytes(ids[left - 1]))) return;
    std::memcpy(scratch, ids, left * sizeof(uint32_t));
    while (from < left) {
      bool take_right = right < count && bytes(ids[right]) < bytes(scratch[from]);
      ids[out++] = take_right ? ids[right++] : scratch[from++];
    }
  }

  uint32_t hash(uint32_t scope, const Bytes& bytes) const {
    constexpr uint64_t kMix = 0x9e3779b97f4a7c15u;  // 2^64 / golden ratio, odd
    uint64_t h = (static_cast<uint64_t>(reinterpret_cast<uintptr_t>(this)) ^ scope) * kMix +
                 bytes.len;
    for (size_t at = 0;; at += 8) {
      size_t left = bytes.len - at;
      uint64_t word = 0;
      if (left) std::memcpy(&word, bytes.data + at, left < 8 ? left : 8);
      h = (h ^ word) * kMix;
      h ^= h >> 32;
      if (left <= 8) return static_cast<uint32_t>(h * kMix >> 32);
    }
  }

  Vec<Item> items_;  // the first is nobody's
  Vec<uint32_t> chains_;  // heads, a power of two of them
  size_t size_ = 0;
  uint32_t free_ = kNoId;
};

}  // namespace synckit
