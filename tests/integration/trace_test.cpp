// Real input: a recorded editing trace is typed, patch by patch, by one client through the real
// host; a second client ends with the trace's text. SYNCKIT_TRACE_PATCHES types no more than so
// many patches of each trace.
#include <gtest/gtest.h>

#include <client/native/client.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <vector>

#include "support/host_process.hpp"
#include "support/intents.hpp"
#include "support/trace.hpp"

namespace synckit {
namespace {

namespace ts = testing_support;
using Clock = std::chrono::steady_clock;

std::string text_of(const Client& client, DocHandle doc) {
  Buffer json;
  EXPECT_TRUE(client.view(doc, "body", "text", json).ok());
  return boost::json::parse(json.str()).as_string().c_str();
}

void type_through_host(const std::string& trace_name) {
  const char* most = std::getenv("SYNCKIT_TRACE_PATCHES");
  ts::Trace trace = ts::load_trace(trace_name, most ? std::strtoull(most, nullptr, 10) : 0);
  std::printf("trace: %s, %zu patches\n", trace.name.c_str(), trace.patches.size());
  ts::TempDir dir;
  ts::HostProcess host(dir.path());
  host.start();
  ClientConfig config;
  config.url = host.ws_url();
  Client writer(ts::builtin_types(), config), reader(ts::builtin_types(), config);
  DocHandle from = 0, to = 0;
  ASSERT_TRUE(writer.open_document("paper", from).ok());
  ASSERT_TRUE(reader.open_document("paper", to).ok());

  auto started = Clock::now();
  for (const ts::TracePatch& patch : trace.patches) {
    std::string intent = ts::splice(patch.position, patch.remove, patch.insert);
    Status status = writer.edit(from, "body", "text", Bytes(intent));
    while (status.code() == SK_LIMIT) {  // the offline queue is full: wait for acknowledgements
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      status = writer.edit(from, "body", "text", Bytes(intent));
    }
    ASSERT_TRUE(status.ok()) << status.text();
  }
  ASSERT_TRUE(writer.flush(240'000)) << writer.pending(from) << " changes are not durable";
  for (int i = 0; i < 6000 && reader.digest(to) != writer.digest(from); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  double seconds = std::chrono::duration<double>(Clock::now() - started).count();
  EXPECT_TRUE(text_of(writer, from) == trace.end) << "the writer's text is not the trace's";
  EXPECT_TRUE(text_of(reader, to) == trace.end) << "the reader's text is not the trace's";
  std::printf("%.1f s, %.0f changes per second from edit to the second client\n", seconds,
              static_cast<double>(trace.patches.size()) / seconds);
}

// One keystroke at a time: how long until it is durable, and until the second client shows it.
TEST(Trace, a_keystroke_is_durable_and_arrives) {
  constexpr size_t kKeystrokes = 200;
  ts::TempDir dir;
  ts::HostProcess host(dir.path());
  host.start();
  ClientConfig config;
  config.url = host.ws_url();
  std::mutex lock;
  std::condition_variable moved;
  uint64_t durable = 0, seen = 0;
  ClientListener on_writer, on_reader;
  on_writer.progress = [&](DocHandle, Stage stage, uint64_t seq) {
    std::lock_guard held(lock);
    if (stage == Stage::durable) durable = seq;
    moved.notify_all();
  };
  on_reader.patch = [&](DocHandle, Bytes, Bytes, Bytes) {
    std::lock_guard held(lock);
    ++seen;
    moved.notify_all();
  };
  Client writer(ts::builtin_types(), config, on_writer);
  Client reader(ts::builtin_types(), config, on_reader);
  DocHandle from = 0, to = 0;
  ASSERT_TRUE(writer.open_document("keys", from).ok());
  ASSERT_TRUE(reader.open_document("keys", to).ok());
  std::vector<double> durable_ms, seen_ms;
  for (size_t i = 0; i < kKeystrokes; ++i) {
    auto typed = Clock::now();
    auto since = [&] {
      return std::chrono::duration<double, std::milli>(Clock::now() - typed).count();
    };
    std::string intent = ts::splice(i, 0, "k");
    ASSERT_TRUE(writer.edit(from, "body", "text", Bytes(intent)).ok());
    std::unique_lock held(lock);
    double until_durable = 0, until_seen = 0;
    bool both = moved.wait_for(held, std::chrono::seconds(30), [&] {
      if (durable > i && until_durable == 0) until_durable = since();
      if (seen > i && until_seen == 0) until_seen = since();
      return until_durable > 0 && until_seen > 0;
    });
    ASSERT_TRUE(both) << "keystroke " << i << ": durable up to " << durable << ", seen " << seen;
    durable_ms.push_back(until_durable);
    seen_ms.push_back(until_seen);
  }
  EXPECT_EQ(text_of(reader, to), std::string(kKeystrokes, 'k'));
  std::sort(durable_ms.begin(), durable_ms.end());
  std::sort(seen_ms.begin(), seen_ms.end());
  std::printf("%zu keystrokes: durable after %.2f ms (median), %.2f ms (95 of 100); seen by the "
              "second client after %.2f ms, %.2f ms\n",
              kKeystrokes, durable_ms[kKeystrokes / 2], durable_ms[kKeystrokes * 95 / 100],
              seen_ms[kKeystrokes / 2], seen_ms[kKeystrokes * 95 / 100]);
}

TEST(Trace, sveltecomponent_typed_through_the_host_arrives_as_recorded) {
  type_through_host("sveltecomponent");
}

TEST(Trace, automerge_paper_typed_through_the_host_arrives_as_recorded) {
  type_through_host("automerge-paper");
}

}  // namespace
}  // namespace synckit
