// The `counter` plugin. What and why: counter.hpp; bytes: FORMAT.md.
#include "counter.hpp"

namespace synckit {

// The dots of a delta of either kind, and where their sums begin; checks all that there is.
Status Counter::read(Bytes delta, Dots& dots, Reader& sums) {
  Reader in(delta);
  SK_TRY(read_head(in, kStateDelta, dots));
  sums = in;
  if (kVouchedFor) return {};
  for (size_t i = 0; i < dots.size(); ++i) in.zigzag();
  bool good = in.good_end() && (dots.size() == 1 || delta.data[0] == kStateDelta);
  return good ? Status{} : malformed_delta();
}

// Of an op the sums are added to those that are here, of a state they replace them. Whatever can
// fail comes first.
Status Counter::join(const Dots& dots, Reader sums, bool is_op, Writer& patch) {
  make_room(seen_, dots.size());
  make_room(sums_, dots.size());
  if (kOutputsFail && !patch.make_room(kPartBytes)) return {};
  seen_.admit(dots);
  sums_.admit(dots);
  uint64_t before = value_;
  for (const Dot& dot : dots) {
    uint64_t sum = static_cast<uint64_t>(sums.zigzag());
    if (seen_.has(dot)) continue;
    size_t at = seen_.raise(dot);
    if (sums_.size() != seen_.size()) sums_.insert(at, {dot.replica, 0});
    uint64_t& known = sums_[at].seq;
    if (!is_op) sum -= known;
    known += sum;
    value_ += sum;
  }
  if (!sums.ok()) return malformed_delta();
  return value_ != before ? contents(patch) : Status{};
}

// The one part that patches have, too.
Status Counter::contents(Writer& parts) const {
  parts.byte(sizeof value_);
  parts.fixed64(value_);
  return {};
}

Status Counter::mutate(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch,
                       uint32_t& seqs) {
  SK_TRY(check_stamp(stamp));
  Reader in(intent);
  int64_t amount = in.zigzag(), after;
  if (!kVouchedFor && !in.good_end()) return malformed_intent();
  if (amount == 0) return {};
  if (__builtin_add_overflow(value(), amount, &after)) {
    return Status::limit(SK_TEXT("the counter would leave the range of 64 bits"));
  }
  Dot dot{stamp.replica, stamp.seq};
  if (!kVouchedFor && seen_.has(dot)) return used_seq();
  scratch_.clear();
  scratch_.push_back(dot);
  write_op_head(delta, dot);
  delta.raw(intent);
  seqs = 1;
  return delta.ok() ? join(scratch_, intent, true, patch) : Status{};
}

Status Counter::merge(Bytes delta, Writer& patch) {
  Reader sums({});
  SK_TRY(read(delta, scratch_, sums));
  return join(scratch_, sums, delta.data[0] == kOpDelta, patch);
}

Status Counter::encode(const Version& since, Writer& delta) const {
  Dots dots;
  for (const Dot& dot : seen_) {
    if (!since.has(dot)) dots.push_back(dot);
  }
  write_head(delta, kStateDelta, dots);
  for (const Dot& dot : dots) {
    delta.zigzag(static_cast<int64_t>(sums_.seq(dot.replica)));
  }
  return {};
}

Status Counter::view(Writer& json) const {
  uint64_t rest = value_;
  if (value() < 0) {
    json.byte('-');
    rest = -rest;
  }
  uint8_t digits[20];
  size_t at = sizeof digits;
  do {
    digits[--at] = static_cast<uint8_t>('0' + rest % 10);
    rest /= 10;
  } while (rest);
  json.raw(digits + at, sizeof digits - at);
  return {};
}

Status Counter::inspect(Bytes delta, Summary& summary, Deps&) {
  Dots dots;
  Reader sums({});
  SK_TRY(read(delta, dots, sums));
  summary.ops = dots.size();
  summarize(summary, dots);
  return {};
}

// Mostly small steps; sometimes one that uses all bits of `random`, held so small that thousands
// of them stay inside the range.
Status Counter::sample(uint64_t random, Writer& intent) const {
  int64_t amount = static_cast<int64_t>(random >> 8) % 16 - 8;
  if (random % 16 == 0) amount = static_cast<int64_t>(random) >> 16;
  if (value() >> 62 != -(value() < 0)) amount = value() > 0 ? -1 : 1;  // close to the edge
  intent.zigzag(amount);
  return {};
}

}  // namespace synckit

SYNCKIT_CRDT_PLUGIN(synckit::Counter, "synckit.counter", "1.0.0")
