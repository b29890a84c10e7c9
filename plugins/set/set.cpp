// The `set` plugin. What and why: set.hpp; bytes: FORMAT.md.
#include "set.hpp"

namespace synckit {

namespace {

const char kMalformed[] = "malformed set delta: cut short, too long or out of range";

}  // namespace

// ---- reading ---------------------------------------------------------------------------------

Status Set::read_edit(Reader& reader, uint8_t op, Bytes& element) {
  if (op < kAdd || op > kClear) return Status::malformed("malformed set operation: unknown kind");
  element = reader.rest();
  if (op == kClear) {
    return element.empty() ? Status{} : Status::malformed("malformed set operation: too long");
  }
  if (element.len > kMaxElementBytes) {
    return Status::limit("an element is larger than kMaxElementBytes (1 MiB)");
  }
  return json_check(element);
}

template <class Each>
Status Set::read_op(Bytes delta, Op& op, Each&& each_observed) {
  Reader reader(delta);
  reader.byte();
  op.op = reader.byte();
  op.dot.replica = reader.fixed64();
  op.dot.seq = reader.varint();
  op.observed = reader.varint();
  uint64_t previous = 0;
  for (uint64_t left = op.observed; left && reader.ok(); --left) {
    Dot dot{reader.fixed64(), 0};
    dot.seq = reader.varint();
    if (dot.replica <= previous || dot.replica == op.dot.replica || dot.seq == 0) reader.fail();
    previous = dot.replica;
    if (reader.ok()) each_observed(dot);
  }
  if (!reader.ok() || op.dot.replica == 0 || op.dot.seq == 0) {
    return Status::malformed(kMalformed, reader.offset());
  }
  return in_delta(read_edit(reader, op.op, op.element));
}

// Reads a state delta: the context, then a row for each dot that comes with its element, then the
// survivors. The caller drains one part before it asks for the next.
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
      if (reader_.ok()) context.items().push_back(dot);
    }
    elements_left_ = reader_.varint();
  }

  ReplicaMap<Dot> context;

  bool next(Row& row) {
    row.first = dots_left_ == 0;
    if (row.first && !begin_element()) return false;
    uint64_t author = author_;
    if (!same_author_) {
      author = reader_.varint();
      if (author >= context.items().size() || (!row.first && author <= author_)) reader_.fail();
    }
    uint64_t seq = seq_.read(reader_);
    --dots_left_;
    if (!take_dot(author, seq, row.dot)) return false;
    author_ = author;
    if (row.first && !read_element()) return false;
    row.element = element();
    return true;
  }

  bool next_survivor(Dot& dot) {
    if (!in_survivors_) {
      if (reader_.done() || !reader_.ok()) return false;
      in_survivors_ = true;
      author_ = UINT64_MAX;
    }
    while (dots_left_ == 0) {
      if (author_ + 1 == context.items().size()) return false;
      ++author_;
      seq_.last = 0;
      dots_left_ = reader_.varint();
      if (!reader_.ok()) return false;
    }
    --dots_left_;
    uint64_t step = reader_.varint();
    if (step == 0 || step > UINT64_MAX - seq_.last) reader_.fail();
    seq_.last += step;
    return take_dot(author_, seq_.last, dot);
  }

  Status end() const {
    if (reader_.good_end()) return {};
    return Status::malformed(kMalformed, reader_.offset());
  }

 private:
  static constexpr uint8_t kSameAuthor = 0x20;  // one dot, of the same author as the last one

  Bytes element() const { return {element_.data(), element_.size()}; }

  bool begin_element() {
    if (elements_left_ == 0 || !reader_.ok()) return false;
    --elements_left_;
    uint8_t head = reader_.byte();
    if (head >= 2 * kSameAuthor) reader_.fail();
    shared_ = head & kMaxShared;
    same_author_ = head & kSameAuthor;
    dots_left_ = same_author_ ? 1 : reader_.varint();
    if (dots_left_ == 0) reader_.fail();
    return reader_.ok();
  }

  bool take_dot(uint64_t author, uint64_t seq, Dot& dot) {
    if (author >= context.items().size() || seq == 0) reader_.fail();
    if (!reader_.ok()) return false;
    dot = {context.items()[static_cast<size_t>(author)].replica, seq};
    if (seq > context.items()[static_cast<size_t>(author)].seq) reader_.fail();
    return reader_.ok();
  }

  // The element's bytes stand behind its first dot. They ascend from element to element.
  bool read_element() {
    Bytes rest = reader_.sized();
    if (!reader_.ok() || shared_ > element_.size() || shared_ + rest.len > kMaxElementBytes) {
      return reader_.fail(), false;
    }
    Bytes tail{element_.data() + shared_, element_.size() - shared_};
    if (any_ && !(tail < rest)) return reader_.fail(), false;
    any_ = true;
    element_.truncate(shared_);
    element_.append(rest.data, rest.len);
    return true;
  }

  Reader reader_;
  uint64_t elements_left_ = 0, dots_left_ = 0, author_ = 0;
  Difference seq_;
  Vec<uint8_t> element_;
  size_t shared_ = 0;
  bool same_author_ = false, any_ = false, in_survivors_ = false;
};

Status Set::inspect(Bytes delta, Summary& summary, Deps& deps) {
  SK_TRY(check_delta_kind(delta));
  if (delta.data[0] == kOpDelta) {
    Op op;
    SK_TRY(read_op(delta, op, [&](Dot dot) { deps.need(dot.replica, dot.seq); }));
    summary.authors = 1;
    summary.replica = op.dot.replica;
    summary.seq_lo = summary.seq_hi = op.dot.seq;
    summary.ops = 1 + op.observed;
    return {};
  }
  Rows rows(delta);
  DotRange range;
  for (Row row; rows.next(row);) {
    range.add(row.dot.seq);
    ++summary.ops;
    if (row.first) SK_TRY(json_check(row.element));
  }
  const Vec<Dot>& authors = rows.context.items();
  summary.authors = static_cast<uint32_t>(authors.size());
  for (Dot dot; rows.next_survivor(dot); ++summary.ops) {
    if (authors.size() != 1) deps.need(dot.replica, dot.seq);
  }
  SK_TRY(rows.end());
  if (authors.size() == 1) {
    range.add(authors[0].seq);
    range.report(summary, authors[0].replica);
  }
  return {};
}

// ---- changing --------------------------------------------------------------------------------

// Everything that one call marks; undone unless committed.
class Set::Change {
 public:
  explicit Change(Set& set) : set_(set) {}
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;
  ~Change() { set_.settle(false); }

  // After this nothing of the call can fail any more.
  Status commit(Writer& patch) {
    set_.write_patch(patch);
    SK_TRY(patch.status());
    set_.settle(true);
    return {};
  }

 private:
  Set& set_;
};

void Set::add_dot(Bytes element, Dot dot) {
  make_room(marked_);
  make_room(heads_);  // a new element takes at most one id more than there are
  if (free_ == kNoId) {
    dots_.push_back({0, 0, kNoId, kNoId, kLive, 0});
    free_ = static_cast<uint32_t>(dots_.size() - 1);
  }
  uint32_t id = elements_.add(0, element);
  while (heads_.size() <= id) heads_.push_back(kNoId);

  uint32_t fresh = free_;
  free_ = dots_[fresh].next;
  uint32_t* link = &heads_[id];
  while (*link != kNoId && dots_[*link].replica <= dot.replica) link = &dots_[*link].next;
  dots_[fresh] = {dot.replica, dot.seq, *link, id, kFresh, 0};
  *link = fresh;
  marked_.push_back(fresh);
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

// Marks what `op` removes and adds; observed_ holds what its author had seen of others.
Status Set::apply(const Op& op, Writer& patch) {
  Change change(*this);
  make_room(context_.items());
  auto consider = [&](uint32_t at) {
    const LiveDot& dot = dots_[at];
    const Dot* observed = observed_.find(dot.replica);
    if (dot.replica == op.dot.replica ||
        (observed && (op.op == kClear ? dot.seq <= observed->seq : dot.seq == observed->seq))) {
      doom(at);
    }
  };
  if (op.op == kClear) {
    marked_.reserve(dots_.size());
    for (uint32_t at = 0; at < dots_.size(); ++at) {
      if (dots_[at].element != kNoId) consider(at);
    }
  } else {
    uint32_t at = first_dot(elements_.find(0, op.element));
    for (; at != kNoId; at = dots_[at].next) consider(at);
    if (op.op == kAdd && !removed_early(op.dot)) add_dot(op.element, op.dot);
  }
  early_.reserve(early_.size() + observed_.items().size());
  SK_TRY(change.commit(patch));
  expect_observed(op);
  context_.at(op.dot.replica).seq = op.dot.seq;
  forget_early();
  return {};
}

// Notes that the author of an operation sees this dot of somebody else's.
void Set::observe(uint32_t dot, uint64_t author) {
  if (dots_[dot].replica == author) return;
  uint64_t& seq = observed_.at(dots_[dot].replica).seq;
  if (seq < dots_[dot].seq) seq = dots_[dot].seq;
}

Status Set::mutate(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch,
                   uint32_t& seqs) {
  SK_TRY(check_stamp(stamp));
  Reader reader(intent);
  Op op{reader.byte(), {stamp.replica, stamp.seq}, 0, {}};
  SK_TRY(read_edit(reader, op.op, op.element));
  if (seen(op.dot)) return {SK_CONFLICT, "this seq was already used", op.dot.seq};
  uint32_t id = op.op == kClear ? kNoId : elements_.find(0, op.element);
  if (op.op == kAdd) {
    if (id == kNoId && elements_.size() >= kMaxElements) {
      return Status::limit("the set already has kMaxElements (1048576) elements");
    }
  } else if (op.op == kRemove ? id == kNoId : elements_.size() == 0) {
    return {};
  }

  observed_.items().clear();
  for (uint32_t at = first_dot(id); at != kNoId; at = dots_[at].next) observe(at, stamp.replica);
  for (uint32_t at = 0; op.op == kClear && at < dots_.size(); ++at) {
    if (dots_[at].element != kNoId) observe(at, stamp.replica);
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
  SK_TRY(delta.status());
  SK_TRY(apply(op, patch));
  seqs = 1;
  return {};
}

Status Set::merge(Bytes delta, Writer& patch) {
  SK_TRY(check_delta_kind(delta));
  if (delta.data[0] == kStateDelta) return join(delta, patch);
  Op op;
  observed_.items().clear();
  SK_TRY(read_op(delta, op, [&](Dot dot) { observed_.items().push_back(dot); }));
  return seen(op.dot) ? Status{} : apply(op, patch);
}

// Joins a state: its rows are added unless they were seen here; what it has seen and neither lists
// nor names as a survivor goes.
Status Set::join(Bytes delta, Writer& patch) {
  Summary ignored;
  Deps none(nullptr);
  SK_TRY(inspect(delta, ignored, none));

  Change change(*this);
  Rows rows(delta);
  bool news = false;
  for (const Dot& dot : rows.context.items()) news |= !seen(dot);
  if (!news) return {};

  Vec<uint32_t> kept;  // dots of ours that a row lists too
  for (Row row; rows.next(row);) {
    uint32_t at = first_dot(elements_.find(0, row.element));
    while (at != kNoId && !(dots_[at].replica == row.dot.replica && dots_[at].seq == row.dot.seq)) {
      at = dots_[at].next;
    }
    if (at != kNoId) {
      kept.push_back(at);
    } else if (!seen(row.dot) && !removed_early(row.dot)) {
      add_dot(row.element, row.dot);
    }
  }
  Vec<Dot> survivors;  // ascending by replica and seq
  for (Dot dot; rows.next_survivor(dot);) {
    if (!seen(dot)) {
      return {SK_MISSING_DEPS, "the catch-up builds on adds that are not here yet", 0};
    }
    survivors.push_back(dot);
  }
  auto survives = [&](Dot dot) {
    size_t low = 0, high = survivors.size();
    while (low < high) {
      size_t middle = (low + high) / 2;
      const Dot& other = survivors[middle];
      if (other.replica < dot.replica || (other.replica == dot.replica && other.seq < dot.seq)) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low < survivors.size() && survivors[low] == dot;
  };

  marked_.reserve(dots_.size());
  context_.items().reserve(context_.items().size() + rows.context.items().size());
  for (uint32_t at : kept) dots_[at].mark = kKept;
  for (uint32_t at = 0; at < dots_.size(); ++at) {
    const LiveDot& dot = dots_[at];
    if (dot.element == kNoId || dot.mark != kLive) continue;
    const Dot* known = rows.context.find(dot.replica);
    if (known && dot.seq <= known->seq && !survives({dot.replica, dot.seq})) doom(at);
  }
  for (uint32_t at : kept) dots_[at].mark = kLive;
  SK_TRY(change.commit(patch));
  for (const Dot& dot : rows.context.items()) {
    uint64_t& seq = context_.at(dot.replica).seq;
    if (seq < dot.seq) seq = dot.seq;
  }
  forget_early();
  return {};
}

// ---- writing ---------------------------------------------------------------------------------

void Set::sorted_elements(Vec<uint32_t>& ids) const {
  for (uint32_t id = 0; id < heads_.size(); ++id) {
    if (heads_[id] != kNoId) ids.push_back(id);
  }
  sort_ids(ids, [this](uint32_t a, uint32_t b) { return elements_.bytes(a) < elements_.bytes(b); });
}

Status Set::encode(const Version& since, Writer& delta) const {
  bool news = false;
  for (const Dot& dot : context_.items()) news |= !since.has(dot);
  delta.byte(kStateDelta);
  delta.varint(news ? context_.items().size() : 0);
  if (!news) return delta.byte(0), Status{};
  for (const Dot& dot : context_.items()) {
    delta.fixed64(dot.replica);
    delta.varint(dot.seq);
  }
  write_rows(since, delta);
  write_survivors(since, delta);
  return {};
}

void Set::write_rows(const Version& since, Writer& delta) const {
  auto fresh = [&](uint32_t at) { return !since.has({dots_[at].replica, dots_[at].seq}); };
  Vec<uint32_t> ids, sent;
  sorted_elements(ids);
  for (uint32_t id : ids) {
    uint32_t at = heads_[id];
    while (at != kNoId && !fresh(at)) at = dots_[at].next;
    if (at != kNoId) sent.push_back(id);
  }
  delta.varint(sent.size());
  Bytes previous;
  uint64_t last_author = 0;
  Difference seq;
  for (uint32_t id : sent) {
    Bytes element = elements_.bytes(id);
    size_t shared = shared_prefix(previous, element), count = 0;
    uint64_t author = 0;
    for (uint32_t at = heads_[id]; at != kNoId; at = dots_[at].next) {
      if (fresh(at)) author = context_.position(dots_[at].replica), ++count;
    }
    bool same = count == 1 && author == last_author;
    delta.byte(static_cast<uint8_t>(shared | (same ? 0x20 : 0)));
    if (!same) delta.varint(count);
    bool first = true;
    for (uint32_t at = heads_[id]; at != kNoId; at = dots_[at].next) {
      if (!fresh(at)) continue;
      last_author = context_.position(dots_[at].replica);
      if (!same) delta.varint(last_author);
      seq.write(delta, dots_[at].seq);
      if (first) delta.sized({element.data + shared, element.len - shared});
      first = false;
    }
    previous = element;
  }
}

// The live dots that `since` knows already, without their elements: what is missing from this
// list was removed. Nobody who starts from nothing needs it.
void Set::write_survivors(const Version& since, Writer& delta) const {
  Vec<uint32_t> ids;
  for (uint32_t at = 0; at < dots_.size(); ++at) {
    if (dots_[at].element != kNoId && since.has({dots_[at].replica, dots_[at].seq})) {
      ids.push_back(at);
    }
  }
  if (ids.empty()) return;
  sort_ids(ids, [this](uint32_t a, uint32_t b) {
    const LiveDot &x = dots_[a], &y = dots_[b];
    return x.replica < y.replica || (x.replica == y.replica && x.seq < y.seq);
  });
  size_t at = 0;
  for (const Dot& author : context_.items()) {
    size_t end = at;
    while (end < ids.size() && dots_[ids[end]].replica == author.replica) ++end;
    delta.varint(end - at);
    for (uint64_t last = 0; at < end; ++at) {
      delta.varint(dots_[ids[at]].seq - last);
      last = dots_[ids[at]].seq;
    }
  }
}

Status Set::view(Writer& json) const {
  Vec<uint32_t> ids;
  sorted_elements(ids);
  json.byte('[');
  for (size_t i = 0; i < ids.size(); ++i) {
    if (i) json.byte(',');
    json.raw(elements_.bytes(ids[i]));
  }
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
