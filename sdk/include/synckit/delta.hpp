// synckit/delta.hpp: what the deltas of the built-in map, set and counter have in common; any
// type may use it.
//
// The first byte of a delta is format << 4 | kind, then follow the dots that it is about. A delta
// of rows goes on with them until it ends: each is a byte string (front coded: it tells how many
// bytes it shares with the one before, at most kMaxShared, which bounds how much memory a byte of
// input can cost), a dot below or at one of those above, one bit, and whatever the type adds.
//
// Threads: pure functions and independent objects.
#pragma once

#include <synckit/crdt.hpp>
#include <synckit/json.hpp>
#include <synckit/order.hpp>

namespace synckit {

inline constexpr uint8_t kOpDelta = 0x11, kStateDelta = 0x12;
inline constexpr size_t kMaxShared = 63;

inline Status malformed_delta() { return Status::malformed(SK_TEXT("malformed delta")); }
inline Status malformed_intent() { return Status::malformed(SK_TEXT("malformed intent")); }

// What a merge answers to a delta that no mutate writes: malformed, also where an intent would
// have met a limit.
inline Status refused_delta(Status status) {
  return !kVouchedFor && status.code() == SK_LIMIT ? malformed_delta() : status;
}

inline Status check_stamp([[maybe_unused]] const Stamp& stamp) {
#if defined(SYNCKIT_CLIENT_ONLY)  // where the one caller is the engine
  return {};
#endif
  return stamp.replica && stamp.seq
             ? Status{}
             : Status::malformed(SK_TEXT("malformed stamp: replica or seq is 0"));
}

inline Status used_seq() { return {SK_CONFLICT, SK_TEXT("this seq was already used")}; }

inline constexpr size_t kMaxValueBytes = 1u << 20;  // of a value's JSON text

SK_APART inline Status check_value(Bytes value) {
  if (value.len > kMaxValueBytes) {
    return Status::limit(SK_TEXT("a value is larger than kMaxValueBytes (1 MiB)"));
  }
  return json_check(value);
}

// Who wrote a delta that is about these dots, and, of one author, up to which of them.
inline void summarize(Summary& summary, const Dots& dots) {
  summary.authors = static_cast<uint32_t>(dots.size());
  if (dots.size() != 1) return;
  summary.replica = dots[0].replica;
  if (summary.seq_lo == 0) summary.seq_lo = dots[0].seq;
  summary.seq_hi = dots[0].seq;
}

// A column of numbers that stay close to one another: each is written as the signed difference
// to the one before, modulo 2^64.
struct Difference {
  uint64_t last = 0;

  void write(Writer& out, uint64_t value) {
    out.zigzag(static_cast<int64_t>(value - last));
    last = value;
  }
  uint64_t read(Reader& in) { return last += static_cast<uint64_t>(in.zigzag()); }
};

// Reads the kind, which is at most `last_kind`, and the dots.
inline Status read_head(Reader& in, uint8_t last_kind, Dots& dots) {
  uint8_t kind = in.byte();
  if (kind >> 4 > 1) {
    return {SK_UNSUPPORTED, SK_TEXT("the delta has a newer format: update")};
  }
  if (kind < kOpDelta || kind > last_kind) return malformed_delta();
  dots.clear();
  uint64_t previous = 0;
  for (uint64_t left = in.varint(); left; --left) {
    Dot dot{in.fixed64(), 0};
    dot.seq = in.varint();
    if (dot.seq == 0) return malformed_delta();  // also at the end
    if (!kVouchedFor && dot.replica <= previous) return malformed_delta();
    previous = dot.replica;
    dots.push_back(dot);
  }
  return in.ok() ? Status{} : malformed_delta();
}

inline void write_head(Writer& out, uint8_t kind, const Dots& dots) {
  out.byte(kind);
  out.varint(dots.size());
  for (const Dot& dot : dots) {
    out.fixed64(dot.replica);
    out.varint(dot.seq);
  }
}

// The head of an operation that is about its own dot alone.
SK_ONCE inline void write_op_head(Writer& out, Dot own) {
  out.byte(kOpDelta);
  out.byte(1);
  out.fixed64(own.replica);
  out.varint(own.seq);
}

// The head byte of a row: how much is shared, and
inline constexpr uint8_t kRowSameAuthor = 0x40, kRowFlag = 0x80;

// Reads a delta: its head, then row by row.
class RowReader {
 public:
  SK_ONCE explicit RowReader(Bytes delta) : in(delta) {}

  Reader in;   // at what the type adds
  Dots dots;   // what the delta is about
  bool flag = false;
  bool ascends = false;  // are the bytes above those of the row before?
  Dot dot{};

  Bytes bytes() const { return {bytes_.data(), bytes_.size()}; }

  Status head(uint8_t last_kind) {
    SK_TRY(read_head(in, last_kind, dots));
    if (!dots.empty()) seq_.last = dots[0].seq;
    return {};
  }

  // Of a row with its flag the bytes stay as they are where `flag_repeats`.
  bool next(bool flag_repeats) {
    uint8_t head = in.byte();
    size_t shared = head & kMaxShared;
    flag = head & kRowFlag;
    if (!(head & kRowSameAuthor)) author_ = in.varint();
    dot.seq = seq_.read(in);
    if (author_ >= dots.size()) return false;
    const Dot& last = dots[static_cast<size_t>(author_)];
    dot.replica = last.replica;
    if (!kVouchedFor && dot.seq - 1 >= last.seq) return false;
    if (flag && flag_repeats) return kVouchedFor || !shared;
    Bytes fresh = in.sized();
    if (shared > bytes_.size()) return false;
    if (!kVouchedFor) {
      ascends = Bytes(bytes_.data() + shared, bytes_.size() - shared) < fresh;
    }
    bytes_.truncate(shared);
    bytes_.append(fresh.data, fresh.len);
    return true;
  }

 private:
  uint64_t author_ = 0;
  Difference seq_;
  Vec<uint8_t> bytes_;
};

class RowWriter {
 public:
  RowWriter(Writer& out, const Dots& dots) : out_(out), dots_(dots) {
    if (!dots.empty()) seq_.last = dots[0].seq;
  }

  void row(bool flag, bool flag_repeats, Dot dot, Bytes bytes) {
    size_t author = dots_.position(dot.replica), shared = 0;
    bool repeats = flag && flag_repeats;
    size_t kept = repeats ? 0 : bytes.len < kMaxShared ? bytes.len : kMaxShared;
    for (size_t i = 0; i < kept; ++i) {
      if (shared == i && i < kept_ && last_[i] == bytes.data[i]) ++shared;
      last_[i] = bytes.data[i];
    }
    out_.byte(static_cast<uint8_t>(shared | (author == author_ ? kRowSameAuthor : 0) |
                                   (flag ? kRowFlag : 0)));
    if (author != author_) out_.varint(author);
    author_ = author;
    seq_.write(out_, dot.seq);
    if (repeats) return;
    kept_ = kept;
    out_.sized({bytes.data + shared, bytes.len - shared});
  }

 private:
  Writer& out_;
  const Dots& dots_;
  size_t author_ = 0;
  Difference seq_;
  size_t kept_ = 0;
  uint8_t last_[kMaxShared];  // the last bytes, as much of them as can be shared
};

}  // namespace synckit
