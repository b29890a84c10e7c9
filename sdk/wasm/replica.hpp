// What replica.cpp and replica_undo.cpp, the two sources of replica.wasm, have of each other.
//
// Threads: one.
#pragma once

#include <synckit/crdt.hpp>

#include "types.hpp"

// Kept out of its callers: code that is hot, small and alone is compiled well and early, and what
// is rare is not compiled at all.
#define SK_OUTLINE __attribute__((noinline))

namespace synckit {

struct Replica;
struct Field;
class History;

namespace replica {  // replica.cpp

int32_t edit(Field& field, Bytes intent);  // dots, or a failure's code below 0
int32_t fail(sk_status code);              // with the sentence in last_error()
sk_error* last_error();
int32_t answer(Bytes bytes);                 // gives data; their length
int32_t answer(uint32_t low, uint32_t high);  // gives a value; 0
const uint8_t* input();                      // scratch
const sk_crdt_v1* type(const Field& field);
void* instance(Field& field);  // nullptr before the first edit
History*& history(Replica& replica);

}  // namespace replica

// replica_undo.cpp. Around an edit of a replica that has a history: before it, and after it if it
// took dots. Failing means that the edit would.
SK_OUTLINE int32_t capture(History& history, Field& field, const Stamp& stamp, Bytes intent);
SK_OUTLINE void record(History& history, Field& field);
void forget(History* history);

}  // namespace synckit
