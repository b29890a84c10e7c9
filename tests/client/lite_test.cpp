// The engine of core-lite.wasm (client/lite): by hand for what is rare, and thousands of random
// worlds of several clients and a host that crashes, compacts, repeats, loses and refuses.
#include <client/intents.hpp>
#include <client/lite/lite.hpp>
#include <client/model.hpp>
#include <gtest/gtest.h>
#include <laws/json_tree.hpp>
#include <laws/patches.hpp>
#include <support/builtin_plugins.hpp>

#include <cstdio>
#include <memory>

extern "C" const void* synckit_type_lww(uint32_t) {
  return synckit_plugin_v1_lww()->get_interface(SK_IFACE_CRDT, 0);
}

namespace synckit::model {
namespace {

constexpr const char* kDoc = "doc";

// A client, and its connection.
struct Client {
  Client(uint64_t id, HostModel& model_host, int64_t skew = 0)
      : replica(id), host(model_host), skew_ms(skew) {
    lite.start(id, "model/1");
    EXPECT_TRUE(lite.open(kDoc, doc).ok());
    EXPECT_TRUE(lite.loaded(doc, now()).ok());
    lite.online(true, now());
    drain();
  }

  uint64_t now() const { return host.now_ms + static_cast<uint64_t>(skew_ms); }

  void drain() {
    OutputReader in(lite.take_output(now()));
    for (OutputRecord r; in.next(r);) {
      switch (r.kind) {
        case Out::frame: frames.push_back(r.payload.str()); break;
        case Out::connect: wants_connect = true; break;
        case Out::drop: wants_drop = true; break;
        case Out::error: (r.a ? fatal : error) = r.payload.str(); break;
        case Out::rejected: rejected.insert(r.a), code = r.number; break;
        case Out::patch: ++patches; break;
        case Out::reset: ++resets; break;
        case Out::history_lost: ++history_lost; break;
        case Out::permission: permission = r.number; break;
        case Out::progress:
          if (static_cast<Stage>(r.number) == Stage::durable) {
            durable = r.a;
            EXPECT_TRUE(!trusts || host.disk[kDoc].version[replica] >= durable);
          }
          break;
        default: break;
      }
    }
    EXPECT_TRUE(in.ok());
  }

  // Moves what waits anywhere by one; false when all is quiet.
  bool step() {
    drain();
    bool lost = session && !host.alive(session);
    if (wants_drop || lost) {
      hang_up();
      return true;
    }
    if (wants_connect) {
      wants_connect = false;
      session = host.open();
      lite.connected("token", now());
      return true;
    }
    if (session && !frames.empty()) {
      host.receive(session, frames.front());
      frames.pop_front();
      return true;
    }
    std::string frame;
    if (!session || !host.take(session, frame)) return false;
    EXPECT_TRUE(lite.receive(Bytes(frame), now()).ok()) << error;
    drain();
    return true;
  }
  void hang_up() {
    if (session) host.close(session);
    session = 0;
    lite.disconnected(now());
    drain();
    wants_connect = wants_drop = false;
    frames.clear();
  }

  // 0: it had no effect.
  uint64_t mutate(const std::string& intent) {
    Edit out;
    Status status = lite.mutate(doc, 1, Bytes(intent), now(), out);
    EXPECT_TRUE(status.ok()) << status.text();
    return out.count ? out.last_seq : 0;
  }
  uint64_t set(const std::string& key, const std::string& json) {
    return mutate(map_set({key}, json));
  }
  void commit() {
    lite.commit_all(now());
    drain();
  }
  std::string view() const {
    Buffer contents;
    EXPECT_TRUE(lite.view(doc, 1, contents).ok());
    return laws::apply_map_patch("{}", contents.str());
  }

  Lite lite;
  const uint64_t replica;
  HostModel& host;
  const int64_t skew_ms;
  DocHandle doc = 0;
  HostModel::SessionId session = 0;
  std::deque<std::string> frames;
  bool wants_connect = false, wants_drop = false;
  bool trusts = true;  // the host: what it says is durable is on its disk
  std::string fatal, error;
  std::set<uint64_t> rejected;
  uint64_t durable = 0;
  unsigned patches = 0, resets = 0, history_lost = 0;
  uint32_t code = 0, permission = 0;
};

using Clients = std::vector<std::unique_ptr<Client>>;

void settle(HostModel& host, std::initializer_list<Client*> clients) {
  for (int i = 0; i < 100'000; ++i) {
    bool busy = false;
    for (Client* client : clients) busy = client->step() || busy;
    busy = host.answer() || busy;
    busy = host.flush() || busy;
    if (!busy) return;
  }
  ADD_FAILURE() << "it never comes to rest";
}

void wait(HostModel& host, std::initializer_list<Client*> clients, uint64_t ms) {
  host.now_ms += ms;
  for (Client* client : clients) client->lite.tick(client->now());
  settle(host, clients);
}

// What the host's log makes of the root map.
std::string truth(HostModel& host) {
  const DocLog& log = host.disk[kDoc];
  Document document(registry());
  wire::Transaction transaction;
  Merged outcome;
  if (!log.snapshot.empty()) {
    wire::Snapshot snapshot;
    EXPECT_TRUE(wire::decode(Bytes(log.snapshot), snapshot).ok());
    EXPECT_TRUE(document.merge_snapshot(snapshot, nullptr).ok());
  }
  for (const std::string& bytes : log.log) {
    EXPECT_TRUE(wire::decode(Bytes(bytes), transaction).ok());
    EXPECT_TRUE(document.merge(transaction, outcome, nullptr).ok());
    EXPECT_EQ(outcome, Merged::applied);
  }
  Buffer json;
  EXPECT_TRUE(document.view("", "lww", json).ok());
  return laws::write_tree(laws::parse_tree(json.str()));
}

TEST(Lite, edits_reach_the_host_and_the_others) {
  HostModel host(1);
  Client a(1, host), b(2, host);
  settle(host, {&a, &b});
  a.set("x", "1");
  a.mutate(map_set({"deep", "er"}, "[true]"));
  a.commit();
  settle(host, {&a, &b});
  EXPECT_EQ(b.view(), R"({"deep":{"er":[true]},"x":1})");
  EXPECT_EQ(b.patches, 2u);
  EXPECT_EQ(a.durable, 2u);
  EXPECT_EQ(a.lite.pending(a.doc), 0u);
  EXPECT_EQ(a.lite.status(a.doc), DocStatus::synced);
}

TEST(Lite, what_is_written_offline_is_sent_later) {
  HostModel host(1);
  Client a(1, host), b(2, host);
  settle(host, {&a, &b});
  a.resets = 0;
  a.lite.online(false, a.now());
  settle(host, {&a, &b});
  EXPECT_EQ(a.lite.status(a.doc), DocStatus::offline);
  a.set("x", "1");
  a.commit();
  b.set("y", "2");
  b.commit();
  settle(host, {&a, &b});
  EXPECT_EQ(a.view(), R"({"x":1})");
  EXPECT_EQ(a.lite.pending(a.doc), 1u);
  EXPECT_EQ(a.lite.close(a.doc, false, a.now()).code(), SK_UNAVAILABLE);
  a.lite.online(true, a.now());
  settle(host, {&a, &b});
  EXPECT_EQ(a.view(), R"({"x":1,"y":2})");
  EXPECT_EQ(b.view(), a.view());
  EXPECT_EQ(a.resets, 0u) << "the log is continued";
  EXPECT_TRUE(a.lite.close(a.doc, false, a.now()).ok());
}

TEST(Lite, a_document_that_is_opened_again_goes_on_with_its_seqs) {
  HostModel host(1);
  Client a(1, host), b(2, host);
  a.set("x", "1");
  a.commit();
  settle(host, {&a, &b});
  EXPECT_TRUE(a.lite.close(a.doc, false, a.now()).ok());
  EXPECT_TRUE(a.lite.open(kDoc, a.doc).ok());
  EXPECT_EQ(a.set("x", "2"), 2u) << "before the host has said anything";
  a.commit();
  settle(host, {&a, &b});
  EXPECT_EQ(a.durable, 2u);
  EXPECT_EQ(a.view(), R"({"x":2})");
  EXPECT_EQ(b.view(), a.view());
}

TEST(Lite, a_refused_write_is_told_of_and_vanishes) {
  HostModel host(1);
  Client a(1, host), b(2, host);
  settle(host, {&a, &b});
  EXPECT_EQ(a.resets, 1u) << "from nothing to the host's state";
  host.refuse = [](const wire::Transaction& t) {
    return t.seq == 2 && !t.changes.empty() ? SK_DENIED : SK_OK;
  };
  a.set("x", "1");
  a.commit();
  a.set("x", "2");
  a.commit();
  a.set("y", "3");
  a.commit();
  settle(host, {&a, &b});
  EXPECT_EQ(a.rejected, std::set<uint64_t>{2});
  EXPECT_EQ(a.code, static_cast<uint32_t>(SK_DENIED));
  EXPECT_EQ(a.view(), R"({"x":1,"y":3})");
  EXPECT_EQ(b.view(), a.view());
  EXPECT_EQ(a.resets, 2u);
  EXPECT_EQ(a.lite.pending(a.doc), 0u);
}

TEST(Lite, a_clock_that_is_far_ahead_gets_the_hosts_time) {
  HostModel host(1);
  Client a(1, host, 3'600'000), b(2, host);
  a.set("x", "\"of the fast clock\"");
  a.commit();
  settle(host, {&a, &b});
  for (int i = 0; i < 5; ++i) wait(host, {&a, &b}, 2'000);
  EXPECT_EQ(a.lite.pending(a.doc), 0u);
  EXPECT_TRUE(a.rejected.empty());
  b.set("x", "\"later\"");
  b.commit();
  settle(host, {&a, &b});
  EXPECT_EQ(a.view(), R"({"x":"later"})");
  EXPECT_EQ(a.view(), truth(host));
}

TEST(Lite, a_write_beats_what_its_author_has_seen) {
  HostModel host(1);
  Client a(2, host), b(1, host);  // of equal clocks the one of the higher replica wins
  settle(host, {&a, &b});
  a.set("x", "1");
  a.commit();
  settle(host, {&a, &b});
  b.set("x", "2");
  b.commit();
  settle(host, {&a, &b});
  EXPECT_EQ(a.view(), R"({"x":2})");
  EXPECT_EQ(b.view(), a.view());
}

TEST(Lite, who_may_only_read_cannot_write) {
  HostModel host(1);
  host.read_only.insert(1);
  Client a(1, host);
  settle(host, {&a});
  EXPECT_EQ(a.permission, 1u);
  Edit out;
  EXPECT_EQ(a.lite.mutate(a.doc, 1, Bytes(map_set({"x"}, "1")), a.now(), out).code(), SK_DENIED);
}

TEST(Lite, a_document_that_is_denied_is_left_alone) {
  HostModel host(1);
  host.unreadable.insert(kDoc);
  Client a(1, host);
  settle(host, {&a});
  EXPECT_EQ(a.lite.status(a.doc), DocStatus::denied);
  EXPECT_EQ(a.error, "refused by the test");
}

TEST(Lite, when_the_host_has_lost_changes_it_says_so_and_stops) {
  HostModel host(1);
  Client a(1, host);
  settle(host, {&a});
  a.set("x", "1");
  a.commit();
  settle(host, {&a});
  Disk backup = host.disk;
  a.set("x", "2");
  a.commit();
  settle(host, {&a});
  host.restore(backup);
  for (int i = 0; i < 3; ++i) wait(host, {&a}, 30'000);
  EXPECT_EQ(a.history_lost, 1u);
  EXPECT_FALSE(a.fatal.empty());
  EXPECT_EQ(a.lite.status(a.doc), DocStatus::offline);
}

TEST(Lite, another_log_replaces_what_is_shown) {
  HostModel host(1);
  Client a(1, host), b(2, host);
  settle(host, {&a, &b});
  a.set("x", "1");
  a.commit();
  settle(host, {&a, &b});
  Disk backup = host.disk;
  b.set("y", "2");
  b.commit();
  settle(host, {&a, &b});
  b.hang_up();
  a.resets = 0;
  host.restore(backup);  // without what b wrote
  for (int i = 0; i < 3; ++i) wait(host, {&a}, 30'000);
  EXPECT_EQ(a.view(), R"({"x":1})");
  EXPECT_EQ(a.history_lost, 0u);
  EXPECT_EQ(a.resets, 1u);
}

TEST(Lite, limits_are_named) {
  HostModel host(1);
  Client a(1, host);
  DocHandle doc = 0;
  EXPECT_EQ(a.lite.open("", doc).code(), SK_LIMIT);
  EXPECT_EQ(a.lite.open(std::string(513, 'x'), doc).code(), SK_LIMIT);
  Edit out;
  std::string large = map_set({"x"}, "\"" + std::string(Lite::kMaxTransactionBytes, 'x') + "\"");
  EXPECT_EQ(a.lite.mutate(a.doc, 1, Bytes(large), a.now(), out).code(), SK_LIMIT);
  std::string half = map_set({"x"}, "\"" + std::string(500'000, 'x') + "\"");
  Status status;
  int written = 0;
  for (; written < 100 && status.ok(); ++written) {
    status = a.lite.mutate(a.doc, 1, Bytes(half), a.now(), out);
  }
  EXPECT_EQ(status.code(), SK_LIMIT);
  EXPECT_GT(written, 50);
  EXPECT_LT(written, 70);
  for (int i = 1; i < 1024; ++i) EXPECT_TRUE(a.lite.open(std::to_string(i), doc).ok());
  EXPECT_EQ(a.lite.open("one more", doc).code(), SK_LIMIT);
  EXPECT_EQ(a.lite.mutate(4711, 1, {}, a.now(), out).code(), SK_UNSUPPORTED);
}

TEST(Lite, an_answer_that_begins_before_the_log_is_refused) {
  HostModel host(1);
  Client a(1, host);
  a.drain();
  a.step();  // connects
  while (a.step() && a.lite.status(a.doc) != DocStatus::syncing) {
  }
  wire::SyncResponse page;
  page.document = kDoc;
  page.epoch = 7;
  page.has_snapshot = true;
  page.transactions.push_back("");  // at position 0, and there is none
  Buffer out;
  wire::frame(page, out);
  EXPECT_EQ(a.lite.receive(out, a.now()).code(), SK_MALFORMED);
  EXPECT_EQ(a.lite.position(a.doc), 0u);
  a.drain();
  EXPECT_TRUE(a.wants_drop);
}

// Bytes that are no frame, and frames cut short or changed: an error or nothing, and it goes on.
TEST(Lite, frames_of_a_defective_host_do_no_harm) {
  Random random(5);
  for (int round = 0; round < 300; ++round) {
    HostModel host(static_cast<uint64_t>(round));
    Client a(1, host), b(2, host);
    a.trusts = false;
    b.set("x", "{\"y\":1}");
    b.commit();
    settle(host, {&b});
    for (int i = 0; i < 6 && !a.wants_drop; ++i) {
      a.set("z", std::to_string(i));
      a.commit();
      for (int k = 0; k < 3; ++k) {
        if (a.wants_connect) {
          a.wants_connect = false;
          a.session = host.open();
          a.lite.connected("token", a.now());
        }
        a.drain();
        for (; a.session && !a.frames.empty(); a.frames.pop_front()) {
          host.receive(a.session, a.frames.front());
        }
        host.answer();
        host.flush();
        std::string frame;
        if (!a.session || !host.take(a.session, frame)) continue;
        if (random.chance(40)) {
          size_t at = random.below(frame.size());
          if (random.chance(50)) {
            frame.resize(at);
          } else {
            frame[at] = static_cast<char>(frame[at] ^ (1 << random.below(8)));
          }
        }
        (void)a.lite.receive(Bytes(frame), a.now());
        a.drain();
      }
    }
    EXPECT_FALSE(a.view().empty());
  }
}

// ---- random worlds ------------------------------------------------------------------------------

struct World {
  explicit World(uint64_t seed) : random(seed), host(random.next()) {
    host.page_transactions = static_cast<uint32_t>(1 + random.below(6));
    host.lose_notifications = static_cast<unsigned>(random.chance(50) ? random.below(30) : 0);
    host.repeat_notifications = static_cast<unsigned>(random.below(20));
    bool refusals = random.chance(40), outages = random.chance(30);
    host.refuse = [=, this](const wire::Transaction& t) {
      if (t.changes.empty()) return SK_OK;
      uint64_t draw = (t.replica ^ t.seq * 0x9e3779b97f4a7c15u) >> 7;
      if (refusals && draw % 12 == 0) return draw % 24 ? SK_DENIED : SK_MALFORMED;
      return outages && !calm && random.chance(15) ? SK_UNAVAILABLE : SK_OK;
    };
    constexpr int64_t kSkews[] = {0, 3'000, -3'000, 3'600'000, -3'600'000, 90'000};
    bool skewed = random.chance(40);
    for (uint64_t i = 2 + random.below(3); i > 0; --i) {
      int64_t skew = skewed ? kSkews[random.below(6)] : 0;
      clients.push_back(std::make_unique<Client>(random.next() | 1, host, skew));
      marks.emplace_back();
    }
  }

  void edit(size_t i) {
    Client& client = *clients[i];
    bool whole = random.chance(20);
    if (whole) (void)client.lite.begin(client.doc);
    for (uint64_t n = 1 + random.below(3); n > 0; --n) {
      std::vector<std::string> path{std::string(1, static_cast<char>('a' + random.below(3)))};
      if (random.chance(40)) path.push_back(random.chance(50) ? "x" : "y");
      const char* const kValues[] = {"1", "{}", "{\"x\":2,\"y\":{\"x\":3}}", "null", "[{}]"};
      client.mutate(random.chance(25) ? map_delete(path) : map_set(path, kValues[random.below(5)]));
    }
    if (whole) (void)client.lite.commit(client.doc, client.now());
    client.commit();
    std::string mark = "m" + std::to_string(++last_mark);  // alone in its transaction
    marks[i][client.set(mark, "true")] = mark;
    client.commit();
  }

  void run() {
    for (int step = 0; step < 250; ++step) {
      size_t i = random.below(clients.size());
      uint64_t draw = random.below(100);
      if (draw < 20) {
        edit(i);
      } else if (draw < 70) {
        clients[i]->step();
      } else if (draw < 80) {
        host.answer();
      } else if (draw < 90) {
        host.flush();
      } else if (draw < 94) {
        pass(random.chance(20) ? 20'000 : 500);
      } else if (draw < 96) {
        clients[i]->hang_up();
      } else if (draw < 97) {
        host.crash();
      } else if (draw < 98) {
        if (host.idle()) host.compact(kDoc);
      } else if (draw < 99) {  // a log of another epoch that holds the same
        Disk copy = host.disk;
        host.restore(copy);
      } else {
        clients[i]->lite.online(random.chance(50), clients[i]->now());
      }
    }
    calm = true;
    host.lose_notifications = 0;
    for (auto& client : clients) client->lite.online(true, client->now());
    for (int round = 0; round < 200; ++round) {
      for (bool busy = true; busy;) {
        busy = false;
        for (auto& client : clients) busy = client->step() || busy;
        busy = host.answer() || busy;
        busy = host.flush() || busy;
      }
      if (round > 3 && at_rest()) break;
      pass(round < 100 ? 5'000 : 30'000);
    }
    std::string expected = truth(host);
    for (size_t i = 0; i < clients.size(); ++i) {
      Client& client = *clients[i];
      EXPECT_EQ(client.lite.status(client.doc), DocStatus::synced);
      EXPECT_EQ(client.lite.pending(client.doc), 0u);
      EXPECT_EQ(client.view(), expected);
      EXPECT_EQ(client.fatal, "");
      EXPECT_EQ(client.lite.last_seq(client.doc), host.disk[kDoc].version[client.replica]);
      for (const auto& [seq, mark] : marks[i]) {
        bool shown = expected.find("\"" + mark + "\"") != std::string::npos;
        EXPECT_NE(shown, client.rejected.count(seq) != 0) << mark;
      }
      resets += client.resets;
      rejected += client.rejected.size();
    }
  }

  bool at_rest() {
    for (auto& client : clients) {
      if (client->lite.status(client->doc) != DocStatus::synced) return false;
      // A lost notification is noticed with the next one, or with the next connection.
      if (client->lite.position(client->doc) == host.disk[kDoc].position()) continue;
      client->hang_up();
      return false;
    }
    return true;
  }

  void pass(uint64_t ms) {
    host.now_ms += ms;
    for (auto& client : clients) client->lite.tick(client->now());
  }

  Random random;
  HostModel host;
  Clients clients;
  std::vector<std::map<uint64_t, std::string>> marks;  // seq -> a key that only it sets
  uint64_t last_mark = 0;
  size_t resets = 0, rejected = 0;
  bool calm = false;
};

TEST(Lite, random_worlds_converge_and_lose_nothing) {
  const char* one = std::getenv("SYNCKIT_SIM_SEED");
  uint64_t first = one ? std::strtoull(one, nullptr, 0) : 1, seeds = one ? 1 : 2000;
  size_t resets = 0, rejected = 0;
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    World world(seed);
    world.run();
    ASSERT_FALSE(HasFailure()) << "reproduce: SYNCKIT_SIM_SEED=" << seed;
    resets += world.resets;
    rejected += world.rejected;
  }
  std::printf("proof: lite     %llu worlds: all converge; %zu refusals, %zu maps made anew\n",
              static_cast<unsigned long long>(seeds), rejected, resets);
  EXPECT_TRUE(one || (resets > 100 && rejected > 100));
}

}  // namespace
}  // namespace synckit::model
