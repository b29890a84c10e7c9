// See permissions.hpp.
#include "permissions.hpp"

#include <algorithm>

namespace synckit::jwt {
namespace {

constexpr uint8_t kFormat = 1;
constexpr size_t kHeaderBytes = 5;  // format, number of exact ids, number of prefixes
constexpr size_t kEntryBytes = 8;   // offset, length, parent, level, 0
constexpr size_t kMaxNumber = 0xfffe;
constexpr uint16_t kNoParent = 0xffff;

void write_u16(Writer& out, size_t value) {
  out.byte(static_cast<uint8_t>(value));
  out.byte(static_cast<uint8_t>(value >> 8));
}

// A borrowed table; every access stays inside it.
class Table {
 public:
  struct Entry {
    std::string_view text;
    uint16_t parent;
    int32_t level;
  };

  explicit Table(Bytes bytes) noexcept : bytes_(bytes) {
    if (bytes.len < kHeaderBytes || bytes.data[0] != kFormat) return;
    size_t exact = u16(1), prefixes = u16(3);
    if ((bytes.len - kHeaderBytes) / kEntryBytes < exact + prefixes) return;
    exact_ = exact;
    prefixes_ = prefixes;
    texts_ = bytes.text().substr(kHeaderBytes + (exact + prefixes) * kEntryBytes);
  }

  size_t exact() const noexcept { return exact_; }
  size_t prefixes() const noexcept { return prefixes_; }
  // i counts the exact ids, then the prefixes.
  Entry entry(size_t i) const noexcept {
    size_t at = kHeaderBytes + i * kEntryBytes, offset = u16(at), len = u16(at + 2);
    Entry e{{}, u16(at + 4), bytes_.data[at + 6]};
    bool sound = offset <= texts_.size() && len <= texts_.size() - offset &&
                 e.level <= SK_LEVEL_ADMIN;
    if (!sound) return {{}, kNoParent, SK_LEVEL_NONE};
    e.text = std::string_view(texts_.data() + offset, len);
    return e;
  }
  // How many entries of [begin, end) are <= text.
  size_t up_to(size_t begin, size_t end, std::string_view text) const noexcept {
    size_t lo = begin, hi = end;
    while (lo < hi) {
      size_t mid = lo + (hi - lo) / 2;
      if (entry(mid).text <= text) {
        lo = mid + 1;
      } else {
        hi = mid;
      }
    }
    return lo - begin;
  }

 private:
  uint16_t u16(size_t at) const noexcept {
    return static_cast<uint16_t>(bytes_.data[at] | bytes_.data[at + 1] << 8);
  }

  Bytes bytes_;
  std::string_view texts_;
  size_t exact_ = 0, prefixes_ = 0;
};

// A pattern without its '*'.
struct Stem {
  std::string_view text;
  int32_t level;
};

// Sorts, and writes the entries of one kind. `texts` gathers what they point to.
void write_entries(std::vector<Stem> stems, bool prefixes, std::string& texts, Writer& out) {
  std::sort(stems.begin(), stems.end(),
            [](const Stem& a, const Stem& b) { return a.text < b.text; });
  std::vector<size_t> open;  // the prefixes that enclose the present one, from the outermost
  for (size_t i = 0; i < stems.size(); ++i) {
    while (!open.empty() && !stems[i].text.starts_with(stems[open.back()].text)) open.pop_back();
    write_u16(out, texts.size());
    write_u16(out, stems[i].text.size());
    write_u16(out, prefixes && !open.empty() ? open.back() : kNoParent);
    out.byte(static_cast<uint8_t>(stems[i].level));
    out.byte(0);
    open.push_back(i);
    texts += stems[i].text;
  }
}

}  // namespace

bool level_from_name(std::string_view name, int32_t& level) {
  static constexpr std::pair<std::string_view, int32_t> kNames[] = {
      {"none", SK_LEVEL_NONE},       {"read", SK_LEVEL_READ},
      {"read-only", SK_LEVEL_READ},  {"write", SK_LEVEL_WRITE},
      {"read-write", SK_LEVEL_WRITE}, {"admin", SK_LEVEL_ADMIN}};
  for (const auto& [known, value] : kNames) {
    if (known == name) return level = value, true;
  }
  return false;
}

Outcome write_permissions(const std::vector<Grant>& grants, Writer& out) {
  std::vector<Stem> exact, prefixes;
  size_t bytes = 0;
  for (const Grant& grant : grants) {
    std::string_view text = grant.pattern;
    if (text.ends_with('*')) {
      text.remove_suffix(1);
      prefixes.push_back({text, grant.level});
    } else {
      exact.push_back({text, grant.level});
    }
    bytes += text.size();
  }
  if (grants.size() > kMaxNumber || bytes > kMaxNumber) {
    return {SK_LIMIT, "the permissions are too many: at most 65534 entries and 64 KiB"};
  }
  std::string texts;
  out.byte(kFormat);
  write_u16(out, exact.size());
  write_u16(out, prefixes.size());
  write_entries(std::move(exact), false, texts, out);
  write_entries(std::move(prefixes), true, texts, out);
  out.raw(Bytes(texts));
  return {};
}

int32_t level_of(Bytes claims, std::string_view doc) noexcept {
  Table table(claims);
  size_t exact = table.exact(), all = exact + table.prefixes();
  if (size_t n = table.up_to(0, exact, doc); n > 0 && table.entry(n - 1).text == doc) {
    return table.entry(n - 1).level;
  }
  size_t n = table.up_to(exact, all, doc);
  if (n == 0) return SK_LEVEL_NONE;
  for (size_t i = n - 1;;) {
    Table::Entry e = table.entry(exact + i);
    if (doc.starts_with(e.text)) return e.level;
    if (e.parent >= i) return SK_LEVEL_NONE;  // none, or not a table of ours
    i = e.parent;
  }
}

}  // namespace synckit::jwt
