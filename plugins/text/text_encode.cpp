// Catch-ups and snapshots: Text::encode. The bytes are in FORMAT.md, the reader in text_codec.cpp.
//
// Everything here depends on the state alone, never on the order in which it came to be: replicas
// go by id, pieces by document order, numbers by a fixed walk over replicas and origins. To that
// end each atom has a canonical number c, by replica and seq; between replicas one is left out.
#include "text.hpp"

namespace synckit::text {
namespace {

class Encoder {
 public:
  Encoder(const CharLog& chars, const Dots& dots, const Sequence& tree)
      : chars_(chars), dots_(dots), tree_(tree) {}
  void run(const Version& since, Writer& out);

 private:
  struct Source {  // a replica, by its index in Dots
    uint64_t base, max;
    uint32_t listed;  // place among those in the delta
    uint32_t next;    // its first piece without a number, in order_
    uint32_t run;     // its first run that is not all written, in runs_
    uint64_t last;    // seq that its next gap counts from
    bool used;
  };
  struct Part {  // a run of Dots
    uint32_t c;      // of its first atom
    uint32_t known;  // so many of its atoms the receiver has
    uint32_t done;   // so many need not be written any more
  };
  // A column of runs of seqs; neighbours become one.
  struct RunColumn {
    Writer& out;
    bool many;  // replicas are listed
    Source* source = nullptr;
    uint64_t seq = 0, len = 0;

    void add(Source& of, uint64_t from, uint64_t count) {
      if (source != &of || from != seq + len) flush(), source = &of, seq = from;
      len += count;
    }
    void flush() {
      if (!len) return;
      out.varint(seq - source->last);
      if (many) out.varint(source->listed);
      out.varint(len - 1);
      source->last = seq + len - 1;
      len = 0;
    }
    void end() {
      flush();
      out.byte(0);
    }
  };

  bool prepare(const Version& since);
  void collect();
  void add_part(const Span& span, uint32_t lv, uint32_t count, uint32_t r);
  void number();
  [[gnu::noinline]] Piece* piece_of(uint32_t atom) const;
  [[gnu::noinline]] bool predicted(const Piece& piece) const;
  void write_carried(Writer& out);
  void write_gone(Writer& out);
  void write_starts(Writer& out);
  void write_origin(Writer& out, uint32_t g, uint32_t atom);

  uint32_t length_of(uint32_t run) const { return dots_.run_end(run) - dots_.runs()[run].lv; }
  // Not inlined: for the browser's bytes.
  [[gnu::noinline]] uint32_t replica_of(uint32_t lv) const {
    return dots_.runs()[dots_.run_of(lv)].replica;
  }
  [[gnu::noinline]] uint32_t canonical(uint32_t lv) const {
    uint32_t r = dots_.run_of(lv);
    return parts_[r].c + (lv - dots_.runs()[r].lv);
  }
  [[gnu::noinline]] bool carried(uint32_t lv) const {
    uint32_t r = dots_.run_of(lv);
    return lv - dots_.runs()[r].lv >= parts_[r].known;
  }

  const CharLog& chars_;
  const Dots& dots_;
  const Sequence& tree_;
  Vec<Source> sources_;
  Vec<Part> parts_;  // of each run in Dots
  Vec<Keyed> runs_;  // rank of the replica, run in Dots: by c
  mutable Vec<Piece> pieces_;
  Vec<Keyed> gone_;   // c, count: deleted atoms that are not carried
  Vec<Keyed> order_;  // c, piece
  Vec<Keyed> turns_;  // replica, count: whose atoms get the next numbers
  uint32_t listed_ = 0;  // replicas in the delta
  Buffer text_;
};

// Returns whether there is something that `since` does not cover.
bool Encoder::prepare(const Version& since) {
  const Vec<Replica>& replicas = dots_.replicas();
  const Vec<Run>& runs = dots_.runs();
  bool news = false;
  sources_.resize(replicas.size());
  runs_.resize(runs.size());
  size_t at = runs_.size();
  for (auto i = static_cast<uint32_t>(replicas.size()); i--;) {
    uint32_t r = replicas[dots_.by_id()[i].seq].last;
    for (; r != kNone; r = runs[r].prev) runs_[--at] = {i, r};
  }
  parts_.resize(runs.size());
  uint32_t c = 0;
  for (const Keyed& item : runs_) {
    const Run& run = runs[item.value];
    Source& source = sources_[run.replica];
    Part& part = parts_[item.value];
    uint32_t length = length_of(item.value);
    uint64_t known = since[replicas[run.replica].id];
    known = known < run.seq ? 0 : known - run.seq + 1;
    part.known = part.done = known < length ? static_cast<uint32_t>(known) : length;
    part.c = c + item.key;
    c += length;
    if (part.known) source.base = run.seq + part.known - 1;
  }
  for (uint32_t i = 0; i < replicas.size(); ++i) {
    Source& source = sources_[i];
    source.used = replicas[i].seen > since[replicas[i].id];
    source.max = source.used ? replicas[i].seen : source.base;
    news = news || source.used;
  }
  return news;
}

// One part of a span, inside one run of dots.
void Encoder::add_part(const Span& span, uint32_t lv, uint32_t count, uint32_t r) {
  const Run& run = dots_.runs()[r];
  uint32_t offset = lv - run.lv, known = parts_[r].known;
  known = known <= offset ? 0 : known - offset < count ? known - offset : count;
  if (known && span.dead()) {
    gone_.push_back({parts_[r].c + offset, known});
    sources_[run.replica].used = true;
  }
  if (known == count) return;
  lv += known;
  count -= known;
  uint32_t lo = lv == span.lv ? span.lo : lv - 1, c = canonical(lv);
  Writer text(text_);
  if (!span.dead()) chars_.write(text, lv, count, false);
  if (!pieces_.empty()) {
    Piece& last = pieces_.back();
    if (last.edge[1] == lo && last.ro == span.ro && last.dead() == span.dead() &&
        canonical(lo) + 1 == c) {
      last.meta += count;
      last.edge[1] = lv + count - 1;
      return;
    }
  }
  order_.push_back({c, static_cast<uint32_t>(pieces_.size())});
  pieces_.push_back({kNone, count | (span.meta & kDeadBit), lo, span.ro, {lv, lv + count - 1},
                     {}, {}});
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

// The piece that holds a carried atom.
Piece* Encoder::piece_of(uint32_t atom) const {
  uint32_t at = floor_of(&order_[0].key, sizeof(Keyed), order_.size(), canonical(atom));
  return &pieces_[order_[at].value];
}

// Numbers the atoms: replica by replica, each in its own order, but what a piece builds on first.
void Encoder::number() {
  sort(order_);
  for (auto i = static_cast<uint32_t>(order_.size()); i--;) {
    sources_[replica_of(pieces_[order_[i].value].edge[0])].next = i;
  }
  Vec<uint32_t> stack;  // pieces that are wanted
  uint32_t g = 0;
  for (const Keyed& item : order_) {
    stack.push_back(item.value);
    while (!stack.empty()) {
      const Piece& wanted = pieces_[stack.back()];
      if (wanted.g != kNone) {
        stack.pop_back();
        continue;
      }
      uint32_t replica = replica_of(wanted.edge[0]);
      Piece& piece = pieces_[order_[sources_[replica].next].value];
      size_t waiting = stack.size();
      for (uint32_t origin : {piece.lo, piece.ro}) {
        if (origin == kNone || !carried(origin) || stack.size() > waiting) continue;
        const Piece* other = piece_of(origin);
        if (other->g == kNone) stack.push_back(static_cast<uint32_t>(other - pieces_.data()));
      }
      if (stack.size() > waiting) continue;
      piece.g = g;
      g += piece.len();
      ++sources_[replica].next;
      if (turns_.empty() || turns_.back().key != replica) turns_.push_back({replica, 0});
      turns_.back().value += piece.len();
    }
  }
}

// Has it the origins that the reader would guess?
bool Encoder::predicted(const Piece& piece) const {
  return piece.lo == piece.origin[0] && piece.ro == piece.origin[1];
}

// The carried atoms, in the order of their numbers.
void Encoder::write_carried(Writer& out) {
  for (Source& source : sources_) source.last = source.base;
  for (auto i = static_cast<uint32_t>(runs_.size()); i--;) {
    sources_[dots_.runs()[runs_[i].value].replica].run = i;
  }
  RunColumn column{out, listed_ > 1};
  for (const Keyed& turn : turns_) {
    Source& source = sources_[turn.key];
    for (uint32_t left = turn.value; left;) {
      uint32_t r = runs_[source.run].value;
      Part& part = parts_[r];
      uint32_t rest = length_of(r) - part.done, count = rest < left ? rest : left;
      if (count) column.add(source, dots_.runs()[r].seq + part.done, count);
      part.done += count;
      left -= count;
      if (count == rest) ++source.run;
    }
  }
  column.end();
}

// The deleted atoms that are not carried.
void Encoder::write_gone(Writer& out) {
  for (Source& source : sources_) source.last = 0;
  RunColumn column{out, listed_ > 1};
  size_t next = 0;
  for (const Keyed& item : runs_) {
    const Run& run = dots_.runs()[item.value];
    uint32_t c = parts_[item.value].c, end = c + length_of(item.value);
    for (; next < gone_.size() && gone_[next].key < end; ++next) {
      column.add(sources_[run.replica], run.seq + (gone_[next].key - c), gone_[next].value);
    }
  }
  column.end();
}

void Encoder::write_starts(Writer& out) {
  OpenEnds open;
  uint32_t end = 0;
  for (const Piece& piece : pieces_) {
    uint32_t i = 0;
    while (i < open.count && open.ends[open.count - 1 - i] != piece.g) ++i;
    if (i < open.count) {
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
  if (carried(atom)) {
    const Piece* piece = piece_of(atom);
    uint32_t other = piece->g + (canonical(atom) - canonical(piece->edge[0]));
    return out.varint(1 + (uint64_t{g - other} << 1));
  }
  const Run& run = dots_.runs()[dots_.run_of(atom)];
  out.varint(1 + (uint64_t{sources_[run.replica].listed} << 1 | 1));
  out.varint(run.seq + (atom - run.lv));
}

void Encoder::run(const Version& since, Writer& out) {
  bool news = prepare(since);
  if (news) {
    collect();
    number();
    for (uint32_t i = 0; i < pieces_.size(); ++i) predict(pieces_, i);
    sort(gone_);
  }
  for (const Piece& piece : pieces_) {
    if (predicted(piece)) continue;
    for (uint32_t origin : {piece.lo, piece.ro}) {
      if (origin != kNone) sources_[replica_of(origin)].used = true;
    }
  }
  for (const Source& source : sources_) listed_ += source.used;
  out.byte(kState);
  out.varint(listed_);
  uint32_t listed = 0;
  for (const Dot& replica : dots_.by_id()) {
    Source& source = sources_[replica.seq];
    if (!source.used) continue;
    source.listed = listed++;
    out.fixed64(replica.replica);
    out.varint(source.base);
    out.varint(source.max - source.base);
  }
  write_carried(out);
  write_gone(out);
  for (const Piece& piece : pieces_) {
    out.varint(uint64_t{piece.len() - 1} << 1 | (piece.dead() ? 1 : 0));
  }
  write_starts(out);
  uint32_t gap = 1;
  for (const Piece& piece : pieces_) {
    if (!predicted(piece)) {
      out.varint(gap);
      write_origin(out, piece.g, piece.lo);
      write_origin(out, piece.g, piece.ro);
      gap = 0;
    }
    ++gap;
  }
  out.byte(0);
  out.raw(text_.bytes());
}

}  // namespace

Status Text::encode(const Version& since, Writer& delta) const {
  Encoder(chars_, dots_, tree_).run(since, delta);
  return {};
}

}  // namespace synckit::text
