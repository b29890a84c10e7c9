// Merging deltas into a text: first everything is checked and resolved to lvs, then it changes.
#include "text.hpp"

namespace synckit::text {

Status Text::merge(Bytes bytes, Writer& patch) {
  SK_TRY(delta_.decode(bytes));
  SK_TRY(resolve());
  apply(patch);
  if (delta_.state) {  // it may be large
    delta_.~Delta();
    new (&delta_) Delta;
  }
  return {};
}

// Gives every number of the delta its lv, known or next. Afterwards nothing can fail.
Status Text::resolve() {
  uint32_t end = dots_.count();
  size_t strangers = dots_.replicas().size();
  for (Author& author : delta_.authors) {
    author.local = dots_.replica(author.id, false);
    strangers += author.local == kNone;
    if (dots_.seen(author.local) < author.base) return missing();
  }
  table_.clear();
  for (const Segment& segment : delta_.segments) {
    uint32_t local = delta_.authors[segment.author].local, g = segment.g;
    uint64_t seq = segment.seq, seen = dots_.seen(local);
    for (uint32_t left = segment.len, part; left; left -= part) {
      uint32_t lv = end;
      part = left;
      if (seq <= seen) {
        lv = dots_.find(local, seq, part);
        if (lv == kNone) {
          return Status::malformed(SK_TEXT("text delta: names a dot that is no character here"));
        }
        if (part > left) part = left;
      } else {
        if (g >= kNamed) return missing();
        end += left;
      }
      table_.push_back({seq, g, lv, part, segment.author});
      g += part;
      seq += part;
    }
  }
  return end > kMaxAtoms || strangers > kMaxReplicas ? too_many() : Status();
}

const Text::Known& Text::known(uint32_t g) const {
  return table_[floor_of(&table_[0].g, sizeof(Known), table_.size(), g)];
}

uint32_t Text::atom(uint32_t g) const {
  if (g == kNone) return kNone;
  const Known& part = known(g);
  return part.lv + (g - part.g);
}

// ---- the change --------------------------------------------------------------------------------

void Text::apply(Writer& patch) {
  uint32_t before = dots_.count();
  // Into an empty field a delta in which every origin is the predicted one goes as it stands:
  // inserted by ascending number, each piece would find its two origins adjacent.
  bool loads = delta_.sequential && before == 0;
  for (Author& author : delta_.authors) {
    author.local = dots_.replica(author.id, true);
    uint64_t& seen = dots_.replicas()[author.local].seen;
    if (seen < author.max) seen = author.max;
  }
  for (const Known& part : table_) {
    if (part.lv < before || part.g >= kNamed) continue;
    dots_.add(delta_.authors[part.author].local, part.seq, part.count);
  }
  if (loads && delta_.atoms) {  // number = lv
    table_.truncate(1);
    table_[0].count = delta_.atoms;
  }
  fresh_.clear();
  tree_.erased.clear();
  for (uint32_t i = 0; i < delta_.pieces.size(); ++i) {
    put(delta_.pieces[loads ? i : delta_.order[i].value], before, loads);
  }
  for (const Known& part : table_) {
    if (part.g >= kNamed && part.g < delta_.gone) tree_.erase_atoms(part.lv, part.count);
  }
  if (!patch.wanted()) return;
  PatchWriter out(patch, patch_text_);
  if (loads) {
    out.insert(delta_.text);
  } else {
    tell(out);
  }
  out.finish();
}

// Inserts what is new of a piece; the known part of a tombstone is deleted here too.
void Text::put(const Piece& piece, uint32_t before, bool loads) {
  const uint8_t* text = delta_.text.data + piece.first;
  const uint8_t* end = delta_.text.data + delta_.text.len;
  const Known* part = &known(piece.g);
  uint32_t g = piece.g, left = piece.len(), lo = atom(piece.lo), wide = 0;
  uint32_t dead = piece.meta & kDeadBit;
  for (;; ++part) {
    uint32_t lv = part->lv + (g - part->g), count = part->g + part->count - g;
    if (count > left) count = left;
    if (lv >= before) {
      uint32_t ro = atom(piece.ro);
      if (!dead) {
        wide = chars_.store(lv, count, text);
        fresh_.push_back({lv, count});
      }
      if (!loads) tree_.seek_place(lo, ro, lv);
      tree_.insert({lv, lo, ro, count | dead}, wide);
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
void Text::tell(PatchWriter& out) {
  changes_.clear();
  places_.clear();
  for (Vec<Atoms>* list : {&tree_.erased, &fresh_}) {
    for (Atoms run : *list) {
      while (run.count) {
        bool dead;
        uint32_t part = tree_.enter(run.lv, dead);
        if (part > run.count) part = run.count;
        Extent here = tree_.position();
        // What is deleted goes before what is inserted at the same place.
        changes_.push_back({here.chars << 1 | (dead ? 0u : 1u),
                            static_cast<uint32_t>(places_.size())});
        places_.push_back({{run.lv, part}, here.wide});
        run.lv += part;
        run.count -= part;
      }
    }
  }
  if (changes_.size() > 1) sort(changes_);
  Extent at{0, 0};
  for (const Keyed& change : changes_) {
    const Placed& run = places_[change.value];
    uint32_t chars = change.key >> 1, wide = chars_.wide(run.lv, run.count);
    out.retain(chars - at.chars, run.wide - at.wide);
    at = {chars, run.wide};
    if (change.key & 1) {
      out.insert(chars_, run.lv, run.count);
      at.chars += run.count;
      at.wide += wide;
    } else {
      out.erase(run.count, wide);
    }
  }
}

}  // namespace synckit::text
