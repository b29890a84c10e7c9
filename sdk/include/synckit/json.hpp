// synckit/json.hpp: just enough JSON for a type that stores values as the bytes it was given.
//
// - json_check: a strict RFC 8259 validator (one value, UTF-8, depth at most kMaxJsonDepth), which
//   also tells whether the bytes are already in the form that a sorted view wants;
// - JsonItems: walks the members of an object or the elements of an array, without decoding;
// - JsonKey: a member name that compares and prints by its decoded bytes, escaped or not.
//
// Choices where the RFC leaves one: an escaped lone surrogate is refused (it is no Unicode text and
// other parsers choke on it); repeated member names pass, and whoever looks a name up takes the
// last one, as JSON.parse does; numbers may be of any length. No allocation anywhere. Everything
// but json_check expects bytes that json_check accepted.
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

inline bool utf8_valid(Bytes text) {
  for (const uint8_t *at = text.data, *end = at + text.len; at != end;) {
    size_t len = utf8_length(at, end);
    if (len == 0) return false;
    at += len;
  }
  return true;
}

inline bool json_space(uint8_t c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

// One pass over untrusted bytes. Use it through json_check.
class JsonChecker {
 public:
  explicit JsonChecker(Bytes text) : begin_(text.data), at_(begin_), end_(begin_ + text.len) {}

  bool run() {
    space();
    if (!value(0)) return false;
    space();
    return at_ == end_;
  }
  const char* error() const {
    return too_deep_ ? "JSON is nested deeper than kMaxJsonDepth (64) levels"
                     : "malformed JSON: not one value of RFC 8259 in valid UTF-8";
  }
  size_t offset() const { return static_cast<size_t>(at_ - begin_); }  // where it went wrong
  // No space between tokens; names of each object ascending, distinct and without escapes.
  bool sorted() const { return sorted_; }

 private:
  void space() {
    while (at_ != end_ && json_space(*at_)) ++at_, sorted_ = false;
  }
  bool take(uint8_t c) { return at_ != end_ && *at_ == c && (++at_, true); }
  bool digits() {
    const uint8_t* first = at_;
    while (at_ != end_ && *at_ >= '0' && *at_ <= '9') ++at_;
    return at_ != first;
  }

  bool value(unsigned depth) {
    if (at_ == end_) return false;
    switch (*at_) {
      case '{':
      case '[':
        if (depth == kMaxJsonDepth) return too_deep_ = true, false;
        return container(depth);
      case '"': {
        Bytes ignored;
        bool escaped;
        return string(ignored, escaped);
      }
      case 't':
        return literal("true");
      case 'f':
        return literal("false");
      case 'n':
        return literal("null");
      default:
        return number();
    }
  }

  bool literal(const char* word) {
    while (*word && take(static_cast<uint8_t>(*word))) ++word;
    return !*word;
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

  // The four hexadecimal digits of an escape; above 0xffff when they are not.
  unsigned unit() {
    unsigned value = 0;
    for (int i = 0; i < 4; ++i) {
      unsigned c = at_ == end_ ? 0 : *at_++, digit = c - '0';
      if (digit > 9) digit = (c | 0x20) - 'a' < 6 ? (c | 0x20) - 'a' + 10 : 0x10000;
      value = value << 4 | digit;
    }
    return value;
  }

  bool escape() {
    if (take('u')) {
      unsigned high = unit();
      if (high - 0xd800 >= 0x800) return high < 0x10000;
      return high < 0xdc00 && take('\\') && take('u') && unit() - 0xdc00 < 0x400;
    }
    for (const char* known = "\"\\/bfnrt"; *known; ++known) {
      if (take(static_cast<uint8_t>(*known))) return true;
    }
    return false;
  }

  bool string(Bytes& inner, bool& escaped) {
    escaped = false;
    const uint8_t* first = ++at_;
    while (at_ != end_ && *at_ >= 0x20) {
      if (*at_ == '"') {
        inner = {first, static_cast<size_t>(at_ - first)};
        ++at_;
        return true;
      }
      if (take('\\')) {
        escaped = true;
        if (!escape()) return false;
      } else {
        size_t len = utf8_length(at_, end_);
        if (len == 0) return false;
        at_ += len;
      }
    }
    return false;
  }

  bool container(unsigned depth) {
    bool object = *at_++ == '{';
    uint8_t close = object ? '}' : ']';
    space();
    if (take(close)) return true;
    Bytes previous{};
    for (bool first = true;; first = false) {
      space();
      if (object) {
        if (at_ == end_ || *at_ != '"') return false;
        Bytes name;
        bool escaped;
        if (!string(name, escaped)) return false;
        if (escaped || (!first && !(previous < name))) sorted_ = false;
        previous = name;
        space();
        if (!take(':')) return false;
        space();
      }
      if (!value(depth + 1)) return false;
      space();
      if (take(close)) return true;
      if (!take(',')) return false;
    }
  }

  const uint8_t *begin_, *at_, *end_;
  bool sorted_ = true, too_deep_ = false;
};

// Is `text` exactly one JSON value? `sorted` (may be null): see JsonChecker::sorted.
inline Status json_check(Bytes text, bool* sorted = nullptr) {
  JsonChecker checker(text);
  if (!checker.run()) return Status::malformed(checker.error());
  if (sorted) *sorted = checker.sorted();
  return {};
}

// The value without the space around it.
inline Bytes json_trim(Bytes value) {
  while (value.len && json_space(*value.data)) ++value.data, --value.len;
  while (value.len && json_space(value.data[value.len - 1])) --value.len;
  return value;
}

// Walks one object or array, given trimmed. `name` is what stands between the quotes.
class JsonItems {
 public:
  explicit JsonItems(Bytes container)
      : at_(container.data + 1), object_(container.data[0] == '{') {}

  Bytes name, value;

  bool next() {
    while (json_space(*at_) || *at_ == ',') ++at_;
    if (*at_ == '}' || *at_ == ']') return false;
    if (object_) {
      const uint8_t* first = at_ + 1;
      skip_string();
      name = {first, static_cast<size_t>(at_ - first) - 1};
      while (*at_ != ':') ++at_;
      for (++at_; json_space(*at_);) ++at_;
    }
    const uint8_t* first = at_;
    skip_value();
    value = {first, static_cast<size_t>(at_ - first)};
    return true;
  }

 private:
  void skip_string() {
    for (++at_; *at_ != '"'; ++at_) at_ += *at_ == '\\';
    ++at_;
  }
  void skip_value() {
    size_t depth = 0;
    do {
      uint8_t c = *at_;
      if (c == '"') {
        skip_string();
        continue;
      }
      ++at_;
      if (c == '{' || c == '[') {
        ++depth;
      } else if (c == '}' || c == ']') {
        --depth;
      } else if (depth == 0) {  // a number or a word ends at the first byte that is not its own
        while (*at_ > ' ' && *at_ != ',' && *at_ != '}' && *at_ != ']') ++at_;
      }
    } while (depth != 0);
  }

  const uint8_t* at_;
  bool object_;
};

// A member name: raw UTF-8, or (escaped) the inside of a JSON string.
struct JsonKey {
  Bytes raw;
  bool escaped = false;

  // The name of a member, as JsonItems gives it.
  static JsonKey member(Bytes name) {
    return {name, name.len && std::memchr(name.data, '\\', name.len)};
  }

  // Yields the decoded bytes one by one, then -1.
  class Cursor {
   public:
    explicit Cursor(const JsonKey& key)
        : at_(key.raw.data), end_(at_ + key.raw.len), escaped_(key.escaped) {}
    int next() {
      if (pending_) {
        int byte = static_cast<int>(0x80 | ((code_ >> (6 * --pending_)) & 0x3f));
        return byte;
      }
      if (at_ == end_) return -1;
      uint8_t c = *at_++;
      if (!escaped_ || c != '\\') return c;
      c = *at_++;
      switch (c) {
        case 'b':
          return '\b';
        case 'f':
          return '\f';
        case 'n':
          return '\n';
        case 'r':
          return '\r';
        case 't':
          return '\t';
        case 'u':
          break;
        default:
          return c;
      }
      code_ = unit();
      if (code_ < 0x80) return static_cast<int>(code_);
      if (code_ >= 0xd800 && code_ < 0xdc00) {
        at_ += 2;
        code_ = 0x10000 + ((code_ - 0xd800) << 10) + (unit() - 0xdc00);
      }
      pending_ = code_ < 0x800 ? 1 : code_ < 0x10000 ? 2 : 3;
      constexpr unsigned kLead[] = {0, 0xc0, 0xe0, 0xf0};
      return static_cast<int>(kLead[pending_] | code_ >> (6 * pending_));
    }

   private:
    unsigned unit() {
      unsigned value = 0;
      for (int i = 0; i < 4; ++i) {
        unsigned c = *at_++;
        value = value << 4 | (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
      }
      return value;
    }
    const uint8_t *at_, *end_;
    bool escaped_;
    unsigned pending_ = 0, code_ = 0;
  };

  // < 0, 0 or > 0, by decoded bytes.
  int compare(const JsonKey& other) const {
    if (!escaped && !other.escaped) return raw.text().compare(other.raw.text());
    Cursor a(*this), b(other);
    for (;;) {
      int x = a.next(), y = b.next();
      if (x != y) return x - y;
      if (x < 0) return 0;
    }
  }

  // As a JSON string, escaped as JSON.stringify does it: only what must be, in its short form.
  void write(Writer& out) const {
    out.byte('"');
    Cursor cursor(*this);
    for (int c; (c = cursor.next()) >= 0;) {
      uint8_t text[] = {'\\', static_cast<uint8_t>(c), '0', '0', '0', 0};
      size_t len = 2;
      if (c >= 8 && c <= 13 && c != 11) {
        text[1] = static_cast<uint8_t>("btn.fr"[c - 8]);
      } else if (c < 0x20) {
        text[1] = 'u';
        text[4] = static_cast<uint8_t>('0' + (c >> 4));
        text[5] = static_cast<uint8_t>("0123456789abcdef"[c & 15]);
        len = 6;
      } else if (c != '"' && c != '\\') {
        text[0] = static_cast<uint8_t>(c);
        len = 1;
      }
      out.raw(text, len);
    }
    out.byte('"');
  }
};

}  // namespace synckit
