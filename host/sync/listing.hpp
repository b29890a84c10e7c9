// Which documents there are, for those that a principal may read.
//
// Threads: [worker], it reads from storage.
#pragma once

#include <string>
#include <vector>

#include "hub.hpp"

namespace synckit {

struct Listing {
  std::string prefix, after;
  int64_t updated_since_ms = 0;
  uint32_t limit = 0;  // 0, or more than limits.max_list_entries: that
};
struct Listed {
  std::string document;
  uint64_t position = 0;
  int64_t updated_ms = 0;
};
struct ListingResult {
  std::vector<Listed> entries;
  bool more = false;
};

Result<ListingResult> list_documents(const Hub& hub, const Principal& principal,
                                     const Listing& listing);

}  // namespace synckit
