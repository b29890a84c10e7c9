// Growth: what one edit costs in a text of 10 thousand to a million random edits, counted in steps
// (meter.hpp). It may grow with the logarithm of the number of edits and no faster: from each
// size to the next, ten times as large, by no more than the first size's share of the logarithm.
#include "../../plugins/text/client/text.hpp"
#include "meter.hpp"

#include <check/doc.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <iostream>

extern "C" const sk_plugin* synckit_plugin_v1_text(void);

namespace synckit::cost {
namespace {

constexpr size_t kSizes[] = {10'000, 100'000, 1'000'000};
constexpr size_t kSample = 2'000;  // edits whose cost is counted, after each size
// Caches of the machine do not show in steps, and small trees are shallower than their logarithm:
// beyond rounding, nothing is allowed to grow faster.
constexpr double kSlack = 1.15;

struct Random {
  uint64_t state = 88172645463325252u;
  size_t below(size_t n) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return static_cast<size_t>((state >> 16) % n);
  }
};

// A writer and a reader, as hosts and all others but core.wasm have them.
struct Ours {
  const sk_crdt_v1* type = check::crdt_of(synckit_plugin_v1_text());
  check::Doc writer{type}, reader{type};

  bool write(const Stamp& stamp, Bytes intent, Buffer& delta, Buffer& patch) {
    uint32_t seqs = 0;
    return type->mutate(writer.raw(), &stamp, intent.data, intent.len, &delta, &patch, &seqs,
                        nullptr) == SK_OK;
  }
  bool read(Bytes delta, Buffer& patch) {
    return type->merge(reader.raw(), delta.data, delta.len, &patch, nullptr) == SK_OK;
  }
  bool same() const { return writer.view() == reader.view(); }
};

// And as browsers have them.
struct Browsers {
  text::client::Text writer, reader;

  bool write(const Stamp& stamp, Bytes intent, Buffer& delta, Buffer& patch) {
    uint32_t seqs = 0;
    Writer to(delta), told(patch);
    return writer.mutate(stamp, intent, to, told, seqs).ok();
  }
  bool read(Bytes delta, Buffer& patch) {
    Writer told(patch);
    return reader.merge(delta, told).ok();
  }
  bool same() const {
    Buffer one, two;
    Writer first(one), second(two);
    return writer.contents(first).ok() && reader.contents(second).ok() && one.str() == two.str();
  }
};

// Edits are a letter anywhere, or, one in four, a deletion.
template <class Texts>
struct Pair {
  Texts texts;
  Random random;
  Buffer intent, delta, patch;
  size_t length = 0;
  uint64_t seq = 0;
  uint64_t written = 0, read = 0;  // steps

  void edit() {
    bool erases = length > 100 && random.below(4) == 0;
    size_t at = random.below(length + (erases ? 0 : 1));
    intent.clear(), delta.clear(), patch.clear();
    Writer out(intent);
    out.byte(1), out.varint(at), out.varint(erases);
    if (!erases) out.byte(static_cast<uint8_t>('a' + at % 26));
    Stamp stamp{0x1234567812345678, ++seq, 0};
    Measure writing;
    ASSERT_TRUE(texts.write(stamp, intent, delta, patch));
    written += writing.steps();
    patch.clear();
    Measure reading;
    ASSERT_TRUE(texts.read(delta, patch));
    read += reading.steps();
    length = erases ? length - 1 : length + 1;
  }
};

void grows_with_the_logarithm(const char* what, const std::vector<double>& costs) {
  for (size_t i = 1; i < costs.size(); ++i) {
    double share = std::log2(static_cast<double>(kSizes[i])) /
                   std::log2(static_cast<double>(kSizes[i - 1]));
    EXPECT_LE(costs[i] / costs[i - 1], share * kSlack)
        << what << ": " << costs[i - 1] << " steps at " << kSizes[i - 1] << ", " << costs[i]
        << " at " << kSizes[i];
  }
}

template <class Texts>
void grows(const char* name, size_t sizes) {
  if (!Meter::counts_steps()) GTEST_SKIP() << "steps are not counted in this build";
  Pair<Texts> pair;
  std::vector<double> written, read;
  size_t edits = 0;
  for (size_t n = 0; n < sizes; ++n) {
    for (; edits < kSizes[n]; ++edits) pair.edit();
    pair.written = pair.read = 0;
    for (size_t i = 0; i < kSample; ++i, ++edits) pair.edit();
    ASSERT_FALSE(testing::Test::HasFatalFailure());
    written.push_back(static_cast<double>(pair.written) / kSample);
    read.push_back(static_cast<double>(pair.read) / kSample);
  }
  ASSERT_TRUE(pair.texts.same());
  std::cout << "proof: growth   " << name << ", steps an edit after";
  for (size_t i = 0; i < written.size(); ++i) {
    std::cout << (i ? ", " : " ") << kSizes[i] << " edits: " << std::lround(written[i])
              << " written, " << std::lround(read[i]) << " merged";
  }
  std::cout << std::endl;
  EXPECT_GT(written[0], 10) << "the meter counts nothing";
  grows_with_the_logarithm("a local edit", written);
  grows_with_the_logarithm("a merge", read);
}

TEST(Growth, an_edit_costs_no_more_than_the_logarithm) { grows<Ours>("text", 3); }
TEST(Growth, neither_does_an_edit_in_browsers) {
  grows<Browsers>("text of browsers", 2);  // slower, and its texts are those of a page
}

}  // namespace
}  // namespace synckit::cost
