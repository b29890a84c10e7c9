// The `counter` plugin. What and why: counter.hpp; bytes: FORMAT.md.
#include "counter.hpp"

namespace synckit {

namespace {

constexpr Problem kLeaves64Bits{SK_LIMIT, "the counter would leave the range of 64 bits"};
constexpr Problem kBackwards{SK_MALFORMED,
                             "malformed counter delta: a sum goes backwards or leaves 64 bits"};

}  // namespace

// The records of a delta of either kind; checks all that needs no document.
Verdict Counter::read(Bytes delta, Vec<Record>& records) {
  if (Verdict wrong = check_delta_kind(delta)) return wrong;
  Reader reader(delta);
  uint64_t left = reader.byte() == kOpDelta ? 1 : reader.varint(), previous = 0;
  for (; left && reader.ok(); --left) {
    Record record{reader.fixed64(), 0, 0, 0};
    record.seq = reader.varint();
    record.inc = reader.varint();
    record.dec = reader.varint();
    if (record.replica <= previous || record.seq == 0 || (record.inc | record.dec) == 0) {
      reader.fail();
    }
    previous = record.replica;
    records.push_back(record);
  }
  return reader.good_end() ? nullptr : &kMalformedDelta;
}

void Counter::write_record(Writer& out, const Record& record) {
  out.fixed64(record.replica);
  out.varint(record.seq);
  out.varint(record.inc);
  out.varint(record.dec);
}

// Turns records into what they make of the sums here, and tells the total that comes of it. Of
// known ones the seq becomes 0.
Verdict Counter::apply(Vec<Record>& records, bool is_op, Total& after) const {
  for (Record& record : records) {
    const Record* found = records_.find(record.replica);
    Record known = found ? *found : Record{};
    if (record.seq <= known.seq) {
      record.seq = 0;
      continue;
    }
    if (is_op) {
      record.inc += known.inc;
      record.dec += known.dec;
    }
    if (record.inc < known.inc || record.dec < known.dec) return &kBackwards;
    after.add(record.inc - known.inc);
    after.subtract(record.dec - known.dec);
  }
  return nullptr;
}

// Tells the change and then makes it; an output that could not grow leaves all as it was. The
// change is modulo 2^64: exact for whoever adds it with wrap-around, see FORMAT.md.
void Counter::commit(const Vec<Record>& records, const Total& after, Writer& patch) {
  uint64_t change =
      static_cast<uint64_t>(after.clamped()) - static_cast<uint64_t>(total_.clamped());
  if (change != 0) patch.zigzag(static_cast<int64_t>(change));
  if (!patch.ok()) return;
  records_.items().reserve(records_.items().size() + records.size());  // the last that can fail
  for (const Record& record : records) {
    if (record.seq != 0) records_.at(record.replica) = record;
  }
  total_ = after;
}

Verdict Counter::edit(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch,
                      uint32_t& seqs) {
  if (Verdict wrong = check_stamp(stamp)) return wrong;
  Reader reader(intent);
  int64_t amount = reader.zigzag();
  if (!reader.good_end()) return &kMalformedIntent;
  if (amount == 0) return nullptr;
  uint64_t size = static_cast<uint64_t>(amount);
  Vec<Record>& records = scratch_;
  records.clear();
  records.push_back({stamp.replica, stamp.seq, amount > 0 ? size : 0, amount > 0 ? 0 : -size});

  delta.byte(kOpDelta);
  write_record(delta, records[0]);
  Total after = total_;
  if (apply(records, true, after) || !after.fits()) return &kLeaves64Bits;
  if (records[0].seq == 0) return &kUsedSeq;
  if (delta.ok()) commit(records, after, patch);
  seqs = 1;
  return nullptr;
}

Verdict Counter::join(Bytes delta, Writer& patch) {
  Vec<Record>& records = scratch_;
  records.clear();
  if (Verdict wrong = read(delta, records)) return wrong;
  Total after = total_;
  if (Verdict wrong = apply(records, delta.data[0] == kOpDelta, after)) return wrong;
  commit(records, after, patch);
  return nullptr;
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
  Vec<Record> records;
  if (Verdict wrong = read(delta, records)) return status_of(wrong);
  summary.ops = records.size();
  summary.authors = static_cast<uint32_t>(records.size());
  if (records.size() == 1) {
    summary.replica = records[0].replica;
    summary.seq_lo = summary.seq_hi = records[0].seq;
  }
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
