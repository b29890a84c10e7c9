// What can be undone and redone: steps of tokens (synckit.crdt.undo/1), each with its field.
//
// Limits: as many steps as the caller said and kMaxBytes of tokens, in each direction. The oldest
// steps go first, and in the end the one that is too large by itself.
//
// Threads: one caller at a time.
#pragma once

#include <synckit/crdt.hpp>

namespace synckit {

// What is undone at once: a run of token, u32 length, u32 field, token ... It is read from its end,
// as undo needs it.
struct Step {
  uint8_t* data;  // owned by who holds it
  size_t len, cap;

  // Takes the latest token off; false when there is none left.
  bool pop(uint32_t& field, Bytes& token) {
    if (len == 0) return false;
    uint32_t words[2];
    std::memcpy(words, data + len - sizeof words, sizeof words);
    len -= sizeof words + words[0];
    token = {data + len, words[0]};
    field = words[1];
    return true;
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
  void add(Bytes token, uint32_t field, bool begins, size_t depth) {
    if (begins || steps_.empty()) steps_.push_back({nullptr, 0, 0});
    Step& step = steps_.back();
    uint32_t words[2] = {static_cast<uint32_t>(token.len), field};
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

class History {
 public:
  explicit History(size_t depth) : depth_(depth) {}

  // Before an edit: what its token is to be appended to.
  Buffer& token() { return token_.clear(), token_; }
  // After it, if it took dots.
  void record(uint32_t field) {
    if (!reverting_) undone_.clear();
    if (token_.empty()) return;
    into_->add(token_, field, closed_, depth_);
    closed_ = false;
  }
  // The next edit begins a step.
  void split() { closed_ = true; }
  size_t steps(bool redo) const { return (redo ? undone_ : done_).size(); }

  // Undoes or redoes the latest step that still has an effect; the dots that this took, 0 when
  // there was none. `revert(field, token)` carries out the intents that undo one edit: dots, or a
  // failure below 0. Then what is left of the step can be tried again, and what was done can be
  // taken back.
  template <class Revert>
  int32_t take_back(bool redo, Revert&& revert) {
    Steps& from = redo ? undone_ : done_;
    into_ = redo ? &done_ : &undone_;
    reverting_ = true;
    int32_t sum = 0;
    while (sum == 0 && from.size() != 0) {
      closed_ = true;
      Step step = from.pop();
      size_t left = step.len;
      uint32_t field;
      Bytes token;
      while (step.pop(field, token)) {
        int32_t count = revert(field, token);
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
    into_ = &done_;
    reverting_ = false;
    closed_ = true;
    return sum;
  }

 private:
  size_t depth_;
  Steps done_, undone_;
  Steps* into_ = &done_;    // where the tokens of edits go
  bool closed_ = true;      // the next edit begins a step
  bool reverting_ = false;  // edits are undos and redos
  Buffer token_;            // of the edit that is being made
};

}  // namespace synckit
