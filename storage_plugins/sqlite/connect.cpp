// See connect.hpp; the schema is explained in FORMAT.md.
#include "connect.hpp"

#include <synckit/config.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <unistd.h>

namespace synckit::sqlite {
namespace {

namespace fs = std::filesystem;

const char kSchema[] = R"sql(
CREATE TABLE documents(
  key INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE,
  epoch INTEGER NOT NULL,
  position INTEGER NOT NULL,
  snapshot_position INTEGER NOT NULL,
  trimmed INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL);
CREATE TABLE log(
  doc INTEGER NOT NULL,
  position INTEGER NOT NULL,
  replica INTEGER NOT NULL,
  seq_lo INTEGER NOT NULL,
  seq_hi INTEGER NOT NULL,
  time_ms INTEGER NOT NULL,
  payload BLOB NOT NULL,
  PRIMARY KEY(doc, position)) WITHOUT ROWID;
CREATE INDEX log_by_author ON log(doc, replica, seq_hi);
CREATE TABLE versions(
  doc INTEGER NOT NULL,
  replica INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY(doc, replica)) WITHOUT ROWID;
CREATE TABLE snapshots(
  doc INTEGER PRIMARY KEY,
  data BLOB NOT NULL);
)sql";

// The WAL is cut back to this after a checkpoint, so that one burst does not keep the disk.
constexpr int64_t kWalKeepBytes = 64 << 20;

std::string named(const std::string& path) { return "'" + shortened(path, 100) + "'"; }

Outcome check_place(const std::string& path) {
  std::error_code ignored;
  fs::path folder = fs::path(path).parent_path();
  fs::file_status there = fs::status(folder, ignored);
  if (!fs::exists(there)) {
    return {SK_UNAVAILABLE, "the folder " + named(folder.string()) +
                                " does not exist; create it, or correct 'path'"};
  }
  if (!fs::is_directory(there)) {
    return {SK_UNAVAILABLE, named(folder.string()) + " is not a folder; correct 'path'"};
  }
  if (fs::is_directory(path, ignored)) {
    return {SK_UNAVAILABLE,
            named(path) + " is a folder; 'path' must name a file, e.g. <folder>/synckit.db"};
  }
  return {};
}

Outcome apply_options(const Options& options, Db& db) {
  sqlite3_busy_timeout(db.get(), static_cast<int>(options.busy_timeout_ms));
  std::string sql = "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA cache_size=-" +
                    std::to_string(options.cache_mib * 1024);
  return db.run(sql.c_str());
}

Outcome write_schema(Db& db) {
  Transaction transaction(db);
  SK_TRY_OUTCOME(transaction.begin_write());
  std::string marks = "PRAGMA application_id=" + std::to_string(kApplicationId) +
                      "; PRAGMA user_version=" + std::to_string(kSchemaVersion);
  SK_TRY_OUTCOME(db.run(kSchema));
  SK_TRY_OUTCOME(db.run(marks.c_str()));
  return transaction.commit();
}

// A file with tables of somebody else is left alone.
Outcome check_schema(const Options& options, Db& db) {
  std::string application, version, tables;
  SK_TRY_OUTCOME(db.ask("PRAGMA application_id", application));
  SK_TRY_OUTCOME(db.ask("PRAGMA user_version", version));
  SK_TRY_OUTCOME(db.ask("SELECT count(*) FROM sqlite_master", tables));
  if (application == "0" && version == "0" && tables == "0") return write_schema(db);
  if (application != std::to_string(kApplicationId)) {
    return {SK_MALFORMED, named(options.path) +
                              " is a SQLite database, but not one of SyncKit; choose another path"};
  }
  if (version != std::to_string(kSchemaVersion)) {
    return {SK_UNSUPPORTED, named(options.path) + " was written by another version (schema " +
                                shortened(version, 12) + ", this plugin knows " +
                                std::to_string(kSchemaVersion) + "); use a newer SyncKit"};
  }
  return {};
}

}  // namespace

Outcome Options::read(std::string_view config) {
  Config options;
  SK_TRY_OUTCOME(Config::parse(config, options));
  SK_TRY_OUTCOME(
      options.only({"path", "synchronous", "busy_timeout_ms", "cache_mib", "max_size_mib"}));
  SK_TRY_OUTCOME(options.get("path", path));
  SK_TRY_OUTCOME(options.choose("synchronous", {"full", "normal", "off"}, synchronous));
  SK_TRY_OUTCOME(options.get("busy_timeout_ms", 0, 600'000, busy_timeout_ms));
  SK_TRY_OUTCOME(options.get("cache_mib", 1, 65'536, cache_mib));
  SK_TRY_OUTCOME(options.get("max_size_mib", 0, 16'000'000, max_size_mib));
  if (path.empty() || path.find('\0') != std::string::npos) {
    return options.wrong("path", "the path of a file");
  }
  if (path == ":memory:") {
    return options.wrong("path", "the path of a file; for a store in memory use the plugin "
                                 "'memory'");
  }
  std::error_code failed;
  fs::path whole = fs::weakly_canonical(fs::absolute(path, failed), failed);
  if (failed) {
    return {SK_UNAVAILABLE, "the path " + named(path) + " cannot be followed: " +
                                failed.message()};
  }
  // Canonical, so that one file reached over two symbolic links has one lock.
  path = whole.string();
  return {};
}

HostLock::~HostLock() {
  if (file_ >= 0) close(file_);
}

Outcome HostLock::take(const std::string& database_path) {
  SK_TRY_OUTCOME(check_place(database_path));
  std::string path = database_path + ".lock";
  file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file_ < 0) {
    return {SK_UNAVAILABLE, "cannot write " + named(path) + ": " + std::strerror(errno) +
                                "; the folder of the database must be writable for this user"};
  }
  if (flock(file_, LOCK_EX | LOCK_NB) == 0) {
    std::string pid = std::to_string(getpid()) + "\n";
    if (ftruncate(file_, 0) != 0 || pwrite(file_, pid.data(), pid.size(), 0) < 0) {
      // Only the hint for the error below is lost; the lock itself holds.
    }
    return {};
  }
  char pid[24] = "";
  ssize_t n = pread(file_, pid, sizeof pid - 1, 0);
  std::string who;
  for (ssize_t i = 0; i < n && pid[i] >= '0' && pid[i] <= '9'; ++i) who += pid[i];
  return {SK_UNAVAILABLE, named(database_path) + " is in use by another host" +
                              (who.empty() ? "" : " (process " + who + ")") +
                              "; end it, or give this one another 'path'"};
}

Outcome Reader::open(const Options& options, std::unique_ptr<Reader>& reader) {
  auto opened = std::make_unique<Reader>();
  Db& db = opened->db;
  SK_TRY_OUTCOME(db.open(options.path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX));
  SK_TRY_OUTCOME(apply_options(options, db));
  SK_TRY_OUTCOME(db.run("PRAGMA query_only=ON"));
  SK_TRY_OUTCOME(opened->find.prepare(
      db, "SELECT key, epoch, position, snapshot_position, trimmed FROM documents WHERE id=?1"));
  SK_TRY_OUTCOME(
      opened->versions.prepare(db, "SELECT replica, seq FROM versions WHERE doc=?1"));
  SK_TRY_OUTCOME(opened->log.prepare(
      db, "SELECT position, replica, seq_lo, seq_hi, time_ms, payload FROM log "
          "WHERE doc=?1 AND position>?2 ORDER BY position"));
  SK_TRY_OUTCOME(opened->snapshot.prepare(
      db, "SELECT d.snapshot_position, s.data FROM documents d JOIN snapshots s ON s.doc=d.key "
          "WHERE d.id=?1"));
  SK_TRY_OUTCOME(opened->list.prepare(
      db, "SELECT id, position, updated_ms FROM documents "
          "WHERE id>=?1 AND id<?2 AND updated_ms>=?3 ORDER BY id LIMIT ?4"));
  reader = std::move(opened);
  return {};
}

Outcome open_database(const Options& options, Db& db) {
  SK_TRY_OUTCOME(db.open(options.path,
                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX));
  SK_TRY_OUTCOME(apply_options(options, db));
  // Before anything is written, so that a foreign file stays as it was.
  std::string readable, mode;
  SK_TRY_OUTCOME(db.ask("PRAGMA schema_version", readable));
  if (options.max_size_mib > 0) {
    std::string page_bytes;
    SK_TRY_OUTCOME(db.ask("PRAGMA page_size", page_bytes));
    int64_t pages = options.max_size_mib * (1 << 20) / std::max(512, std::atoi(page_bytes.c_str()));
    SK_TRY_OUTCOME(db.run(("PRAGMA max_page_count=" + std::to_string(pages)).c_str()));
  }
  SK_TRY_OUTCOME(check_schema(options, db));
  SK_TRY_OUTCOME(db.ask("PRAGMA journal_mode=WAL", mode));
  if (mode != "wal") {
    return {SK_UNAVAILABLE, named(options.path) + " cannot use a write-ahead log (its mode is " +
                                shortened(mode, 12) + "); put it on a local file system"};
  }
  std::string sql = "PRAGMA synchronous=" + options.synchronous +
                    "; PRAGMA journal_size_limit=" + std::to_string(kWalKeepBytes);
  return db.run(sql.c_str());
}

}  // namespace synckit::sqlite
