// Catch-ups and snapshots: Text::encode. The bytes are in FORMAT.md, the reader in text_codec.cpp.
//
// Everything here depends on the state alone, never on the order in which it came to be: replicas
// go by id, pieces by document order, numbers by a fixed walk over replicas and origins.
#include "text.hpp"

namespace synckit::text {
namespace {

class Encoder {
 public:
  Encoder(const CharLog& chars, const Dots& dots, const Sequence& tree, const Version& since)
      : chars_(chars), dots_(dots), tree_(tree), since_(since) {}
  void run(Writer& out);

 private:
  struct Source {  // a replica, by its index in Dots
    uint64_t base = 0, max = 0;
    uint32_t id_order = 0;       // place among all replicas
    uint32_t listed = kNone;     // place among those in the delta
    uint32_t begin = 0, end = 0;  // its pieces in order_
    uint32_t numbered = 0;       // pieces that have their number
    uint32_t ranks = 0;          // atoms that it carries
    bool used = false;
  };
  struct Turn {
    uint32_t replica, count;
  };

  void prepare();
  void collect();
  void add_part(const Span& span, uint32_t lv, uint32_t count, uint32_t run);
  void number();
  bool wait_for(uint32_t atom, Vec<uint32_t>& stack);
  uint32_t rank(uint32_t lv) const;
  uint32_t piece_place(const Source& source, uint32_t rank) const;
  uint32_t number_of(uint32_t lv) const;
  void expect();
  void write(Writer& out);
  void write_runs(Writer& out);
  void write_gone(Writer& out);
  void write_starts(Writer& out);
  void write_origin(Writer& out, uint32_t g, uint32_t atom);
  bool carried(uint32_t lv) const {
    const Run& run = dots_.runs()[dots_.run_of(lv)];
    return run.seq + (lv - run.lv) > sources_[run.replica].base;
  }

  const CharLog& chars_;
  const Dots& dots_;
  const Sequence& tree_;
  const Version& since_;
  Vec<Source> sources_;
  Vec<uint32_t> listed_;      // indexes into Dots, ascending by id
  Vec<uint32_t> first_rank_;  // of each run in Dots
  Vec<Piece> pieces_;
  Vec<Keyed> gone_;   // id_order << 32 | lv, count: deleted atoms that are not carried
  Vec<Keyed> order_;  // id_order << 32 | rank, piece
  Vec<Keyed> spare_;
  Vec<Turn> turns_;
  Vec<uint32_t> exceptions_, left_, right_;
  Buffer text_;
  bool news_ = false;  // there is something that `since` does not cover
};

void Encoder::prepare() {
  Source blank;
  for (size_t i = 0; i < dots_.replica_count(); ++i) sources_.push_back(blank);
  first_rank_.resize(dots_.runs().size());
  for (uint32_t at = 0; at < dots_.by_id().size(); ++at) {
    uint32_t index = dots_.by_id()[at];
    const Replica& replica = dots_.replica(index);
    Source& source = sources_[index];
    uint64_t known = since_[replica.id];
    source.id_order = at;
    for (uint32_t r : replica.runs) {
      const Run& run = dots_.runs()[r];
      uint32_t length = dots_.run_end(r) - run.lv;
      if (known >= run.seq) {
        uint64_t offset = known - run.seq;
        source.base = run.seq + (offset < length ? offset : length - 1);
      }
      uint32_t carried = run.seq + length - 1 <= known ? 0
                         : known < run.seq             ? length
                                                       : static_cast<uint32_t>(
                                                 run.seq + length - 1 - known);
      // Of a run that is cut by `known`, the atoms before it get ranks that nobody asks for.
      first_rank_[r] = source.ranks - (length - carried);
      source.ranks += carried;
    }
    source.max = replica.seen > known ? replica.seen : source.base;
    if (source.max > source.base) source.used = news_ = true;
  }
}

// One part of a span, inside one run of dots: carried atoms only, or known ones only.
void Encoder::add_part(const Span& span, uint32_t lv, uint32_t count, uint32_t r) {
  const Run& run = dots_.runs()[r];
  Source& source = sources_[run.replica];
  uint64_t seq = run.seq + (lv - run.lv);
  uint32_t known = seq > source.base                ? 0
                   : source.base - seq + 1 >= count ? count
                                                    : static_cast<uint32_t>(source.base - seq + 1);
  if (known && span.dead()) {
    gone_.push_back({uint64_t{source.id_order} << 32 | lv, known});
    source.used = true;
  }
  lv += known;
  count -= known;
  if (!count) return;
  uint32_t lo = lv == span.lv ? span.lo : lv - 1;
  uint32_t rank = first_rank_[r] + (lv - run.lv);
  if (!span.dead()) {
    Writer text(text_);
    chars_.write(text, lv, count, false);
  }
  if (!pieces_.empty()) {
    Piece& last = pieces_.back();
    if (last.replica == run.replica && last.rank + last.len() == rank && last.last == lo &&
        last.ro == span.ro && last.dead() == span.dead()) {
      last.meta += count;
      last.last = lv + count - 1;
      return;
    }
  }
  pieces_.push_back({0, count | (span.dead() ? kDeadBit : 0), lo, span.ro, lv, lv + count - 1,
                     run.replica, rank});
}

// The pieces, in document order, and their text.
void Encoder::collect() {
  for (const Leaf* leaf = tree_.first(); leaf; leaf = leaf->next) {
    for (uint32_t i = 0; i < leaf->count; ++i) {
      const Span& span = leaf->spans[i];
      uint32_t end = span.lv + span.len();
      for (uint32_t lv = span.lv, r = dots_.run_of(lv); lv < end; ++r) {
        uint32_t stop = dots_.run_end(r) < end ? dots_.run_end(r) : end;
        add_part(span, lv, stop - lv, r);
        lv = stop;
      }
    }
  }
}

uint32_t Encoder::rank(uint32_t lv) const {
  uint32_t r = dots_.run_of(lv);
  return first_rank_[r] + (lv - dots_.runs()[r].lv);
}

// Where in order_ the piece with a replica's rank stands.
uint32_t Encoder::piece_place(const Source& source, uint32_t rank) const {
  uint32_t lo = source.begin, hi = source.end;
  while (hi - lo > 1) {
    uint32_t mid = (lo + hi) / 2;
    (static_cast<uint32_t>(order_[mid].key) <= rank ? lo : hi) = mid;
  }
  return lo;
}

uint32_t Encoder::number_of(uint32_t lv) const {
  const Source& source = sources_[dots_.runs()[dots_.run_of(lv)].replica];
  uint32_t at = rank(lv);
  const Piece& piece = pieces_[order_[piece_place(source, at)].value];
  return piece.g + (at - piece.rank);
}

// When the piece that holds an origin has no number yet, its replica goes first.
bool Encoder::wait_for(uint32_t atom, Vec<uint32_t>& stack) {
  if (atom == kNone || !carried(atom)) return false;
  uint32_t replica = dots_.runs()[dots_.run_of(atom)].replica;
  const Source& source = sources_[replica];
  uint32_t place = piece_place(source, rank(atom));
  if (place < source.begin + source.numbered) return false;
  stack.push_back(replica);
  stack.push_back(place + 1 - source.begin);
  return true;
}

// Numbers the atoms: replica by replica, each in its own order, but what a piece builds on first.
void Encoder::number() {
  for (uint32_t i = 0; i < pieces_.size(); ++i) {
    const Source& source = sources_[pieces_[i].replica];
    order_.push_back({uint64_t{source.id_order} << 32 | pieces_[i].rank, i});
  }
  sort(order_, spare_);
  for (uint32_t i = 0; i < order_.size(); ++i) {
    Source& source = sources_[pieces_[order_[i].value].replica];
    if (source.begin == source.end) source.begin = i;
    source.end = i + 1;
  }
  Vec<uint32_t> stack;  // pairs: replica, how many of its pieces are wanted
  uint32_t g = 0;
  for (uint32_t index : dots_.by_id()) {
    stack.push_back(index);
    stack.push_back(sources_[index].end - sources_[index].begin);
    while (!stack.empty()) {
      uint32_t replica = stack[stack.size() - 2];
      Source& source = sources_[replica];
      if (source.numbered >= stack.back()) {
        stack.truncate(stack.size() - 2);
        continue;
      }
      Piece& piece = pieces_[order_[source.begin + source.numbered].value];
      if (wait_for(piece.lo, stack) || wait_for(piece.ro, stack)) continue;
      piece.g = g;
      g += piece.len();
      ++source.numbered;
      if (turns_.empty() || turns_.back().replica != replica) turns_.push_back({replica, 0});
      turns_.back().count += piece.len();
    }
  }
}

// Which pieces have other origins than the reader would guess.
void Encoder::expect() {
  predict(pieces_, left_, right_);
  for (uint32_t i = 0; i < pieces_.size(); ++i) {
    const Piece& piece = pieces_[i];
    uint32_t lo = left_[i] == kNone ? kNone : pieces_[left_[i]].last;
    uint32_t ro = right_[i] == kNone ? kNone : pieces_[right_[i]].first;
    if (piece.lo == lo && piece.ro == ro) continue;
    exceptions_.push_back(i);
    for (uint32_t origin : {piece.lo, piece.ro}) {
      if (origin != kNone && !carried(origin)) {
        sources_[dots_.runs()[dots_.run_of(origin)].replica].used = true;
      }
    }
  }
}

void Encoder::run(Writer& out) {
  prepare();
  if (news_) {
    collect();
    number();
    expect();
  }
  for (uint32_t index : dots_.by_id()) {
    if (!news_ || !sources_[index].used) continue;
    sources_[index].listed = static_cast<uint32_t>(listed_.size());
    listed_.push_back(index);
  }
  write(out);
}

void Encoder::write_runs(Writer& out) {
  for (uint32_t index : listed_) {
    const Replica& replica = dots_.replica(index);
    const Source& source = sources_[index];
    // Runs that continue each other exist only in memory: they came in several turns.
    Vec<SeqRun> runs;
    for (uint32_t r : replica.runs) {
      uint64_t seq = dots_.runs()[r].seq;
      uint32_t length = dots_.run_end(r) - dots_.runs()[r].lv;
      if (seq + length - 1 <= source.base) continue;
      if (seq <= source.base) {
        length -= static_cast<uint32_t>(source.base - seq + 1);
        seq = source.base + 1;
      }
      if (!runs.empty() && runs.back().seq + runs.back().len == seq) {
        runs.back().len += length;
      } else {
        runs.push_back({seq, 0, length});
      }
    }
    out.varint(runs.size());
    uint64_t at = source.base;
    for (const SeqRun& run : runs) {
      out.varint(run.seq - at - 1);
      out.varint(run.len - 1);
      at = run.seq + run.len - 1;
    }
  }
}

void Encoder::write_gone(Writer& out) {
  sort(gone_, spare_);
  size_t next = 0;
  for (uint32_t index : listed_) {
    Vec<SeqRun> runs;
    for (; next < gone_.size() && gone_[next].key >> 32 == sources_[index].id_order; ++next) {
      auto lv = static_cast<uint32_t>(gone_[next].key);
      const Run& run = dots_.runs()[dots_.run_of(lv)];
      uint64_t seq = run.seq + (lv - run.lv);
      if (!runs.empty() && runs.back().seq + runs.back().len == seq) {
        runs.back().len += gone_[next].value;
      } else {
        runs.push_back({seq, 0, gone_[next].value});
      }
    }
    out.varint(runs.size());
    uint64_t at = 0;
    for (const SeqRun& run : runs) {
      out.varint(run.seq - at - 1);
      out.varint(run.len - 1);
      at = run.seq + run.len - 1;
    }
  }
}

void Encoder::write_starts(Writer& out) {
  OpenEnds open;
  uint32_t end = 0;
  for (const Piece& piece : pieces_) {
    uint32_t i = open.find(piece.g);
    if (i < OpenEnds::kSize) {
      open.take(i);
      out.varint(i);
    } else {
      int64_t step = int64_t{piece.g} - end;
      out.varint(((static_cast<uint64_t>(step) << 1) ^ static_cast<uint64_t>(step >> 63)) +
                 OpenEnds::kSize);
    }
    end = piece.g + piece.len();
    open.push(end);
  }
}

void Encoder::write_origin(Writer& out, uint32_t g, uint32_t atom) {
  if (atom == kNone) return out.byte(0);
  if (carried(atom)) return out.varint(1 + (uint64_t{g - number_of(atom)} << 1));
  const Run& run = dots_.runs()[dots_.run_of(atom)];
  out.varint(1 + (uint64_t{sources_[run.replica].listed} << 1 | 1));
  out.varint(run.seq + (atom - run.lv));
}

void Encoder::write(Writer& out) {
  out.byte(kState);
  out.varint(listed_.size());
  uint32_t writers = 0;
  for (uint32_t index : listed_) {
    const Source& source = sources_[index];
    out.fixed64(dots_.replica(index).id);
    out.varint(source.base);
    out.varint(source.max - source.base);
    writers += source.ranks != 0;
  }
  write_runs(out);
  write_gone(out);
  if (writers > 1) {
    for (const Turn& turn : turns_) {
      out.varint(sources_[turn.replica].listed);
      out.varint(turn.count);
    }
  }
  out.varint(pieces_.size());
  for (const Piece& piece : pieces_) {
    out.varint(uint64_t{piece.len() - 1} << 1 | (piece.dead() ? 1 : 0));
  }
  write_starts(out);
  out.varint(exceptions_.size());
  uint32_t at = 0;
  for (uint32_t i : exceptions_) {
    out.varint(i - at);
    write_origin(out, pieces_[i].g, pieces_[i].lo);
    write_origin(out, pieces_[i].g, pieces_[i].ro);
    at = i + 1;
  }
  out.raw(text_.bytes());
}

}  // namespace

Status Text::encode(const Version& since, Writer& delta) const {
  Encoder(chars_, dots_, tree_, since).run(delta);
  return {};
}

}  // namespace synckit::text
