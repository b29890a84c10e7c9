#!/bin/sh
# Builds parity.wasm from the types' own sources, with their samples.   tests/parity/build.sh OUT.wasm
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
if [ -d /usr/share/nodejs ]; then
  NODE_PATH=${NODE_PATH:-/usr/share/nodejs}
  export NODE_PATH
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags="-std=c++20 -O2 -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-c++-static-destructors
  -fvisibility=hidden -mbulk-memory -msign-ext -I$root/sdk/include"
for name in lww text set counter; do
  for source in "$root/plugins/$name"/*.cpp; do
    case $source in *_test.cpp | *_bench.cpp | *_fuzz.cpp) continue ;; esac
    emcc $flags "-DSYNCKIT_PLUGIN_SYMBOL=synckit_plugin_v1_$name" -c "$source" \
      -o "$work/$name-$(basename "$source" .cpp).o"
  done
done
for source in "$here/history.cpp" "$here/parity_wasm.cpp" "$root/sdk/wasm/runtime.cpp"; do
  emcc $flags -c "$source" -o "$work/$(basename "$source" .cpp).o"
done
emcc -O2 -fno-builtin -mbulk-memory -msign-ext -c "$root/sdk/wasm/alloc.c" -o "$work/alloc.o"
emcc -O2 --no-entry -sSTANDALONE_WASM=0 -sFILESYSTEM=0 -sALLOW_MEMORY_GROWTH \
  -sMAXIMUM_MEMORY=2GB -sINITIAL_MEMORY=1MB -sTOTAL_STACK=128KB -sMALLOC=none -fno-exceptions -mbulk-memory -msign-ext \
  "$work"/*.o -o "$work/parity.wasm"
mv "$work/parity.wasm" "$1"
