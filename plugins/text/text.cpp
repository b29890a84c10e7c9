// The text type: local edits, the view, samples, and the plugin's entry. See text.hpp.
#include "text.hpp"

namespace synckit::text {

Text::Work& Text::work() {
#if defined(__wasm__)  // one thread
  static constinit Work work;
#else
  static constinit thread_local Work work;
#endif
  return work;
}

void Text::release(Work& work) {
  work.~Work();
  new (&work) Work;
}

// ---- intents ------------------------------------------------------------------------------

// Leaves the cursor at the position.
Status Text::read_intent(Bytes intent, Splice& splice) {
  Reader in(intent);
  uint8_t op = in.byte();
#if !defined(SYNCKIT_CLIENT_ONLY)
  if (op == 3) return read_restore(intent, splice);
#endif
  uint64_t at = in.varint(), count = in.varint();
  if (!in.ok() || (op != 1 && op != 2)) {
    return Status::malformed(SK_TEXT("text intent: expected op 1 or 2, position, count, text"));
  }
  splice.text = in.rest();
  const uint8_t* text = splice.text.data;
  splice.chars = scan(text, text + splice.text.len, kNone, splice.wide);
  if (splice.wide == kBadText) {
    return Status::malformed(SK_TEXT("text intent: the text to insert is not valid UTF-8"));
  }
  bool utf16 = op == 2 && tree_.wide();
  uint64_t size = uint64_t{tree_.chars()} + (utf16 ? tree_.wide() : 0);
  if (at > size || count > size - at) {
    return Status::malformed(SK_TEXT("text intent: position or range goes past the end"));
  }
  splice.position = static_cast<uint32_t>(at);
  splice.erase = static_cast<uint32_t>(count);
  bool whole = true;
  if (utf16) {
    whole = tree_.seek(splice.position + splice.erase, true);
    splice.erase = tree_.position().chars;
  }
  whole = tree_.seek(splice.position, utf16) && whole;
  if (utf16) {
    splice.position = tree_.position().chars;
    splice.erase -= splice.position;
  }
  if (whole) return {};
  return Status::malformed(SK_TEXT("text intent: position or end is inside a surrogate pair"));
}

Status Text::mutate(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch,
                    uint32_t& seqs) {
  Splice splice;
  seqs = 0;
  SK_TRY(read_intent(intent, splice));
  uint32_t used = splice.chars + (splice.erase ? 1 : 0);
  if (!used) return {};
  uint32_t lv = dots_.count(), me = dots_.replica(stamp.replica, false);
  if (stamp.replica == 0 || stamp.seq <= dots_.seen(me) || stamp.seq + used < stamp.seq) {
    return {SK_CONFLICT,
            SK_TEXT("text: the stamp's replica is 0, or its seq is not above those in use")};
  }
  if (splice.chars > kMaxAtoms - lv || (me == kNone && dots_.replicas().size() >= kMaxReplicas)) {
    return too_many();
  }
  me = dots_.replica(stamp.replica, true);
  dots_.replicas()[me].seen = stamp.seq + used - 1;
  uint32_t lo = tree_.left_atom(), ro = tree_.right_atom();
  uint32_t wide = tree_.wide(), wide_before = wide ? tree_.position().wide : 0;
  if (splice.chars) {
    const uint8_t* text = splice.text.data;
    dots_.add(me, stamp.seq + (splice.erase ? 1 : 0), splice.chars);
    chars_.store(lv, splice.chars, text);
    tree_.insert({lv, lo, ro, splice.chars}, splice.wide);
#if !defined(SYNCKIT_CLIENT_ONLY)
    if (splice.restored.len) remember(splice.restored, lv);
#endif
  }
  tree_.erased.clear();
  tree_.erase(splice.erase);  // the cursor stands behind what was inserted
  if (delta.wanted()) write_op(work(), stamp, me, lo, ro, splice, delta);
  if (patch.wanted()) {
    PatchWriter out(patch, work().patch_text);
    out.retain(splice.position, wide_before);
    if (splice.chars) out.insert(splice.text);
    out.erase(splice.erase, wide + splice.wide - tree_.wide());
    out.finish();
  }
  seqs = used;
  return {};
}

// ---- the delta of a local edit ---------------------------------------------------------------

void Text::name(Work& work, uint32_t me, uint32_t lv, uint32_t count) {
  if (lv == kNone) return work.named.push_back({0, kNone, 0});
  while (count) {
    uint32_t index = dots_.run_of(lv);
    const Run& run = dots_.runs()[index];
    uint32_t left = dots_.run_end(index) - lv, part = left < count ? left : count;
    work.named.push_back({run.seq + (lv - run.lv), run.replica, part});
    lv += part;
    count -= part;
    if (run.replica == me) continue;
    size_t at = 0;
    const Vec<Replica>& replicas = dots_.replicas();
    Vec<uint32_t>& others = work.others;
    while (at < others.size() && replicas[others[at]].id < replicas[run.replica].id) ++at;
    if (at == others.size() || others[at] != run.replica) others.insert(at, run.replica);
  }
}

void Text::write_dot(Work& work, Writer& out, uint32_t me, uint64_t from,
                     const Named& dot) {
  if (dot.replica == kNone) return out.byte(0);
  uint32_t which = 0;
  if (dot.replica != me) {
    while (work.others[which++] != dot.replica) {
    }
  }
  out.varint(which ? dot.seq : from - dot.seq);
  if (!work.others.empty()) out.varint(which);
}

void Text::write_op(Work& work, const Stamp& stamp, uint32_t me, uint32_t lo, uint32_t ro,
                    const Splice& splice, Writer& out) {
  work.named.clear();
  work.others.clear();
  for (const Atoms& run : tree_.erased) name(work, me, run.lv, run.count);
  size_t gone = work.named.size();
  uint8_t flags = kOp;
  uint64_t from = stamp.seq;
  if (gone) flags |= kErases, ++from;
  if (splice.chars) {
    flags |= kInserts;
    name(work, me, lo, 1);
    const Named& dot = work.named.back();
    if (!gone && dot.replica == me && dot.seq + 1 == from) flags |= kTyping;
    name(work, me, ro, 1);
  }
  if (!work.others.empty()) flags |= kTable;
  out.byte(flags);
  out.fixed64(stamp.replica);
  out.varint(stamp.seq);
  if (!work.others.empty()) out.varint(work.others.size());
  for (uint32_t other : work.others) out.fixed64(dots_.replicas()[other].id);
  for (size_t i = flags & kTyping ? 1 : 0; i < work.named.size(); ++i) {
    write_dot(work, out, me, i < gone ? stamp.seq : from, work.named[i]);
    if (i < gone) out.varint((work.named[i].len - 1) << 1 | (i + 1 < gone ? 1 : 0));
  }
  if (splice.chars) out.raw(splice.text);
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
  Work& mine = work();
  Status status = mine.delta.decode(bytes);
  if (status.ok()) mine.delta.summarize(summary, deps);
  done(mine, bytes);
  return status;
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
