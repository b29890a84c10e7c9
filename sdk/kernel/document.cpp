#include "document.hpp"

namespace synckit {
namespace {

// A Status carries static text, so types are asked for no sk_error and the kernel gives its own
// sentence per code. The type's own words reach the user where a caller asked the table itself.
Status of_code(sk_status code) {
#if defined(SYNCKIT_CLIENT_ONLY)  // there the code is shown before the sentence
  if (code != SK_OK) return {code, "says the field's type"};
  return {};
#endif
  switch (code) {
    case SK_OK: return {};
    case SK_MALFORMED: return {code, "malformed for its type"};
    case SK_MISSING_DEPS: return {code, "what it builds on is not here"};
    case SK_LIMIT: return {code, "a limit of the type"};
    case SK_UNSUPPORTED: return {code, "not supported by the type"};
    case SK_NOMEM: return {code, "out of memory"};
    default: return {code, "the type failed"};
  }
}

constexpr const char* kTooManyFields = "the document has max_fields";
constexpr const char* kTooManyReplicas = "the document has 65536 replicas";
constexpr const char* kNoField = "the type makes no field";
constexpr const char* kNewerFormat = "a field has a newer format";
constexpr const char* kBroken = "the document is broken: open it again";

bool knows_format(const sk_crdt_v1& type, const wire::FieldState& state) {
  return type.min_format <= state.count && state.count <= type.format;
}

int compare(Bytes a, Bytes b) { return a.text().compare(b.text()); }

void json_string(Writer& out, Bytes text) {
  static const char* kHex = "0123456789abcdef";
  out.byte('"');
  for (size_t i = 0; i < text.len; ++i) {
    uint8_t c = text.data[i];
    if (c == '"' || c == '\\') {
      out.byte('\\');
      out.byte(c);
    } else if (c < 0x20) {
      char escape[6] = {'\\', 'u', '0', '0', kHex[c >> 4], kHex[c & 15]};
      out.raw(escape, 6);
    } else {
      out.byte(c);
    }
  }
  out.byte('"');
}

bool has_contents(const sk_crdt_v1& type) { return !kOthersTypes || type.contents; }

// The visible value as the digest and the modules for browsers take it.
Status read_contents(const DocumentField& field, Buffer& out) {
  auto read = has_contents(*field.type) ? field.type->contents : field.type->view;
  return of_code(read(field.instance, &out, nullptr));
}

// Dependencies of one delta, as raw dots in a Buffer, into a version vector.
void add_deps(const Buffer& raw, uint64_t author, VersionVector& out) {
  for (size_t at = 0; at + sizeof(Dot) <= raw.len; at += sizeof(Dot)) {
    Dot dot;
    std::memcpy(&dot, raw.data + at, sizeof dot);
    if (dot.replica != author) out.raise(dot.replica, dot.seq);
  }
}

}  // namespace

// ---- Registry -----------------------------------------------------------------------------------

Status Registry::add(const sk_crdt_v1* type) {
  if (!type || !type->type || !type->create || !type->destroy || !type->mutate || !type->merge ||
      !type->encode || !type->view || !type->inspect) {
    return {SK_UNSUPPORTED, "the type's table lacks a required entry"};
  }
  Bytes name(type->type);
  if (name.empty() || name.len > wire::kMaxTypeBytes) {
    return {SK_UNSUPPORTED, "the type's name is empty or longer than 64 bytes"};
  }
  for (size_t i = 0; i < name.len; ++i) {
    uint8_t c = name.data[i];
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-')) {
      return {SK_UNSUPPORTED, "the type's name has a character outside a-z 0-9 . -"};
    }
  }
  if (find(name)) return {SK_CONFLICT, "a type of this name is registered already"};
  if (types_.size() >= kMaxTypes) return Status::limit("more than 256 types");
  types_.push_back(type);
  return {};
}

const sk_crdt_v1* Registry::find(Bytes name) const {
  for (const sk_crdt_v1* type : types_) {
    if (Bytes(type->type) == name) return type;
  }
  return nullptr;
}

// ---- fields -------------------------------------------------------------------------------------

#if defined(SYNCKIT_CLIENT_ONLY)
Document::Document(const Registry& registry, DocumentLimits) : registry_(registry) {}
#else
Document::Document(const Registry& registry, DocumentLimits limits)
    : registry_(registry), limits_(limits) {}
#endif

Document::~Document() {
  while (!fields_.empty()) drop_last();
  if (!kUnordered) return;
  for (Parked& parked : parked_) std::free(parked.bytes);
}

DocumentField* Document::find(Bytes name, const sk_crdt_v1* type) const {
  for (DocumentField* f : fields_) {
    if (f->type == type && f->name() == name) return f;
  }
  return nullptr;
}

void* Document::instance(Bytes name, Bytes type) const {
  const DocumentField* at = find(name, registry_.find(type));
  return at ? at->instance : nullptr;
}

// The field, made when there is none: nullptr when its type fails to.
DocumentField* Document::obtain(Bytes name, const sk_crdt_v1* type) {
  if (DocumentField* known = find(name, type)) return known;
  void* instance = nullptr;
  if (type->create(&instance, nullptr) != SK_OK && kCanBreak) return nullptr;
  auto* made = static_cast<DocumentField*>(std::malloc(sizeof(DocumentField) + name.len));
  if (!made) out_of_memory();
  *made = {type, instance, static_cast<uint32_t>(name.len), declared(), false};
  if (name.len) std::memcpy(made + 1, name.data, name.len);
  fields_.push_back(made);
  return made;
}

void Document::drop_last() {
  DocumentField* field = fields_.back();
  field->type->destroy(field->instance);
  std::free(field);
  fields_.pop_back();
}

Status Document::declare(Bytes name, Bytes type, uint32_t& index) {
  if (name.len > wire::kMaxFieldBytes) {
    return Status::limit("a field name has up to 256 bytes");
  }
  const sk_crdt_v1* table = registry_.find(type);
  if (!table) return {SK_UNSUPPORTED, "this type is not loaded here"};
  if (fields_.size() >= limits_.max_fields && !find(name, table)) {
    return Status::limit(kTooManyFields);
  }
  DocumentField* field = obtain(name, table);
  if (kCanBreak && !field) return {SK_NOMEM, kNoField};
  index = field->index;
  return {};
}

void Document::follow(const Document& other) {
  for (const DocumentField* theirs : other.fields_) {
    DocumentField* ours = obtain(theirs->name(), theirs->type);
    if (kCanBreak && !ours) {
      broken_ = true;
      return;
    }
    DocumentField* there = fields_[theirs->index];
    there->index = ours->index;
    fields_[there->index] = there;
    ours->index = theirs->index;
    fields_[ours->index] = ours;
  }
}

size_t Document::field_count() const {
  size_t count = 0;
  for (const DocumentField* field : fields_) count += field->used;
  return count;
}

// Those that have come into being, ascending by (name, type).
Vec<const DocumentField*> Document::in_order() const {
  Vec<const DocumentField*> out;
  for (const DocumentField* field : fields_) {
    if (!field->used) continue;
    size_t low = 0, high = out.size();
    while (low < high) {
      size_t middle = (low + high) / 2;
      int order = compare(out[middle]->name(), field->name());
      if (order == 0) order = compare(out[middle]->type_name(), field->type_name());
      if (order > 0) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    out.insert(low, field);
  }
  return out;
}

// ---- local edits --------------------------------------------------------------------------------

Status Document::mutate(uint32_t index, const Stamp& stamp, Bytes intent, Buffer& delta,
                        uint32_t& count, Buffer* patch) {
  count = 0;
  if (broken()) return {SK_INTERNAL, kBroken};
  DocumentField& field = *fields_[index];
  size_t before = delta.len;
  Status status = of_code(field.type->mutate(field.instance, &stamp, intent.data, intent.len,
                                             &delta, patch, &count, nullptr));
  if (!status.ok() || count == 0) {
    delta.len = before;
  } else {
    field.used = true;
  }
  return status;
}

Status Document::mutate(Bytes name, Bytes type, const Stamp& stamp, Bytes intent, Buffer& delta,
                        uint32_t& count, Buffer* patch) {
  count = 0;
  if (broken()) return {SK_INTERNAL, kBroken};
  uint32_t index = 0;
  size_t known = fields_.size();
  SK_TRY(declare(name, type, index));
  Status status = mutate(index, stamp, intent, delta, count, patch);
  if (index == known && count == 0) drop_last();
  return status;
}

void Document::commit_local(uint64_t replica, uint64_t last_seq, uint64_t hlc) {
  version_.raise(replica, last_seq);
  if (hlc > max_hlc_) max_hlc_ = hlc;
}

Status Document::restamp(const wire::Transaction& transaction, uint64_t hlc, Buffer& changes) {
  Stamp stamp{transaction.replica, transaction.seq, hlc};
  size_t before = changes.len;
  Buffer delta;
  for (wire::Change change : transaction.changes) {
    DocumentField* field = find(change.field, registry_.find(change.type));
    if (field && field->type->restamp) {
      delta.clear();
      Status status = of_code(field->type->restamp(field->instance, &stamp, change.delta.data,
                                                   change.delta.len, &delta, nullptr));
      if (!status.ok()) {
        if (stamp.seq != transaction.seq) broken_ = true;  // earlier ones are re-stamped
        changes.len = before;
        return status;
      }
      change.delta = delta;
    }
    wire::encode(change, changes);
    stamp.seq += change.count;
  }
  return {};
}

// ---- everyone's edits ---------------------------------------------------------------------------

Status Document::inspect(const Registry& registry, const wire::Transaction& transaction,
                         bool allow_unknown_types, VersionVector* deps, uint64_t* ops) {
  if (ops) *ops = 0;
  uint64_t seq = transaction.seq;
  Buffer raw;
  for (const wire::Change& change : transaction.changes) {
    const sk_crdt_v1* type = registry.find(change.type);
    if (!type) {
      if (!allow_unknown_types) return {SK_UNSUPPORTED, "this type is not loaded here"};
      seq += change.count;
      continue;
    }
    sk_summary summary{};
    summary.size = sizeof summary;
    raw.clear();
    SK_TRY(of_code(type->inspect(change.delta.data, change.delta.len, &summary,
                                 deps ? &raw : nullptr, nullptr)));
    if (summary.authors != 1 || summary.replica != transaction.replica) {
      return Status::malformed(SK_TEXT("a delta's author is not its transaction's replica"));
    }
    if (summary.seq_lo != seq || summary.seq_hi != seq + change.count - 1) {
      return Status::malformed(
          SK_TEXT("a delta's dots are not the ones that its transaction gives it"));
    }
    if (summary.max_hlc > transaction.hlc) {
      return Status::malformed(SK_TEXT("a delta's clock is ahead of its transaction's"));
    }
    if (deps) add_deps(raw, transaction.replica, *deps);
    if (ops) *ops += summary.ops;
    seq += change.count;
  }
  return {};
}

// Whether what it builds on is here.
Status Document::ready(const wire::Transaction& transaction, bool& out) const {
  out = version_[transaction.replica] + 1 == transaction.seq;
  if (!kUnordered) return {};
  VersionVector deps;
  SK_TRY(inspect(registry_, transaction, true, &deps, nullptr));
  out = out && version_.covers(deps);
  return {};
}

Status Document::merge(const wire::Transaction& transaction, Merged& outcome, PatchSink* sink) {
  if (broken()) return {SK_INTERNAL, kBroken};
  uint64_t have = version_[transaction.replica];
  if (transaction.last_seq() <= have) {
    outcome = Merged::duplicate;
    return {};
  }
  if (kUnordered && transaction.seq <= have) {
    return Status::malformed(SK_TEXT("a transaction overlaps one of its author's that is known"));
  }
  bool now = false;
  SK_TRY(ready(transaction, now));
  if (!now) {
    outcome = Merged::parked;
    return kUnordered ? park(transaction) : of_code(SK_MISSING_DEPS);
  }
  outcome = Merged::applied;
  SK_TRY(apply(transaction, sink));
  return drain(sink);
}

// What can be refused as a whole is refused before anything changes.
Status Document::check_parts(const Vec<wire::Change>& parts, bool states) const {
  size_t fresh = 0;
  for (const wire::Change& part : parts) {
    const sk_crdt_v1* type = registry_.find(part.type);
    if (!type) continue;
    if (!find(part.field, type)) ++fresh;
    if (!states) continue;
    if (!knows_format(*type, part)) return {SK_UNSUPPORTED, kNewerFormat};
    if (parts.size() == 1) continue;  // its merge refuses what is malformed, and changes nothing
    sk_summary summary{};
    summary.size = sizeof summary;
    SK_TRY(of_code(type->inspect(part.delta.data, part.delta.len, &summary, nullptr, nullptr)));
  }
  if (fields_.size() + fresh > limits_.max_fields) return Status::limit(kTooManyFields);
  return {};
}

// Deltas or states of several fields, `parts` as they lie in a Transaction or a Snapshot.
Status Document::merge_parts(const Vec<wire::Change>& parts, bool states, PatchSink* sink) {
  if (kUnordered) SK_TRY(check_parts(parts, states));
  bool changed = false;
  for (const wire::Change& part : parts) {
    const sk_crdt_v1* type = registry_.find(part.type);
    if (!type) {
      if (kUnordered) unknown_ = true;
      continue;
    }
    if (!kUnordered && states && !knows_format(*type, part)) {
      return {SK_UNSUPPORTED, kNewerFormat};
    }
    size_t known = fields_.size();
    DocumentField* field = obtain(part.field, type);
    if (kCanBreak && !field) {
      broken_ = changed;  // no memory for the field: earlier changes are in already
      return {SK_NOMEM, kNoField};
    }
    Buffer* patch = nullptr;
    if (sink) {
      patch = &sink->patch_bytes;
      patch->clear();
    }
    Status status = of_code(type->merge(field->instance, part.delta.data, part.delta.len, patch,
                                        nullptr));
    if (status.ok()) {
      changed = field->used = true;
      if (sink && !patch->empty()) sink->patch(*field, *patch);
      continue;
    }
    // Not to be kept where anyone may send what is refused.
    if (kUnordered && fields_.size() > known) drop_last();
    sk_status code = status.code();
    bool refused = code == SK_MALFORMED || code == SK_MISSING_DEPS || code == SK_LIMIT;
    if (!states && (refused || !kCanBreak)) {
      ++voided_;  // its dependencies are here, so every replica refuses it in the same way
      continue;
    }
    // Fields of a snapshot that are in already do no harm: no version claims them.
    if (code == SK_INTERNAL || code == SK_NOMEM || (changed && !states)) broken_ = true;
    return status;
  }
  return {};
}

Status Document::apply(const wire::Transaction& transaction, PatchSink* sink) {
  if (kUnordered && version_[transaction.replica] == 0 &&
      version_.size() >= VersionVector::kMaxReplicas) {
    return Status::limit(kTooManyReplicas);
  }
  SK_TRY(merge_parts(transaction.changes, false, sink));
  commit_local(transaction.replica, transaction.last_seq(), transaction.hlc);
  return {};
}

Status Document::park(const wire::Transaction& transaction) {
  for (const Parked& parked : parked_) {
    if (Bytes(parked.bytes, parked.len) == transaction.raw) return {};  // waits already
  }
  if (parked_.size() >= limits_.max_parked_transactions ||
      parked_bytes_ + transaction.raw.len > limits_.max_parked_bytes) {
    return Status::limit("too many transactions wait for earlier ones");
  }
  Parked made{static_cast<uint8_t*>(std::malloc(transaction.raw.len)), transaction.raw.len};
  if (!made.bytes) out_of_memory();
  std::memcpy(made.bytes, transaction.raw.data, made.len);
  parked_.push_back(made);
  parked_bytes_ += made.len;
  return {};
}

Status Document::drain(PatchSink* sink) {
  if (!kUnordered || parked_.empty()) return {};
  wire::Transaction transaction;
  for (bool progress = true; progress && !parked_.empty();) {
    progress = false;
    for (size_t i = 0; i < parked_.size();) {
      Parked entry = parked_[i];
      SK_TRY(wire::decode(Bytes(entry.bytes, entry.len), transaction));
      bool now = false;
      SK_TRY(ready(transaction, now));
      bool known = transaction.seq <= version_[transaction.replica];
      if (!known && !now) {
        ++i;
        continue;
      }
      Status status = known ? Status{} : apply(transaction, sink);
      if (!status.ok() && !broken_) {  // a limit, say: its own fault, not that of who freed it.
        ++i;                           // It keeps waiting, so that nothing is lost silently.
        continue;
      }
      parked_.erase(i);
      parked_bytes_ -= entry.len;
      std::free(entry.bytes);
      SK_TRY(status);
      progress = true;
    }
  }
  return {};
}

// ---- snapshots ----------------------------------------------------------------------------------

Status Document::merge_snapshot(const wire::Snapshot& snapshot, PatchSink* sink) {
  if (broken()) return {SK_INTERNAL, kBroken};
  if (kUnordered) {
    size_t replicas = version_.size();
    for (const Dot& dot : snapshot.version.dots()) replicas += version_[dot.replica] == 0;
    if (replicas > VersionVector::kMaxReplicas) return Status::limit(kTooManyReplicas);
  }
  SK_TRY(merge_parts(snapshot.fields, true, sink));
  version_.join(snapshot.version);
  if (snapshot.max_hlc > max_hlc_) max_hlc_ = snapshot.max_hlc;
  return drain(sink);
}

Status Document::each_field_state(Status (*each)(void* context, const wire::FieldState& field),
                                  void* context) const {
  if (broken()) return {SK_INTERNAL, kBroken};
  Buffer state;
  sk_version nothing{};
  for (const DocumentField* field : in_order()) {
    state.clear();
    SK_TRY(of_code(field->type->encode(field->instance, &nothing, &state, nullptr)));
    SK_TRY(each(context, {field->name(), field->type_name(), field->type->format, state}));
  }
  return {};
}

Status Document::encode_snapshot(Buffer& out) const {
  wire::Snapshot head;
  head.version = version_;
  head.max_hlc = max_hlc_;
  wire::encode(head, out);
  // Repeated fields may be appended in pieces: each piece is a Snapshot with one field.
  return each_field_state(
      [](void* context, const wire::FieldState& field) -> Status {
        wire::Snapshot piece;
        piece.fields.push_back(field);
        wire::encode(piece, *static_cast<Buffer*>(context));
        return {};
      },
      &out);
}

// ---- reading ------------------------------------------------------------------------------------

Status Document::view(uint32_t index, Buffer& json) const {
  if (broken()) return {SK_INTERNAL, kBroken};
  const DocumentField& field = *fields_[index];
#if defined(SYNCKIT_CLIENT_ONLY)
  return read_contents(field, json);
#else
  return of_code(field.type->view(field.instance, &json, nullptr));
#endif
}

Status Document::view(Bytes name, Bytes type, Buffer& json) const {
  const sk_crdt_v1* table = registry_.find(type);
  if (!table) return {SK_UNSUPPORTED, "this type is not loaded here"};
  if (const DocumentField* at = find(name, table)) return view(at->index, json);
  void* empty = nullptr;
  SK_TRY(of_code(table->create(&empty, nullptr)));
  Status status = of_code(table->view(empty, &json, nullptr));
  table->destroy(empty);
  return status;
}

Status Document::view_all(Buffer& json) const {
  Writer out(json);
  out.byte('[');
  bool first = true;
  for (const DocumentField* field : in_order()) {
    if (!first) out.byte(',');
    first = false;
    out.raw("{\"field\":");
    json_string(out, field->name());
    out.raw(",\"type\":");
    json_string(out, field->type_name());
    out.raw(",\"value\":");
    SK_TRY(of_code(field->type->view(field->instance, &json, nullptr)));
    out.byte('}');
  }
  out.byte(']');
  return out.status();
}

Status Document::digest(uint64_t& out) const {
  out = 0;
  Buffer contents;
  for (const DocumentField* field : fields_) {
    if (!field->used) continue;
    contents.clear();
    SK_TRY(read_contents(*field, contents));
    uint64_t hash = fnv(field->type_name(), fnv(field->name(), field->name_len));
    for (Reader in(contents); !in.done();) {
      out += fnv(has_contents(*field->type) ? in.sized() : in.rest(), hash);
    }
  }
  return {};
}

Status Document::compact(const VersionVector& stable) {
  sk_version view = stable.view();
  for (DocumentField* field : fields_) {
    if (!field->type->compact) continue;
    SK_TRY(of_code(field->type->compact(field->instance, &view, nullptr)));
  }
  return {};
}

}  // namespace synckit
