// See db.hpp.
#include "db.hpp"

namespace synckit::sqlite {

Outcome Db::open(const std::string& path, int flags) {
  path_ = path;
  int rc = sqlite3_open_v2(path.c_str(), &db_, flags, nullptr);
  if (rc != SQLITE_OK) return failure(db_ ? sqlite3_extended_errcode(db_) : rc, "opening");
  sqlite3_extended_result_codes(db_, 1);
  return {};
}

Outcome Db::run(const char* sql) {
  int rc = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  return rc == SQLITE_OK ? Outcome() : failure(rc, "writing");
}

Outcome Db::ask(const char* sql, std::string& answer) {
  Statement statement;
  SK_TRY_OUTCOME(statement.prepare(*this, sql));
  int rc = statement.step();
  if (rc != SQLITE_ROW && rc != SQLITE_DONE) return failure(rc, "reading");
  answer.clear();
  if (rc == SQLITE_ROW) answer = statement.blob(0).str();
  return {};
}

Outcome Db::failure(int rc, const char* doing) const {
  std::string where = std::string(doing) + " " + shortened(path_, 100) + ": ";
  std::string cause = db_ ? sqlite3_errmsg(db_) : sqlite3_errstr(rc);
  cause = " (SQLite: " + cause + ")";
  switch (rc & 0xff) {
    case SQLITE_FULL:
      return {SK_UNAVAILABLE,
              where + "the disk is full, or max_size_mib is reached; nothing was stored" + cause};
    case SQLITE_IOERR:
      return {SK_UNAVAILABLE, where + "the disk failed or has no room" + cause};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {SK_UNAVAILABLE, where + "another program holds a lock on the database; end it, or "
                                      "raise busy_timeout_ms" + cause};
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return {SK_UNAVAILABLE,
              where + "the file or its folder is not writable for this user" + cause};
    case SQLITE_CANTOPEN:
      return {SK_UNAVAILABLE, where + "the file cannot be opened or created; check that its folder "
                                      "exists and is writable for this user" + cause};
    case SQLITE_NOTADB:
      return {SK_MALFORMED, where + "this file is not a SQLite database; move it away or choose "
                                    "another path" + cause};
    case SQLITE_CORRUPT:
      return {SK_MALFORMED, where + "the database is damaged; restore a backup" + cause};
    case SQLITE_TOOBIG:
      return {SK_LIMIT, where + "the record is larger than SQLite allows" + cause};
    case SQLITE_NOMEM:
      return {SK_NOMEM, where + "out of memory"};
    default:
      return {SK_INTERNAL, where + "unexpected" + cause};
  }
}

Outcome Statement::prepare(const Db& db, const char* sql) {
  db_ = &db;
  int rc = sqlite3_prepare_v3(db.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &statement_, nullptr);
  return rc == SQLITE_OK ? Outcome() : db.failure(rc, "reading");
}

}  // namespace synckit::sqlite
