// synckit/intern.hpp: byte strings as small dense ids, through one open-addressing hash index.
//
// - Blob: an owned byte string, up to kInside bytes without an allocation; a plain struct that
//   lives in a Vec, so its owner calls release();
// - HashIndex: hash -> id, linear probing, erase without tombstones (backward shift);
// - Intern: (scope, bytes) -> id and back. `scope` is any number: 0 for a flat set of strings, the
//   parent's id for a tree of names. Ids are dense and reused after remove(), so per-string data
//   of the owner is a Vec beside it, sized by slots().
//
// Nothing observable depends on the order inside the index, therefore the hash may be seeded
// differently in each process: the seed is the table's own address, which keeps whoever sends the
// strings from choosing collisions where addresses are random.
//
// Threads: none of these is thread-safe; distinct objects are independent.
#pragma once

#include <synckit/bytes.hpp>

namespace synckit {

inline constexpr uint32_t kNoId = UINT32_MAX;

// Room for one more item, so that the push_back or insert that follows cannot fail.
template <class T>
void make_room(Vec<T>& items) {
  size_t size = items.size();
  items.resize(size + 1);
  items.truncate(size);
}

struct Blob {
  static constexpr size_t kInside = 16;

  uint32_t len = 0, cap = 0;  // cap = 0: the bytes are inside
  union {
    uint8_t inside[kInside] = {};
    uint8_t* heap;
  };

  Bytes bytes() const { return {cap ? heap : inside, len}; }

  // Reuses the allocation that is there. `value` must not be a part of it, and shorter than 4 GiB.
  void assign(Bytes value) {
    if (value.len > (cap ? cap : kInside)) {
      void* moved = std::realloc(cap ? heap : nullptr, value.len);
      if (!moved) out_of_memory();
      heap = static_cast<uint8_t*>(moved);
      cap = static_cast<uint32_t>(value.len);
    }
    len = static_cast<uint32_t>(value.len);
    if (len) std::memcpy(cap ? heap : inside, value.data, len);
  }
  void release() {
    if (cap) std::free(heap);
    len = cap = 0;
  }
};

class HashIndex {
 public:
  // The id for which `same(id)` holds among those entered under `hash`; kNoId without one.
  template <class Same>
  uint32_t find(uint32_t hash, Same&& same) const {
    if (slots_.empty()) return kNoId;
    size_t mask = slots_.size() - 1;
    for (size_t at = hash & mask; slots_[at].id_plus_1; at = (at + 1) & mask) {
      if (slots_[at].hash == hash && same(slots_[at].id_plus_1 - 1)) {
        return slots_[at].id_plus_1 - 1;
      }
    }
    return kNoId;
  }

  // `id` is not in the index. After reserve_one() this cannot fail.
  void insert(uint32_t hash, uint32_t id) {
    reserve_one();
    place(hash, id + 1);
    ++used_;
  }

  void reserve_one() {
    if ((used_ + 1) * 3 <= slots_.size() * 2) return;
    Vec<Slot> old;
    old.resize(slots_.empty() ? 16 : slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.id_plus_1) place(slot.hash, slot.id_plus_1);
    }
  }

  // `id` is in the index under `hash`.
  void erase(uint32_t hash, uint32_t id) {
    size_t mask = slots_.size() - 1, hole = hash & mask;
    while (slots_[hole].id_plus_1 != id + 1) hole = (hole + 1) & mask;
    for (size_t at = (hole + 1) & mask; slots_[at].id_plus_1; at = (at + 1) & mask) {
      // An entry may move back into the hole unless its home lies behind the hole.
      if (((at - slots_[at].hash) & mask) >= ((at - hole) & mask)) {
        slots_[hole] = slots_[at];
        hole = at;
      }
    }
    slots_[hole].id_plus_1 = 0;
    --used_;
  }

 private:
  struct Slot {
    uint32_t hash, id_plus_1;
  };

  void place(uint32_t hash, uint32_t id_plus_1) {
    size_t mask = slots_.size() - 1, at = hash & mask;
    while (slots_[at].id_plus_1) at = (at + 1) & mask;
    slots_[at] = {hash, id_plus_1};
  }

  Vec<Slot> slots_;
  size_t used_ = 0;
};

class Intern {
 public:
  Intern() = default;
  Intern(const Intern&) = delete;
  Intern& operator=(const Intern&) = delete;
  ~Intern() {
    for (Item& item : items_) item.bytes.release();
  }

  size_t size() const { return size_; }         // strings that are in
  size_t slots() const { return items_.size(); }  // one more than the highest id ever given
  Bytes bytes(uint32_t id) const { return items_[id].bytes.bytes(); }
  uint32_t scope(uint32_t id) const { return items_[id].scope; }

  uint32_t find(uint32_t scope, Bytes bytes) const {
    return find(scope, bytes, hash(scope, bytes));
  }

  // The id of the string, new when it was not in (then slots() may have grown by one). When
  // memory runs out (an exception), nothing has changed.
  uint32_t add(uint32_t scope, Bytes bytes) {
    uint32_t h = hash(scope, bytes), id = find(scope, bytes, h);
    if (id != kNoId) return id;
    index_.reserve_one();
    if (free_ == kNoId) {
      items_.push_back({});
      free_ = static_cast<uint32_t>(items_.size() - 1);
      items_[free_].scope = kNoId;
    }
    id = free_;
    Item& item = items_[id];
    item.bytes.assign(bytes);
    free_ = item.scope;
    item.scope = scope;
    item.hash = h;
    index_.insert(h, id);
    ++size_;
    return id;
  }

  // `id` is in.
  void remove(uint32_t id) {
    Item& item = items_[id];
    index_.erase(item.hash, id);
    item.bytes.release();
    item.scope = free_;
    free_ = id;
    --size_;
  }

 private:
  struct Item {
    Blob bytes;
    uint32_t scope;  // of a free item: the next free one
    uint32_t hash;
  };

  uint32_t find(uint32_t scope, Bytes bytes, uint32_t h) const {
    return index_.find(h, [&](uint32_t id) {
      return items_[id].scope == scope && items_[id].bytes.bytes() == bytes;
    });
  }

  uint32_t hash(uint32_t scope, Bytes bytes) const {
    constexpr uint64_t kMix = 0x9e3779b97f4a7c15u;  // 2^64 / golden ratio, odd
    uint64_t h = (static_cast<uint64_t>(reinterpret_cast<uintptr_t>(this)) ^ scope) * kMix +
                 bytes.len;
    const uint8_t* at = bytes.data;
    size_t left = bytes.len;
    for (; left >= 8; at += 8, left -= 8) {
      uint64_t word;
      std::memcpy(&word, at, 8);
      h = mix((h ^ word) * kMix);
    }
    uint64_t word = 0;
    for (; left; --left) word = word << 8 | *at++;
    h = mix((h ^ word) * kMix) * kMix;
    return static_cast<uint32_t>(h >> 32);
  }
  static uint64_t mix(uint64_t h) { return h ^ (h >> 32); }

  Vec<Item> items_;
  HashIndex index_;
  size_t size_ = 0;
  uint32_t free_ = kNoId;
};

}  // namespace synckit
