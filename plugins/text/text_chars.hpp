// Code points: strict UTF-8 in and out, and the log that keeps every atom's character.
//
// Why: the order of a text lives in spans of local versions (text_tree.hpp); its characters live
// here, in insertion order, so that a span of any length names its characters by number alone.
//
// Invariants
//   - Page p holds the atoms [p * kPageAtoms, (p + 1) * kPageAtoms) at 1, 2 or 4 bytes each, the
//     smallest width that fits its largest character; an absent page holds nothing visible.
//   - Only a page of width 4 can hold a character above U+FFFF (two UTF-16 units).
//
// Threads: as the document that owns it.
#pragma once

#include <synckit/crdt.hpp>
#include <synckit/json.hpp>

#include <bit>

namespace synckit::text {

static_assert(std::endian::native == std::endian::little, "pages hold little endian numbers");

// Moves over at most `most` code points; returns how many there were until the end. `wide` gets
// the number of those above U+FFFF, kBadText when the bytes are not strict UTF-8.
constexpr uint32_t kBadText = 0xffffffff;
uint32_t scan(const uint8_t*& at, const uint8_t* end, uint32_t most, uint32_t& wide);

class CharLog {
 public:
  static constexpr uint32_t kPageAtoms = 1024;

  CharLog() = default;
  CharLog(const CharLog&) = delete;
  CharLog& operator=(const CharLog&) = delete;
  ~CharLog() {
    for (Page* page : pages_) std::free(page);
  }

  void swap(CharLog& other) { pages_.swap(other.pages_); }

  // Stores the first `count` code points of strict UTF-8 as the atoms lv, lv + 1 ... and moves
  // `text` behind them. Returns how many of them are above U+FFFF.
  uint32_t store(uint32_t lv, uint32_t count, const uint8_t*& text);
  // The same for one ASCII character; false where its page is not there yet, or is wide.
  bool append(uint32_t lv, uint8_t letter) {
    size_t p = lv / kPageAtoms;
    if (p >= pages_.size() || !pages_[p] || pages_[p]->shift) return false;
    pages_[p]->put(lv % kPageAtoms, letter);
    return true;
  }
  // How many of the visible atoms [lv, lv + count) are above U+FFFF. Whole pages cost one step.
  uint32_t wide(uint32_t lv, uint32_t count) const;
  // Appends the atoms [lv, lv + count) as UTF-8; with `json`, escaped for a JSON string.
  void write(Writer& out, uint32_t lv, uint32_t count, bool json) const;

 private:
  struct Page {
    uint16_t shift;  // log2 of the bytes of a character; kPageAtoms of them follow
    uint16_t wide;   // characters above U+FFFF; an atom is set once

    template <class Unit>
    Unit& at(uint32_t i) const {
      return reinterpret_cast<Unit*>(const_cast<Page*>(this) + 1)[i];
    }
    uint32_t get(uint32_t i) const {
      return !shift ? at<uint8_t>(i) : shift == 1 ? at<uint16_t>(i) : at<uint32_t>(i);
    }
    void put(uint32_t i, uint32_t code) {
      if (!shift) {
        at<uint8_t>(i) = static_cast<uint8_t>(code);
      } else if (shift == 1) {
        at<uint16_t>(i) = static_cast<uint16_t>(code);
      } else {
        at<uint32_t>(i) = code;
      }
    }
  };

  void widen(Page*& page, uint16_t shift);

  Vec<Page*> pages_;
};

}  // namespace synckit::text
