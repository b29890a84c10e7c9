// The toy type of the kernel's tests as a plugin: its deltas may carry dependencies and may make
// their own merge or inspection fail.
#include "../../kernel/toy.hpp"

SYNCKIT_CRDT_PLUGIN(synckit::testing::ToyA, "synckit.test.toy", "1.0.0")
