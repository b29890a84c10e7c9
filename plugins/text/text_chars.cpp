// Code points and their log: see text_chars.hpp.
#include "text_chars.hpp"

namespace synckit::text {

// How many bytes follow the first one of a character.
static size_t following(uint8_t lead) {
  return lead < 0x80 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
}

uint32_t scan(const uint8_t*& at, const uint8_t* end, uint32_t most, uint32_t& wide) {
  uint32_t count = 0;
  wide = 0;
  for (; count < most && at != end; ++count) {
    size_t length = *at < 0x80 ? 1 : utf8_length(at, end);
    if (!length) {
      wide = kBadText;
      break;
    }
    wide += length == 4;
    at += length;
  }
  return count;
}

void CharLog::widen(Page*& page, uint16_t shift) {
  auto* wider = static_cast<Page*>(std::calloc(1, sizeof(Page) + (kPageAtoms << shift)));
  if (!wider) out_of_memory();
  wider->shift = shift;
  if (page) {  // a page that grows held nothing above U+FFFF
    for (uint32_t i = 0; i < kPageAtoms; ++i) wider->put(i, page->get(i));
    std::free(page);
  }
  page = wider;
}

uint32_t CharLog::store(uint32_t lv, uint32_t count, const uint8_t*& text) {
  const uint8_t* at = text;
  uint32_t sum = 0;
  for (uint32_t end = lv + count; lv < end; ++lv) {
    uint32_t p = lv / kPageAtoms, code = *at++;
    if (size_t more = following(at[-1])) {
      for (code &= 0x3fu >> more; more--;) code = code << 6 | (*at++ & 0x3fu);
    }
    if (p >= pages_.size()) pages_.resize(p + 1);
    Page* page = pages_[p];
    uint16_t shift = (code > 0xff) + (code > 0xffff);
    if (!page || page->shift < shift) widen(pages_[p], shift), page = pages_[p];
    page->put(lv % kPageAtoms, code);
    if (shift == 2) ++page->wide, ++sum;
  }
  text = at;
  return sum;
}

uint32_t CharLog::wide(uint32_t lv, uint32_t count) const {
  uint32_t sum = 0;
  for (uint32_t end = lv + count; lv < end;) {
    const Page* page = pages_[lv / kPageAtoms];
    uint32_t i = lv % kPageAtoms;
    if (page->wide && (i || end - lv < kPageAtoms)) {
      sum += page->at<uint32_t>(i) > 0xffff;
      ++lv;
    } else {  // the whole page, or nothing of it matters
      sum += page->wide;
      lv += kPageAtoms - i;
    }
  }
  return sum;
}

void CharLog::write(Writer& out, uint32_t lv, uint32_t count, bool json) const {
  uint8_t chunk[256];
  size_t n = 0;
  for (uint32_t end = lv + count; lv < end; ++lv) {
    if (n > sizeof chunk - 8) out.raw(chunk, n), n = 0;
    uint32_t c = pages_[lv / kPageAtoms]->get(lv % kPageAtoms);
    if (c < 0x80) {
      if (json && (c < 0x20 || c == '"' || c == '\\')) {
        chunk[n++] = '\\';
        if (c < 0x20) {
          // What has a short escape; else \u00xx.
          uint32_t hex = c & 15;
          c = c >= 8 && c <= 13 && c != 11 ? static_cast<uint8_t>("btn.fr"[c - 8]) : c >> 4 | '0';
          if (c < 'a') {
            std::memcpy(chunk + n, "u00", 3);
            chunk[n + 3] = static_cast<uint8_t>(c);
            n += 4;
            c = hex + (hex < 10 ? '0' : 'a' - 10);
          }
        }
      }
      chunk[n++] = static_cast<uint8_t>(c);
      continue;
    }
    int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    chunk[n++] = static_cast<uint8_t>(0xff00u >> (more + 1) | c >> 6 * more);
    while (more--) chunk[n++] = static_cast<uint8_t>(0x80 | (c >> 6 * more & 0x3f));
  }
  out.raw(chunk, n);
}

}  // namespace synckit::text
