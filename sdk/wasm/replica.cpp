// replica.wasm: documents without a session, for code that brings its own transport and storage.
//
// A replica is the kernel's Document, a clock, and one open batch: the local edits since the last
// commit. EXPORTS.md ("replica.wasm") is the contract with sdk/js/src/replica.ts. One instance of
// the module holds many replicas; replicas and fields are known by their addresses.
//
// The batch has two forms. While it is small it keeps the delta of each edit, and commit gives a
// wire Transaction. Once it has grown above kMaxBatchBytes, or something else was merged or saved
// in between, it spills: deltas are dropped and no longer asked for, and commit gives a catch-up,
// made from the state (each edited field's encode(since)). So the memory of a batch is bounded, and
// an edit that nobody will ever ask for costs no delta.
//
// Invariants
//   - All edits of an unspilled batch have one clock, as a Transaction demands.
//   - The document's version does not cover the open batch, unless a snapshot was taken of it.
//   - A catch-up says what it builds on (`since`), and waits, as transactions do, until that is
//     there.
//
// Threads: one. Scratch and result hold still until the next call; memory may grow in any call.
#include "replica.hpp"

#include <kernel/document.hpp>

#define SK_WASM(name) extern "C" __attribute__((export_name(#name), used)) auto name

namespace synckit {

constexpr size_t kMaxBatchBytes = 64u << 10;   // of deltas, above which a batch spills
constexpr size_t kMaxWaiting = 64;             // catch-ups that wait for what they build on
constexpr size_t kMaxWaitingBytes = 8u << 20;  // their sum
constexpr size_t kKeptScratch = 64u << 10;     // a larger input is given back after its call
constexpr size_t kTextAt = 16;                 // text to insert starts here; its intent goes before
constexpr uint8_t kCatchUp = 0;                // first byte, which no protobuf message has
constexpr uint8_t kCatchUpFormat = 1;

struct Known {  // what intents say again and again before their value, and room for a number
  static constexpr size_t kMaxDigits = 10;
  uint32_t len;
  uint8_t* intent() { return reinterpret_cast<uint8_t*>(this + 1); }
};

struct Field {
  Replica* owner;
  const sk_crdt_v1* type;
  void* instance;  // nullptr until the field exists in the document
  uint8_t* head;   // owned: name and type as they stand in every Change
  uint32_t head_len, name_at, name_len;
  uint64_t edited;  // `first` of the batch that edited it last
  Vec<Known*> known;  // owned

  Bytes name() const { return {head + name_at, name_len}; }
};

struct Part {  // one edit of an unspilled batch
  Field* field;
  uint32_t count;
  size_t end;  // of its delta, in `deltas`
};

struct Waiting {
  uint8_t* bytes;  // owned
  size_t len;
};

struct Replica {
  Replica(const Registry& registry, uint64_t replica) : id(replica), document(registry) {}
  ~Replica() {
    for (Field* field : fields) {
      std::free(field->head);
      for (Known* known : field->known) std::free(known);
      delete field;
    }
    for (Waiting& item : waiting) std::free(item.bytes);
    forget(history);
  }
  bool open() const { return first != 0; }

  uint64_t id;
  Document document;
  Hlc clock;
  Vec<Field*> fields;
  Field* latest = nullptr;  // the field of the latest transaction of somebody else

  uint64_t first = 0, next = 0;  // seqs of the open batch; first = 0: there is none
  uint64_t hlc = 0;       // for the next edit
  uint64_t used_hlc = 0;  // of the last edit that took a dot
  bool spilled = false, interrupted = false;
  bool fresh = false;    // edited since the last interruption
  VersionVector builds;  // what the document had at the last edit before that
  Buffer deltas;
  Vec<Part> parts;

  Vec<Waiting> waiting;
  size_t waiting_bytes = 0;
  History* history = nullptr;  // owned; while edits are recorded, to be undone
};

namespace {

struct Result {  // all u32, little endian
  uint32_t data, data_len;
  uint32_t text, text_len;  // why a call failed
  uint32_t value[2];        // one u64
};

Result result;
sk_error error = {sizeof(sk_error), 0, {0}};
Buffer scratch, output, intent;
Buffer needs;  // dots that a delta builds on
Registry* registry = nullptr;
uint64_t now_ms = 0;
wire::Transaction incoming;  // kept for its memory

uint32_t address(const void* pointer) {
  return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(pointer));
}
void give(Bytes bytes) {
  result.data = address(bytes.data);
  result.data_len = static_cast<uint32_t>(bytes.len);
}
SK_OUTLINE int32_t failed(sk_status code, const char* text) {
  result.text = address(text);
  result.text_len = static_cast<uint32_t>(std::strlen(text));
  return -code;
}
// 0, or a failure's code below 0.
int32_t done(Status status) { return status.ok() ? 0 : failed(status.code(), status.text()); }

const Registry& types() {
  if (!registry) {
    registry = new Registry;
    (void)registry->add(static_cast<const sk_crdt_v1*>(synckit_type_lww(0)));
    (void)registry->add(static_cast<const sk_crdt_v1*>(synckit_type_text(0)));
    (void)registry->add(static_cast<const sk_crdt_v1*>(synckit_type_set(0)));
    (void)registry->add(static_cast<const sk_crdt_v1*>(synckit_type_counter(0)));
  }
  return *registry;
}

// ---- edits --------------------------------------------------------------------------------------

bool same(const uint8_t* a, const uint8_t* b, size_t len) {  // for a few bytes
  for (size_t i = 0; i < len; ++i) {
    if (a[i] != b[i]) return false;
  }
  return true;
}
// The field whose names stand at the start of these bytes of a Change.
SK_OUTLINE Field* find_field(Replica& replica, Bytes change) {
  for (Field* field : replica.fields) {
    if (field->head_len < change.len && same(change.data, field->head, field->head_len)) {
      return field;
    }
  }
  return nullptr;
}

SK_OUTLINE void* instance_of(Field& field) {
  if (!field.instance) {
    field.instance = field.owner->document.instance(field.name(), field.type->type);
  }
  return field.instance;
}

SK_OUTLINE void add_part(Replica& replica, const Part& part) { replica.parts.push_back(part); }

SK_OUTLINE void spill(Replica& replica) {
  replica.spilled = true;
  replica.deltas.clear();
  replica.parts.clear();
}

// A batch builds on what was there when it was edited, not on what has come since: two replicas
// that have seen each other's open edits (in a snapshot) would wait for one another.
void settle_builds(Replica& replica) {
  if (replica.fresh) replica.builds = replica.document.version();
  replica.fresh = false;
}

// What merges and snapshots do to an open batch: its edits can no longer share one transaction.
void interrupt(Replica& replica) {
  replica.interrupted = true;
  if (replica.open()) spill(replica);
  settle_builds(replica);
}

// Before an edit that is the first of its batch, or after an interruption.
SK_OUTLINE void take_clock(Replica& replica) {
  if (!replica.open()) replica.next = replica.document.version()[replica.id] + 1;
  replica.interrupted = false;
  replica.clock.observe(replica.document.max_hlc());
  replica.hlc = replica.clock.tick(now_ms);
}

// The edit by which the field comes into being.
SK_OUTLINE int32_t first_edit(Field& field, const Stamp& stamp, Bytes intent, uint32_t& count) {
  Replica& replica = *field.owner;
  int32_t code = done(replica.document.mutate(field.name(), field.type->type, stamp, intent,
                                              replica.deltas, count, nullptr));
  if (code == 0) instance_of(field);
  return code;
}

// An edit that was refused, or had no effect.
SK_OUTLINE int32_t no_edit(Replica& replica, size_t deltas_len, sk_status code) {
  replica.deltas.len = deltas_len;
  return code == SK_OK ? 0 : failed(code, error.text);
}

// Applies an intent; how many dots it took, or a failure's code below 0.
SK_OUTLINE int32_t edit(Field& field, const uint8_t* bytes, size_t len) {
  Replica& replica = *field.owner;
  if (!replica.open() || replica.interrupted) take_clock(replica);
  if (replica.deltas.len > kMaxBatchBytes) spill(replica);
  Stamp stamp{replica.id, replica.next, replica.hlc};
  size_t before = replica.deltas.len;
  uint32_t count = 0;
  if (replica.history) {
    if (int32_t code = capture(*replica.history, field, stamp, {bytes, len})) return code;
  }
  if (field.instance && !replica.document.broken()) {
    sk_status code = field.type->mutate(field.instance, &stamp, bytes, len,
                                        replica.spilled ? nullptr : &replica.deltas, nullptr,
                                        &count, &error);
    if (code != SK_OK || count == 0) return no_edit(replica, before, code);
  } else {
    int32_t code = first_edit(field, stamp, {bytes, len}, count);
    if (code != 0 || count == 0) return code;
  }
  if (!replica.open()) replica.first = stamp.seq;
  replica.next += count;
  replica.used_hlc = replica.hlc;
  replica.fresh = true;
  field.edited = replica.first;
  if (!replica.spilled) add_part(replica, {&field, count, replica.deltas.len});
  if (replica.history) record(*replica.history, field);
  return count > INT32_MAX ? INT32_MAX : static_cast<int32_t>(count);
}

// ---- updates ------------------------------------------------------------------------------------

SK_OUTLINE uint8_t* put_bytes(uint8_t* at, const uint8_t* bytes, size_t len) {
  copy_bytes(at, bytes, len);
  return at + len;
}
// An intent of known bytes and `len` bytes of scratch.
SK_OUTLINE int32_t edit_text(Field& field, Known* known, size_t len) {
  size_t size = known->len + len;
  if (size > intent.cap && intent.reserve(&intent, size) != SK_OK) out_of_memory();
  put_bytes(put_bytes(intent.data, known->intent(), known->len), scratch.data, len);
  return edit(field, intent.data, size);
}
// An intent of `op`, known bytes, and `len` bytes of scratch; where it is negative, of a number.
SK_OUTLINE int32_t edit_known(Field& field, Known* known, uint32_t op, int32_t len, uint32_t n) {
  uint8_t *bytes = known->intent(), *end = bytes + known->len;
  *bytes = static_cast<uint8_t>(op);
  if (len > 0) return edit_text(field, known, static_cast<size_t>(len));
  if (len < 0) {
    for (uint32_t rest = n; rest > 9; rest /= 10) ++end;
    uint8_t* at = ++end;
    do *--at = static_cast<uint8_t>('0' + n % 10);
    while (n /= 10);
  }
  return edit(field, bytes, static_cast<size_t>(end - bytes));
}

SK_OUTLINE uint8_t* put_varint(uint8_t* at, uint8_t tag, uint64_t value) {
  for (*at++ = tag; value >= 0x80; value >>= 7) *at++ = static_cast<uint8_t>(value | 0x80);
  *at++ = static_cast<uint8_t>(value);
  return at;
}
SK_OUTLINE uint8_t* put_fixed64(uint8_t* at, uint8_t tag, uint64_t value) {
  *at++ = tag;
  std::memcpy(at, &value, 8);  // WebAssembly is little endian
  return at + 8;
}
// A Change with its tag.
SK_OUTLINE uint8_t* put_change(uint8_t* at, const Part& part, const uint8_t* delta, size_t len) {
  const Field& field = *part.field;
  uint8_t tail[24], *end = put_varint(put_varint(tail, 0x18, part.count), 0x22, len);
  size_t tail_len = static_cast<size_t>(end - tail);
  at = put_varint(at, 0x2a, field.head_len + tail_len + len);
  at = put_bytes(at, field.head, field.head_len);
  at = put_bytes(at, tail, tail_len);
  return put_bytes(at, delta, len);
}

// What wire::encode(Transaction) writes, in one pass over the batch.
SK_OUTLINE Status write_transaction(const Replica& replica, Buffer& out) {
  constexpr size_t kHead = 64, kPart = 32;  // above what stands around names and deltas
  size_t most = kHead + replica.deltas.len;
  for (const Part& part : replica.parts) most += kPart + part.field->head_len;
  if (most > out.cap && out.reserve(&out, most) != SK_OK) return {SK_NOMEM, "out of memory"};
  uint8_t* at = put_fixed64(out.data, 0x09, replica.id);
  at = put_varint(at, 0x10, replica.first);
  at = put_varint(at, 0x18, replica.next - replica.first);
  at = put_fixed64(at, 0x21, replica.used_hlc);
  size_t start = 0;
  for (const Part& part : replica.parts) {
    at = put_change(at, part, replica.deltas.data + start, part.end - start);
    start = part.end;
  }
  out.len = static_cast<size_t>(at - out.data);
  return {};
}

SK_OUTLINE Status write_catch_up(Replica& replica) {
  Writer out(output);
  settle_builds(replica);
  VersionVector since = replica.builds;
  since.set(replica.id, replica.first - 1);
  out.byte(kCatchUp);
  out.byte(kCatchUpFormat);
  out.varint(since.size());
  for (const Dot& dot : since.dots()) {
    out.fixed64(dot.replica);
    out.varint(dot.seq);
  }
  wire::Snapshot head;
  head.version.set(replica.id, replica.next - 1);
  head.max_hlc = replica.document.max_hlc();
  wire::encode(head, output);
  sk_version view = since.view();
  Buffer state;
  for (Field* field : replica.fields) {
    if (field->edited != replica.first) continue;
    state.clear();
    sk_status code = field->type->encode(instance_of(*field), &view, &state, &error);
    if (code != SK_OK) return {code, "a field could not be encoded"};
    wire::Snapshot piece;  // repeated fields may be appended in pieces
    piece.fields.push_back({field->name(), field->type->type, field->type->format, state});
    wire::encode(piece, output);
  }
  return out.status();
}

// ---- what others send ---------------------------------------------------------------------------

// A Transaction of one change, in the layout that every SyncKit writes, of a field that is open
// here, in its turn, and with all that it builds on: what Document::merge does with it, without
// detours. False, having changed nothing, for anything else; the kernel judges that.
//
// The field is found by the bytes of its names. Whoever types goes on where they were, so the
// field of the last transaction comes first.
bool merge_plain(Replica& replica, Bytes bytes) {
  Reader in(bytes);
  if (bytes.len < 32 || in.byte() != 0x09) return false;
  Document& document = replica.document;
  uint64_t author = in.fixed64();
  if (in.byte() != 0x10) return false;
  uint64_t seq = in.varint();
  if (in.byte() != 0x18) return false;
  uint64_t count = in.varint();
  if (in.byte() != 0x21) return false;
  uint64_t hlc = in.fixed64();
  if (in.byte() != 0x2a || in.varint() != in.left()) return false;
  Field* field = replica.latest;
  if (!field || in.left() <= field->head_len) return false;
  const uint8_t* at = in.rest().data;
  if (!same(at, field->head, field->head_len)) {
    field = find_field(replica, {at, static_cast<size_t>(bytes.data + bytes.len - at)});
    if (!field) return false;
  }
  at += field->head_len;
  Reader part({at, static_cast<size_t>(bytes.data + bytes.len - at)});
  if (part.byte() != 0x18 || part.varint() != count || part.byte() != 0x22) return false;
  Bytes delta = part.sized();
  if (!part.good_end() || count == 0 || count > UINT32_MAX || author == replica.id ||
      !instance_of(*field) || document.parked() != 0 || document.broken()) {
    return false;
  }
  uint64_t have = document.version()[author];
  if (have == 0 || have + 1 != seq) return false;  // a new author may meet a limit

  sk_summary summary;
  summary.size = sizeof summary;
  needs.clear();
  if (field->type->inspect(delta.data, delta.len, &summary, &needs, nullptr) != SK_OK ||
      summary.authors != 1 || summary.replica != author || summary.seq_lo != seq ||
      summary.seq_hi != seq + count - 1 || summary.max_hlc > hlc) {
    return false;
  }
  for (size_t i = 0; i < needs.len; i += sizeof(Dot)) {
    Dot dot;
    std::memcpy(&dot, needs.data + i, sizeof dot);
    if (dot.replica != author && document.version()[dot.replica] < dot.seq) return false;
  }
  if (field->type->merge(field->instance, delta.data, delta.len, nullptr, nullptr) != SK_OK) {
    return false;
  }
  document.commit_local(author, seq + count - 1, hlc);
  replica.latest = field;
  return true;
}

SK_OUTLINE Status merge_transaction(Replica& replica, Bytes bytes, Merged& outcome) {
  SK_TRY(wire::decode(bytes, incoming));
  if (incoming.replica == replica.id && replica.open() && incoming.last_seq() >= replica.first) {
    return {SK_CONFLICT, "somebody else writes with this replica's id"};
  }
  return replica.document.merge(incoming, outcome, nullptr);
}

SK_OUTLINE Status merge_snapshot(Replica& replica, Bytes bytes) {
  wire::Snapshot snapshot;
  SK_TRY(wire::decode(bytes, snapshot));
  if (replica.open() && snapshot.version[replica.id] >= replica.first) {
    return {SK_CONFLICT, "somebody else writes with this replica's id"};
  }
  return replica.document.merge_snapshot(snapshot, nullptr);
}

// A catch-up: what it builds on, and the snapshot of what it adds.
Status read_catch_up(Bytes bytes, VersionVector& since, Bytes& rest) {
  Reader in(bytes);
  in.byte();
  if (in.byte() != kCatchUpFormat) {
    return {SK_UNSUPPORTED, "the update has a format that this build does not read"};
  }
  uint64_t count = in.varint(), previous = 0;
  if (count > VersionVector::kMaxReplicas) return Status::limit("more than 65536 replicas");
  for (; count && in.ok(); --count) {
    uint64_t replica = in.fixed64(), seq = in.varint();
    if (replica <= previous || seq == 0) in.fail();
    previous = replica;
    since.raise(replica, seq);
  }
  rest = in.rest();
  return in.ok() ? Status{} : Status::malformed("the update is cut short, or out of order");
}

SK_OUTLINE Status merge_catch_up(Replica& replica, Bytes bytes, Merged& outcome) {
  VersionVector since;
  Bytes rest;
  wire::Snapshot snapshot;
  SK_TRY(read_catch_up(bytes, since, rest));
  SK_TRY(wire::decode(rest, snapshot));
  if (snapshot.version.empty()) return Status::malformed("the update has no version");
  if (replica.document.version().covers(snapshot.version)) {
    outcome = Merged::duplicate;
    return {};
  }
  if (replica.document.version().covers(since)) {
    outcome = Merged::applied;
    return merge_snapshot(replica, rest);
  }
  outcome = Merged::parked;
  for (const Waiting& item : replica.waiting) {
    if (Bytes(item.bytes, item.len) == bytes) return {};
  }
  if (replica.waiting.size() >= kMaxWaiting ||
      replica.waiting_bytes + bytes.len > kMaxWaitingBytes) {
    return Status::limit("too many updates wait for earlier ones: load a snapshot");
  }
  Waiting item{static_cast<uint8_t*>(std::malloc(bytes.len)), bytes.len};
  if (!item.bytes) out_of_memory();
  std::memcpy(item.bytes, bytes.data, bytes.len);
  replica.waiting.push_back(item);
  replica.waiting_bytes += bytes.len;
  return {};
}

// Merges the catch-ups whose time has come. One that turns out to be bad is forgotten: the call
// that delivers what it waited for has done nothing wrong.
SK_OUTLINE void retry(Replica& replica) {
  for (bool progress = true; progress && !replica.waiting.empty();) {
    progress = false;
    for (size_t i = 0; i < replica.waiting.size();) {
      Waiting item = replica.waiting[i];
      Merged outcome = Merged::parked;
      Status status = merge_catch_up(replica, {item.bytes, item.len}, outcome);
      if (status.ok() && outcome == Merged::parked) {
        ++i;
        continue;
      }
      replica.waiting.erase(i);
      replica.waiting_bytes -= item.len;
      std::free(item.bytes);
      progress = true;
    }
  }
}

// The tags that a Snapshot can begin with; a Transaction's are all others.
bool is_snapshot(uint8_t tag) { return tag == 0x0a || tag == 0x11 || tag == 0x1a; }

SK_OUTLINE void shrink_scratch() {
  std::free(scratch.data);
  scratch.data = nullptr;
  scratch.cap = 0;
}

}  // namespace

// ---- what replica_undo.cpp needs ----------------------------------------------------------------

namespace replica {

int32_t edit(Field& field, Bytes intent) { return synckit::edit(field, intent.data, intent.len); }
int32_t fail(sk_status code) { return failed(code, error.text); }
sk_error* last_error() { return &error; }
int32_t answer(Bytes bytes) { return give(bytes), static_cast<int32_t>(bytes.len); }
int32_t answer(uint32_t low, uint32_t high) {
  result.value[0] = low;
  result.value[1] = high;
  return 0;
}
const uint8_t* input() { return scratch.data; }
const sk_crdt_v1* type(const Field& field) { return field.type; }
void* instance(Field& field) { return instance_of(field); }
History*& history(Replica& replica) { return replica.history; }

}  // namespace replica

// ---- exports ------------------------------------------------------------------------------------

SK_WASM(sk_result)()->Result* { return &result; }
SK_WASM(sk_scratch)(uint32_t size)->uint8_t* {
  if (size > scratch.cap && scratch.reserve(&scratch, size) != SK_OK) return nullptr;
  return scratch.data;
}
SK_WASM(sk_scratch_size)()->size_t { return scratch.cap; }

SK_WASM(sk_replica_new)(uint32_t lo, uint32_t hi)->Replica* {
  return new Replica(types(), lo | static_cast<uint64_t>(hi) << 32);
}
SK_WASM(sk_replica_free)(Replica* replica)->void { delete replica; }

SK_WASM(sk_replica_field)
(Replica* replica, uint32_t name_len, uint32_t type_len)->Field* {
  Bytes name{scratch.data, name_len}, type{scratch.data + name_len, type_len};
  const sk_crdt_v1* table = types().find(type);
  if (!table) return failed(SK_UNSUPPORTED, "there is no such type"), nullptr;
  if (name_len > wire::kMaxFieldBytes) {
    return failed(SK_LIMIT, "a field name is longer than 256 bytes"), nullptr;
  }
  for (Field* field : replica->fields) {
    if (field->type == table && field->name() == name) return field;
  }
  Buffer head;
  Writer out(head);
  uint32_t name_at = 0;
  if (name_len) {
    out.byte(0x0a);
    out.varint(name_len);
    name_at = static_cast<uint32_t>(head.len);
    out.raw(name);
  }
  out.byte(0x12);
  out.sized(type);
  if (!out.ok()) out_of_memory();
  Field* field = new Field{replica, table,   nullptr, head.data, static_cast<uint32_t>(head.len),
                           name_at, name_len, 0,       {}};
  head.data = nullptr;
  head.cap = 0;
  replica->fields.push_back(field);
  if (!replica->latest) replica->latest = field;
  return field;
}

// The time of the edits that follow.
SK_WASM(sk_time)(double unix_ms)->void {
  now_ms = unix_ms > 0 ? static_cast<uint64_t>(unix_ms) : 0;
}

SK_WASM(sk_edit)(Field* field, uint32_t intent_len)->int32_t {
  return edit(*field, scratch.data, intent_len);
}

// Keeps a part of scratch for sk_edit_known; it goes with its field.
SK_WASM(sk_know)(Field* field, uint32_t from, uint32_t len)->Known* {
  auto* known = static_cast<Known*>(std::malloc(sizeof(Known) + 1 + len + Known::kMaxDigits));
  if (!known) out_of_memory();
  known->len = 1 + len;
  std::memcpy(known->intent() + 1, scratch.data + from, len);
  field->known.push_back(known);
  return known;
}
// sk_edit of `op`, those bytes, and `len` bytes of scratch; where it is negative, of a number.
SK_WASM(sk_edit_known)
(Field* field, Known* known, uint32_t op, int32_t len, uint32_t number)->int32_t {
  return edit_known(*field, known, op, len, number);
}
// The same for each of `count` pairs in scratch: known bytes and a number. What the last edit gave,
// or the first one that failed. Scratch has no more than numbers for them: `len` is -1 or 0.
SK_WASM(sk_edit_held)
(Field* field, uint32_t count, uint32_t op, int32_t len)->int32_t {
  int32_t last = 0;
  for (uint32_t i = 0; i < count && last >= 0; ++i) {
    uint32_t pair[2];
    std::memcpy(pair, scratch.data + i * sizeof pair, sizeof pair);
    last = edit_known(*field, reinterpret_cast<Known*>(pair[0]), op, len, pair[1]);
  }
  return last;
}

// Inserts the character `unit` (below 0x80), or, when it is negative, `len` bytes of UTF-8 at
// scratch + 16; before that, deletes. Positions are UTF-16 units.
SK_WASM(sk_text_splice)
(Field* field, uint32_t position, uint32_t erase, int32_t unit, uint32_t len)->int32_t {
  uint8_t head[kTextAt], *at = head;
  *at++ = 2;
  for (uint32_t value : {position, erase}) {
    for (; value >= 0x80; value >>= 7) *at++ = static_cast<uint8_t>(value | 0x80);
    *at++ = static_cast<uint8_t>(value);
  }
  if (unit >= 0) *at++ = static_cast<uint8_t>(unit);
  size_t size = static_cast<size_t>(at - head);
  if (unit >= 0 || len == 0) return edit(*field, head, size);
  uint8_t* start = scratch.data + kTextAt - size;
  std::memcpy(start, head, size);
  return edit(*field, start, size + len);
}

SK_WASM(sk_counter_add)(Field* field, uint32_t lo, uint32_t hi)->int32_t {
  int64_t amount = static_cast<int64_t>(lo | static_cast<uint64_t>(hi) << 32);
  uint64_t value = static_cast<uint64_t>(amount) << 1 ^ static_cast<uint64_t>(amount >> 63);
  uint8_t intent[10], *at = intent;
  for (; value >= 0x80; value >>= 7) *at++ = static_cast<uint8_t>(value | 0x80);
  *at++ = static_cast<uint8_t>(value);
  return edit(*field, intent, static_cast<size_t>(at - intent));
}

// Length of the update, 0 when there is nothing to commit; a failure's code below 0.
SK_WASM(sk_replica_commit)(Replica* replica)->int32_t {
  if (!replica->open()) return 0;
  output.clear();
  replica->document.commit_local(replica->id, replica->next - 1, replica->used_hlc);
  Status status = replica->spilled ? write_catch_up(*replica)
                                   : write_transaction(*replica, output);
  if (!status.ok()) return done(status);
  replica->first = 0;
  replica->spilled = false;
  replica->deltas.clear();
  replica->parts.clear();
  give(output);
  return static_cast<int32_t>(output.len);
}

// 0 merged, 1 known already, 2 waits for what it builds on; a failure's code below 0.
SK_WASM(sk_replica_apply)(Replica* replica, uint32_t len)->int32_t {
  Bytes bytes{scratch.data, len};
  interrupt(*replica);
  Merged outcome = Merged::applied;
  Status status;
  if (len == 0) {
    outcome = Merged::duplicate;  // what commit gives for no edit
  } else if (merge_plain(*replica, bytes)) {
    // The rule; what follows are the exceptions.
  } else if (bytes.data[0] == kCatchUp) {
    status = merge_catch_up(*replica, bytes, outcome);
  } else if (is_snapshot(bytes.data[0])) {
    status = merge_snapshot(*replica, bytes);
  } else {
    status = merge_transaction(*replica, bytes, outcome);
  }
  if (status.ok() && !replica->waiting.empty()) retry(*replica);
  if (scratch.cap > kKeptScratch) shrink_scratch();
  return status.ok() ? static_cast<int32_t>(outcome) : done(status);
}

SK_WASM(sk_view)(Field* field)->int32_t {
  output.clear();
  Status status;
  if (void* instance = instance_of(*field)) {
    sk_status code = field->type->view(instance, &output, &error);
    if (code != SK_OK) return failed(code, error.text);
  } else {
    status = field->owner->document.view(field->name(), field->type->type, output);
  }
  give(output);
  return done(status);
}

SK_WASM(sk_replica_snapshot)(Replica* replica)->int32_t {
  interrupt(*replica);
  if (replica->open()) {
    replica->document.commit_local(replica->id, replica->next - 1, replica->used_hlc);
  }
  output.clear();
  Status status = replica->document.encode_snapshot(output);
  give(output);
  return done(status);
}

// Data = (u64 replica, u64 seq)*, the open batch left out unless a snapshot has it.
SK_WASM(sk_replica_version)(Replica* replica)->int32_t {
  const Vec<Dot>& dots = replica->document.version().dots();
  give({reinterpret_cast<const uint8_t*>(dots.data()), dots.size() * sizeof(Dot)});
  return 0;
}
SK_WASM(sk_replica_digest)(Replica* replica)->int32_t {
  uint64_t digest = 0;
  Status status = replica->document.digest(digest);
  result.value[0] = static_cast<uint32_t>(digest);
  result.value[1] = static_cast<uint32_t>(digest >> 32);
  return done(status);
}

}  // namespace synckit
