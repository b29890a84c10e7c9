// proto/wire.proto, by hand: protobuf's wire format is tag varints, and four wire types.
// Nested messages are written in place and their length is put in front afterwards.
#include "wire.hpp"

#include <initializer_list>

namespace synckit::wire {
namespace {

// Browsers talk to a host that has checked what it passes on (ADR 8).
#if defined(SYNCKIT_CLIENT_ONLY)
constexpr bool kChecks = false;
#else
constexpr bool kChecks = true;
#endif

Status check_document(Bytes id) {
  if (id.empty()) return Status::malformed(SK_TEXT("the message names no document"));
  if (id.len > kMaxDocumentIdBytes) {
    return Status::limit(SK_TEXT("a document id is longer than 512 bytes"));
  }
  return {};
}

Status check_documents(const Vec<Bytes>& ids) {
  for (Bytes id : ids) SK_TRY(check_document(id));
  return {};
}

Status check_name(Bytes field, Bytes type) {
  if (field.len > kMaxFieldBytes) {
    return Status::limit(SK_TEXT("a field name is longer than 256 bytes"));
  }
  if (type.empty()) return Status::malformed(SK_TEXT("a change names no type"));
  if (type.len > kMaxTypeBytes) {
    return Status::limit(SK_TEXT("a type name is longer than 64 bytes"));
  }
  return {};
}

// Numbers of 32 bits: larger ones are malformed.
Status check_u32(const Fields& in, std::initializer_list<uint32_t> numbers) {
  for (uint32_t number : numbers) {
    if (in.varint(number) >> 32) return Status::malformed(SK_TEXT("a number is too large"));
  }
  return {};
}

// All of a message that has some field more than once, and `repeated` of them.
template <class Each>
Status read_each(Fields& in, uint32_t repeated, Each each) {
  while (in.next()) {
    if (in.is(repeated)) SK_TRY(each(in.item()));
  }
  return in.status();
}

Status read_dot(Bytes bytes, VersionVector& out) {
  Fields in(bytes);
  SK_TRY(in.all());
  Dot dot{in.fixed(1), in.varint(2)};
  if (kChecks && (dot.replica == 0 || dot.seq == 0)) {
    return Status::malformed(SK_TEXT("a version vector entry has no replica or no seq"));
  }
  const Vec<Dot>& dots = out.dots();
  if (kChecks && !dots.empty() && dots.back().replica >= dot.replica) {
    return Status::malformed(SK_TEXT("a version vector does not ascend by replica"));
  }
  if (kChecks && dots.size() >= VersionVector::kMaxReplicas) {
    return Status::limit(SK_TEXT("a version vector has more than 65536 replicas"));
  }
  out.raise(dot.replica, dot.seq);
  return {};
}

// A Change, or a FieldState.
Status read_change(Bytes bytes, Vec<Change>& out) {
  Fields in(bytes);
  SK_TRY(in.all());
  Change change{in.bytes(1), in.bytes(2), in.u32(3), in.bytes(4)};
  if (kChecks) {
    SK_TRY(check_u32(in, {3}));
    SK_TRY(check_name(change.field, change.type));
  }
  out.push_back(change);
  return {};
}

void write_version(uint32_t number, const VersionVector& version, Message& out) {
  for (const Dot& dot : version.dots()) {
    size_t start = out.open(number);
    out.fixed(1, dot.replica);
    out.varint(2, dot.seq);
    out.close(start);
  }
}

void write_change(uint32_t number, const Change& change, Message& out) {
  size_t start = out.open(number);
  out.bytes(1, change.field);
  out.bytes(2, change.type);
  out.varint(3, change.count);
  out.bytes(4, change.delta);
  out.close(start);
}

void write_items(uint32_t number, const Vec<Bytes>& items, Message& out) {
  for (Bytes item : items) out.item(number, item);
}

}  // namespace

// ---- fields -------------------------------------------------------------------------------------

SK_ONCE Fields::Fields(Bytes message) : in_(message) {}

bool Fields::next() {
  if (in_.done()) return false;  // as is one that has failed
  uint64_t key = in_.varint();
  if (key >> 32 || key >> 3 == 0) in_.fail();
  key_ = static_cast<uint32_t>(key);
  uint32_t slot = key_ >> 3 <= kMost ? key_ >> 3 : 0;
  switch (key_ & 7) {
    case kVarint: numbers_[kVarint][slot] = in_.varint(); break;
    case kFixed64: numbers_[kFixed64][slot] = in_.fixed64(); break;
    case kLen: bytes_[slot] = item_ = in_.sized(); break;
    case kFixed32: in_.raw(4); break;
    default: in_.fail();
  }
  return in_.ok();
}

Status Fields::all() {
  while (next()) {
  }
  return status();
}

Status Fields::all(uint32_t repeated, Vec<Bytes>& out) {
  out.clear();
  while (next()) {
    if (is(repeated)) out.push_back(item());
  }
  return status();
}

Status Fields::status() const {
  return in_.ok() ? Status{} : Status::malformed(SK_TEXT("the message is not valid protobuf"));
}

void Message::varint(uint32_t number, uint64_t value) {
  if (value == 0) return;
  Writer out(out_);
  out.varint(number << 3 | kVarint);
  out.varint(value);
}

void Message::fixed(uint32_t number, uint64_t value) {
  if (value == 0) return;
  Writer out(out_);
  out.varint(number << 3 | kFixed64);
  out.fixed64(value);
}

void Message::bytes(uint32_t number, Bytes value) {
  if (!value.empty()) item(number, value);
}

void Message::item(uint32_t number, Bytes value) {
  Writer out(out_);
  out.varint(number << 3 | kLen);
  out.sized(value);
}

size_t Message::open(uint32_t number) {
  Buffer& out = out_;
  Writer(out).varint(number << 3 | kLen);
  return out.len;
}

void Message::close(size_t start) {
  Buffer& out = out_;
  size_t size = out.len - start;
  Writer length(out);
  length.varint(size);  // makes room at the end; then its bytes go to the front
  if (!length.ok()) out_of_memory();
  uint8_t* body = out.data + start;
  uint8_t head[kMaxVarintBytes];
  size_t n = out.len - start - size;
  std::memcpy(head, body + size, n);
  std::memmove(body + n, body, size);
  std::memcpy(body, head, n);
}

// ---- frames and parts ---------------------------------------------------------------------------

Status decode(Bytes frame, Frame& out) {
  out = {};
  Fields in(frame);
  while (in.next()) {
    uint32_t field = in.key() >> 3;
    if (!in.is(field)) continue;
    if (kChecks && field > static_cast<uint32_t>(Kind::documents)) continue;
    out.kind = static_cast<Kind>(field);  // a repeated oneof: the last one counts
    out.body = in.item();
  }
  return in.status();
}

Status decode(Bytes body, Transaction& out) {
  Fields in(body);
  out.changes.clear();
  SK_TRY(read_each(in, 5, [&](Bytes change) { return read_change(change, out.changes); }));
  out.replica = in.fixed(1);
  out.seq = in.varint(2);
  out.count = in.u32(3);
  out.hlc = in.fixed(4);
  out.raw = body;
  if (kChecks && out.replica == 0) {
    return Status::malformed(SK_TEXT("a transaction has no replica"));
  }
  if (out.seq == 0 || out.count == 0) {
    return Status::malformed(SK_TEXT("a transaction has no dots"));
  }
  if (kChecks && out.seq > UINT64_MAX - out.count) {
    return Status::malformed(SK_TEXT("a transaction's sequence numbers overflow"));
  }
  if (!kChecks) return {};
  SK_TRY(check_u32(in, {3}));
  if (out.changes.empty()) return {};
  uint64_t used = 0;
  for (const Change& change : out.changes) {
    if (change.count == 0) return Status::malformed(SK_TEXT("a change uses no dot"));
    used += change.count;
  }
  if (used != out.count) {
    return Status::malformed(
        SK_TEXT("a transaction's count is not the sum of its changes' counts"));
  }
  return {};
}

Status decode(Bytes body, Snapshot& out) {
  Fields in(body);
  out.version.clear();
  out.fields.clear();
  while (in.next()) {
    if (in.is(1)) SK_TRY(read_dot(in.item(), out.version));
    if (in.is(3)) SK_TRY(read_change(in.item(), out.fields));
  }
  out.max_hlc = in.fixed(2);
  return in.status();
}

void encode(const TransactionHead& head, Buffer& buffer) {
  Message out(buffer);
  out.fixed(1, head.replica);
  out.varint(2, head.seq);
  out.varint(3, head.count);
  out.fixed(4, head.hlc);
}

void encode(const Change& change, Buffer& buffer) {
  Message out(buffer);
  write_change(5, change, out);
}

void encode(const Transaction& message, Buffer& buffer) {
  encode(static_cast<const TransactionHead&>(message), buffer);
  for (const Change& change : message.changes) encode(change, buffer);
}

void encode(const Snapshot& message, Buffer& buffer) {
  Message out(buffer);
  write_version(1, message.version, out);
  out.fixed(2, message.max_hlc);
  for (const FieldState& field : message.fields) write_change(3, field, out);
}

// ---- from the client ----------------------------------------------------------------------------

Status decode(Bytes body, Hello& out) {
  Fields in(body);
  SK_TRY(in.all(4, out.features));
  out.protocol = in.u32(1);
  out.replica = in.fixed(2);
  out.credential = in.bytes(3);
  out.client = in.bytes(5);
  if (out.replica == 0) return Status::malformed(SK_TEXT("Hello has no replica"));
  return check_u32(in, {1});
}

void write(const Hello& message, Message& out) {
  out.varint(1, message.protocol);
  out.fixed(2, message.replica);
  out.bytes(3, message.credential);
  write_items(4, message.features, out);
  out.bytes(5, message.client);
}

void frame(const Hello& message, Buffer& buffer) {
  Envelope out(Kind::hello, buffer);
  write(message, out);
}

Status decode(Bytes body, SyncRequest& out) {
  Fields in(body);
  out.version.clear();
  SK_TRY(read_each(in, 2, [&](Bytes dot) { return read_dot(dot, out.version); }));
  out.document = in.bytes(1);
  out.position = in.varint(3);
  out.epoch = in.fixed(4);
  return check_document(out.document);
}

void write(const SyncRequest& message, Message& out) {
  out.bytes(1, message.document);
  write_version(2, message.version, out);
  out.varint(3, message.position);
  out.fixed(4, message.epoch);
}

void frame(const SyncRequest& message, Buffer& buffer) {
  Envelope out(Kind::sync_request, buffer);
  write(message, out);
}

Status decode(Bytes body, Update& out) {
  Fields in(body);
  SK_TRY(in.all());
  out = {in.bytes(1), in.bytes(2)};
  return check_document(out.document);
}

void write(const Update& message, Message& out) {
  out.bytes(1, message.document);
  out.item(2, message.transaction);
}

void frame(const Update& message, Buffer& buffer) {
  Envelope out(Kind::update, buffer);
  write(message, out);
}

Status decode(Bytes body, Subscribe& out) {
  Fields in(body);
  SK_TRY(in.all(1, out.documents));
  out.has_query = in.has_bytes(2);
  Fields query(in.bytes(2));
  SK_TRY(query.all());
  SK_TRY(check_u32(query, {3}));
  out.query = {query.bytes(1), static_cast<int64_t>(query.varint(2)), query.u32(3),
               query.bytes(4)};
  return check_documents(out.documents);
}

void frame(const Subscribe& message, Buffer& buffer) {
  Envelope out(Kind::subscribe, buffer);
  write_items(1, message.documents, out);
  if (!message.has_query) return;
  size_t start = out.open(2);
  out.bytes(1, message.query.prefix);
  out.varint(2, static_cast<uint64_t>(message.query.updated_since_ms));
  out.varint(3, message.query.limit);
  out.bytes(4, message.query.after);
  out.close(start);
}

Status decode(Bytes body, Unsubscribe& out) {
  Fields in(body);
  SK_TRY(in.all(1, out.documents));
  return check_documents(out.documents);
}

void frame(const Unsubscribe& message, Buffer& buffer) {
  Envelope out(Kind::unsubscribe, buffer);
  write_items(1, message.documents, out);
}

void write(const DocumentId& message, Message& out) { out.item(1, message.document); }

// ---- from the host ------------------------------------------------------------------------------

void read(const Fields& in, Welcome& out) {
  out.protocol = in.u32(1);
  out.session = in.bytes(2);
  out.host_time_ms = static_cast<int64_t>(in.varint(3));
  out.principal = in.bytes(5);
}

Status decode(Bytes body, Limits& out) {
  Fields in(body);
  SK_TRY(in.all());
  out = {in.u32(1), in.u32(2), in.u32(3), in.u32(4), in.u32(5), in.u32(6)};
  return kChecks ? check_u32(in, {1, 2, 3, 4, 5, 6}) : Status{};
}

Status decode(Bytes body, Welcome& out) {
  Fields in(body);
  SK_TRY(in.all(6, out.features));
  read(in, out);
  SK_TRY(check_u32(in, {1}));
  return decode(in.bytes(4), out.limits);
}

void frame(const Welcome& message, Buffer& buffer) {
  Envelope out(Kind::welcome, buffer);
  const Limits& limits = message.limits;
  out.varint(1, message.protocol);
  out.bytes(2, message.session);
  out.varint(3, static_cast<uint64_t>(message.host_time_ms));
  size_t start = out.open(4);
  out.varint(1, limits.max_frame_bytes);
  out.varint(2, limits.max_transaction_bytes);
  out.varint(3, limits.max_subscriptions);
  out.varint(4, limits.max_presence_bytes);
  out.varint(5, limits.max_clock_skew_ms);
  out.varint(6, limits.heartbeat_ms);
  out.close(start);
  out.bytes(5, message.principal);
  write_items(6, message.features, out);
}

void read(const Fields& in, SyncResponse& out) {
  out.document = in.bytes(1);
  out.epoch = in.fixed(2);
  out.snapshot = in.bytes(3);
  out.has_snapshot = in.has_bytes(3);
  out.position = in.varint(6);
  out.permission = in.u32(7);
  out.more = in.varint(8) != 0;
}

Status decode(Bytes body, SyncResponse& out) {
  Fields in(body);
  out.transactions.clear();
  out.version.clear();
  while (in.next()) {
    if (in.is(4)) out.transactions.push_back(in.item());
    if (in.is(5)) SK_TRY(read_dot(in.item(), out.version));
  }
  SK_TRY(in.status());
  SK_TRY(check_u32(in, {7}));
  read(in, out);
  return check_document(out.document);
}

void frame(const SyncResponse& message, Buffer& buffer) {
  Envelope out(Kind::sync_response, buffer);
  out.bytes(1, message.document);
  out.fixed(2, message.epoch);
  if (message.has_snapshot) out.item(3, message.snapshot);
  write_items(4, message.transactions, out);
  write_version(5, message.version, out);
  out.varint(6, message.position);
  out.varint(7, message.permission);
  out.varint(8, message.more);
}

void read(const Fields& in, Ack& out) {
  out = {in.bytes(1), in.fixed(2), in.varint(3), in.varint(4)};
}

Status decode(Bytes body, Ack& out) {
  Fields in(body);
  SK_TRY(in.all());
  read(in, out);
  return check_document(out.document);
}

void frame(const Ack& message, Buffer& buffer) {
  Envelope out(Kind::ack, buffer);
  out.bytes(1, message.document);
  out.fixed(2, message.replica);
  out.varint(3, message.seq);
  out.varint(4, message.position);
}

Status decode(Bytes body, Notification& out) {
  Fields in(body);
  SK_TRY(in.all(3, out.transactions));
  out.document = in.bytes(1);
  out.position = in.varint(2);
  return check_document(out.document);
}

void frame(const Notification& message, Buffer& buffer) {
  Envelope out(Kind::notification, buffer);
  out.bytes(1, message.document);
  out.varint(2, message.position);
  write_items(3, message.transactions, out);
}

void read(const Fields& in, Denied& out) {
  out = {in.bytes(1), in.varint(2), in.u32(3), in.bytes(4), in.u32(5)};
}

Status decode(Bytes body, Denied& out) {
  Fields in(body);
  SK_TRY(in.all());
  SK_TRY(check_u32(in, {3, 5}));
  read(in, out);
  return check_document(out.document);
}

void frame(const Denied& message, Buffer& buffer) {
  Envelope out(Kind::denied, buffer);
  out.bytes(1, message.document);
  out.varint(2, message.seq);
  out.varint(3, message.code);
  out.bytes(4, message.message);
  out.varint(5, message.permission);
}

void read(const Fields& in, Error& out) {
  out = {in.bytes(1), in.varint(2), in.u32(3), in.bytes(4), in.varint(5) != 0};
}

Status decode(Bytes body, Error& out) {
  Fields in(body);
  SK_TRY(in.all());
  read(in, out);
  return check_u32(in, {3});
}

void frame(const Error& message, Buffer& buffer) {
  Envelope out(Kind::error, buffer);
  out.bytes(1, message.document);
  out.varint(2, message.seq);
  out.varint(3, message.code);
  out.bytes(4, message.message);
  out.varint(5, message.fatal);
}

Status decode(Bytes body, Documents& out) {
  Fields in(body);
  out.entries.clear();
  SK_TRY(read_each(in, 1, [&](Bytes bytes) -> Status {
    Fields entry(bytes);
    SK_TRY(entry.all());
    out.entries.push_back({entry.bytes(1), entry.varint(2), static_cast<int64_t>(entry.varint(3))});
    return check_document(out.entries.back().document);
  }));
  out.more = in.varint(2) != 0;
  return {};
}

void frame(const Documents& message, Buffer& buffer) {
  Envelope out(Kind::documents, buffer);
  for (const Documents::Entry& entry : message.entries) {
    size_t start = out.open(1);
    out.bytes(1, entry.document);
    out.varint(2, entry.position);
    out.varint(3, static_cast<uint64_t>(entry.updated_ms));
    out.close(start);
  }
  out.varint(2, message.more);
}

// ---- both ways ----------------------------------------------------------------------------------

void read(const Fields& in, Presence& out) {
  out = {in.bytes(1), in.fixed(2), in.bytes(3), in.bytes(4)};
}

Status decode(Bytes body, Presence& out) {
  Fields in(body);
  SK_TRY(in.all());
  read(in, out);
  return check_document(out.document);
}

void write(const Presence& message, Message& out) {
  out.bytes(1, message.document);
  out.fixed(2, message.replica);
  out.bytes(3, message.data);
  out.bytes(4, message.principal);
}

void frame(const Presence& message, Buffer& buffer) {
  Envelope out(Kind::presence, buffer);
  write(message, out);
}

Status decode(Bytes body, Ping& out) {
  Fields in(body);
  SK_TRY(in.all());
  out.time_ms = in.fixed(1);
  return {};
}

void write(const Ping& message, Message& out) { out.fixed(1, message.time_ms); }

void frame_ping(const Ping& message, Buffer& buffer) {
  Envelope out(Kind::ping, buffer);
  write(message, out);
}
void frame_pong(const Pong& message, Buffer& buffer) {
  Envelope out(Kind::pong, buffer);
  write(message, out);
}

}  // namespace synckit::wire
