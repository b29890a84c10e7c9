// The `set` plugin. What and why: set.hpp; bytes: FORMAT.md.
#include "set.hpp"

namespace synckit {

// ---- reading ---------------------------------------------------------------------------------

// The rest of an operation, after its head.
Status Set::read_op(RowReader& delta, Op& op) {
  uint64_t author = delta.in.varint();
  op.element = delta.in.rest();
  if (!delta.in.ok() || author >= delta.dots.size()) return malformed_delta();
  op.own = delta.dots[static_cast<size_t>(author)];
  if (kVouchedFor) return {};
  if (op.kind == kClear) return op.element.len ? malformed_delta() : Status{};
  return check_value(op.element);
}

// Checks the rows of a state.
Status Set::check_rows(RowReader& rows, uint64_t& count) {
  uint64_t last = 0;
  for (count = 0; !rows.in.done(); ++count, last = rows.dot.replica) {
    if (!rows.next(true)) return malformed_delta();
    if (rows.flag ? !count || rows.dot.replica <= last : !rows.ascends) return malformed_delta();
    if (!rows.flag) SK_TRY(check_value(rows.bytes()));
  }
  return {};
}

Status Set::inspect(Bytes delta, Summary& summary, Deps& deps) {
  RowReader in(delta);
  SK_TRY(in.head(kRowsDelta));
  if (delta.data[0] == kRowsDelta) {
    SK_TRY(refused_delta(check_rows(in, summary.ops)));
    summarize(summary, in.dots);
    return {};
  }
  Op op{static_cast<uint8_t>(delta.data[0] & 0xf), {}, {}};
  SK_TRY(refused_delta(read_op(in, op)));
  for (const Dot& dot : in.dots) {
    if (dot.replica != op.own.replica) deps.add(dot.replica, dot.seq);
  }
  summary.authors = 1;
  summary.ops = in.dots.size();
  summary.replica = op.own.replica;
  summary.seq_lo = summary.seq_hi = op.own.seq;
  return {};
}

// ---- changing --------------------------------------------------------------------------------

bool Set::was_here(Dot dot) const {
#if !defined(SYNCKIT_CLIENT_ONLY)
  for (const Dot& gone : early_) {
    if (gone == dot) return true;
  }
#endif
  return context_.has(dot);
}

// The element, made when there is none.
Set::Element* Set::list(Bytes bytes) {
  Element* element = elements_.obtain(elements_.root(), bytes);
  element->round = round_;
  return element;
}

// The parts of patches and of the contents.
void Set::tell(const Element* element, uint8_t op, Writer& out) {
  out.varint(1 + size_t{element->len});
  out.byte(op);
  out.raw(Tree<Element>::name(element));
}

// Keeps of the element's dots what was not seen or is listed, takes in what is listed and was not
// here, and tells when it came or went by that.
void Set::join(Element* element, const Dots& seen, Writer& patch) {
  Dots& dots = element->dots;
  bool before = !dots.empty();
  make_room(dots, listed_.size());
  size_t kept = 0;
  for (const Dot& dot : dots) {
    if (!seen.has(dot) || listed_.seq(dot.replica) == dot.seq) dots[kept++] = dot;
  }
  dots.truncate(kept);
  for (const Dot& dot : listed_) {
    if (!was_here(dot)) dots.raise(dot);
  }
  bool after = !dots.empty();
  if (before != after) tell(element, after ? kAdd : kRemove, patch);
  if (!after) elements_.remove(element);
}

// The same for all elements that the delta did not name: it lists nothing of them.
void Set::join_others(const Dots& seen, Writer& patch) {
  listed_.clear();
  for (Element *element = first(), *next; element; element = next) {
    next = elements_.next(element);
    if (element->round != round_) join(element, seen, patch);
  }
}

// Has seen the dots from now on; of an operation on one element its own. What that has seen of
// others concerns its element only: of their dots that did not come yet, it is remembered that they
// are gone. The older half is forgotten when there are too many: only whoever names dots that do
// not exist gets that far.
void Set::see(const Dots& seen, uint64_t author) {
  if (!author) context_.admit(seen);
  for (const Dot& dot : seen) {
    if (!author || dot.replica == author) {
      context_.raise(dot);
#if !defined(SYNCKIT_CLIENT_ONLY)
    } else if (!context_.has(dot)) {
      if (early_.size() >= kMaxEarly) early_.erase(0, kMaxEarly / 2);
      early_.push_back(dot);
#endif
    }
  }
}

void Set::join_op(const Op& op, const Dots& seen, Writer& patch) {
  bool all = op.kind == kClear;
  if (!make_room_for(op.element.len, all, patch)) return;
  ++round_;
  if (all) {
    join_others(seen, patch);
  } else {
    listed_.clear();
    if (op.kind == kAdd) listed_.push_back(op.own);
    join(list(op.element), seen, patch);
  }
  see(seen, all ? 0 : op.own.replica);
}

Status Set::join_rows(RowReader& rows, Writer& patch) {
  Element* element = nullptr;
  ++round_;
  listed_.clear();
  for (bool more = true; more;) {
    more = !rows.in.done();
    if (more && !rows.next(true)) return malformed_delta();
    if (element && !(more && rows.flag)) {
      join(element, rows.dots, patch);
      listed_.clear();
    }
    if (more && !rows.flag) element = list(rows.bytes());
    if (more) listed_.push_back(rows.dot);
  }
  join_others(rows.dots, patch);
  see(rows.dots, 0);
  return {};
}

// Makes room for what can be told of so many bytes of names, and of all elements, so that joining
// does not fail half way.
bool Set::make_room_for(size_t most, bool all, Writer& patch) const {
  if (!kOutputsFail || !patch.wanted()) return true;
  most += kPatchHead;
  for (const Element* each = all ? first() : nullptr; each; each = elements_.next(each)) {
    most += each->len + kPatchHead;
  }
  return patch.make_room(most);
}

Status Set::merge(Bytes delta, Writer& patch) {
  RowReader in(delta);
  SK_TRY(in.head(kRowsDelta));
  if (delta.data[0] != kRowsDelta) {
    Op op{static_cast<uint8_t>(delta.data[0] & 0xf), {}, {}};
    SK_TRY(refused_delta(read_op(in, op)));
    join_op(op, in.dots, patch);
    return {};
  }
  if (!kVouchedFor) {
    RowReader rows(delta);
    SK_TRY(rows.head(kRowsDelta));
    uint64_t count;
    SK_TRY(refused_delta(check_rows(rows, count)));
    size_t most = delta.len + static_cast<size_t>(count) * (kMaxShared + kPatchHead);
    if (!make_room_for(most, true, patch)) return {};
  }
  return join_rows(in, patch);
}

Status Set::mutate(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch,
                   uint32_t& seqs) {
  SK_TRY(check_stamp(stamp));
  Reader in(intent);
  Op op{in.byte(), {stamp.replica, stamp.seq}, in.rest()};
  bool all = op.kind == kClear;
  if (!kVouchedFor && (op.kind - 1u > 2 || (all && op.element.len))) return malformed_intent();
  if (!all) SK_TRY(check_value(op.element));
  if (!kVouchedFor && context_.has(op.own)) return used_seq();
  Dots seen;
  const Element* each = all ? first() : find(op.element);
  for (; each; each = all ? elements_.next(each) : nullptr) {
    for (const Dot& dot : each->dots) seen.raise(dot);
  }
  if (seen.empty()) {
    if (op.kind != kAdd) return {};
    if (size() >= kMaxElements) {
      return Status::limit(SK_TEXT("the set already has kMaxElements (1048576) elements"));
    }
  }
  size_t author = seen.raise(op.own);
  write_head(delta, static_cast<uint8_t>(0x10 | op.kind), seen);
  delta.varint(author);
  delta.raw(op.element);
  seqs = 1;
  if (delta.ok()) join_op(op, seen, patch);
  return {};
}

// ---- writing ---------------------------------------------------------------------------------

// All or nothing: what a removal leaves can be told only by what is still there.
Status Set::encode(const Version& since, Writer& delta) const {
  static const Dots kNothing;
  const Dots* seen = &kNothing;
  for (const Dot& dot : context_) {
    if (!since.has(dot)) seen = &context_;
  }
  write_head(delta, kRowsDelta, *seen);
  if (seen == &kNothing) return {};
  RowWriter rows(delta, context_);
  elements_.sort(elements_.root());
  for (const Element* element = first(); element; element = elements_.next(element)) {
    bool again = false;
    for (const Dot& dot : element->dots) {
      rows.row(again, true, dot, elements_.name(element));
      again = true;
    }
  }
  return {};
}

Status Set::view(Writer& json) const {
  uint8_t separator = '[';
  elements_.sort(elements_.root());
  for (const Element* element = first(); element; element = elements_.next(element)) {
    json.byte(separator);
    json.raw(elements_.name(element));
    separator = ',';
  }
  if (separator == '[') json.byte('[');
  json.byte(']');
  return {};
}

Status Set::contents(Writer& parts) const {
  for (const Element* element = first(); element; element = elements_.next(element)) {
    tell(element, kAdd, parts);
  }
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
