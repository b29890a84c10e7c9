#include "listing.hpp"

#include <algorithm>

namespace synckit {

// Filters while it pages: a principal that may read little of much costs several storage pages,
// at most kMaxScanned rows a call; then `more` asks the client to go on after the last id.
Result<ListingResult> list_documents(const Hub& hub, const Principal& principal,
                                     const Listing& listing) {
  constexpr uint32_t kPage = 1000;
  constexpr uint32_t kMaxScanned = 100000;
  uint32_t most = hub.config.limits.list_entries;
  size_t limit = listing.limit == 0 ? most : std::min(listing.limit, most);
  ListingResult out;
  std::string after = listing.after;
  for (uint32_t scanned = 0; scanned < kMaxScanned;) {
    uint32_t rows = 0;
    Result<> outcome = hub.store.list(
        listing.prefix, after, listing.updated_since_ms, kPage, [&](const sk_listed& row) {
          ++rows;
          after = Bytes(row.doc).str();
          if (hub.authority.level(principal, after) < SK_LEVEL_READ) return true;
          if (out.entries.size() >= limit) {
            out.more = true;
            return false;
          }
          out.entries.push_back({after, row.position, row.updated_ms});
          return true;
        });
    if (!outcome) return outcome.failure();
    scanned += rows;
    if (out.more || rows < kPage) return out;
  }
  out.more = true;
  return out;
}

}  // namespace synckit
