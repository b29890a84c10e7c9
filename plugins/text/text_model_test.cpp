// The text type against the naive model of FugueMax (fugue_testing.hpp): random histories with
// everything that delivery may do, and origins that no honest writer sends. Small histories are
// explored exhaustively in tests/laws/explore_test.cpp. A failure prints the seed that
// reproduces it: SYNCKIT_SEED=n runs that history alone.
#include <cstdlib>
#include <functional>

#include "text_testing.hpp"

namespace synckit::text::testing {
namespace {

constexpr uint64_t kIds[] = {0x1111, 0x22220000, 7};  // not in the order of their use

// ---- random histories --------------------------------------------------------------------------

struct Entry {  // one edit, as its author sent it
  std::string delta;
  std::vector<Id> atoms;
  std::set<Id> erased;
  uint64_t last;  // seq of its last dot
  std::vector<sk_dot> needs;
};

struct World {
  Random random;
  Model model;
  std::map<uint64_t, std::vector<Entry>> logs;
  struct Site {
    Peer peer;
    std::set<Id> known, erased;
    std::map<uint64_t, size_t> taken;  // entries per author
    explicit Site(uint64_t id) : peer(id) {}
  };
  std::vector<std::unique_ptr<Site>> sites;

  explicit World(uint64_t seed) : random(seed) {
    for (uint64_t id : kIds) sites.push_back(std::make_unique<Site>(id));
  }

  std::vector<Id> visible(const Site& site, std::vector<Id>* full = nullptr) const {
    std::vector<Id> order = model.order(site.known), out;
    for (Id id : order) {
      if (!site.erased.count(id)) out.push_back(id);
    }
    if (full) *full = order;
    return out;
  }
  void check(const Site& site) const {
    std::u32string want;
    for (Id id : visible(site)) want += model.all.at(id).letter;
    ASSERT_EQ(utf8(site.peer.shadow), utf8(want));
    ASSERT_EQ(site.peer.view(), json(want));
    ASSERT_EQ(site.peer.text.length(), want.size());
  }

  void edit(Site& site) {
    static constexpr char32_t kLetters[] = U"abc \"\nжя中文😀🎉";
    Peer& peer = site.peer;
    if (random.one_in(4)) peer.seq += 1 + random.below(3);  // dots of other fields
    std::vector<Id> full, seen = visible(site, &full);
    size_t at = random.below(seen.size() + 1);
    if (!random.one_in(3)) at = seen.size() - random.below(std::min<size_t>(seen.size(), 2) + 1);
    size_t erase = random.one_in(3) ? random.below(std::min<size_t>(seen.size() - at, 4) + 1) : 0;
    size_t chars = erase && random.one_in(2) ? 0 : random.below(4);
    std::u32string letters;
    for (size_t i = 0; i < chars; ++i) letters += kLetters[random.below(12)];
    uint64_t first = peer.seq + 1;
    Entry entry;
    // The model: delete's dot first, then the atoms, behind the last visible one on the left.
    Id left = at ? seen[at - 1] : kRoot;
    auto place = left == kRoot ? full.begin() : std::find(full.begin(), full.end(), left) + 1;
    Id right = place == full.end() ? kEnd : *place;
    uint64_t seq = first + (erase ? 1 : 0);
    for (char32_t letter : letters) {
      Id id{peer.id, seq++};
      model.insert(id, left, right, letter, site.known);
      site.known.insert(id);
      entry.atoms.push_back(id);
      left = id;
    }
    entry.erased = {seen.begin() + static_cast<ptrdiff_t>(at),
                    seen.begin() + static_cast<ptrdiff_t>(at + erase)};
    site.erased.insert(entry.erased.begin(), entry.erased.end());

    std::string intent = splice(at, erase, utf8(letters));
    if (random.one_in(2)) {  // the same in UTF-16 units
      size_t units = 0, more = 0;
      for (size_t i = 0; i < at; ++i) units += model.all.at(seen[i]).letter > 0xffff ? 2 : 1;
      for (size_t i = at; i < at + erase; ++i) {
        more += model.all.at(seen[i]).letter > 0xffff ? 2 : 1;
      }
      intent = splice(units, more, utf8(letters), 2);
    }
    Buffer delta;
    uint32_t seqs = 0;
    Status status = peer.edit(intent, delta, seqs);
    ASSERT_TRUE(status.ok()) << status.text();
    ASSERT_EQ(seqs, chars + (erase ? 1 : 0));
    ASSERT_EQ(delta.empty(), seqs == 0);
    if (!seqs) return;
    entry.delta = delta.str();
    entry.last = peer.seq;
    Summary summary;
    ASSERT_TRUE(inspect(entry.delta, summary, entry.needs).ok());
    ASSERT_EQ(summary.authors, 1u);
    ASSERT_EQ(summary.replica, peer.id);
    ASSERT_EQ(summary.seq_lo, first);
    ASSERT_EQ(summary.seq_hi, peer.seq);
    for (const sk_dot& dot : entry.needs) ASSERT_NE(dot.replica, peer.id);
    logs[peer.id].push_back(entry);
    site.taken[peer.id] = logs[peer.id].size();
  }

  // The next edit of some author, ready or not; sometimes an old one once more.
  void deliver(Site& site, uint64_t author) {
    std::vector<Entry>& log = logs[author];
    size_t& taken = site.taken[author];
    if (taken && random.one_in(6)) {
      bool changed = true;
      ASSERT_TRUE(site.peer.merge(log[random.below(taken)].delta, &changed).ok());
      ASSERT_FALSE(changed) << "a duplicate changed something";
      return;
    }
    if (taken == log.size()) return;
    const Entry& entry = log[taken];
    bool ready = true;
    for (const sk_dot& dot : entry.needs) {
      ready = ready && site.peer.version[dot.replica] >= dot.seq;
    }
    if (!ready) {
      std::string before = site.peer.encode();
      ASSERT_EQ(site.peer.merge(entry.delta).code(), SK_MISSING_DEPS);
      ASSERT_EQ(site.peer.encode(), before);
      return;
    }
    Status status = site.peer.merge(entry.delta);
    ASSERT_TRUE(status.ok()) << status.text();
    take(site, entry, author);
    ++taken;
  }
  static void take(Site& site, const Entry& entry, uint64_t author) {
    site.known.insert(entry.atoms.begin(), entry.atoms.end());
    site.erased.insert(entry.erased.begin(), entry.erased.end());
    uint64_t& last = site.peer.version[author];
    last = std::max(last, entry.last);
  }

  // A catch-up from `from` over what `to` claims to know, at times less than it does know.
  void catch_up(Site& to, Site& from) {
    std::map<uint64_t, uint64_t> since = to.peer.version;
    if (random.one_in(3)) {
      for (auto& [id, last] : since) last -= random.below(static_cast<size_t>(last) + 1);
      std::erase_if(since, [](auto& item) { return item.second == 0; });
    }
    if (random.one_in(5)) since.clear();
    std::string delta = from.peer.encode(since);
    Summary summary;
    std::vector<sk_dot> needs;
    Status status = inspect(delta, summary, needs);
    ASSERT_TRUE(status.ok()) << status.text();
    for (const sk_dot& dot : needs) ASSERT_LE(dot.seq, since[dot.replica]);
    status = to.peer.merge(delta);
    ASSERT_TRUE(status.ok()) << status.text();
    bool changed = true;
    ASSERT_TRUE(to.peer.merge(delta, &changed).ok());
    ASSERT_FALSE(changed) << "the same catch-up again changed something";
    for (auto& [author, log] : logs) {
      for (; to.taken[author] < from.taken[author]; ++to.taken[author]) {
        take(to, log[to.taken[author]], author);
      }
    }
    for (auto& [author, log] : logs) {  // deletes that came along with older knowledge
      for (size_t i = 0; i < from.taken[author]; ++i) {
        to.erased.insert(log[i].erased.begin(), log[i].erased.end());
      }
    }
  }

  void reload(Site& site) {
    std::string snapshot = site.peer.encode();
    auto fresh = std::make_unique<Site>(site.peer.id);
    ASSERT_TRUE(fresh->peer.merge(snapshot).ok());
    ASSERT_EQ(fresh->peer.encode(), snapshot);
    fresh->peer.seq = site.peer.seq;
    fresh->peer.version = site.peer.version;
    fresh->known = site.known;
    fresh->erased = site.erased;
    fresh->taken = site.taken;
    for (auto& slot : sites) {
      if (slot.get() == &site) return std::swap(slot, fresh);
    }
  }

  void run(size_t steps) {
    for (size_t i = 0; i < steps && !::testing::Test::HasFatalFailure(); ++i) {
      size_t who = random.below(sites.size());
      Site& site = *sites[who];
      Site& other = *sites[(who + 1 + random.below(2)) % 3];
      switch (random.below(12)) {
        case 0: catch_up(site, other); break;
        case 1: reload(site); break;
        case 2: case 3: case 4: case 5: deliver(site, other.peer.id); break;
        default: edit(site);
      }
      if (::testing::Test::HasFatalFailure()) return;
      check(*sites[who]);
    }
    if (::testing::Test::HasFatalFailure()) return;
    settle();
  }

  void settle() {
    for (bool moved = true; moved;) {
      moved = false;
      for (auto& site : sites) {
        for (auto& [author, log] : logs) {
          size_t before = site->taken[author];
          deliver(*site, author);
          if (::testing::Test::HasFatalFailure()) return;
          moved = moved || before != log.size();
        }
      }
    }
    Peer loaded(42);
    ASSERT_TRUE(loaded.merge(sites[0]->peer.encode()).ok());
    for (auto& site : sites) {
      check(*site);
      ASSERT_EQ(site->peer.encode(), sites[0]->peer.encode());
      ASSERT_EQ(loaded.shadow, site->peer.shadow);
      std::map<uint64_t, uint64_t> since = site->peer.version;
      for (auto& [id, last] : since) last /= 2;
      ASSERT_EQ(site->peer.encode(since), loaded.encode(since)) << "catch-ups differ";
    }
  }
};

void run_seeds(uint64_t count, size_t steps, const std::function<void(uint64_t, size_t)>& run) {
  const char* fixed = std::getenv("SYNCKIT_SEED");
  for (uint64_t seed = 1; seed <= count; ++seed) {
    uint64_t use = fixed ? std::strtoull(fixed, nullptr, 10) : seed;
    SCOPED_TRACE("SYNCKIT_SEED=" + std::to_string(use));
    run(use, steps);
    if (fixed || ::testing::Test::HasFailure()) return;
  }
}

TEST(TextModel, agrees_on_random_short_histories) {
  run_seeds(2500, 24, [](uint64_t seed, size_t steps) { World(seed).run(steps); });
}

TEST(TextModel, agrees_on_random_long_histories) {
  run_seeds(8, 180, [](uint64_t seed, size_t steps) { World(seed).run(steps); });
}

// ---- origins that no honest writer would send ---------------------------------------------------

// An insert of one letter with any origins: seq is the atom's, 0 for "none".
std::string raw_insert(Id id, Id lo, Id ro, char letter) {
  Buffer out;
  Writer w(out);
  std::set<uint64_t> table;
  for (Id origin : {lo, ro}) {
    if (origin.second && origin.first != id.first) table.insert(origin.first);
  }
  w.byte(static_cast<uint8_t>(kOp | kInserts | (table.empty() ? 0 : kTable)));
  w.fixed64(id.first);
  w.varint(id.second);
  if (!table.empty()) w.varint(table.size());
  for (uint64_t other : table) w.fixed64(other);
  for (Id origin : {lo, ro}) {
    bool own = origin.first == id.first;
    w.varint(own && origin.second ? id.second - origin.second : origin.second);
    if (origin.second && !table.empty()) {
      auto at = std::distance(table.begin(), table.find(origin.first));
      w.varint(own ? 0 : static_cast<uint64_t>(at) + 1);
    }
  }
  w.byte(static_cast<uint8_t>(letter));
  return out.str();
}

bool holds(const std::set<Id>& all, const std::set<Id>& part) {
  return std::includes(all.begin(), all.end(), part.begin(), part.end());
}

void dishonest(uint64_t seed, size_t inserts) {
  Random random(seed);
  struct Sent {
    Id id;
    std::set<Id> past;
    std::string delta;
  };
  std::vector<Sent> log;
  for (size_t i = 0; i < inserts; ++i) {
    uint64_t replica = kIds[random.below(3)];
    uint64_t seq = 1;
    std::set<Id> known;
    for (auto& sent : log) {
      bool own = sent.id.first == replica;
      seq += own;
      if (!own && random.one_in(2)) continue;
      known.insert(sent.id);
      known.insert(sent.past.begin(), sent.past.end());
    }
    std::vector<Id> choice(known.begin(), known.end());
    choice.push_back({0, 0});
    Id lo = choice[random.below(choice.size())], ro = choice[random.below(choice.size())];
    log.push_back({{replica, seq}, known,
                   raw_insert({replica, seq}, lo, ro, static_cast<char>('a' + i % 26))});
  }
  std::string encoded, view;
  for (int round = 0; round < 5; ++round) {
    Peer peer(5);
    std::set<Id> known;
    std::vector<Sent> rest = log;
    while (!rest.empty()) {
      size_t at = random.below(rest.size());
      if (!holds(known, rest[at].past)) continue;
      Status status = peer.merge(rest[at].delta);
      ASSERT_TRUE(status.ok()) << status.text();
      known.insert(rest[at].id);
      rest.erase(rest.begin() + static_cast<ptrdiff_t>(at));
    }
    ASSERT_EQ(json(peer.shadow), peer.view());
    if (round == 0) encoded = peer.encode(), view = peer.view();
    ASSERT_EQ(peer.view(), view);
    ASSERT_EQ(peer.encode(), encoded);
  }
  Peer loaded(6);
  ASSERT_TRUE(loaded.merge(encoded).ok());
  ASSERT_EQ(loaded.view(), view);
  ASSERT_EQ(loaded.encode(), encoded);
}

TEST(TextModel, converges_whatever_origins_a_delta_claims) {
  run_seeds(3000, 9, [](uint64_t seed, size_t) { dishonest(seed, 2 + seed % 9); });
  run_seeds(50, 60, dishonest);
}

}  // namespace
}  // namespace synckit::text::testing
