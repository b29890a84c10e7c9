// Anchors and undo in replica.wasm: calls of the optional interfaces of the types, and what a
// replica can undo and redo: steps of tokens (synckit.crdt.undo/1), each token with its field.
//
// Limits: as many steps as the caller said and kMaxBytes of tokens, in each direction. The oldest
// steps go first, and in the end the one that is too large by itself.
//
// Threads: one.
#include "replica.hpp"

#define SK_WASM(name) extern "C" __attribute__((export_name(#name), used)) auto name

namespace synckit {
namespace {

// ---- the optional interfaces --------------------------------------------------------------------

struct Abilities {
  const sk_crdt_v1* type;
  const sk_crdt_anchor_v1* anchors;
  const sk_crdt_undo_v1* undo;
  void* empty;  // stands for a field that does not exist yet; never edited
};

Abilities& abilities(const Field& field) {
  static Abilities all[4];
  Abilities* at = all;
  for (auto table : {synckit_type_lww, synckit_type_text, synckit_type_set, synckit_type_counter}) {
    if (!at->type) {
      *at = {static_cast<const sk_crdt_v1*>(table(0)),
             static_cast<const sk_crdt_anchor_v1*>(table(1)),
             static_cast<const sk_crdt_undo_v1*>(table(2)), nullptr};
    }
    if (at->type == replica::type(field)) break;
    ++at;
  }
  return *at;
}

void* instance_or_empty(Field& field) {
  if (void* instance = replica::instance(field)) return instance;
  Abilities& type = abilities(field);
  if (!type.empty && type.type->create(&type.empty, nullptr) != SK_OK) out_of_memory();
  return type.empty;
}

// ---- steps --------------------------------------------------------------------------------------

// What is undone at once: a run of token, u32 length, u32 field, token ... It is read from its end,
// as undo needs it.
struct Step {
  uint8_t* data;  // owned
  size_t len, cap;

  // Takes the latest token off; nullptr when there is none left.
  Field* pop(Bytes& token) {
    if (len == 0) return nullptr;
    uint32_t words[2];
    std::memcpy(words, data + len - sizeof words, sizeof words);
    len -= sizeof words + words[0];
    token = {data + len, words[0]};
    return reinterpret_cast<Field*>(words[1]);
  }
};

class Steps {  // one direction
 public:
  static constexpr size_t kMaxBytes = 16u << 20;

  Steps() = default;
  Steps(const Steps&) = delete;
  Steps& operator=(const Steps&) = delete;
  ~Steps() { clear(); }

  size_t size() const { return steps_.size(); }
  void clear() { drop(steps_.size()); }

  // Adds a token to the latest step, or to one that begins with it.
  void add(Bytes token, Field& field, bool begins, size_t depth) {
    if (begins || steps_.empty()) steps_.push_back({nullptr, 0, 0});
    Step& step = steps_.back();
    uint32_t words[2] = {static_cast<uint32_t>(token.len),
                         static_cast<uint32_t>(reinterpret_cast<uintptr_t>(&field))};
    size_t size = step.len + token.len + sizeof words;
    if (size > step.cap) {
      size_t cap = size + size / 2;
      void* moved = std::realloc(step.data, cap);
      if (!moved) out_of_memory();
      step.data = static_cast<uint8_t*>(moved);
      step.cap = cap;
    }
    std::memcpy(step.data + step.len, token.data, token.len);
    std::memcpy(step.data + step.len + token.len, words, sizeof words);
    bytes_ += size - step.len;
    step.len = size;
    if (steps_.size() > depth) drop(1);
    while (bytes_ > kMaxBytes) drop(1);
  }

  // Gives the latest step away, whose bytes are the caller's to free or to put back.
  Step pop() {
    Step step = steps_.back();
    steps_.pop_back();
    bytes_ -= step.len;
    return step;
  }
  void put_back(const Step& step) {
    bytes_ += step.len;
    steps_.push_back(step);
  }

 private:
  void drop(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      bytes_ -= steps_[i].len;
      std::free(steps_[i].data);
    }
    steps_.erase(0, count);
  }

  Vec<Step> steps_;
  size_t bytes_ = 0;
};

}  // namespace

struct History {
  explicit History(size_t steps) : depth(steps) {}

  size_t depth;
  Steps done, undone;
  Steps* into = &done;     // where the tokens of edits go
  bool closed = true;      // the next edit begins a step
  bool reverting = false;  // edits are undos and redos
  Buffer token;            // of the edit that is being made
};

void forget(History* history) { delete history; }

int32_t capture(History& history, Field& field, const Stamp& stamp, Bytes intent) {
  history.token.clear();
  sk_status code =
      abilities(field).undo->capture(instance_or_empty(field), &stamp, intent.data, intent.len,
                                     &history.token, replica::last_error());
  return code == SK_OK ? 0 : replica::fail(code);
}

void record(History& history, Field& field) {
  if (!history.reverting) history.undone.clear();
  if (history.token.empty()) return;
  history.into->add(history.token, field, history.closed, history.depth);
  history.closed = false;
}

namespace {

// Carries out the intents that undo one edit; how many dots they took.
int32_t revert(Field& field, Bytes token) {
  Buffer intents;
  sk_status code = abilities(field).undo->revert(instance_or_empty(field), token.data, token.len,
                                                 &intents, replica::last_error());
  if (code != SK_OK) return replica::fail(code);
  int32_t sum = 0;
  for (Reader in(intents); !in.done();) {
    int32_t count = replica::edit(field, in.sized());
    if (count < 0) return count;
    sum += count;
  }
  return sum;
}

// Undoes or redoes the latest step that still has an effect. When an edit fails half way, what is
// left of the step can be tried again, and what was done can be taken back.
int32_t take_back(History& history, bool redo) {
  Steps& from = redo ? history.undone : history.done;
  history.into = redo ? &history.done : &history.undone;
  history.reverting = true;
  int32_t sum = 0;
  while (sum == 0 && from.size() != 0) {
    history.closed = true;
    Step step = from.pop();
    size_t left = step.len;
    Bytes token;
    while (Field* field = step.pop(token)) {
      int32_t count = revert(*field, token);
      if (count < 0) {
        sum = count;
        step.len = left;
        break;
      }
      sum += count;
      left = step.len;
    }
    if (step.len) {
      from.put_back(step);
    } else {
      std::free(step.data);
    }
  }
  history.into = &history.done;
  history.reverting = false;
  history.closed = true;
  return sum;
}

}  // namespace

// ---- exports ------------------------------------------------------------------------------------

// Length of the anchor of a position in UTF-16 units; side: 0 left, 1 right.
SK_WASM(sk_text_anchor)(Field* field, uint32_t position, uint32_t side)->int32_t {
  static Buffer anchor;
  anchor.clear();
  sk_status code = abilities(*field).anchors->make(instance_or_empty(*field), position,
                                                   SK_UNIT_UTF16, side, &anchor,
                                                   replica::last_error());
  return code == SK_OK ? replica::answer(anchor) : replica::fail(code);
}

// Value = position of the anchor in scratch, and whether its character is gone.
SK_WASM(sk_text_position)(Field* field, uint32_t len)->int32_t {
  uint64_t position = 0;
  uint32_t deleted = 0;
  sk_status code = abilities(*field).anchors->resolve(
      instance_or_empty(*field), replica::input(), len, SK_UNIT_UTF16, &position, &deleted,
      replica::last_error());
  if (code != SK_OK) return replica::fail(code);
  return replica::answer(static_cast<uint32_t>(position), deleted);
}

// From now on edits can be undone, up to `depth` steps; forgets earlier ones. 0: no longer.
SK_WASM(sk_replica_history)(Replica* replica, uint32_t depth)->void {
  History*& history = replica::history(*replica);
  delete history;
  history = depth ? new History(depth) : nullptr;
}

// The next edit begins a step.
SK_WASM(sk_replica_step)(Replica* replica)->void {
  if (History* history = replica::history(*replica)) history->closed = true;
}

// Dots that undoing (or redoing) the latest step took; 0: there was none that had an effect.
SK_WASM(sk_replica_undo)(Replica* replica, uint32_t redo)->int32_t {
  History* history = replica::history(*replica);
  return history ? take_back(*history, redo != 0) : 0;
}

SK_WASM(sk_replica_steps)(Replica* replica, uint32_t redo)->size_t {
  History* history = replica::history(*replica);
  return !history ? 0 : (redo ? history->undone : history->done).size();
}

}  // namespace synckit
