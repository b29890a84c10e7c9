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
  if (op == 3) return read_restore(intent, splice);
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
  auto from = static_cast<uint32_t>(at), to = static_cast<uint32_t>(at + count);
  if (utf16) to = tree_.seek(to, true);
  // Where nothing is inserted it does not matter on which side of tombstones the cursor stands.
  if (!kShortcuts || utf16 || splice.chars || !tree_.stands_at(from)) {
    from = tree_.seek(from, utf16);
  }
  if (from == kNone || to == kNone) {
    return Status::malformed(SK_TEXT("text intent: position or end is inside a surrogate pair"));
  }
  splice.position = from;
  splice.erase = to - from;
  return {};
}

#if !defined(SYNCKIT_SMALL)
// By far the most edits: one more ASCII character, behind the one typed last. False, having changed
// nothing, for any other edit. What follows here change() does as well, step by step.
bool Text::type(const Stamp& stamp, Bytes intent) {
  if (intent.len < 4) return false;
  const uint8_t* last = intent.data + intent.len - 1;
  if (*last >= 0x80 || last[-1] != 0 || *intent.data - 1u > 1) return false;
  Reader in({intent.data + 1, intent.len - 3});  // without the op, and the count, which is 0
  uint64_t position = in.varint();
  uint32_t lv = dots_.count();
  if (!in.good_end() || tree_.wide() || lv >= kMaxAtoms || !tree_.types(position, lv) ||
      !dots_.types(stamp.replica, stamp.seq) || !chars_.append(lv, *last)) {
    return false;
  }
  dots_.type(stamp.seq);
  tree_.type();
  return true;
}

// The outputs of what was typed last.
void Text::tell_typed(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch) {
  Bytes text(intent.data + intent.len - 1, 1);
  if (delta.wanted()) {
    uint32_t lv = dots_.count() - 1;
    tree_.changed.clear();
    write_op(work().others, stamp, dots_.runs().back().replica,
             {lv, lv - 1, tree_.right_atom(), 1}, text, delta);
  }
  if (patch.wanted()) {
    Splice splice{};
    splice.position = tree_.stands() - 1, splice.chars = 1, splice.text = text;
    tell_edit(splice, {splice.position, 0}, 0, patch);
  }
}
#endif

Status Text::check_stamp(const Stamp& stamp, uint32_t dots) {
  uint32_t me = dots_.replica(stamp.replica, false);
  if (stamp.replica == 0 || stamp.seq <= dots_.seen(me) || stamp.seq > kMaxSeq - dots) {
    return {SK_CONFLICT,
            SK_TEXT("text: the stamp's replica is 0, or its seq is not above those in use")};
  }
  return me == kNone && dots_.replicas().size() >= kMaxReplicas ? too_many() : Status();
}

Status Text::change(const Stamp& stamp, Bytes intent, Writer& delta, Writer& patch,
                    uint32_t& seqs) {
  Splice splice;
  seqs = 0;
  SK_TRY(read_intent(intent, splice));
  uint32_t used = splice.chars + (splice.erase ? 1 : 0);
  if (!used) return {};
  uint32_t lv = dots_.count();
  SK_TRY(check_stamp(stamp, used));
  if (splice.chars > kMaxAtoms - lv) return too_many();
  uint32_t me = dots_.replica(stamp.replica, true);
  dots_.replicas()[me].seen = stamp.seq + used - 1;
  Span fresh{lv, tree_.left_atom(), tree_.right_atom(), splice.chars};
  uint32_t wide = tree_.wide(), wide_before = kShortcuts && wide ? tree_.position().wide() : 0;
  if (splice.chars) {
    const uint8_t* text = splice.text.data;
    dots_.add(me, stamp.seq + (splice.erase ? 1 : 0), splice.chars);
    chars_.store(lv, splice.chars, text);
    tree_.insert(fresh, splice.wide);
    if (splice.restored.len) remember(splice.restored, lv);
  }
  tree_.changed.clear();
  tree_.erase(splice.erase);  // the cursor stands behind what was inserted
  if (delta.wanted()) write_op(work().others, stamp, me, fresh, splice.text, delta);
  if (patch.wanted() && kShortcuts) {
    tell_edit(splice, {splice.position, wide_before}, wide + splice.wide - tree_.wide(), patch);
  } else if (patch.wanted()) {
    if (splice.chars) tree_.changed.add() = {lv, splice.chars};
    tell(work(), false, patch);
  }
  seqs = used;
  return {};
}

// The patch of a local edit: what stands before it, and how much is wide of what it deleted.
void Text::tell_edit(const Splice& splice, Extent before, uint32_t wide, Writer& patch) {
  PatchWriter out(patch, work().patch_text);
  out.retain(before);
  if (splice.chars) out.insert(splice.text);
  out.erase({splice.erase, wide});
  out.finish();
}

// ---- the delta of a local edit ---------------------------------------------------------------

// Writes an origin, or the first of a run of deleted atoms. Returns how many atoms from there on
// have consecutive dots.
uint32_t Text::write_dot(Vec<uint32_t>& others, Writer& out, uint32_t me, uint64_t from,
                         uint32_t lv) {
  if (lv == kNone) return out.byte(0), 0;
  uint32_t index = dots_.run_of(lv), which = 0;
  const Run& run = dots_.runs()[index];
  uint64_t seq = run.seq + (lv - run.lv);
  if (run.replica == me) {
    out.varint((from - seq) << 1);
  } else {
    out.varint(seq << 1 | 1);
    while (which < others.size() && others[which] != run.replica) ++which;
    out.varint(which);
    if (which == others.size()) {
      others.push_back(run.replica);
      out.fixed64(dots_.replicas()[run.replica].id);
    }
  }
  return dots_.run_end(index) - lv;
}

void Text::write_op(Vec<uint32_t>& others, const Stamp& stamp, uint32_t me, const Span& fresh,
                    Bytes text, Writer& out) {
  Vec<Atoms>& erased = tree_.changed;
  sort(erased);
  uint64_t from = stamp.seq;
  others.clear();
  // Does the run of dots go on where the insertion does?
  bool typing = erased.empty() && fresh.lo + 1 == fresh.lv && dots_.runs().back().lv < fresh.lv;
  out.byte(static_cast<uint8_t>(kOp | (erased.empty() ? 0 : kErases) |
                                (fresh.meta ? kInserts : 0) | (typing ? kTyping : 0)));
  out.fixed64(stamp.replica);
  out.varint(stamp.seq);
  for (size_t i = 0; i < erased.size(); ++i) {
    for (Atoms run = erased[i]; run.count;) {
      uint32_t part = write_dot(others, out, me, from, run.lv);
      if (part > run.count) part = run.count;
      run.lv += part;
      run.count -= part;
      out.varint(uint64_t{part - 1} << 1 | (run.count || i + 1 < erased.size() ? 1 : 0));
    }
  }
  if (!fresh.meta) return;
  if (!erased.empty()) ++from;
  if (!typing) write_dot(others, out, me, from, fresh.lo);
  write_dot(others, out, me, from, fresh.ro);
  out.raw(text);
}

// ---- reading ----------------------------------------------------------------------------------

void Text::write(Writer& out, bool json) const {
  for (const Leaf* leaf = tree_.first(); leaf; leaf = leaf->next) {
    for (uint32_t i = 0; i < leaf->count; ++i) {
      const Span& span = leaf->spans[i];
      if (!span.dead()) chars_.write(out, span.lv, span.len(), json);
    }
  }
}

Status Text::view(Writer& json) const {
  json.byte('"');
  write(json, true);
  json.byte('"');
  return {};
}

Status Text::contents(Writer& parts) const {
  Buffer text;
  Writer out(text);
  write(out, false);
  parts.sized(text);
  return out.status();
}

Status Text::inspect(Bytes bytes, Summary& summary, Deps& deps) {
  Work& mine = work();
  Status status = mine.delta.decode(bytes, nullptr);
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
