// Dots: see text_dots.hpp.
#include "text_dots.hpp"

namespace synckit::text {

uint32_t floor_of(const uint32_t* keys, size_t stride, size_t count, uint32_t key) {
  size_t lo = 0, hi = count;
  while (hi - lo > 1) {
    size_t mid = (lo + hi) / 2;
    (keys[mid * (stride / sizeof *keys)] <= key ? lo : hi) = mid;
  }
  return static_cast<uint32_t>(lo);
}

uint32_t Dots::look_up(uint64_t id, bool make) {
  size_t at = dot_position(by_id_.data(), by_id_.size(), id);
  if (at < by_id_.size() && by_id_[at].replica == id) {
    return last_ = static_cast<uint32_t>(by_id_[at].seq);
  }
  if (!make) return kNone;
  last_ = static_cast<uint32_t>(replicas_.size());
  by_id_.insert(at, {id, last_});
  replicas_.add() = {id, 0, kNone};
  return last_;
}

void Dots::add(uint32_t replica, uint64_t seq, uint32_t count) {
  bool joins = !runs_.empty() && runs_.back().replica == replica &&
               runs_.back().seq + (count_ - runs_.back().lv) == seq;
  if (!joins) {
    uint32_t& last = replicas_[replica].last;
    auto index = static_cast<uint32_t>(runs_.size());
    Run run{seq, count_, replica, last, index, 0};
    if (last != kNone) {
      const Run& a = runs_[last];
      const Run& b = runs_[a.jump];
      run.depth = a.depth + 1;
      run.jump = a.depth - b.depth == b.depth - runs_[b.jump].depth ? b.jump : last;
    }
    last = index;
    runs_.push_back(run);
  }
  count_ += count;
}

uint32_t Dots::run_of(uint32_t lv) const {
  if (kShortcuts) {
    // What is typed now must not drive out the place where it is typed.
    if (lv >= runs_.back().lv) return static_cast<uint32_t>(runs_.size()) - 1;
    if (lv >= runs_[hint_].lv && lv < run_end(hint_)) return hint_;
  }
  return hint_ = floor_of(&runs_[0].lv, sizeof(Run), runs_.size(), lv);
}

uint32_t Dots::find(uint32_t replica, uint64_t seq, uint32_t& left) const {
  uint32_t at = replica == kNone ? kNone : replicas_[replica].last;
  if (at == kNone) return kNone;
  // Where something was found lately, something is likely to be named again.
  const Run& hint = runs_[hint_];
  if (kShortcuts && hint.replica == replica && seq - hint.seq < run_end(hint_) - hint.lv) {
    at = hint_;
  }
  while (at != kNone && runs_[at].seq > seq) {
    uint32_t jump = runs_[at].jump;
    at = jump != at && runs_[jump].seq > seq ? jump : runs_[at].prev;
  }
  if (at == kNone) return kNone;
  const Run& run = runs_[at];
  uint64_t offset = seq - run.seq;
  uint32_t length = run_end(at) - run.lv;
  if (offset >= length) return kNone;
  left = length - static_cast<uint32_t>(offset);
  // What is typed now must not drive out the place where it is typed.
  if (kShortcuts && at != replicas_[replica].last) hint_ = at;
  return run.lv + static_cast<uint32_t>(offset);
}

bool Dots::before(uint32_t a, uint32_t b) const {
  uint32_t x = runs_[run_of(a)].replica, y = runs_[run_of(b)].replica;
  if (x != y) return replicas_[x].id < replicas_[y].id;
  return a < b;  // FIFO: one replica's atoms arrive in the order of their seqs
}

}  // namespace synckit::text
