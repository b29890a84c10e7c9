// synckit/storage.hpp: the C++20 layer for storage plugin authors. One class, one macro:
//
//   struct MyStore : synckit::Storage<MyStore> {
//     static constexpr synckit::StorageInfo kInfo{"mystore", SK_STORAGE_DURABLE};
//     static synckit::Outcome open(std::string_view config, std::unique_ptr<MyStore>& store);
//     synckit::Outcome append(std::span<sk_append> records, int64_t now_ms);
//     synckit::Outcome head(synckit::Bytes doc, sk_head& head, synckit::Writer& version);
//     synckit::Outcome read(synckit::Bytes doc, uint64_t after, uint64_t max_bytes,
//                           const synckit::RecordSink& each);
//     synckit::Outcome save(synckit::Bytes doc, uint64_t position, uint64_t expected,
//                           uint64_t trim, synckit::Bytes snapshot);
//     synckit::Outcome load(synckit::Bytes doc, synckit::Writer& snapshot, uint64_t& position);
//     synckit::Outcome list(const synckit::ListQuery& query, const synckit::ListedSink& each);
//     synckit::Outcome erase(synckit::Bytes doc);
//   };
//   SYNCKIT_STORAGE_PLUGIN(MyStore, "com.example.mystore", "1.0.0")
//
// The duties are in abi.h; `tests/storage` checks them for any plugin. What this layer settles, so
// that all backends agree:
//   - a document id has 1 to kMaxDocIdBytes bytes (SK_MALFORMED, SK_LIMIT otherwise);
//   - append: `position` and `duplicate` start at 0. A record that no store could accept (replica
//     0, seq 0, an empty or reversed range, beyond a limit below) arrives with its own status
//     SK_MALFORMED or SK_LIMIT; the store skips whatever does not arrive as SK_OK, and the other
//     records of the batch are stored;
//   - save: position 0 or trim > position is SK_MALFORMED. The store answers SK_CONFLICT when the
//     position is past the end of the log, or below the snapshot that is there;
//   - read: gives as many records as fit into max_bytes together, and one that is larger alone.
//
// Exceptions may be thrown inside a member; they end in the thunks (bad_alloc -> SK_NOMEM, anything
// else -> SK_INTERNAL). Threads: open and close run alone; everything else may run at once.
#pragma once

#include <synckit/outcome.hpp>

#include <memory>
#include <span>

namespace synckit {

inline constexpr size_t kMaxDocIdBytes = 512;
inline constexpr size_t kMaxBlobBytes = 512u << 20;  // one payload, one snapshot
inline constexpr uint64_t kMaxSeq = INT64_MAX;       // databases have signed integers

struct StorageInfo {
  const char* name;
  uint32_t flags = 0;  // SK_STORAGE_...
};

// What `list` is asked for.
struct ListQuery {
  Bytes prefix, after;
  int64_t updated_since_ms = 0;
  uint32_t limit = 0;
};

// Hands rows to the host; false means that it wants no more.
class RecordSink {
 public:
  RecordSink(sk_record_fn each, void* context) : each_(each), context_(context) {}
  bool operator()(const sk_record& record) const { return each_(context_, &record) == 0; }

 private:
  sk_record_fn each_;
  void* context_;
};

class ListedSink {
 public:
  ListedSink(sk_listed_fn each, void* context) : each_(each), context_(context) {}
  bool operator()(const sk_listed& listed) const { return each_(context_, &listed) == 0; }

 private:
  sk_listed_fn each_;
  void* context_;
};

inline Status check_doc_id(Bytes doc) {
  if (doc.len == 0) return Status::malformed("a document id has at least 1 byte");
  if (doc.len > kMaxDocIdBytes) return Status::limit("a document id has at most 512 bytes");
  return {};
}

// The status a record of append arrives with.
inline sk_status check_record(const sk_append& record) {
  if (sk_status code = check_doc_id(record.doc).code(); code != SK_OK) return code;
  if (record.replica == 0 || record.seq_lo == 0 || record.seq_hi < record.seq_lo) {
    return SK_MALFORMED;
  }
  return record.seq_hi > kMaxSeq || record.payload.len > kMaxBlobBytes ? SK_LIMIT : SK_OK;
}

template <class T>
struct Storage {
  static const sk_storage_v1* storage_interface() {
    static const sk_storage_v1 table = make_table();
    return &table;
  }

 private:
  static T& self(void* store) { return *static_cast<T*>(store); }
  static Bytes bytes(const sk_bytes* from) { return from ? Bytes(*from) : Bytes(); }

  static sk_storage_v1 make_table() {
    sk_storage_v1 t{};
    t.size = sizeof t;
    t.flags = T::kInfo.flags;
    t.name = T::kInfo.name;
    t.open = [](const char* config, size_t len, void** store, sk_error* error) {
      return shielded(error, [&]() -> Outcome {
        std::unique_ptr<T> opened;
        SK_TRY_OUTCOME(T::open(std::string_view(config, len), opened));
        *store = opened.release();
        return {};
      });
    };
    t.close = [](void* store) { delete static_cast<T*>(store); };
    t.append = &append;
    t.head = [](void* store, sk_bytes* doc, sk_head* head, sk_buf* version, sk_error* error) {
      return shielded(error, [&]() -> Outcome {
        *head = sk_head{head->size, 0, 0, 0, 0, 0};
        Writer v(version);
        SK_TRY_OUTCOME(check_doc_id(bytes(doc)));
        SK_TRY_OUTCOME(self(store).head(bytes(doc), *head, v));
        return v.status();
      });
    };
    t.read = [](void* store, sk_bytes* doc, uint64_t after, uint64_t max_bytes,
                sk_record_fn each, void* context, sk_error* error) {
      return shielded(error, [&]() -> Outcome {
        SK_TRY_OUTCOME(check_doc_id(bytes(doc)));
        return self(store).read(bytes(doc), after, max_bytes, RecordSink(each, context));
      });
    };
    t.save = &save;
    t.load = [](void* store, sk_bytes* doc, sk_buf* snapshot, uint64_t* position,
                sk_error* error) {
      return shielded(error, [&]() -> Outcome {
        *position = 0;
        Writer s(snapshot);
        SK_TRY_OUTCOME(check_doc_id(bytes(doc)));
        SK_TRY_OUTCOME(self(store).load(bytes(doc), s, *position));
        return s.status();
      });
    };
    t.list = [](void* store, sk_bytes* prefix, sk_bytes* after, int64_t updated_since_ms,
                uint32_t limit, sk_listed_fn each, void* context, sk_error* error) {
      return shielded(error, [&]() -> Outcome {
        ListQuery query{bytes(prefix), bytes(after), updated_since_ms, limit};
        if (query.prefix.len > kMaxDocIdBytes || query.after.len > kMaxDocIdBytes) {
          return {SK_LIMIT, "a document id, and so a prefix of one, has at most 512 bytes"};
        }
        if (limit == 0) return {};
        return self(store).list(query, ListedSink(each, context));
      });
    };
    t.erase = [](void* store, sk_bytes* doc, sk_error* error) {
      return shielded(error, [&]() -> Outcome {
        SK_TRY_OUTCOME(check_doc_id(bytes(doc)));
        return self(store).erase(bytes(doc));
      });
    };
    return t;
  }

  static sk_status append(void* store, sk_append* records, size_t count, int64_t now_ms,
                          sk_error* error) {
    return shielded(error, [&]() -> Outcome {
      for (size_t i = 0; i < count; ++i) {
        records[i].position = 0;
        records[i].duplicate = 0;
        records[i].status = check_record(records[i]);
      }
      if (count == 0) return {};
      return self(store).append(std::span<sk_append>(records, count), now_ms);
    });
  }

  static sk_status save(void* store, sk_bytes* doc, uint64_t position, uint64_t expected,
                        uint64_t trim, const uint8_t* snapshot, size_t snapshot_len,
                        sk_error* error) {
    return shielded(error, [&]() -> Outcome {
      SK_TRY_OUTCOME(check_doc_id(bytes(doc)));
      if (position == 0) {
        return {SK_MALFORMED, "a snapshot covers at least position 1; there is nothing to save"};
      }
      if (trim > position) {
        return {SK_MALFORMED, "trim is past the position that the snapshot covers: records "
                              "that are nowhere else would be lost"};
      }
      if (snapshot_len > kMaxBlobBytes) {
        return {SK_LIMIT, "a snapshot has at most 512 MiB"};
      }
      return self(store).save(bytes(doc), position, expected, trim, Bytes(snapshot, snapshot_len));
    });
  }
};

}  // namespace synckit

// Exports one storage class as a plugin.
#define SYNCKIT_STORAGE_PLUGIN(Class, plugin_id, plugin_version) \
  SYNCKIT_EXPORT_PLUGIN(plugin_id, plugin_version, SK_IFACE_STORAGE, Class::storage_interface())
