// What callers and engines call documents, fields and edits by.
//
// Threads: plain data.
#pragma once

#include "output.hpp"

namespace synckit {

// Names an open document; not used again for another one (in browsers, while it is open: there it
// is its address). 0 is none.
using DocHandle = uint32_t;
// Names a (field, type) of one document. 0 is none.
using FieldHandle = uint32_t;

// What a local edit gave. `patch` is borrowed until the next call.
struct Edit {
  Bytes patch;
  uint32_t count = 0;      // dots used; 0: the intent had no effect
  uint64_t last_seq = 0;  // of the document's own changes so far
};

}  // namespace synckit
