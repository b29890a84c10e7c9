// The codec of proto/wire.proto: protobuf's wire format, read in place and written once.
//
// Decoded messages borrow from the bytes that they were read from. Readers skip unknown fields,
// refuse malformed bytes with SK_MALFORMED, and never allocate more than a small multiple of
// the input. Writers append to a Writer; a whole frame is one Envelope.
//
// One class reads the fields of whatever message, and one writes them: the code is there once,
// which browsers thank for. `decode` makes structs of whole messages, for the host and the tests;
// a client, which looks at one message at a time, goes by Fields and `read`.
//
// Threads: free functions on borrowed data; reentrant.
#pragma once

#include <synckit/bytes.hpp>

#include "version.hpp"

namespace synckit::wire {

inline constexpr uint32_t kProtocol = 1;
inline constexpr size_t kMaxDocumentIdBytes = 512;
inline constexpr size_t kMaxFieldBytes = 256;
inline constexpr size_t kMaxTypeBytes = 64;

enum class Kind : uint32_t {  // field numbers of Envelope.body
  unknown = 0,
  hello = 1,
  welcome = 2,
  sync_request = 3,
  sync_response = 4,
  update = 5,
  ack = 6,
  notification = 7,
  denied = 8,
  subscribe = 9,
  unsubscribe = 10,
  presence = 11,
  ping = 12,
  pong = 13,
  error = 14,
  documents = 15,
};

struct Change {
  Bytes field, type;
  uint32_t count = 0;  // dots used
  Bytes delta;
};
// A field's state has the shape of a change, so that both are merged by the same code: its format
// is in `count`, its state delta in `delta`.
using FieldState = Change;

struct TransactionHead {
  uint64_t replica = 0, seq = 0;
  uint32_t count = 0;
  uint64_t hlc = 0;

  uint64_t last_seq() const { return seq + count - 1; }
};

struct Transaction : TransactionHead {
  Vec<Change> changes;
  Bytes raw;  // the encoded Transaction that this was read from
};

struct Snapshot {
  VersionVector version;
  uint64_t max_hlc = 0;
  Vec<FieldState> fields;
};

struct Limits {
  uint32_t max_frame_bytes = 0, max_transaction_bytes = 0, max_subscriptions = 0,
           max_presence_bytes = 0, max_clock_skew_ms = 0, heartbeat_ms = 0;
};

struct Hello {
  uint32_t protocol = 0;
  uint64_t replica = 0;
  Bytes credential;
  Vec<Bytes> features;
  Bytes client;
};
struct Welcome {
  uint32_t protocol = 0;
  Bytes session;
  int64_t host_time_ms = 0;
  Limits limits;
  Bytes principal;
  Vec<Bytes> features;
};
struct SyncRequest {
  Bytes document;
  VersionVector version;
  uint64_t position = 0, epoch = 0;
};
struct SyncResponse {
  Bytes document;
  uint64_t epoch = 0;
  Bytes snapshot;             // encoded Snapshot
  bool has_snapshot = false;  // tells an empty one from none
  Vec<Bytes> transactions;  // encoded Transactions
  VersionVector version;
  uint64_t position = 0;
  uint32_t permission = 0;
  bool more = false;
};
struct Update {
  Bytes document;
  Bytes transaction;  // encoded Transaction
};
struct Ack {
  Bytes document;
  uint64_t replica = 0, seq = 0, position = 0;
};
struct Notification {
  Bytes document;
  uint64_t position = 0;
  Vec<Bytes> transactions;
};
struct Denied {
  Bytes document;
  uint64_t seq = 0;
  uint32_t code = 0;
  Bytes message;
  uint32_t permission = 0;
};
struct Query {
  Bytes prefix;
  int64_t updated_since_ms = 0;
  uint32_t limit = 0;
  Bytes after;
};
struct Subscribe {
  Vec<Bytes> documents;
  Query query;
  bool has_query = false;
};
struct Unsubscribe {
  Vec<Bytes> documents;
};
// A Subscribe or an Unsubscribe of one document.
struct DocumentId {
  Bytes document;
};
struct Presence {
  Bytes document;
  uint64_t replica = 0;
  Bytes data;
  Bytes principal;
};
struct Ping {
  uint64_t time_ms = 0;
};
using Pong = Ping;
struct Error {
  Bytes document;
  uint64_t seq = 0;
  uint32_t code = 0;
  Bytes message;
  bool fatal = false;
};
struct Documents {
  struct Entry {
    Bytes document;
    uint64_t position = 0;
    int64_t updated_ms = 0;
  };
  Vec<Entry> entries;
  bool more = false;
};

// ---- fields -------------------------------------------------------------------------------------

enum WireType : uint8_t { kVarint = 0, kFixed64 = 1, kLen = 2, kFixed32 = 5 };

// Reads the fields of a message. `next` goes from one to the next; of each number up to kMost the
// last value is kept, by its wire type. What was not there is 0 or empty. Unknown fields, and those
// of another wire type than asked for, are skipped, as protobuf does.
class Fields {
 public:
  static constexpr uint32_t kMost = 8;

  explicit Fields(Bytes message);
  bool next();  // false at the end, and where the bytes are malformed: see status()
  // Whether the field just read is length-delimited and has this number. Its bytes are `item`.
  bool is(uint32_t number) const { return key_ == (number << 3 | kLen); }
  uint32_t key() const { return key_; }  // number << 3 | wire type
  Bytes item() const { return item_; }

  uint64_t varint(uint32_t number) const { return numbers_[kVarint][number]; }
  uint64_t fixed(uint32_t number) const { return numbers_[kFixed64][number]; }
  uint32_t u32(uint32_t number) const { return static_cast<uint32_t>(varint(number)); }
  Bytes bytes(uint32_t number) const { return bytes_[number]; }
  bool has_bytes(uint32_t number) const { return bytes_[number].data != nullptr; }
  bool ok() const { return in_.ok(); }
  Status status() const;
  Status all();  // to the end
  Status all(uint32_t repeated, Vec<Bytes>& out);  // and of one number every value

 private:
  Reader in_;
  uint32_t key_ = 0;
  Bytes item_;
  uint64_t numbers_[2][kMost + 1] = {};  // [0]: what has no place
  Bytes bytes_[kMost + 1];
};

// Appends fields. Zeros and empty bytes are not written, as protobuf has it; `item` always is.
class Message {
 public:
  constexpr explicit Message(Buffer& out) : out_(out) {}
  void varint(uint32_t number, uint64_t value);
  void fixed(uint32_t number, uint64_t value);
  void bytes(uint32_t number, Bytes value);
  void item(uint32_t number, Bytes value);
  // A part of unknown length: `close` puts its length in front of what was written since `open`.
  size_t open(uint32_t number);
  void close(size_t start);

 private:
  Buffer& out_;
};

// A whole frame: the message is what is written until its end.
class Envelope : public Message {
 public:
  Envelope(Kind kind, Buffer& out) : Message(out), start_(open(static_cast<uint32_t>(kind))) {}
  ~Envelope() { close(start_); }
  Envelope(const Envelope&) = delete;
  Envelope& operator=(const Envelope&) = delete;

 private:
  size_t start_;
};

// ---- messages -----------------------------------------------------------------------------------

// An Envelope's body: which, and its bytes. Kind::unknown for a body of a later version.
struct Frame {
  Kind kind = Kind::unknown;
  Bytes body;
};

Status decode(Bytes frame, Frame& out);
// What the host sends, but for what is repeated in it.
void read(const Fields& in, Welcome& out);
void read(const Fields& in, SyncResponse& out);
void read(const Fields& in, Ack& out);
void read(const Fields& in, Denied& out);
void read(const Fields& in, Presence& out);
void read(const Fields& in, Error& out);
// Bodies, and the parts that travel alone. Each clears `out` first.
Status decode(Bytes body, Transaction& out);
Status decode(Bytes body, Snapshot& out);
Status decode(Bytes body, Limits& out);  // of a Welcome
Status decode(Bytes body, Hello& out);
Status decode(Bytes body, Welcome& out);
Status decode(Bytes body, SyncRequest& out);
Status decode(Bytes body, SyncResponse& out);
Status decode(Bytes body, Update& out);
Status decode(Bytes body, Ack& out);
Status decode(Bytes body, Notification& out);
Status decode(Bytes body, Denied& out);
Status decode(Bytes body, Subscribe& out);
Status decode(Bytes body, Unsubscribe& out);
Status decode(Bytes body, Presence& out);
Status decode(Bytes body, Ping& out);
Status decode(Bytes body, Error& out);
Status decode(Bytes body, Documents& out);

// Parts without an envelope.
void encode(const Transaction& message, Buffer& out);
// The same in pieces: the head, then each change.
void encode(const TransactionHead& head, Buffer& out);
void encode(const Change& change, Buffer& out);
void encode(const Snapshot& message, Buffer& out);
// What a client sends: the body.
void write(const Hello& message, Message& out);
void write(const SyncRequest& message, Message& out);
void write(const Update& message, Message& out);
void write(const DocumentId& message, Message& out);
void write(const Presence& message, Message& out);
void write(const Ping& message, Message& out);
// Whole frames, appended to `out`.
void frame(const Hello& message, Buffer& out);
void frame(const Welcome& message, Buffer& out);
void frame(const SyncRequest& message, Buffer& out);
void frame(const SyncResponse& message, Buffer& out);
void frame(const Update& message, Buffer& out);
void frame(const Ack& message, Buffer& out);
void frame(const Notification& message, Buffer& out);
void frame(const Denied& message, Buffer& out);
void frame(const Subscribe& message, Buffer& out);
void frame(const Unsubscribe& message, Buffer& out);
void frame(const Presence& message, Buffer& out);
void frame_ping(const Ping& message, Buffer& out);
void frame_pong(const Pong& message, Buffer& out);
void frame(const Error& message, Buffer& out);
void frame(const Documents& message, Buffer& out);

}  // namespace synckit::wire
