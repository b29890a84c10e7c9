// The one write connection: appends, snapshots, erasures, each as one transaction.
//
// Invariants:
//   - a call that fails leaves no trace (Transaction rolls back);
//   - documents.position is the position of the last record ever appended, log holds exactly the
//     positions trimmed + 1 .. position, versions.seq is the end of the author's last record.
//
// Threads: one mutex around everything; readers do not wait for it (write-ahead log).
#pragma once

#include "connect.hpp"

#include <synckit/storage.hpp>

#include <map>
#include <mutex>
#include <unordered_map>

namespace synckit::sqlite {

class BatchWriter {
 public:
  Outcome open(const Options& options);

  Outcome append(std::span<sk_append> records, int64_t now_ms);
  Outcome save(Bytes doc, uint64_t position, uint64_t expected, uint64_t trim, Bytes snapshot);
  Outcome erase(Bytes doc);

 private:
  // What a batch knows of an author: the end of its last record, stored or about to be.
  struct Author {
    uint64_t seq = 0;
    bool changed = false;
  };
  // What a batch knows of a document; written back once, before the commit.
  struct Document {
    int64_t key = 0;  // 0: not in the database
    uint64_t position = 0;
    uint64_t snapshot_position = 0;
    uint64_t trimmed = 0;
    bool changed = false;
    std::map<uint64_t, Author> authors;
  };
  using Batch = std::unordered_map<std::string_view, Document>;

  Outcome append_one(sk_append& record, int64_t now_ms, Batch& batch);
  Outcome find_document(Bytes doc, Document& found);
  Outcome find_author(const Document& document, uint64_t replica, Author& author);
  Outcome find_duplicate(const Document& document, sk_append& record);
  Outcome create_document(Bytes doc, int64_t now_ms, Document& document);
  Outcome write_back(const Batch& batch, int64_t now_ms);

  std::mutex mutex_;
  Db db_;
  Statement find_, create_, advance_, author_, put_author_, put_record_, duplicate_;
  Statement put_snapshot_, note_snapshot_, trim_;
  Statement erase_log_, erase_versions_, erase_snapshot_, erase_document_;
};

}  // namespace synckit::sqlite
