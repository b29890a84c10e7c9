// The commands of a history, one function each, and what must hold after them.
#include <check/world.hpp>

#include <algorithm>
#include <exception>

namespace synckit::check {

namespace {

std::string hex(std::string_view bytes) {
  constexpr size_t kShown = 48;
  std::string out;
  for (char c : bytes.substr(0, kShown)) {
    auto byte = static_cast<unsigned char>(c);
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  if (bytes.size() > kShown) out += "... (" + std::to_string(bytes.size()) + " bytes)";
  return out.empty() ? "(nothing)" : out;
}

// One small change to the bytes: cut, flip, drop, insert or repeat.
std::string damaged(std::string bytes, Dice& dice) {
  if (bytes.empty()) return std::string(1, static_cast<char>(dice.next()));
  size_t at = dice.below(bytes.size());
  switch (dice.below(6)) {
    case 0:
      bytes.resize(at);
      break;
    case 1:
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << dice.below(8)));
      break;
    case 2:
      bytes[at] = static_cast<char>(dice.next());
      break;
    case 3:
      bytes.erase(at, 1 + dice.below(4));
      break;
    case 4:
      bytes.insert(at, 1 + dice.below(3), static_cast<char>(dice.next()));
      break;
    default:
      bytes.insert(at, bytes.substr(dice.below(bytes.size()), 1 + dice.below(12)));
  }
  return bytes;
}

bool is_refusal(sk_status status) {
  return status == SK_MALFORMED || status == SK_MISSING_DEPS || status == SK_LIMIT ||
         status == SK_UNSUPPORTED || status == SK_CONFLICT;
}

bool met(const std::vector<sk_dot>& deps, const VersionMap& version) {
  return std::all_of(deps.begin(), deps.end(), [&](const sk_dot& dep) {
    auto found = version.find(dep.replica);
    return found != version.end() && dep.seq <= found->second;
  });
}

std::string failed(const char* call, const Outcome& out) {
  return std::string(call) + " failed with status " + std::to_string(out.status) + ": " + out.error;
}

}  // namespace

World::World(const Subject& subject, unsigned replicas, bool trace, Counts& counts)
    : subject_(subject), trace_(trace), counts_(counts) {
  // Ids whose order is not the order of the replicas, with high and low bits in use.
  Dice ids(replicas);
  for (unsigned i = 0; i < replicas; ++i) {
    replicas_.push_back({ids.next() | 1, Doc(subject.type), Doc(subject.type), {}, Known(replicas),
                         {}, {}, {}, 0, 0, 0});
    replicas_.back().shown = replicas_.back().doc.view();
  }
  ++counts_.histories;
}

void World::note(const std::string& line) {
  if (trace_) history_ += "  " + line + "\n";
}

void World::broken(const char* law, const std::string& what) const { throw Broken{law, what}; }

void World::same(const Doc& a, const Doc& b, const char* law, const char* who) const {
  std::string view_a = a.view(), view_b = b.view();
  if (view_a != view_b) broken(law, std::string(who) + ": " + view_a + " against " + view_b);
  std::string state_a = a.snapshot(), state_b = b.snapshot();
  if (state_a != state_b) {
    broken(law, std::string(who) + ", equal views but snapshots " + hex(state_a) + " against " +
                    hex(state_b));
  }
}

VersionMap World::version(const Known& known) const {
  VersionMap version;
  for (size_t author = 0; author < known.size(); ++author) {
    if (known[author] == 0) continue;
    version[replicas_[author].id] = replicas_[author].log[known[author] - 1].last_seq;
  }
  return version;
}

uint64_t World::clock_of(const Known& known) const {
  uint64_t clock = 0;
  for (size_t author = 0; author < known.size(); ++author) {
    for (size_t i = 0; i < known[author]; ++i) {
      clock = std::max(clock, replicas_[author].log[i].stamp.hlc);
    }
  }
  return clock;
}

// Sent deltas that are next of their author for whoever knows `known`, with dependencies met or
// not.
std::vector<const World::Op*> World::ready(const Known& known, bool deps_met) const {
  std::vector<const Op*> found;
  VersionMap have = version(known);
  for (size_t author = 0; author < known.size(); ++author) {
    const Replica& other = replicas_[author];
    if (known[author] >= other.sent) continue;
    const Op& op = other.log[known[author]];
    if (met(op.deps, have) == deps_met) found.push_back(&op);
  }
  return found;
}

// Gives `doc` the deltas between `known` and `target` one by one, in a random causal order; but for
// `taken`, which it has got already.
void World::learn(Replica& self, const Known& target, Doc& doc, Known& known, Dice& dice,
                  const Op* taken) {
  bool is_self = &doc == &self.doc;
  for (;;) {
    std::vector<const Op*> next;
    VersionMap have = version(known);
    for (size_t author = 0; author < known.size(); ++author) {
      if (known[author] >= target[author]) continue;
      const Op& op = replicas_[author].log[known[author]];
      if (met(op.deps, have)) next.push_back(&op);
    }
    if (next.empty()) break;
    const Op& op = *next[dice.below(next.size())];
    if (is_self) {
      merge(self, op.delta, "convergence");
    } else if (&op != taken) {
      Outcome out = doc.merge(op.delta);
      if (!out.ok()) broken("convergence", failed("merge of a ready delta", out));
    }
    ++known[op.author];
  }
  for (size_t author = 0; author < known.size(); ++author) {
    if (known[author] < target[author]) broken("inspect", "dependencies that nobody can meet");
  }
}

// Merges into a replica's own document and follows its view.
void World::merge(Replica& self, const std::string& delta, const char* law) {
  Outcome out = self.doc.merge(delta);
  ++counts_.merges;
  if (!out.ok()) broken(law, failed("merge", out) + "; delta " + hex(delta));
  show(self, out.patch);
}

void World::show(Replica& self, const std::string& patch) {
  std::string view = self.doc.view();
  if (patch.empty() && view != self.shown) {
    broken("patches", "no patch, but the view went from " + self.shown + " to " + view);
  }
  if (subject_.apply_patch && !patch.empty()) {
    std::string next;
    try {
      next = subject_.apply_patch(self.shown, patch);
      // A view may be written in another order than the applier's.
      if (next != view && next == subject_.apply_patch(view, {})) next = view;
    } catch (const std::exception& e) {
      next = std::string("a patch that does not fit: ") + e.what();
    }
    if (next != view) {
      broken("patches", "patch " + hex(patch) + " on " + self.shown + " gives " + next +
                            ", the view is " + view);
    }
  }
  self.shown = std::move(view);
}

void World::play(const std::vector<Command>& commands) {
  for (const Command& command : commands) play(command);
  finish();
}

void World::play(const Command& command) {
  Replica& self = replica(command.a);
  Replica& other = replica(command.b);
  Dice dice(command.random);
  now_ += dice.below(3) == 0;
  std::string name = "replica " + std::to_string(&self - replicas_.data());
  switch (command.kind) {
    case Command::kEdit:
      note(name + " edits");
      edit(self, dice);
      break;
    case Command::kSend:
      note(name + " sends");
      self.sent = self.log.size();
      return;
    case Command::kDeliver:
      note(name + " gets a delta");
      deliver(self, dice);
      break;
    case Command::kRepeat:
      note(name + " gets a delta again");
      repeat(self, dice);
      break;
    case Command::kCatchUp:
    case Command::kOverlap: {
      if (&self == &other) return;
      bool overlap = command.kind == Command::kOverlap && !self.past.empty();
      Known since = overlap ? self.past[dice.below(self.past.size())] : self.known;
      note(name + (overlap ? " catches up from an earlier version" : " catches up"));
      catch_up(self, other, since, "catch-up");
      break;
    }
    case Command::kReload:
      note(name + " reloads its snapshot");
      reload(self);
      break;
    case Command::kEarly:
      early(self, dice);
      return;
    case Command::kDamage:
      damage(self, other, dice);
      break;
    case Command::kTight:
      if (subject_.tight_outputs) tight(self, other, dice);
      break;
    case Command::kRestamp:
      note(name + " re-stamps what it has not sent");
      restamp(self, dice);
      break;
    case Command::kCompact:
      if (subject_.type->compact) compact(self);
      break;
    case Command::kKinds:
      return;
  }
  same(self.doc, self.shadow, command.kind == Command::kEdit ? "agreement" : "catch-up",
       "a replica and its shadow that merged delta by delta");
}

void World::edit(Replica& self, Dice dice) {
  Buffer intent;
  if (subject_.samples->sample(self.doc.raw(), dice.next(), &intent, nullptr) != SK_OK) {
    broken("samples", "sample failed");
  }
  // Some replicas' clocks run ahead for a while; deltas of one transaction share a clock.
  uint64_t wall = now_ + (dice.below(12) == 0 ? 40 : 0);
  uint64_t hlc = std::max(wall, self.clock + 1);
  size_t index = static_cast<size_t>(&self - replicas_.data());
  if (!self.log.empty() && dice.below(4) == 0) {
    Known others = self.known;
    others[index] = 0;
    uint64_t last = self.log.back().stamp.hlc;
    if (last == self.clock && last > clock_of(others)) hlc = last;
  }
  uint64_t gap = dice.below(3) == 0 ? dice.below(4) : 0;
  sk_stamp stamp{self.id, self.last_seq + 1 + gap, hlc};
  std::string before = self.doc.snapshot();
  Outcome out = self.doc.mutate(stamp, intent.bytes().text());
  note("  intent " + hex(intent.bytes().text()) + ", first dot " + std::to_string(stamp.seq) +
       ", dots " + std::to_string(out.seqs) + ", clock " + std::to_string(hlc) + ", delta " +
       hex(out.delta) + ", patch " + hex(out.patch) + ", view " + self.doc.view());
  if (!out.ok()) broken("samples", failed("mutate with a sampled intent", out));
  if (out.seqs == 0) {
    if (!out.delta.empty() || !out.patch.empty() || self.doc.snapshot() != before) {
      broken("samples", "an intent without dots left a trace");
    }
    return;
  }
  ++counts_.edits;
  show(self, out.patch);
  Op op{index, stamp, stamp.seq + out.seqs - 1, out.delta, {}, self.known};
  Inspected told = inspect(subject_.type, op.delta);
  if (!told.ok()) broken("inspect", "refuses what mutate wrote: " + told.error);
  op.deps = told.deps;
  check_inspect(self, op, stamp);
  self.past.push_back(self.known);
  self.log.push_back(op);
  self.last_seq = op.last_seq;
  self.clock = hlc;
  ++self.known[index];
  Outcome merged = self.shadow.merge(op.delta);
  if (!merged.ok()) broken("agreement", failed("merge of what mutate wrote", merged));
}

void World::check_inspect(const Replica& self, const Op& op, const sk_stamp& stamp) {
  sk_summary summary = inspect(subject_.type, op.delta).summary;
  if (summary.authors != 1 || summary.replica != stamp.replica) {
    broken("inspect", "does not name the author of an op delta");
  }
  if (summary.seq_lo != stamp.seq || summary.seq_hi != op.last_seq) {
    broken("inspect", "does not name the dots of an op delta");
  }
  if (summary.max_hlc != 0 && summary.max_hlc != stamp.hlc) {
    broken("inspect", "names another clock than the stamp's");
  }
  if (summary.ops == 0) broken("inspect", "says that an op delta costs nothing");
  for (size_t i = 0; i < op.deps.size(); ++i) {
    if (op.deps[i].replica == stamp.replica) broken("inspect", "an own earlier dot as dependency");
    for (size_t j = 0; j < i; ++j) {
      if (op.deps[i].replica == op.deps[j].replica) {
        broken("inspect", "two dependencies on one replica");
      }
    }
  }
  if (!met(op.deps, version(self.known))) {
    broken("inspect", "a dependency that the author itself does not know");
  }
}

void World::deliver(Replica& self, Dice dice) {
  std::vector<const Op*> next = ready(self.known, true);
  if (next.empty()) return;
  const Op& op = *next[dice.below(next.size())];
  note("  delta " + hex(op.delta));
  self.past.push_back(self.known);
  merge(self, op.delta, "agreement");
  Outcome out = self.shadow.merge(op.delta);
  if (!out.ok()) broken("agreement", failed("merge", out));
  ++self.known[op.author];
  self.clock = std::max(self.clock, op.stamp.hlc);
}

void World::repeat(Replica& self, Dice dice) {
  size_t author = dice.below(replicas_.size());
  if (self.known[author] == 0) return;
  const Op& op = replicas_[author].log[dice.below(self.known[author])];
  Outcome out = self.doc.merge(op.delta);
  if (!out.ok()) broken("idempotence", failed("merge of a known delta", out));
  if (!out.patch.empty()) broken("idempotence", "a known delta wrote the patch " + hex(out.patch));
}

void World::catch_up(Replica& self, Replica& from, const Known& since, const char* law) {
  Outcome slice = from.doc.encode(version(since));
  if (!slice.ok()) broken(law, failed("encode", slice));
  if (from.doc.encode(version(since)).delta != slice.delta) {
    broken(law, "encode gave other bytes when it was called again");
  }
  note("  delta " + hex(slice.delta));
  Inspected told = inspect(subject_.type, slice.delta);
  if (!told.ok()) broken("inspect", "refuses what encode wrote: " + told.error);
  if (!met(told.deps, version(since))) {
    broken("inspect", "a catch-up depends on more than the version that it was made for");
  }
  if (told.summary.max_hlc > clock_of(from.known)) {
    broken("inspect", "a catch-up has a clock that nobody gave");
  }
  self.past.push_back(self.known);
  from.sent = from.log.size();
  ++counts_.catch_ups;
  merge(self, slice.delta, law);
  Known target = self.known;
  for (size_t i = 0; i < target.size(); ++i) target[i] = std::max(target[i], from.known[i]);
  Dice order(target[0] + self.past.size());
  Known reached = self.known;
  learn(self, target, self.shadow, reached, order);
  self.known = target;
  self.clock = std::max(self.clock, clock_of(target));
}

void World::reload(Replica& self) {
  Doc fresh(subject_.type);
  Outcome out = fresh.merge(self.doc.snapshot());
  if (!out.ok()) broken("catch-up", failed("merge of a snapshot", out));
  same(fresh, self.doc, "catch-up", "a replica made from a snapshot and its origin");
  self.doc = Doc(subject_.type);
  self.shown = self.doc.view();
  merge(self, fresh.snapshot(), "catch-up");
  ++counts_.snapshots;
}

void World::early(Replica& self, Dice dice) {
  std::vector<const Op*> next = ready(self.known, false);
  if (next.empty()) return;
  const Op& op = *next[dice.below(next.size())];
  note("a copy of replica " + std::to_string(&self - replicas_.data()) + " gets too early " +
       hex(op.delta));
  Doc copy = self.doc.copy();
  Outcome out = copy.merge(op.delta);
  if (out.status == SK_MISSING_DEPS) {
    same(copy, self.doc, "failure", "a replica that refused a delta for its dependencies");
    ++counts_.refusals;
    return;
  }
  if (!out.ok()) broken("dependencies", failed("merge before the dependencies", out));
  // It was taken, and does not come again: then it must have its effect once everything is there.
  Known target(replicas_.size()), known = self.known;
  for (size_t i = 0; i < target.size(); ++i) {
    target[i] = std::max(self.known[i], replicas_[i].sent);
  }
  Doc orderly = self.doc.copy();
  learn(self, target, copy, known, dice, &op);
  known = self.known;
  learn(self, target, orderly, known, dice);
  same(copy, orderly, "dependencies", "a replica that took a delta early and one that did not");
}

void World::damage(Replica& self, Replica& other, Dice dice) {
  std::string bytes = self.doc.snapshot();
  size_t source = dice.below(4);
  if (source < 2 && !other.log.empty()) {
    bytes = other.log[dice.below(other.log.size())].delta;
  } else if (source == 2) {
    bytes = other.doc.encode(version(self.known)).delta;
  }
  const std::string before = self.doc.snapshot(), shown = self.doc.view();
  bool prefixes = dice.below(16) == 0;
  size_t tries = prefixes ? std::min<size_t>(bytes.size(), 400) : 6;
  Doc copy = self.doc.copy();
  for (size_t i = 0; i < tries; ++i) {
    std::string bad = prefixes ? bytes.substr(0, i) : damaged(bytes, dice);
    bool is_intent = !prefixes && dice.below(4) == 0;
    Outcome out;
    if (is_intent) {
      Buffer intent;
      if (subject_.samples->sample(copy.raw(), dice.next(), &intent, nullptr) != SK_OK) continue;
      bad = damaged(intent.str(), dice);
      out = copy.mutate({self.id, self.last_seq + 1, self.clock + 1}, bad);
    } else {
      out = copy.merge(bad);
    }
    if (!out.ok()) {
      ++counts_.refusals;
      if (!is_refusal(out.status)) broken("failure", failed("a call with damaged bytes", out));
      if (copy.snapshot() != before || copy.view() != shown) {
        broken("failure", "refused bytes changed the state: " + hex(bad));
      }
      continue;
    }
    if (!is_intent && !inspect(subject_.type, bad).ok()) {
      broken("inspect", "merge took what inspect refuses: " + hex(bad));
    }
    same(copy.copy(), copy, "catch-up", "after damaged bytes that are well formed, a copy");
    copy = self.doc.copy();
  }
}

void World::tight(Replica& self, Replica& other, Dice dice) {
  Buffer intent;
  Doc copy = self.doc.copy();
  if (subject_.samples->sample(copy.raw(), dice.next(), &intent, nullptr) != SK_OK) return;
  std::string slice = other.doc.encode(version(self.known)).delta;
  Bytes bytes(slice);
  TightBuffer delta(dice.below(48)), patch(dice.below(48));
  uint32_t seqs = 0;
  sk_stamp stamp{self.id, self.last_seq + 1, self.clock + 1};
  for (bool mutates : {true, false}) {
    sk_status status =
        mutates ? subject_.type->mutate(copy.raw(), &stamp, intent.data, intent.len, &delta, &patch,
                                        &seqs, nullptr)
                : subject_.type->merge(copy.raw(), bytes.data, bytes.len, &patch, nullptr);
    if (status == SK_OK) {
      copy = self.doc.copy();
    } else if (status == SK_NOMEM) {
      ++counts_.refusals;
      same(copy, self.doc, "failure", mutates ? "after a mutate whose outputs could not grow"
                                              : "after a merge whose patch could not grow");
    } else {
      broken(mutates ? "samples" : "failure",
             "a call whose output could not grow gave status " + std::to_string(status));
    }
  }
}

void World::restamp(Replica& self, Dice dice) {
  if (!subject_.type->restamp || self.sent == self.log.size()) return;
  size_t index = static_cast<size_t>(&self - replicas_.data());
  Known heard = self.known;
  heard[index] = self.sent;
  uint64_t clock = std::max(clock_of(heard), now_);
  for (size_t i = self.sent; i < self.log.size(); ++i) {
    Op& op = self.log[i];
    // Deltas of one transaction keep one clock.
    if (i == self.sent || dice.below(3) != 0) clock += 1 + dice.below(3);
    sk_stamp stamp{self.id, op.stamp.seq, clock};
    Outcome out = self.doc.restamp(stamp, op.delta);
    if (!out.ok()) broken("restamp", failed("restamp", out));
    note("  clock " + std::to_string(clock) + ", delta " + hex(out.delta));
    op.delta = out.delta;
    op.stamp = stamp;
    check_inspect(self, op, stamp);
  }
  self.clock = clock;
  self.shown = self.doc.view();
  self.shadow = Doc(subject_.type);
  Known none(replicas_.size());
  learn(self, self.known, self.shadow, none, dice);
  if (!self.forgot.empty()) forget(self.shadow, self.forgot);
  same(self.doc, self.shadow, "restamp", "who re-stamped, and who merged the new deltas");
}

// What this replica may take for stable: known to all, and to the author of each edit that is
// still to come here when it was made.
World::Known World::stable(const Replica& self) const {
  Known stable = self.known;
  auto meet = [&stable](const Known& other) {
    for (size_t i = 0; i < stable.size(); ++i) stable[i] = std::min(stable[i], other[i]);
  };
  for (size_t author = 0; author < replicas_.size(); ++author) {
    const Replica& other = replicas_[author];
    meet(other.known);
    for (size_t i = self.known[author]; i < other.log.size(); ++i) meet(other.log[i].past);
  }
  return stable;
}

void World::forget(Doc& doc, const Known& stable) {
  std::string view = doc.view();
  Outcome out = doc.compact(version(stable));
  ++counts_.compactions;
  if (!out.ok()) broken("compaction", failed("compact", out));
  if (doc.view() != view) broken("compaction", "the view was " + view + " and is " + doc.view());
}

void World::compact(Replica& self) {
  self.forgot = stable(self);
  note("replica " + std::to_string(&self - replicas_.data()) + " compacts");
  forget(self.doc, self.forgot);
  forget(self.shadow, self.forgot);
}

void World::finish() {
  note("everyone learns everything");
  Known all;
  for (Replica& self : replicas_) {
    self.sent = self.log.size();
    all.push_back(self.sent);
  }
  for (size_t i = 0; i < replicas_.size(); ++i) {
    Replica& self = replicas_[i];
    Dice order(i * 7919 + all[0]);
    Known known = self.known;
    learn(self, all, self.doc, known, order);
    learn(self, all, self.shadow, self.known, order);
    if (subject_.type->compact) {
      forget(self.doc, all);
      forget(self.shadow, all);
    }
    same(self.doc, self.shadow, "convergence", "two replicas with all deltas");
    same(self.doc, replicas_[0].doc, "convergence", "two replicas with all deltas");
  }
  for (Replica& self : replicas_) {
    const Replica& other = replicas_[all[0] % replicas_.size()];
    for (const std::string& known : {other.doc.snapshot(), other.doc.encode(version(all)).delta}) {
      Outcome out = self.doc.merge(known);
      if (!out.ok()) broken("idempotence", failed("merge of an equal state", out));
      if (!out.patch.empty()) broken("idempotence", "an equal state wrote a patch");
    }
    same(self.doc, self.shadow, "idempotence", "a replica that merged what it has");
    reload(self);
  }
}

}  // namespace synckit::check
