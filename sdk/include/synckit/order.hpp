// synckit/order.hpp: the two ordered things that every deterministic encoding needs.
//
// - sort_ids: a stable merge sort of ids by a caller's "less": one instance of machine code for
//   all callers of a module, where std::sort would be one for each;
// - ReplicaMap: per-replica records in a sorted array, found by binary search.
//
// Threads: pure functions and independent objects.
#pragma once

#include <synckit/bytes.hpp>

namespace synckit {

using IdLess = bool (*)(const void* context, uint32_t a, uint32_t b);

// O(n log n) calls of `less`, n ids of scratch; input that is in order already costs n calls.
inline void sort_ids(Vec<uint32_t>& ids, IdLess less, const void* context) {
  size_t count = ids.size();
  Vec<uint32_t> scratch;
  scratch.resize(count);
  for (size_t width = 1; width < count; width *= 2) {
    for (size_t begin = 0; begin < count; begin += 2 * width) {
      size_t middle = begin + width < count ? begin + width : count;
      size_t end = middle + width < count ? middle + width : count;
      size_t left = begin, right = middle;
      if (middle == end || !less(context, ids[middle], ids[middle - 1])) {
        std::memcpy(&scratch[begin], &ids[begin], (end - begin) * sizeof(uint32_t));
        continue;
      }
      for (size_t out = begin; out < end; ++out) {
        bool take_right =
            left == middle || (right < end && less(context, ids[right], ids[left]));
        scratch[out] = ids[take_right ? right++ : left++];
      }
    }
    ids.swap(scratch);
  }
}

// Sorts by a lambda `less(a, b)`; the lambda lives on the caller's stack.
template <class Less>
void sort_ids(Vec<uint32_t>& ids, const Less& less) {
  sort_ids(
      ids,
      [](const void* context, uint32_t a, uint32_t b) {
        return (*static_cast<const Less*>(context))(a, b);
      },
      &less);
}

// Item is a plain struct with a member `replica`.
template <class Item>
class ReplicaMap {
 public:
  Item* find(uint64_t replica) {
    return const_cast<Item*>(static_cast<const ReplicaMap*>(this)->find(replica));
  }
  const Item* find(uint64_t replica) const {
    size_t at = position(replica);
    return at < items_.size() && items_[at].replica == replica ? &items_[at] : nullptr;
  }

  // The record of `replica`, all zero but for its id when it is new. O(n) when new.
  Item& at(uint64_t replica) {
    size_t at = position(replica);
    if (at == items_.size() || items_[at].replica != replica) {
      Item fresh{};
      fresh.replica = replica;
      items_.insert(at, fresh);
    }
    return items_[at];
  }

  // Index of the first record whose replica is not below. Replicas come in runs: the last
  // answer is tried first.
  size_t position(uint64_t replica) const {
    if (last_ < items_.size() && items_[last_].replica == replica) return last_;
    size_t low = 0, high = items_.size();
    while (low < high) {
      size_t middle = (low + high) / 2;
      if (items_[middle].replica < replica) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    last_ = low;
    return low;
  }

  Vec<Item>& items() { return items_; }
  const Vec<Item>& items() const { return items_; }

 private:
  Vec<Item> items_;
  mutable size_t last_ = 0;
};

}  // namespace synckit
