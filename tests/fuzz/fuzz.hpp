// What the fuzz targets share: requirements that abort with a sentence, inputs cut into chunks, the
// four built-in types behind the plugin ABI, and documents as comparable bytes.
#pragma once

#include "../support/builtin_plugins.hpp"

#include <kernel/document.hpp>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace synckit::fuzz {

// A finding: libFuzzer keeps the input of a run that aborts.
inline void require(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "fuzz: %s\n", what);
  std::abort();
}

inline const Registry& types() {
  static const Registry* registry = [] {
    auto* made = new Registry;
    for (auto entry : {synckit_plugin_v1_lww, synckit_plugin_v1_text, synckit_plugin_v1_set,
                       synckit_plugin_v1_counter}) {
      const void* table = entry()->get_interface(SK_IFACE_CRDT, 0);
      require(made->add(static_cast<const sk_crdt_v1*>(table)).ok(), "a type is not registered");
    }
    return made;
  }();
  return *registry;
}

// Cuts an input: chunks of one length byte (255: two more bytes of length) and that many bytes.
class Chunks {
 public:
  Chunks(const uint8_t* data, size_t len) : data_(data), len_(len) {}
  bool empty() const { return len_ == 0; }
  uint8_t byte() { return len_ ? *take(1) : 0; }
  std::string next() {
    size_t want = byte();
    if (want == 255) want = byte() | size_t{byte()} << 8;
    if (want > len_) want = len_;
    const uint8_t* at = take(want);  // a string of its own: ASan sees reads past its end
    return std::string(reinterpret_cast<const char*>(at), want);
  }

 private:
  const uint8_t* take(size_t n) {
    const uint8_t* at = data_;
    data_ += n, len_ -= n;
    return at;
  }
  const uint8_t* data_;
  size_t len_;
};

inline void put_chunk(std::string& out, const std::string& chunk) {
  if (chunk.size() < 255) {
    out += static_cast<char>(chunk.size());
  } else {
    out += '\xff';
    out += static_cast<char>(chunk.size() & 255);
    out += static_cast<char>(chunk.size() >> 8);
  }
  out += chunk;
}

inline std::string snapshot_of(const Document& doc) {
  Buffer out;
  require(doc.encode_snapshot(out).ok(), "a document does not encode");
  return out.str();
}
inline std::string view_of(const Document& doc) {
  Buffer out;
  require(doc.view_all(out).ok(), "a document has no view");
  return out.str();
}
inline Status load(Document& doc, const std::string& bytes) {
  wire::Snapshot snapshot;
  SK_TRY(wire::decode(Bytes(bytes), snapshot));
  return doc.merge_snapshot(snapshot, nullptr);
}

// What is in a document survives its own snapshot.
inline void require_reloads(const Document& doc) {
  if (doc.has_unknown_types()) return;
  std::string bytes = snapshot_of(doc);
  Document fresh(types());
  require(load(fresh, bytes).ok(), "a document does not load its own snapshot");
  require(snapshot_of(fresh) == bytes, "a reloaded document encodes differently");
  require(view_of(fresh) == view_of(doc), "a reloaded document looks different");
}

// Collects patches, so that types write them.
struct Patches : PatchSink {
  size_t bytes = 0;
  void patch(const DocumentField&, Bytes patch) override { bytes += patch.len; }
};

}  // namespace synckit::fuzz
