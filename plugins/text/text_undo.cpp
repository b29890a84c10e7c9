// Undo (synckit.crdt.undo/1): tokens that name the atoms of an edit, and the intents that undo it.
// FORMAT.md has the bytes of both.
//
// What was inserted is deleted, as far as it is still there, wherever others have cut it. What was
// deleted is inserted again, each run right behind its own last tombstone: so it comes back between
// the neighbours that it had, also when a later undo brings these back one by one.
//
// Copies. Text that comes back is new atoms. To undo the insertion of the text that they copy means
// to delete them, too, so a text remembers which atoms copy which: in order of their making, so
// that one pass finds the copies of copies.
//
// Nothing here changes anything but the cursor of the sequence.
#include "text.hpp"

namespace synckit::text {
namespace {

constexpr uint8_t kSplice = 1, kRestore = 3;              // first byte of an intent
constexpr uint8_t kHasInserted = 1, kHasErased = 2;       // first byte of a token

Status bad_token() {
  return Status::malformed(SK_TEXT("text undo: these bytes are no token"));
}

}  // namespace

// ---- runs of dots ---------------------------------------------------------------------------

// The atoms of a run of dots, each of which must be one.
Status Text::find_atoms(uint64_t replica, uint64_t seq, uint64_t count, Vec<Atoms>& out) {
  if (!replica || !seq || !count || count > kMaxAtoms) return stranger();
  uint32_t local = dots_.replica(replica, false);
  uint64_t seen = dots_.seen(local);
  if (seq > seen || count - 1 > seen - seq) {
    return {SK_MISSING_DEPS, SK_TEXT("text undo: names edits that are not here yet")};
  }
  for (auto left = static_cast<uint32_t>(count); left;) {
    uint32_t part, lv = dots_.find(local, seq, part);
    if (lv == kNone) return stranger();
    if (part > left) part = left;
    out.push_back({lv, part});
    seq += part;
    left -= part;
  }
  return {};
}

// Runs up to the one that says that it is the last; `sum` gets the number of their atoms.
Status Text::read_runs(Reader& in, Vec<Atoms>& out, uint64_t& sum) {
  for (bool more = true; more;) {
    uint64_t replica = in.fixed64(), seq = in.varint(), tail = in.varint();
    if (!in.ok()) return bad_token();
    SK_TRY(find_atoms(replica, seq, (tail >> 1) + 1, out));
    sum += (tail >> 1) + 1;
    if (sum > kMaxAtoms) return bad_token();
    more = tail & 1;
  }
  return {};
}

void Text::name(uint32_t lv, uint32_t count, Vec<Named>& out) const {
  while (count) {
    uint32_t index = dots_.run_of(lv), part = dots_.run_end(index) - lv;
    const Run& run = dots_.runs()[index];
    if (part > count) part = count;
    out.push_back({run.seq + (lv - run.lv), run.replica, part});
    lv += part;
    count -= part;
  }
}

void Text::write_runs(const Vec<Named>& runs, Writer& out) const {
  for (size_t i = 0; i < runs.size(); ++i) {
    out.fixed64(dots_.replicas()[runs[i].replica].id);
    out.varint(runs[i].seq);
    out.varint(uint64_t{runs[i].len - 1} << 1 | (i + 1 < runs.size()));
  }
}

// ---- the intent that restores ---------------------------------------------------------------

// Leaves the cursor behind the last of the atoms for which the text stands.
Status Text::read_restore(Bytes intent, Splice& splice) {
  Reader in(intent);
  in.byte();
  Vec<Atoms> runs;
  uint64_t sum = 0;
  const uint8_t* start = in.at();
  SK_TRY(read_runs(in, runs, sum));
  splice.restored = {start, static_cast<size_t>(in.at() - start)};
  splice.text = in.rest();
  const uint8_t* text = splice.text.data;
  splice.chars = scan(text, text + splice.text.len, kNone, splice.wide);
  if (splice.wide == kBadText || splice.chars != sum) {
    return Status::malformed(SK_TEXT("text intent: invalid UTF-8, or not a character per atom"));
  }
  tree_.seek_atom(runs.back().lv + runs.back().count - 1);
  splice.position = tree_.position().chars();
  splice.erase = 0;
  return {};
}

// The atoms from `lv` on copy those runs.
void Text::remember(Bytes bytes, uint32_t lv) {
  Reader in(bytes);
  Vec<Atoms> runs;
  uint64_t sum = 0;
  if (!read_runs(in, runs, sum).ok()) return;  // read_restore has read them
  for (const Atoms& run : runs) {
    if (copies_.size() == kMaxCopies) return;
    copies_.push_back({run.lv, lv, run.count});
    lv += run.count;
  }
}

// Adds the copies of these runs, and the copies of copies.
void Text::add_copies(Vec<Atoms>& runs) const {
  for (const Copy& copy : copies_) {
    size_t at = floor_of(&runs[0].lv, sizeof(Atoms), runs.size(), copy.from);
    for (; at < runs.size() && runs[at].lv < copy.from + copy.count; ++at) {
      uint32_t from = runs[at].lv, end = from + runs[at].count;
      if (from < copy.from) from = copy.from;
      if (end > copy.from + copy.count) end = copy.from + copy.count;
      if (from >= end) continue;
      Atoms found{copy.to + (from - copy.from), end - from};
      size_t to = floor_of(&runs[0].lv, sizeof(Atoms), runs.size(), found.lv);
      if (runs[to].lv < found.lv) ++to;
      runs.insert(to, found);
      if (to <= at) ++at;
    }
  }
}

// ---- tokens ---------------------------------------------------------------------------------

Status Text::capture(const Stamp& stamp, Bytes intent, Writer& token) {
  Splice splice;
  SK_TRY(read_intent(intent, splice));
  if (!splice.chars && !splice.erase) return {};
  token.byte((splice.chars ? kHasInserted : 0) | (splice.erase ? kHasErased : 0));
  if (splice.chars) {
    token.fixed64(stamp.replica);
    token.varint(stamp.seq + (splice.erase ? 1 : 0));
    token.varint(splice.chars);
  }
  if (!splice.erase) return {};
  Vec<Atoms> gone;
  Vec<Named> named;
  for (uint32_t at = splice.position, left = splice.erase; left;) {
    tree_.seek(at + 1);
    uint32_t lv = tree_.left_atom(), part = tree_.enter(lv);  // visible
    if (part > left) part = left;
    gone.push_back({lv, part});
    name(lv, part, named);
    at += part;
    left -= part;
  }
  write_runs(named, token);
  for (const Atoms& run : gone) chars_.write(token, run.lv, run.count, false);
  return {};
}

Status Text::revert(Bytes token, Writer& intents) {
  Reader in(token);
  uint8_t flags = in.byte();
  if (!flags || flags > (kHasInserted | kHasErased)) return bad_token();
  Vec<Atoms> fresh, gone;
  if (flags & kHasInserted) {
    uint64_t replica = in.fixed64(), seq = in.varint(), count = in.varint();
    if (!in.ok()) return bad_token();
    SK_TRY(find_atoms(replica, seq, count, fresh));
  }
  uint64_t sum = 0;
  if (flags & kHasErased) SK_TRY(read_runs(in, gone, sum));
  Bytes text = in.rest();
  const uint8_t* at = text.data;
  uint32_t wide;
  if (scan(at, at + text.len, kNone, wide) != sum || wide == kBadText) return bad_token();
  if (!fresh.empty()) undo_insert(fresh, intents);
  if (!gone.empty()) undo_erase(gone, text, intents);
  return {};
}

// Deletes what is there of these atoms and their copies: from right to left, so that each position
// is still right when its turn comes.
void Text::undo_insert(Vec<Atoms>& runs, Writer& intents) {
  add_copies(runs);
  Vec<Keyed> places;  // position, count
  for (Atoms run : runs) {
    while (run.count) {
      uint32_t rest = tree_.enter(run.lv), part = rest & ~Span::kDead;
      if (part > run.count) part = run.count;
      if (!(rest & Span::kDead)) places.push_back({tree_.position().chars(), part});
      run = {run.lv + part, run.count - part};
    }
  }
  sort(places);
  Buffer intent;
  for (size_t i = places.size(); i--;) {
    uint32_t from = places[i].key, end = from + places[i].value;
    while (i && places[i - 1].key + places[i - 1].value == from) from = places[--i].key;
    intent.clear();
    Writer out(intent);
    out.byte(kSplice);
    out.varint(from);
    out.varint(end - from);
    intents.sized(intent);
  }
}

// Inserts text again where it stood: one intent for each run of tombstones that stand together.
void Text::undo_erase(Vec<Atoms>& runs, Bytes text, Writer& intents) {
  const uint8_t *at = text.data, *start = at, *end = at + text.len;
  Vec<Named> named;
  Buffer intent;
  uint32_t last = kNone;
  auto flush = [&] {
    if (!named.empty()) {
      intent.clear();
      Writer out(intent);
      out.byte(kRestore);
      write_runs(named, out);
      out.raw(start, static_cast<size_t>(at - start));
      intents.sized(intent);
      named.clear();
    }
    start = at;
  };
  for (Atoms run : runs) {
    while (run.count) {
      uint32_t rest = tree_.enter(run.lv), part = rest & ~Span::kDead, wide;
      if (part > run.count) part = run.count;
      if (last != kNone) {
        tree_.seek_atom(last);
        if (tree_.right_atom() != run.lv) flush();
      }
      if (rest & Span::kDead) {
        name(run.lv, part, named);
        scan(at, end, part, wide);
        last = run.lv + part - 1;
      } else {  // the edit was not made
        flush();
        scan(at, end, part, wide);
        start = at;
        last = kNone;
      }
      run = {run.lv + part, run.count - part};
    }
  }
  flush();
}

}  // namespace synckit::text
