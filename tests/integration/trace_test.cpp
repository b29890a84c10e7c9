// Real input: a recorded editing trace is typed, patch by patch, by one client through the real
// host; a second client ends with the trace's text. SYNCKIT_TRACE_PATCHES types no more than so
// many patches of each trace.
#include <gtest/gtest.h>

#include <client/native/client.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

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

TEST(Trace, sveltecomponent_typed_through_the_host_arrives_as_recorded) {
  type_through_host("sveltecomponent");
}

TEST(Trace, automerge_paper_typed_through_the_host_arrives_as_recorded) {
  type_through_host("automerge-paper");
}

}  // namespace
}  // namespace synckit
