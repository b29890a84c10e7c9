// Opening a SyncKit database: options, the lock against a second host, schema, connections.
//
// Threads: open_database runs alone. A Reader is used by one thread at a time (see ReaderPool in
// sqlite.cpp).
#pragma once

#include "db.hpp"

#include <memory>

namespace synckit::sqlite {

inline constexpr int kSchemaVersion = 1;
inline constexpr int kApplicationId = 0x534b5331;  // "SKS1"

struct Options {
  std::string path = "synckit.db";  // absolute after read()
  std::string synchronous = "full";
  int64_t busy_timeout_ms = 5000;
  int64_t cache_mib = 16;
  int64_t max_size_mib = 0;  // 0 = as large as the disk allows

  Outcome read(std::string_view config);
};

// Holds `<path>.lock` for this process. The file itself stays: removing it would race with the
// next host.
class HostLock {
 public:
  HostLock() = default;
  ~HostLock();
  HostLock(const HostLock&) = delete;
  HostLock& operator=(const HostLock&) = delete;
  Outcome take(const std::string& database_path);

 private:
  int file_ = -1;
};

// A connection that only reads.
struct Reader {
  Db db;
  Statement find, versions, log, snapshot, list;

  static Outcome open(const Options& options, std::unique_ptr<Reader>& reader);
};

// Opens `db` for writing; creates the schema in a new file, checks it in an old one.
Outcome open_database(const Options& options, Db& db);

}  // namespace synckit::sqlite
