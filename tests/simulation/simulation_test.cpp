// Runs thousands of simulated worlds (world.hpp), and names the seed of the first that fails.
//
//   simulation_test                       SYNCKIT_SIM_SEEDS (3000) seeds from SYNCKIT_SIM_FIRST (1)
//   SYNCKIT_SIM_SEED=123 simulation_test  one seed, with its trace
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "world.hpp"

namespace synckit::model {
namespace {

uint64_t number(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text && *text ? std::strtoull(text, nullptr, 0) : otherwise;
}

TEST(Simulation, every_seed_converges_and_loses_nothing) {
  if (uint64_t seed = number("SYNCKIT_SIM_SEED", 0)) {
    Scenario scenario = Scenario::of(seed);
    std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), scenario.text().c_str());
    EXPECT_EQ(run(seed, scenario, true), "");
    return;
  }
  uint64_t first = number("SYNCKIT_SIM_FIRST", 1), seeds = number("SYNCKIT_SIM_SEEDS", 3000);
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    Scenario scenario = Scenario::of(seed);
    std::string failure = run(seed, scenario);
    ASSERT_EQ(failure, "") << "seed " << seed << " (" << scenario.text()
                           << ")\nreproduce: SYNCKIT_SIM_SEED=" << seed
                           << " tests/simulation_test";
  }
  std::printf("%llu seeds from %llu: all converge, nothing saved was lost\n",
              static_cast<unsigned long long>(seeds), static_cast<unsigned long long>(first));
}

TEST(Simulation, the_same_seed_gives_the_same_world) {
  Scenario scenario = Scenario::of(77);
  uint64_t first = 0, second = 0, other = 0;
  EXPECT_EQ(run(77, scenario, false, &first), "");
  EXPECT_EQ(run(77, scenario, false, &second), "");
  EXPECT_EQ(run(78, scenario, false, &other), "");
  EXPECT_EQ(first, second);
  EXPECT_NE(first, other);
}

}  // namespace
}  // namespace synckit::model
