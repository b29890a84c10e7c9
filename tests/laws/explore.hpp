// Exhaustive exploration of small histories: every history of at most `depth` edits by three
// replicas, each author knowing any causally closed part of what was written before, and for each
// history every order of delivery.
//
// Histories that differ only in the order in which concurrent edits were made are one state; states
// are told apart by a canonical key, as TLC does it for the models in tla/. For each state
//   - all deltas are merged in every order that the kernel may deliver them in (each author's in
//     their order, each after what inspect says it needs): equal views, equal snapshots, patches
//     that lead there, and the view of the naive reference (models.hpp);
//   - all deltas once more change nothing;
//   - a document saved and loaded (and compacted, where the type can) between any two deliveries
//     ends the same;
//   - any two replicas that together know everything meet by one catch-up.
//
// Threads: none.
#pragma once

#include "models.hpp"

#include <stdexcept>
#include <unordered_set>

namespace synckit::laws {

struct Explored {
  std::vector<uint64_t> states{1};  // with exactly 0, 1, 2 ... edits
  uint64_t intents = 0, deliveries = 0, merges = 0, reloads = 0, joins = 0, compactions = 0;

  uint64_t total() const {
    uint64_t sum = 0;
    for (uint64_t count : states) sum += count;
    return sum;
  }
};

// `Choices`: the operations of a small history, Model::choices or another such function.
template <class Model>
class Explorer {
 public:
  using Op = typename Model::Op;
  using Choices = std::vector<Op> (*)(const Ops<Op>&, DotKey);

  explicit Explorer(Choices choices) : choices_(choices) {}

  // Throws std::runtime_error with the history that broke a promise.
  Explored run(size_t depth) {
    std::vector<State> level(1);
    for (size_t edits = 1; edits <= depth; ++edits) {
      std::vector<State> next;
      std::unordered_set<std::string> seen;
      for (const State& state : level) {
        extend(state, [&](State&& more) {
          if (!seen.insert(key(more)).second) return;
          check(more);
          if (edits < depth) next.push_back(std::move(more));
        });
      }
      explored_.states.push_back(seen.size());
      level = std::move(next);
    }
    return explored_;
  }

 private:
  static constexpr size_t kReplicas = 3;
  static constexpr uint64_t kIds[kReplicas] = {0x1111, 0x22220000, 7};  // not in their order
  using Mask = uint32_t;  // of edits

  struct Edit {
    size_t author = 0, nth = 0;
    Mask past = 0;   // what its author knew
    Mask needs = 0;  // what must be delivered before it: of its author, and by inspect
    DotKey dot;
    std::shared_ptr<const Entry<Op>> entry;
  };
  using State = std::vector<Edit>;  // in some causal order

  [[noreturn]] static void broken(const State& state, const std::string& what) {
    std::string text = what;
    for (const Edit& edit : state) {
      text += "\n  replica " + std::to_string(edit.author) + ", edit " +
              std::to_string(edit.nth) + ", knew " + std::to_string(edit.past) + ", intent ";
      for (char c : Model::intent(edit.entry->op)) {
        text += c >= ' ' && c < 127 ? std::string(1, c) : "\\" + std::to_string(c & 255);
      }
    }
    throw std::runtime_error(text);
  }
  static void require(bool good, const State& state, const char* what) {
    if (!good) broken(state, what);
  }

  // Equal for histories that are the same sets of edits.
  static std::string key(const State& state) {
    std::vector<size_t> sorted(state.size());
    for (size_t i = 0; i < sorted.size(); ++i) sorted[i] = i;
    std::sort(sorted.begin(), sorted.end(), [&](size_t a, size_t b) {
      return std::tie(state[a].author, state[a].nth) < std::tie(state[b].author, state[b].nth);
    });
    std::string out;
    for (size_t i : sorted) {
      Mask past = 0;
      for (size_t k = 0; k < sorted.size(); ++k) past |= (state[i].past >> sorted[k] & 1) << k;
      out += static_cast<char>(state[i].author);
      out += static_cast<char>(past);
      out += check::sized(Model::key(state[i].entry->op));
    }
    return out;
  }

  static Ops<Op> known(const State& state, Mask mask) {
    Ops<Op> ops;
    for (size_t i = 0; i < state.size(); ++i) {
      if (mask >> i & 1) ops[state[i].dot] = state[i].entry;
    }
    return ops;
  }
  VersionMap version(const State& state, Mask mask) const {
    VersionMap version;
    for (size_t i = 0; i < state.size(); ++i) {
      if (mask >> i & 1) version[state[i].dot.first] = state[i].entry->last;
    }
    return version;
  }

  void merge(const State& state, check::Doc& doc, size_t edit) {
    ++explored_.merges;
    require(doc.merge(state[edit].entry->delta).ok(), state, "a delta is refused");
  }
  // A document that has merged these edits, which are closed under what they need.
  check::Doc document(const State& state, Mask mask) {
    check::Doc doc(subject_.type);
    for (size_t i = 0; i < state.size(); ++i) {
      if (mask >> i & 1) merge(state, doc, i);
    }
    return doc;
  }

  // Every edit that may come next.
  template <class Found>
  void extend(const State& state, Found&& found) {
    for (size_t author = 0; author < kReplicas; ++author) {
      Mask own = 0;
      size_t nth = 0;
      for (size_t i = 0; i < state.size(); ++i) {
        if (state[i].author == author) own |= Mask{1} << i, ++nth;
      }
      for (Mask mask = 0; mask < Mask{1} << state.size(); ++mask) {
        bool closed = (mask & own) == own;
        for (size_t i = 0; closed && i < state.size(); ++i) {
          if (mask >> i & 1) closed = (mask & state[i].past) == state[i].past;
        }
        if (closed) extend(state, author, nth, mask, found);
      }
    }
  }

  template <class Found>
  void extend(const State& state, size_t author, size_t nth, Mask mask, Found&& found) {
    Ops<Op> ops = known(state, mask);
    DotKey dot{kIds[author], nth + 1};
    uint64_t hlc = author == 2 ? 1 : 0;  // one clock is fast
    for (const auto& entry : ops) hlc = std::max(hlc, entry.second->hlc);
    for (Op& op : choices_(ops, dot)) {
      Model::observe(op, ops, dot);
      check::Doc doc = document(state, mask);
      check::Outcome out = doc.mutate({dot.first, dot.second, hlc + 1}, Model::intent(op));
      ++explored_.intents;
      require(out.ok(), state, "an intent is refused");
      Entry<Op> entry{op, hlc + 1, dot.second, out.delta, {}};
      Edit edit{author, nth, mask, 0, dot, std::make_shared<const Entry<Op>>(std::move(entry))};
      ops[dot] = edit.entry;
      std::string view = Model::view(ops);
      ops.erase(dot);
      require(Model::shown(doc.view()) == view, state, "its author sees something else");
      if (out.seqs == 0) {
        require(view == Model::view(ops), state, "an intent with an effect took no dot");
        continue;
      }
      require(out.seqs == 1, state, "an edit took several dots");
      State more = state;
      edit.needs = needs(state, edit);
      more.push_back(std::move(edit));
      found(std::move(more));
    }
  }

  Mask needs(const State& state, const Edit& edit) const {
    Mask needs = 0;
    std::vector<sk_dot> deps = check::inspect(subject_.type, edit.entry->delta).deps;
    for (size_t i = 0; i < state.size(); ++i) {
      bool named = std::any_of(deps.begin(), deps.end(), [&](const sk_dot& dep) {
        return dep.replica == state[i].dot.first && dep.seq >= state[i].dot.second;
      });
      if (named || state[i].author == edit.author) needs |= Mask{1} << i;
    }
    return needs;
  }

  void check(const State& state) {
    Mask all = (Mask{1} << state.size()) - 1;
    want_ = Model::view(known(state, all));
    snapshot_.clear();
    order_.clear();
    deliver(state, 0);
    resume(state);
    join(state, all);
  }

  // Delivers the rest in every order.
  void deliver(const State& state, Mask done) {
    if (order_.size() == state.size()) return delivered(state);
    for (size_t i = 0; i < state.size(); ++i) {
      if (done >> i & 1 || (done & state[i].needs) != state[i].needs) continue;
      order_.push_back(i);
      deliver(state, done | Mask{1} << i);
      order_.pop_back();
    }
  }

  // The view that contents stand for: those of a text are its bytes, those of others a patch.
  std::string whole(const std::string& contents) const {
    std::string type = subject_.type->type;
    if (type == "text") return quoted(Reader(Bytes(contents)).sized().str());
    // A counter's patch tells the value, and must not when it is the same.
    std::string empty = type == "counter" ? "none" : check::Doc(subject_.type).view();
    return contents.empty() ? empty : subject_.apply_patch(empty, contents);
  }

  void delivered(const State& state) {
    ++explored_.deliveries;
    check::Doc doc(subject_.type);
    std::string shown = doc.view();
    for (size_t i : order_) {
      check::Outcome out = doc.merge(state[i].entry->delta);
      ++explored_.merges;
      require(out.ok(), state, "a delta is refused");
      if (!out.patch.empty()) shown = subject_.apply_patch(shown, out.patch);
    }
    require(Model::shown(doc.view()) == want_, state, "the view is not the reference's");
    require(Model::shown(shown) == want_, state, "the patches lead elsewhere");
    Buffer parts;
    require(subject_.type->contents(doc.raw(), &parts, nullptr) == SK_OK, state, "no contents");
    require(Model::shown(whole(parts.str())) == want_, state, "the contents are not the view");
    std::string snapshot = doc.snapshot();
    if (snapshot_.empty()) snapshot_ = snapshot, first_order_ = order_;
    require(snapshot == snapshot_, state, "another order gives another snapshot");
    for (size_t i : order_) {
      require(doc.merge(state[i].entry->delta).patch.empty(), state, "a duplicate shows");
      ++explored_.merges;
    }
    require(doc.snapshot() == snapshot_, state, "duplicates change the state");
  }

  // One order again, with a reload (and compaction) after each possible prefix.
  void resume(const State& state) {
    for (size_t saved = 1; saved <= first_order_.size(); ++saved) {
      check::Doc doc(subject_.type);
      Mask mask = 0;
      for (size_t at = 0; at < first_order_.size(); ++at) {
        merge(state, doc, first_order_[at]);
        mask |= Mask{1} << first_order_[at];
        if (at + 1 != saved) continue;
        if (subject_.type->compact) {
          require(doc.compact(stable(state, mask)).ok(), state, "compaction is refused");
          ++explored_.compactions;
        }
        doc = doc.copy();
        ++explored_.reloads;
      }
      require(Model::shown(doc.view()) == want_, state, "a reload in between shows");
      if (!subject_.type->compact) {
        require(doc.snapshot() == snapshot_, state, "a reload in between changes the state");
      }
    }
  }

  // What every replica has seen when one knows `mask`: what all later edits' authors knew.
  VersionMap stable(const State& state, Mask mask) const {
    Mask seen = mask;
    for (size_t i = 0; i < state.size(); ++i) {
      if (!(mask >> i & 1)) seen &= state[i].past;
    }
    return version(state, seen);
  }

  // Pairs of replicas that together know everything: one, loaded from what it saved, catches up
  // with the other.
  void join(const State& state, Mask all) {
    std::vector<Mask> masks;
    std::vector<check::Doc> docs;
    std::vector<std::string> saved;
    for (Mask mask = 0; mask <= all; ++mask) {
      bool closed = true;
      for (size_t i = 0; i < state.size(); ++i) {
        if (mask >> i & 1) closed = closed && (mask & state[i].needs) == state[i].needs;
      }
      if (!closed) continue;
      masks.push_back(mask);
      docs.push_back(document(state, mask));
      saved.push_back(docs.back().snapshot());
    }
    for (size_t a = 0; a < masks.size(); ++a) {
      VersionMap since = version(state, masks[a]);
      for (size_t b = 0; b < masks.size(); ++b) {
        if ((masks[a] | masks[b]) != all || masks[a] == all || !masks[b]) continue;
        check::Doc doc(subject_.type);
        check::Outcome slice = docs[b].encode(since);
        ++explored_.joins;
        require(doc.merge(saved[a]).ok() && slice.ok() && doc.merge(slice.delta).ok(), state,
                "a catch-up is refused");
        require(doc.snapshot() == snapshot_, state, "a catch-up leads elsewhere");
      }
    }
  }

  check::Subject subject_ = Model::subject();
  Choices choices_;
  Explored explored_;
  std::string want_, snapshot_;              // of the state that is checked
  std::vector<size_t> order_, first_order_;  // of delivery
};

}  // namespace synckit::laws
