// Spans in two trees: see spans.hpp.
#include "spans.hpp"

namespace synckit::text::client {

uint32_t scan(const uint8_t*& at, const uint8_t* end, uint32_t& atoms, uint32_t most) {
  uint32_t units = 0;
  for (; atoms && units < most && at != end; --atoms) {
    uint32_t length = *at < 0x80 ? 1 : *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : 4;
    if (length > static_cast<size_t>(end - at)) break;
    at += length;
    units += 1 + length / 4;
  }
  return units;
}

// ---- trees ----------------------------------------------------------------------------------

// Moves a link up, in the place of its parent.
void Tree::rotate(Link& link) {
  Link& parent = *link.up;
  bool right = parent.kid[1] == &link;
  Link* inner = link.kid[!right];
  parent.kid[right] = inner;
  if (inner) inner->up = &parent;
  link.up = parent.up;
  if (link.up) link.up->kid[link.up->kid[1] == &parent] = &link;
  link.kid[!right] = &parent;
  parent.up = &link;
  add_up(parent);
  add_up(link);
}

void Tree::splay(Link& link) {
  while (Link* parent = link.up) {
    if (Link* above = parent->up) {
      bool straight = (above->kid[1] == parent) == (parent->kid[1] == &link);
      rotate(straight ? *parent : link);
    }
    rotate(link);
  }
  root = &link;
}

void Tree::hang(Link& link, Link* right) {
  link.kid[1] = right;
  if (right) right->up = &link;
  add_up(link);
}

void Tree::insert(Link& before, Link& fresh) {
  splay(before);
  fresh.kid[0] = nullptr;
  hang(fresh, before.kid[1]);
  hang(before, &fresh);
}

void Tree::remove(Link& before, Link& gone) {
  splay(gone);
  splay(before);  // now `gone` hangs right of it, and nothing left of `gone`
  hang(before, gone.kid[1]);
}

void Tree::set(Link& link, uint64_t own) {
  splay(link);
  link.own = own;
  add_up(link);
}

Link* Tree::pop() {
  if (!marked()) return nullptr;
  Link* at = root;
  for (;;) {
    if (sum(at->kid[0]) >= Link::kMark) {
      at = at->kid[0];
    } else if (at->own >= Link::kMark) {
      break;
    } else {
      at = at->kid[1];
    }
  }
  set(*at, at->own - Link::kMark);
  return at;
}

// ---- spans ----------------------------------------------------------------------------------

Spans::Spans() {
  start_.len = 1;
  replicas_.push_back(0);
  places_.root = static_cast<Place*>(&start_);
  names_.root = static_cast<Name*>(&start_);
  Span& end = add(start_, *names_.root, start_);
  end.id = end.ro = kEnd;
}

Spans::~Spans() {
  for (Span* span = start_.next; span;) {
    Span* next = span->next;
    std::free(span);
    span = next;
  }
}

// Puts a copy of `contents` behind one span in the text, and behind another one by name.
Span& Spans::add(Span& before, Link& below, const Span& contents) {
  auto* fresh = static_cast<Span*>(std::malloc(sizeof(Span)));
  if (!fresh) out_of_memory();
  *fresh = contents;
  fresh->next = before.next;
  before.next = fresh;
  places_.insert(static_cast<Place&>(before), static_cast<Place&>(*fresh));
  names_.insert(below, static_cast<Name&>(*fresh));
  return *fresh;
}

Atom Spans::zero_of(uint64_t replica) {
  size_t at = dot_position(by_id_.data(), by_id_.size(), replica);
  if (at == by_id_.size() || by_id_[at].replica != replica) {
    by_id_.insert(at, {replica, replicas_.size()});
    replicas_.push_back(replica);
  }
  return by_id_[at].seq << kSeqBits;
}

Span* Spans::find(Atom atom) {
  Link *at = names_.root, *last = at, *found = at;
  while (at) {
    last = at;
    bool right = by_name(at)->id <= atom;
    if (right) found = at;
    at = at->kid[right];
  }
  names_.splay(*last);  // pays for the way
  names_.splay(*found);
  Span* span = by_name(found);
  return atom - span->id < span->len ? span : nullptr;
}

uint32_t Spans::cut(Span& span, uint64_t atoms, uint32_t most) {
  uint32_t len = atoms < span.len ? static_cast<uint32_t>(atoms) : span.len, left = len;
  const uint8_t* at = text(span);
  uint32_t units = scan(at, text_.data + span.end, left, most), visible = span.visible();
  if (visible) len -= left;
  if (len == span.len) return units;
  Span& rest = add(span, static_cast<Name&>(span), span);
  span.len = len;
  span.end = rest.at = static_cast<uint32_t>(at - text_.data);
  rest.len -= len;
  rest.lo = span.last();
  rest.id += len;
  if (visible) {
    places_.set(static_cast<Place&>(rest), rest.Place::own - units);
    places_.set(static_cast<Place&>(span), span.Place::own + units - visible);
  }
  return units;
}

Span* Spans::begin(Atom atom) {
  Span* span = find(atom);
  if (!span || span->id == atom) return span;
  cut(*span, atom - span->id);
  return span->next;
}

Span* Spans::seek(uint32_t units) {
  if (!units) return &start_;
  Link* at = places_.root;
  for (;;) {
    auto left = static_cast<uint32_t>(Tree::sum(at->kid[0])), own = static_cast<uint32_t>(at->own);
    if (units <= left) {
      at = at->kid[0];
      continue;
    }
    units -= left;
    if (units <= own) break;
    units -= own;
    at = at->kid[1];
  }
  places_.splay(*at);
  Span* span = by_place(at);
  return cut(*span, kAll, units) == units ? span : nullptr;
}

bool Spans::mark(Atom atom, uint64_t count) {
  while (count) {
    Span* span = begin(atom);
    if (!span) return false;
    cut(*span, count);
    if (span->visible()) mark(*span);
    atom += span->len;
    count -= span->len;
  }
  return true;
}

// Whether atom a stands before atom b; false when one is not here.
bool Spans::precedes(Atom a, Atom b) {
  Span *x = find(a), *y = find(b);
  if (!x || !y) return false;
  if (x == y) return a < b;
  Link *first = static_cast<Place*>(x), *root = static_cast<Place*>(y);
  places_.splay(*first);
  places_.splay(*root);
  while (first->up != root) first = first->up;
  return root->kid[0] == first;
}

bool Spans::put(Atom id, Atom lo, Atom ro, uint32_t count, bool dead, const uint8_t*& text,
                const uint8_t* end) {
  while (Span* known = find(id)) {
    uint64_t rest = known->id + known->len - id;
    uint32_t part = count < rest ? count : static_cast<uint32_t>(rest), left = part;
    if (dead) {
      mark(id, part);
    } else {
      scan(text, end, left, kAll);
    }
    count -= part;
    if (!count) return true;
    id += part;
    lo = id - 1;
  }
  Span* stop = begin(ro);
  if (!stop) return false;
  // A writer sees lo and ro as neighbours. Where a dishonest delta breaks that, it is mended.
  if (!precedes(lo, ro)) ro = kEnd, stop = begin(ro);
  if (precedes(lo, stop->lo)) lo = stop->lo;
  Span* goal = find(lo);
  if (!goal) return false;
  cut(*goal, lo - goal->id + 1);
  bool held = false;  // one was passed that may yet turn out to belong behind
  for (Span* other = goal->next; other && other != stop; other = other->next) {
    if (other->lo == lo) {
      if (other->ro == ro) {
        uint64_t mine = replica_of(id), its = replica_of(other->id);
        if (mine != its ? mine < its : id < other->id) break;
        held = false;
      } else {
        held = precedes(other->ro, ro);
      }
    } else if (precedes(other->lo, lo)) {
      break;
    }
    if (!held) goal = other;
  }
  while (count) {
    find(id);  // what comes before it by name is the root now
    Span& fresh = add(*goal, *names_.root, start_);
    fresh.id = id;
    fresh.lo = lo;
    fresh.ro = ro;
    fresh.len = count;
    if (!dead) {
      if (count > kMost) fresh.len = kMost;
      uint32_t atoms = fresh.len;
      const uint8_t* from = text;
      places_.set(static_cast<Place&>(fresh), Link::kMark + scan(text, end, atoms, kAll));
      fresh.at = static_cast<uint32_t>(text_.len);
      Writer(text_).raw(from, static_cast<size_t>(text - from));
      fresh.end = static_cast<uint32_t>(text_.len);
    }
    goal = &fresh;
    lo = fresh.last();
    id += fresh.len;
    count -= fresh.len;
  }
  return true;
}

// Joins a span to the one before it where they are one run.
void Spans::join(Span& span) {
  if (span.lo != span.id - 1) return;
  Span* before = find(span.lo);
  if (!before || before->next != &span || before->ro != span.ro ||
      !before->visible() != !span.visible() || before->end != span.at ||
      span.end - before->at > kMost) {
    return;
  }
  uint64_t own = before->Place::own + span.Place::own;
  if (own >= Link::kMark) return;
  places_.remove(static_cast<Place&>(*before), static_cast<Place&>(span));
  names_.remove(static_cast<Name&>(*before), static_cast<Name&>(span));
  before->next = span.next;
  before->len += span.len;
  before->end = span.end;
  places_.set(static_cast<Place&>(*before), own);
  std::free(&span);
}

void Spans::kill_marked(bool really) {
  while (Span* span = pop()) {
    if (really) places_.set(static_cast<Place&>(*span), Link::kMark);
  }
}

void Spans::tell(Writer& patch) {
  Buffer come;
  uint32_t told = 0, gone = 0;  // the place that the patch has come to; units deleted there
  // Counts are of UTF-16 units, and so none is extra.
  auto count = [&](uint32_t units, uint32_t kind) {
    if (!units) return;
    patch.varint(uint64_t{units} << 2 | kind);
    patch.byte(0);
  };
  for (;;) {
    Link* link = places_.pop();
    uint32_t at = link ? static_cast<uint32_t>(Tree::sum(link->kid[0])) : kAll;
    if (at != told) {
      count(gone, 2);
      if (come.len) {
        patch.varint(uint64_t{come.len} << 2 | 1);
        patch.raw(come);
      }
      if (!link) return sweep();
      count(at - told, 0);
      come.clear();
      gone = 0;
      told = at;
    }
    Span& span = *by_place(link);
    if (uint32_t units = span.visible()) {
      Writer(come).raw(text(span), span.end - span.at);
      told += units;
    } else {
      const uint8_t* from = text(span);
      uint32_t atoms = kAll;
      gone += scan(from, text_.data + span.end, atoms, kAll);
      span.at = span.end = 0;
    }
    Span* next = span.next;
    join(span);
    if (next) join(*next);
  }
}

// Lets go of deleted text, seldom enough that it costs no more than what was inserted.
void Spans::sweep() {
  if (text_.len < sweep_at_) return;
  Buffer kept;
  for (Span* span = &start_; span; span = span->next) {
    if (!span->visible()) continue;
    auto at = static_cast<uint32_t>(kept.len);
    Writer(kept).raw(text(*span), span->end - span->at);
    span->at = at;
    span->end = static_cast<uint32_t>(kept.len);
  }
  text_.swap(kept);
  sweep_at_ = 2 * text_.len + kSweepBytes;
}

}  // namespace synckit::text::client
