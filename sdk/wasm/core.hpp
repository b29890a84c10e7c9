// What exports.cpp, external.cpp and full.cpp, the sources of core.wasm, have of each other.
//
// Threads: one.
#pragma once

#include <client/engine.hpp>

#define SK_WASM(name) extern "C" __attribute__((export_name(#name), used)) auto name

namespace synckit {

namespace core {  // exports.cpp

extern Engine* const engine;
uint64_t ms(double now);
Bytes input(uint32_t at, uint32_t len);  // of the scratch area
Buffer& cleared_output();                // for data that `give` gives
void give(Bytes bytes);
void number(size_t i, uint64_t value);  // i: 0 or 2
void count(uint32_t dots);
int32_t done(Status status);  // the code

}  // namespace core

void forget_history(DocHandle doc);  // full.cpp: of a document that was closed

}  // namespace synckit
