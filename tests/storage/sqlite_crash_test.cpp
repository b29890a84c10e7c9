// Killing a process that appends: whatever it was told is durable is there afterwards, once.
//
// A child opens the store and appends batches; after each SK_OK it writes what was acknowledged
// into a pipe. The parent kills it after a random number of acknowledgements, so the kill lands
// anywhere in the next batches, reopens the file and compares.
#include "conformance.hpp"

#include <csignal>
#include <random>
#include <sys/wait.h>
#include <unistd.h>

extern "C" const sk_plugin* synckit_plugin_v1_sqlite(void);

namespace synckit::storage_test {
namespace {

struct Acknowledged {  // one pipe message; small enough to be written in one piece
  uint64_t doc, replica, seq_lo, seq_hi, position;
};

std::string doc_name(uint64_t doc) { return "doc/" + std::to_string(doc); }

std::string payload_of(const Acknowledged& a) {
  return std::to_string(a.replica) + "/" + std::to_string(a.seq_lo) +
         std::string(a.seq_lo % 97, 'p');
}

// The child: never returns.
[[noreturn]] void append_for_ever(const std::string& config, int pipe, uint64_t seed) {
  Store store(synckit_plugin_v1_sqlite);
  if (store.open(config) != SK_OK) _exit(2);
  std::mt19937_64 random(seed);
  std::map<std::pair<uint64_t, uint64_t>, uint64_t> next;
  for (uint64_t doc = 0; doc < 3; ++doc) {
    for (const auto& [replica, seq] : store.head(doc_name(doc)).version) next[{doc, replica}] = seq;
  }
  while (true) {
    std::vector<Acknowledged> batch;
    std::vector<Write> writes;
    for (uint64_t n = 1 + random() % 8; n > 0; --n) {
      uint64_t doc = random() % 3, replica = 1 + random() % 2;
      uint64_t& seq = next[{doc, replica}];
      Acknowledged a{doc, replica, seq + 1, seq + 1 + random() % 3, 0};
      seq = a.seq_hi;
      batch.push_back(a);
      writes.push_back({doc_name(doc), replica, a.seq_lo, a.seq_hi, payload_of(a)});
    }
    std::vector<Written> out;
    if (store.append(writes, 1, &out) != SK_OK) _exit(3);
    for (size_t i = 0; i < batch.size(); ++i) {
      if (out[i].status != SK_OK || out[i].duplicate) _exit(4);
      batch[i].position = out[i].position;
      if (write(pipe, &batch[i], sizeof batch[i]) != sizeof batch[i]) _exit(5);
    }
  }
}

// Reads `count` acknowledgements, kills the child, then reads what is left in the pipe.
void run_child(const std::string& config, uint64_t seed, uint64_t count,
               std::vector<Acknowledged>& acknowledged) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    close(ends[0]);
    append_for_ever(config, ends[1], seed);
  }
  close(ends[1]);
  Acknowledged a;
  for (uint64_t i = 0; i < count && read(ends[0], &a, sizeof a) == sizeof a; ++i) {
    acknowledged.push_back(a);
  }
  kill(child, SIGKILL);
  while (read(ends[0], &a, sizeof a) == sizeof a) acknowledged.push_back(a);
  close(ends[0]);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
      << "it ended by itself: " << status;
}

TEST(SqliteCrash, what_was_acknowledged_is_there_exactly_once) {
  uint64_t seed = test_seed();
  SCOPED_TRACE("reproduce with SYNCKIT_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::string config = R"({"path": ")" + temporary_folder() + R"(/store.db"})";
  std::vector<Acknowledged> acknowledged;
  for (int round = 0; round < 12; ++round) {
    size_t before = acknowledged.size();
    run_child(config, random(), 1 + random() % 120, acknowledged);
    if (HasFatalFailure()) return;
    ASSERT_GT(acknowledged.size(), before);

    Store store(synckit_plugin_v1_sqlite);
    std::string text;
    ASSERT_EQ(store.open(config, &text), SK_OK) << text;
    std::map<std::pair<uint64_t, uint64_t>, Row> there;
    for (uint64_t doc = 0; doc < 3; ++doc) {
      std::map<uint64_t, uint64_t> seqs;
      uint64_t position = 0;
      for (const Row& row : store.all(doc_name(doc))) {
        ASSERT_EQ(row.position, ++position);
        ASSERT_EQ(row.seq_lo, ++seqs[row.replica]) << "each dot once, in order";
        seqs[row.replica] = row.seq_hi;
        ASSERT_EQ(row.payload, payload_of({doc, row.replica, row.seq_lo, row.seq_hi, 0}));
        there[{doc, row.position}] = row;
      }
      Head head = store.head(doc_name(doc));
      EXPECT_EQ(head.position, position);
      EXPECT_EQ(head.version,
                (std::vector<std::pair<uint64_t, uint64_t>>(seqs.begin(), seqs.end())));
    }
    for (const Acknowledged& a : acknowledged) {
      auto found = there.find({a.doc, a.position});
      ASSERT_NE(found, there.end()) << "lost " << doc_name(a.doc) << " at " << a.position;
      ASSERT_EQ(found->second.replica, a.replica);
      ASSERT_EQ(found->second.seq_lo, a.seq_lo);
      ASSERT_EQ(found->second.seq_hi, a.seq_hi);
    }
  }
  RecordProperty("acknowledged", static_cast<int>(acknowledged.size()));
}

}  // namespace
}  // namespace synckit::storage_test
