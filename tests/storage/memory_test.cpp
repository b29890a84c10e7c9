// What is particular to the memory plugin: it promises nothing beyond the process, and a batch that
// runs out of memory is undone. This executable replaces operator new to make that happen at every
// allocation in turn.
#include "conformance.hpp"

#include <cstdlib>
#include <new>

extern "C" const sk_plugin* synckit_plugin_v1_memory(void);

namespace {

long g_allocations_left = -1;  // negative: no limit

bool allocation_fails() { return g_allocations_left >= 0 && g_allocations_left-- == 0; }

}  // namespace

// Not inlined: GCC warns of free() where it sees through one half of a pair only.
[[gnu::noinline]] void* operator new(size_t size) {
  void* memory = allocation_fails() ? nullptr : std::malloc(size ? size : 1);
  if (!memory) throw std::bad_alloc();
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace synckit::storage_test {
namespace {

TEST(MemoryStorage, promises_nothing) {
  Store store(synckit_plugin_v1_memory);
  EXPECT_EQ(store.api()->flags, 0u);
  EXPECT_STREQ(store.api()->name, "memory");
  ASSERT_EQ(store.open(""), SK_OK);
  std::string text;
  EXPECT_EQ(store.open(R"({"path": "x"})", &text), SK_UNSUPPORTED);
  EXPECT_EQ(text, "unknown option 'path'; this plugin has no options");
}

TEST(MemoryStorage, a_batch_without_memory_leaves_nothing) {
  Store store(synckit_plugin_v1_memory);
  ASSERT_EQ(store.open("{}"), SK_OK);
  store.put({{"old", 1, 1, 1, "first"}}, 500);
  const std::string long_text(100, 'x');
  std::vector<Write> writes;
  for (uint64_t seq = 1; seq <= 40; ++seq) {
    writes.push_back({"old", 1, seq + 1, seq + 1, long_text});
    writes.push_back({"new document with a name that is not short", seq, 1, 1, long_text});
  }
  std::vector<sk_append> records(writes.size());
  sk_status status = SK_NOMEM;
  long failures = 0;
  for (; status != SK_OK; ++failures) {
    ASSERT_LT(failures, 10'000);
    for (size_t i = 0; i < writes.size(); ++i) {
      const Write& w = writes[i];
      records[i] = {Bytes(w.doc), w.replica, w.seq_lo, w.seq_hi, Bytes(w.payload), 0, 0, 0};
    }
    g_allocations_left = failures;
    status = store.api()->append(store.raw(), records.data(), records.size(), 900, nullptr);
    g_allocations_left = -1;
    if (status == SK_OK) break;
    ASSERT_EQ(status, SK_NOMEM);
    ASSERT_EQ(store.all("old"), (std::vector<Row>{{1, 1, 1, 1, 500, "first"}}));
    ASSERT_EQ(store.head("old").version.size(), 1u);
    ASSERT_EQ(store.head("old").version[0].second, 1u);
    ASSERT_EQ(store.list(""), (std::vector<Listed>{{"old", 1, 500}}));
  }
  EXPECT_GT(failures, 100) << "every allocation of the batch was made to fail once";
  EXPECT_EQ(store.all("old").size(), 41u);
  EXPECT_EQ(store.head("new document with a name that is not short").position, 40u);
}

}  // namespace
}  // namespace synckit::storage_test
