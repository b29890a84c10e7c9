// The `set` plugin. What and why: set.hpp; bytes: FORMAT.md.
#include "set.hpp"

namespace synckit {

Set::Set() {
  heads_.resize(1);
  dots_.resize(1);
}

// ---- reading ---------------------------------------------------------------------------------

Status Set::check_element(Bytes element) {
  if (element.len > kMaxElementBytes) {
    return Status::limit(SK_TEXT("an element is larger than kMaxElementBytes (1 MiB)"));
  }
  return json_check(element);
}

// Checks a delta and sums it up; a set lists what it lists and sweeps out what it has seen and does
// not list, before the end is known to be good.
Status Set::scan(Bytes delta, Summary& summary, Deps& deps, Dots& seen, Set* set) {
  Reader in(delta);
  SK_TRY(read_head(in, kRowsDelta, seen));
  uint8_t kind = delta.data[0];
  Bytes element;
  if (kind == kRowsDelta) {
    RowReader rows(in, seen);
    Dot last{};
    for (; !in.done(); ++summary.ops, last = rows.dot) {
      if (!rows.next(true)) return malformed_delta();
      bool again = rows.flag;
      if (again ? !summary.ops || rows.dot.replica <= last.replica : !rows.ascends) {
        return malformed_delta();
      }
      if (!again) SK_TRY(check_element(rows.bytes()));
      if (set) set->list(rows.bytes(), rows.dot);
    }
    summarize(summary, seen);
  } else {
    uint64_t author = in.varint();
    element = in.rest();
    if (!in.ok() || author >= seen.size()) return malformed_delta();
    if (kind != kClearDelta) {
      SK_TRY(check_element(element));
    } else if (element.len) {
      return malformed_delta();
    }
    Dot own = seen[static_cast<size_t>(author)];
    for (const Dot& dot : seen) {
      if (dot.replica != own.replica) deps.add(dot.replica, dot.seq);
    }
    summary.authors = 1;
    summary.ops = seen.size();
    summary.replica = own.replica;
    summary.seq_lo = summary.seq_hi = own.seq;
    if (set && kind == kAddDelta) set->list(element, own);
  }
  if (set) set->sweep(kind >= kClearDelta, element, seen);
  return {};
}

// ---- changing --------------------------------------------------------------------------------

// Everything that one call marks; undone unless committed.
class Set::Change {
 public:
  explicit Change(Set& set) : set_(set) {}
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;
  ~Change() { set_.settle(commit); }

  bool commit = false;

 private:
  Set& set_;
};

void Set::mark(uint32_t at, uint32_t as) {
  marked_.push_back(at);
  dots_[at].mark = as;
}

// Keeps a dot that is here; takes one in that was not seen.
void Set::list(Bytes element, Dot dot) {
  uint32_t id = elements_.find(0, element);
  for (uint32_t at = heads_[id]; at; at = dots_[at].next) {
    if (dots_[at].dot == dot) return mark(at, kKept);
  }
  if (context_.has(dot)) return;
  for (const Dot& gone : early_) {
    if (gone == dot) return;
  }
  make_room(marked_);
  make_room(heads_);  // a new element takes at most one id more than there are
  if (!free_) {
    free_ = static_cast<uint32_t>(dots_.size());
    dots_.push_back({});
  }
  id = elements_.add(0, element);
  if (heads_.size() == id) heads_.push_back(0);

  uint32_t at = free_;
  LiveDot& fresh = dots_[at];
  free_ = fresh.next;
  uint32_t* link = &heads_[id];
  while (*link && dots_[*link].dot.replica <= dot.replica) link = &dots_[*link].next;
  fresh = {dot, *link, id, kLive, 0};
  *link = at;
  mark(at, kFresh);
}

// The live dots of one element or of all: the first, the next, 0 after the last.
uint32_t Set::first(bool all, Bytes element) const {
  return all ? next(true, 0) : heads_[elements_.find(0, element)];
}

uint32_t Set::next(bool all, uint32_t at) const {
  if (!all) return dots_[at].next;
  while (++at < dots_.size()) {
    if (dots_[at].element) return at;
  }
  return 0;
}

// Takes away what was seen and is not listed.
void Set::sweep(bool all, Bytes element, const Dots& seen) {
  for (uint32_t at = first(all, element); at; at = next(all, at)) {
    if (dots_[at].mark == kLive && seen.has(dots_[at].dot)) mark(at, kDoomed);
  }
}

void Set::unlink(uint32_t at) {
  uint32_t id = dots_[at].element;
  uint32_t* link = &heads_[id];
  while (*link != at) link = &dots_[*link].next;
  *link = dots_[at].next;
  if (!heads_[id]) elements_.remove(id);
  dots_[at].element = 0;
  dots_[at].next = free_;
  free_ = at;
}

// Keeps the fresh dots and drops the doomed ones, or the other way round.
void Set::settle(bool commit) {
  for (uint32_t at : marked_) {
    uint32_t mark = dots_[at].mark;
    dots_[at].mark = kLive;
    if (mark == (commit ? kDoomed : kFresh)) unlink(at);
  }
  marked_.clear();
}

// One entry for each element that came or went, written at the first of its marked dots.
void Set::write_patch(Writer& patch) const {
  for (uint32_t dot : marked_) {
    uint32_t first = 0;
    bool before = false, after = false;
    for (uint32_t at = heads_[dots_[dot].element]; at; at = dots_[at].next) {
      uint32_t mark = dots_[at].mark;
      before |= mark != kFresh;
      after |= mark != kDoomed;
      if (!first && mark != kLive) first = at;
    }
    if (first != dot || before == after) continue;
    patch.byte(after ? kAdd : kRemove);
    patch.sized(elements_.bytes(dots_[dot].element));
  }
}

// What an operation on one element has seen of others concerns that element only: of their dots
// that did not come yet, it is remembered that they are gone. The older half is forgotten when
// there are too many: only whoever names dots that do not exist gets that far.
Status Set::apply(Bytes delta, Writer& patch) {
  Summary told{};
  Deps none(nullptr);
  Dots seen;
  Change change(*this);
  SK_TRY(scan(delta, told, none, seen, this));
  if (patch.wanted()) write_patch(patch);
  if (!patch.ok()) return {};
  make_room(context_, seen.size());
  make_room(early_, seen.size());
  change.commit = true;
  if (delta.data[0] >= kClearDelta) context_.admit(seen, nullptr);
  for (const Dot& dot : seen) {
    if (delta.data[0] >= kClearDelta || dot.replica == told.replica) {
      context_.raise(dot);
    } else if (!context_.has(dot)) {
      if (early_.size() >= kMaxEarly) early_.erase(0, kMaxEarly / 2);
      early_.push_back(dot);
    }
  }
  return {};
}

Status Set::mutate(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch,
                   uint32_t& seqs) {
  SK_TRY(check_stamp(stamp));
  Reader in(intent);
  uint8_t op = in.byte();
  Bytes element = in.rest();
  bool all = op == kClear;
  if (op - 1u > 2 || (all && element.len)) return malformed_intent();
  if (!all) SK_TRY(check_element(element));
  Dot own{stamp.replica, stamp.seq};
  if (context_.has(own)) return used_seq();
  Dots seen;
  uint32_t any = first(all, element);
  for (uint32_t at = any; at; at = next(all, at)) seen.raise(dots_[at].dot);
  if (!any) {
    if (op != kAdd) return {};
    if (elements_.size() >= kMaxElements) {
      return Status::limit(SK_TEXT("the set already has kMaxElements (1048576) elements"));
    }
  }
  size_t author = seen.raise(own);
  scratch_.clear();
  Writer out(scratch_);
  write_head(out, static_cast<uint8_t>(0x10 | op), seen);
  out.varint(author);
  out.raw(element);
  delta.raw(scratch_);
  seqs = 1;
  return delta.ok() ? apply(scratch_, patch) : Status{};
}

// ---- writing ---------------------------------------------------------------------------------

void Set::sorted_elements(Vec<uint32_t>& ids) const {
  for (uint32_t id = 1; id < heads_.size(); ++id) {
    if (heads_[id]) ids.push_back(id);
  }
  elements_.sort(ids);
}

// All or nothing: what a removal leaves can be told only by what is still there.
Status Set::encode(const Version& since, Writer& delta) const {
  Vec<uint32_t> ids;
  static const Dots kNothing;
  const Dots* seen = &kNothing;
  for (const Dot& dot : context_) {
    if (!since.has(dot)) seen = &context_;
  }
  if (seen == &context_) sorted_elements(ids);
  write_head(delta, kRowsDelta, *seen);
  RowWriter rows(delta, context_);
  for (uint32_t id : ids) {
    for (uint32_t at = heads_[id]; at; at = dots_[at].next) {
      rows.row(at != heads_[id], true, dots_[at].dot, elements_.bytes(id));
    }
  }
  return {};
}

Status Set::view(Writer& json) const {
  Vec<uint32_t> ids;
  sorted_elements(ids);
  uint8_t separator = '[';
  for (uint32_t id : ids) {
    json.byte(separator);
    json.raw(elements_.bytes(id));
    separator = ',';
  }
  if (ids.empty()) json.byte('[');
  json.byte(']');
  return {};
}

// Few distinct values, so that concurrent adds and removes meet.
Status Set::sample(uint64_t random, Writer& intent) const {
  static const char* const kValues[] = {"1",    "2",        "-3.5e2",       "true",
                                        "null", "\"a\"",    "\"item 1\"",   "\"item 10\"",
                                        "[]",   "[1,[2]]",  "{\"a\":1}",    "\"\xd0\xb6\"",
                                        "{}",   "\"item\"", "\"\\ud83d\\ude00\"", "0"};
  uint64_t dice = random % 32;
  if (dice == 0) {
    intent.byte(kClear);
    return {};
  }
  intent.byte(dice < 18 ? kAdd : kRemove);
  intent.raw(Bytes(kValues[(random >> 8) % 16]));
  return {};
}

}  // namespace synckit

SYNCKIT_CRDT_PLUGIN(synckit::Set, "synckit.set", "1.0.0")
