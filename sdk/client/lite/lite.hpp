// The engine of core-lite.wasm: documents that are one map each, in memory. Much smaller than
// Engine (engine.hpp), which has documents of many fields, and a store (ADR 11).
//
// Sans-I/O, with the calls, the output (output.hpp) and the protocol of Engine, so that the same
// TypeScript runs both.
//
// What makes it small: a map's deltas may be merged in any order and again and again (lww.hpp). So
// nothing has to be recognized as known, parked, or kept as it came, and there is no version
// vector: what a document has of the host's log is one position, and what the host has of ours one
// seq. Fields of other names and types pass by unread.
//
// Invariants (checked by tests/client/lite_test.cpp)
//   - A document shows the host's log up to `position`, and the queue on top.
//   - What is written stays in the queue until the host's log is known to hold it, or the host has
//     denied it for good; then it is told of, gone from the map, and a void transaction uses up
//     its seqs.
//   - When merging cannot lead there (a refusal; another log in place of the host's), the map is
//     made anew: from the whole state and the queue.
//   - When the host has lost what it acknowledged, there is nothing here to send it again: the
//     engine goes offline for good, with a fatal error.
//   - Calls only note what has happened. `tick` finds out what that asks for, and does it.
//
// Threads: one caller at a time.
#pragma once

#include <kernel/wire.hpp>

#include "../backoff.hpp"
#include "../edit.hpp"

extern "C" const void* synckit_type_lww(uint32_t which);  // 0: the map's sk_crdt_v1

namespace synckit {

class Lite {
 public:
  static constexpr uint64_t kNever = UINT64_MAX;
  static constexpr size_t kMaxDocumentBytes = 512;     // of a document's id
  static constexpr uint32_t kMaxDocuments = 1024;      // open ones
  static constexpr size_t kMaxQueueBytes = 32u << 20;  // not acknowledged, per document
  static constexpr size_t kMaxOutputBytes = 64u << 20;  // undrained: then `receive` says SK_LIMIT
  static constexpr size_t kMaxTransactionBytes = 1u << 20;  // until the host has told its limit
  static constexpr size_t kWindowBytes = 1u << 20;     // sent and not acknowledged, per document

  constexpr Lite() = default;
  ~Lite();
  Lite(const Lite&) = delete;
  Lite& operator=(const Lite&) = delete;

  // Once, before all else. `replica`: this writer; random, never 0. `client`: "synckit-js/0.1.0",
  // borrowed for good.
  void start(uint64_t replica, Bytes client);

  // As those of Engine. The only field is the root map, whose handle is 1. What was put off is done
  // by `tick`: to be called after every run of calls (take_output does).
  Status open(Bytes document, DocHandle& out);  // to be synced from now on
  Status loaded(DocHandle, uint64_t) { return {}; }
  Status close(DocHandle doc, bool force, uint64_t now_ms);
  Status mutate(DocHandle doc, FieldHandle field, Bytes intent, uint64_t now_ms, Edit& out);
  Status begin(DocHandle doc);
  Status commit(DocHandle doc, uint64_t now_ms);
  void commit_all(uint64_t now_ms);
  Status view(DocHandle doc, FieldHandle field, Buffer& out) const;  // the map's contents (abi.h)
  uint32_t pending(DocHandle doc) const;
  uint64_t last_seq(DocHandle doc) const;
  void online(bool wanted, uint64_t now_ms);
  void connected(Bytes credential, uint64_t now_ms);
  void disconnected(uint64_t now_ms);
  Status receive(Bytes frame, uint64_t now_ms);
  void tick(uint64_t now_ms);
  uint64_t next_timer_ms() const { return timer_; }  // after a tick
  Bytes take_output(uint64_t now_ms);

  // For tests.
  uint64_t position(DocHandle doc) const;
  DocStatus status(DocHandle doc) const;

 private:
  struct Pending;
  struct DocState;
  struct Doc;

  Doc* find(DocHandle handle) const;
  Doc* find_id(Bytes id) const;
  void name(Doc& doc);  // by a handle

  uint64_t next_hlc(Doc& doc, uint64_t now_ms) const;
  void commit_open(Doc& doc);
  void acknowledge(Doc& doc, uint64_t through);
  void write_change(Buffer& to, uint32_t count);

  void emit(Out kind, DocHandle doc, uint32_t number, uint64_t a, uint64_t b, Bytes bytes);
  void tell(Out kind, DocHandle doc, uint32_t number = 0, Bytes bytes = {});
  void tell_error(Status status);
  void tell_progress(const Doc& doc, Stage stage, uint64_t seq);
  template <class Write>
  void send(wire::Kind kind, Write write);
  void send_id(wire::Kind kind, const Doc& doc);
  DocStatus status_of_session() const;
  DocStatus status_of(const Doc& doc) const;

  void drop();
  void give_up(uint32_t code, Bytes why);
  void request_sync(Doc& doc, uint64_t now_ms);
  void retry_later(Doc& doc, uint64_t now_ms);
  void pump(Doc& doc);
  // Whether it is well formed; so for all that are bool.
  bool dispatch(wire::Kind kind, Bytes body, uint64_t now_ms);
  bool on_welcome(const wire::Fields& in, uint64_t now_ms);
  bool on_response(Doc& doc, const wire::Fields& in, Bytes body, uint64_t count,
                   uint64_t now_ms);
  bool on_notification(Doc& doc, const wire::Fields& in, Bytes body, uint64_t count);
  void on_ack(Doc& doc, const wire::Fields& in);
  void on_refusal(Doc* doc, bool denied, const wire::Fields& in, uint64_t now_ms);
  bool merge(Doc& doc, Bytes part);
  bool merge_all(Doc& doc, wire::Fields& in, uint32_t number, uint32_t clock);
  bool confirm(Doc& doc, Bytes transaction);
  bool confirm_all(Doc& doc, Bytes body, uint32_t number, uint64_t position);
  void finish_rebuild(Doc& doc, uint64_t now_ms);
  void refused(Doc& doc, bool denied, const wire::Fields& in, uint64_t now_ms);

  // Two for each DocStatus, of which an open one is `syncing` until all documents are synced.
  enum class Session : uint8_t { idle, dropping, opening, hello, open };

  uint64_t replica_ = 0;
  Backoff backoff_;
  Doc* docs_ = nullptr;  // a list, of those that were ever open
  uint32_t open_ = 0;    // of them
  DocHandle last_handle_ = 0;
  Bytes client_;
  Buffer out_, drained_;
  Buffer patch_, delta_, frame_;

  Session session_ = Session::idle;
  bool wanted_ = false;
  DocStatus overall_ = DocStatus::offline;
  uint32_t attempt_ = 0;
  // When to connect (idle), to ping (open), or when the host has been silent for too long.
  uint64_t due_ = kNever;
  uint64_t heard_at_ = 0;  // of the host
  uint64_t timer_ = kNever;
  int64_t offset_ms_ = 0;  // host time - own time
  uint32_t heartbeat_ms_ = 30'000;
  size_t max_transaction_bytes_ = kMaxTransactionBytes;
};

}  // namespace synckit
