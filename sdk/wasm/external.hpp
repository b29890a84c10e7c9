// Types that JavaScript hosts: sk_crdt_v1 tables whose entries call env.ext (EXPORTS.md).
#pragma once

#include <synckit/crdt.hpp>

namespace synckit {

inline constexpr uint32_t kMaxExternalTypes = 8;

// The table of external type `index`; it lives as long as the module.
Status external_type(uint32_t index, Bytes name, uint32_t format, uint32_t min_format,
                     const sk_crdt_v1*& out);

}  // namespace synckit
