// The native client's store: one SQLite table of binary keys and values (sdk/client/FORMAT.md).
//
// Threads: one caller at a time.
#pragma once

#include <client/output.hpp>

#include <functional>
#include <string>

struct sqlite3;
struct sqlite3_stmt;

namespace synckit {

class ClientStore {
 public:
  // Opens or creates the file and locks it for this process. Throws std::runtime_error.
  explicit ClientStore(const std::string& path);
  ~ClientStore();
  ClientStore(const ClientStore&) = delete;
  ClientStore& operator=(const ClientStore&) = delete;

  // The replica id that this file belongs to; made at its first use.
  uint64_t replica() const { return replica_; }
  // All records whose key starts with `prefix`, ascending.
  void each(Bytes prefix, const std::function<void(Bytes key, Bytes value)>& visit);
  // Operations of one or more batches between begin and commit are one durable transaction.
  void begin();
  void apply(Bytes operations);
  void commit();
  void rollback();

 private:
  sqlite3_stmt* prepare(const char* sql);
  void run(const char* sql);
  void step(sqlite3_stmt* statement);
  [[noreturn]] void fail(const char* doing);

  std::string path_;
  sqlite3* db_ = nullptr;
  sqlite3_stmt *put_ = nullptr, *erase_ = nullptr, *range_ = nullptr, *get_ = nullptr,
               *scan_ = nullptr;
  uint64_t replica_ = 0;
};

}  // namespace synckit
