// proto/wire.proto, by hand: protobuf's wire format is tag varints, and four wire types.
// Nested messages are written in place and their length is put in front afterwards.
#include "wire.hpp"

#include <bit>
#include <cstddef>
#include <iterator>

namespace synckit::wire {
namespace {

enum WireType : uint8_t { kVarint = 0, kFixed64 = 1, kLen = 2, kFixed32 = 5 };

// What a field's place in the struct holds.
enum class Holds : uint8_t {
  u32,       // uint32_t, as a varint; larger ones are malformed
  u64,       // uint64_t or int64_t, as a varint
  flag,      // bool, as a varint
  fixed,     // uint64_t, as 8 bytes
  bytes,     // Bytes; not written when empty
  item,      // Bytes; always written
  optional,  // Bytes, then a bool: whether it is there
  items,     // Vec<Bytes>
  version,   // VersionVector, of repeated Dots
  part,      // a struct; always written
  maybe,     // a struct, then a bool: whether it is there
  parts,     // a Vec of structs
};

constexpr uint8_t key_of(uint8_t number, Holds holds) {
  WireType type = holds == Holds::fixed ? kFixed64 : holds < Holds::fixed ? kVarint : kLen;
  return static_cast<uint8_t>(number << 3 | type);
}

// Numbers are copied as their first bytes.
static_assert(std::endian::native == std::endian::little);
constexpr size_t number_size(Holds holds) {
  return holds == Holds::flag ? sizeof(bool)
         : holds == Holds::u32 ? sizeof(uint32_t)
                               : sizeof(uint64_t);
}

constexpr bool is_vec(Holds holds) {
  return holds == Holds::items || holds == Holds::version || holds == Holds::parts;
}

struct Field {
  uint8_t key;  // number << 3 | wire type
  Holds holds;
  uint16_t offset;
};

// What must hold of a whole message, apart from its fields' forms.
enum class Rule : uint8_t { none, document, documents, change, state, hello };

struct Table {
  const Field* fields;
  uint16_t size;  // of the struct
  uint8_t count;
  Rule rule;
  const Table* part;  // of the one field that is a struct
};

#define SK_TABLE(name, Struct, rule, part, ...)                                        \
  constexpr Field name##_fields[] = {__VA_ARGS__};                                     \
  constexpr Table name = {name##_fields, sizeof(Struct), std::size(name##_fields), rule, part}

#define F(number, member, holds) \
  { key_of(number, Holds::holds), Holds::holds, static_cast<uint16_t>(offsetof(M, member)) }

namespace dot {
using M = Dot;
SK_TABLE(kTable, M, Rule::none, nullptr, F(1, replica, fixed), F(2, seq, u64));
}  // namespace dot
constexpr const Table& kDot = dot::kTable;

namespace change {
using M = Change;
SK_TABLE(kTable, M, Rule::change, nullptr, F(1, field, bytes), F(2, type, bytes),
         F(3, count, u32), F(4, delta, bytes));
}  // namespace change

namespace transaction {
using M = Transaction;
SK_TABLE(kTable, M, Rule::none, &change::kTable, F(1, replica, fixed), F(2, seq, u64),
         F(3, count, u32), F(4, hlc, fixed), F(5, changes, parts));
}  // namespace transaction

namespace state {
using M = FieldState;
SK_TABLE(kTable, M, Rule::state, nullptr, F(1, field, bytes), F(2, type, bytes),
         F(3, count, u32), F(4, delta, bytes));
}  // namespace state

namespace snapshot {
using M = Snapshot;
SK_TABLE(kTable, M, Rule::none, &state::kTable, F(1, version, version), F(2, max_hlc, fixed),
         F(3, fields, parts));
}  // namespace snapshot

namespace hello {
using M = Hello;
SK_TABLE(kTable, M, Rule::hello, nullptr, F(1, protocol, u32), F(2, replica, fixed),
         F(3, credential, bytes), F(4, features, items), F(5, client, bytes));
}  // namespace hello

namespace limits {
using M = Limits;
SK_TABLE(kTable, M, Rule::none, nullptr, F(1, max_frame_bytes, u32),
         F(2, max_transaction_bytes, u32), F(3, max_subscriptions, u32),
         F(4, max_presence_bytes, u32), F(5, max_clock_skew_ms, u32), F(6, heartbeat_ms, u32));
}  // namespace limits

namespace welcome {
using M = Welcome;
SK_TABLE(kTable, M, Rule::none, &limits::kTable, F(1, protocol, u32), F(2, session, bytes),
         F(3, host_time_ms, u64), F(4, limits, part), F(5, principal, bytes),
         F(6, features, items));
}  // namespace welcome

namespace sync_request {
using M = SyncRequest;
SK_TABLE(kTable, M, Rule::document, nullptr, F(1, document, bytes), F(2, version, version),
         F(3, position, u64), F(4, epoch, fixed));
}  // namespace sync_request

namespace sync_response {
using M = SyncResponse;
static_assert(offsetof(M, has_snapshot) == offsetof(M, snapshot) + sizeof(Bytes));
SK_TABLE(kTable, M, Rule::document, nullptr, F(1, document, bytes), F(2, epoch, fixed),
         F(3, snapshot, optional), F(4, transactions, items), F(5, version, version),
         F(6, position, u64), F(7, permission, u32), F(8, more, flag));
}  // namespace sync_response

namespace update {
using M = Update;
SK_TABLE(kTable, M, Rule::document, nullptr, F(1, document, bytes), F(2, transaction, item));
}  // namespace update

namespace ack {
using M = Ack;
SK_TABLE(kTable, M, Rule::document, nullptr, F(1, document, bytes), F(2, replica, fixed),
         F(3, seq, u64), F(4, position, u64));
}  // namespace ack

namespace notification {
using M = Notification;
SK_TABLE(kTable, M, Rule::document, nullptr, F(1, document, bytes), F(2, position, u64),
         F(3, transactions, items));
}  // namespace notification

namespace denied {
using M = Denied;
SK_TABLE(kTable, M, Rule::document, nullptr, F(1, document, bytes), F(2, seq, u64),
         F(3, code, u32), F(4, message, bytes), F(5, permission, u32));
}  // namespace denied

namespace query {
using M = Query;
SK_TABLE(kTable, M, Rule::none, nullptr, F(1, prefix, bytes), F(2, updated_since_ms, u64),
         F(3, limit, u32), F(4, after, bytes));
}  // namespace query

namespace subscribe {
using M = Subscribe;
static_assert(offsetof(M, has_query) == offsetof(M, query) + sizeof(Query));
SK_TABLE(kTable, M, Rule::documents, &query::kTable, F(1, documents, items), F(2, query, maybe));
}  // namespace subscribe

namespace unsubscribe {
using M = Unsubscribe;
SK_TABLE(kTable, M, Rule::documents, nullptr, F(1, documents, items));
}  // namespace unsubscribe

namespace presence {
using M = Presence;
SK_TABLE(kTable, M, Rule::document, nullptr, F(1, document, bytes), F(2, replica, fixed),
         F(3, data, bytes), F(4, principal, bytes));
}  // namespace presence

namespace ping {
using M = Ping;
SK_TABLE(kTable, M, Rule::none, nullptr, F(1, time_ms, fixed));
}  // namespace ping

namespace error {
using M = Error;
SK_TABLE(kTable, M, Rule::none, nullptr, F(1, code, u32), F(2, message, bytes),
         F(3, document, bytes), F(4, seq, u64), F(5, fatal, flag));
}  // namespace error

namespace entry {
using M = Documents::Entry;
SK_TABLE(kTable, M, Rule::document, nullptr, F(1, document, bytes), F(2, position, u64),
         F(3, updated_ms, u64));
}  // namespace entry

namespace documents {
using M = Documents;
SK_TABLE(kTable, M, Rule::none, &entry::kTable, F(1, entries, parts), F(2, more, flag));
}  // namespace documents

#undef F

template <class T>
T& as(void* at) {
  return *static_cast<T*>(at);
}
template <class T>
const T& as(const void* at) {
  return *static_cast<const T*>(at);
}

// One field from the reader: its key (number and wire type), and what it holds.
struct Item {
  uint32_t key = 0;
  uint64_t number = 0;
  Bytes bytes;
};

bool next(Reader& in, Item& out) {
  if (!in.ok() || in.done()) return false;
  uint64_t key = in.varint();
  if (key >> 32 || key >> 3 == 0) in.fail();
  out.key = static_cast<uint32_t>(key);
  switch (out.key & 7) {
    case kVarint: out.number = in.varint(); break;
    case kFixed64: out.number = in.fixed64(); break;
    case kLen: out.bytes = in.sized(); break;
    case kFixed32: in.raw(4); break;
    default: in.fail();
  }
  return in.ok();
}

Status status_of(const Reader& in) {
  return in.ok() ? Status{} : Status::malformed(SK_TEXT("the message is not valid protobuf"));
}

Status check_document(Bytes id) {
  if (id.empty()) return Status::malformed(SK_TEXT("the message names no document"));
  if (id.len > kMaxDocumentIdBytes) {
    return Status::limit(SK_TEXT("a document id is longer than 512 bytes"));
  }
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

// Browsers talk to a host that has checked what it passes on (ADR 8).
#if defined(SYNCKIT_CLIENT_ONLY)
constexpr bool kChecks = false;
#else
constexpr bool kChecks = true;
#endif

Status check(Rule rule, const void* message) {
  if (!kChecks) return {};
  switch (rule) {
    case Rule::none: break;
    case Rule::document: return check_document(as<Bytes>(message));  // the first member
    case Rule::documents:
      for (Bytes id : as<Vec<Bytes>>(message)) SK_TRY(check_document(id));
      break;
    case Rule::change:
      if (as<Change>(message).count == 0) return Status::malformed(SK_TEXT("a change uses no dot"));
      [[fallthrough]];
    case Rule::state: return check_name(as<Change>(message).field, as<Change>(message).type);
    case Rule::hello:
      if (as<Hello>(message).replica == 0) {
        return Status::malformed(SK_TEXT("Hello has no replica"));
      }
  }
  return {};
}

// ---- reading ------------------------------------------------------------------------------------

Status read(const Table& table, Bytes bytes, void* out);

Status read_dot(Bytes bytes, VersionVector& out) {
  Dot dot{};
  SK_TRY(read(kDot, bytes, &dot));
  if (dot.replica == 0 || dot.seq == 0) {
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

// Fields of other numbers, and of other wire types, are skipped as protobuf does.
// `out` is a message in its initial state.
Status read(const Table& table, Bytes bytes, void* out) {
  Reader in(bytes);
  for (Item item; next(in, item);) {
    const Field* field = table.fields;
    const Field* end = field + table.count;
    while (field != end && field->key != item.key) ++field;
    if (field == end) continue;
    uint8_t* at = static_cast<uint8_t*>(out) + field->offset;
    Holds holds = field->holds;
    if (holds <= Holds::fixed) {
      if (holds == Holds::u32 && item.number >> 32) in.fail();
      if (holds == Holds::flag) item.number = item.number != 0;
      std::memcpy(at, &item.number, number_size(holds));
    } else if (holds <= Holds::optional) {
      as<Bytes>(at) = item.bytes;
      if (holds == Holds::optional) as<bool>(at + sizeof(Bytes)) = true;
    } else if (holds == Holds::items) {
      as<Vec<Bytes>>(at).push_back(item.bytes);
    } else if (holds == Holds::version) {
      SK_TRY(read_dot(item.bytes, as<VersionVector>(at)));
    } else {
      size_t size = table.part->size;
      if (holds == Holds::parts) {
        at = static_cast<uint8_t*>(as<VecBase>(at).extend(1, size));
        std::memset(at, 0, size);
      }
      if (holds == Holds::maybe) as<bool>(at + size) = true;
      SK_TRY(read(*table.part, item.bytes, at));
    }
  }
  SK_TRY(status_of(in));
  return check(table.rule, out);
}

// Back to the initial state; Vecs keep their memory. Tables list fields in the order of the struct.
void wipe(const Table& table, void* out) {
  for (size_t i = 0; i < table.count; ++i) {
    const Field& field = table.fields[i];
    uint8_t* at = static_cast<uint8_t*>(out) + field.offset;
    size_t end = i + 1 < table.count ? table.fields[i + 1].offset : table.size;
    if (is_vec(field.holds)) {
      as<VecBase>(at).clear();
    } else {
      std::memset(at, 0, end - field.offset);
    }
  }
}

Status read_new(const Table& table, Bytes body, void* out) {
  wipe(table, out);
  return read(table, body, out);
}

// ---- writing ------------------------------------------------------------------------------------

class Out {
 public:
  explicit Out(Buffer& buffer) : buffer_(buffer), writer_(buffer) {}

  void write(const Table& table, const void* message) {
    for (const Field* field = table.fields; field != table.fields + table.count; ++field) {
      const uint8_t* at = static_cast<const uint8_t*>(message) + field->offset;
      key_ = field->key;
      Holds holds = field->holds;
      if (holds <= Holds::fixed) {
        uint64_t value = 0;
        std::memcpy(&value, at, number_size(holds));
        number(value);
      } else if (holds <= Holds::optional) {
        bool there = !as<Bytes>(at).empty() || holds == Holds::item;
        if (holds == Holds::optional) there = as<bool>(at + sizeof(Bytes));
        if (there) item(as<Bytes>(at));
      } else if (holds == Holds::items) {
        for (Bytes bytes : as<Vec<Bytes>>(at)) item(bytes);
      } else if (holds == Holds::version) {
        const Vec<Dot>& dots = as<VersionVector>(at).dots();
        parts(kDot, dots.data(), dots.size());
      } else if (holds == Holds::parts) {
        const Vec<uint8_t>& items = as<Vec<uint8_t>>(at);
        parts(*table.part, items.data(), items.size());
      } else if (holds == Holds::part || as<bool>(at + table.part->size)) {
        parts(*table.part, at, 1);
      }
    }
  }

  // A part of unknown length: `close` puts its length in front.
  size_t open(uint32_t key) {
    writer_.varint(key);
    return buffer_.len;
  }
  void close(size_t start) {
    size_t size = buffer_.len - start;
    writer_.varint(size);  // makes room at the end; then its bytes go to the front
    if (!writer_.ok()) out_of_memory();
    uint8_t* body = buffer_.data + start;
    uint8_t head[10];
    size_t n = buffer_.len - start - size;
    std::memcpy(head, body + size, n);
    std::memmove(body + n, body, size);
    std::memcpy(body, head, n);
  }

 private:
  void number(uint64_t value) {
    if (value == 0) return;
    writer_.varint(key_);
    if ((key_ & 7) == kFixed64) {
      writer_.fixed64(value);
    } else {
      writer_.varint(value);
    }
  }
  void item(Bytes value) {
    writer_.varint(key_);
    writer_.sized(value);
  }
  void parts(const Table& table, const void* items, size_t count) {
    uint32_t key = key_;
    const uint8_t* at = static_cast<const uint8_t*>(items);
    for (; count; --count, at += table.size) {
      size_t start = open(key);
      write(table, at);
      close(start);
    }
  }

  Buffer& buffer_;
  Writer writer_;
  uint32_t key_ = 0;  // of the field being written
};

void write_frame(Kind kind, const Table& table, const void* message, Buffer& out) {
  Out writer(out);
  size_t start = writer.open(static_cast<uint32_t>(kind) << 3 | kLen);
  writer.write(table, message);
  writer.close(start);
}

}  // namespace

Status decode(Bytes frame, Frame& out) {
  out = {};
  Reader in(frame);
  for (Item item; next(in, item);) {
    if ((item.key & 7) != kLen) continue;
    uint32_t field = item.key >> 3;
    if (field > static_cast<uint32_t>(Kind::documents)) continue;
    out.kind = static_cast<Kind>(field);  // a repeated oneof: the last one counts
    out.body = item.bytes;
  }
  return status_of(in);
}

Status decode(Bytes body, Transaction& out) {
  SK_TRY(read_new(transaction::kTable, body, &out));
  out.raw = body;
  if (out.replica == 0) return Status::malformed(SK_TEXT("a transaction has no replica"));
  if (out.seq == 0 || out.count == 0) {
    return Status::malformed(SK_TEXT("a transaction has no dots"));
  }
  if (out.seq > UINT64_MAX - out.count) {
    return Status::malformed(SK_TEXT("a transaction's sequence numbers overflow"));
  }
  if (!kChecks || out.changes.empty()) return {};
  uint64_t used = 0;
  for (const Change& change : out.changes) used += change.count;
  if (used != out.count) {
    return Status::malformed(
        SK_TEXT("a transaction's count is not the sum of its changes' counts"));
  }
  return {};
}

Status decode(Bytes body, Snapshot& out) { return read_new(snapshot::kTable, body, &out); }

void encode(const Transaction& message, Buffer& out) {
  Out(out).write(transaction::kTable, &message);
}
void encode(const Snapshot& message, Buffer& out) { Out(out).write(snapshot::kTable, &message); }

#define SK_MESSAGE(Struct, name)                                                            \
  Status decode(Bytes body, Struct& out) { return read_new(name::kTable, body, &out); }      \
  void frame(const Struct& message, Buffer& out) {                                          \
    write_frame(Kind::name, name::kTable, &message, out);                                   \
  }
SK_MESSAGE(Hello, hello)
SK_MESSAGE(Welcome, welcome)
SK_MESSAGE(SyncRequest, sync_request)
SK_MESSAGE(SyncResponse, sync_response)
SK_MESSAGE(Update, update)
SK_MESSAGE(Ack, ack)
SK_MESSAGE(Notification, notification)
SK_MESSAGE(Denied, denied)
SK_MESSAGE(Subscribe, subscribe)
SK_MESSAGE(Unsubscribe, unsubscribe)
SK_MESSAGE(Presence, presence)
SK_MESSAGE(Error, error)
SK_MESSAGE(Documents, documents)

Status decode(Bytes body, Ping& out) { return read_new(ping::kTable, body, &out); }
void frame_ping(const Ping& message, Buffer& out) {
  write_frame(Kind::ping, ping::kTable, &message, out);
}
void frame_pong(const Pong& message, Buffer& out) {
  write_frame(Kind::pong, ping::kTable, &message, out);
}

}  // namespace synckit::wire
