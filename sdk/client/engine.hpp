// The client engine: everything a SyncKit client decides, and nothing that it does.
//
// Sans-I/O. Bytes and the time come in through calls; frames to send, store batches and events go
// out through `take_output` (format: output.hpp). The same class runs in browsers (sdk/wasm), in
// the native client (sdk/client/native) and, many at a time, in the simulator (tests/simulation).
//
// Invariants (checked by tests/client and tests/simulation; [T] = modelled in tla/)
//   - [T] A transaction is sent only after the store batch that holds it was reported `stored`.
//   - [T] It leaves the offline queue only when its position in the host's log is known, in the
//     same batch that puts it into the local log: nothing saved is ever in neither.
//   - [T] What a client calls its position is covered by what it holds: snapshot, then dense log.
//   - [T] A refused transaction is kept as a dead letter and replaced by a void one of its dots.
//   - [T] Only transactions that the host cannot hold are re-stamped, in their order, above
//     everything seen.
//   - What arrives is deduplicated by position and dot; a gap is asked for, never skipped.
//   - A failed call changes nothing, except that open edits may have been committed.
//
// Time. `now_ms` is Unix milliseconds by a clock that must not run backwards while the engine lives
// (timeOrigin + performance.now(), or steady_clock plus an offset). It may be wrong by a constant.
//
// Threads: one caller at a time. Needs no exceptions, RTTI or standard containers.
#pragma once

#include <kernel/document.hpp>

#include "backoff.hpp"
#include "edit.hpp"

namespace synckit {

// Whether anybody looks at the event field, at what the event welcome says, and at why a connection
// is dropped: sdk/js does not.
#if defined(SYNCKIT_CLIENT_ONLY)
inline constexpr bool kTellsAll = false;
#else
inline constexpr bool kTellsAll = true;
#endif

// Whether a host might answer a Hello of another protocol than its own: ours refuse it (ADR 8).
#if defined(SYNCKIT_CLIENT_ONLY)
inline constexpr bool kAnyProtocol = false;
#else
inline constexpr bool kAnyProtocol = true;
#endif

// Record kinds of the local store (FORMAT.md).
enum RecordKind : uint8_t {
  kSnapshotRecord = 1,
  kLogRecord = 2,
  kOwnRecord = 3,
  kQueueRecord = 4,
  kDeadRecord = 5
};

// Whether somebody can watch local edits.
#if defined(SYNCKIT_CLIENT_ONLY) && !defined(SYNCKIT_FULL)
inline constexpr bool kWatchesEdits = false;
#else
inline constexpr bool kWatchesEdits = true;
#endif

struct EngineLimits {
  uint32_t max_documents = 1024;
  uint32_t max_pending_transactions = 100'000;  // per document, not acknowledged
  uint32_t max_pending_bytes = 32u << 20;
  uint32_t max_transaction_bytes = 1u << 20;  // the host's limit, when lower, replaces it
  uint32_t max_output_bytes = 64u << 20;      // undrained; then calls answer SK_LIMIT
  uint32_t window_bytes = 1u << 20;  // sent and not acknowledged, per document; a transaction
                                     // counts for 4096 more
  uint32_t max_dead_letters = 1024;  // per document; then edits answer SK_LIMIT
  uint32_t max_presence_bytes = 4096;
  uint32_t history_bytes = 64u << 10;  // own acknowledged transactions kept to send again
  uint32_t snapshot_bytes = 64u << 10;  // of the local log, until the host is asked for a snapshot
                                        // to replace it; a record counts for 250 more
  DocumentLimits document;
};

// Browsers get the limits as they are above: constants are smaller than what could be others.
#if defined(SYNCKIT_CLIENT_ONLY)
inline constexpr bool kFixedLimits = true;
#else
inline constexpr bool kFixedLimits = false;
#endif

struct EngineConfig {
  uint64_t replica = 0;    // this writer; random, never 0
  uint64_t seed = 0;       // of the backoff's jitter
  bool persistent = true;  // false: no store batches; what is committed counts as saved
  Bytes client;            // "synckit-js/0.1.0", borrowed for good
  EngineLimits limits;
};

// A field's type and instance; nullptr for a field that is not open.
struct Instance {
  const sk_crdt_v1* type = nullptr;
  void* doc = nullptr;
};

// Told of every local edit: what undo needs.
class EditWatch {
 public:
  // The edit is not made yet, and may still fail. `first`: it begins a transaction.
  virtual void before(DocHandle doc, FieldHandle field, const Stamp& stamp, Bytes intent,
                      bool first, uint64_t now_ms) = 0;
  virtual void after(DocHandle doc, FieldHandle field) = 0;  // it was made, and took dots

 protected:
  ~EditWatch() = default;
};

class Engine final : PatchSink {
 public:
  static constexpr uint64_t kNever = UINT64_MAX;

  Engine(const Registry& registry, const EngineConfig& config) : Engine(registry, config.limits) {
    start(config);
  }
  // In two steps, for an engine that lies in static memory: all that is constant needs no code.
  constexpr explicit Engine(const Registry& registry, const EngineLimits& limits = {})
      : registry_(registry),
#if !defined(SYNCKIT_CLIENT_ONLY)
        limits_(limits),
#endif
        max_transaction_bytes_(limits.max_transaction_bytes),
        max_presence_bytes_(limits.max_presence_bytes) {
  }
  void start(const EngineConfig& config);  // once, before all else; not its limits
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // ---- documents --------------------------------------------------------------------------
  // Opens a document (the same handle when it is open already). It is not readable until `loaded`.
  Status open(Bytes document, DocHandle& out);
  // One stored record of the document, ascending by key (FORMAT.md); a record that another
  // version or a defect spoiled is skipped and reported as an error event.
  Status load(DocHandle doc, Bytes key, Bytes value, uint64_t now_ms);
  // All records were given (none for a new document): edits may begin, sync starts when online.
  Status loaded(DocHandle doc, uint64_t now_ms);
  // Commits and forgets it. SK_UNAVAILABLE when it holds changes that are neither given to a
  // store nor acknowledged, unless `force`.
  Status close(DocHandle doc, bool force, uint64_t now_ms);

  // ---- edits --------------------------------------------------------------------------------
  // A handle of the field, for mutate and view. The field comes into being by its first edit.
  Status field(DocHandle doc, Bytes name, Bytes type, FieldHandle& out);
  // A local edit, visible at once. SK_UNAVAILABLE before `loaded`; SK_LIMIT when a queue is full;
  // SK_DENIED when the host granted reading only; else what the type says of the intent.
  Status mutate(DocHandle doc, FieldHandle field, Bytes intent, uint64_t now_ms, Edit& out);
  // Edits between begin and its commit are one transaction; without begin, those up to the next
  // commit or commit_all. begin nests.
  Status begin(DocHandle doc);
  Status commit(DocHandle doc, uint64_t now_ms);
  void commit_all(uint64_t now_ms);

  // Nobody, or one for all documents, which must outlive its use.
  void watch(EditWatch* watch) { watch_ = watch; }
  // Puts out a patch of a local edit as if it were somebody else's: for edits that no caller asks
  // the patch of, such as those of an undo.
  void show(DocHandle doc, FieldHandle field, Bytes patch) {
    if (!patch.empty()) tell(Out::patch, doc, field, patch);
  }

  // ---- reading -----------------------------------------------------------------------------
  Status view(DocHandle doc, FieldHandle field, Buffer& json) const;
  Status view_all(DocHandle doc, Buffer& json) const;
  Instance instance(DocHandle doc, FieldHandle field) const;
  Status digest(DocHandle doc, uint64_t& out) const;
  Status snapshot(DocHandle doc, Buffer& out) const;  // wire.proto Snapshot, own pending included
  Status version(DocHandle doc, sk_version& out) const;  // borrowed until the next call
  DocStatus status(DocHandle doc) const;  // offline for a closed one
  uint32_t pending(DocHandle doc) const;  // committed transactions that are not acknowledged
  uint64_t last_seq(DocHandle doc) const;  // of own committed changes
  uint64_t position(DocHandle doc) const;
  uint64_t epoch(DocHandle doc) const;

  // ---- persistence -------------------------------------------------------------------------
  // Every batch up to `batch` is stored for good.
  void stored(uint32_t batch, uint64_t now_ms);
  // Removes a dead letter that the user has seen.
  Status discard(DocHandle doc, uint64_t seq, uint64_t now_ms);

  // ---- presence ----------------------------------------------------------------------------
  // Own state for a document (JSON text); empty: gone. Sent at the next take_output, coalesced.
  Status presence(DocHandle doc, Bytes data);

  // ---- the session -------------------------------------------------------------------------
  // Online: the engine asks for connections (event connect). Offline: it asks to drop its own.
  void online(bool wanted, uint64_t now_ms);
  // The transport is open. `credential` goes into Hello.
  void connected(Bytes credential, uint64_t now_ms);
  // A renewed credential for the open session.
  void renew(Bytes credential);
  void disconnected(uint64_t now_ms);
  // One binary WebSocket message. SK_LIMIT: take the output first, then give it again.
  // Anything else but SK_OK: the host broke the protocol, and event drop was put out.
  Status receive(Bytes frame, uint64_t now_ms);
  // Call when next_timer_ms() is reached (or at any time).
  void tick(uint64_t now_ms);
  uint64_t next_timer_ms() const;  // absolute; kNever without one
  DocStatus overall() const { return overall_; }

  // ---- output ------------------------------------------------------------------------------
  // All that is to be done, in order (output.hpp); borrowed until the next take_output. It asks for
  // what is missing and sends what is stored; it commits nothing. Empty when there is nothing, or
  // when it was handed over (kHandsOver).
  Bytes take_output(uint64_t now_ms);

 private:
  struct Pending;
  struct Queue;
  struct Record;
  struct DocState;
  struct Doc;

  Doc* find(DocHandle handle) const;
  Doc* find_id(Bytes id) const;
  Doc* ready(DocHandle handle) const;  // nullptr: see not_ready
  Status not_ready(DocHandle handle) const;  // why not
  static Status not_open();
  Doc* with_field(DocHandle handle, FieldHandle field) const;  // nullptr: see not_ready

  // engine.cpp: edits and the queue
  static uint64_t above(const Doc& doc, uint64_t hlc);
  uint64_t host_time(uint64_t now_ms) const { return now_ms + static_cast<uint64_t>(offset_ms_); }
  Status room_for(const Doc& doc, size_t bytes) const;
  void commit_open(Doc& doc);
  Pending* make(uint64_t seq, uint32_t count, uint64_t hlc, Bytes changes);
  static Pending* hold(const wire::TransactionHead& head, bool empty, Bytes encoded);
  void queue_up(Doc& doc, Pending* pending);
  void append(Doc& doc, Pending* pending);
  static Pending* unqueue(Doc& doc);
  void replace(Doc& doc, Pending** at, Pending* made);
  bool ahead(const Pending& pending, uint64_t host_ms) const;
  void restamp(Doc& doc, Pending** at, uint64_t hlc);
  void acknowledge(Doc& doc, uint64_t through);
  void remember(Doc& doc, Pending* pending);
  void report_saved(Doc& doc);

  // store.cpp: records
  void put(StoreOp op, const Doc& doc, RecordKind kind, uint64_t number, uint64_t a = 0,
           uint64_t b = 0, Bytes bytes = {}, Bytes more = {});
  void erase(const Doc& doc, RecordKind kind, uint64_t number);
  void erase_log(Doc& doc, uint64_t through);
  void put_own(Doc& doc);
  void put_pending(Doc& doc, Pending& pending);
  void reject(Doc& doc, const Pending& pending, uint32_t code, Bytes message);
  void put_log(Doc& doc, uint64_t position, Bytes transaction);
  void put_snapshot(Doc& doc, uint64_t position, Bytes snapshot);
  bool wants_snapshot(const Doc& doc) const;
  void seal_batch();
  Status load_record(Doc& doc, uint8_t kind, const Record& record);
  Status load_snapshot(Doc& doc, const Record& record);
  Status load_log(Doc& doc, const Record& record);
  Status load_queue(Doc& doc, const Record& record);
  Status load_dead(Doc& doc, const Record& record);
  void fill_gap(Doc& doc, uint64_t through);

  // session.cpp: connections and frames
  void drop(Bytes why);
  void give_up(Bytes why);
  void send_hello(Bytes credential);
  void request_sync(Doc& doc, uint64_t now_ms, bool refresh = false);
  void retry_later(Doc& doc, uint64_t now_ms);
  void stop(Doc& doc);
  void leave(Doc& doc);
  void leave_all();
  void pump(Doc& doc);
  void send_presence(Doc& doc);
  void update_status();
  DocStatus status_of(const Doc* doc) const;  // nullptr: of the session
  Status dispatch(const wire::Frame& frame, uint64_t now_ms);
  Status on_welcome(const wire::Fields& in, uint64_t now_ms);
  void on_presence(Doc& doc, const wire::Fields& in);
  void on_error(const wire::Fields& in, uint64_t now_ms);

  // sync.cpp: what the host says about documents
  void patch(const DocumentField& field, Bytes bytes) override;  // of merging_
  Status on_response(Doc& doc, const wire::Fields& in, uint64_t now_ms);
  Status on_notification(Doc& doc, const wire::Fields& in, uint64_t now_ms);
  Status on_ack(Doc& doc, const wire::Fields& in);
  void on_denied(Doc& doc, const wire::Fields& in, uint64_t now_ms);
  Status place(Doc& doc, const wire::Fields& page);
  Status confirm_all(Doc& doc, uint64_t first);
  Status confirm(Doc& doc, uint64_t position, Bytes encoded);
  Status merge_confirmed(Doc& doc, const wire::Transaction& transaction, Bytes encoded);
  Status failed(Doc& doc, Status status, uint64_t now_ms);
  void forget_confirmed(Doc& doc);
  void refused(Doc& doc, uint64_t seq, bool for_good, uint32_t code, Bytes message,
               uint64_t now_ms);
  void make_void(Doc& doc, Pending** at, uint32_t code, Bytes message);
  void finish_sync(Doc& doc, uint64_t now_ms);
  void finish_rebuild(Doc& doc, uint64_t now_ms);
  void settle(Doc& doc, uint64_t now_ms);
  void send_history_again(Doc& doc);

  // output.cpp: events
  void emit(Out kind, DocHandle doc, uint32_t number, uint64_t a, uint64_t b = 0,
            Bytes bytes = {}, Bytes more = {});
  void tell(Out kind, DocHandle doc, uint32_t number = 0, Bytes bytes = {});
  wire::Message& frame(wire::Kind kind);  // a new one for the host: its fields, then send()
  wire::Message& frame(wire::Kind kind, const Doc& doc);  // the same, which names a document
  void send();
  void progress(Doc& doc, Stage stage, uint64_t seq);
  void emit_status(DocHandle doc, Status status);
  void emit_presence(const Doc& doc, uint64_t replica, Bytes principal, Bytes data);
  bool persistent() const { return persistent_; }
  bool full() const { return !kHandsOver && out_.len + batch_.len > limits_.max_output_bytes; }

  const Registry& registry_;
#if defined(SYNCKIT_CLIENT_ONLY)
  static constexpr EngineLimits limits_{};
#else
  EngineLimits limits_;
#endif
  EditWatch* watch_ = nullptr;
  uint64_t replica_ = 0;
  Backoff backoff_;
  bool persistent_ = true;
  Bytes client_;

  Doc* docs_ = nullptr;  // a list
  Doc* merging_ = nullptr;  // whose patches come
  DocHandle last_handle_ = 0;

  Buffer out_, drained_, batch_;
  Buffer scratch_, patch_, frame_;
  wire::Message message_{frame_};
  // What is being read: kept for its memory. Each is done with before another needs it.
  Vec<Bytes> transactions_;  // of a SyncResponse or a Notification
  wire::Transaction read_;
  wire::Snapshot snapshot_;
  uint32_t batch_id_ = 1, stored_ = 0;  // of the batch being filled; of the last one stored

  enum class Session : uint8_t { idle, dropping, opening, hello, open };
  Session session_ = Session::idle;
  bool wanted_ = false;
  DocStatus overall_ = DocStatus::offline;
  uint32_t attempt_ = 0;
  uint64_t ping_at_ = kNever;
  uint64_t due_ = kNever;  // when to connect (idle), or when the host has been silent too long
  int64_t offset_ms_ = 0;  // host time - own time
  uint32_t heartbeat_ms_ = 30'000, skew_ms_ = 5'000;
  size_t max_transaction_bytes_, max_presence_bytes_;
};

}  // namespace synckit
