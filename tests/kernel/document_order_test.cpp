// Random causal histories of several replicas, delivered in random orders with duplicates, over
// queues and snapshots: the documents must come out equal (invariants 3, 4, 5 of the design).
#include "fixture.hpp"

#include <algorithm>
#include <random>

namespace synckit::testing {
namespace {

class DocumentOrder : public DocumentFixture {
 protected:
  struct Made {
    std::string bytes;
    VersionVector needs;  // including the author's own earlier ones
    uint64_t replica, last;
  };

  // A history of `size` transactions by four replicas, each seeing a random part of the others.
  std::vector<Made> history(std::mt19937_64& random, size_t size) {
    std::vector<Made> out;
    VersionVector seen[5];
    for (size_t i = 0; i < size; ++i) {
      uint64_t replica = 1 + random() % 4;
      VersionVector& mine = seen[replica];
      if (!out.empty() && random() % 2) {  // hears of something, and of all that it builds on
        const Made& heard = out[random() % out.size()];
        mine.join(heard.needs);
        mine.raise(heard.replica, heard.last);
      }
      std::vector<Part> parts;
      for (uint64_t n = random() % 4; n > 0; --n) {
        Part part{std::string(1, static_cast<char>('f' + random() % 3)), std::to_string(i)};
        part.count = 1 + static_cast<uint32_t>(random() % 3);
        part.behaviour = random() % 8 == 0 ? kVoid : kFine;
        part.type = random() % 3 ? kToyName : kOtherName;
        for (const Dot& dot : mine.dots()) part.deps.push_back(dot);
        parts.push_back(part);
      }
      uint64_t first = mine[replica] + 1;
      Made made{transaction(replica, first, 10 + i, parts), mine, replica, 0};
      wire::Transaction t;
      EXPECT_TRUE(wire::decode(Bytes(made.bytes), t).ok());
      made.last = t.last_seq();
      if (parts.empty()) {  // a void one names no dependencies: only its author's order holds
        made.needs.clear();
        made.needs.raise(replica, first - 1);
      }
      mine.raise(replica, made.last);
      out.push_back(std::move(made));
    }
    return out;
  }
};

TEST_F(DocumentOrder, any_order_with_duplicates_gives_equal_documents) {
  uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 150; ++round) {
    std::vector<Made> made = history(random, 5 + random() % 40);
    Document in_order(registry);
    for (const Made& m : made) ASSERT_EQ(merge(in_order, m.bytes), Merged::applied);

    std::vector<size_t> order;
    for (size_t i = 0; i < made.size(); ++i) {
      order.push_back(i);
      if (random() % 3 == 0) order.push_back(i);
    }
    std::shuffle(order.begin(), order.end(), random);
    Document shuffled(registry);
    VersionVector have;  // a model of what may have taken effect
    std::vector<size_t> waiting;
    for (size_t i : order) {
      Merged outcome = merge(shuffled, made[i].bytes);
      bool known = have[made[i].replica] >= made[i].last;
      ASSERT_EQ(outcome == Merged::duplicate, known);
      if (!known) waiting.push_back(i);
      for (bool progress = true; progress;) {
        progress = false;
        for (size_t w : waiting) {
          if (have[made[w].replica] >= made[w].last || !have.covers(made[w].needs)) continue;
          have.raise(made[w].replica, made[w].last);
          progress = true;
        }
      }
      ASSERT_TRUE(shuffled.version() == have) << "round " << round;
      ASSERT_EQ(outcome == Merged::applied, !known && have[made[i].replica] >= made[i].last);
    }
    ASSERT_EQ(shuffled.parked(), 0u) << "round " << round;
    ASSERT_EQ(snapshot(shuffled), snapshot(in_order)) << "round " << round;
    ASSERT_EQ(view(shuffled), view(in_order));
    ASSERT_EQ(digest(shuffled), digest(in_order));
    ASSERT_EQ(shuffled.voided(), in_order.voided());
    ASSERT_EQ(shuffled.max_hlc(), in_order.max_hlc());
  }
}

TEST_F(DocumentOrder, snapshots_of_any_moment_join) {
  uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 150; ++round) {
    std::vector<Made> made = history(random, 5 + random() % 30);
    Document all(registry), first(registry), second(registry);
    size_t cut = random() % made.size();
    for (size_t i = 0; i < made.size(); ++i) {
      ASSERT_EQ(merge(all, made[i].bytes), Merged::applied);
      if (i < cut) {
        ASSERT_EQ(merge(first, made[i].bytes), Merged::applied);
      }
    }
    // The rest reaches the second before the snapshot does: some applies, some waits.
    for (size_t i = made.size(); i-- > cut;) merge(second, made[i].bytes);
    ASSERT_TRUE(load(second, snapshot(first)).ok());
    ASSERT_EQ(second.parked(), 0u) << "round " << round;
    ASSERT_EQ(snapshot(second), snapshot(all)) << "round " << round;
  }
}

TEST_F(DocumentOrder, damaged_transactions_change_nothing) {
  uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::vector<Made> made = history(random, 30);
  Document doc(registry);
  size_t refused = 0;
  for (const Made& m : made) {
    std::string before = snapshot(doc);
    for (int i = 0; i < 40; ++i) {
      std::string bytes = m.bytes;
      bytes[random() % bytes.size()] = static_cast<char>(random());
      if (i % 2) bytes.resize(random() % bytes.size());
      wire::Transaction t;
      if (!wire::decode(Bytes(bytes), t).ok()) continue;
      Document twin(registry);
      ASSERT_TRUE(load(twin, before).ok());
      Merged outcome;
      Status status = twin.merge(t, outcome, nullptr);
      if (status.ok() || twin.broken()) continue;
      ++refused;
      ASSERT_EQ(snapshot(twin), before);
      ASSERT_EQ(twin.parked(), 0u);
    }
    ASSERT_EQ(merge(doc, m.bytes), Merged::applied);
  }
  EXPECT_GT(refused, 0u);
}

}  // namespace
}  // namespace synckit::testing
