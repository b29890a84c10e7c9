// The permission table of one principal: made once when a token is accepted, read for every
// message. README.md has its bytes.
//
// A pattern is a document id, or ends in '*' and then means every id that starts with what stands
// before it. The exact id beats patterns; of patterns the longest wins; nothing matches: none.
//
// Invariants: exact ids and prefixes are sorted by bytes, each without duplicates. A prefix knows
// its parent, the longest other prefix that it starts with, so that the search that lands on a
// neighbour climbs to the match: O(log n + depth), no allocation. Bytes that are not a table
// grant nothing.
//
// Threads: pure functions.
#pragma once

#include <synckit/outcome.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace synckit::jwt {

struct Grant {
  std::string pattern;
  int32_t level = SK_LEVEL_NONE;
};

// "none", "read", "write", "admin", and "read-only" = read, "read-write" = write.
bool level_from_name(std::string_view name, int32_t& level);

// Patterns must be distinct. SK_LIMIT when they do not fit (64 KiB, 65534 entries).
Outcome write_permissions(const std::vector<Grant>& grants, Writer& out);

int32_t level_of(Bytes table, std::string_view doc) noexcept;

}  // namespace synckit::jwt
