// The `counter` plugin. What and why: counter.hpp; bytes: FORMAT.md.
#include "counter.hpp"

namespace synckit {

// Reads the records of a delta of either kind, checking all that needs no document.
class Counter::Records {
 public:
  explicit Records(Bytes delta) : reader_(delta) {
    op_ = reader_.byte() == kOpDelta;
    left_ = op_ ? 1 : reader_.varint();
  }

  // What the replica's sums are after a record: a state's say so, an op's come on top of the known.
  // False when a sum would go backwards or leave 64 bits.
  bool after(const Record& known, Record& record) const {
    if (op_) {
      record.inc += known.inc;
      record.dec += known.dec;
    }
    return record.inc >= known.inc && record.dec >= known.dec;
  }

  bool next(Record& record) {
    if (left_ == 0 || !reader_.ok()) return false;
    --left_;
    record.replica = reader_.fixed64();
    record.seq = reader_.varint();
    record.inc = reader_.varint();
    record.dec = reader_.varint();
    if (record.replica <= previous_ || record.seq == 0 || (record.inc | record.dec) == 0) {
      reader_.fail();
    }
    previous_ = record.replica;
    return reader_.ok();
  }

  Status end() const {
    if (reader_.good_end()) return {};
    return Status::malformed("malformed counter delta: cut short, too long or out of range",
                             reader_.offset());
  }

 private:
  Reader reader_;
  bool op_;
  uint64_t left_, previous_ = 0;
};

void Counter::write_record(Writer& out, const Record& record) {
  out.fixed64(record.replica);
  out.varint(record.seq);
  out.varint(record.inc);
  out.varint(record.dec);
}

// The change is modulo 2^64: exact for whoever adds it with wrap-around, see FORMAT.md.
void Counter::write_change(Writer& patch, const Total& after) const {
  uint64_t change =
      static_cast<uint64_t>(after.clamped()) - static_cast<uint64_t>(total_.clamped());
  if (change != 0) patch.zigzag(static_cast<int64_t>(change));
}

Status Counter::mutate(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch,
                       uint32_t& seqs) {
  SK_TRY(check_stamp(stamp));
  Reader reader(intent);
  int64_t amount = reader.zigzag();
  if (!reader.good_end()) return Status::malformed("malformed counter intent: one varint expected");
  if (amount == 0) return {};

  const Record* known = records_.find(stamp.replica);
  Record next = known ? *known : Record{stamp.replica, 0, 0, 0};
  Record op{stamp.replica, stamp.seq, 0, 0};
  if (stamp.seq <= next.seq) return {SK_CONFLICT, "this seq was already used", next.seq};
  next.seq = stamp.seq;
  Total after = total_;
  uint64_t size = static_cast<uint64_t>(amount);
  bool overflow;
  if (amount > 0) {
    after.add(size);
    op.inc = size;
    overflow = (next.inc += size) < size;
  } else {
    after.subtract(size = -size);
    op.dec = size;
    overflow = (next.dec += size) < size;
  }
  if (overflow || !after.fits()) {
    return Status::limit("the counter would leave the range of 64 bits");
  }

  delta.byte(kOpDelta);
  write_record(delta, op);
  write_change(patch, after);
  SK_TRY(delta.status());
  SK_TRY(patch.status());
  records_.at(next.replica) = next;
  total_ = after;
  seqs = 1;
  return {};
}

Status Counter::merge(Bytes delta, Writer& patch) {
  SK_TRY(check_delta_kind(delta));
  Record record;
  Total after = total_;
  size_t fresh = 0;
  Records incoming(delta);
  while (incoming.next(record)) {
    const Record* known = records_.find(record.replica);
    Record before = known ? *known : Record{};
    if (record.seq <= before.seq) continue;
    if (!incoming.after(before, record)) {
      return Status::malformed("malformed counter delta: a sum goes backwards or leaves 64 bits");
    }
    after.add(record.inc - before.inc);
    after.subtract(record.dec - before.dec);
    ++fresh;
  }
  SK_TRY(incoming.end());
  if (fresh == 0) return {};

  write_change(patch, after);
  SK_TRY(patch.status());
  records_.items().reserve(records_.items().size() + fresh);  // from here on nothing can fail
  for (Records again(delta); again.next(record);) {
    Record& known = records_.at(record.replica);
    if (record.seq <= known.seq) continue;
    (void)again.after(known, record);
    known = record;
  }
  total_ = after;
  return {};
}

Status Counter::encode(const Version& since, Writer& delta) const {
  uint64_t count = 0;
  for (const Record& record : records_.items()) count += record.seq > since[record.replica];
  delta.byte(kStateDelta);
  delta.varint(count);
  for (const Record& record : records_.items()) {
    if (record.seq > since[record.replica]) write_record(delta, record);
  }
  return {};
}

Status Counter::view(Writer& json) const {
  int64_t value = total_.clamped();
  uint64_t rest = value < 0 ? -static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  uint8_t digits[20];
  size_t at = sizeof digits;
  do {
    digits[--at] = static_cast<uint8_t>('0' + rest % 10);
    rest /= 10;
  } while (rest);
  if (value < 0) json.byte('-');
  json.raw(digits + at, sizeof digits - at);
  return {};
}

Status Counter::inspect(Bytes delta, Summary& summary, Deps&) {
  SK_TRY(check_delta_kind(delta));
  Records records(delta);
  for (Record record; records.next(record);) {
    summary.replica = record.replica;
    summary.seq_lo = summary.seq_hi = record.seq;
    ++summary.ops;
  }
  SK_TRY(records.end());
  summary.authors = static_cast<uint32_t>(summary.ops);
  if (summary.authors != 1) summary.replica = summary.seq_lo = summary.seq_hi = 0;
  return {};
}

// Mostly small steps; sometimes one that uses all bits of `random`, held so small that thousands
// of them stay inside the range.
Status Counter::sample(uint64_t random, Writer& intent) const {
  int64_t amount = static_cast<int64_t>(random >> 8) % 16 - 8;
  if (random % 16 == 0) amount = static_cast<int64_t>(random) >> 16;
  if (total_.high != -(value() < 0) || value() >> 62 != -(value() < 0)) {
    amount = value() > 0 ? -1 : 1;  // close to the edge
  }
  intent.zigzag(amount);
  return {};
}

}  // namespace synckit

SYNCKIT_CRDT_PLUGIN(synckit::Counter, "synckit.counter", "1.0.0")
