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
// decoded name.
//
// In modules for browsers (SYNCKIT_CLIENT_ONLY) all JSON is JSON.stringify's, or was inspected by
// the host, and only JavaScript looks into it: there is nothing there but json_check, which looks
// only for what JSON.stringify lets pass (ADR 8). Whatever the bytes are, they are read within
// their bounds.
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
#if !defined(SYNCKIT_CLIENT_ONLY)
  for (const uint8_t *at = text.data, *end = at + text.len; at != end;) {
    size_t len = utf8_length(at, end);
    if (len == 0) return false;
    at += len;
  }
#endif
  return true;
}

inline constexpr char kHexDigits[] = "0123456789abcdef";
inline constexpr char kShortEscapes[] = "btnbfr";  // of the characters from 8 on; 11 has none

#if !defined(SYNCKIT_CLIENT_ONLY)

// Goes over untrusted bytes, token by token. What does not fit gives false, and the scanner is of
// no further use.
class JsonScanner {
 public:
  explicit JsonScanner(Bytes text) : at_(text.data), end_(at_ + text.len) {}

  const uint8_t* at() const { return at_; }

  // The next byte that is no space, left there; 0 at the end.
  SK_ONCE uint8_t peek() {
    for (; at_ != end_; ++at_) {
      if (*at_ > ' ' || !(0x100002600u >> *at_ & 1)) return *at_;  // space, \t, \n, \r
    }
    return 0;
  }
  // The next byte, when it is `c`; with space before it.
  SK_ONCE bool token(uint8_t c) { return peek() == c && take(c); }

  // The bytes of the next value, or as far as it is one.
  Bytes item() {
    peek();
    const uint8_t* from = at_;
    value(0);
    return {from, static_cast<size_t>(at_ - from)};
  }

  bool value(unsigned depth) {
    uint8_t c = peek();
    if (c == '"') return string();
    if (c == '{' || c == '[') return depth < kMaxJsonDepth && container(depth + 1);
    for (const char* word : {"true", "false", "null"}) {
      if (c != static_cast<uint8_t>(*word)) continue;
      while (*word && take(static_cast<uint8_t>(*word))) ++word;
      return !*word;
    }
    return number();
  }

 private:
  bool string() {
    if (!token('"')) return false;
    while (at_ != end_ && *at_ >= 0x20) {
      if (take('"')) return true;
      if (take('\\')) {
        if (!escape()) return false;
        continue;
      }
      size_t len = *at_ < 0x80 ? 1 : utf8_length(at_, end_);
      if (len == 0) return false;
      at_ += len;
    }
    return false;
  }

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

  // The four hexadecimal digits of an escape; 0x10000 when they are not.
  uint32_t unit() {
    uint32_t value = 0;
    for (int i = 0; i < 4; ++i) {
      uint32_t c = at_ == end_ ? 0 : *at_++, digit = c - '0';
      if (digit > 9) {
        digit = (c | 0x20) - 'a' + 10;
        if (digit - 10 > 5) return 0x10000;
      }
      value = value << 4 | digit;
    }
    return value;
  }

  // The rest of an escape, after its backslash; halves of surrogate pairs stand together.
  bool escape() {
    if (!take('u')) {
      for (const char* known = "\"\\/bfnrt"; *known; ++known) {
        if (take(static_cast<uint8_t>(*known))) return true;
      }
      return false;
    }
    uint32_t high = unit();
    if (high - 0xd800 >= 0x800) return high < 0x10000;
    return high < 0xdc00 && take('\\') && take('u') && unit() - 0xdc00 < 0x400;
  }

  bool container(unsigned depth) {
    bool object = *at_++ == '{';
    uint8_t close = object ? '}' : ']';
    if (token(close)) return true;
    do {
      if (object && !(string() && token(':'))) return false;
      if (!value(depth)) return false;
    } while (token(','));
    return token(close);
  }

  bool take(uint8_t c) { return at_ != end_ && *at_ == c && (++at_, true); }

  const uint8_t *at_, *end_;
};

#endif

inline bool json_valid(Bytes text) {
#if defined(SYNCKIT_CLIENT_ONLY)
  // What reads it calls itself as often as it nests. Of halves of surrogate pairs alone
  // JSON.stringify writes escapes that begin with a "d".
  unsigned depth = 0;
  bool quoted = false;
  for (const uint8_t *at = text.data, *end = at + text.len; at != end; ++at) {
    uint8_t c = *at;
    if (c == '"') quoted = !quoted;
    if (c == '\\' && end - at > 2 && *++at == 'u' && at[1] == 'd') return false;
    if (quoted) continue;
    if ((c | 0x20) == '}') --depth;
    if ((c | 0x20) == '{' && depth++ == kMaxJsonDepth) return false;
  }
  return true;
#else
  JsonScanner scanner(text);
  return scanner.value(0) && scanner.peek() == 0 && scanner.at() == text.data + text.len;
#endif
}

// Is `text` exactly one JSON value?
inline Status json_check(Bytes text) {
  return json_valid(text) ? Status{}
                          : Status::malformed(SK_TEXT(
                                "malformed JSON: not one value of RFC 8259, or nested too deep"));
}

#if !defined(SYNCKIT_CLIENT_ONLY)

inline bool json_is_object(Bytes value) { return JsonScanner(value).peek() == '{'; }

// What a string stands for that json_check accepted (any bytes give some).
SK_ONCE inline void json_decode(Bytes quoted, Vec<uint8_t>& out) {
  uint32_t high = 0;  // half of a pair
  out.clear();
  for (size_t at = 1; at + 1 < quoted.len; ++at) {
    uint32_t c = quoted.data[at];
    bool escaped = c == '\\';
    if (escaped) c = quoted.data[++at];
    if (escaped && c == 'u') {
      c = 0;
      for (size_t digits = 4; digits && at + 2 < quoted.len; --digits) {
        uint32_t digit = quoted.data[++at];
        c = c << 4 | ((digit & 15) + 9 * (digit >> 6));
      }
      if (c - 0xd800 < 0x400) {
        high = c - 0xd7c0;
        continue;
      }
      if (c - 0xdc00 < 0x400) c = high << 10 | (c & 0x3ff);
    } else if (escaped) {
      for (uint32_t i = 0; i < 6; ++i) {
        if (c == static_cast<uint8_t>(kShortEscapes[i])) c = 8 + i;
      }
    }
    int more = !escaped || c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    out.push_back(static_cast<uint8_t>((more ? 0xff00 >> (more + 1) : 0) | c >> 6 * more));
    while (more--) out.push_back(static_cast<uint8_t>(0x80 | (c >> 6 * more & 0x3f)));
  }
}

// Walks the members of a value that json_check accepted; of anything but an object there are none.
// What it gives holds until the next step.
class JsonItems {
 public:
  explicit JsonItems(Bytes object) : scanner_(object) {}

  Bytes name, value;  // the name decoded
  Bytes written;      // the name as it is written, quotes included

  SK_ONCE bool next() {
    if (!scanner_.token(written.data ? ',' : '{') || scanner_.peek() != '"') return false;
    written = scanner_.item();
    scanner_.token(':');
    value = scanner_.item();
    json_decode(written, decoded_);
    name = {decoded_.data(), decoded_.size()};
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
        c = static_cast<uint8_t>(kShortEscapes[c - 8]);
      } else if (c < 0x20) {
        out.raw("u00", 3);
        out.byte(static_cast<uint8_t>('0' + (c >> 4)));
        c = static_cast<uint8_t>(kHexDigits[c & 15]);
      }
    }
    out.byte(c);
  }
  out.byte('"');
}

#endif

}  // namespace synckit
