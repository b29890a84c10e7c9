// Giving memory back: Text::compact.
//
// No tombstone is forgotten, whatever `stable` says. A delta above it may name any of them: its
// author may have written before it saw the delete, and whoever did see it, and keeps its own
// tombstones, still has them as neighbours (docs/adr/0010 has the histories). What can go without
// anybody noticing is what the state does not consist of: the characters of deleted text, the
// numbers in order of arrival, and the half empty leaves that edits left behind. So a text is
// made anew from its own state: it has then what a replica that has just loaded it has.
#include "text.hpp"

namespace synckit::text {

void Sequence::swap(Sequence& other) {
  leaves_.swap(other.leaves_);
  changed.swap(other.changed);
  std::swap(leaf_, other.leaf_);
  std::swap(slot_, other.slot_);
  std::swap(off_, other.off_);
  std::swap(at_, other.at_);
  std::swap(counted_, other.counted_);
}

// Gives `fresh` the copies of this text, in its own numbers.
void Text::move_copies(Text& fresh) const {
  auto moved = [&](uint32_t lv, uint32_t& left) {
    uint32_t index = dots_.run_of(lv), have = dots_.run_end(index) - lv, there;
    const Run& run = dots_.runs()[index];
    uint32_t local = fresh.dots_.replica(dots_.replicas()[run.replica].id, false);
    uint32_t to = fresh.dots_.find(local, run.seq + (lv - run.lv), there);
    if (left > have) left = have;
    if (left > there) left = there;
    return to;
  };
  for (Copy copy : copies_) {
    while (copy.count) {
      uint32_t part = copy.count, from = moved(copy.from, part), to = moved(copy.to, part);
      fresh.copies_.push_back({from, to, part});
      copy = {copy.from + part, copy.to + part, copy.count - part};
    }
  }
}

Status Text::compact(const Version&) {
  Buffer state;
  Writer out(state), no_patch(nullptr);
  SK_TRY(encode({}, out));
  SK_TRY(out.status());
  Text fresh;
  SK_TRY(fresh.merge(state, no_patch));
  move_copies(fresh);
  chars_.swap(fresh.chars_);
  dots_.swap(fresh.dots_);
  tree_.swap(fresh.tree_);
  copies_.swap(fresh.copies_);
  return {};
}

}  // namespace synckit::text
