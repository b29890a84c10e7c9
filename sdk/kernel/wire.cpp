// proto/wire.proto, by hand: protobuf's wire format is tag varints, and four wire types.
// Nested messages are written in place and their length is put in front afterwards.
#include "wire.hpp"

namespace synckit::wire {
namespace {

enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kLen = 2, kFixed32 = 5 };

// One field at a time: `while (in.next()) switch (in.field()) ...`. A field whose wire type is not
// the expected one is skipped like an unknown one, as protobuf does.
class In {
 public:
  explicit In(Bytes bytes) : reader_(bytes) {}

  bool next() {
    if (!reader_.ok() || reader_.done()) return false;
    uint64_t tag = reader_.varint();
    field_ = static_cast<uint32_t>(tag >> 3);
    type_ = static_cast<uint32_t>(tag & 7);
    if (tag >> 32 || field_ == 0) reader_.fail();
    number_ = 0;
    bytes_ = {};
    switch (type_) {
      case kVarint: number_ = reader_.varint(); break;
      case kFixed64: number_ = reader_.fixed64(); break;
      case kLen: bytes_ = reader_.sized(); break;
      case kFixed32: reader_.raw(4); break;
      default: reader_.fail();
    }
    return reader_.ok();
  }
  // The field number and wire type in one, so that a switch checks both.
  uint32_t key() const { return field_ << 3 | type_; }
  uint64_t number() const { return number_; }
  uint32_t u32() {  // a number that must fit 32 bits
    if (number_ >> 32) reader_.fail();
    return static_cast<uint32_t>(number_);
  }
  Bytes bytes() const { return bytes_; }
  Status status() const {
    return reader_.ok() ? Status{} : Status::malformed("the message is not valid protobuf");
  }

 private:
  Reader reader_;
  uint32_t field_ = 0, type_ = 0;
  uint64_t number_ = 0;
  Bytes bytes_;
};

constexpr uint32_t varint(uint32_t field) { return field << 3 | kVarint; }
constexpr uint32_t fixed(uint32_t field) { return field << 3 | kFixed64; }
constexpr uint32_t len(uint32_t field) { return field << 3 | kLen; }

class Out {
 public:
  explicit Out(Buffer& buffer) : buffer_(buffer), writer_(buffer) {}

  void number(uint32_t field, uint64_t value) {
    if (value == 0) return;
    writer_.varint(varint(field));
    writer_.varint(value);
  }
  void fixed64(uint32_t field, uint64_t value) {
    if (value == 0) return;
    writer_.varint(fixed(field));
    writer_.fixed64(value);
  }
  void bytes(uint32_t field, Bytes value) {
    if (value.empty()) return;
    item(field, value);
  }
  void item(uint32_t field, Bytes value) {  // written even when empty (repeated, or present)
    writer_.varint(len(field));
    writer_.sized(value);
  }
  template <class Body>
  void message(uint32_t field, Body&& body) {
    writer_.varint(len(field));
    size_t start = buffer_.len;
    body(*this);
    size_t size = buffer_.len - start;
    uint8_t head[10];
    size_t n = 0;
    for (uint64_t v = size;; v >>= 7) {
      head[n++] = static_cast<uint8_t>(v < 0x80 ? v : v | 0x80);
      if (v < 0x80) break;
    }
    writer_.raw(head, n);  // makes room at the end, then goes to the front
    if (!writer_.status().ok()) out_of_memory();
    std::memmove(buffer_.data + start + n, buffer_.data + start, size);
    std::memcpy(buffer_.data + start, head, n);
  }

 private:
  Buffer& buffer_;
  Writer writer_;
};

template <class Body>
void envelope(Kind kind, Buffer& out, Body&& body) {
  Out(out).message(static_cast<uint32_t>(kind), body);
}

Status decode_dot(Bytes bytes, VersionVector& out) {
  Dot dot{};
  In in(bytes);
  while (in.next()) {
    switch (in.key()) {
      case fixed(1): dot.replica = in.number(); break;
      case varint(2): dot.seq = in.number(); break;
    }
  }
  SK_TRY(in.status());
  if (dot.replica == 0 || dot.seq == 0) {
    return Status::malformed("a version vector entry has no replica or no seq");
  }
  const Vec<Dot>& dots = out.dots();
  if (!dots.empty() && dots.back().replica >= dot.replica) {
    return Status::malformed("a version vector does not ascend by replica");
  }
  if (dots.size() >= VersionVector::kMaxReplicas) {
    return Status::limit("a version vector has more than 65536 replicas");
  }
  out.raise(dot.replica, dot.seq);
  return {};
}

void encode_version(uint32_t field, const VersionVector& version, Out& out) {
  for (const Dot& dot : version.dots()) {
    out.message(field, [&](Out& m) {
      m.fixed64(1, dot.replica);
      m.number(2, dot.seq);
    });
  }
}

Status check_document(Bytes id) {
  if (id.empty()) return Status::malformed("the message names no document");
  if (id.len > kMaxDocumentIdBytes) {
    return Status::limit("a document id is longer than 512 bytes");
  }
  return {};
}

Status check_name(Bytes field, Bytes type) {
  if (field.len > kMaxFieldBytes) return Status::limit("a field name is longer than 256 bytes");
  if (type.empty()) return Status::malformed("a change names no type");
  if (type.len > kMaxTypeBytes) return Status::limit("a type name is longer than 64 bytes");
  return {};
}

Status decode_change(Bytes bytes, Change& out) {
  In in(bytes);
  while (in.next()) {
    switch (in.key()) {
      case len(1): out.field = in.bytes(); break;
      case len(2): out.type = in.bytes(); break;
      case varint(3): out.count = in.u32(); break;
      case len(4): out.delta = in.bytes(); break;
    }
  }
  SK_TRY(in.status());
  if (out.count == 0) return Status::malformed("a change uses no dot");
  return check_name(out.field, out.type);
}

Status decode_limits(Bytes bytes, Limits& out) {
  In in(bytes);
  while (in.next()) {
    switch (in.key()) {
      case varint(1): out.max_frame_bytes = in.u32(); break;
      case varint(2): out.max_transaction_bytes = in.u32(); break;
      case varint(3): out.max_subscriptions = in.u32(); break;
      case varint(4): out.max_presence_bytes = in.u32(); break;
      case varint(5): out.max_clock_skew_ms = in.u32(); break;
      case varint(6): out.heartbeat_ms = in.u32(); break;
    }
  }
  return in.status();
}

Status decode_query(Bytes bytes, Query& out) {
  In in(bytes);
  while (in.next()) {
    switch (in.key()) {
      case len(1): out.prefix = in.bytes(); break;
      case varint(2): out.updated_since_ms = static_cast<int64_t>(in.number()); break;
      case varint(3): out.limit = in.u32(); break;
      case len(4): out.after = in.bytes(); break;
    }
  }
  return in.status();
}

}  // namespace

Status decode(Bytes frame, Frame& out) {
  out = {};
  In in(frame);
  while (in.next()) {
    if ((in.key() & 7) != kLen) continue;
    uint32_t field = in.key() >> 3;
    if (field > static_cast<uint32_t>(Kind::documents)) continue;
    out.kind = static_cast<Kind>(field);  // a repeated oneof: the last one counts
    out.body = in.bytes();
  }
  return in.status();
}

Status decode(Bytes body, Transaction& out) {
  out.replica = out.seq = out.hlc = 0;
  out.count = 0;
  out.changes.clear();
  out.raw = body;
  In in(body);
  while (in.next()) {
    switch (in.key()) {
      case fixed(1): out.replica = in.number(); break;
      case varint(2): out.seq = in.number(); break;
      case varint(3): out.count = in.u32(); break;
      case fixed(4): out.hlc = in.number(); break;
      case len(5): {
        Change change;
        SK_TRY(decode_change(in.bytes(), change));
        out.changes.push_back(change);
        break;
      }
    }
  }
  SK_TRY(in.status());
  if (out.replica == 0) return Status::malformed("a transaction has no replica");
  if (out.seq == 0 || out.count == 0) return Status::malformed("a transaction has no dots");
  if (out.seq > UINT64_MAX - out.count) {
    return Status::malformed("a transaction's sequence numbers overflow");
  }
  if (out.changes.empty()) return {};
  uint64_t used = 0;
  for (const Change& change : out.changes) used += change.count;
  if (used != out.count) {
    return Status::malformed("a transaction's count is not the sum of its changes' counts");
  }
  return {};
}

Status decode(Bytes body, Snapshot& out) {
  out.version.clear();
  out.max_hlc = 0;
  out.fields.clear();
  In in(body);
  while (in.next()) {
    switch (in.key()) {
      case len(1): SK_TRY(decode_dot(in.bytes(), out.version)); break;
      case fixed(2): out.max_hlc = in.number(); break;
      case len(3): {
        FieldState state;
        In part(in.bytes());
        while (part.next()) {
          switch (part.key()) {
            case len(1): state.field = part.bytes(); break;
            case len(2): state.type = part.bytes(); break;
            case varint(3): state.format = part.u32(); break;
            case len(4): state.state = part.bytes(); break;
          }
        }
        SK_TRY(part.status());
        SK_TRY(check_name(state.field, state.type));
        out.fields.push_back(state);
        break;
      }
    }
  }
  return in.status();
}

Status decode(Bytes body, Hello& out) {
  out = {};
  In in(body);
  while (in.next()) {
    switch (in.key()) {
      case varint(1): out.protocol = in.u32(); break;
      case fixed(2): out.replica = in.number(); break;
      case len(3): out.credential = in.bytes(); break;
      case len(4): out.features.push_back(in.bytes()); break;
      case len(5): out.client = in.bytes(); break;
    }
  }
  SK_TRY(in.status());
  return out.replica ? Status{} : Status::malformed("Hello has no replica");
}

Status decode(Bytes body, Welcome& out) {
  out = {};
  In in(body);
  while (in.next()) {
    switch (in.key()) {
      case varint(1): out.protocol = in.u32(); break;
      case len(2): out.session = in.bytes(); break;
      case varint(3): out.host_time_ms = static_cast<int64_t>(in.number()); break;
      case len(4): SK_TRY(decode_limits(in.bytes(), out.limits)); break;
      case len(5): out.principal = in.bytes(); break;
      case len(6): out.features.push_back(in.bytes()); break;
    }
  }
  return in.status();
}

Status decode(Bytes body, SyncRequest& out) {
  out = {};
  In in(body);
  while (in.next()) {
    switch (in.key()) {
      case len(1): out.document = in.bytes(); break;
      case len(2): SK_TRY(decode_dot(in.bytes(), out.version)); break;
      case varint(3): out.position = in.number(); break;
      case fixed(4): out.epoch = in.number(); break;
    }
  }
  SK_TRY(in.status());
  return check_document(out.document);
}

Status decode(Bytes body, SyncResponse& out) {
  out = {};
  In in(body);
  while (in.next()) {
    switch (in.key()) {
      case len(1): out.document = in.bytes(); break;
      case fixed(2): out.epoch = in.number(); break;
      case len(3):
        out.snapshot = in.bytes();
        out.has_snapshot = true;
        break;
      case len(4): out.transactions.push_back(in.bytes()); break;
      case len(5): SK_TRY(decode_dot(in.bytes(), out.version)); break;
      case varint(6): out.position = in.number(); break;
      case varint(7): out.permission = in.u32(); break;
      case varint(8): out.more = in.number() != 0; break;
    }
  }
  SK_TRY(in.status());
  return check_document(out.document);
}

Status decode(Bytes body, Update& out) {
  out = {};
  In in(body);
  while (in.next()) {
    switch (in.key()) {
      case len(1): out.document = in.bytes(); break;
      case len(2): out.transaction = in.bytes(); break;
    }
  }
  SK_TRY(in.status());
  return check_document(out.document);
}

Status decode(Bytes body, Ack& out) {
  out = {};
  In in(body);
  while (in.next()) {
    switch (in.key()) {
      case len(1): out.document = in.bytes(); break;
      case fixed(2): out.replica = in.number(); break;
      case varint(3): out.seq = in.number(); break;
      case varint(4): out.position = in.number(); break;
    }
  }
  SK_TRY(in.status());
  return check_document(out.document);
}

Status decode(Bytes body, Notification& out) {
  out = {};
  In in(body);
  while (in.next()) {
    switch (in.key()) {
      case len(1): out.document = in.bytes(); break;
      case varint(2): out.position = in.number(); break;
      case len(3): out.transactions.push_back(in.bytes()); break;
    }
  }
  SK_TRY(in.status());
  return check_document(out.document);
}

Status decode(Bytes body, Denied& out) {
  out = {};
  In in(body);
  while (in.next()) {
    switch (in.key()) {
      case len(1): out.document = in.bytes(); break;
      case varint(2): out.seq = in.number(); break;
      case varint(3): out.code = in.u32(); break;
      case len(4): out.message = in.bytes(); break;
      case varint(5): out.permission = in.u32(); break;
    }
  }
  SK_TRY(in.status());
  return check_document(out.document);
}

Status decode(Bytes body, Subscribe& out) {
  out = {};
  In in(body);
  while (in.next()) {
    switch (in.key()) {
      case len(1):
        SK_TRY(check_document(in.bytes()));
        out.documents.push_back(in.bytes());
        break;
      case len(2):
        out.has_query = true;
        SK_TRY(decode_query(in.bytes(), out.query));
        break;
    }
  }
  return in.status();
}

Status decode(Bytes body, Unsubscribe& out) {
  out = {};
  In in(body);
  while (in.next()) {
    if (in.key() != len(1)) continue;
    SK_TRY(check_document(in.bytes()));
    out.documents.push_back(in.bytes());
  }
  return in.status();
}

Status decode(Bytes body, Presence& out) {
  out = {};
  In in(body);
  while (in.next()) {
    switch (in.key()) {
      case len(1): out.document = in.bytes(); break;
      case fixed(2): out.replica = in.number(); break;
      case len(3): out.data = in.bytes(); break;
      case len(4): out.principal = in.bytes(); break;
    }
  }
  SK_TRY(in.status());
  return check_document(out.document);
}

Status decode(Bytes body, Ping& out) {
  out = {};
  In in(body);
  while (in.next()) {
    if (in.key() == fixed(1)) out.time_ms = in.number();
  }
  return in.status();
}

Status decode(Bytes body, Error& out) {
  out = {};
  In in(body);
  while (in.next()) {
    switch (in.key()) {
      case varint(1): out.code = in.u32(); break;
      case len(2): out.message = in.bytes(); break;
      case len(3): out.document = in.bytes(); break;
      case varint(4): out.seq = in.number(); break;
      case varint(5): out.fatal = in.number() != 0; break;
    }
  }
  return in.status();
}

Status decode(Bytes body, Documents& out) {
  out = {};
  In in(body);
  while (in.next()) {
    switch (in.key()) {
      case len(1): {
        Documents::Entry entry;
        In part(in.bytes());
        while (part.next()) {
          switch (part.key()) {
            case len(1): entry.document = part.bytes(); break;
            case varint(2): entry.position = part.number(); break;
            case varint(3): entry.updated_ms = static_cast<int64_t>(part.number()); break;
          }
        }
        SK_TRY(part.status());
        SK_TRY(check_document(entry.document));
        out.entries.push_back(entry);
        break;
      }
      case varint(2): out.more = in.number() != 0; break;
    }
  }
  return in.status();
}

void encode(const Transaction& message, Buffer& out) {
  Out m(out);
  m.fixed64(1, message.replica);
  m.number(2, message.seq);
  m.number(3, message.count);
  m.fixed64(4, message.hlc);
  for (const Change& change : message.changes) {
    m.message(5, [&](Out& c) {
      c.bytes(1, change.field);
      c.bytes(2, change.type);
      c.number(3, change.count);
      c.bytes(4, change.delta);
    });
  }
}

void encode(const Snapshot& message, Buffer& out) {
  Out m(out);
  encode_version(1, message.version, m);
  m.fixed64(2, message.max_hlc);
  for (const FieldState& field : message.fields) {
    m.message(3, [&](Out& f) {
      f.bytes(1, field.field);
      f.bytes(2, field.type);
      f.number(3, field.format);
      f.bytes(4, field.state);
    });
  }
}

void frame(const Hello& message, Buffer& out) {
  envelope(Kind::hello, out, [&](Out& m) {
    m.number(1, message.protocol);
    m.fixed64(2, message.replica);
    m.bytes(3, message.credential);
    for (Bytes feature : message.features) m.item(4, feature);
    m.bytes(5, message.client);
  });
}

void frame(const Welcome& message, Buffer& out) {
  envelope(Kind::welcome, out, [&](Out& m) {
    m.number(1, message.protocol);
    m.bytes(2, message.session);
    m.number(3, static_cast<uint64_t>(message.host_time_ms));
    m.message(4, [&](Out& l) {
      l.number(1, message.limits.max_frame_bytes);
      l.number(2, message.limits.max_transaction_bytes);
      l.number(3, message.limits.max_subscriptions);
      l.number(4, message.limits.max_presence_bytes);
      l.number(5, message.limits.max_clock_skew_ms);
      l.number(6, message.limits.heartbeat_ms);
    });
    m.bytes(5, message.principal);
    for (Bytes feature : message.features) m.item(6, feature);
  });
}

void frame(const SyncRequest& message, Buffer& out) {
  envelope(Kind::sync_request, out, [&](Out& m) {
    m.bytes(1, message.document);
    encode_version(2, message.version, m);
    m.number(3, message.position);
    m.fixed64(4, message.epoch);
  });
}

void frame(const SyncResponse& message, Buffer& out) {
  envelope(Kind::sync_response, out, [&](Out& m) {
    m.bytes(1, message.document);
    m.fixed64(2, message.epoch);
    if (message.has_snapshot) m.item(3, message.snapshot);
    for (Bytes transaction : message.transactions) m.item(4, transaction);
    encode_version(5, message.version, m);
    m.number(6, message.position);
    m.number(7, message.permission);
    m.number(8, message.more);
  });
}

void frame(const Update& message, Buffer& out) {
  envelope(Kind::update, out, [&](Out& m) {
    m.bytes(1, message.document);
    m.item(2, message.transaction);
  });
}

void frame(const Ack& message, Buffer& out) {
  envelope(Kind::ack, out, [&](Out& m) {
    m.bytes(1, message.document);
    m.fixed64(2, message.replica);
    m.number(3, message.seq);
    m.number(4, message.position);
  });
}

void frame(const Notification& message, Buffer& out) {
  envelope(Kind::notification, out, [&](Out& m) {
    m.bytes(1, message.document);
    m.number(2, message.position);
    for (Bytes transaction : message.transactions) m.item(3, transaction);
  });
}

void frame(const Denied& message, Buffer& out) {
  envelope(Kind::denied, out, [&](Out& m) {
    m.bytes(1, message.document);
    m.number(2, message.seq);
    m.number(3, message.code);
    m.bytes(4, message.message);
    m.number(5, message.permission);
  });
}

void frame(const Subscribe& message, Buffer& out) {
  envelope(Kind::subscribe, out, [&](Out& m) {
    for (Bytes document : message.documents) m.item(1, document);
    if (!message.has_query) return;
    m.message(2, [&](Out& q) {
      q.bytes(1, message.query.prefix);
      q.number(2, static_cast<uint64_t>(message.query.updated_since_ms));
      q.number(3, message.query.limit);
      q.bytes(4, message.query.after);
    });
  });
}

void frame(const Unsubscribe& message, Buffer& out) {
  envelope(Kind::unsubscribe, out, [&](Out& m) {
    for (Bytes document : message.documents) m.item(1, document);
  });
}

void frame(const Presence& message, Buffer& out) {
  envelope(Kind::presence, out, [&](Out& m) {
    m.bytes(1, message.document);
    m.fixed64(2, message.replica);
    m.bytes(3, message.data);
    m.bytes(4, message.principal);
  });
}

void frame_ping(const Ping& message, Buffer& out) {
  envelope(Kind::ping, out, [&](Out& m) { m.fixed64(1, message.time_ms); });
}

void frame_pong(const Pong& message, Buffer& out) {
  envelope(Kind::pong, out, [&](Out& m) { m.fixed64(1, message.time_ms); });
}

void frame(const Error& message, Buffer& out) {
  envelope(Kind::error, out, [&](Out& m) {
    m.number(1, message.code);
    m.bytes(2, message.message);
    m.bytes(3, message.document);
    m.number(4, message.seq);
    m.number(5, message.fatal);
  });
}

void frame(const Documents& message, Buffer& out) {
  envelope(Kind::documents, out, [&](Out& m) {
    for (const Documents::Entry& entry : message.entries) {
      m.message(1, [&](Out& e) {
        e.bytes(1, entry.document);
        e.number(2, entry.position);
        e.number(3, static_cast<uint64_t>(entry.updated_ms));
      });
    }
    m.number(2, message.more);
  });
}

}  // namespace synckit::wire
