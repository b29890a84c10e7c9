// core-full.wasm: anchors and undo in documents with a session, by the optional interfaces of the
// built-in types.
//
// What can be undone is kept by document: the engine tells of each local edit before and after it
// is made (EditWatch). Edits of one transaction are one step; a transaction that begins within
// group_ms after the one before goes on with its step, so that typing is not undone letter by
// letter.
//
// A change that the host has refused is gone, and a document that was rebuilt holds what the host
// has: undoing an edit that is in neither has no effect.
//
// Threads: one.
#include "core.hpp"

#include "abilities.hpp"
#include "history.hpp"

namespace synckit {
namespace {

struct Tracked {
  DocHandle doc;
  uint64_t group_ms;
  uint64_t begun_ms;  // when the latest transaction began
  History* history;   // owned
};

class Tracker final : public EditWatch {
 public:
  Tracked* find(DocHandle doc) {
    for (Tracked& one : all_) {
      if (one.doc == doc) return &one;
    }
    return nullptr;
  }
  void add(const Tracked& one) { all_.push_back(one); }
  void forget(DocHandle doc) {
    Tracked* one = find(doc);
    if (!one) return;
    delete one->history;
    all_.erase(static_cast<size_t>(one - all_.begin()));
  }

  void before(DocHandle doc, FieldHandle field, const Stamp& stamp, Bytes intent, bool first,
              uint64_t now_ms) override {
    Tracked* one = find(doc);
    if (!one) return;
    if (first) {
      if (now_ms - one->begun_ms >= one->group_ms) one->history->split();
      one->begun_ms = now_ms;
    }
    Buffer& token = one->history->token();
    Instance at = core::engine->instance(doc, field);
    Abilities* type = abilities(at.type);
    if (!type || !type->undo) return;  // a type from elsewhere
    // An intent that is refused here is refused by the edit itself, in its own words.
    (void)type->undo->capture(type->instance(at.doc), &stamp, intent.data, intent.len, &token,
                              nullptr);
  }
  void after(DocHandle doc, FieldHandle field) override {
    if (Tracked* one = find(doc)) one->history->record(field);
  }

 private:
  Vec<Tracked> all_;
};

Tracker tracker;

struct Undone {
  Status status;
  uint32_t dots = 0;  // also when it failed half way
  uint64_t last_seq = 0;
};

// Carries out the intents that undo one edit; -1 when one of them fails.
int32_t revert(DocHandle doc, FieldHandle field, Bytes token, uint64_t now_ms, Undone& out) {
  Engine& engine = *core::engine;
  Instance at = engine.instance(doc, field);
  Abilities* type = abilities(at.type);
  Buffer intents;
  sk_status code = type->undo->revert(type->instance(at.doc), token.data, token.len, &intents,
                                      nullptr);
  if (code == SK_MISSING_DEPS || code == SK_MALFORMED) return 0;  // the edit is not in here
  if (code != SK_OK) return out.status = {code, "the type cannot undo its edit"}, -1;
  int32_t sum = 0;
  for (Reader in(intents); !in.done();) {
    Edit edit;
    out.status = engine.mutate(doc, field, in.sized(), now_ms, edit);
    if (!out.status.ok()) return -1;
    engine.show(doc, field, edit.patch);
    out.dots += edit.count;
    out.last_seq = edit.last_seq;
    sum += static_cast<int32_t>(edit.count);
  }
  return sum;
}

// A field's anchors, nullptr when its type has none.
const sk_crdt_anchor_v1* anchors(DocHandle doc, FieldHandle field, void*& instance) {
  Instance at = core::engine->instance(doc, field);
  Abilities* type = abilities(at.type);
  if (!type || !type->anchors) return nullptr;
  instance = type->instance(at.doc);
  return type->anchors;
}

Status anchor_status(sk_status code) {
  switch (code) {
    case SK_OK: return {};
    case SK_MALFORMED: return {code, "this is no place in the text, or no anchor of it"};
    case SK_MISSING_DEPS: return {code, "the anchor's character has not arrived here yet"};
    default: return {code, "the field has no anchors"};
  }
}

}  // namespace

void forget_history(DocHandle doc) { tracker.forget(doc); }

SK_WASM(sk_anchor)(uint32_t doc, uint32_t field, uint32_t position, uint32_t side)->int32_t {
  Buffer& made = core::cleared_output();
  void* instance = nullptr;
  const sk_crdt_anchor_v1* type = anchors(doc, field, instance);
  sk_status code = !type ? SK_UNSUPPORTED
                         : type->make(instance, position, SK_UNIT_UTF16, side, &made, nullptr);
  core::give(made);
  return core::answer(anchor_status(code));
}

SK_WASM(sk_position)(uint32_t doc, uint32_t field, uint32_t anchor_len)->int32_t {
  Bytes anchor = core::input(0, anchor_len);
  uint64_t position = 0;
  uint32_t deleted = 0;
  void* instance = nullptr;
  const sk_crdt_anchor_v1* type = anchors(doc, field, instance);
  sk_status code = !type ? SK_UNSUPPORTED
                         : type->resolve(instance, anchor.data, anchor.len, SK_UNIT_UTF16,
                                         &position, &deleted, nullptr);
  core::give({}, position, deleted);
  return core::answer(anchor_status(code));
}

SK_WASM(sk_history)(uint32_t doc, uint32_t depth, uint32_t group_ms)->void {
  tracker.forget(doc);
  if (depth) tracker.add({doc, group_ms, 0, new History(depth)});
  core::engine->watch(&tracker);
}

SK_WASM(sk_history_split)(uint32_t doc)->void {
  if (Tracked* one = tracker.find(doc)) one->history->split();
}

SK_WASM(sk_history_steps)(uint32_t doc, uint32_t redo)->uint32_t {
  Tracked* one = tracker.find(doc);
  return one ? static_cast<uint32_t>(one->history->steps(redo != 0)) : 0;
}

SK_WASM(sk_undo)(uint32_t doc, uint32_t redo)->int32_t {
  Undone undone;
  if (Tracked* one = tracker.find(doc)) {
    one->history->take_back(redo != 0, [&](uint32_t field, Bytes token) {
      return revert(doc, field, token, core::now(), undone);
    });
  }
  core::give({}, undone.last_seq, undone.dots);
  return core::answer(undone.status);
}

}  // namespace synckit
