// What several worker threads may do at once (see conformance.hpp). Worth running under TSan.
#include "conformance.hpp"

#include <atomic>
#include <thread>

namespace synckit::storage_test {
namespace {

std::string payload_of(uint64_t replica, uint64_t seq) {
  return std::to_string(replica) + ":" + std::to_string(seq) + std::string(seq % 50, '.');
}

// Rows form a dense run, and each has the payload that its author gave to that seq.
void expect_sound(const std::vector<Row>& rows, uint64_t after) {
  for (const Row& row : rows) {
    EXPECT_EQ(row.position, ++after);
    EXPECT_EQ(row.seq_lo, row.seq_hi);
    EXPECT_EQ(row.payload, payload_of(row.replica, row.seq_lo));
  }
}

TEST_P(Conformance, readers_see_whole_prefixes_while_others_append) {
  constexpr uint64_t kWriters = 2, kBatches = 150, kBatch = 4;
  std::atomic<uint64_t> writing{kWriters};
  std::vector<std::thread> threads;
  for (uint64_t writer = 1; writer <= kWriters; ++writer) {
    threads.emplace_back([&, writer] {
      for (uint64_t batch = 0; batch < kBatches; ++batch) {
        std::vector<Write> writes;
        for (uint64_t i = 1; i <= kBatch; ++i) {
          uint64_t seq = batch * kBatch + i;
          for (const char* doc : {"left", "right"}) {
            writes.push_back({doc, writer, seq, seq, payload_of(writer, seq)});
          }
        }
        for (const Written& w : store_.put(writes)) EXPECT_EQ(w.status, SK_OK);
      }
      --writing;
    });
  }
  for (int reader = 0; reader < 2; ++reader) {
    threads.emplace_back([&] {
      uint64_t seen = 0;
      while (writing > 0) {
        std::vector<Row> rows;
        EXPECT_EQ(store_.read("left", seen, 4096, &rows), SK_OK);
        expect_sound(rows, seen);
        seen += rows.size();
        Head head = store_.head("left");
        EXPECT_GE(head.position, seen);
        uint64_t dots = 0;
        for (const auto& [replica, seq] : head.version) dots += seq;
        EXPECT_EQ(dots, head.position) << "head and version are of one moment";
        EXPECT_LE(store_.list("", "", 0, 10).size(), 2u);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const char* doc : {"left", "right"}) {
    auto rows = store_.all(doc);
    EXPECT_EQ(rows.size(), kWriters * kBatches * kBatch);
    expect_sound(rows, 0);
  }
}

TEST_P(Conformance, snapshots_and_trims_while_others_read) {
  constexpr uint64_t kRecords = 400;
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (uint64_t seq = 1; seq <= kRecords; ++seq) {
      store_.put({{"doc", 1, seq, seq, payload_of(1, seq)}});
      if (seq % 20 != 0) continue;
      EXPECT_EQ(store_.save("doc", seq, seq - 20, seq - 10, std::to_string(seq)), SK_OK);
    }
    done = true;
  });
  uint64_t seen = 0;
  while (!done || seen < kRecords) {
    std::vector<Row> rows;
    sk_status status = store_.read("doc", seen, UINT64_MAX, &rows);
    if (status == SK_CONFLICT) {
      Loaded loaded = store_.load("doc");
      EXPECT_EQ(loaded.bytes, std::to_string(loaded.position));
      EXPECT_GT(loaded.position, seen);
      seen = loaded.position;
      continue;
    }
    ASSERT_EQ(status, SK_OK);
    expect_sound(rows, seen);
    seen += rows.size();
  }
  writer.join();
  EXPECT_EQ(seen, kRecords);
}

}  // namespace
}  // namespace synckit::storage_test
