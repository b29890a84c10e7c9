// The `set` plugin. What and why: set.hpp; bytes: FORMAT.md.
#include "set.hpp"

namespace synckit {

namespace {

constexpr Problem kLongElement{SK_LIMIT, "an element is larger than kMaxElementBytes (1 MiB)"};
constexpr Problem kFull{SK_LIMIT, "the set already has kMaxElements (1048576) elements"};
constexpr Problem kAddsMissing{SK_MISSING_DEPS, "the catch-up builds on adds that are not here"};

// Flags in a row's head byte, above the number of shared bytes.
constexpr uint8_t kSameAuthor = 0x20, kSameElement = 0x40, kSurvivor = 0x80;

bool before(Dot a, Dot b) {
  return a.replica != b.replica ? a.replica < b.replica : a.seq < b.seq;
}

}  // namespace

// ---- reading ---------------------------------------------------------------------------------

Verdict Set::check_edit(uint8_t op, Bytes element) {
  if (op == kClear) return element.empty() ? nullptr : &kMalformedIntent;
  if (op != kAdd && op != kRemove) return &kMalformedIntent;
  return element.len > kMaxElementBytes ? &kLongElement : check_json(element);
}

Verdict Set::read_op(Bytes delta, Op& op, Vec<Dot>& observed) {
  Reader reader(delta);
  reader.byte();
  op.op = reader.byte();
  op.dot.replica = reader.fixed64();
  op.dot.seq = reader.varint();
  uint64_t previous = 0;
  for (uint64_t left = reader.varint(); left && reader.ok(); --left) {
    Dot dot{reader.fixed64(), 0};
    dot.seq = reader.varint();
    if (dot.replica <= previous || dot.replica == op.dot.replica || dot.seq == 0) reader.fail();
    previous = dot.replica;
    observed.push_back(dot);
  }
  op.element = reader.rest();
  bool good = reader.ok() && op.dot.replica != 0 && op.dot.seq != 0;
  return good && !check_edit(op.op, op.element) ? nullptr : &kMalformedDelta;
}

// Reads a state delta: the context, then row by row.
class Set::Rows {
 public:
  explicit Rows(Bytes delta) : reader_(delta) {
    reader_.byte();
    uint64_t previous = 0;
    for (uint64_t left = reader_.varint(); left && reader_.ok(); --left) {
      Dot dot{reader_.fixed64(), 0};
      dot.seq = reader_.varint();
      if (dot.replica <= previous || dot.seq == 0) reader_.fail();
      previous = dot.replica;
      context.items().push_back(dot);
    }
    left_ = reader_.varint();
  }

  ReplicaMap<Dot> context;

  Bytes element() const { return {element_.data(), element_.size()}; }
  bool good_end() const { return reader_.good_end(); }

  bool next(Row& row) {
    if (left_ == 0) return false;
    --left_;
    uint8_t head = reader_.byte();
    size_t shared = head & kMaxShared;
    row.survivor = head & kSurvivor;
    row.again = head & kSameElement;
    if (!(head & kSameAuthor)) author_ = reader_.varint();
    uint64_t seq = seq_.read(reader_);
    if (author_ >= context.items().size()) return reader_.fail(), false;
    const Dot& known = context.items()[static_cast<size_t>(author_)];
    Dot previous = row.dot;
    row.dot = {known.replica, seq};
    if (seq == 0 || seq > known.seq) reader_.fail();
    // First the elements, each with its dots, then the survivors, all in ascending order.
    if (row.survivor) {
      if ((head & (kSameElement | kMaxShared)) || (survivors_ && !before(previous, row.dot))) {
        reader_.fail();
      }
      survivors_ = true;
    } else if (survivors_ || (row.again && (shared || !any_ || !before(previous, row.dot)))) {
      reader_.fail();
    } else if (!row.again) {
      read_element(shared);
    }
    return reader_.ok();
  }

 private:
  void read_element(size_t shared) {
    Bytes rest = reader_.sized(), all = element();
    if (shared > all.len || rest.len > kMaxElementBytes - shared ||
        (any_ && !(Bytes(all.data + shared, all.len - shared) < rest))) {
      return reader_.fail();
    }
    any_ = true;
    element_.truncate(shared);
    element_.append(rest.data, rest.len);
  }

  Reader reader_;
  uint64_t left_, author_ = 0;
  Difference seq_;
  Vec<uint8_t> element_;
  bool any_ = false, survivors_ = false;
};

Verdict Set::examine(Bytes delta, Summary& summary, Deps& deps) {
  if (Verdict wrong = check_delta_kind(delta)) return wrong;
  DotRange range;
  uint64_t author = 0;
  if (delta.data[0] == kOpDelta) {
    Op op;
    Vec<Dot> observed;
    if (Verdict wrong = read_op(delta, op, observed)) return wrong;
    for (const Dot& dot : observed) deps.need(dot.replica, dot.seq);
    summary.authors = 1;
    summary.ops = 1 + observed.size();
    author = op.dot.replica;
    range.add(op.dot.seq);
  } else {
    Rows rows(delta);
    const Vec<Dot>& authors = rows.context.items();
    summary.authors = static_cast<uint32_t>(authors.size());
    for (Row row{}; rows.next(row); ++summary.ops) {
      if (!row.survivor) {
        range.add(row.dot.seq);
        if (!row.again && check_json(rows.element())) return &kMalformedJson;
      } else if (authors.size() != 1) {
        deps.need(row.dot.replica, row.dot.seq);
      }
    }
    if (!rows.good_end()) return &kMalformedDelta;
    if (authors.size() != 1) return nullptr;
    author = authors[0].replica;
    range.add(authors[0].seq);
  }
  range.report(summary, author);
  return nullptr;
}

// ---- changing --------------------------------------------------------------------------------

// Everything that one call marks; undone unless committed.
class Set::Change {
 public:
  explicit Change(Set& set) : set_(set) {}
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;
  ~Change() { set_.settle(false); }

  // False when the patch could not grow. After true nothing of the call can fail any more.
  bool commit(Writer& patch) {
    set_.write_patch(patch);
    if (patch.ok()) set_.settle(true);
    return patch.ok();
  }

 private:
  Set& set_;
};

void Set::add_dot(Bytes element, Dot dot) {
  make_room(marked_);
  make_room(heads_);  // a new element takes at most one id more than there are
  if (free_ == kNoId) {
    free_ = static_cast<uint32_t>(dots_.size());
    dots_.resize(free_ + 1);
    dots_[free_].next = dots_[free_].element = kNoId;
  }
  uint32_t id = elements_.add(0, element);
  while (heads_.size() <= id) heads_.push_back(kNoId);

  uint32_t at = free_;
  LiveDot& fresh = dots_[at];
  free_ = fresh.next;
  uint32_t* link = &heads_[id];
  while (*link != kNoId && dots_[*link].replica <= dot.replica) link = &dots_[*link].next;
  fresh.replica = dot.replica;
  fresh.seq = dot.seq;
  fresh.next = *link;
  fresh.element = id;
  fresh.mark = kFresh;
  *link = at;
  marked_.push_back(at);
}

void Set::doom(uint32_t dot) {
  marked_.push_back(dot);
  dots_[dot].mark = kDoomed;
}

void Set::unlink(uint32_t dot) {
  uint32_t id = dots_[dot].element;
  uint32_t* link = &heads_[id];
  while (*link != dot) link = &dots_[*link].next;
  *link = dots_[dot].next;
  if (heads_[id] == kNoId) elements_.remove(id);
  dots_[dot].element = kNoId;
  dots_[dot].next = free_;
  free_ = dot;
}

// Keeps the fresh dots and drops the doomed ones, or the other way round.
void Set::settle(bool commit) {
  uint32_t drop = commit ? kDoomed : kFresh;
  for (uint32_t dot : marked_) {
    if (dots_[dot].mark == drop) {
      unlink(dot);
    }
    dots_[dot].mark = kLive;
  }
  marked_.clear();
}

// One entry for each element that came or went, written at the first of its marked dots.
void Set::write_patch(Writer& patch) const {
  if (!patch.wanted()) return;
  for (uint32_t dot : marked_) {
    uint32_t first = kNoId;
    bool before = false, after = false;
    for (uint32_t at = heads_[dots_[dot].element]; at != kNoId; at = dots_[at].next) {
      uint32_t mark = dots_[at].mark;
      before |= mark != kFresh;
      after |= mark != kDoomed;
      if (first == kNoId && (mark == kFresh || mark == kDoomed)) first = at;
    }
    if (first != dot || before == after) continue;
    patch.byte(after ? kAdd : kRemove);
    patch.sized(elements_.bytes(dots_[dot].element));
  }
}

bool Set::removed_early(Dot dot) const {
  for (const Early& early : early_) {
    if (early.replica == dot.replica && dot.seq > early.low && dot.seq <= early.high) return true;
  }
  return false;
}

// Remembers what `op` removes of dots that did not come yet. The older half goes when there are too
// many: only whoever names dots that do not exist gets that far.
void Set::expect_observed(const Op& op) {
  for (const Dot& dot : observed_.items()) {
    if (seen(dot)) continue;
    if (early_.size() >= kMaxEarly) early_.erase(0, kMaxEarly / 2);
    const Dot* known = context_.find(dot.replica);
    uint64_t low = op.op != kClear ? dot.seq - 1 : known ? known->seq : 0;
    early_.push_back({dot.replica, low, dot.seq});
  }
}

void Set::forget_early() {
  size_t kept = 0;
  for (const Early& early : early_) {
    if (!seen({early.replica, early.high})) early_[kept++] = early;
  }
  early_.truncate(kept);
}

// Calls each(dot) for the live dots that `op` may take away.
template <class Each>
void Set::each_in_scope(const Op& op, Each&& each) {
  if (op.op == kClear) {
    for (uint32_t at = 0; at < dots_.size(); ++at) {
      if (is_live(at)) each(at);
    }
  } else {
    uint32_t at = first_dot(elements_.find(0, op.element));
    for (; at != kNoId; at = dots_[at].next) each(at);
  }
}

// Does what `op` does; observed_ holds what its author had seen of others.
void Set::apply(const Op& op, Writer& patch) {
  Change change(*this);
  make_room(context_.items());
  early_.reserve(early_.size() + observed_.items().size());
  each_in_scope(op, [&](uint32_t at) {
    Dot dot = dot_at(at);
    const Dot* observed = observed_.find(dot.replica);
    if (dot.replica == op.dot.replica ||
        (observed && (op.op == kClear ? dot.seq <= observed->seq : dot.seq == observed->seq))) {
      doom(at);
    }
  });
  if (op.op == kAdd && !removed_early(op.dot)) add_dot(op.element, op.dot);
  if (!change.commit(patch)) return;
  expect_observed(op);
  context_.at(op.dot.replica).seq = op.dot.seq;
  forget_early();
}

Verdict Set::edit(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch, uint32_t& seqs) {
  if (Verdict wrong = check_stamp(stamp)) return wrong;
  Reader reader(intent);
  Op op{reader.byte(), {stamp.replica, stamp.seq}, {}};
  op.element = reader.rest();
  if (Verdict wrong = check_edit(op.op, op.element)) return wrong;
  if (seen(op.dot)) return &kUsedSeq;
  observed_.items().clear();
  bool any = false;
  each_in_scope(op, [&](uint32_t at) {
    any = true;
    Dot dot = dot_at(at);
    if (dot.replica == stamp.replica) return;
    uint64_t& seq = observed_.at(dot.replica).seq;
    if (seq < dot.seq) seq = dot.seq;
  });
  if (!any) {
    if (op.op != kAdd) return nullptr;
    if (elements_.size() >= kMaxElements) return &kFull;
  }
  delta.byte(kOpDelta);
  delta.byte(op.op);
  delta.fixed64(op.dot.replica);
  delta.varint(op.dot.seq);
  delta.varint(observed_.items().size());
  for (const Dot& dot : observed_.items()) {
    delta.fixed64(dot.replica);
    delta.varint(dot.seq);
  }
  delta.raw(op.element);
  if (delta.ok()) apply(op, patch);
  seqs = 1;
  return nullptr;
}

Verdict Set::take(Bytes delta, Writer& patch) {
  if (Verdict wrong = check_delta_kind(delta)) return wrong;
  if (delta.data[0] == kStateDelta) return join(delta, patch);
  Op op;
  observed_.items().clear();
  if (Verdict wrong = read_op(delta, op, observed_.items())) return wrong;
  if (!seen(op.dot)) apply(op, patch);
  return nullptr;
}

// Joins a state: its rows are added unless they were seen here; what it has seen and neither lists
// nor names as a survivor goes.
Verdict Set::join(Bytes delta, Writer& patch) {
  Summary ignored;
  Deps none(nullptr);
  if (Verdict wrong = examine(delta, ignored, none)) return wrong;

  Change change(*this);
  Rows rows(delta);
  const Vec<Dot>& authors = rows.context.items();
  bool news = false;
  for (const Dot& dot : authors) news |= !seen(dot);
  if (!news) return nullptr;

  Vec<uint32_t> kept;   // dots of ours that a row lists too
  Vec<Dot> survivors;   // ascending
  for (Row row{}; rows.next(row);) {
    bool old = seen(row.dot);
    if (row.survivor) {
      if (!old) return &kAddsMissing;
      survivors.push_back(row.dot);
      continue;
    }
    uint32_t at = first_dot(elements_.find(0, rows.element()));
    while (at != kNoId && !(dot_at(at) == row.dot)) at = dots_[at].next;
    if (at != kNoId) {
      kept.push_back(at);
    } else if (!old && !removed_early(row.dot)) {
      add_dot(rows.element(), row.dot);
    }
  }

  marked_.reserve(dots_.size());
  context_.items().reserve(context_.items().size() + authors.size());
  for (uint32_t at : kept) dots_[at].mark = kKept;
  for (uint32_t at = 0; at < dots_.size(); ++at) {
    Dot dot = dot_at(at);
    const Dot* known = rows.context.find(dot.replica);
    if (!is_live(at) || dots_[at].mark != kLive || !known || dot.seq > known->seq) continue;
    size_t low = 0, high = survivors.size();
    while (low < high) {
      size_t middle = (low + high) / 2;
      if (before(survivors[middle], dot)) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    if (low == survivors.size() || !(survivors[low] == dot)) doom(at);
  }
  for (uint32_t at : kept) dots_[at].mark = kLive;
  if (!change.commit(patch)) return nullptr;
  for (const Dot& dot : authors) {
    uint64_t& seq = context_.at(dot.replica).seq;
    if (seq < dot.seq) seq = dot.seq;
  }
  forget_early();
  return nullptr;
}

// ---- writing ---------------------------------------------------------------------------------

// First the dots that `since` lacks, by element and then replica, with the elements; then all
// others, by replica and seq: whoever knows them takes what is missing there for removed.
Status Set::encode(const Version& since, Writer& delta) const {
  bool news = false;
  for (const Dot& dot : context_.items()) news |= !since.has(dot);
  Vec<uint32_t> ids;
  for (uint32_t at = 0; news && at < dots_.size(); ++at) {
    if (is_live(at)) ids.push_back(at);
  }
  sort_ids(ids, [&](uint32_t a, uint32_t b) {
    Dot x = dot_at(a), y = dot_at(b);
    bool known = since.has(x);
    if (known != since.has(y)) return !known;
    if (known || dots_[a].element == dots_[b].element) return before(x, y);
    return elements_.bytes(dots_[a].element) < elements_.bytes(dots_[b].element);
  });

  delta.byte(kStateDelta);
  delta.varint(news ? context_.items().size() : 0);
  for (size_t i = 0; news && i < context_.items().size(); ++i) {
    delta.fixed64(context_.items()[i].replica);
    delta.varint(context_.items()[i].seq);
  }
  delta.varint(ids.size());
  Bytes previous;
  uint32_t element = kNoId;
  size_t author = 0;
  Difference seq;
  for (uint32_t at : ids) {
    Dot dot = dot_at(at);
    bool survivor = since.has(dot), again = !survivor && dots_[at].element == element;
    bool listed = !survivor && !again;
    Bytes bytes = elements_.bytes(element = dots_[at].element);
    size_t shared = listed ? shared_prefix(previous, bytes) : 0;
    size_t index = context_.position(dot.replica);
    delta.byte(static_cast<uint8_t>(shared | (index == author ? kSameAuthor : 0) |
                                    (again ? kSameElement : 0) | (survivor ? kSurvivor : 0)));
    if (index != author) delta.varint(index);
    author = index;
    seq.write(delta, dot.seq);
    if (listed) delta.sized({bytes.data + shared, bytes.len - shared});
    previous = bytes;
  }
  return {};
}

Status Set::view(Writer& json) const {
  Vec<uint32_t> ids;
  for (uint32_t id = 0; id < heads_.size(); ++id) {
    if (heads_[id] != kNoId) ids.push_back(id);
  }
  sort_ids(ids, [this](uint32_t a, uint32_t b) { return elements_.bytes(a) < elements_.bytes(b); });
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
