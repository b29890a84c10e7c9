// The laws of abi.h, for the built-in types, over thousands of random histories.
//
// Twice: by rapidcheck, which cuts a failing history down and prints how to run it again
// (RC_PARAMS="reproduce=..."), and by the checker's own driver as `synckit plugin check` uses it,
// which prints the seed. SYNCKIT_LAWS_SEED and SYNCKIT_LAWS_HISTORIES choose other histories.
#include "subjects.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cstdlib>
#include <iostream>
#include <random>
#include <sstream>

namespace synckit::check {

// How rapidcheck shows a command.
std::ostream& operator<<(std::ostream& out, const Command& command) {
  static const char* const kNames[] = {"edit",     "send",    "deliver", "repeat",
                                       "catch-up", "overlap", "reload",  "early",
                                       "damage",   "tight",   "restamp", "compact"};
  return out << kNames[command.kind] << '(' << int{command.a} << ", " << int{command.b} << ", "
             << command.random << ')';
}

}  // namespace synckit::check

namespace synckit::laws {
namespace {

using check::Command;

rc::Gen<Command> any_command() {
  auto kind = rc::gen::weightedElement<Command::Kind>({{6, Command::kEdit},
                                                       {3, Command::kSend},
                                                       {4, Command::kDeliver},
                                                       {1, Command::kRepeat},
                                                       {2, Command::kCatchUp},
                                                       {1, Command::kOverlap},
                                                       {1, Command::kReload},
                                                       {1, Command::kEarly},
                                                       {1, Command::kDamage},
                                                       {1, Command::kTight},
                                                       {1, Command::kRestamp},
                                                       {1, Command::kCompact}});
  return rc::gen::build<Command>(rc::gen::set(&Command::kind, kind),
                                 rc::gen::set(&Command::a, rc::gen::inRange<uint8_t>(0, 4)),
                                 rc::gen::set(&Command::b, rc::gen::inRange<uint8_t>(0, 4)),
                                 rc::gen::set(&Command::random));
}

uint64_t number(const char* variable, uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text && *text ? std::strtoull(text, nullptr, 10) : otherwise;
}

void report(const char* name, const check::Counts& counts) {
  std::cout << "proof: laws     " << name << ": " << counts.histories << " histories, "
            << counts.edits << " edits, " << counts.merges << " merges, " << counts.catch_ups
            << " catch-ups, " << counts.snapshots << " reloads, " << counts.compactions
            << " compactions, " << counts.refusals << " refusals" << std::endl;
}

void check_laws(const char* name, const check::Subject& subject) {
  check::Counts counts;
  bool holds = rc::check(std::string("laws of ") + name, [&] {
    auto replicas = *rc::gen::inRange(2u, 5u);
    auto commands = *rc::gen::container<std::vector<Command>>(any_command());
    check::Result result = check::run(subject, commands, replicas, &counts);
    if (!result.ok) RC_FAIL(result.text());
  });
  EXPECT_TRUE(holds);

  check::Options options;
  options.seed = number("SYNCKIT_LAWS_SEED", std::random_device{}());
  options.histories = static_cast<unsigned>(number("SYNCKIT_LAWS_HISTORIES", 2000));
  check::Result result = check::check(subject, options, &counts);
  EXPECT_TRUE(result.ok) << result.text() << "\nreproduce: SYNCKIT_LAWS_SEED=" << result.seed
                         << " SYNCKIT_LAWS_HISTORIES=1 tests/laws_test --gtest_filter=Laws."
                         << name;
  report(name, counts);
}

TEST(Laws, lww) { check_laws("lww", map_subject()); }
TEST(Laws, set) { check_laws("set", set_subject()); }
TEST(Laws, counter) { check_laws("counter", counter_subject()); }
TEST(Laws, text) {
  check_laws("text", text_subject());
}

}  // namespace
}  // namespace synckit::laws

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  // More histories than rapidcheck's hundred, unless the caller says how many.
  if (!std::getenv("RC_PARAMS")) setenv("RC_PARAMS", "max_success=2000", 1);
  return RUN_ALL_TESTS();
}
