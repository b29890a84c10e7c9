// synckit::Client: the client engine with a WebSocket, a SQLite file and a thread of its own, for
// desktop, mobile and tests. It does in C++ what sdk/js does in TypeScript.
//
// Threads. Every member may be called from any thread; calls never wait for the network or the
// disk, except open_document (reads the store), flush, saved and close. Callbacks run on the
// client's own thread, one at a time, and must not call flush, saved or close.
//
// Durability. An edit is visible at once, `saved` when the SQLite file holds it (WAL,
// synchronous=FULL), sent only then, and `durable` when the host acknowledged it. One client owns a
// file: opening it twice is refused.
#pragma once

#include <client/engine.hpp>

#include <functional>
#include <memory>
#include <string>

namespace synckit {

struct ClientConfig {
  std::string url;    // "ws://127.0.0.1:4242/sync"; empty: local only
  std::string token;  // credential for Hello
  std::string path;   // SQLite file; empty: nothing is kept
  std::string name = "synckit-native/0.1.0";
  EngineLimits limits;
};

// Told to ClientListener; all default to nothing.
struct ClientListener {
  // The view of a field changed: by someone else's edit (patch), or altogether (reset).
  std::function<void(DocHandle, Bytes field, Bytes type, Bytes patch)> patch;
  std::function<void(DocHandle)> reset;
  // Own changes of the document up to `seq` have reached `stage`.
  std::function<void(DocHandle, Stage stage, uint64_t seq)> progress;
  std::function<void(DocHandle, DocStatus)> status;  // doc 0: all together
  std::function<void(DocHandle, uint64_t seq, sk_status code, const std::string& message)> rejected;
  // Empty data: it left; of replica 0: all have.
  std::function<void(DocHandle, uint64_t replica, Bytes data)> presence;
  std::function<void(DocHandle, sk_status code, const std::string& message)> error;
};

class Client {
 public:
  // `registry` must outlive the client. Throws std::runtime_error when the file cannot be opened.
  Client(const Registry& registry, const ClientConfig& config, ClientListener listener = {});
  ~Client();  // closes; what is not saved yet is saved first
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  uint64_t replica() const;
  Status open_document(const std::string& id, DocHandle& out);

  // A local edit, visible when it returns; edits of one call are one transaction. `patch`
  // (optional) gets what changed.
  Status edit(DocHandle doc, const std::string& field, const std::string& type, Bytes intent,
              Buffer* patch = nullptr);
  // Several edits as one transaction: `edits` calls `edit` on the same thread.
  Status transact(DocHandle doc, const std::function<void()>& edits);

  Status view(DocHandle doc, const std::string& field, const std::string& type, Buffer& json) const;
  Status view_all(DocHandle doc, Buffer& json) const;
  uint64_t digest(DocHandle doc) const;
  DocStatus status(DocHandle doc) const;
  uint32_t pending(DocHandle doc) const;   // transactions that the host has not acknowledged
  uint64_t last_seq(DocHandle doc) const;  // of own committed changes
  Status presence(DocHandle doc, const std::string& json);

  void online(bool wanted);
  // Waits until every change is durable on the host; false when timeout_ms passed first.
  bool flush(uint64_t timeout_ms);
  // Waits until every change is in the file; false when timeout_ms passed first.
  bool saved(uint64_t timeout_ms);

 private:
  struct Core;
  std::unique_ptr<Core> core_;
};

}  // namespace synckit
