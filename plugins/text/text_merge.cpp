// Merging deltas into a text: first everything is checked (text_codec.cpp), then it changes.
#include "text.hpp"

namespace synckit::text {

Status Text::merge(Bytes bytes, Writer& patch) {
  Work& mine = work();
  Status status = mine.delta.decode(bytes, &dots_);
  if (status.ok()) apply(mine, patch);
  done(mine, bytes);
  return status;
}

const Part& Text::part_of(const Work& work, uint32_t g) {
  const Vec<Part>& parts = work.delta.parts;
  return parts[floor_of(&parts[0].g, sizeof(Part), parts.size(), g)];
}

// The lv of an origin.
uint32_t Text::atom(const Work& work, uint32_t origin) {
  if (origin == kNone || origin < kCarried) return origin;
  uint32_t g = origin - kCarried;
  const Part& part = part_of(work, g);
  return part.lv + (g - part.g);
}

// ---- the change --------------------------------------------------------------------------------

void Text::apply(Work& work, Writer& patch) {
  uint32_t before = dots_.count();
  // Into an empty field a delta in which every origin is the predicted one goes as it stands:
  // inserted by ascending number, each piece would find its two origins adjacent.
  bool loads = work.delta.sequential && before == 0;
  for (Author& author : work.delta.authors) {
    author.local = dots_.replica(author.id, true);
    uint64_t& seen = dots_.replicas()[author.local].seen;
    if (seen < author.max) seen = author.max;
  }
  tree_.changed.clear();
  for (const Part& part : work.delta.parts) {
    if (part.author == kNone) {
      tree_.erase_atoms(part.lv, part.count);
    } else if (part.lv >= before) {
      dots_.add(work.delta.authors[part.author].local, part.seq, part.count);
    }
  }
  if (loads && work.delta.atoms) {  // number = lv
    work.delta.parts.truncate(1);
    work.delta.parts[0].count = work.delta.atoms;
  }
  for (uint32_t i = 0; i < work.delta.pieces.size(); ++i) {
    put(work, work.delta.pieces[loads ? i : work.delta.order[i].value], before, loads);
  }
  if (patch.wanted()) tell(work, loads, patch);
}

// Inserts what is new of a piece; the known part of a tombstone is deleted here too.
void Text::put(Work& work, const Piece& piece, uint32_t before, bool loads) {
  const uint8_t* text = work.delta.text.data + piece.lo;
  const uint8_t* end = work.delta.text.data + work.delta.text.len;
  const Part* part = &part_of(work, piece.g);
  uint32_t g = piece.g, left = piece.len(), lo = atom(work, piece.origin[0]), wide = 0;
  uint32_t dead = piece.meta & kDeadBit;
  for (;; ++part) {
    uint32_t lv = part->lv + (g - part->g), count = part->g + part->count - g;
    if (count > left) count = left;
    if (lv >= before) {
      uint32_t ro = atom(work, piece.origin[1]);
      if (!dead) {
        wide = chars_.store(lv, count, text);
        tree_.changed.add() = {lv, count};
      }
      Span fresh{lv, lo, ro, count | dead};
      if (!loads) tree_.seek_place(fresh);
      tree_.insert(fresh, wide);
    } else if (dead) {
      tree_.erase_atoms(lv, count);
    } else {
      scan(text, end, count, wide);
    }
    if (!(left -= count)) return;
    g += count;
    lo = lv + count - 1;
  }
}

// The patch: what was inserted and deleted, sorted by where it stands now.
void Text::tell(Work& work, bool loads, Writer& patch) {
  PatchWriter out(patch, work.patch_text);
  if (loads) {
    out.insert(work.delta.text);
    return out.finish();
  }
  work.changes.clear();
  work.places.clear();
  for (Atoms run : tree_.changed) {
    while (run.count) {
      uint32_t rest = tree_.enter(run.lv), part = rest & ~Span::kDead;
      if (part > run.count) part = run.count;
      Extent here = tree_.position();
      // What is deleted goes before what is inserted at the same place.
      work.changes.add() = {here.chars() << 1 | (rest & Span::kDead ? 0u : 1u),
                            static_cast<uint32_t>(work.places.size())};
      work.places.add() = {{run.lv, part}, here};
      run.lv += part;
      run.count -= part;
    }
  }
  sort(work.changes);
  Extent at;
  for (const Keyed& change : work.changes) {
    const Placed& run = work.places[change.value];
    Extent size{run.count, chars_.wide(run.lv, run.count)}, gap = run.before;
    gap -= at;
    out.retain(gap);
    at = run.before;
    if (change.key & 1) {
      out.insert(chars_, run.lv, run.count);
      at += size;
    } else {
      out.erase(size);
    }
  }
  out.finish();
}

}  // namespace synckit::text
