// synckit/bytes.hpp: statuses, byte views, growable buffers, and the varint reader and writer
// that every SyncKit format is built from.
//
// Header only, no exceptions needed, no iostreams: the same code ships to browsers, where bytes
// are a feature. Nothing here is thread-safe by itself; distinct objects are independent.
//
// Encodings (all little endian): varint = unsigned LEB128, at most 10 bytes, of which a reader
// accepts only the shortest form; zigzag = varint of (n << 1) ^ (n >> 63); fixed64 = 8 bytes.
// Machines are little endian too.
#pragma once

#include <synckit/abi.h>

#include <bit>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace synckit {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);

// Out of memory: an exception where there are some (the ABI thunks turn it into SK_NOMEM),
// a trap where there are none.
[[noreturn]] inline void out_of_memory() {
#if defined(__cpp_exceptions)
  throw std::bad_alloc();
#else
  __builtin_trap();
#endif
}

// One copy of a function that many use, where code has to be compiled before it runs fast.
#if defined(__wasm__)
#define SK_ONCE [[gnu::noinline]]
#else
#define SK_ONCE
#endif

// malloc, as out_of_memory() has it.
SK_ONCE inline void* allocate(size_t size) {
  void* made = std::malloc(size);
  if (!made) out_of_memory();
  return made;
}

// Inlined where a call would cost more than what it does; where bytes count for more, the compiler
// decides.
#if defined(SYNCKIT_SMALL)
#define SK_NOW inline
#else
#define SK_NOW [[gnu::always_inline]] inline
#endif

// memcpy. In WASM that is a call out of the module, which costs more than a few bytes do.
#if defined(__wasm__) && !defined(SYNCKIT_SMALL)
inline void copy_bytes(uint8_t* to, const void* from, size_t len) {
  if (len > 64) {
    std::memcpy(to, from, len);
    return;
  }
  const auto* at = static_cast<const uint8_t*>(from);
  for (; len >= 8; len -= 8, to += 8, at += 8) std::memcpy(to, at, 8);
  while (len--) *to++ = *at++;
}
#else
inline void copy_bytes(uint8_t* to, const void* from, size_t len) {
#if !defined(SYNCKIT_SMALL)
  if (len == 1) {  // what is typed
    *to = *static_cast<const uint8_t*>(from);
    return;
  }
#endif
  std::memcpy(to, from, len);
}
#endif

// Kept apart from the functions that use it: what is hot stays small, needs few registers, and is
// compiled early and cheaply where it has to be compiled. Not where bytes count for more.
#if defined(SYNCKIT_SMALL)
#define SK_APART
#else
#define SK_APART [[gnu::noinline]]
#endif

// The result of a call: a code from abi.h and, on failure, one sentence with static lifetime.
// One machine word, so that it is returned in a register and success is tested by comparing with
// zero: the sentence's address, and the code in the byte that no address of a literal uses (64-bit
// user space ends at 2^56; in WASM, literals lie in the first 16 MiB).
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(sk_status code, const char* text)
      : word_(reinterpret_cast<uintptr_t>(text) + (static_cast<uintptr_t>(code) << kShift)) {}

  bool ok() const { return word_ == 0; }
  sk_status code() const { return static_cast<sk_status>(word_ >> kShift); }
  const char* text() const {  // "" on success
    return ok() ? "" : reinterpret_cast<const char*>(word_ & ((uintptr_t{1} << kShift) - 1));
  }
  static Status success() { return {}; }
  static Status malformed(const char* text) { return {SK_MALFORMED, text}; }
  static Status limit(const char* text) { return {SK_LIMIT, text}; }

 private:
  static constexpr int kShift = 8 * (sizeof(uintptr_t) - 1);
  uintptr_t word_ = 0;
};

// A sentence of a type. Builds whose callers never show it leave it out (sdk/wasm/builtin.hpp).
#if !defined(SK_TEXT)
#define SK_TEXT(literal) literal
#endif

#define SK_TRY(expression)                                         \
  do {                                                             \
    if (::synckit::Status sk_try_ = (expression); !sk_try_.ok()) { \
      return sk_try_;                                              \
    }                                                              \
  } while (0)

// A borrowed run of bytes.
struct Bytes {
  const uint8_t* data = nullptr;
  size_t len = 0;

  constexpr Bytes() = default;
  constexpr Bytes(const uint8_t* bytes, size_t size) : data(bytes), len(size) {}
  Bytes(std::string_view text)  // NOLINT(google-explicit-constructor): text is bytes
      : data(reinterpret_cast<const uint8_t*>(text.data())), len(text.size()) {}
  Bytes(const std::string& text) : Bytes(std::string_view(text)) {}  // NOLINT
  Bytes(const char* text) : Bytes(std::string_view(text)) {}         // NOLINT
  Bytes(sk_bytes bytes) : data(bytes.data), len(bytes.len) {}        // NOLINT
  operator sk_bytes() const { return {data, len}; }                  // NOLINT

  bool empty() const { return len == 0; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data), len}; }
  std::string str() const { return std::string(text()); }
  friend bool operator==(Bytes a, Bytes b) {
    return a.len == b.len && (a.len == 0 || std::memcmp(a.data, b.data, a.len) == 0);
  }
  friend bool operator<(Bytes a, Bytes b) { return a.text() < b.text(); }
};

// 64-bit FNV-1a, going on from `hash`.
SK_ONCE inline uint64_t fnv(Bytes bytes, uint64_t hash = 0xcbf29ce484222325u) {
  for (size_t i = 0; i < bytes.len; ++i) hash = (hash ^ bytes.data[i]) * 0x100000001b3u;
  return hash;
}

// An owning, growable sk_buf. Moves, never copies silently. In a module for browsers nobody else
// makes one, so there all are grown without asking them how.
class Buffer : public sk_buf {
 public:
#if defined(SYNCKIT_SMALL)
  constexpr Buffer() : sk_buf{} {}
#else
  constexpr Buffer() : sk_buf{nullptr, 0, 0, &Buffer::grow} {}
#endif
  Buffer(Buffer&& other) noexcept : Buffer() { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    swap(other);
    return *this;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { std::free(data); }

  void swap(Buffer& other) noexcept {
    std::swap(data, other.data);
    std::swap(len, other.len);
    std::swap(cap, other.cap);
  }
  void clear() { len = 0; }
  bool empty() const { return len == 0; }
  Bytes bytes() const { return {data, len}; }
  operator Bytes() const { return {data, len}; }  // NOLINT
  std::string str() const { return bytes().str(); }

  // Makes room for `capacity` bytes in all.
  static sk_status grow(sk_buf* self, size_t capacity) {
    if (capacity <= self->cap) return SK_OK;
    size_t next = self->cap + self->cap / 2;
    if (next < capacity) next = capacity;
    if (next < 32) next = 32;
    void* moved = std::realloc(self->data, next);
    if (!moved) return SK_NOMEM;
    self->data = static_cast<uint8_t*>(moved);
    self->cap = next;
    return SK_OK;
  }
};

inline constexpr size_t kMaxVarintBytes = 10;

// Whether an output that cannot grow fails the call. A module for browsers stops there, as it does
// wherever else memory runs out.
#if defined(SYNCKIT_SMALL)
inline constexpr bool kOutputsFail = false;
#else
inline constexpr bool kOutputsFail = true;
#endif

// Appends to an sk_buf; a null target discards.
// A failed reserve makes it sticky-bad: check `status()` once at the end.
class Writer {
 public:
  Writer(sk_buf* target) : buf_(target) {}                           // NOLINT
  Writer(Buffer& target) : Writer(static_cast<sk_buf*>(&target)) {}  // NOLINT

  bool wanted() const { return buf_ != nullptr; }
#if defined(SYNCKIT_SMALL)
  bool ok() const { return true; }
#else
  bool ok() const { return !bad_; }
#endif
  Status status() const { return ok() ? Status{} : Status{SK_NOMEM, "out of memory"}; }

  // Whether `len` bytes can be written; from then on they can.
  SK_NOW bool make_room(size_t len) {
    return !buf_ || (ok() && (buf_->cap - buf_->len >= len || grow(len)));
  }
  void byte(uint8_t value) {
    if (uint8_t* at = room(1)) *at = value;
  }
  SK_ONCE void raw(const void* bytes, size_t len) {
    if (len == 0) return;
    if (uint8_t* at = room(len)) copy_bytes(at, bytes, len);
  }
  void raw(Bytes bytes) { raw(bytes.data, bytes.len); }
  SK_ONCE void varint(uint64_t value) {
#if defined(SYNCKIT_SMALL)
    Writer out = *this;
    for (; value >= 0x80; value >>= 7) out.byte(static_cast<uint8_t>(value | 0x80));
    out.byte(static_cast<uint8_t>(value));
#else
    // As a rule there is room for the longest one, and it need not be known how long this one is.
    if (buf_ && ok() && buf_->cap - buf_->len >= kLongestVarint) {
      buf_->len = static_cast<size_t>(put_varint(buf_->data + buf_->len, value) - buf_->data);
      return;
    }
    varint_of(value);
#endif
  }
  void zigzag(int64_t value) {
    varint((static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63));
  }
  SK_ONCE void fixed64(uint64_t value) {
    if (uint8_t* at = room(8)) std::memcpy(at, &value, 8);
  }
  SK_ONCE void sized(Bytes bytes) {  // varint length, then the bytes
    varint(bytes.len);
    raw(bytes);
  }

 private:
  SK_NOW uint8_t* room(size_t len) {
    sk_buf* to = buf_;
    if (!to || !make_room(len)) return nullptr;
    uint8_t* at = to->data + to->len;
    to->len += len;
    return at;
  }

#if !defined(SYNCKIT_SMALL)
  static constexpr size_t kLongestVarint = 10;
  SK_NOW static uint8_t* put_varint(uint8_t* at, uint64_t value) {
    for (; value >= 0x80; value >>= 7) *at++ = static_cast<uint8_t>(value | 0x80);
    *at++ = static_cast<uint8_t>(value);
    return at;
  }
  [[gnu::noinline]] void varint_of(uint64_t value) {
    // One byte for each 7 bits, as long as these are at most 64.
    uint8_t* at = room((9 * static_cast<size_t>(std::bit_width(value | 1)) + 64) / 64);
    if (at) put_varint(at, value);
  }
#endif
  [[gnu::noinline]] bool grow(size_t len) {
    size_t all = buf_->len + len;
#if defined(SYNCKIT_SMALL)
    if (Buffer::grow(buf_, all) != SK_OK) out_of_memory();
#else
    bad_ = buf_->reserve(buf_, all) != SK_OK;
#endif
    return ok();
  }

  sk_buf* buf_;
#if !defined(SYNCKIT_SMALL)  // there a writer is no more than what it writes to
  bool bad_ = false;
#endif
};

// Reads from borrowed bytes. Past the end or on a bad form it turns sticky-bad and returns
// zeros, so that a decoder checks once: `if (!reader.ok()) return Status::malformed(...)`.
class Reader {
 public:
  Reader(Bytes bytes) : at_(bytes.data), end_(bytes.data + bytes.len) {}

  bool ok() const { return end_ != &kFailed; }
  bool done() const { return at_ == end_; }
  bool good_end() const { return ok() && done(); }
  size_t left() const { return static_cast<size_t>(end_ - at_); }
  const uint8_t* at() const { return at_; }
  SK_ONCE void fail() { at_ = end_ = &kFailed; }

  uint8_t byte() {
    if (at_ == end_) return fail(), uint8_t{0};
    return *at_++;
  }
  SK_ONCE uint64_t varint() {
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {  // the tenth byte ends it, one way or the other
      if (at_ == end_) return fail(), 0;
      uint8_t b = *at_++;
#if defined(SYNCKIT_CLIENT_ONLY)  // what the host sends is in the shortest form
      value |= static_cast<uint64_t>(b & 0x7f) << (shift & 63);
      if (b < 0x80) return value;
    }
#else
      if (shift == 63 && b > 1) break;
      value |= static_cast<uint64_t>(b & 0x7f) << shift;
      if (b < 0x80) {
        if (b == 0 && shift != 0) break;  // not the shortest form
        return value;
      }
    }
    return fail(), 0;
#endif
  }
  int64_t zigzag() {
    uint64_t n = varint();
    return static_cast<int64_t>((n >> 1) ^ (~(n & 1) + 1));
  }
  uint64_t fixed64() {
    if (left() < 8) return fail(), 0;
    uint64_t value;
    std::memcpy(&value, at_, 8);
    at_ += 8;
    return value;
  }
  Bytes raw(uint64_t len) {
    if (left() < len) return fail(), Bytes{};
    Bytes out{at_, static_cast<size_t>(len)};
    at_ += out.len;
    return out;
  }
  Bytes sized() { return raw(varint()); }
  Bytes rest() { return raw(left()); }

 private:
  static constexpr uint8_t kFailed = 0;  // its address is where a reader ends that has failed

  const uint8_t* at_;
  const uint8_t* end_;
};

// What all Vecs do in one way, whatever their items: kept out of the template, so that it is there
// once. Lengths and capacities count items of `size` bytes.
class VecBase {
 public:
  size_t size() const { return len_; }
  bool empty() const { return len_ == 0; }
  void clear() { len_ = 0; }
  void truncate(size_t len) { len_ = len; }
  void pop_back() { --len_; }

  // Appends `count` items; their bytes are the caller's to write.
  SK_NOW void* extend(size_t count, size_t size) {
    if (cap_ - len_ < count) regrow(len_ + count > cap_ * 2 ? len_ + count : cap_ * 2, size);
    void* at = static_cast<uint8_t*>(data_) + len_ * size;
    len_ += count;
    return at;
  }

 protected:
  constexpr VecBase() = default;
  ~VecBase() { std::free(data_); }
  void swap(VecBase& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(len_, other.len_);
    std::swap(cap_, other.cap_);
  }
  [[gnu::noinline]] void regrow(size_t cap, size_t size) {
    if (cap < 4) cap = 4;
    if (cap > SIZE_MAX / size) out_of_memory();
    void* moved = std::realloc(data_, cap * size);
    if (!moved) out_of_memory();
    data_ = moved;
    cap_ = cap;
  }
  [[gnu::noinline]] void* open_gap(size_t at, size_t size) {
    extend(1, size);
    uint8_t* gap = static_cast<uint8_t*>(data_) + at * size;
    std::memmove(gap + size, gap, (len_ - 1 - at) * size);
    return gap;
  }
  [[gnu::noinline]] void close_gap(size_t at, size_t count, size_t size) {
    uint8_t* gap = static_cast<uint8_t*>(data_) + at * size;
    std::memmove(gap, gap + count * size, (len_ - at - count) * size);
    len_ -= count;
  }

  void* data_ = nullptr;
  size_t len_ = 0, cap_ = 0;
};

// A growable array of trivially copyable items: std::vector without its code size.
template <class T>
class Vec : public VecBase {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  constexpr Vec() = default;
  Vec(Vec&& other) noexcept { swap(other); }
  Vec& operator=(Vec&& other) noexcept {
    swap(other);
    return *this;
  }
  Vec(const Vec& other) : VecBase() { append(other.data(), other.len_); }
  Vec& operator=(const Vec& other) {
    if (this != &other) clear(), append(other.data(), other.len_);
    return *this;
  }

  T* begin() { return data(); }
  T* end() { return data() + len_; }
  const T* begin() const { return data(); }
  const T* end() const { return data() + len_; }
  T* data() { return static_cast<T*>(data_); }
  const T* data() const { return static_cast<const T*>(data_); }
  T& operator[](size_t i) { return data()[i]; }
  const T& operator[](size_t i) const { return data()[i]; }
  T& back() { return data()[len_ - 1]; }
  const T& back() const { return data()[len_ - 1]; }

  void reserve(size_t cap) {
    if (cap > cap_) regrow(cap, sizeof(T));
  }
  void push_back(const T& item) {
    T copy = item;  // it may be one of ours, which growing moves
    *static_cast<T*>(extend(1, sizeof(T))) = copy;
  }
  // A new last item, which the caller has to write.
  T& add() { return *static_cast<T*>(extend(1, sizeof(T))); }
  void append(const T* items, size_t count) {
    if (count) std::memcpy(extend(count, sizeof(T)), items, count * sizeof(T));
  }
  void resize(size_t len) {  // new items are zero bytes
    if (len > len_) {
      size_t more = len - len_;
      std::memset(extend(more, sizeof(T)), 0, more * sizeof(T));
    } else {
      len_ = len;
    }
  }
  void insert(size_t at, const T& item) {
    T copy = item;
    *static_cast<T*>(open_gap(at, sizeof(T))) = copy;
  }
  void erase(size_t at, size_t count = 1) { close_gap(at, count, sizeof(T)); }
  void swap(Vec& other) noexcept { VecBase::swap(other); }
};

}  // namespace synckit
