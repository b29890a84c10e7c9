// check/doc.hpp: one instance of a CRDT type, driven through the pure ABI, for tests and for the
// law checker. Strings instead of buffers, results instead of out parameters; nothing is shipped
// to browsers here, so the standard library is welcome.
//
// Threads: one caller at a time per Doc.
#pragma once

#include <synckit/crdt.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace synckit::check {

// A version vector that owns its dots.
using VersionMap = std::map<uint64_t, uint64_t>;

inline std::vector<sk_dot> dots_of(const VersionMap& version) {
  std::vector<sk_dot> dots;
  for (const auto& [replica, seq] : version) {
    if (seq != 0) dots.push_back({replica, seq});
  }
  return dots;
}

// What one call gave. On failure the outputs are empty.
struct Outcome {
  sk_status status = SK_OK;
  std::string error;
  std::string delta, patch;
  uint32_t seqs = 0;

  bool ok() const { return status == SK_OK; }
};

struct Inspected {
  sk_status status = SK_OK;
  std::string error;
  sk_summary summary{};
  std::vector<sk_dot> deps;

  bool ok() const { return status == SK_OK; }
};

// An output that cannot grow beyond `limit` bytes.
struct TightBuffer : sk_buf {
  explicit TightBuffer(size_t limit) : sk_buf{nullptr, 0, 0, &TightBuffer::grow}, limit_(limit) {}
  TightBuffer(const TightBuffer&) = delete;
  TightBuffer& operator=(const TightBuffer&) = delete;

 private:
  static sk_status grow(sk_buf* self, size_t capacity) {
    auto* tight = static_cast<TightBuffer*>(self);
    if (capacity > tight->limit_) return SK_NOMEM;
    tight->bytes_.resize(capacity);
    tight->data = tight->bytes_.data();
    tight->cap = capacity;
    return SK_OK;
  }
  size_t limit_;
  std::vector<uint8_t> bytes_;
};

class Doc {
 public:
  explicit Doc(const sk_crdt_v1* type) : type_(type) {
    if (type->create(&doc_, nullptr) != SK_OK) doc_ = nullptr;
  }
  Doc(Doc&& other) noexcept : type_(other.type_), doc_(std::exchange(other.doc_, nullptr)) {}
  Doc& operator=(Doc&& other) noexcept {
    std::swap(type_, other.type_);
    std::swap(doc_, other.doc_);
    return *this;
  }
  ~Doc() {
    if (doc_) type_->destroy(doc_);
  }

  const sk_crdt_v1* type() const { return type_; }
  void* raw() const { return doc_; }

  Outcome mutate(const sk_stamp& stamp, std::string_view intent) {
    Buffer delta, patch;
    Outcome out;
    Error error;
    Bytes in(intent);
    out.status =
        type_->mutate(doc_, &stamp, in.data, in.len, &delta, &patch, &out.seqs, error.get());
    return finish(std::move(out), error, delta, patch);
  }

  Outcome merge(std::string_view delta) {
    Buffer none, patch;
    Outcome out;
    Error error;
    Bytes in(delta);
    out.status = type_->merge(doc_, in.data, in.len, &patch, error.get());
    return finish(std::move(out), error, none, patch);
  }

  Outcome restamp(const sk_stamp& stamp, std::string_view delta) {
    Buffer fresh, none;
    Outcome out;
    Error error;
    Bytes in(delta);
    out.status = type_->restamp(doc_, &stamp, in.data, in.len, &fresh, error.get());
    return finish(std::move(out), error, fresh, none);
  }

  Outcome encode(const VersionMap& since = {}) const {
    Buffer delta, none;
    Outcome out;
    Error error;
    std::vector<sk_dot> dots = dots_of(since);
    sk_version version{dots.data(), dots.size()};
    out.status = type_->encode(doc_, &version, &delta, error.get());
    return finish(std::move(out), error, delta, none);
  }

  // Forgets what only replicas behind `stable` could need; for a type that has compact().
  Outcome compact(const VersionMap& stable) {
    Buffer none;
    Outcome out;
    Error error;
    std::vector<sk_dot> dots = dots_of(stable);
    sk_version version{dots.data(), dots.size()};
    out.status = type_->compact(doc_, &version, error.get());
    return finish(std::move(out), error, none, none);
  }

  // The view, or the error's text behind "error: ".
  std::string view() const {
    Buffer json;
    Error error;
    if (type_->view(doc_, &json, error.get()) != SK_OK) return "error: " + error.text();
    return json.str();
  }

  // The snapshot's bytes; what an honest type never returns when it fails.
  std::string snapshot() const {
    Outcome out = encode();
    return out.ok() ? out.delta : "error: " + out.error;
  }

  // A fresh instance made from this one's snapshot.
  Doc copy() const {
    Doc fresh(type_);
    Outcome out = encode();
    if (out.ok()) fresh.merge(out.delta);
    return fresh;
  }

 private:
  class Error {
   public:
    Error() {
      error_.size = sizeof error_;
      error_.text[0] = '\0';
    }
    sk_error* get() { return &error_; }
    std::string text() const { return error_.text; }

   private:
    sk_error error_{};
  };

  static Outcome finish(Outcome out, const Error& error, const Buffer& delta,
                        const Buffer& patch) {
    if (out.ok()) {
      out.delta = delta.str();
      out.patch = patch.str();
    } else {
      out.error = error.text();
      out.seqs = 0;
    }
    return out;
  }

  const sk_crdt_v1* type_;
  void* doc_ = nullptr;
};

inline Inspected inspect(const sk_crdt_v1* type, std::string_view delta) {
  Inspected out;
  out.summary.size = sizeof out.summary;
  sk_error error{};
  error.size = sizeof error;
  Buffer deps;
  Bytes in(delta);
  out.status = type->inspect(in.data, in.len, &out.summary, &deps, &error);
  out.error = error.text;
  if (out.ok()) {
    out.deps.resize(deps.len / sizeof(sk_dot));
    if (!out.deps.empty()) std::memcpy(out.deps.data(), deps.data, deps.len);
  }
  return out;
}

// The CRDT (and sampler) with the index-th synckit.crdt/1 interface of a plugin.
inline const sk_crdt_v1* crdt_of(const sk_plugin* plugin, uint32_t index = 0) {
  return static_cast<const sk_crdt_v1*>(plugin->get_interface(SK_IFACE_CRDT, index));
}
inline const sk_crdt_samples_v1* samples_of(const sk_plugin* plugin, std::string_view type) {
  for (uint32_t i = 0;; ++i) {
    const void* found = plugin->get_interface(SK_IFACE_SAMPLES, i);
    const auto* samples = static_cast<const sk_crdt_samples_v1*>(found);
    if (!samples || type == samples->type) return samples;
  }
}

}  // namespace synckit::check
