// The text type as browsers get it (core.wasm): the same formats and the same order of characters
// as ../text.hpp, in half the code (ADR 12).
//
// Why: every byte of core.wasm is paid for by each visitor of each page. A client there makes no
// snapshots, inspects nothing (ADR 8), counts in UTF-16 units only, and has one caller. What hosts,
// native clients, core-full.wasm and replica.wasm run is ../text.hpp.
//
// An edit is written as the delta that goes to others, and is then merged as theirs are.
//
// Invariants
//   - Texts that have merged the same deltas are equal, whichever implementation they run
//     (text_client_test.cpp).
//   - A call that fails has changed nothing visible. The exception is a state delta that names
//     origins which are not here, as only damage can make it.
//
// Threads: one caller at a time per instance; any number of threads at once.
#pragma once

#include "spans.hpp"

namespace synckit::text::client {

class Text : public Crdt<Text> {
 public:
  static constexpr TypeInfo kInfo{"text"};

  Status mutate(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch, uint32_t& seqs);
  Status merge(Bytes delta, Writer& patch);
  Status contents(Writer& parts) const;

 private:
  Spans spans_;
};

}  // namespace synckit::text::client
