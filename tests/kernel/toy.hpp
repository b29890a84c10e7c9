// A toy CRDT for tests of Document: a grow-only set of short texts, whose deltas may carry
// dependencies and may ask their own merge to fail in any way. Two type names of one class.
//
//   intent     count byte (dots to use, 0 = no effect), behaviour byte, text
//   op delta   'D', fixed64 replica, varint seq, varint count, fixed64 hlc, behaviour, varint
//              number of deps, (fixed64 replica, varint seq)*, text
//   state      'S', then per entry: the sized op delta; ascending by (replica, seq)
//   patch      "+text;"
#pragma once

#include <map>
#include <stdexcept>
#include <string>
#include <synckit/crdt.hpp>
#include <vector>

namespace synckit::testing {

enum Behaviour : uint8_t {
  kFine = 0,
  kVoid = 1,          // merge refuses: SK_MALFORMED
  kMissing = 2,       // merge says SK_MISSING_DEPS although all that it named is there
  kFull = 3,          // SK_LIMIT
  kThrows = 4,        // an exception: SK_INTERNAL
  kNoMemory = 5,      // std::bad_alloc: SK_NOMEM
  kBadInspect = 6,    // inspect refuses
  kStateRefused = 7,  // fine as an op; a state that holds it is refused by merge
};

struct ToyDelta {
  uint64_t replica = 0, seq = 0, count = 0, hlc = 0;
  uint8_t behaviour = kFine;
  std::vector<Dot> deps;
  std::string text;

  std::string bytes() const {
    Buffer out;
    Writer w(out);
    w.byte('D');
    w.fixed64(replica);
    w.varint(seq);
    w.varint(count);
    w.fixed64(hlc);
    w.byte(behaviour);
    w.varint(deps.size());
    for (Dot dot : deps) w.fixed64(dot.replica), w.varint(dot.seq);
    w.raw(text.data(), text.size());
    return out.str();
  }
  static Status read(Bytes bytes, ToyDelta& out) {
    Reader in(bytes);
    if (in.byte() != 'D') return Status::malformed("not a toy delta");
    out.replica = in.fixed64();
    out.seq = in.varint();
    out.count = in.varint();
    out.hlc = in.fixed64();
    out.behaviour = in.byte();
    uint64_t deps = in.varint();
    out.deps.clear();
    for (uint64_t i = 0; i < deps && in.ok(); ++i) {
      uint64_t replica = in.fixed64();
      out.deps.push_back({replica, in.varint()});
    }
    out.text = in.rest().str();
    if (!in.ok() || out.replica == 0 || out.seq == 0 || out.count == 0) {
      return Status::malformed("a toy delta is cut off or has no dots");
    }
    return {};
  }
};

inline int toys_alive = 0;                   // instances, to notice leaks
inline bool toy_creation_fails = false;      // the next creates: std::bad_alloc
inline std::vector<Dot> toy_next_deps;       // what the next mutations depend on

template <const char* kName>
class Toy : public Crdt<Toy<kName>> {
 public:
  static constexpr TypeInfo kInfo{kName, 2, 1};

  Toy() {
    if (toy_creation_fails) throw std::bad_alloc();
    ++toys_alive;
  }
  ~Toy() { --toys_alive; }

  Status mutate(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch, uint32_t& seqs) {
    if (intent.len < 2) return Status::malformed("a toy intent is two bytes and a text");
    if (intent.data[0] == 0) return {};
    ToyDelta d{stamp.replica, stamp.seq, intent.data[0], stamp.hlc, intent.data[1], toy_next_deps,
               Bytes(intent.data + 2, intent.len - 2).str()};
    seqs = intent.data[0];
    std::string bytes = d.bytes();
    delta.raw(Bytes(bytes));
    return take(d, patch);
  }

  Status merge(Bytes bytes, Writer& patch) {
    std::vector<ToyDelta> all;
    SK_TRY(read_all(bytes, all));
    bool state = bytes.data[0] == 'S';
    for (const ToyDelta& d : all) {
      if (state && d.behaviour == kStateRefused) return Status::malformed("a refused state");
    }
    for (const ToyDelta& d : all) SK_TRY(take(d, patch));
    return {};
  }

  Status encode(const Version& since, Writer& out) const {
    out.byte('S');
    for (const auto& [key, d] : entries_) {
      if (since.has({d.replica, d.seq})) continue;
      std::string bytes = d.bytes();
      out.sized(Bytes(bytes));
    }
    return {};
  }

  Status view(Writer& json) const {
    json.byte('[');
    bool first = true;
    for (const auto& [key, d] : entries_) {
      std::string item = (first ? "\"" : ",\"") + d.text + "@" + std::to_string(d.hlc) + "\"";
      json.raw(Bytes(item));
      first = false;
    }
    json.byte(']');
    return {};
  }

  static Status inspect(Bytes bytes, Summary& summary, Deps& deps) {
    std::vector<ToyDelta> all;
    SK_TRY(read_all(bytes, all));
    summary.authors = all.size() == 1 ? 1 : 2;
    for (const ToyDelta& d : all) {
      if (d.behaviour == kBadInspect) return Status::malformed("inspect refuses this delta");
      summary.replica = d.replica;
      summary.seq_lo = d.seq;
      summary.seq_hi = d.seq + d.count - 1;
      if (d.hlc > summary.max_hlc) summary.max_hlc = d.hlc;
      summary.ops += d.count;
      for (Dot dot : d.deps) deps.need(dot.replica, dot.seq);
    }
    return {};
  }

  Status restamp(const Stamp& stamp, Bytes bytes, Writer& out) {
    ToyDelta d;
    SK_TRY(ToyDelta::read(bytes, d));
    auto at = entries_.find({d.replica, d.seq});
    if (at == entries_.end()) return Status::malformed("not an own delta");
    at->second.hlc = d.hlc = stamp.hlc;
    std::string again = d.bytes();
    out.raw(Bytes(again));
    return {};
  }

  Status compact(const Version& stable) {
    for (auto& [key, d] : entries_) {
      if (stable.has({d.replica, d.seq})) d.deps.clear();
    }
    return {};
  }

 private:
  static Status read_all(Bytes bytes, std::vector<ToyDelta>& out) {
    if (bytes.empty()) return Status::malformed("an empty toy delta");
    if (bytes.data[0] != 'S') return ToyDelta::read(bytes, out.emplace_back());
    Reader in(bytes);
    in.byte();
    while (in.ok() && !in.done()) SK_TRY(ToyDelta::read(in.sized(), out.emplace_back()));
    return in.ok() ? Status{} : Status::malformed("a toy state is cut off");
  }

  Status take(const ToyDelta& d, Writer& patch) {
    if (entries_.count({d.replica, d.seq})) return {};
    switch (d.behaviour) {
      case kVoid: return Status::malformed("refused on purpose");
      case kMissing: return {SK_MISSING_DEPS, "missing on purpose"};
      case kFull: return Status::limit("full on purpose");
      case kThrows: throw std::runtime_error("failed on purpose");
      case kNoMemory: throw std::bad_alloc();
      default: break;
    }
    entries_[{d.replica, d.seq}] = d;
    std::string text = "+" + d.text + ";";
    patch.raw(Bytes(text));
    return {};
  }

  std::map<std::pair<uint64_t, uint64_t>, ToyDelta> entries_;
};

inline constexpr char kToyName[] = "test.toy", kOtherName[] = "test.other";
using ToyA = Toy<kToyName>;
using ToyB = Toy<kOtherName>;

}  // namespace synckit::testing
