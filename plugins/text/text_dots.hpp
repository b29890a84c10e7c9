// Names of atoms: (replica, seq) <-> local version.
//
// Why: inside one document every atom has a dense 32-bit local version (lv), its place in the
// order in which this instance learnt of it. Only formats speak of dots; everything else of lvs.
//
// Invariants
//   - runs() is ascending by lv and covers [0, count()) without gaps; inside a run lv and seq
//     count up together.
//   - Delivery is FIFO per replica, so the runs of one replica ascend by seq as well.
//   - Replica.seen is the highest dot of that replica in this field, deletes included.
//
// Threads: as the document that owns it.
#pragma once

#include <synckit/bytes.hpp>

namespace synckit::text {

constexpr uint32_t kNone = 0xffffffff;       // no atom: the start or the end of the text
constexpr uint32_t kMaxAtoms = 1u << 28;     // code points ever inserted into one field
constexpr uint32_t kMaxReplicas = 1u << 16;  // writers of one field

struct Run {
  uint64_t seq;
  uint32_t lv, replica;  // the index into Dots, not the id
};

struct Replica {
  uint64_t id, seen;
  Vec<uint32_t> runs;  // indexes into Dots::runs(), ascending
};

class Dots {
 public:
  Dots() = default;
  Dots(const Dots&) = delete;
  Dots& operator=(const Dots&) = delete;
  ~Dots() {
    for (Replica* replica : replicas_) delete replica;
  }

  uint32_t count() const { return count_; }
  const Vec<Run>& runs() const { return runs_; }
  size_t replica_count() const { return replicas_.size(); }
  Replica& replica(uint32_t index) const { return *replicas_[index]; }
  // Indexes of all replicas, ascending by id.
  const Vec<uint32_t>& by_id() const { return by_id_; }

  uint32_t find_replica(uint64_t id) const {
    if (last_ < replicas_.size() && replicas_[last_]->id == id) return last_;
    size_t at = place(id);
    if (at == by_id_.size() || replicas_[by_id_[at]]->id != id) return kNone;
    return last_ = by_id_[at];
  }
  uint32_t obtain_replica(uint64_t id) {
    uint32_t index = find_replica(id);
    if (index != kNone) return index;
    index = static_cast<uint32_t>(replicas_.size());
    by_id_.insert(place(id), index);
    replicas_.push_back(new Replica{id, 0, {}});
    return last_ = index;
  }
  uint64_t seen(uint32_t index) const { return index == kNone ? 0 : replicas_[index]->seen; }

  // The next `count` lvs are the dots seq, seq + 1 ... of a replica.
  void add(uint32_t replica, uint64_t seq, uint32_t count) {
    bool joins = !runs_.empty() && runs_.back().replica == replica &&
                 runs_.back().seq + (count_ - runs_.back().lv) == seq;
    if (!joins) {
      replicas_[replica]->runs.push_back(static_cast<uint32_t>(runs_.size()));
      runs_.push_back({seq, count_, replica});
    }
    count_ += count;
  }

  uint32_t run_end(uint32_t index) const {
    return index + 1 < runs_.size() ? runs_[index + 1].lv : count_;
  }
  // The run that holds lv (lv < count()).
  uint32_t run_of(uint32_t lv) const {
    if (lv >= runs_[hint_].lv && lv < run_end(hint_)) return hint_;
    uint32_t lo = 0, hi = static_cast<uint32_t>(runs_.size()) - 1;
    if (lv >= runs_[hi].lv) return hi;
    while (hi - lo > 1) {
      uint32_t mid = (lo + hi) / 2;
      (runs_[mid].lv <= lv ? lo : hi) = mid;
    }
    return hint_ = lo;
  }

  // The lv of a dot, kNone when it is not an atom of this field. `left` gets the number of
  // atoms from there to the end of the run: the following seqs that are atoms too.
  uint32_t find(uint32_t replica, uint64_t seq, uint32_t& left) const {
    const Vec<uint32_t>& list = replicas_[replica]->runs;
    size_t lo = 0, hi = list.size();
    if (hi && runs_[list[hi - 1]].seq <= seq) {
      lo = hi - 1;
    } else {
      while (lo + 1 < hi) {
        size_t mid = (lo + hi) / 2;
        (runs_[list[mid]].seq <= seq ? lo : hi) = mid;
      }
    }
    if (lo >= list.size()) return kNone;
    const Run& run = runs_[list[lo]];
    uint32_t length = run_end(list[lo]) - run.lv;
    if (seq < run.seq || seq - run.seq >= length) return kNone;
    uint32_t offset = static_cast<uint32_t>(seq - run.seq);
    left = length - offset;
    return run.lv + offset;
  }

  // True when dot(a) orders before dot(b): the tie rule for equal origins.
  bool before(uint32_t a, uint32_t b) const {
    const Run& x = runs_[run_of(a)];
    const Run& y = runs_[run_of(b)];
    if (x.replica != y.replica) return replicas_[x.replica]->id < replicas_[y.replica]->id;
    return a < b;  // FIFO: one replica's atoms arrive in the order of their seqs
  }

 private:
  size_t place(uint64_t id) const {
    size_t lo = 0, hi = by_id_.size();
    while (lo < hi) {
      size_t mid = (lo + hi) / 2;
      if (replicas_[by_id_[mid]]->id < id) {
        lo = mid + 1;
      } else {
        hi = mid;
      }
    }
    return lo;
  }

  Vec<Run> runs_;
  Vec<Replica*> replicas_;
  Vec<uint32_t> by_id_;
  uint32_t count_ = 0;
  mutable uint32_t hint_ = 0, last_ = 0;  // last answers of run_of and find_replica
};

}  // namespace synckit::text
