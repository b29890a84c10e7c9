#!/bin/sh
# Builds a third-party CRDT type as a standalone .wasm that the SyncKit SDK for JavaScript loads.
#
#   build-plugin.sh SRC.cpp OUT.wasm [more sources or compiler flags...]
#
# Exports: memory, __indirect_function_table, malloc, free, _initialize, synckit_plugin_v1. No imports.
# Compiled without exceptions and RTTI. SYNCKIT_INCLUDE names the SDK's headers when they are
# neither beside this script (installed) nor in the source tree.
set -eu

if [ $# -lt 2 ]; then
  echo "usage: $0 SRC.cpp OUT.wasm [more sources or compiler flags...]" >&2
  exit 64
fi
here=$(cd "$(dirname "$0")" && pwd)
source=$1
out=$2
shift 2
include=${SYNCKIT_INCLUDE:-}
for candidate in "$here/../include" "$here/../../include" "$here/../../../include"; do
  if [ -z "$include" ] && [ -f "$candidate/synckit/abi.h" ]; then include=$candidate; fi
done
[ -n "$include" ] || { echo "$0: synckit/abi.h not found: set SYNCKIT_INCLUDE" >&2; exit 66; }
[ -f "$source" ] || { echo "$0: no such source: $source" >&2; exit 66; }
command -v emcc > /dev/null || { echo "$0: emcc is missing (Debian: apt install emscripten)" >&2; exit 69; }
# Debian's emcc finds its JavaScript helpers only here when `node` is not Debian's.
if [ -d /usr/share/nodejs ]; then
  NODE_PATH=${NODE_PATH:-/usr/share/nodejs}
  export NODE_PATH
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
emcc -Oz -fno-builtin -mbulk-memory -msign-ext -c "$here/alloc.c" -o "$work/alloc.o"
flags="-sINLINING_LIMIT=0 -std=c++20 -Oz -fno-exceptions -fno-rtti -fno-threadsafe-statics
  -fno-c++-static-destructors -fvisibility=hidden -flto -mbulk-memory -msign-ext"
emcc $flags -fno-builtin -c "$here/runtime.cpp" -o "$work/runtime.o"
emcc $flags "-I$include" "$@" "$source" "$work/alloc.o" "$work/runtime.o" --no-entry \
  -sSTANDALONE_WASM=0 -sFILESYSTEM=0 -sALLOW_MEMORY_GROWTH -sMAXIMUM_MEMORY=2GB \
  -sINITIAL_MEMORY=1MB -sTOTAL_STACK=128KB -sMALLOC=none -sALLOW_TABLE_GROWTH \
  -sEXPORTED_FUNCTIONS=_malloc,_free,_synckit_plugin_v1 -o "$work/plugin.wasm"
mv "$work/plugin.wasm" "$out"
