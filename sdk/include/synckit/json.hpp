// synckit/json.hpp: just enough JSON for a type that stores values as the bytes it was given.
//
// - JsonScanner, json_check: a strict RFC 8259 validator (one value, UTF-8, depth at most
//   kMaxJsonDepth);
// - JsonItems: the members of an object, their names decoded, by the same scanner;
// - json_string: bytes as a JSON string.
//
// Choices where the RFC leaves one: an escaped lone surrogate is refused (it is no Unicode text and
// other parsers choke on it); repeated member names pass, and whoever looks a name up takes the
// last one, as JSON.parse does; numbers may be of any length. Nothing is allocated but room for a
// decoded name that has escapes.
//
// Threads: pure functions and independent objects.
#pragma once

#include <synckit/bytes.hpp>

namespace synckit {

inline constexpr unsigned kMaxJsonDepth = 64;

// Length of the well-formed UTF-8 sequence at `at` (before `end`), 0 when there is none: no
// surrogates, no overlong forms, nothing above U+10FFFF (Unicode 15, table 3-7).
inline size_t utf8_length(const uint8_t* at, const uint8_t* end) {
  uint8_t lead = *at;
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  size_t len = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (static_cast<size_t>(end - at) < len) return 0;
  uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  if (at[1] < low || at[1] > high) return 0;
  for (size_t i = 2; i < len; ++i) {
    if ((at[i] & 0xc0) != 0x80) return 0;
  }
  return len;
}

inline bool utf8_valid([[maybe_unused]] Bytes text) {
#if !defined(SYNCKIT_LITE)  // which reads what TextEncoder wrote, or what the host has checked
  for (const uint8_t *at = text.data, *end = at + text.len; at != end;) {
    size_t len = utf8_length(at, end);
    if (len == 0) return false;
    at += len;
  }
#endif
  return true;
}

// Goes over untrusted bytes, token by token. What does not fit gives false, and the scanner is of
// no further use.
class JsonScanner {
 public:
  explicit JsonScanner(Bytes text) : at_(text.data), end_(at_ + text.len) {}

  const uint8_t* at() const { return at_; }

  // The next byte that is no space, left there; 0 at the end.
  uint8_t peek() {
    for (; at_ != end_; ++at_) {
      if (*at_ > ' ' || !(0x100002600u >> *at_ & 1)) return *at_;  // space, \t, \n, \r
    }
    return 0;
  }
  // The next byte, when it is `c`; with space before it.
  bool token(uint8_t c) { return peek() == c && take(c); }

#if defined(SYNCKIT_LITE)
  // To the end of a value that the host, or JSON.stringify, is known to have written well. How deep
  // it nests is checked all the same: what reads it calls itself so often.
  bool value(unsigned depth) {
    bool quoted = false;
    for (; at_ != end_; ++at_) {
      uint8_t c = *at_;
      if (c == '"') {
        quoted = !quoted;
      } else if (quoted) {
        if (c == '\\' && at_ + 1 != end_) ++at_;
      } else if (c == '{' || c == '[') {
        if (depth++ == kMaxJsonDepth) return false;
      } else if (c == '}' || c == ']') {
        if (depth-- == 0) break;
      } else if (c == ',' && depth == 0) {
        break;
      }
    }
    return true;
  }
#else
  bool value(unsigned depth) {
    uint8_t c = peek();
    if (c == '"') return string(nullptr);
    if (c == '{' || c == '[') return depth < kMaxJsonDepth && container(depth + 1);
    for (const char* word : {"true", "false", "null"}) {
      if (c != static_cast<uint8_t>(*word)) continue;
      while (*word && take(static_cast<uint8_t>(*word))) ++word;
      return !*word;
    }
    return number();
  }
#endif

  // A string; what it stands for is appended to `decoded` where it is wanted.
  SK_ONCE bool string(Vec<uint8_t>* decoded) {
    if (!token('"')) return false;
    while (at_ != end_ && *at_ >= 0x20) {
      if (take('"')) return true;
      size_t len = 1;
      if (*at_ == '\\') {
        ++at_;
        uint32_t code = escape();
        if (code > 0x10ffff) return false;
        if (decoded) append(*decoded, code);
        continue;
      }
#if !defined(SYNCKIT_LITE)
      if (*at_ >= 0x80) len = utf8_length(at_, end_);
#endif
      if (len == 0) return false;
      if (decoded) decoded->append(at_, len);
      at_ += len;
    }
    return false;
  }

 private:
  static constexpr uint32_t kNone = 0x200000;

  bool take(uint8_t c) { return at_ != end_ && *at_ == c && (++at_, true); }

  bool digits() {
    const uint8_t* first = at_;
    while (at_ != end_ && *at_ - unsigned{'0'} < 10) ++at_;
    return at_ != first;
  }

  bool number() {
    take('-');
    bool good = take('0') || digits();
    if (good && take('.')) good = digits();
    if (good && (take('e') || take('E'))) {
      if (!take('+')) take('-');
      good = digits();
    }
    return good;
  }

  // The four hexadecimal digits of an escape; kNone when they are not.
  uint32_t unit() {
    uint32_t value = 0;
    for (int i = 0; i < 4; ++i) {
      uint32_t c = at_ == end_ ? 0 : *at_++, digit = c - '0';
      if (digit > 9) {
        digit = (c | 0x20) - 'a' + 10;
        if (digit - 10 > 5) return kNone;
      }
      value = value << 4 | digit;
    }
    return value;
  }

  // The code point of an escape, after its backslash; above all code points when it is none.
  uint32_t escape() {
    if (take('u')) {
      uint32_t high = unit();
      if (high - 0xd800 >= 0x800) return high;
      if (high >= 0xdc00 || !take('\\') || !take('u')) return kNone;
      uint32_t low = unit() - 0xdc00;
      return low < 0x400 ? 0x10000 + ((high - 0xd800) << 10) + low : kNone;
    }
    for (const char* known = "\"\"\\\\//b\bf\fn\nr\rt\t"; *known; known += 2) {
      if (take(static_cast<uint8_t>(*known))) return static_cast<uint8_t>(known[1]);
    }
    return kNone;
  }

  static void append(Vec<uint8_t>& out, uint32_t code) {
    int more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    out.push_back(static_cast<uint8_t>((more ? 0xff00 >> (more + 1) : 0) | code >> 6 * more));
    while (more--) out.push_back(static_cast<uint8_t>(0x80 | (code >> 6 * more & 0x3f)));
  }

  SK_ONCE bool container(unsigned depth) {
    bool object = *at_++ == '{';
    uint8_t close = object ? '}' : ']';
    if (token(close)) return true;
    do {
      if (object && !(string(nullptr) && token(':'))) return false;
      if (!value(depth)) return false;
    } while (token(','));
    return token(close);
  }

  const uint8_t *at_, *end_;
};

inline bool json_valid(Bytes text) {
  JsonScanner scanner(text);
  return scanner.value(0) && scanner.peek() == 0 && scanner.at() == text.data + text.len;
}

// Is `text` exactly one JSON value?
inline Status json_check(Bytes text) {
  return json_valid(text) ? Status{}
                          : Status::malformed(SK_TEXT(
                                "malformed JSON: not one value of RFC 8259, or nested too deep"));
}

inline bool json_is_object(Bytes value) { return JsonScanner(value).peek() == '{'; }

// Walks the members of a value that json_check accepted; of anything but an object there are none.
// What it gives holds until the next step.
class JsonItems {
 public:
  explicit JsonItems(Bytes object) : scanner_(object) {}

  Bytes name, value;  // the name decoded
  Bytes written;      // the name as it is written, quotes included

  bool next() {
    if (!scanner_.token(written.data ? ',' : '{') || scanner_.peek() != '"') return false;
    const uint8_t* from = scanner_.at();
    decoded_.clear();
    scanner_.string(&decoded_);
    name = {decoded_.data(), decoded_.size()};
    written = {from, static_cast<size_t>(scanner_.at() - from)};
    scanner_.token(':');
    scanner_.peek();
    const uint8_t* at = scanner_.at();
    scanner_.value(0);
    value = {at, static_cast<size_t>(scanner_.at() - at)};
    return true;
  }

 private:
  JsonScanner scanner_;
  Vec<uint8_t> decoded_;
};

// As JSON.stringify writes it: only what must be is escaped, in its short form.
inline void json_string(Writer& out, Bytes text) {
  out.byte('"');
  for (size_t i = 0; i < text.len; ++i) {
    uint8_t c = text.data[i];
    if (c < 0x20 || c == '"' || c == '\\') {
      out.byte('\\');
      if (c - 8u < 6 && c != 11) {
        c = static_cast<uint8_t>("btn.fr"[c - 8]);
      } else if (c < 0x20) {
        out.raw("u00", 3);
        out.byte(static_cast<uint8_t>('0' + (c >> 4)));
        c = static_cast<uint8_t>("0123456789abcdef"[c & 15]);
      }
    }
    out.byte(c);
  }
  out.byte('"');
}

}  // namespace synckit
