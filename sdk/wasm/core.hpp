// What exports.cpp, external.cpp and full.cpp, the sources of core.wasm, have of each other.
//
// Threads: one.
#pragma once

#if defined(SYNCKIT_LITE)
#include <client/lite/lite.hpp>
#else
#include <client/engine.hpp>
#endif

#define SK_WASM(name) extern "C" __attribute__((export_name(#name), used)) auto name

namespace synckit {

#if defined(SYNCKIT_LITE)
using CoreEngine = Lite;
#else
using CoreEngine = Engine;
#endif

namespace core {  // exports.cpp

extern CoreEngine* const engine;
uint64_t now();  // Unix milliseconds
Bytes input(uint32_t at, uint32_t len);  // of the scratch area
Buffer& cleared_output();                // for data that `give` gives
void give(Bytes bytes, uint64_t value = 0, uint32_t number = 0);  // the last that a call does
// What a call answers: `good`, or the code below 0, and gives the sentence.
int32_t answer(Status status, uint32_t good = 0);

}  // namespace core

void forget_history(DocHandle doc);  // full.cpp: of a document that was closed

}  // namespace synckit
