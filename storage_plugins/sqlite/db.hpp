// The little of SQLite's C API that the plugin uses, as owning C++ objects.
//
// Invariants: a Statement is prepared once and reset after each use (Use), so that no read
// transaction outlives the call that needed it. 64-bit unsigned numbers are stored as the signed
// number with the same bits (SQLite has no other); see FORMAT.md for what that means for ordering.
//
// Threads: a Db and its Statements belong to one thread at a time (SQLITE_OPEN_NOMUTEX).
#pragma once

#include <synckit/outcome.hpp>

#include <sqlite3.h>

namespace synckit::sqlite {

// One connection.
class Db {
 public:
  Db() = default;
  ~Db() { sqlite3_close_v2(db_); }
  Db(const Db&) = delete;
  Db& operator=(const Db&) = delete;

  Outcome open(const std::string& path, int flags);
  // Runs statements that give no rows.
  Outcome run(const char* sql);
  // The first column of the first row, as text.
  Outcome ask(const char* sql, std::string& answer);
  // What the last failed call means to an operator, as an Outcome.
  Outcome failure(int rc, const char* doing) const;
  bool in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }
  sqlite3* get() const { return db_; }

 private:
  sqlite3* db_ = nullptr;
  std::string path_;
};

// One prepared statement. Binding errors are kept and come out of step().
class Statement {
 public:
  Statement() = default;
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Outcome prepare(const Db& db, const char* sql);

  Statement& blob(int at, Bytes bytes) {  // borrowed until reset
    static const uint8_t kNothing = 0;
    return keep(sqlite3_bind_blob64(statement_, at, bytes.len ? bytes.data : &kNothing, bytes.len,
                                    SQLITE_STATIC));
  }
  Statement& u64(int at, uint64_t value) { return i64(at, static_cast<int64_t>(value)); }
  Statement& i64(int at, int64_t value) {
    return keep(sqlite3_bind_int64(statement_, at, value));
  }

  // SQLITE_ROW, SQLITE_DONE or an error.
  int step() { return bound_ == SQLITE_OK ? sqlite3_step(statement_) : bound_; }
  // For a statement that gives no rows.
  Outcome done(const char* doing) {
    int rc = step();
    return rc == SQLITE_DONE ? Outcome() : db_->failure(rc, doing);
  }

  uint64_t u64(int column) const { return static_cast<uint64_t>(i64(column)); }
  int64_t i64(int column) const { return sqlite3_column_int64(statement_, column); }
  Bytes blob(int column) const {  // valid until the next step or reset
    auto data = static_cast<const uint8_t*>(sqlite3_column_blob(statement_, column));
    return {data, static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
  }

  void reset() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
    bound_ = SQLITE_OK;
  }

 private:
  Statement& keep(int rc) {
    if (rc != SQLITE_OK) bound_ = rc;
    return *this;
  }

  sqlite3_stmt* statement_ = nullptr;
  const Db* db_ = nullptr;
  int bound_ = SQLITE_OK;
};

// Resets a statement at the end of a scope.
class Use {
 public:
  explicit Use(Statement& statement) : statement_(statement) {}
  ~Use() { statement_.reset(); }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;
  Statement* operator->() const { return &statement_; }

 private:
  Statement& statement_;
};

// A transaction that rolls back unless it was committed.
class Transaction {
 public:
  explicit Transaction(Db& db) : db_(db) {}
  ~Transaction() {
    // SQLite rolls some failures back by itself; a second ROLLBACK would be an error.
    if (db_.in_transaction()) sqlite3_exec(db_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  Outcome begin_read() { return db_.run("BEGIN"); }
  Outcome begin_write() { return db_.run("BEGIN IMMEDIATE"); }
  Outcome commit() { return db_.run("COMMIT"); }

 private:
  Db& db_;
};

}  // namespace synckit::sqlite
