// Histories at random, the shortest one that still fails, and the text about it. What one history
// does is in world.cpp.
#include <check/laws.hpp>
#include <check/world.hpp>

#include <algorithm>

namespace synckit::check {

std::vector<Command> random_commands(uint64_t seed, unsigned count) {
  // Edits and deliveries make most of a history; the rest looks at it from the side.
  static constexpr Command::Kind kMix[] = {
      Command::kEdit,    Command::kEdit,    Command::kEdit,    Command::kEdit,   Command::kEdit,
      Command::kEdit,    Command::kSend,    Command::kSend,    Command::kSend,   Command::kDeliver,
      Command::kDeliver, Command::kDeliver, Command::kDeliver, Command::kRepeat, Command::kCatchUp,
      Command::kCatchUp, Command::kOverlap, Command::kReload,  Command::kEarly,  Command::kDamage,
      Command::kTight,   Command::kRestamp, Command::kCompact};
  Dice dice(seed);
  std::vector<Command> commands(count);
  for (Command& command : commands) {
    command.kind = kMix[dice.below(std::size(kMix))];
    command.a = static_cast<uint8_t>(dice.below(256));
    command.b = static_cast<uint8_t>(dice.below(256));
    command.random = dice.next();
  }
  return commands;
}

Result run(const Subject& subject, const std::vector<Command>& commands, unsigned replicas,
           Counts* counts) {
  Result result;
  result.commands = commands;
  result.replicas = replicas;
  Counts ignored;
  // Nothing is written down at first; a failure is run again for its history.
  for (bool trace : {false, true}) {
    World world(subject, replicas, trace, trace || !counts ? ignored : *counts);
    try {
      world.play(commands);
      return result;
    } catch (const Broken& broken) {
      result.ok = false;
      result.law = broken.law;
      result.what = broken.what;
      result.history = world.history();
    }
  }
  return result;
}

namespace {

// The failure once more without some of its commands; `ok` when it does not show. What breaks a law
// by chance (a damaged byte) may need other luck on a smaller history: the last command, which
// is where it broke, gets some, then any one command.
Result without(const Subject& subject, const Result& failure, size_t at, size_t count) {
  constexpr uint64_t kTries = 30;
  std::vector<Command> fewer = failure.commands;
  auto first = fewer.begin() + static_cast<std::ptrdiff_t>(at);
  fewer.erase(first, first + static_cast<std::ptrdiff_t>(count));
  Result again;
  for (uint64_t luck = 0; luck < kTries && again.ok; ++luck) {
    std::vector<Command> commands = fewer;
    if (luck != 0) {
      if (commands.empty()) break;
      Dice dice(luck);
      size_t lucky = luck <= kTries / 3 ? commands.size() - 1 : dice.below(commands.size());
      commands[lucky].random = dice.next();
    }
    again = run(subject, commands, failure.replicas);
    if (!again.ok && again.law != failure.law) again = {};
  }
  again.seed = failure.seed;
  return again;
}

}  // namespace

// One command that is gone may let another go that was tried before: over again from large pieces
// while anything goes.
Result shrink(const Subject& subject, Result failure) {
  for (size_t before = 0; before != failure.commands.size();) {
    before = failure.commands.size();
    for (size_t chunk = before; chunk != 0; chunk /= 2) {
      for (size_t at = 0; at < failure.commands.size();) {
        size_t count = std::min(chunk, failure.commands.size() - at);
        Result again = without(subject, failure, at, count);
        if (again.ok) {
          at += chunk;
        } else {
          failure = std::move(again);
        }
      }
    }
  }
  return failure;
}

Result check(const Subject& subject, const Options& options, Counts* counts) {
  unsigned most = std::max(options.max_replicas, 2u);
  Result result;
  for (unsigned i = 0; i < options.histories; ++i) {
    uint64_t seed = options.seed + i;
    result = run(subject, random_commands(seed, options.commands),
                 2 + static_cast<unsigned>(seed % (most - 1)), counts);
    result.seed = seed;
    if (!result.ok) return shrink(subject, std::move(result));
  }
  return result;
}

std::string Result::text() const {
  if (ok) return "all laws hold";
  return "law broken: " + law + "\n  " + what + "\nafter " + std::to_string(commands.size()) +
         " commands on " + std::to_string(replicas) + " replicas (seed " + std::to_string(seed) +
         "):\n" + history;
}

}  // namespace synckit::check
