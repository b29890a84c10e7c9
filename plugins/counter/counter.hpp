// The `counter` type: a PN-counter (Shapiro et al. 2011), one record per replica.
//
// Why records and not operations: a replica's record holds its sum so far, so the newest one is all
// there is to keep, and a million increments are one record.
//
// Sums and the value are added modulo 2^64, in which addition neither loses nor depends on order;
// mutate takes no step that would leave 64 signed bits, so only claims of others can wrap.
//
// Invariants: seen_ and sums_ have the same replicas; value_ is the sum of all sums.
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
  // call of a replica. SK_LIMIT when the value would leave its 64 bits.
  Status mutate(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch, uint32_t& seqs);
  Status merge(Bytes delta, Writer& patch);
  Status encode(const Version& since, Writer& delta) const;
  Status view(Writer& json) const;
  Status contents(Writer& parts) const;
  static Status inspect(Bytes delta, Summary& summary, Deps&);
  Status sample(uint64_t random, Writer& intent) const;
#if !defined(SYNCKIT_CLIENT_ONLY)
  Status capture(const Stamp& stamp, Bytes intent, Writer& token) const;  // counter_undo.cpp
  Status revert(Bytes token, Writer& intents) const;
#endif

  int64_t value() const { return static_cast<int64_t>(value_); }

 private:
  static constexpr size_t kPartBytes = 1 + sizeof(uint64_t);

  static Status read(Bytes delta, Dots& dots, Reader& sums);
  SK_ONCE Status join(const Dots& dots, Reader sums, bool is_op, Writer& patch);

  Dots seen_;            // of each replica its last operation here
  Dots sums_;            // of each replica, as its "seq", what it added up to there
  Dots scratch_;         // of one call
  uint64_t value_ = 0;
};

}  // namespace synckit
