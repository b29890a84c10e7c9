// What a plain, unreplicated text costs on the same trace: the floor that a text CRDT is compared
// with. Positions and counts are bytes (the traces are ASCII; the caller checks).
#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace synckit::bench {

// One array with a hole at the cursor.
class GapBuffer {
 public:
  void splice(size_t position, size_t remove, std::string_view insert) {
    move_gap(position);
    gap_end_ += remove;
    if (gap_end_ - gap_ < insert.size()) grow(insert.size());
    std::memcpy(units_.data() + gap_, insert.data(), insert.size());
    gap_ += insert.size();
  }
  std::string text() const {
    return std::string(units_.data(), gap_) +
           std::string(units_.data() + gap_end_, units_.size() - gap_end_);
  }

 private:
  void move_gap(size_t position) {
    if (position < gap_) {
      size_t moved = gap_ - position;
      std::memmove(units_.data() + gap_end_ - moved, units_.data() + position, moved);
      gap_end_ -= moved;
    } else if (position > gap_) {
      size_t moved = position - gap_;
      std::memmove(units_.data() + gap_, units_.data() + gap_end_, moved);
      gap_end_ += moved;
    }
    gap_ = position;
  }
  void grow(size_t need) {
    size_t tail = units_.size() - gap_end_;
    std::vector<char> bigger(2 * units_.size() + need);
    std::memcpy(bigger.data(), units_.data(), gap_);
    std::memcpy(bigger.data() + bigger.size() - tail, units_.data() + gap_end_, tail);
    gap_end_ = bigger.size() - tail;
    units_.swap(bigger);
  }

  std::vector<char> units_ = std::vector<char>(1024);
  size_t gap_ = 0, gap_end_ = 1024;
};

// Chunks of up to kChunk bytes; the last edited one is remembered and the search walks from there.
template <size_t kChunk>
class ChunkedRope {
 public:
  void splice(size_t position, size_t remove, std::string_view insert) {
    seek(position);
    while (remove > 0) {
      std::string& chunk = chunks_[at_];
      size_t offset = position - start_;
      size_t cut = std::min(remove, chunk.size() - offset);
      chunk.erase(offset, cut);
      remove -= cut;
      if (remove > 0) {
        if (position == start_ + chunk.size()) start_ += chunk.size(), ++at_;
      }
    }
    if (insert.empty()) return;
    seek(position);
    chunks_[at_].insert(position - start_, insert);
    if (chunks_[at_].size() > kChunk) split();
  }
  std::string text() const {
    std::string out;
    for (const std::string& chunk : chunks_) out += chunk;
    return out;
  }

 private:
  void seek(size_t position) {
    while (position < start_) start_ -= chunks_[--at_].size();
    while (position > start_ + chunks_[at_].size()) start_ += chunks_[at_++].size();
  }
  void split() {
    std::string& whole = chunks_[at_];
    std::string right = whole.substr(whole.size() / 2);
    whole.resize(whole.size() / 2);
    chunks_.insert(chunks_.begin() + static_cast<std::ptrdiff_t>(at_) + 1, std::move(right));
  }

  std::vector<std::string> chunks_ = std::vector<std::string>(1);
  size_t at_ = 0;     // the chunk last edited
  size_t start_ = 0;  // its position
};

}  // namespace synckit::bench
