// What is particular to the sqlite plugin: options, the lock, files that are wrong, a full disk.
#include "conformance.hpp"

#include <sqlite3.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern "C" const sk_plugin* synckit_plugin_v1_sqlite(void);

namespace synckit::storage_test {
namespace {

class SqliteStorage : public testing::Test {
 protected:
  SqliteStorage() : store_(synckit_plugin_v1_sqlite), folder_(temporary_folder()) {}

  std::string file() const { return folder_ + "/store.db"; }
  std::string config(const std::string& more = "") const {
    return R"({"path": ")" + file() + R"(")" + more + "}";
  }
  // Opening must fail so; returns the sentence.
  std::string refused(const std::string& options, sk_status status) {
    std::string text;
    EXPECT_EQ(store_.open(options, &text), status) << text;
    return text;
  }
  void run_sql(const std::string& sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(file().c_str(), &db), SQLITE_OK);
    char* complaint = nullptr;
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &complaint), SQLITE_OK)
        << (complaint ? complaint : "");
    sqlite3_free(complaint);
    sqlite3_close(db);
  }
  std::string ask_sql(const std::string& sql) {
    sqlite3* db = nullptr;
    sqlite3_stmt* statement = nullptr;
    EXPECT_EQ(sqlite3_open(file().c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_prepare_v2(db, sql.c_str(), -1, &statement, nullptr), SQLITE_OK);
    EXPECT_EQ(sqlite3_step(statement), SQLITE_ROW);
    std::string answer = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return answer;
  }
  void write_file(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }

  Store store_;
  std::string folder_;
};

void expect_mentions(const std::string& text, std::initializer_list<const char*> words) {
  for (const char* word : words) EXPECT_NE(text.find(word), std::string::npos) << text;
}

TEST_F(SqliteStorage, says_what_it_is) {
  EXPECT_STREQ(store_.api()->name, "sqlite");
  EXPECT_EQ(store_.api()->flags, uint32_t{SK_STORAGE_DURABLE});
  EXPECT_STREQ(synckit_plugin_v1_sqlite()->id, "synckit.sqlite");
}

TEST_F(SqliteStorage, options_are_checked) {
  EXPECT_EQ(refused(config(R"(, "syncronous": "full")"), SK_UNSUPPORTED),
            "unknown option 'syncronous'; did you mean 'synchronous'? Known: path, synchronous, "
            "busy_timeout_ms, cache_mib, max_size_mib");
  expect_mentions(refused(config(R"(, "synchronous": "fully")"), SK_MALFORMED),
                  {"'synchronous'", "full, normal, off"});
  expect_mentions(refused(config(R"(, "cache_mib": 0)"), SK_MALFORMED), {"from 1 to 65536"});
  expect_mentions(refused(config(R"(, "cache_mib": "16")"), SK_MALFORMED), {"cache_mib"});
  expect_mentions(refused(config(R"(, "busy_timeout_ms": -1)"), SK_MALFORMED), {"from 0"});
  refused(R"({"path": 5})", SK_MALFORMED);
  refused(R"({"path": ""})", SK_MALFORMED);
  refused(R"({"path": "a\u0000b"})", SK_MALFORMED);
  expect_mentions(refused(R"({"path": ":memory:"})", SK_MALFORMED), {"'memory'"});
  EXPECT_FALSE(std::filesystem::exists(file()));
}

TEST_F(SqliteStorage, synchronous_is_what_was_asked_for) {
  // The file remembers WAL; that the log is synced shows only in the connection, so each level is
  // opened and used once.
  for (const char* level : {"full", "normal", "off"}) {
    ASSERT_EQ(store_.open(config(R"(, "synchronous": ")" + std::string(level) + R"(")")), SK_OK);
    EXPECT_EQ(store_.put({{level, 1, 1, 1, "x"}}).at(0).status, SK_OK);
  }
  store_.close();
  EXPECT_EQ(ask_sql("PRAGMA journal_mode"), "wal");
  EXPECT_EQ(ask_sql("PRAGMA user_version"), "1");
  EXPECT_EQ(ask_sql("PRAGMA integrity_check"), "ok");
  EXPECT_EQ(ask_sql("SELECT count(*) FROM log"), "3");
}

TEST_F(SqliteStorage, a_second_host_is_kept_out) {
  ASSERT_EQ(store_.open(config()), SK_OK);
  Store second(synckit_plugin_v1_sqlite);
  std::string text;
  EXPECT_EQ(second.open(config(), &text), SK_UNAVAILABLE);
  expect_mentions(text, {"in use by another host", std::to_string(getpid()).c_str()});
  std::filesystem::create_symlink(file(), folder_ + "/alias.db");
  EXPECT_EQ(second.open(R"({"path": ")" + folder_ + R"(/alias.db"})", &text), SK_UNAVAILABLE);
  store_.close();
  EXPECT_EQ(second.open(config(), &text), SK_OK) << text;
}

TEST_F(SqliteStorage, another_program_with_a_lock_is_named_and_nothing_is_stored) {
  ASSERT_EQ(store_.open(config(R"(, "busy_timeout_ms": 0)")), SK_OK);
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(file().c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  std::string text;
  EXPECT_EQ(store_.append({{"doc", 1, 1, 1, "x"}}, 1, nullptr, &text), SK_UNAVAILABLE);
  expect_mentions(text, {"another program holds a lock", "busy_timeout_ms"});
  EXPECT_FALSE(store_.head("doc").exists);
  sqlite3_close(other);
  EXPECT_EQ(store_.put({{"doc", 1, 1, 1, "x"}}).at(0).position, 1u);
}

TEST_F(SqliteStorage, wrong_places_are_explained) {
  expect_mentions(refused(R"({"path": ")" + folder_ + R"(/none/store.db"})", SK_UNAVAILABLE),
                  {"does not exist; create it"});
  expect_mentions(refused(R"({"path": ")" + folder_ + R"("})", SK_UNAVAILABLE),
                  {"is a folder; 'path' must name a file"});
  write_file(folder_ + "/plain", "x");
  expect_mentions(refused(R"({"path": ")" + folder_ + R"(/plain/store.db"})", SK_UNAVAILABLE),
                  {"plain"});
}

TEST_F(SqliteStorage, wrong_files_are_refused_and_left_alone) {
  const std::string junk = "this is a letter to a friend, and no database at all; " +
                           std::string(4096, 'x');
  write_file(file(), junk);
  expect_mentions(refused(config(), SK_MALFORMED), {"not a SQLite database"});
  std::ifstream after(file(), std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(after), {}), junk);
  std::filesystem::remove(file());
  run_sql("CREATE TABLE recipes(name)");
  expect_mentions(refused(config(), SK_MALFORMED), {"not one of SyncKit"});
  EXPECT_EQ(ask_sql("SELECT count(*) FROM sqlite_master"), "1");
}

TEST_F(SqliteStorage, a_newer_schema_is_refused) {
  ASSERT_EQ(store_.open(config()), SK_OK);
  store_.close();
  run_sql("PRAGMA user_version=2");
  expect_mentions(refused(config(), SK_UNSUPPORTED), {"schema 2", "knows 1", "newer SyncKit"});
}

TEST_F(SqliteStorage, damage_is_reported_and_never_read_as_data) {
  ASSERT_EQ(store_.open(config()), SK_OK);
  for (uint64_t seq = 1; seq <= 200; ++seq) {
    store_.put({{"doc", 1, seq, seq, std::string(500, 'x')}});
  }
  store_.close();
  std::fstream damaged(file(), std::ios::in | std::ios::out | std::ios::binary);
  auto size = static_cast<std::streamoff>(std::filesystem::file_size(file()));
  ASSERT_GT(size, 16 * 4096);
  for (std::streamoff at = 10 * 4096; at < size; ++at) {  // all pages behind the schema
    damaged.seekp(at);
    damaged.put('\x5a');
  }
  damaged.close();
  std::string text;
  sk_status opened = store_.open(config(), &text);
  if (opened == SK_OK) {
    std::vector<Row> rows;
    EXPECT_EQ(store_.read("doc", 0, UINT64_MAX, &rows), SK_MALFORMED);
    for (const Row& row : rows) EXPECT_EQ(row.payload, std::string(500, 'x'));
  } else {
    EXPECT_EQ(opened, SK_MALFORMED) << text;
  }
}

TEST_F(SqliteStorage, a_hole_in_the_log_is_reported) {
  ASSERT_EQ(store_.open(config()), SK_OK);
  for (uint64_t seq = 1; seq <= 5; ++seq) store_.put({{"doc", 1, seq, seq, "x"}});
  store_.close();
  run_sql("DELETE FROM log WHERE position=3");
  ASSERT_EQ(store_.open(config()), SK_OK);
  std::vector<Row> rows;
  EXPECT_EQ(store_.read("doc", 0, UINT64_MAX, &rows), SK_MALFORMED);
  EXPECT_EQ(rows.size(), 2u);
  EXPECT_EQ(store_.read("doc", 3, UINT64_MAX, &rows), SK_OK);
  EXPECT_EQ(rows.size(), 2u);
  store_.close();
  run_sql("DELETE FROM log WHERE position=5");
  ASSERT_EQ(store_.open(config()), SK_OK);
  EXPECT_EQ(store_.read("doc", 3, UINT64_MAX, &rows), SK_MALFORMED);
}

// A trigger makes one statement in the middle fail in a way that SQLite does not roll back by
// itself, and the tables are counted from outside: a read does not show rows past a log's end.
TEST_F(SqliteStorage, a_transaction_that_fails_half_way_leaves_no_row) {
  auto with_trigger = [&](const std::string& when) {
    store_.close();
    run_sql("DROP TRIGGER IF EXISTS fault");
    if (!when.empty()) {
      run_sql("CREATE TRIGGER fault BEFORE " + when + " BEGIN SELECT RAISE(ABORT, 'fault'); END");
    }
    ASSERT_EQ(store_.open(config()), SK_OK);
  };
  auto rows = [&] {
    store_.close();
    return ask_sql("SELECT (SELECT count(*) FROM documents) || ' ' || (SELECT count(*) FROM log) "
                   "|| ' ' || (SELECT count(*) FROM versions) || ' ' || "
                   "(SELECT count(*) FROM snapshots)");
  };
  const std::vector<Write> batch = {
      {"a", 1, 1, 1, "x"}, {"b", 1, 1, 1, "x"}, {"a", 1, 2, 2, "x"}, {"a", 1, 3, 3, "x"}};
  ASSERT_EQ(store_.open(config()), SK_OK);
  for (const char* when : {"INSERT ON log WHEN NEW.seq_lo=3", "INSERT ON versions",
                           "UPDATE ON documents"}) {
    SCOPED_TRACE(when);
    with_trigger(when);
    EXPECT_NE(store_.append(batch, 1, nullptr), SK_OK);
    EXPECT_EQ(rows(), "0 0 0 0");
  }
  with_trigger("");
  for (const Written& w : store_.put(batch)) EXPECT_EQ(w.status, SK_OK);
  EXPECT_EQ(rows(), "2 4 2 0");

  with_trigger("DELETE ON log WHEN OLD.position=2");
  EXPECT_NE(store_.save("a", 3, 0, 3, "snapshot"), SK_OK);
  EXPECT_EQ(store_.load("a").position, 0u);
  EXPECT_EQ(store_.all("a").size(), 3u);
  EXPECT_NE(store_.erase("a"), SK_OK);
  EXPECT_EQ(rows(), "2 4 2 0");
  with_trigger("DELETE ON documents");
  EXPECT_NE(store_.erase("a"), SK_OK);
  EXPECT_EQ(rows(), "2 4 2 0");
  with_trigger("");
  EXPECT_EQ(store_.save("a", 3, 0, 2, "snapshot"), SK_OK);
  EXPECT_EQ(rows(), "2 2 2 1");
  ASSERT_EQ(store_.open(config()), SK_OK);
  EXPECT_EQ(store_.erase("a"), SK_OK);
  EXPECT_EQ(rows(), "1 1 1 0");
}

// Appends until the store refuses; everything before stays, nothing of the last batch does.
void fill_until_refused(Store& store) {
  const std::string payload(50'000, 'x');
  uint64_t seq = 0;
  std::string text;
  for (; seq < 4000; seq += 2) {
    std::vector<Written> out;
    sk_status status = store.append({{"small", 1, seq / 2 + 1, seq / 2 + 1, "s"},
                                     {"big", 1, seq + 1, seq + 1, payload},
                                     {"big", 1, seq + 2, seq + 2, payload}},
                                    1, &out, &text);
    if (status == SK_OK) continue;
    EXPECT_EQ(status, SK_UNAVAILABLE) << text;
    break;
  }
  ASSERT_LT(seq, 4000u) << "the store never filled up";
  ASSERT_GT(seq, 0u);
  EXPECT_NE(text.find("disk"), std::string::npos) << text;
  EXPECT_EQ(store.head("big").position, seq);
  EXPECT_EQ(store.head("small").position, seq / 2);
  EXPECT_EQ(store.all("big").size(), seq);
}

TEST_F(SqliteStorage, a_full_store_stores_nothing_of_the_batch) {
  ASSERT_EQ(store_.open(config(R"(, "max_size_mib": 4)")), SK_OK);
  fill_until_refused(store_);
  uint64_t end = store_.head("big").position;
  EXPECT_EQ(ask_sql("SELECT count(*) FROM log"), std::to_string(end + end / 2));
  ASSERT_EQ(store_.erase("big"), SK_OK);  // making room helps
  EXPECT_EQ(store_.put({{"big", 1, 1, 1, std::string(50'000, 'x')}}).at(0).position, 1u);
  EXPECT_GT(end, 1u);
}

// Runs `check` in a child process, so that limits and users can be changed there.
template <class Check>
void in_child(Check check) {
  pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    check();
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
}

TEST_F(SqliteStorage, a_disk_that_refuses_to_grow_stores_nothing_of_the_batch) {
  in_child([&] {
    std::signal(SIGXFSZ, SIG_IGN);
    Store store(synckit_plugin_v1_sqlite);
    ASSERT_EQ(store.open(config()), SK_OK);
    rlimit limit{2 << 20, 2 << 20};
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    fill_until_refused(store);
  });
  ASSERT_EQ(store_.open(config()), SK_OK);  // and the file is sound without the limit
  uint64_t end = store_.head("big").position;
  EXPECT_EQ(store_.all("big").size(), end);
  EXPECT_EQ(store_.put({{"big", 1, end + 1, end + 1, "y"}}).at(0).position, end + 1);
}

TEST_F(SqliteStorage, files_that_may_not_be_written_are_refused) {
  ASSERT_EQ(store_.open(config()), SK_OK);
  store_.put({{"doc", 1, 1, 1, "x"}});
  store_.close();
  // The whole way down must be open to the other user, or the folder is not what is tested.
  for (std::filesystem::path at = folder_; at.has_relative_path(); at = at.parent_path()) {
    if (access(at.c_str(), W_OK) == 0 && at != std::filesystem::temp_directory_path()) {
      chmod(at.c_str(), 0755);
    }
  }
  in_child([&] {
    if (geteuid() == 0) {
      ASSERT_EQ(setuid(65534), 0);
    } else {
      chmod(folder_.c_str(), 0555);
      chmod((file() + ".lock").c_str(), 0444);
    }
    Store store(synckit_plugin_v1_sqlite);
    std::string text;
    EXPECT_EQ(store.open(config(), &text), SK_UNAVAILABLE) << text;
    EXPECT_NE(text.find("writable"), std::string::npos) << text;
  });
  chmod(folder_.c_str(), 0755);
  chmod((file() + ".lock").c_str(), 0644);
}

}  // namespace
}  // namespace synckit::storage_test
