// kill -9 of the host while twenty clients write, restart, twenty rounds: every acknowledged change
// is there, exactly once, and the clients come back by themselves and converge.
#include <gtest/gtest.h>

#include <client/native/client.hpp>

#include <atomic>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "support/host_process.hpp"
#include "support/intents.hpp"

namespace synckit {
namespace {

using testing_support::HostProcess;
using testing_support::TempDir;
namespace ts = testing_support;

constexpr int kClients = 20;
// SYNCKIT_CRASH_ROUNDS: fewer, where a sanitizer makes each of them slow.
constexpr int kRounds = 20;
const char* const kDocument = "crash";

// One writer: adds a unique element and increments the counter, one transaction each time, and
// remembers which elements the host acknowledged.
class WriterClient {
 public:
  WriterClient(int number, const std::string& url, const std::string& dir) : number_(number) {
    ClientListener listener;
    listener.progress = [this](DocHandle, Stage stage, uint64_t seq) {
      if (stage == Stage::durable) durable_ = seq;
    };
    // Every second one keeps a file, as a desktop client would.
    std::string path = number % 2 ? dir + "/client-" + std::to_string(number) + ".db" : "";
    client_ = std::make_unique<Client>(ts::builtin_types(), ClientConfig{.url = url,
                                                                         .token = "",
                                                                         .path = path,
                                                                         .name = "crash-test",
                                                                         .limits = {}},
                                       listener);
    Status status = client_->open_document(kDocument, doc_);
    EXPECT_TRUE(status.ok()) << status.text();
  }

  void write() {
    std::string element = "\"" + std::to_string(number_) + "-" + std::to_string(made_) + "\"";
    Status status = client_->transact(doc_, [&] {
      EXPECT_TRUE(client_->edit(doc_, "tags", "set", Bytes(ts::set_add(element))).ok());
      EXPECT_TRUE(client_->edit(doc_, "n", "counter", Bytes(ts::count(1))).ok());
    });
    ASSERT_TRUE(status.ok()) << status.text();
    ++made_;
    std::lock_guard lock(mutex_);
    elements_.emplace_back(client_->last_seq(doc_), element);
  }

  // Elements that were acknowledged up to now.
  std::vector<std::string> acknowledged() {
    uint64_t upto = durable_;
    std::vector<std::string> out;
    std::lock_guard lock(mutex_);
    for (const auto& [seq, element] : elements_) {
      if (seq <= upto) out.push_back(element);
    }
    return out;
  }

  Client& client() { return *client_; }
  DocHandle doc() const { return doc_; }
  int made() const { return made_; }

 private:
  int number_;
  std::atomic<int> made_ = 0;
  std::atomic<uint64_t> durable_ = 0;
  std::mutex mutex_;
  std::vector<std::pair<uint64_t, std::string>> elements_;
  DocHandle doc_ = 0;
  std::unique_ptr<Client> client_;  // last: its thread uses what is above
};

struct HostView {
  std::map<std::string, int> elements;
  int64_t counter = 0;
  std::string digest;
};

HostView read(const HostProcess& host) {
  HostView out;
  boost::json::value root = boost::json::parse(host.get(std::string("/documents/") + kDocument));
  out.digest = root.at("digest").as_string().c_str();
  for (const auto& field : root.at("fields").as_array()) {
    if (field.at("type").as_string() == "counter") out.counter = field.at("value").as_int64();
    if (field.at("type").as_string() != "set") continue;
    for (const auto& element : field.at("value").as_array()) {
      ++out.elements["\"" + std::string(element.as_string()) + "\""];
    }
  }
  return out;
}

std::string hex(uint64_t value) {
  char out[17];
  snprintf(out, sizeof out, "%016llx", static_cast<unsigned long long>(value));
  return out;
}

TEST(Crash, every_acknowledged_change_survives_twenty_kills_exactly_once) {
  const char* seed_text = std::getenv("SYNCKIT_SEED");
  uint64_t seed = seed_text ? std::strtoull(seed_text, nullptr, 10) : std::random_device{}();
  std::printf("seed %llu (repeat: SYNCKIT_SEED=%llu crash_test)\n",
              static_cast<unsigned long long>(seed), static_cast<unsigned long long>(seed));
  const char* rounds_text = std::getenv("SYNCKIT_CRASH_ROUNDS");
  const int rounds = rounds_text ? std::atoi(rounds_text) : kRounds;
  std::mt19937_64 random(seed);
  TempDir dir;
  HostProcess host(dir.path());
  host.start();
  std::vector<std::unique_ptr<WriterClient>> writers;
  for (int i = 0; i < kClients; ++i) {
    writers.push_back(std::make_unique<WriterClient>(i, host.ws_url(), dir.path()));
  }
  std::atomic<bool> stop = false;
  std::thread driver([&] {
    for (size_t i = 0; !stop; i = (i + 1) % writers.size()) {
      writers[i]->write();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });

  size_t checked = 0;
  for (int round = 0; round < rounds; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(200 + random() % 500));
    host.kill9();
    std::vector<std::string> promised;  // acknowledged before the process died
    for (auto& writer : writers) {
      for (std::string& element : writer->acknowledged()) promised.push_back(std::move(element));
    }
    host.start();
    HostView view = read(host);
    for (const std::string& element : promised) {
      ASSERT_EQ(view.elements[element], 1) << "round " << round << " lost " << element;
    }
    checked += promised.size();
  }
  stop = true;
  driver.join();
  for (auto& writer : writers) ASSERT_TRUE(writer->client().flush(60'000));

  // Everything that was written arrived once; everyone sees the same.
  int64_t made = 0;
  for (auto& writer : writers) made += writer->made();
  HostView view = read(host);
  EXPECT_EQ(view.counter, made);
  EXPECT_EQ(view.elements.size(), static_cast<size_t>(made));
  for (auto& writer : writers) {
    for (int i = 0; i < 600 && hex(writer->client().digest(writer->doc())) != view.digest; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    EXPECT_EQ(hex(writer->client().digest(writer->doc())), view.digest);
  }
  ASSERT_GT(checked, 0u) << "no change was acknowledged before a kill: the test tested nothing";
  std::printf("%d rounds, %lld changes, %zu checks of acknowledged ones\n", rounds,
              static_cast<long long>(made), checked);
}

}  // namespace
}  // namespace synckit
