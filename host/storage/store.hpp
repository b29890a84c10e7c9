// The open store: the storage plugin's table behind C++ types.
//
// Threads: every function is [worker] of abi.h: may block, may be called by several threads.
#pragma once

#include <synckit/abi.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "kernel/version.hpp"

namespace synckit {

class Store {
 public:
  struct Head {
    bool exists = false;
    uint64_t epoch = 0, position = 0, snapshot_position = 0, trimmed = 0;
    VersionVector version;
  };
  struct Saved {
    uint64_t position = 0;  // 0: there is none
    Buffer bytes;
  };
  // Returning false stops the iteration.
  using RecordFn = std::function<bool(const sk_record&)>;
  using ListedFn = std::function<bool(const sk_listed&)>;

  static Result<std::unique_ptr<Store>> open(const sk_storage_v1* table, const std::string& config);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  Result<> append(sk_append* records, size_t count);
  Result<Head> head(std::string_view document) const;
  Result<> read(std::string_view document, uint64_t after, uint64_t max_bytes,
               const RecordFn& each) const;
  Result<> save(std::string_view document, uint64_t position, uint64_t expected, uint64_t trim,
               Bytes snapshot);
  Result<Saved> load(std::string_view document) const;
  Result<> list(std::string_view prefix, std::string_view after, int64_t updated_since_ms,
               uint32_t limit, const ListedFn& each) const;

  const char* name() const { return table_->name; }
  bool durable() const { return (table_->flags & SK_STORAGE_DURABLE) != 0; }

 private:
  Store(const sk_storage_v1* table, void* store) : table_(table), store_(store) {}
  const sk_storage_v1* table_;
  void* store_;
};

}  // namespace synckit
