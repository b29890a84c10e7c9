// What the engine puts out: records, to be carried out in their order. All have one form, so that
// one function writes them and one reads them; what a kind does not use is 0. `doc` is 0 for what
// is about the session.
//
// C++ callers take them as a run of bytes (OutputReader below):
//
//   record = u32 kind, u32 doc, u64 a, u64 b, u32 number, u32 length, payload     little endian
//
// JavaScript gets each by a call of its own, as it comes (sdk/wasm/EXPORTS.md, env.out), with a
// payload in two parts where this list names two; and the operations of a batch before it, each as
// a record.
//
// Threads: plain data.
#pragma once

#include <synckit/bytes.hpp>

namespace synckit {

enum class DocStatus : uint8_t { offline = 0, connecting = 1, syncing = 2, synced = 3, denied = 4 };

// How far own changes have come. Reports are cumulative: everything up to the seq.
enum class Stage : uint8_t { saved = 1, sent = 2, durable = 3 };

enum class Out : uint32_t {
  data = 0,           // what a call to core.wasm gives (EXPORTS.md); of no engine
  frame = 1,          // payload: send as one binary WebSocket message
  batch = 2,          // number: id. Operations: store them in one transaction, then stored(id)
  store = 3,          // number: operation. payload: key, value. Only where records are handed over
  connect = 16,       // open a transport, then connected() or disconnected()
  drop = 17,          // payload: why. Close the transport, then disconnected()
  status = 18,        // number: DocStatus, of the document or (doc 0) of all together
  patch = 19,         // number: field. payload: how the view changed by someone else's edit
  field = 20,         // number: field, a: length of its name. payload: name, type of a new handle
  reset = 21,         // the view changed altogether; read it again
  progress = 22,      // number: Stage, a: seq
  rejected = 23,      // number: code, a: seq, b: count. payload: why. Refused; now a dead letter
  presence = 24,      // number: low half of the replica, a: high half, b: length of the principal.
                      // payload: principal, data (empty: left; of replica 0: all have)
  permission = 25,    // number: level (wire.proto Permission)
  history_lost = 26,  // a: acknowledged, b: at_host: the host lost own durable changes
  error = 27,         // number: code, a: whether fatal. payload: text
  welcome = 28,       // a: host time - own time in ms, b: length of the session id.
                      // payload: session id, principal
};

// Whether records are handed over by calls, and not together by take_output.
#if defined(SYNCKIT_CLIENT_ONLY)
inline constexpr bool kHandsOver = true;

// It copies the bytes, and calls nothing back.
extern "C" __attribute__((import_module("env"), import_name("out"))) void sk_out(
    const uint8_t* bytes, size_t len, const uint8_t* more, size_t more_len, uint32_t kind,
    uint32_t doc, uint32_t number, double a, double b);
inline void hand_over(Out kind, uint32_t doc, uint32_t number, uint64_t a, uint64_t b, Bytes bytes,
                      Bytes more) {
  sk_out(bytes.data, bytes.len, more.data, more.len, static_cast<uint32_t>(kind), doc, number,
         static_cast<double>(a), static_cast<double>(b));
}
#else
inline constexpr bool kHandsOver = false;
inline void hand_over(Out, uint32_t, uint32_t, uint64_t, uint64_t, Bytes, Bytes) {}
#endif

// Operations of a batch: u8 op, u24 key length, u32 value length, key, value. Keys are compared as
// bytes; FORMAT.md has their parts.
enum class StoreOp : uint8_t {
  put = 1,
  erase = 2,         // the value means nothing
  erase_range = 3,   // up to the key that has the value in place of its last 16 bytes, inclusive;
                     // where operations are handed over, up to the key that the value is
  put_snapshot = 4,  // as put, but keep the stored value when its first 8 bytes are equal to the
                     // new one's and its next 8 bytes, compared as bytes, are not lower
};

struct StoreOperation {
  StoreOp op = StoreOp::put;
  Bytes key, value;

  std::string last_key() const {  // of erase_range
    return Bytes(key.data, key.len - value.len).str() + value.str();
  }
};

struct OutputHead {
  Out kind{};
  uint32_t doc = 0;
  uint64_t a = 0, b = 0;
  uint32_t number = 0, len = 0;
};
static_assert(sizeof(OutputHead) == 32);

struct OutputRecord : OutputHead {
  Bytes payload;

  // Of a payload that has two parts: the first `n` bytes, and the others.
  Bytes first(uint64_t n) const { return Reader(payload).raw(static_cast<size_t>(n)); }
  Bytes after(uint64_t n) const {
    Reader in(payload);
    in.raw(static_cast<size_t>(n));
    return in.rest();
  }
};

// Reads records, or the operations of a batch, from borrowed bytes.
class OutputReader {
 public:
  explicit OutputReader(Bytes bytes) : r_(bytes) {}

  // The next record; false at the end.
  bool next(OutputRecord& out) {
    if (r_.left() < sizeof(OutputHead)) return false;
    Bytes head = r_.raw(sizeof(OutputHead));
    std::memcpy(static_cast<OutputHead*>(&out), head.data, sizeof(OutputHead));
    out.payload = r_.raw(out.len);
    return r_.ok();
  }
  bool next(StoreOperation& out) {
    if (r_.done()) return false;
    uint64_t head = r_.fixed64();
    out.op = static_cast<StoreOp>(head & 0xff);
    out.key = r_.raw(head >> 8 & 0xffffff);
    out.value = r_.raw(head >> 32);
    return r_.ok();
  }
  bool ok() const { return r_.ok(); }

 private:
  Reader r_;
};

inline void add(Buffer& to, Bytes bytes) { Writer(to).raw(bytes); }

// True when `value` must not replace `stored` (both values of StoreOp::put_snapshot).
inline bool snapshot_is_stale(Bytes stored, Bytes value) {
  return stored.len >= 16 && value.len >= 16 && std::memcmp(stored.data, value.data, 8) == 0 &&
         std::memcmp(stored.data + 8, value.data + 8, 8) >= 0;
}

}  // namespace synckit
