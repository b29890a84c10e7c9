// The text type: local edits, the view, samples, and the plugin's entry. See text.hpp.
#include "text.hpp"

namespace synckit::text {

// ---- intents ------------------------------------------------------------------------------

Status Text::read_intent(Bytes intent, Splice& splice) {
  Reader in(intent);
  uint8_t op = in.byte();
  uint64_t at = in.varint(), count = in.varint();
  if (!in.ok() || (op != 1 && op != 2)) {
    return Status::malformed("text intent: expected op 1 or 2, position, count, text");
  }
  splice.text = in.rest();
  if (!count_code_points(splice.text, splice.chars, splice.wide)) {
    return Status::malformed("text intent: the text to insert is not valid UTF-8");
  }
  uint64_t size = uint64_t{tree_.chars()} + (op == 2 ? tree_.wide() : 0);
  if (at > size) return Status::malformed("text intent: position is past the end");
  if (count > size - at) return Status::malformed("text intent: range goes past the end");
  splice.position = static_cast<uint32_t>(at);
  splice.erase = static_cast<uint32_t>(count);
  if (op == 2 && tree_.wide()) {
    uint32_t end = 0;
    if (!tree_.from_utf16(splice.position + splice.erase, end)) {
      return Status::malformed("text intent: end of range is inside a surrogate pair");
    }
    if (!tree_.from_utf16(static_cast<uint32_t>(at), splice.position)) {
      return Status::malformed("text intent: position is inside a surrogate pair");
    }
    splice.erase = end - splice.position;
  }
  return {};
}

Status Text::mutate(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch,
                    uint32_t& seqs) {
  Splice splice;
  seqs = 0;
  SK_TRY(read_intent(intent, splice));
  if (!splice.erase && !splice.chars) return {};
  if (splice.chars > kMaxAtoms - dots_.count()) {
    return Status::limit("text: more than kMaxAtoms code points were inserted into this field");
  }
  uint32_t me = dots_.find_replica(stamp.replica);
  uint32_t used = splice.chars + (splice.erase ? 1 : 0);
  if (stamp.replica == 0 || stamp.seq <= dots_.seen(me) || stamp.seq + used < stamp.seq) {
    return {SK_CONFLICT, "text: the stamp's replica is 0, or its seq is not above those in use"};
  }
  if (me == kNone && dots_.replica_count() >= kMaxReplicas) {
    return Status::limit("text: more than kMaxReplicas replicas write this field");
  }
  tree_.seek(splice.position);
  if (delta.wanted()) write_op(stamp, me, splice, delta);
  if (patch.wanted()) {
    PatchWriter out(patch, patch_text_);
    out.retain(splice.position, tree_.wide_before());
    if (splice.chars) out.insert(splice.text);
    uint32_t wide = 0;
    if (tree_.wide()) {
      tree_.visit(splice.erase, [&](uint32_t lv, uint32_t n) { wide += chars_.wide(lv, n); });
    }
    out.erase(splice.erase, wide);
    out.finish();
  }
  SK_TRY(delta.status());
  SK_TRY(patch.status());

  me = dots_.obtain_replica(stamp.replica);
  dots_.replica(me).seen = stamp.seq + used - 1;
  if (splice.chars) {
    uint32_t lv = dots_.count(), lo = tree_.left_atom(), ro = tree_.right_atom();
    dots_.add(me, stamp.seq + (splice.erase ? 1 : 0), splice.chars);
    chars_.store(lv, splice.chars, splice.text.data, splice.text.data + splice.text.len);
    tree_.insert(lv, splice.chars, lo, ro, false, splice.wide);
  }
  tree_.erase(splice.erase);  // the cursor stands behind what was inserted
  seqs = used;
  return {};
}

// ---- the delta of a local edit ---------------------------------------------------------------

void Text::note_author(uint32_t me, uint32_t author) {
  if (author == me) return;
  size_t at = 0;
  uint64_t id = dots_.replica(author).id;
  while (at < table_.size() && dots_.replica(table_[at]).id < id) ++at;
  if (at == table_.size() || table_[at] != author) table_.insert(at, author);
}

void Text::write_dot(Writer& out, uint32_t me, uint64_t from, uint32_t author, uint64_t seq) {
  out.varint(author == me ? from - seq : seq);
  if (table_.empty()) return;
  uint32_t which = 0;
  if (author != me) {
    while (table_[which] != author) ++which;
    ++which;
  }
  out.varint(which);
}

void Text::write_origin(Writer& out, uint32_t me, uint64_t from, uint32_t atom) {
  if (atom == kNone) return out.byte(0);
  const Run& run = dots_.runs()[dots_.run_of(atom)];
  write_dot(out, me, from, run.replica, run.seq + (atom - run.lv));
}

void Text::write_op(const Stamp& stamp, uint32_t me, const Splice& splice, Writer& out) {
  uint32_t lo = tree_.left_atom(), ro = tree_.right_atom();
  gone_.clear();
  table_.clear();
  tree_.visit(splice.erase, [&](uint32_t lv, uint32_t count) {
    while (count) {
      uint32_t index = dots_.run_of(lv);
      const Run& run = dots_.runs()[index];
      uint32_t left = dots_.run_end(index) - lv, part = left < count ? left : count;
      uint64_t seq = run.seq + (lv - run.lv);
      if (!gone_.empty() && gone_.back().author == run.replica &&
          gone_.back().seq + gone_.back().len == seq) {
        gone_.back().len += part;
      } else {
        gone_.push_back({seq, run.replica, part});
        note_author(me, run.replica);
      }
      lv += part;
      count -= part;
    }
  });
  uint8_t flags = kOp;
  uint64_t from = stamp.seq;
  if (splice.erase) flags |= kErases, ++from;
  if (splice.chars) {
    flags |= kInserts;
    for (uint32_t origin : {lo, ro}) {
      if (origin != kNone) note_author(me, dots_.runs()[dots_.run_of(origin)].replica);
    }
    if (lo != kNone && !splice.erase) {
      const Run& run = dots_.runs()[dots_.run_of(lo)];
      if (run.replica == me && run.seq + (lo - run.lv) + 1 == from) flags |= kTyping;
    }
  }
  if (!table_.empty()) flags |= kTable;
  out.byte(flags);
  out.fixed64(stamp.replica);
  out.varint(stamp.seq);
  if (!table_.empty()) {
    out.varint(table_.size());
    for (uint32_t author : table_) out.fixed64(dots_.replica(author).id);
  }
  for (size_t i = 0; i < gone_.size(); ++i) {
    write_dot(out, me, stamp.seq, gone_[i].author, gone_[i].seq);
    out.varint((gone_[i].len - 1) << 1 | (i + 1 < gone_.size() ? 1 : 0));
  }
  if (!splice.chars) return;
  if (!(flags & kTyping)) write_origin(out, me, from, lo);
  write_origin(out, me, from, ro);
  out.raw(splice.text);
}

// ---- reading ----------------------------------------------------------------------------------

Status Text::view(Writer& json) const {
  json.byte('"');
  for (const Leaf* leaf = tree_.first(); leaf; leaf = leaf->next) {
    for (uint32_t i = 0; i < leaf->count; ++i) {
      const Span& span = leaf->spans[i];
      if (!span.dead()) chars_.write(json, span.lv, span.len(), true);
    }
  }
  json.byte('"');
  return {};
}

Status Text::inspect(Bytes bytes, Summary& summary, Deps& deps) {
  Delta delta;
  SK_TRY(delta.decode(bytes));
  delta.summarize(summary, deps);
  return {};
}

// Mostly typing and small deletes near a few hot places, in several scripts.
Status Text::sample(uint64_t random, Writer& intent) {
  auto take = [&](uint32_t below) {
    random = (random ^ random >> 29) * 0xbf58476d1ce4e5b9u + 0x9e3779b97f4a7c15u;
    return static_cast<uint32_t>((random >> 33) % below);
  };
  uint32_t size = tree_.chars(), at = take(size + 1);
  if (take(4)) at = size ? size - take(size < 4 ? size : 4) : 0;
  uint32_t erase = take(4) ? 0 : take(size - at < 5 ? size - at + 1 : 6);
  uint32_t chars = erase && take(3) ? 0 : 1 + take(take(3) ? 2 : 8);
  intent.byte(1);
  intent.varint(at);
  intent.varint(erase);
  static constexpr const char* kLetters[] = {"a", "e", "t", " ", "\n", "\"", "\xd0\x96",
                                             "\xd1\x8f", "\xe4\xb8\xad", "\xf0\x9f\x98\x80"};
  for (uint32_t i = 0, script = take(4); i < chars; ++i) {
    intent.raw(Bytes(kLetters[script ? take(5) : take(10)]));
  }
  return {};
}

}  // namespace synckit::text

SYNCKIT_CRDT_PLUGIN(synckit::text::Text, "synckit.text", "1.0.0")
