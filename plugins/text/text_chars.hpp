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

#include <synckit/bytes.hpp>

namespace synckit::text {

// Reads one code point at `at` (at < end) and advances. False: not strict UTF-8 (RFC 3629).
inline bool next_code_point(const uint8_t*& at, const uint8_t* end, uint32_t& code) {
  uint32_t lead = *at++;
  if (lead < 0x80) {
    code = lead;
    return true;
  }
  if (lead < 0xc2 || lead > 0xf4) return false;
  int more = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
  if (end - at < more) return false;
  code = lead & (0x3fu >> more);
  for (int i = 0; i < more; ++i) {
    if ((*at & 0xc0) != 0x80) return false;
    code = code << 6 | (*at++ & 0x3fu);
  }
  if (more == 1) return true;
  return code >= (more == 2 ? 0x800u : 0x10000u) && code <= 0x10ffff && (code >> 11) != 0x1b;
}

// Length of the ASCII that `count` bytes begin with. Most text is, and goes by the word.
inline size_t ascii_prefix(const uint8_t* at, size_t count) {
  size_t n = 0;
  for (uint64_t word = 0; n + 8 <= count; n += 8) {
    std::memcpy(&word, at + n, 8);
    if (word & 0x8080808080808080u) break;
  }
  while (n < count && at[n] < 0x80) ++n;
  return n;
}

// Moves over `count` code points. False when there are fewer, or not strict UTF-8.
inline bool check_code_points(const uint8_t*& at, const uint8_t* end, uint32_t count) {
  uint32_t code = 0;
  while (count) {
    size_t left = static_cast<size_t>(end - at);
    size_t ascii = ascii_prefix(at, left < count ? left : count);
    at += ascii;
    count -= static_cast<uint32_t>(ascii);
    if (!count) break;
    if (at == end || !next_code_point(at, end, code)) return false;
    --count;
  }
  return true;
}

// Number of code points in strict UTF-8, and how many are above U+FFFF. False when it is not.
inline bool count_code_points(Bytes text, uint32_t& chars, uint32_t& wide) {
  const uint8_t* at = text.data;
  const uint8_t* end = at + text.len;
  uint32_t code = 0;
  chars = wide = 0;
  while (at != end) {
    if (!next_code_point(at, end, code)) return false;
    ++chars;
    wide += code > 0xffff;
  }
  return true;
}

// The byte after `count` code points of text that is known to be strict UTF-8.
inline const uint8_t* skip_code_points(const uint8_t* at, uint32_t count) {
  while (count--) at += *at < 0x80 ? 1 : *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : 4;
  return at;
}

class CharLog {
 public:
  static constexpr uint32_t kPageAtoms = 1024;

  CharLog() = default;
  CharLog(const CharLog&) = delete;
  CharLog& operator=(const CharLog&) = delete;
  ~CharLog() {
    for (uint8_t* page : pages_) std::free(page);
  }

  uint32_t get(uint32_t lv) const {
    const uint8_t* page = pages_[lv / kPageAtoms];
    uint32_t i = lv % kPageAtoms;
    const uint8_t* data = page + kHeader;
    if (*page == 1) return data[i];
    if (*page == 2) return reinterpret_cast<const uint16_t*>(data)[i];
    return reinterpret_cast<const uint32_t*>(data)[i];
  }

  void set(uint32_t lv, uint32_t code) {
    uint8_t width = code < 0x100 ? 1 : code < 0x10000 ? 2 : 4;
    uint32_t at = lv / kPageAtoms;
    if (at >= pages_.size()) pages_.resize(at + 1);
    if (!pages_[at] || *pages_[at] < width) widen(pages_[at], width);
    put(pages_[at], lv % kPageAtoms, code);
    if (width == 4) ++reinterpret_cast<uint16_t*>(pages_[at])[1];
  }

  // Stores the first `count` code points of strict UTF-8 as the atoms lv, lv + 1 ... Returns how
  // many of them are above U+FFFF.
  uint32_t store(uint32_t lv, uint32_t count, const uint8_t* at, const uint8_t* end) {
    uint32_t sum = 0, code = 0;
    while (count) {
      uint32_t room = kPageAtoms - lv % kPageAtoms;
      auto run = static_cast<uint32_t>(ascii_prefix(at, room < count ? room : count));
      if (run) {
        if (run <= kShortRun || !store_ascii(lv, run, at)) {
          for (uint32_t i = 0; i < run; ++i) set(lv + i, at[i]);
        }
        lv += run, at += run, count -= run;
        continue;
      }
      if (!next_code_point(at, end, code)) break;
      set(lv++, code);
      sum += code > 0xffff;
      --count;
    }
    return sum;
  }

  // How many of the visible atoms [lv, lv + count) are above U+FFFF. Whole pages cost one step.
  uint32_t wide(uint32_t lv, uint32_t count) const {
    uint32_t sum = 0;
    for (uint32_t end = lv + count; lv < end;) {
      uint32_t stop = (lv / kPageAtoms + 1) * kPageAtoms;
      if (stop > end) stop = end;
      const uint8_t* page = pages_[lv / kPageAtoms];
      uint32_t all = wide_of(page);
      if (stop - lv == kPageAtoms) {
        sum += all;
      } else if (all) {
        for (uint32_t i = lv; i < stop; ++i) sum += get(i) > 0xffff;
      }
      lv = stop;
    }
    return sum;
  }

  // Appends the atoms [lv, lv + count) as UTF-8; with `json`, escaped for a JSON string.
  void write(Writer& out, uint32_t lv, uint32_t count, bool json) const {
    uint8_t chunk[256];
    size_t n = 0;
    for (uint32_t end = lv + count; lv < end; ++lv) {
      if (n > sizeof chunk - 8) out.raw(chunk, n), n = 0;
      uint32_t c = get(lv);
      if (c < 0x80) {
        if (json && (c < 0x20 || c == '"' || c == '\\')) {
          n += escape(chunk + n, c);
        } else {
          chunk[n++] = static_cast<uint8_t>(c);
        }
        continue;
      }
      if (c < 0x800) {
        chunk[n++] = static_cast<uint8_t>(0xc0 | c >> 6);
      } else {
        if (c < 0x10000) {
          chunk[n++] = static_cast<uint8_t>(0xe0 | c >> 12);
        } else {
          chunk[n++] = static_cast<uint8_t>(0xf0 | c >> 18);
          chunk[n++] = static_cast<uint8_t>(0x80 | (c >> 12 & 0x3f));
        }
        chunk[n++] = static_cast<uint8_t>(0x80 | (c >> 6 & 0x3f));
      }
      chunk[n++] = static_cast<uint8_t>(0x80 | (c & 0x3f));
    }
    out.raw(chunk, n);
  }

 private:
  // Byte 0 is the width; bytes 2 and 3 count the characters above U+FFFF. An atom is set once.
  static constexpr size_t kHeader = 4;

  static uint32_t wide_of(const uint8_t* page) {
    return reinterpret_cast<const uint16_t*>(page)[1];
  }

  static constexpr uint32_t kShortRun = 8;  // not worth a copy

  // Copies a run inside one page. False when the page is a wide one.
  bool store_ascii(uint32_t lv, uint32_t count, const uint8_t* at) {
    uint32_t p = lv / kPageAtoms;
    if (p >= pages_.size()) pages_.resize(p + 1);
    if (!pages_[p]) widen(pages_[p], 1);
    if (*pages_[p] != 1) return false;
    std::memcpy(pages_[p] + kHeader + lv % kPageAtoms, at, count);
    return true;
  }

  static void put(uint8_t* page, uint32_t i, uint32_t code) {
    uint8_t* data = page + kHeader;
    if (*page == 1) {
      data[i] = static_cast<uint8_t>(code);
    } else if (*page == 2) {
      reinterpret_cast<uint16_t*>(data)[i] = static_cast<uint16_t>(code);
    } else {
      reinterpret_cast<uint32_t*>(data)[i] = code;
    }
  }

  void widen(uint8_t*& page, uint8_t width) {
    auto* wider = static_cast<uint8_t*>(std::calloc(1, kHeader + size_t{kPageAtoms} * width));
    if (!wider) out_of_memory();
    *wider = width;
    if (page) {  // a page that grows held nothing above U+FFFF
      const uint8_t* data = page + kHeader;  // 1 -> 2, 1 -> 4 or 2 -> 4
      for (uint32_t i = 0; i < kPageAtoms; ++i) {
        put(wider, i, *page == 1 ? data[i] : reinterpret_cast<const uint16_t*>(data)[i]);
      }
      std::free(page);
    }
    page = wider;
  }

  static size_t escape(uint8_t* out, uint32_t c) {
    out[0] = '\\';
    out[1] = static_cast<uint8_t>(c);
    if (c >= 0x20) return 2;  // the quote and the backslash
    if (c >= 8 && c <= 13 && c != 11) {
      out[1] = static_cast<uint8_t>("btn.fr"[c - 8]);
      return 2;
    }
    out[1] = 'u', out[2] = '0', out[3] = '0';
    out[4] = static_cast<uint8_t>('0' + (c >> 4));
    out[5] = static_cast<uint8_t>("0123456789abcdef"[c & 15]);
    return 6;
  }

  Vec<uint8_t*> pages_;
};

}  // namespace synckit::text
