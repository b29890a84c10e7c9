// The `counter` type: a PN-counter (Shapiro et al. 2011), one record per replica.
//
// Why records and not operations: a replica's record holds its sums so far, so the newest one is
// all there is to keep, and a million increments are one record.
//
// Invariants: records ascend by replica; a replica's sums never fall; total_ is exactly the sum of
// all (inc - dec), which its 96 bits hold for 2^31 records; the visible value is total_ clamped to
// 64 signed bits.
//
// Threads: as crdt.hpp says: calls on one instance never overlap, inspect is reentrant.
#pragma once

#include <synckit/delta.hpp>
#include <synckit/order.hpp>

namespace synckit {

class Counter : public Crdt<Counter> {
 public:
  static constexpr TypeInfo kInfo{"counter"};

  // intent: zigzag varint, the amount to add. O(log replicas), no allocation after the first
  // call of a replica. SK_LIMIT when a sum or the visible value would leave its 64 bits.
  Status mutate(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch, uint32_t& seqs) {
    return status_of(edit(stamp, intent, delta, patch, seqs));
  }
  Status merge(Bytes delta, Writer& patch) { return status_of(join(delta, patch)); }
  Status encode(const Version& since, Writer& delta) const;
  Status view(Writer& json) const;
  static Status inspect(Bytes delta, Summary& summary, Deps& deps);
  Status sample(uint64_t random, Writer& intent) const;

  int64_t value() const { return total_.clamped(); }

 private:
  // high * 2^64 + low
  struct Total {
    uint64_t low = 0;
    int32_t high = 0;

    void add(uint64_t n) { low += n, high += low < n; }
    void subtract(uint64_t n) { high -= low < n, low -= n; }
    bool fits() const { return high == -static_cast<int32_t>(low >> 63); }
    int64_t clamped() const {
      return fits() ? static_cast<int64_t>(low) : high < 0 ? INT64_MIN : INT64_MAX;
    }
  };

  // What replica `replica` added and took away with all its operations up to `seq` (in an op
  // delta: with that one alone).
  struct Record {
    uint64_t replica, seq, inc, dec;
  };

  static Verdict read(Bytes delta, Vec<Record>& records);
  static void write_record(Writer& out, const Record& record);
  Verdict edit(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch, uint32_t& seqs);
  Verdict join(Bytes delta, Writer& patch);
  Verdict apply(Vec<Record>& records, bool is_op, Total& after) const;
  void commit(const Vec<Record>& records, const Total& after, Writer& patch);

  ReplicaMap<Record> records_;
  Vec<Record> scratch_;  // of one call
  Total total_;
};

}  // namespace synckit
