#include "store.hpp"

#include <sqlite3.h>

#include <random>
#include <stdexcept>

namespace synckit {
namespace {

constexpr int kSchema = 1;  // PRAGMA user_version of this layout

void bind(sqlite3_stmt* statement, int index, Bytes bytes) {
  // A null pointer would bind NULL; an empty value is an empty blob.
  const void* data = bytes.len ? static_cast<const void*>(bytes.data) : "";
  sqlite3_bind_blob(statement, index, data, static_cast<int>(bytes.len), SQLITE_STATIC);
}

Bytes column(sqlite3_stmt* statement, int index) {
  const void* data = sqlite3_column_blob(statement, index);
  return {static_cast<const uint8_t*>(data),
          static_cast<size_t>(sqlite3_column_bytes(statement, index))};
}

// The smallest key above every key that starts with `prefix`; empty when there is none.
std::string after_prefix(Bytes prefix) {
  std::string out = prefix.str();
  while (!out.empty() && static_cast<uint8_t>(out.back()) == 0xff) out.pop_back();
  if (!out.empty()) out.back() = static_cast<char>(out.back() + 1);
  return out;
}

}  // namespace

ClientStore::ClientStore(const std::string& path) : path_(path) {
  if (sqlite3_open(path.c_str(), &db_) != SQLITE_OK) fail("cannot open it");
  sqlite3_busy_timeout(db_, 200);
  // An exclusive lock that lasts: a replica id belongs to one running client.
  run("PRAGMA locking_mode=EXCLUSIVE");
  run("PRAGMA journal_mode=WAL");
  run("PRAGMA synchronous=FULL");
  run("BEGIN IMMEDIATE");
  sqlite3_stmt* version = prepare("PRAGMA user_version");
  sqlite3_step(version);
  int schema = sqlite3_column_int(version, 0);
  sqlite3_finalize(version);
  if (schema > kSchema) {
    throw std::runtime_error("the client store " + path + " was written by a newer version");
  }
  run("CREATE TABLE IF NOT EXISTS records"
      "(key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID");
  run("CREATE TABLE IF NOT EXISTS meta(replica INTEGER NOT NULL)");
  run("PRAGMA user_version=1");
  sqlite3_stmt* read = prepare("SELECT replica FROM meta");
  if (sqlite3_step(read) == SQLITE_ROW) {
    replica_ = static_cast<uint64_t>(sqlite3_column_int64(read, 0));
  }
  sqlite3_finalize(read);
  if (replica_ == 0) {
    std::random_device random;
    while (replica_ == 0) replica_ = static_cast<uint64_t>(random()) << 32 | random();
    sqlite3_stmt* write = prepare("INSERT INTO meta VALUES(?)");
    sqlite3_bind_int64(write, 1, static_cast<sqlite3_int64>(replica_));
    step(write);
    sqlite3_finalize(write);
  }
  run("COMMIT");
  put_ = prepare(
      "INSERT INTO records VALUES(?,?) ON CONFLICT(key) DO UPDATE SET value=excluded.value");
  erase_ = prepare("DELETE FROM records WHERE key=?");
  range_ = prepare("DELETE FROM records WHERE key>=? AND key<=?");
  get_ = prepare("SELECT value FROM records WHERE key=?");
  scan_ = prepare("SELECT key,value FROM records WHERE key>=? AND (?2=x'' OR key<?2) ORDER BY key");
}

ClientStore::~ClientStore() {
  for (sqlite3_stmt* statement : {put_, erase_, range_, get_, scan_}) sqlite3_finalize(statement);
  sqlite3_close(db_);
}

void ClientStore::each(Bytes prefix, const std::function<void(Bytes, Bytes)>& visit) {
  std::string end = after_prefix(prefix);
  bind(scan_, 1, prefix);
  bind(scan_, 2, Bytes(end));
  int code;
  while ((code = sqlite3_step(scan_)) == SQLITE_ROW) visit(column(scan_, 0), column(scan_, 1));
  sqlite3_reset(scan_);
  if (code != SQLITE_DONE) fail("cannot read");
}

void ClientStore::begin() { run("BEGIN IMMEDIATE"); }
void ClientStore::commit() { run("COMMIT"); }
void ClientStore::rollback() {
  if (!sqlite3_get_autocommit(db_)) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
}

void ClientStore::apply(Bytes operations) {
  OutputReader reader(operations);
  StoreOperation operation;
  std::string last;
  while (reader.next(operation)) {
    switch (operation.op) {
      case StoreOp::put_snapshot: {
        bind(get_, 1, operation.key);
        bool stale = sqlite3_step(get_) == SQLITE_ROW &&
                     snapshot_is_stale(column(get_, 0), operation.value);
        sqlite3_reset(get_);
        if (stale) break;
        [[fallthrough]];
      }
      case StoreOp::put:
        bind(put_, 1, operation.key);
        bind(put_, 2, operation.value);
        step(put_);
        break;
      case StoreOp::erase:
        bind(erase_, 1, operation.key);
        step(erase_);
        break;
      case StoreOp::erase_range:
        bind(range_, 1, operation.key);
        last = operation.last_key();
        bind(range_, 2, Bytes(last));
        step(range_);
        break;
    }
  }
}

sqlite3_stmt* ClientStore::prepare(const char* sql) {
  sqlite3_stmt* out = nullptr;
  if (sqlite3_prepare_v2(db_, sql, -1, &out, nullptr) != SQLITE_OK) fail("cannot prepare");
  return out;
}

void ClientStore::run(const char* sql) {
  if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail("cannot write");
}

void ClientStore::step(sqlite3_stmt* statement) {
  int code = sqlite3_step(statement);
  sqlite3_reset(statement);
  if (code != SQLITE_DONE) fail("cannot write");
}

void ClientStore::fail(const char* doing) {
  throw std::runtime_error("the client store " + path_ + ": " + doing + ": " +
                           (db_ ? sqlite3_errmsg(db_) : "out of memory"));
}

}  // namespace synckit
