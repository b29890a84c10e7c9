// A high score: the value is the largest number that anyone has ever set.
#include <string>
#include <synckit/crdt.hpp>
using namespace synckit;

struct HighScore : Crdt<HighScore> {
  static constexpr TypeInfo kInfo{"com.example.high-score"};
  uint64_t best = 0;
  // Edits and states have one format: author, seq, score. A state has no author.
  static Status read(Bytes delta, uint64_t& replica, uint64_t& seq, uint64_t& score) {
    Reader in(delta);
    replica = in.fixed64(), seq = in.varint(), score = in.varint();
    bool good = in.good_end() && (replica == 0) == (seq == 0);
    return good ? Status{} : Status::malformed("these bytes are not a high score");
  }
  static void write(Writer& out, uint64_t replica, uint64_t seq, uint64_t score) {
    out.fixed64(replica), out.varint(seq), out.varint(score);
  }
  static Status show(Writer& json, uint64_t score) {
    json.raw(Bytes(std::to_string(score)));
    return json.status();
  }
  // A local edit: `intent` is a varint. The patch, here, is the new value.
  Status mutate(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch, uint32_t& seqs) {
    Reader in(intent);
    uint64_t score = in.varint();
    if (!in.good_end()) return Status::malformed("a score is one varint");
    if (score <= best) return {};  // no effect, no delta
    write(delta, stamp.replica, stamp.seq, score);
    SK_TRY(delta.status());
    SK_TRY(show(patch, score));
    best = score, seqs = 1;  // last: a call that fails has changed nothing
    return {};
  }
  // Anyone's edit, a catch-up or a snapshot: validated first, then joined.
  Status merge(Bytes delta, Writer& patch) {
    uint64_t replica, seq, score;
    SK_TRY(read(delta, replica, seq, score));
    if (score <= best) return {};
    SK_TRY(show(patch, score));
    best = score;
    return {};
  }
  Status encode(const Version&, Writer& state) const {
    write(state, 0, 0, best);
    return {};
  }
  Status view(Writer& json) const { return show(json, best); }
  // Who wrote a delta, and which of its author's dots it is. It builds on nothing.
  static Status inspect(Bytes delta, Summary& about, Deps&) {
    SK_TRY(read(delta, about.replica, about.seq_lo, about.max_hlc));
    about.seq_hi = about.seq_lo, about.max_hlc = 0;  // it uses no clock
    about.authors = about.ops = about.replica ? 1 : 0;
    return {};
  }
  // For `synckit plugin check`: some valid edit.
  Status sample(uint64_t random, Writer& out) const { return out.varint(random % 1000), Status{}; }
};

SYNCKIT_CRDT_PLUGIN(HighScore, "com.example.high-score", "1.0.0")
