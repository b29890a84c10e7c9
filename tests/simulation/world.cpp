#include "world.hpp"

#include <client/intents.hpp>

#include <cinttypes>
#include <cstdio>
#include <stdexcept>

namespace synckit::model {
namespace {

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

void check(bool held, const std::string& what) {
  if (!held) throw Failure(what);
}

// A client across its lives: what survives a crash, and what was promised to its user.
struct Person {
  uint64_t replica = 0;
  ClientDisk* disk = nullptr;
  int64_t skew_ms = 0;
  std::unique_ptr<ClientModel> client;
  std::vector<DocHandle> docs;
  size_t host = 0;
  HostModel::SessionId session = 0;
  unsigned lives = 0;
  std::vector<uint64_t> saved, durable;             // per document: promised seqs
  std::vector<std::map<uint64_t, int64_t>> ledger;  // seq -> counter amount
  std::vector<std::map<uint64_t, std::string>> marks;  // seq -> an element that only it adds
  std::vector<std::set<uint64_t>> refused;          // seqs
};

class World {
 public:
  World(uint64_t seed, const Scenario& scenario, bool trace)
      : scenario_(scenario), random_(seed), trace_(trace) {
    for (unsigned i = 0; i < scenario.hosts; ++i) {
      hosts_.push_back(std::make_unique<HostModel>(random_.next(), disk_));
      hosts_[i]->lose_notifications = static_cast<unsigned>(random_.below(30));
      hosts_[i]->repeat_notifications = static_cast<unsigned>(random_.below(20));
      hosts_[i]->page_transactions = static_cast<uint32_t>(1 + random_.below(8));
      if (scenario.refusals || scenario.outages) {
        hosts_[i]->refuse = [this](const wire::Transaction& t) { return refusal(t); };
      }
    }
    for (auto& host : hosts_) {
      for (auto& other : hosts_) {
        if (other != host) host->bus.push_back(other.get());
      }
    }
    for (unsigned i = 0; i < scenario.documents; ++i) names_.push_back("doc" + std::to_string(i));
    client_disks_.resize(scenario.clients);
    people_.resize(scenario.clients);
    constexpr int64_t kSkews[] = {0, 3'000, -3'000, 3'600'000, -3'600'000, 90'000};
    for (unsigned i = 0; i < scenario.clients; ++i) {
      Person& person = people_[i];
      person.replica = random_.next() | 1;
      person.disk = &client_disks_[scenario.shared_disk && i == 1 ? 0 : i];
      person.skew_ms = scenario.skewed ? kSkews[random_.below(6)] : 0;
      person.saved.resize(names_.size());
      person.durable.resize(names_.size());
      person.ledger.resize(names_.size());
      person.marks.resize(names_.size());
      person.refused.resize(names_.size());
      boot(person);
    }
  }

  uint64_t fingerprint() const {
    uint64_t hash = 0xcbf29ce484222325u;
    for (const ClientDisk& disk : client_disks_) {
      for (const auto& [key, value] : disk.records()) {
        for (char c : key + value) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
      }
    }
    return hash;
  }

  void run() {
    for (unsigned step = 0; step < scenario_.steps; ++step) {
      Person& person = people_[random_.below(people_.size())];
      act(person, random_.below(100));
      if (random_.chance(3)) fault(person);
    }
    calm();
    finale();
  }

 private:
  uint64_t now(const Person& person) const {
    return hosts_[0]->now_ms + static_cast<uint64_t>(person.skew_ms);
  }

  sk_status refusal(const wire::Transaction& transaction) {
    if (transaction.changes.empty()) return SK_OK;
    uint64_t draw = (transaction.replica ^ transaction.seq * 0x9e3779b97f4a7c15u) >> 7;
    if (scenario_.refusals && draw % 16 == 0) return SK_DENIED;
    if (scenario_.outages && !calm_ && random_.chance(15)) return SK_UNAVAILABLE;
    return SK_OK;
  }

  void log(const Person& person, const char* what, uint64_t number = 0) {
    if (!trace_) return;
    std::printf("%" PRIx64 " life %u: %s %" PRIu64 "\n", person.replica >> 48, person.lives, what,
                number);
  }

  // ---- one life of a client ------------------------------------------------------------------

  void boot(Person& person) {
    ++person.lives;
    person.client = std::make_unique<ClientModel>(person.replica, random_.next(), *person.disk,
                                                  scenario_.limits);
    person.docs.clear();
    for (size_t d = 0; d < names_.size(); ++d) {
      DocHandle doc = person.client->open(names_[d], now(person));
      person.docs.push_back(doc);
      person.refused[d].clear();  // what was not stored is undone; the others are told again
      uint64_t last = person.client->engine.last_seq(doc);
      check(last >= person.saved[d], "a reloaded client has lost what it was told is saved");
      person.ledger[d].erase(person.ledger[d].upper_bound(last), person.ledger[d].end());
      person.marks[d].erase(person.marks[d].upper_bound(last), person.marks[d].end());
    }
    person.client->engine.online(true, now(person));
    listen(person);
  }

  void crash(Person& person) {
    log(person, "crashes");
    hang_up(person);
    person.client.reset();
    boot(person);
  }

  void hang_up(Person& person) {
    if (person.session) hosts_[person.host]->close(person.session);
    person.session = 0;
    person.client->frames.clear();
  }

  // Takes what the engine says, and holds it to its word.
  void listen(Person& person) {
    ClientModel& client = *person.client;
    client.drain(now(person));
    for (size_t d = 0; d < names_.size(); ++d) {
      Told& told = client.told[person.docs[d]];
      if (told.saved > person.saved[d]) person.saved[d] = told.saved;
      if (told.durable > person.durable[d]) {
        person.durable[d] = told.durable;
        if (!scenario_.restores) {
          check(disk_[names_[d]].version[person.replica] >= told.durable,
                "a client was told that a change is durable before it was");
        }
      }
      for (const Rejection& rejection : told.rejected) {
        for (uint32_t i = 0; i < rejection.count; ++i) {
          person.refused[d].insert(rejection.seq + i);
        }
      }
      told.rejected.clear();
      told.patches.clear();
    }
    for (const std::string& error : client.errors) log(person, error.c_str());
    client.errors.clear();
    check(!client.fatal, "a client went offline for good");
  }

  // ---- actions -------------------------------------------------------------------------------

  void act(Person& person, uint64_t draw) {
    if (draw < 25) {
      edit(person);
    } else if (draw < 38) {
      person.client->store_one(now(person));
    } else if (draw < 55) {
      carry(person, 1 + random_.below(3));
    } else if (draw < 75) {
      deliver(person, 1 + random_.below(3));
    } else if (draw < 85) {
      hosts_[random_.below(hosts_.size())]->answer();
    } else if (draw < 95) {
      hosts_[random_.below(hosts_.size())]->flush();
    } else {
      pass_time(random_.below(random_.chance(20) ? 20'000 : 500));
    }
    listen(person);
    transport(person);
  }

  void fault(Person& person) {
    uint64_t draw = random_.below(100);
    if (draw < 35 && scenario_.disconnects) {
      log(person, "loses its connection");
      hang_up(person);
      person.client->engine.disconnected(now(person));
    } else if (draw < 60 && scenario_.crashes) {
      crash(person);
    } else if (draw < 75 && scenario_.crashes) {
      size_t host = random_.below(hosts_.size());
      log(person, "sees a host crash", host);
      hosts_[host]->crash();
    } else if (draw < 90 && scenario_.compaction) {
      bool reading = false;
      for (auto& host : hosts_) reading = reading || !host->idle();
      if (!reading) hosts_[0]->compact(names_[random_.below(names_.size())]);
    } else if (scenario_.restores) {
      if (backup_.empty()) {
        backup_ = disk_;
      } else {
        log(person, "sees the hosts' disk restored");
        for (auto& host : hosts_) host->crash();
        hosts_[0]->restore(backup_);
        backup_.clear();
      }
    }
    listen(person);
  }

  void edit(Person& person) {
    size_t d = random_.below(names_.size());
    Engine& engine = person.client->engine;
    DocHandle doc = person.docs[d];
    uint64_t kind = random_.below(4);
    if (kind == 0) {  // alone in its transaction, so that the ledger knows what became of it
      engine.commit_all(now(person));
      int64_t amount = static_cast<int64_t>(random_.below(9)) - 3;
      Edit out;
      if (mutate(person, d, "n", "counter", count(amount), out) && out.count) {
        person.ledger[d][out.last_seq] = amount;
      }
      engine.commit_all(now(person));
      std::string mark = "\"" + std::to_string(++marks_) + "\"";
      if (mutate(person, d, "marks", "set", set_add(mark), out)) {
        person.marks[d][out.last_seq] = mark;
      }
      engine.commit_all(now(person));
      return;
    }
    if (random_.chance(20)) (void)engine.begin(doc);
    for (uint64_t n = 1 + random_.below(3); n > 0; --n) {
      Edit out;
      std::string value = std::to_string(random_.below(5));
      if (kind == 1) {
        std::vector<std::string> path{std::string(1, static_cast<char>('a' + random_.below(4)))};
        if (random_.chance(40)) path.push_back(random_.chance(50) ? "x" : "y");
        mutate(person, d, "", "lww", random_.chance(25) ? map_delete(path) : map_set(path, value),
               out);
      } else if (kind == 2) {
        mutate(person, d, "tags", "set", random_.chance(35) ? set_remove(value) : set_add(value),
               out);
      } else {
        type_text(person, d);
      }
    }
    (void)engine.commit(doc, now(person));
  }

  void type_text(Person& person, size_t d) {
    if (!registry().find("text")) return;
    Buffer json;
    FieldHandle field = 0;
    Engine& engine = person.client->engine;
    if (!engine.field(person.docs[d], "body", "text", field).ok()) return;
    check(engine.view(person.docs[d], field, json).ok(), "a text cannot be read");
    uint64_t length = json.len - 2, at = random_.below(length + 1);
    uint64_t most = std::min<uint64_t>(length - at, 4);
    uint64_t remove = random_.chance(40) ? random_.below(most + 1) : 0;
    std::string text;
    for (uint64_t n = random_.below(4); n > 0; --n) {
      text += static_cast<char>('a' + random_.below(26));
    }
    Edit out;
    mutate(person, d, "body", "text", splice(at, remove, text), out);
  }

  bool mutate(Person& person, size_t d, const char* name, const char* type,
              const std::string& intent, Edit& out) {
    FieldHandle field = 0;
    Engine& engine = person.client->engine;
    check(engine.field(person.docs[d], name, type, field).ok(), "a field cannot be had");
    Status status = engine.mutate(person.docs[d], field, Bytes(intent), now(person), out);
    check(status.ok(), std::string("an edit failed: ") + status.text());
    return true;
  }

  // Client to host.
  void carry(Person& person, uint64_t frames) {
    auto& queue = person.client->frames;
    for (; frames > 0 && !queue.empty() && person.session; --frames) {
      std::string frame = std::move(queue.front());
      queue.pop_front();
      hosts_[person.host]->receive(person.session, frame);
    }
  }

  // Host to client.
  bool deliver(Person& person, uint64_t frames) {
    std::string frame;
    bool any = false;
    for (; frames > 0 && person.session && hosts_[person.host]->take(person.session, frame);
         --frames) {
      Status status = person.client->engine.receive(Bytes(frame), now(person));
      check(status.ok(), std::string("the engine refused a frame: ") + status.text());
      listen(person);
      any = true;
    }
    return any;
  }

  // Opens and closes connections as the engine asks and as hosts come and go.
  bool transport(Person& person) {
    ClientModel& client = *person.client;
    bool lost = person.session && !hosts_[person.host]->alive(person.session);
    if (client.wants_drop || lost) {
      client.wants_drop = client.wants_connect = false;
      hang_up(person);
      client.engine.disconnected(now(person));
      listen(person);
      return true;
    }
    if (!client.wants_connect) return false;
    client.wants_connect = false;
    person.host = random_.below(hosts_.size());
    person.session = hosts_[person.host]->open();
    client.engine.connected("", now(person));
    listen(person);
    return true;
  }

  void pass_time(uint64_t ms) {
    for (auto& host : hosts_) host->now_ms += ms;
    for (Person& person : people_) {
      person.client->engine.tick(now(person));
      listen(person);
      transport(person);
    }
  }

  // ---- the end -------------------------------------------------------------------------------

  // No more faults: everything that can move, moves; then time passes, as long as it helps.
  void calm() {
    calm_ = true;
    for (auto& host : hosts_) host->lose_notifications = 0;
    for (int round = 0; round < 400; ++round) {
      for (bool busy = true; busy;) {
        busy = false;
        for (Person& person : people_) {
          if (transport(person)) busy = true;
          if (person.client->store_one(now(person))) busy = true;
          if (person.session && !person.client->frames.empty()) carry(person, 1), busy = true;
          if (deliver(person, 1)) busy = true;
          listen(person);
        }
        for (auto& host : hosts_) {
          if (host->answer()) busy = true;
          if (host->flush()) busy = true;
        }
      }
      if (round > 3 && at_rest()) return;
      pass_time(round < 200 ? 5'000 : 30'000);
    }
    std::string who;
    for (Person& person : people_) {
      for (size_t d = 0; d < names_.size(); ++d) {
        DocHandle doc = person.docs[d];
        who += " [status " + std::to_string(static_cast<int>(person.client->engine.status(doc))) +
               " pending " + std::to_string(person.client->engine.pending(doc)) + " position " +
               std::to_string(person.client->engine.position(doc)) + "/" +
               std::to_string(disk_[names_[d]].position()) + "]";
      }
    }
    throw Failure("the clients never come to rest:" + who);
  }

  bool at_rest() {
    for (Person& person : people_) {
      for (size_t d = 0; d < names_.size(); ++d) {
        const Engine& engine = person.client->engine;
        if (engine.status(person.docs[d]) != DocStatus::synced) return false;
        // A lost bus message is noticed with the next one, or with the next connection.
        if (engine.position(person.docs[d]) != disk_[names_[d]].position()) {
          hang_up(person);
          person.client->engine.disconnected(now(person));
          return false;
        }
      }
    }
    return true;
  }

  void finale() {
    for (size_t d = 0; d < names_.size(); ++d) {
      const DocLog& log = disk_[names_[d]];
      Document truth(registry());
      check_log(log, truth);
      uint64_t digest = 0;
      check(truth.digest(digest).ok(), "the hosts' document cannot be read");
      int64_t sum = 0;
      for (Person& person : people_) {
        DocHandle doc = person.docs[d];
        check(person.client->digest(doc) == digest,
              "digests differ at rest: " + person.client->view(doc) + " against the hosts' " +
                  view_of(truth));
        check(person.client->engine.pending(doc) == 0, "a client at rest has pending changes");
        if (!scenario_.restores) {
          check(log.version[person.replica] >= person.saved[d], "a saved change is not in the log");
        }
        for (const auto& [seq, amount] : person.ledger[d]) {
          if (!person.refused[d].count(seq)) sum += amount;
        }
        check_marks(person, d, truth);
      }
      if (!scenario_.restores) {
        Buffer json;
        check(truth.view("n", "counter", json).ok(), "the counter cannot be read");
        check(json.str() == std::to_string(sum),
              "the counter is " + json.str() + ", its edits sum to " + std::to_string(sum));
      }
      check_reload(d, digest);
    }
  }

  // Every saved mark is there, unless it was refused, and no other one is.
  void check_marks(Person& person, size_t d, const Document& truth) {
    if (scenario_.restores) return;
    Buffer json;
    check(truth.view("marks", "set", json).ok(), "the marks cannot be read");
    std::string all = json.str();
    for (const auto& [seq, mark] : person.marks[d]) {
      bool shown = all.find(mark) != std::string::npos, refused = person.refused[d].count(seq) != 0;
      check(shown != refused, "mark " + mark + (shown ? " is shown but was refused"
                                                      : " is lost without a word"));
    }
  }

  static std::string view_of(const Document& document) {
    Buffer json;
    (void)document.view_all(json);
    return json.str();
  }

  // Every seq of every replica once, in order, and nothing that does not apply.
  void check_log(const DocLog& log, Document& truth) {
    std::map<uint64_t, uint64_t> next;
    if (!log.snapshot.empty()) {
      wire::Snapshot snapshot;
      check(wire::decode(Bytes(log.snapshot), snapshot).ok(), "the hosts' snapshot is malformed");
      check(truth.merge_snapshot(snapshot, nullptr).ok(), "the hosts' snapshot cannot be merged");
      for (const Dot& dot : snapshot.version.dots()) next[dot.replica] = dot.seq;
    }
    wire::Transaction transaction;
    for (const std::string& bytes : log.log) {
      Merged outcome;
      check(wire::decode(Bytes(bytes), transaction).ok(), "the log holds a malformed transaction");
      check(transaction.seq == next[transaction.replica] + 1, "the log is not in order of seqs");
      next[transaction.replica] = transaction.last_seq();
      check(truth.merge(transaction, outcome, nullptr).ok() && outcome == Merged::applied,
            "the log holds a transaction that cannot be merged");
    }
  }

  // Tabs that rebuild take records from each other: a reloaded one may be behind, but what it shows
  // must be the hosts' log up to its position.
  void check_prefix(size_t d, const ClientModel& again, DocHandle doc) {
    const DocLog& log = disk_[names_[d]];
    uint64_t position = again.engine.position(doc);
    if (again.engine.epoch(doc) != log.epoch || position < log.trimmed) return;
    DocLog prefix = log;
    prefix.log.resize(position - log.trimmed);
    Document then(registry());
    check_log(prefix, then);
    uint64_t digest = 0;
    check(then.digest(digest).ok(), "a prefix of the hosts' log cannot be read");
    check(again.digest(doc) == digest, "a reloaded tab shows " + again.view(doc) +
                                           " where the hosts' log has " + view_of(then));
  }

  // What is stored is what is shown: every client, started again without a network.
  void check_reload(size_t d, uint64_t digest) {
    for (Person& person : people_) {
      if (person.client->batches.size()) continue;
      ClientModel again(person.replica, 1, *person.disk, scenario_.limits);
      DocHandle doc = again.open(names_[d], now(person)), live = person.docs[d];
      if (!scenario_.shared_disk) {
        check(again.digest(doc) == digest, "a reloaded client differs: " + again.view(doc));
        check(again.engine.position(doc) == person.client->engine.position(live),
              "a reloaded client is at position " + std::to_string(again.engine.position(doc)) +
                  " instead of " + std::to_string(person.client->engine.position(live)));
      } else {
        check_prefix(d, again, doc);
      }
      check(again.engine.last_seq(doc) == person.client->engine.last_seq(live),
            "a reloaded client would use a seq twice");
      check(again.engine.pending(doc) == 0, "a reloaded client has acknowledged changes pending");
    }
  }

  Scenario scenario_;
  Random random_;
  bool trace_, calm_ = false;
  uint64_t marks_ = 0;
  Disk disk_, backup_;
  std::vector<std::unique_ptr<HostModel>> hosts_;
  std::vector<std::string> names_;
  std::vector<ClientDisk> client_disks_;
  std::vector<Person> people_;
};

}  // namespace

Scenario Scenario::of(uint64_t seed) {
  Random random(seed ^ 0x5ce0a210u);
  Scenario s;
  s.clients = static_cast<unsigned>(2 + random.below(3));
  s.hosts = random.chance(30) ? 2 : 1;
  s.documents = random.chance(20) ? 2 : 1;
  s.shared_disk = random.chance(25);
  s.skewed = random.chance(40);
  s.refusals = random.chance(35);
  s.outages = random.chance(30);
  s.restores = !s.refusals && random.chance(15);
  s.crashes = random.chance(80);
  s.compaction = random.chance(70);
  s.limits.snapshot_bytes = static_cast<uint32_t>(300 * (5 + random.below(30)));
  s.limits.window_bytes = static_cast<uint32_t>(4096 * random.below(8));
  s.steps = static_cast<unsigned>(100 + random.below(300));
  return s;
}

std::string Scenario::text() const {
  std::string out = std::to_string(clients) + " clients, " + std::to_string(hosts) + " hosts, " +
                    std::to_string(documents) + " documents, " + std::to_string(steps) + " steps";
  if (shared_disk) out += ", two tabs";
  if (skewed) out += ", skewed clocks";
  if (refusals) out += ", refusals";
  if (outages) out += ", outages";
  if (restores) out += ", restores";
  if (crashes) out += ", crashes";
  if (compaction) out += ", compaction";
  return out;
}

std::string run(uint64_t seed, const Scenario& scenario, bool trace, uint64_t* fingerprint) {
  try {
    World world(seed, scenario, trace);
    world.run();
    if (fingerprint) *fingerprint = world.fingerprint();
    return "";
  } catch (const std::exception& failure) {
    return failure.what();
  }
}

}  // namespace synckit::model
