#include "trace.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <cstdio>
#include <cstdlib>
#include <random>

namespace synckit::testing_support {
namespace {

// Unpacks a .gz by the system's gzip; empty when there is none or it fails.
std::string unpack(const std::string& path) {
  std::string out;
  FILE* pipe = popen(("gzip -dc '" + path + "' 2>/dev/null").c_str(), "r");
  if (!pipe) return out;
  char chunk[65536];
  for (size_t n; (n = fread(chunk, 1, sizeof chunk, pipe)) > 0;) out.append(chunk, n);
  return pclose(pipe) == 0 ? out : "";
}

// The text as code points, to apply patches to and to cut a trace short.
class Plain {
 public:
  void apply(const TracePatch& patch) {
    auto at = points_.begin() + patch.position;
    at = points_.erase(at, at + patch.remove);
    std::vector<std::string> fresh;
    for (size_t i = 0; i < patch.insert.size();) {
      unsigned char lead = static_cast<unsigned char>(patch.insert[i]);
      size_t len = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
      fresh.push_back(patch.insert.substr(i, len));
      i += len;
    }
    points_.insert(at, fresh.begin(), fresh.end());
  }
  size_t size() const { return points_.size(); }
  std::string text() const {
    std::string out;
    for (const std::string& point : points_) out += point;
    return out;
  }

 private:
  std::vector<std::string> points_;
};

Trace generate(size_t patches, uint64_t seed) {
  static const char* kAlphabets[] = {"e", "t", "a", "o", " ", "n", "\u00e9", "\u0436", "\u4e2d",
                                     "\U0001f600", "s", "\n"};
  std::mt19937_64 random(seed);
  Trace out{"generated (seed " + std::to_string(seed) + ")", {}, {}};
  Plain text;
  size_t cursor = 0;
  while (out.patches.size() < patches) {
    uint64_t dice = random() % 100;
    if (dice < 3) cursor = text.size() ? random() % (text.size() + 1) : 0;
    TracePatch patch{};
    if (dice >= 70 && cursor > 0) {
      patch.position = static_cast<uint32_t>(--cursor);
      patch.remove = 1;
    } else {
      patch.position = static_cast<uint32_t>(cursor);
      patch.insert = kAlphabets[random() % 12];
      ++cursor;
    }
    text.apply(patch);
    out.patches.push_back(patch);
  }
  out.end = text.text();
  return out;
}

}  // namespace

Trace load_trace(const std::string& name, size_t max_patches, uint64_t seed) {
  const char* folder = std::getenv("SYNCKIT_TRACES");
  std::string packed =
      folder ? unpack(std::string(folder) + "/sequential_traces/" + name + ".json.gz") : "";
  if (packed.empty()) return generate(max_patches ? max_patches : 50'000, seed);
  Trace out{name, {}, {}};
  boost::json::value root = boost::json::parse(packed);
  out.end = root.at("endContent").as_string().c_str();
  for (const auto& txn : root.at("txns").as_array()) {
    for (const auto& patch : txn.at("patches").as_array()) {
      out.patches.push_back({static_cast<uint32_t>(patch.at(0).as_int64()),
                             static_cast<uint32_t>(patch.at(1).as_int64()),
                             std::string(patch.at(2).as_string().c_str())});
    }
  }
  if (max_patches && max_patches < out.patches.size()) {
    out.patches.resize(max_patches);
    Plain text;
    for (const TracePatch& patch : out.patches) text.apply(patch);
    out.end = text.text();
  }
  return out;
}

}  // namespace synckit::testing_support
