// Anchors, undo and compaction of the text type against the naive model (text_testing.hpp): three
// replicas, random histories with loads and compactions inside. A failure prints the seed that
// reproduces it: SYNCKIT_SEED=n runs that history alone.
#include <cstdlib>

#include "text_testing.hpp"

namespace synckit::text::testing {
namespace {

constexpr char32_t kLetters[] = {U'a', U'b', U'\n', U'\u044f', U'\u4e2d', U'\U0001f600'};

struct Token {
  std::string bytes;
  std::vector<Id> fresh, gone;  // what the edit inserted and deleted
};
using Step = std::vector<Token>;

struct Op {
  std::string delta;
  std::vector<Id> fresh, gone;
  std::set<size_t> past;  // ops that its author knew
};

struct Site {
  explicit Site(uint64_t id) : peer(std::make_unique<Peer>(id)) {}
  std::unique_ptr<Peer> peer;
  std::set<Id> known, dead;
  std::set<size_t> ops;
  std::vector<Step> done, undone;
  std::multimap<Id, Id> copies;
};

struct Mark {
  std::string bytes;
  Id id;       // kRoot: the start, kEnd: the end
  bool right;  // in front of it
};

struct History {
  explicit History(uint64_t seed) : random(seed) {
    for (uint64_t id : {7, 0x22220000, 0x1111}) sites.emplace_back(id);
  }
  Random random;
  Model model;
  std::vector<Site> sites;
  std::vector<Op> log;
  std::vector<Mark> marks;
  size_t undos = 0, resolved = 0;

  std::vector<Id> visible(const Site& site) const {
    std::vector<Id> out;
    for (Id id : model.order(site.known)) {
      if (!site.dead.count(id)) out.push_back(id);
    }
    return out;
  }
  std::u32string text(const Site& site) const {
    std::u32string out;
    for (Id id : visible(site)) out += model.all.at(id).letter;
    return out;
  }

  void learn(Site& site, size_t op) {
    site.ops.insert(op);
    site.known.insert(log[op].fresh.begin(), log[op].fresh.end());
    site.dead.insert(log[op].gone.begin(), log[op].gone.end());
  }

  // Carries out one intent, about whose effect the model knows; returns its token.
  Token carry_out(Site& site, const std::string& intent, std::vector<Id> fresh,
                  std::vector<Id> gone) {
    Buffer token;
    Writer out(token);
    std::string before = site.peer->encode();
    EXPECT_TRUE(
        site.peer->text.capture({site.peer->id, site.peer->seq + 1, 0}, Bytes(intent), out).ok());
    EXPECT_EQ(site.peer->encode(), before);
    std::set<size_t> past = site.ops;
    log.push_back({site.peer->edit(intent), fresh, gone, past});
    learn(site, log.size() - 1);
    return {token.str(), fresh, gone};
  }

  // Characters behind `left` in the whole order of a site.
  std::vector<Id> type(Site& site, Id left, const std::u32string& letters, uint64_t seq) {
    std::vector<Id> order = model.order(site.known), fresh;
    auto at = std::find(order.begin(), order.end(), left);
    size_t next = at == order.end() ? 0 : static_cast<size_t>(at - order.begin()) + 1;
    Id right = next < order.size() ? order[next] : kEnd;
    std::set<Id> known = site.known;
    for (char32_t letter : letters) {
      Id id{site.peer->id, seq++};
      model.insert(id, left, right, letter, known);
      known.insert(id);
      fresh.push_back(left = id);
    }
    return fresh;
  }

  void edit(Site& site) {
    std::vector<Id> now = visible(site);
    size_t at = random.below(now.size() + 1), erase = 0;
    if (random.one_in(3)) erase = random.below(std::min<size_t>(now.size() - at, 4) + 1);
    std::u32string letters;
    for (size_t n = erase && random.one_in(2) ? 0 : 1 + random.below(3); n; --n) {
      letters += kLetters[random.below(6)];
    }
    std::vector<Id> gone(now.begin() + static_cast<long>(at),
                         now.begin() + static_cast<long>(at + erase));
    std::vector<Id> fresh =
        type(site, at ? now[at - 1] : kRoot, letters, site.peer->seq + 1 + (erase ? 1 : 0));
    if (fresh.empty() && gone.empty()) return;
    site.done.push_back({carry_out(site, splice(at, erase, utf8(letters)), fresh, gone)});
    site.undone.clear();
  }

  // What the intents that revert wrote are to do, in the model: all atoms of the edit and their
  // copies go, and what was deleted comes back behind its tombstones.
  void take_back(Site& site, std::vector<Step>& from, std::vector<Step>& to) {
    if (from.empty()) return;
    Step step = from.back(), inverse;
    from.pop_back();
    for (auto token = step.rbegin(); token != step.rend(); ++token) {
      revert(site, *token, inverse);
      if (::testing::Test::HasFatalFailure()) return;
    }
    if (!inverse.empty()) to.push_back(inverse);
    ++undos;
  }

  void revert(Site& site, const Token& token, Step& inverse) {
    Buffer bytes;
    Writer out(bytes);
    Status status = site.peer->text.revert(Bytes(token.bytes), out);
    ASSERT_TRUE(status.ok()) << status.text();
    std::vector<Id> doomed = token.fresh;
    for (size_t i = 0; i < doomed.size(); ++i) {
      auto [first, last] = site.copies.equal_range(doomed[i]);
      for (; first != last; ++first) doomed.push_back(first->second);
    }
    std::set<Id> left;
    for (Id id : doomed) {
      if (!site.dead.count(id)) left.insert(id);
    }
    std::vector<std::vector<Id>> groups = together(site, token.gone);
    size_t group = 0;
    for (Reader in(bytes.bytes()); !in.done();) {
      std::string intent = in.sized().str();
      if (intent[0] == 1) {
        Reader read{Bytes(intent)};
        read.byte();
        size_t at = static_cast<size_t>(read.varint()), count = static_cast<size_t>(read.varint());
        std::vector<Id> now = visible(site);
        ASSERT_LE(at + count, now.size());
        ASSERT_TRUE(read.good_end() && count);
        std::vector<Id> gone(now.begin() + static_cast<long>(at),
                             now.begin() + static_cast<long>(at + count));
        for (Id id : gone) ASSERT_EQ(left.erase(id), 1u) << "deletes what it did not insert";
        inverse.push_back(carry_out(site, intent, {}, gone));
        continue;
      }
      ASSERT_LT(group, groups.size());
      const std::vector<Id>& old = groups[group++];
      std::u32string letters;
      for (Id id : old) letters += model.all.at(id).letter;
      std::vector<Id> fresh = type(site, old.back(), letters, site.peer->seq + 1);
      inverse.push_back(carry_out(site, intent, fresh, {}));
      for (size_t i = 0; i < old.size(); ++i) site.copies.emplace(old[i], fresh[i]);
    }
    ASSERT_TRUE(left.empty()) << "not all of an insertion was deleted";
    ASSERT_EQ(group, groups.size());
  }

  // Cut where they do not stand next to each other.
  std::vector<std::vector<Id>> together(const Site& site, const std::vector<Id>& ids) const {
    std::vector<Id> order = model.order(site.known);
    std::vector<std::vector<Id>> groups;
    for (Id id : ids) {
      auto at = std::find(order.begin(), order.end(), id);
      bool joins = at != order.begin() && !groups.empty() && groups.back().back() == at[-1];
      if (!joins) groups.emplace_back();
      groups.back().push_back(id);
    }
    return groups;
  }

  void deliver(Site& site) {
    std::vector<size_t> ready;
    for (size_t i = 0; i < log.size(); ++i) {
      if (site.ops.count(i)) continue;
      if (std::includes(site.ops.begin(), site.ops.end(), log[i].past.begin(), log[i].past.end())) {
        ready.push_back(i);
      }
    }
    if (ready.empty()) return;
    size_t op = ready[random.below(ready.size())];
    ASSERT_TRUE(site.peer->merge(log[op].delta).ok());
    learn(site, op);
  }

  void load(Site& site) {
    auto fresh = std::make_unique<Peer>(site.peer->id);
    ASSERT_TRUE(fresh->merge(site.peer->encode()).ok());
    fresh->seq = site.peer->seq;
    site.peer = std::move(fresh);
    site.copies.clear();
  }

  void compact(Site& site) {
    std::string before = site.peer->encode();
    ASSERT_TRUE(site.peer->text.compact(Version()).ok());
    ASSERT_EQ(site.peer->encode(), before);
  }

  void mark(Site& site) {
    std::vector<Id> now = visible(site);
    size_t at = random.below(now.size() + 1);
    uint32_t side = random.one_in(2) ? SK_SIDE_LEFT : SK_SIDE_RIGHT;
    bool right = side == SK_SIDE_RIGHT;
    Buffer bytes;
    Writer out(bytes);
    ASSERT_TRUE(site.peer->text.make_anchor(at, SK_UNIT_CODE_POINTS, side, out).ok());
    Id id = right ? (at < now.size() ? now[at] : kEnd) : (at ? now[at - 1] : kRoot);
    marks.push_back({bytes.str(), id, right});
    if (marks.size() > 8) marks.erase(marks.begin());
  }

  void resolve(const Site& site, const Mark& mark) {
    uint64_t position = 0;
    bool deleted = false;
    Status status =
        site.peer->text.resolve_anchor(Bytes(mark.bytes), SK_UNIT_CODE_POINTS, position, deleted);
    bool edge = mark.id == kRoot || mark.id == kEnd;
    if (!edge && !site.known.count(mark.id)) {
      ASSERT_EQ(status.code(), SK_MISSING_DEPS);
      return;
    }
    ASSERT_TRUE(status.ok()) << status.text();
    uint64_t want = 0, wide = 0, points = 0;
    bool gone = !edge && site.dead.count(mark.id);
    for (Id id : model.order(site.known)) {
      bool here = id == mark.id;
      if (mark.id == kRoot || (here && (mark.right || gone))) break;
      if (!site.dead.count(id)) ++points, wide += model.all.at(id).letter > 0xffff;
      if (here) break;
    }
    want = points;
    ASSERT_EQ(position, want);
    ASSERT_EQ(deleted, gone);
    ASSERT_TRUE(
        site.peer->text.resolve_anchor(Bytes(mark.bytes), SK_UNIT_UTF16, position, deleted).ok());
    ASSERT_EQ(position, want + wide);
    ++resolved;
  }

  void check(const Site& site) {
    ASSERT_EQ(site.peer->view(), json(text(site)));
    ASSERT_EQ(site.peer->shadow, text(site));
    for (const Mark& each : marks) {
      resolve(site, each);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }

  void run(size_t commands) {
    while (commands-- && !::testing::Test::HasFatalFailure()) {
      Site& site = sites[random.below(sites.size())];
      size_t draw = random.below(20);
      if (draw < 6) edit(site);
      if (draw >= 6 && draw < 11) deliver(site);
      if (draw >= 11 && draw < 15) take_back(site, site.done, site.undone);
      if (draw >= 15 && draw < 17) take_back(site, site.undone, site.done);
      if (draw == 17) mark(site);
      if (draw == 18) compact(site);
      if (draw == 19) load(site);
      if (!::testing::Test::HasFatalFailure()) check(site);
    }
    for (Site& site : sites) {
      while (site.ops.size() < log.size() && !::testing::Test::HasFatalFailure()) deliver(site);
      if (::testing::Test::HasFatalFailure()) return;
      check(site);
      ASSERT_EQ(site.peer->encode(), sites[0].peer->encode());
    }
  }
};

TEST(TextAbilities, agree_with_the_model_over_random_histories) {
  const char* one = std::getenv("SYNCKIT_SEED");
  uint64_t first = one ? std::strtoull(one, nullptr, 10) : 1, count = one ? 1 : 1500;
  size_t undos = 0, resolved = 0, ops = 0;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    History history(seed);
    history.run(40);
    undos += history.undos, resolved += history.resolved, ops += history.log.size();
    ASSERT_FALSE(HasFatalFailure()) << "reproduce: SYNCKIT_SEED=" << seed << " text_test";
  }
  std::cout << count << " histories, " << ops << " edits, " << undos << " undone or redone, "
            << resolved << " anchors resolved\n";
  if (!one) {
    EXPECT_GT(undos, 5 * count);
    EXPECT_GT(resolved, 5 * count);
  }
}

// The histories of docs/adr/0010: a tombstone that everybody has seen deleted, and that deltas name
// all the same. Whoever forgot it could not place them.
TEST(TextAbilities, a_tombstone_that_all_have_seen_is_still_named) {
  Peer a(1), b(2), c(3);
  std::string typed = a.edit(splice(0, 0, "xyz"));
  for (Peer* peer : {&b, &c}) ASSERT_TRUE(peer->merge(typed).ok());
  std::string late = b.edit(splice(2, 0, "L"));  // between y and z, and on its way for long
  std::string deleted = a.edit(splice(1, 1, ""));
  for (Peer* peer : {&b, &c}) ASSERT_TRUE(peer->merge(deleted).ok());
  // Now all three have seen y and its delete: {1: 4} is stable. One of them compacts.
  ASSERT_TRUE(c.text.compact(Version()).ok());
  std::string next = a.edit(splice(1, 0, "N"));  // its right origin is the tombstone of y
  for (const std::string& delta : {next, late}) ASSERT_TRUE(c.merge(delta).ok());
  ASSERT_TRUE(a.merge(late).ok());
  ASSERT_TRUE(b.merge(next).ok());
  EXPECT_EQ(c.view(), "\"xNLz\"");
  for (Peer* peer : {&a, &b}) {
    EXPECT_EQ(peer->view(), c.view());
    EXPECT_EQ(peer->encode(), c.encode());
  }
}

TEST(TextAbilities, bad_anchors_and_tokens_are_refused_and_change_nothing) {
  Peer a(1);
  a.edit(splice(0, 0, "abc"));
  std::string token, before = a.encode();
  Buffer bytes;
  Writer out(bytes);
  ASSERT_TRUE(a.text.capture({1, 4, 0}, Bytes(splice(1, 1, "x")), out).ok());
  token = bytes.str();
  for (size_t cut = 0; cut < token.size(); ++cut) {
    Buffer none;
    Writer w(none);
    EXPECT_FALSE(a.text.revert(Bytes(token.substr(0, cut)), w).ok()) << cut;
  }
  Buffer none;
  Writer w(none);
  EXPECT_EQ(a.text.revert(Bytes(token), w).code(), SK_MISSING_DEPS);  // the edit was not made
  uint64_t position;
  bool deleted;
  Buffer anchor;
  Writer made(anchor);
  ASSERT_TRUE(a.text.make_anchor(1, SK_UNIT_UTF16, SK_SIDE_LEFT, made).ok());
  std::string good = anchor.str();
  EXPECT_EQ(good, std::string("\x12\x01\0\0\0\0\0\0\0\x01", 10));
  for (size_t cut = 0; cut < good.size(); ++cut) {
    Bytes part(reinterpret_cast<const uint8_t*>(good.data()), cut);
    EXPECT_EQ(a.text.resolve_anchor(part, 1, position, deleted).code(), SK_MALFORMED) << cut;
  }
  EXPECT_EQ(a.text.resolve_anchor(Bytes(good), 3, position, deleted).code(), SK_UNSUPPORTED);
  EXPECT_EQ(a.text.make_anchor(4, 1, 0, made).code(), SK_MALFORMED);
  EXPECT_EQ(a.text.make_anchor(0, 1, 2, made).code(), SK_UNSUPPORTED);
  EXPECT_EQ(a.encode(), before);
}

}  // namespace
}  // namespace synckit::text::testing
