// A document: named fields of CRDT types, a version vector, and the queue in which transactions
// wait for what they depend on. The same class serves host and clients.
//
// Invariants
//   - version() covers exactly the transactions that took effect (or are void), per replica without
//     gaps; a transaction takes effect once, however often it arrives.
//   - A transaction is merged only when its author's earlier ones and everything that
//     inspect names are; others wait, bounded by DocumentLimits.
//   - A failed call changes nothing. The one exception, a type that fails with SK_INTERNAL or
//     SK_NOMEM half way through a transaction of several changes, marks the document `broken`.
//     (Fields of a refused snapshot may be in, without a version that claims them: what they hold
//     comes again.)
//   - A change that its type refuses as SK_MALFORMED after its dependencies were met is void: it
//     counts as seen and has no effect. Types refuse deterministically, so all replicas agree.
//
// Threads: one caller at a time. No I/O, no clock.
#pragma once

#include "version.hpp"
#include "wire.hpp"

namespace synckit {

// The CRDT types that a process knows. Filled at start, then read only.
class Registry {
 public:
  static constexpr size_t kMaxTypes = 256;
  // SK_CONFLICT when the name is taken, SK_UNSUPPORTED for a table that lacks required entries.
  Status add(const sk_crdt_v1* type);
  void add_builtin(const sk_crdt_v1* type) { types_.push_back(type); }  // one that is known good
  const sk_crdt_v1* find(Bytes type) const;  // nullptr when unknown
  const Vec<const sk_crdt_v1*>& types() const { return types_; }

 private:
  Vec<const sk_crdt_v1*> types_;
};

// Whether transactions may come in any order, and from anyone. The modules for browsers take them
// only from the host, whose log is inspected and in causal order, and from queues that the same
// types made (ADR 8).
#if defined(SYNCKIT_CLIENT_ONLY)
inline constexpr bool kUnordered = false;
#else
inline constexpr bool kUnordered = true;
#endif

// Whether a type may fail half way. Those that core.wasm and core-lite.wasm are built with do not.
#if defined(SYNCKIT_CLIENT_ONLY) && !defined(SYNCKIT_FULL)
inline constexpr bool kCanBreak = false;
#else
inline constexpr bool kCanBreak = true;
#endif

// Whether some types may be other modules', which do not have all optional entries.
inline constexpr bool kOthersTypes = kCanBreak;

struct DocumentLimits {
  uint32_t max_fields = 4096;
  uint32_t max_parked_transactions = 1024;
  uint32_t max_parked_bytes = 8u << 20;
};

// A field of a document. Its name lies behind it in memory.
struct DocumentField {
  const sk_crdt_v1* type;
  void* instance;  // of the type
  uint32_t name_len, index;
  bool used;  // has come into being, by an edit; until then it is only looked at

  Bytes name() const { return {reinterpret_cast<const uint8_t*>(this + 1), name_len}; }
  Bytes type_name() const { return type->type; }
};

// Told what changed in the visible value, in order.
class PatchSink {
 public:
  virtual void patch(const DocumentField& field, Bytes patch) = 0;
  Buffer patch_bytes;  // where the next one is made

 protected:
  constexpr PatchSink() = default;
  ~PatchSink() = default;
};

enum class Merged : uint8_t { applied, duplicate, parked };

class Document {
 public:
  explicit Document(const Registry& registry, DocumentLimits limits = {});
  ~Document();
  Document(const Document&) = delete;
  Document& operator=(const Document&) = delete;

  // The index of a field, which stays; for reading and editing it. It comes into being by its first
  // edit: until then no snapshot, digest or view of all has it.
  Status declare(Bytes name, Bytes type, uint32_t& index);
  const DocumentField& field(uint32_t index) const { return *fields_[index]; }
  uint32_t declared() const { return static_cast<uint32_t>(fields_.size()); }

  // A local edit of one field with the dots stamp.seq ... Appends the delta, and the patch to
  // `patch` when that is not null; `count` = dots used (0: the intent had no effect). Does not
  // raise version(): call commit_local when the transaction is complete.
  Status mutate(uint32_t field, const Stamp& stamp, Bytes intent, Buffer& delta, uint32_t& count,
                Buffer* patch);
  Status mutate(Bytes name, Bytes type, const Stamp& stamp, Bytes intent, Buffer& delta,
                uint32_t& count, Buffer* patch);
  void commit_local(uint64_t replica, uint64_t last_seq, uint64_t hlc);

  // Gives an own, unacknowledged transaction a new clock: here and in what it appends to `changes`,
  // its changes, encoded.
  Status restamp(const wire::Transaction& transaction, uint64_t hlc, Buffer& changes);

  // Anyone's transaction. Parked ones are merged by the call that delivers what they waited for.
  Status merge(const wire::Transaction& transaction, Merged& outcome, PatchSink* sink);
  Status merge_snapshot(const wire::Snapshot& snapshot, PatchSink* sink);

  // Static checks of a transaction, without a document: shape, known types (unknown ones pass when
  // allow_unknown_types), inspect of every delta, agreement of author, dots and clock.
  // `deps` (optional) gets what it needs of other replicas. `ops` (optional) the work it costs.
  static Status inspect(const Registry& registry, const wire::Transaction& transaction,
                        bool allow_unknown_types, VersionVector* deps, uint64_t* ops);

  // Snapshot bytes (wire.proto Snapshot). Equal documents encode equally.
  Status encode_snapshot(Buffer& out) const;
  // The same, as parts: calls back per field, ascending by (field, type).
  Status each_field_state(Status (*each)(void* context, const wire::FieldState& field),
                          void* context) const;

  // In modules for browsers: the type's contents (abi.h), where it has some.
  Status view(uint32_t field, Buffer& json) const;
  Status view(Bytes name, Bytes type, Buffer& json) const;  // absent field: the empty value
  // [{"field":"","type":"lww","value":...}, ...], ascending by (field, type).
  Status view_all(Buffer& json) const;
  // Sum of the 64-bit FNV-1a over the name (which begins with its length), the type and a part, for
  // each part of each field's contents: equal states have equal digests, in whatever order it is.
  Status digest(uint64_t& out) const;

  Status compact(const VersionVector& stable);

  // Numbers the fields as `other` does, before taking its place; its own further ones follow.
  void follow(const Document& other);

  // The type's instance behind a field, nullptr when the document has no such field. It stays in
  // its place as long as the document: for a caller that edits one field again and again.
  void* instance(Bytes field, Bytes type) const;

  const VersionVector& version() const { return version_; }
  uint64_t max_hlc() const { return max_hlc_; }
  size_t parked() const { return parked_.size(); }
  uint64_t voided() const { return voided_; }  // changes that were refused as void
  // True once a change of a type that is not loaded here was seen: it counts in version(), and is
  // not in the state, so this document's snapshot must not be kept in place of the log.
  bool has_unknown_types() const { return unknown_; }
  bool broken() const { return kCanBreak && broken_; }
  size_t field_count() const;  // of those that have come into being

 private:
  struct Parked {
    uint8_t* bytes;  // owned: the encoded transaction
    size_t len;
  };

  DocumentField* find(Bytes name, const sk_crdt_v1* type) const;
  DocumentField* obtain(Bytes name, const sk_crdt_v1* type);
  void drop_last();
  Vec<const DocumentField*> in_order() const;
  Status ready(const wire::Transaction& transaction, bool& out) const;
  Status check_parts(const Vec<wire::Change>& parts, bool states) const;
  Status merge_parts(const Vec<wire::Change>& parts, bool states, PatchSink* sink);
  Status apply(const wire::Transaction& transaction, PatchSink* sink);
  Status park(const wire::Transaction& transaction);
  Status drain(PatchSink* sink);

  const Registry& registry_;
#if defined(SYNCKIT_CLIENT_ONLY)
  static constexpr DocumentLimits limits_{};  // as those of the engine
#else
  DocumentLimits limits_;
#endif
  Vec<DocumentField*> fields_;  // by index; owned
  VersionVector version_;
  Vec<Parked> parked_;
  size_t parked_bytes_ = 0;
  uint64_t max_hlc_ = 0, voided_ = 0;
  bool broken_ = false, unknown_ = false;
};

}  // namespace synckit
