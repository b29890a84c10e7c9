// Shared by the tests of the type: peers whose shadow text follows from patches alone, and intents.
// The naive model of the order is in fugue_testing.hpp.
//
// Threads: none.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "fugue_testing.hpp"
#include "text.hpp"
#if defined(SYNCKIT_TEXT_TWIN)
#include "text_twin_testing.hpp"
#endif

namespace synckit::text::testing {

struct Random {
  uint64_t state;
  explicit Random(uint64_t seed) : state(seed * 0x9e3779b97f4a7c15u + 0x632be59bd9b4e019u) {}
  uint64_t next() {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state * 0x2545f4914f6cdd1du;
  }
  size_t below(size_t n) { return static_cast<size_t>((next() >> 33) % n); }
  bool one_in(size_t n) { return below(n) == 0; }
};

inline std::string utf8(const std::u32string& text) {
  std::string out;
  for (char32_t c : text) {
    if (c < 0x80) {
      out += static_cast<char>(c);
    } else if (c < 0x800) {
      out += static_cast<char>(0xc0 | c >> 6);
      out += static_cast<char>(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
      out += static_cast<char>(0xe0 | c >> 12);
      out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
      out += static_cast<char>(0x80 | (c & 0x3f));
    } else {
      out += static_cast<char>(0xf0 | c >> 18);
      out += static_cast<char>(0x80 | (c >> 12 & 0x3f));
      out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
      out += static_cast<char>(0x80 | (c & 0x3f));
    }
  }
  return out;
}

inline std::u32string utf32(Bytes text) {
  std::u32string out;
  for (size_t at = 0, length; at < text.len; at += length) {
    const uint8_t* c = text.data + at;
    length = utf8_length(c, text.data + text.len);
    if (!length) {
      ADD_FAILURE() << "not UTF-8";
      break;
    }
    uint32_t code = length == 1 ? *c : *c & 0x7fu >> length;
    for (size_t i = 1; i < length; ++i) code = code << 6 | (c[i] & 0x3fu);
    out += static_cast<char32_t>(code);
  }
  return out;
}

// The JSON string of a text, with no more escapes than JSON demands.
inline std::string json(const std::u32string& text) {
  static const std::map<char, std::string> kEscapes = {
      {'"', "\\\""}, {'\\', "\\\\"}, {'\b', "\\b"}, {'\f', "\\f"},
      {'\n', "\\n"}, {'\r', "\\r"},   {'\t', "\\t"}};
  std::string out = "\"";
  for (char c : utf8(text)) {
    auto escape = kEscapes.find(c);
    if (escape != kEscapes.end()) {
      out += escape->second;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += std::string("\\u00") + (c < 0x10 ? '0' : '1') + "0123456789abcdef"[c & 15];
    } else {
      out += c;
    }
  }
  return out + "\"";
}

inline std::string splice(uint64_t at, uint64_t erase, const std::string& insert, uint8_t op = 1) {
  Buffer out;
  Writer w(out);
  w.byte(op);
  w.varint(at);
  w.varint(erase);
  w.raw(Bytes(insert));
  return out.str();
}

// Applies a patch to a text, checking its form: positions inside, UTF-16 sizes right, no empty
// op, no two equal neighbours, no trailing retain.
inline void apply_patch(std::u32string& text, Bytes patch) {
  Reader in(patch);
  std::u32string out;
  size_t at = 0;
  uint64_t last = 9;
  while (!in.done()) {
    uint64_t head = in.varint(), kind = head & 3;
    size_t n = static_cast<size_t>(head >> 2);
    ASSERT_NE(n, 0u);
    ASSERT_NE(kind, last);
    last = kind;
    if (kind == 1) {
      out += utf32(in.raw(n));
    } else {
      uint64_t extra = in.varint(), wide = 0;
      ASSERT_LE(at + n, text.size());
      for (size_t i = at; i < at + n; ++i) wide += text[i] > 0xffff;
      ASSERT_EQ(extra, wide);
      if (kind == 0) out += text.substr(at, n);
      at += n;
    }
    ASSERT_TRUE(in.ok());
  }
  ASSERT_NE(last, 0u) << "trailing retain";
  text = out + text.substr(at);
}

struct Peer {
  uint64_t id;
  uint64_t seq = 0;  // last used
  Text text;
  std::u32string shadow;
  std::map<uint64_t, uint64_t> version;
#if defined(SYNCKIT_TEXT_TWIN)
  Twin twin;  // the text of browsers, which takes part in everything
#endif

  explicit Peer(uint64_t replica) : id(replica) {}

  Status edit(const std::string& intent, Buffer& delta, uint32_t& seqs) {
    Buffer patch;
    Writer d(delta), p(patch);
#if defined(SYNCKIT_TEXT_TWIN)
    Status status = twin.edit(text, shadow, {id, seq + 1, 0}, intent, d, p, seqs);
#else
    Status status = text.mutate({id, seq + 1, 0}, Bytes(intent), d, p, seqs);
#endif
    if (!status.ok()) return status;
    if (seqs) seq += seqs, version[id] = seq;
    apply_patch(shadow, patch);
#if defined(SYNCKIT_TEXT_TWIN)
    twin.check(shadow);
#endif
    return status;
  }
  // An edit that must work.
  std::string edit(const std::string& intent) {
    Buffer delta;
    uint32_t seqs = 0;
    Status status = edit(intent, delta, seqs);
    EXPECT_TRUE(status.ok()) << status.text();
    return delta.str();
  }
  Status merge(const std::string& delta, bool* changed = nullptr) {
    Buffer patch;
    Writer p(patch);
    Status status = text.merge(Bytes(delta), p);
#if defined(SYNCKIT_TEXT_TWIN)
    twin.merge(Bytes(delta), status);
#endif
    if (!status.ok()) return status;
    if (changed) *changed = !patch.empty();
    apply_patch(shadow, patch);
#if defined(SYNCKIT_TEXT_TWIN)
    twin.check(shadow);
#endif
    return status;
  }
  std::string view() const {
    Buffer out;
    Writer w(out);
    EXPECT_TRUE(text.view(w).ok());
    return out.str();
  }
  std::string encode(const std::map<uint64_t, uint64_t>& since = {}) const {
    std::vector<sk_dot> dots;
    for (auto& [replica, last] : since) dots.push_back({replica, last});
    sk_version version_view{dots.data(), dots.size()};
    Buffer out;
    Writer w(out);
    EXPECT_TRUE(text.encode(Version(&version_view), w).ok());
    return out.str();
  }
};

inline Status inspect(const std::string& delta, Summary& summary, std::vector<sk_dot>& needs) {
  Buffer raw;
  Deps deps(&raw);
  summary = {};
  Status status = Text::inspect(Bytes(delta), summary, deps);
  needs.resize(raw.len / sizeof(sk_dot));
  if (raw.len) std::memcpy(needs.data(), raw.data, raw.len);
  return status;
}

}  // namespace synckit::text::testing
