#!/bin/sh
# Builds core.wasm (four types), core-full.wasm (and types from other modules, anchors and undo),
# core-lite.wasm (the map), replica.wasm (documents without the engine, for speed instead of size) and both sides
# of unpack.c into OUTDIR.
#
#   sdk/wasm/build.sh OUTDIR [core|full|lite|replica|pack|all]
#
# Needs emcc (3.1.6 or newer). The modules have no JavaScript glue: sdk/js instantiates them. The
# allocator is alloc_small.c (replica.wasm: alloc.c), which grows memory by itself, so nothing is
# imported from emscripten.
set -eu

if [ $# -lt 1 ]; then
  echo "usage: $0 OUTDIR [core|full|lite|replica|pack|all]" >&2
  exit 64
fi
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
what=${2:-all}
# Debian's emcc finds its JavaScript helpers only here when `node` is not Debian's.
if [ -d /usr/share/nodejs ]; then
  NODE_PATH=${NODE_PATH:-/usr/share/nodejs}
  export NODE_PATH
fi
command -v emcc > /dev/null || { echo "$0: emcc is missing (Debian: apt install emscripten)" >&2; exit 69; }

# One compiler cache for all builds, where there is one.
if command -v ccache > /dev/null; then
  export EM_COMPILER_WRAPPER="${EM_COMPILER_WRAPPER:-ccache}"
fi

level=${SYNCKIT_WASM_O:--Oz}        # of the engine
type_level=${SYNCKIT_WASM_TYPE_O:--Oz}  # of the types, whose loops are hot
alloc=alloc_small
# INLINING_LIMIT: at -Oz emcc forbids to inline even one-line constructors, which costs a tenth.
flags="-sINLINING_LIMIT=0 -std=c++20 -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-c++-static-destructors
  -fvisibility=hidden -flto -mbulk-memory -msign-ext -mnontrapping-fptoint -DNDEBUG
  -I$root/sdk -I$root/sdk/include -Wall -Wextra"
link="--no-entry -sSTANDALONE_WASM=0 -sFILESYSTEM=0 -sALLOW_MEMORY_GROWTH -sMAXIMUM_MEMORY=2GB
  -sWASM_BIGINT -sINITIAL_MEMORY=1MB -sTOTAL_STACK=128KB -sMALLOC=none -sERROR_ON_UNDEFINED_SYMBOLS=0
  -sEXPORTED_FUNCTIONS=_malloc,_free -flto -fno-exceptions -mbulk-memory -msign-ext -mnontrapping-fptoint
  ${SYNCKIT_WASM_LINK:-}"  # such as --profiling-funcs, which keeps the names of functions

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# compile LEVEL OBJECT SOURCE [FLAGS...]
compile() {
  compile_level=$1 object=$2 source=$3
  shift 3
  emcc $flags "$compile_level" "$@" -c "$source" -o "$work/$object.o"
}

# The types: each source gives its table under its own symbol (builtin.hpp). A client gets what is
# made for it, where there is something.
type() {
  name=$1 sources=$root/plugins/$1
  case $flags in
    *-DSYNCKIT_CLIENT_ONLY*) if [ -d "$sources/client" ]; then sources=$sources/client; fi ;;
  esac
  for source in "$sources"/*.cpp; do
    case $source in *_test.cpp | *_bench.cpp | *_fuzz.cpp) continue ;; esac
    compile "$type_level" "$name-$(basename "$source" .cpp)" "$source" \
      -include "$here/builtin.hpp" "-DSYNCKIT_TYPE_SYMBOL=synckit_type_$name"
  done
}

# base SOURCE...: the parts of the SDK that a module needs, the runtime and the allocator.
base() {
  for source in "$@"; do
    # What only a defective host or a defective caller (core.ts is the only one) can cause is told in
    # one sentence, not in forty.
    compile "$level" "base-$(basename "$source")" "$root/sdk/$source.cpp" \
      '-DSK_TEXT(literal)="not well formed"'
  done
  compile -Oz base-runtime "$here/runtime.cpp" -fno-builtin
  emcc -Oz -flto -mbulk-memory -msign-ext -fno-builtin -Wall -Wextra -c "$here/$alloc.c" \
    -o "$work/base-alloc.o"
}

# In a subshell, for its own levels and objects.
replica() (
  # Not -O2: what it inlines an engine has to compile before it runs fast, which costs a page more
  # time than it saves. What is worth it is inlined by hand (SK_NOW).
  level=${SYNCKIT_REPLICA_O:--Os} type_level=${SYNCKIT_REPLICA_O:--Os} alloc=alloc work=$work/replica
  flags="$flags -DSYNCKIT_KEEP_TEXT"
  mkdir "$work"
  base kernel/wire kernel/document
  for name in lww text set counter; do type $name; done
  compile "$level" replica "$here/replica.cpp"
  compile "$level" replica_undo "$here/replica_undo.cpp"
  # wasm-opt would put back what is kept out of line (SK_OUTLINE) because it has one caller.
  emcc $level $link "-sBINARYEN_EXTRA_PASSES=--one-caller-inline-max-function-size=1" \
    "$work"/*.o -o "$work/replica.wasm"
  mv "$work/replica.wasm" "$out/replica.wasm"
)

case $what in replica | all) replica ;; esac
engine="kernel/wire kernel/document client/engine client/output client/session client/store client/sync"

# The map alone, in an engine of its own.
lite() (
  work=$work/lite flags="$flags -DSYNCKIT_SMALL -DSYNCKIT_LITE -DSYNCKIT_CLIENT_ONLY"
  mkdir "$work"
  base kernel/wire client/lite/lite client/lite/sync
  type lww
  compile "$level" exports "$here/exports.cpp"
  emcc $level $link "$work"/*.o -o "$work/core-lite.wasm"
  mv "$work/core-lite.wasm" "$out/core-lite.wasm"
)

# core NAME [full]: with `full`, the types have all that they can (crdt.hpp leaves out of a client
# what it does not need), and there may be types from other modules.
core() (
  flags="$flags -DSYNCKIT_SMALL"
  work=$work/$1 type_flags=$flags flags="$flags -DSYNCKIT_CLIENT_ONLY"
  mkdir "$work"
  if [ $# = 1 ]; then type_flags=$flags; else flags="$flags -DSYNCKIT_FULL"; fi
  base $engine
  compile "$level" exports "$here/exports.cpp"
  if [ $# != 1 ]; then
    compile "$level" external "$here/external.cpp"
    compile "$level" full "$here/full.cpp"
  fi
  flags=$type_flags
  for name in lww text set counter; do type $name; done
  emcc $level $link "$work"/*.o -o "$work/$1.wasm"
  mv "$work/$1.wasm" "$out/$1.wasm"
)

case $what in lite | all) lite ;; esac
case $what in core | all) core core ;; esac
case $what in full | all) core core-full full ;; esac

# GLOBAL_BASE is where unpack.c's memory layout ends and its table of instructions begins.
# -Oz would be slower and no smaller. wasm-opt would put back what is kept out of line (code), since
# it has one caller; engines optimize only what is called again.
packer() {
  for side in pack unpack; do
    case $side in pack) side_flags=-DSYNCKIT_PACK ;; *) side_flags= ;; esac
    emcc -O1 -fno-unroll-loops -mnontrapping-fptoint $side_flags -Wall -Wextra \
      -sSTANDALONE_WASM --no-entry -sFILESYSTEM=0 -sMALLOC=none \
      -sBINARYEN_EXTRA_PASSES=--one-caller-inline-max-function-size=1 \
      -sGLOBAL_BASE=240 -sTOTAL_STACK=8KB -sINITIAL_MEMORY=10MB \
      "$here/unpack.c" -o "$work/$side.wasm"
    mv "$work/$side.wasm" "$out/$side.wasm"
  done
}

case $what in pack | all) packer ;; esac
