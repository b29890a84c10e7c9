// What the engine puts out: a run of records, to be carried out in their order. The same bytes go
// to C++ callers (OutputReader below) and, through core.wasm, to JavaScript (sdk/wasm/EXPORTS.md).
//
//   record = u8 kind, u32 length, payload        every integer little endian
//
// Threads: plain data.
#pragma once

#include <synckit/bytes.hpp>

namespace synckit {

enum class DocStatus : uint8_t { offline = 0, connecting = 1, syncing = 2, synced = 3, denied = 4 };

// How far own changes have come. Reports are cumulative: everything up to the seq.
enum class Stage : uint8_t { saved = 1, sent = 2, durable = 3 };

enum class Out : uint8_t {
  frame = 1,         // bytes: send as one binary WebSocket message
  batch = 2,         // u32 id, then operations: store them in one transaction, then stored(id)
  connect = 16,      // open a transport, then connected() or disconnected()
  drop = 17,         // text: close the transport, then disconnected()
  status = 18,       // u32 doc (0: all together), u8 DocStatus
  patch = 19,        // u32 doc, u32 field, bytes: the view changed by someone else's edit
  field = 20,        // u32 doc, u32 field, u16 name_len, name, type: a new field handle
  reset = 21,        // u32 doc: the view changed altogether; read it again
  progress = 22,     // u32 doc, u8 Stage, u64 seq
  rejected = 23,     // u32 doc, u64 seq, u32 count, u32 code, message: refused; now a dead letter
  presence = 24,     // u32 doc, u64 replica, u16 principal_len, principal, data (empty: left)
  permission = 25,   // u32 doc, u8 level (wire.proto Permission)
  history_lost = 26, // u32 doc, u64 acknowledged, u64 at_host: the host lost own durable changes
  error = 27,        // u32 doc (0: the session), u32 code, u8 fatal, text
  welcome = 28,      // i64 host time - own time in ms, u16 session_len, session, principal
};

// Operations of a batch. Keys are compared as bytes; FORMAT.md has their parts.
enum class StoreOp : uint8_t {
  put = 1,           // u16 key_len, key, u32 value_len, value
  erase = 2,         // u16 key_len, key
  erase_range = 3,   // u16 len, first key, u16 len, last key (inclusive)
  put_snapshot = 4,  // as put, but keep the stored value when its first 8 bytes are equal to the
                     // new one's and its next 8 bytes, compared as bytes, are not lower
};

struct StoreOperation {
  StoreOp op = StoreOp::put;
  Bytes key, value;  // erase_range: value is the last key
};

// Reads little endian fields and records from borrowed bytes.
class OutputReader {
 public:
  explicit OutputReader(Bytes bytes) : r_(bytes) {}

  // The next record; false at the end.
  bool next(Out& kind, Bytes& payload) {
    if (r_.left() < 5) return false;
    kind = static_cast<Out>(r_.byte());
    payload = r_.raw(u32());
    return r_.ok();
  }
  // The next operation of a batch whose id was read.
  bool next(StoreOperation& out) {
    if (r_.done()) return false;
    out.op = static_cast<StoreOp>(r_.byte());
    out.key = r_.raw(u16());
    out.value = {};
    if (out.op == StoreOp::erase_range) out.value = r_.raw(u16());
    if (out.op == StoreOp::put || out.op == StoreOp::put_snapshot) out.value = r_.raw(u32());
    return r_.ok();
  }

  uint8_t u8() { return r_.byte(); }
  uint16_t u16() {
    uint16_t lo = r_.byte();
    return static_cast<uint16_t>(lo | r_.byte() << 8);
  }
  uint32_t u32() {
    uint32_t lo = u16();
    return lo | static_cast<uint32_t>(u16()) << 16;
  }
  uint64_t u64() { return r_.fixed64(); }
  Bytes raw(size_t len) { return r_.raw(len); }
  Bytes rest() { return r_.rest(); }
  bool ok() const { return r_.ok(); }

 private:
  Reader r_;
};

// Writes what OutputReader reads. Not inlined: a call is smaller than its body.
class OutputBuffer : public Buffer {
 public:
  // A record is what lies between begin and end; records do not nest.
  [[gnu::noinline]] void begin(Out kind) {
    number(static_cast<uint64_t>(kind), 1);
    mark_ = len;
    number(0, 4);
  }
  [[gnu::noinline]] void begin(Out kind, uint32_t doc) {
    begin(kind);
    number(doc, 4);
  }
  [[gnu::noinline]] void end() {
    uint32_t size = static_cast<uint32_t>(len - mark_ - 4);
    std::memcpy(data + mark_, &size, 4);
  }

  void u8(uint32_t value) { number(value, 1); }
  void u16(size_t value) { number(value, 2); }
  void u32(size_t value) { number(value, 4); }
  void u64(uint64_t value) { number(value, 8); }
  [[gnu::noinline]] void number(uint64_t value, size_t size) {
    Writer(*this).raw(&value, size);
  }
  [[gnu::noinline]] void raw(Bytes bytes) { Writer(*this).raw(bytes); }
  void sized(Bytes bytes) {  // u16 length, then the bytes
    u16(bytes.len);
    raw(bytes);
  }

 private:
  size_t mark_ = 0;
};

// True when `value` must not replace `stored` (both values of StoreOp::put_snapshot).
inline bool snapshot_is_stale(Bytes stored, Bytes value) {
  return stored.len >= 16 && value.len >= 16 && std::memcmp(stored.data, value.data, 8) == 0 &&
         std::memcmp(stored.data + 8, value.data + 8, 8) >= 0;
}

}  // namespace synckit
