// Merging deltas into a text: first everything is checked and resolved to lvs, then it changes.
#include "text.hpp"

namespace synckit::text {

namespace {
constexpr const char* kNoAtom = "text delta: names a dot that is no character of this field";
const Status kMissing{SK_MISSING_DEPS, "text delta: builds on edits that are not here yet"};
}  // namespace

Status Text::merge(Bytes bytes, Writer& patch) {
  SK_TRY(delta_.decode(bytes));
  for (Author& author : delta_.authors) author.local = dots_.find_replica(author.id);
  if (!delta_.state && dots_.seen(delta_.authors[0].local) >= delta_.authors[0].max) return {};
  SK_TRY(resolve());
  apply(patch);
  return {};
}

// ---- before anything changes -------------------------------------------------------------------

Status Text::resolve() {
  jobs_.clear();
  kills_.clear();
  uint32_t end = 0;
  size_t strangers = 0;
  for (const Author& author : delta_.authors) {
    strangers += author.local == kNone;
    if (delta_.state && dots_.seen(author.local) < author.base) return kMissing;
  }
  if (strangers > kMaxReplicas - dots_.replica_count()) {
    return Status::limit("text: more than kMaxReplicas replicas write this field");
  }
  SK_TRY(resolve_segments(end));
  // Of an op whose delete is known already only the rest of its insert is news.
  if (delta_.state || dots_.seen(delta_.authors[0].local) < delta_.first) {
    for (const SeqRun& run : delta_.gone) SK_TRY(resolve_atoms(run));
  }
  // Into an empty field a delta that proves its order goes as it stands: number = lv.
  loads_ = delta_.state && delta_.sequential && dots_.count() == 0 && end == delta_.atoms;
  size_t segment = 0;
  if (loads_) return {};
  for (const Keyed& item : delta_.order) {
    SK_TRY(resolve_piece(delta_.pieces[item.value], segment));
  }
  return {};
}

// How much of each segment is known, and which lvs the rest gets.
Status Text::resolve_segments(uint32_t& end) {
  end = dots_.count();
  for (Segment& segment : delta_.segments) {
    uint64_t seen = dots_.seen(delta_.authors[segment.author].local);
    uint64_t known = seen < segment.seq ? 0 : seen - segment.seq + 1;
    segment.known = known < segment.len ? static_cast<uint32_t>(known) : segment.len;
    segment.lv = end;
    end += segment.len - segment.known;
  }
  if (end > kMaxAtoms) {
    return Status::limit("text: more than kMaxAtoms code points were inserted into this field");
  }
  return {};
}

// Known atoms that the delta deletes: to kills_.
Status Text::resolve_atoms(const SeqRun& run) {
  uint32_t local = delta_.authors[run.author].local;
  if (dots_.seen(local) < run.seq + (run.len - 1)) return kMissing;
  uint64_t seq = run.seq;
  for (uint32_t count = run.len, left = 0; count;) {
    uint32_t lv = dots_.find(local, seq, left);
    if (lv == kNone) return Status::malformed(kNoAtom);
    if (left > count) left = count;
    kills_.push_back({lv, left});
    seq += left;
    count -= left;
  }
  return {};
}

Status Text::resolve_origin(uint32_t origin, uint32_t& atom) {
  atom = kNone;
  if (origin == kNone) return {};
  if (!(origin & kOutside)) return resolve_number(origin, atom);
  const SeqRun& dot = delta_.outside[origin & ~kOutside];
  uint32_t local = delta_.authors[dot.author].local, left = 0;
  if (dots_.seen(local) < dot.seq) return kMissing;
  atom = dots_.find(local, dot.seq, left);
  return atom == kNone ? Status::malformed(kNoAtom) : Status{};
}

Status Text::resolve_number(uint32_t g, uint32_t& atom) {
  size_t lo = 0, hi = delta_.segments.size();
  while (hi - lo > 1) {
    size_t mid = (lo + hi) / 2;
    (delta_.segments[mid].g <= g ? lo : hi) = mid;
  }
  const Segment& segment = delta_.segments[lo];
  uint32_t offset = g - segment.g, left = 0;
  if (offset >= segment.known) {
    atom = segment.lv + (offset - segment.known);
    return {};
  }
  atom = dots_.find(delta_.authors[segment.author].local, segment.seq + offset, left);
  return atom == kNone ? Status::malformed(kNoAtom) : Status{};
}

// The unknown atoms of a piece become jobs; the known ones of a tombstone are deleted here too.
Status Text::resolve_piece(const Piece& piece, size_t& segment) {
  uint32_t g = piece.g, end = piece.g + piece.len();
  const uint8_t* text = piece.dead() ? nullptr : delta_.text.data + piece.first;
  while (g < end) {
    const Segment& part = delta_.segments[segment];
    uint32_t stop = part.g + part.len;
    if (stop <= g) {
      ++segment;
      continue;
    }
    if (stop > end) stop = end;
    uint32_t known = part.g + part.known;  // numbers below are known
    if (known > stop) known = stop;
    if (g < known) {
      if (piece.dead()) {
        SK_TRY(resolve_atoms({part.seq + (g - part.g), part.author, known - g}));
      } else {
        text = skip_code_points(text, known - g);
      }
      g = known;
    }
    if (g == stop) continue;
    Job job{part.lv + (g - part.g - part.known), stop - g, kNone, kNone, text};
    SK_TRY(g == piece.g ? resolve_origin(piece.lo, job.lo) : resolve_number(g - 1, job.lo));
    SK_TRY(resolve_origin(piece.ro, job.ro));
    jobs_.push_back(job);
    if (text && stop < end) text = skip_code_points(text, stop - g);
    g = stop;
  }
  return {};
}

// ---- the change --------------------------------------------------------------------------------

void Text::apply(Writer& patch) {
  uint32_t before = dots_.count();
  bool news = false;
  for (Author& author : delta_.authors) {
    // Of an op only its author: replicas that it merely names are known already.
    if (author.local == kNone) author.local = dots_.obtain_replica(author.id);
  }
  for (const Segment& segment : delta_.segments) {
    if (segment.known == segment.len) continue;
    dots_.add(delta_.authors[segment.author].local, segment.seq + segment.known,
              segment.len - segment.known);
    news = true;
  }
  for (const Author& author : delta_.authors) {
    uint64_t& seen = dots_.replica(author.local).seen;
    if (seen < author.max) seen = author.max;
  }
  changed_.clear();
  patch_.clear();
  Writer scratch(patch_);
  PatchWriter out(scratch, patch_text_);
  bool ordered = false;
  if (loads_) {
    load();
  } else {
    ordered = integrate(out, patch.wanted() && !delta_.state);
  }
  if (!patch.wanted() || !(news || changed_.size())) return;
  if (ordered) {
    out.finish();
    patch.raw(patch_.bytes());
  } else {
    PatchWriter whole(patch, patch_text_);
    sweep(before, whole);
    whole.finish();
  }
}

// A delta in which every origin is the predicted one proves its own document order: inserted by
// ascending number, each piece would find its two origins adjacent. So it is taken as it stands.
void Text::load() {
  const uint8_t* end = delta_.text.data + delta_.text.len;
  for (const Piece& piece : delta_.pieces) {
    uint32_t wide = 0;
    const uint8_t* from = delta_.text.data + piece.first;
    if (!piece.dead()) wide = chars_.store(piece.g, piece.len(), from, end);
    tree_.insert(piece.g, piece.len(), piece.lo, piece.ro, piece.dead(), wide);
  }
}

// Returns whether the changes came in document order, so that `out` has the patch.
bool Text::integrate(PatchWriter& out, bool wanted) {
  const uint8_t* end = delta_.text.data + delta_.text.len;
  bool ordered = wanted;
  uint32_t at = 0, at_wide = 0;  // what `out` has covered, in the new text
  auto reach = [&] {
    uint32_t position = tree_.position();
    if (position < at) ordered = false;
    if (!ordered) return;
    uint32_t wide = tree_.wide_before();
    out.retain(position - at, wide - at_wide);
    at = position;
    at_wide = wide;
  };
  for (Job& job : jobs_) {
    uint32_t wide = job.text ? chars_.store(job.lv, job.count, job.text, end) : 0;
    tree_.seek_place(job.lo, job.ro, job.lv);
    if (ordered) {
      reach();
      if (job.text && ordered) {
        out.insert(chars_, job.lv, job.count);
        at += job.count;
        at_wide += wide;
      }
    }
    tree_.insert(job.lv, job.count, job.lo, job.ro, !job.text, wide);
  }
  for (AtomRun& kill : kills_) {
    while (kill.count) {
      uint32_t count = kill.count, wide = 0;
      uint32_t gone = tree_.erase_atoms(kill.lv, count, wide);
      if (gone) {
        changed_.push_back({kill.lv, gone});
        if (ordered) {
          reach();
          out.erase(gone, wide);
        }
      }
      kill.lv += count;
      kill.count -= count;
    }
  }
  return ordered;
}

// The patch of a merge that changed many places: one walk over all spans. Atoms from `before` on
// are new, `changed_` has the old ones that went.
void Text::sweep(uint32_t before, PatchWriter& out) {
  sort(changed_, spare_);
  for (const Leaf* leaf = tree_.first(); leaf; leaf = leaf->next) {
    for (uint32_t i = 0; i < leaf->count; ++i) {
      const Span& span = leaf->spans[i];
      uint32_t end = span.lv + span.len();
      uint32_t fresh = before < span.lv ? span.lv : before < end ? before : end;
      if (!span.dead()) {
        uint32_t old = fresh - span.lv;
        out.retain(old, tree_.wide() ? chars_.wide(span.lv, old) : 0);
        if (fresh < end) out.insert(chars_, fresh, end - fresh);
        continue;
      }
      size_t lo = 0, hi = changed_.size();
      while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (changed_[mid].key < span.lv) {
          lo = mid + 1;
        } else {
          hi = mid;
        }
      }
      for (; lo < changed_.size() && changed_[lo].key < fresh; ++lo) {
        auto lv = static_cast<uint32_t>(changed_[lo].key);
        out.erase(changed_[lo].value, chars_.wide(lv, changed_[lo].value));
      }
    }
  }
}

}  // namespace synckit::text
