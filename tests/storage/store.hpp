// A storage plugin as the tests see it: the pure ABI behind plain C++ values.
//
// Why: the conformance suite must know nothing of a backend but `sk_storage_v1`. Every call checks
// the parts of the contract that hold for any call (a failure has a text, borrowed rows are
// copied at once).
//
// Threads: as the plugin; a Store may be used from several threads.
#pragma once

#include <synckit/outcome.hpp>

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace synckit::storage_test {

struct Write {  // one record to append
  std::string doc;
  uint64_t replica = 0, seq_lo = 0, seq_hi = 0;
  std::string payload;
};

struct Written {  // what became of it
  uint64_t position;
  sk_status status;
  bool duplicate;
  friend bool operator==(const Written&, const Written&) = default;
};

struct Row {
  uint64_t position, replica, seq_lo, seq_hi;
  int64_t time_ms;
  std::string payload;
  friend bool operator==(const Row&, const Row&) = default;
};

struct Head {
  bool exists = false;
  uint64_t epoch = 0, position = 0, snapshot_position = 0, trimmed = 0;
  std::vector<std::pair<uint64_t, uint64_t>> version;
};

struct Listed {
  std::string doc;
  uint64_t position;
  int64_t updated_ms;
  friend bool operator==(const Listed&, const Listed&) = default;
};

struct Loaded {
  uint64_t position = 0;
  std::string bytes;
};

inline std::ostream& operator<<(std::ostream& out, const Written& w) {
  return out << "{at " << w.position << " status " << w.status << (w.duplicate ? " dup" : "")
             << "}";
}
inline std::ostream& operator<<(std::ostream& out, const Row& r) {
  return out << "{" << r.position << ": " << r.replica << " " << r.seq_lo << "-" << r.seq_hi
             << " t" << r.time_ms << " " << r.payload.size() << " bytes}";
}
inline std::ostream& operator<<(std::ostream& out, const Listed& l) {
  return out << "{" << l.doc << " at " << l.position << " t" << l.updated_ms << "}";
}

// A fresh sk_error, and after the call what it says.
class Complaint {
 public:
  Complaint() { error_.size = sizeof error_; }
  sk_error* get() { return &error_; }
  std::string text() const { return error_.text; }
  // A failure comes with its code and a sentence.
  sk_status check(sk_status status) const {
    if (status != SK_OK) {
      EXPECT_EQ(error_.code, status);
      EXPECT_NE(text(), "");
    }
    return status;
  }

 private:
  sk_error error_{};
};

class Store {
 public:
  explicit Store(sk_plugin_fn entry) {
    const sk_plugin* plugin = entry();
    EXPECT_EQ(plugin->magic, SK_ABI_MAGIC);
    EXPECT_EQ(plugin->major, SK_ABI_MAJOR);
    api_ = static_cast<const sk_storage_v1*>(plugin->get_interface(SK_IFACE_STORAGE, 0));
    EXPECT_NE(api_, nullptr);
    EXPECT_EQ(plugin->get_interface(SK_IFACE_STORAGE, 1), nullptr);
    EXPECT_EQ(plugin->get_interface("synckit.unheard-of/1", 0), nullptr);
  }
  ~Store() { close(); }
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  sk_status open(const std::string& config, std::string* text = nullptr) {
    close();
    Complaint complaint;
    sk_status status =
        complaint.check(api_->open(config.data(), config.size(), &store_, complaint.get()));
    if (status != SK_OK) store_ = nullptr;
    if (text) *text = complaint.text();
    return status;
  }
  void close() {
    if (store_) api_->close(store_);
    store_ = nullptr;
  }

  sk_status append(const std::vector<Write>& writes, int64_t now_ms, std::vector<Written>* out,
                   std::string* text = nullptr) {
    std::vector<sk_append> records(writes.size());
    for (size_t i = 0; i < writes.size(); ++i) {
      const Write& w = writes[i];
      records[i] = {Bytes(w.doc), w.replica, w.seq_lo, w.seq_hi, Bytes(w.payload), 99, 99, 99};
    }
    Complaint complaint;
    sk_status status = complaint.check(
        api_->append(store_, records.data(), records.size(), now_ms, complaint.get()));
    if (text) *text = complaint.text();
    if (out) out->clear();
    if (status == SK_OK && out) {
      for (const sk_append& r : records) out->push_back({r.position, r.status, r.duplicate != 0});
    }
    return status;
  }
  // Append that must not fail as a whole.
  std::vector<Written> put(const std::vector<Write>& writes, int64_t now_ms = 1000) {
    std::vector<Written> out;
    std::string text;
    EXPECT_EQ(append(writes, now_ms, &out, &text), SK_OK) << text;
    return out;
  }

  Head head(const std::string& doc) {
    Head head;
    sk_head raw{};
    raw.size = sizeof raw;
    Buffer version;
    Complaint complaint;
    sk_bytes id = Bytes(doc);
    EXPECT_EQ(complaint.check(api_->head(store_, &id, &raw, &version, complaint.get())), SK_OK)
        << complaint.text();
    head.exists = raw.exists != 0;
    head.epoch = raw.epoch;
    head.position = raw.position;
    head.snapshot_position = raw.snapshot_position;
    head.trimmed = raw.trimmed;
    EXPECT_EQ(version.len % sizeof(sk_dot), 0u);
    for (size_t at = 0; at < version.len; at += sizeof(sk_dot)) {
      sk_dot dot;
      std::memcpy(&dot, version.data + at, sizeof dot);
      if (!head.version.empty()) {
        EXPECT_LT(head.version.back().first, dot.replica);
      }
      EXPECT_NE(dot.seq, 0u);
      head.version.emplace_back(dot.replica, dot.seq);
    }
    return head;
  }

  // `stop_after` rows the callback says that it has enough.
  sk_status read(const std::string& doc, uint64_t after, uint64_t max_bytes,
                 std::vector<Row>* rows, size_t stop_after = SIZE_MAX) {
    struct Context {
      std::vector<Row>* rows;
      size_t left;
    } context{rows, stop_after};
    rows->clear();
    Complaint complaint;
    sk_bytes id = Bytes(doc);
    auto each = [](void* raw, const sk_record* r) -> int {
      auto* c = static_cast<Context*>(raw);
      c->rows->push_back(
          {r->position, r->replica, r->seq_lo, r->seq_hi, r->time_ms, Bytes(r->payload).str()});
      return --c->left == 0 ? 1 : 0;
    };
    return complaint.check(
        api_->read(store_, &id, after, max_bytes, each, &context, complaint.get()));
  }
  std::vector<Row> all(const std::string& doc, uint64_t after = 0) {
    std::vector<Row> rows;
    EXPECT_EQ(read(doc, after, UINT64_MAX, &rows), SK_OK);
    return rows;
  }

  sk_status save(const std::string& doc, uint64_t position, uint64_t expected, uint64_t trim,
                 const std::string& snapshot) {
    Complaint complaint;
    sk_bytes id = Bytes(doc);
    return complaint.check(api_->save(store_, &id, position, expected, trim,
                                      Bytes(snapshot).data, snapshot.size(), complaint.get()));
  }
  Loaded load(const std::string& doc) {
    Loaded loaded;
    Buffer bytes;
    Complaint complaint;
    sk_bytes id = Bytes(doc);
    EXPECT_EQ(complaint.check(
                  api_->load(store_, &id, &bytes, &loaded.position, complaint.get())),
              SK_OK)
        << complaint.text();
    loaded.bytes = bytes.str();
    return loaded;
  }

  std::vector<Listed> list(const std::string& prefix, const std::string& after = "",
                           int64_t since_ms = 0, uint32_t limit = 1000,
                           size_t stop_after = SIZE_MAX) {
    struct Context {
      std::vector<Listed> rows;
      size_t left;
    } context{{}, stop_after};
    Complaint complaint;
    sk_bytes p = Bytes(prefix), a = Bytes(after);
    auto each = [](void* raw, const sk_listed* l) -> int {
      auto* c = static_cast<Context*>(raw);
      c->rows.push_back({Bytes(l->doc).str(), l->position, l->updated_ms});
      return --c->left == 0 ? 1 : 0;
    };
    EXPECT_EQ(complaint.check(api_->list(store_, &p, &a, since_ms, limit, each, &context,
                                         complaint.get())),
              SK_OK)
        << complaint.text();
    return context.rows;
  }

  sk_status erase(const std::string& doc) {
    Complaint complaint;
    sk_bytes id = Bytes(doc);
    return complaint.check(api_->erase(store_, &id, complaint.get()));
  }

  const sk_storage_v1* api() const { return api_; }
  void* raw() const { return store_; }

 private:
  const sk_storage_v1* api_ = nullptr;
  void* store_ = nullptr;
};

}  // namespace synckit::storage_test
