// The text of browsers (client/) beside the one under test: in text_client_test every peer has such
// a twin, which merges all that the peer merges and writes every other of its edits. So whatever
// the tests of the type try, both implementations have to agree on.
//
// Threads: none.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "client/text.hpp"
#include "text.hpp"

namespace synckit::text::testing {

inline std::u16string utf16(const std::u32string& text) {
  std::u16string out;
  for (char32_t c : text) {
    if (c > 0xffff) {
      out += static_cast<char16_t>(0xd7c0 + (c >> 10));
      out += static_cast<char16_t>(0xdc00 + (c & 0x3ff));
    } else {
      out += static_cast<char16_t>(c);
    }
  }
  return out;
}
inline std::u32string utf32(Bytes text);

class Twin {
 public:
  // An edit of the peer, by the peer itself or by its twin; the other one merges it.
  Status edit(Text& text, const std::u32string& shadow, const Stamp& stamp,
              const std::string& intent, Writer& delta, Writer& patch, uint32_t& seqs) {
    Buffer op;
    Writer out(op);
    std::string mine = counted(intent, shadow);
    Status status;
    if (mine.empty() || !(edits_++ & 1)) {
      status = text.mutate(stamp, Bytes(intent), out, patch, seqs);
      if (status.ok() && seqs) merge(op, status);
    } else {
      Buffer own_patch;
      Writer own(own_patch);
      status = text_->mutate(stamp, Bytes(mine), out, own, seqs);
      EXPECT_TRUE(status.ok());
      EXPECT_EQ(op.empty(), seqs == 0);
      apply(own_patch);
      if (seqs) {
        Summary summary{};
        Deps deps(nullptr);
        EXPECT_TRUE(Text::inspect(op, summary, deps).ok());
        EXPECT_EQ(summary.replica, stamp.replica);
        EXPECT_EQ(summary.seq_lo, stamp.seq);
        EXPECT_EQ(summary.seq_hi, stamp.seq + seqs - 1);
        status = text.merge(op, patch);
        EXPECT_TRUE(status.ok()) << status.text();
      }
    }
    delta.raw(op);
    return status;
  }
  // A delta that the peer has merged, or has refused.
  void merge(Bytes delta, Status expected) {
    Buffer patch;
    Writer out(patch);
    Status status = text_->merge(delta, out);
    if (expected.ok()) {
      EXPECT_TRUE(status.ok());
      apply(patch);
    } else if (!status.ok() && delta.len && delta.data[0] != kState) {
      EXPECT_TRUE(patch.empty());  // of a damaged state, part may be in (ADR 8)
    }
  }
  void check(const std::u32string& shadow) const {
    Buffer parts;
    Writer out(parts);
    ASSERT_TRUE(text_->contents(out).ok());
    Reader in(parts);
    std::u32string contents = utf32(in.sized());
    ASSERT_TRUE(in.good_end());
    ASSERT_TRUE(contents == shadow);
    ASSERT_TRUE(shadow_ == utf16(shadow)) << "its patches tell something else";
  }

 private:
  // The intent in UTF-16 units; "" when it is no splice of this text.
  static std::string counted(const std::string& intent, const std::u32string& shadow) {
    Reader in((Bytes(intent)));
    uint8_t op = in.byte();
    uint64_t at = in.varint(), erase = in.varint();
    if (!in.ok() || op > 2 || !op) return "";
    if (op == 1) {
      if (at > shadow.size() || erase > shadow.size() - at) return "";
      auto from = static_cast<size_t>(at), count = static_cast<size_t>(erase);
      at = utf16(shadow.substr(0, from)).size();
      erase = utf16(shadow.substr(from, count)).size();
    } else {
      std::u16string units = utf16(shadow);
      if (at > units.size() || erase > units.size() - at) return "";
      for (uint64_t place : {at, at + erase}) {
        if (place < units.size() && units[static_cast<size_t>(place)] >> 10 == 55) return "";
      }
    }
    Bytes text = in.rest();
    for (size_t i = 0; i < text.len;) {
      size_t length = utf8_length(text.data + i, text.data + text.len);
      if (!length) return "";
      i += length;
    }
    Buffer out;
    Writer w(out);
    w.byte(2);
    w.varint(at);
    w.varint(erase);
    w.raw(text);
    return out.str();
  }
  // Its patches count in UTF-16 units, and so have nothing extra.
  void apply(Bytes patch) {
    Reader in(patch);
    std::u16string out;
    size_t at = 0;
    uint64_t last = 9;
    while (!in.done()) {
      uint64_t head = in.varint(), kind = head & 3;
      auto n = static_cast<size_t>(head >> 2);
      ASSERT_NE(n, 0u);
      ASSERT_NE(kind, last);
      last = kind;
      if (kind == 1) {
        out += utf16(utf32(in.raw(n)));
      } else {
        ASSERT_EQ(in.varint(), 0u);
        ASSERT_LE(at + n, shadow_.size());
        if (kind == 0) out += shadow_.substr(at, n);
        at += n;
      }
      ASSERT_TRUE(in.ok());
    }
    ASSERT_NE(last, 0u) << "trailing retain";
    shadow_ = out + shadow_.substr(at);
  }

  std::unique_ptr<client::Text> text_ = std::make_unique<client::Text>();
  std::u16string shadow_;
  size_t edits_ = 0;
};

}  // namespace synckit::text::testing
