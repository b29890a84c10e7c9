#!/usr/bin/env bash
# A plugin that is no part of this tree: installs the SDK from a build directory into a temporary
# prefix, builds the plugin with find_package(SyncKit), loads it from C, and, where this build has
# them, runs the command line tool and the standalone WASM build over it.
# Usage: run.sh BUILD_DIR. Leaves BUILD_DIR/external_plugin/{libsynckit_high_score.so,
# high_score.wasm} for the tests that load it into a host and a browser.
set -euo pipefail
[ $# = 1 ] && [ -f "$1/CMakeCache.txt" ] || { echo "usage: run.sh BUILD_DIR" >&2; exit 64; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$(cd "$1" && pwd)
out=$build/external_plugin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"
fail() { echo "external_plugin: $*" >&2; exit 1; }

cmake --install "$build" --prefix "$work/prefix" >"$work/install.log" ||
  { cat "$work/install.log" >&2; fail "the SDK does not install"; }

# The project is copied out of the tree, so that nothing can come from beside it.
cp -r "$here" "$work/project"
configure=(cmake -S "$work/project" -B "$work/build" -DCMAKE_BUILD_TYPE=Release
  -DCMAKE_PREFIX_PATH="$work/prefix")
"${configure[@]}" >"$work/configure.log" 2>&1 ||
  { cat "$work/configure.log" >&2; fail "find_package(SyncKit) failed"; }
cmake --build "$work/build" >"$work/build.log" 2>&1 ||
  { cat "$work/build.log" >&2; fail "the plugin does not build"; }
so=$work/build/plugins/libsynckit_high_score.so
[ -f "$so" ] || fail "no $so"

# One symbol of its own; no symbol that the loader would make unique across plugins.
own=$(nm -D --defined-only "$so" | awk '$2 == "T" {print $3}')
[ "$own" = synckit_plugin_v1 ] || fail "it exports: $own"
! nm -D --defined-only "$so" | awk '$2 == "u"' | grep -q . || fail "it has unique symbols"

"$work/build/smoke" "$so"
! "$work/build/smoke" "$work/build/smoke" 2>/dev/null || fail "the smoke test loads anything"
cp "$so" "$out/"

# The scaffold is this plugin with placeholders; filled in again it must be this plugin.
template=$here/../../sdk/template
for name in plugin.cpp CMakeLists.txt; do
  original=$here/$name
  [ $name = plugin.cpp ] && original=$here/high_score.cpp
  sed -e 's/@name@/high_score/g; s/@Name@/HighScore/g; s/@type@/com.example.high-score/g' \
    "$template/$name.in" | diff - <(sed '/^# Loads/,$d' "$original") >&2 ||
    fail "sdk/template/$name.in has drifted from $original"
done

# The laws: this plugin keeps them, and the same plugin with `merge` taking whatever came last, as a
# careless one would, is caught.
sdk=$here/../../sdk
if [ -f "$sdk/check/laws.cpp" ]; then
  c++ -std=c++20 -O1 -I "$sdk" -I "$sdk/include" "$here/laws.cpp" "$sdk"/check/*.cpp -ldl \
    -o "$work/laws" || fail "the law checker does not build"
  "$work/laws" "$so" || fail "it breaks a law"
  awk '/Status merge/ {inside = 1} inside && /score <= best/ {inside = 0; next} {print}' \
    "$here/high_score.cpp" >"$work/broken.cpp"
  ! cmp -s "$here/high_score.cpp" "$work/broken.cpp" || fail "nothing was broken on purpose"
  c++ -std=c++20 -O1 -shared -fPIC -fvisibility=hidden -I "$work/prefix/include" \
    "$work/broken.cpp" -o "$work/broken.so" || fail "the broken plugin does not build"
  code=0
  "$work/laws" "$work/broken.so" >"$work/broken.txt" || code=$?
  [ $code = 1 ] || { cat "$work/broken.txt" >&2; fail "the law checker misses a broken plugin"; }
  echo "external_plugin: the broken twin is caught"
fi

if [ -x "$build/synckit" ]; then
  synckit() { "$build/synckit" "$@"; }
  printf 'plugins:\n  paths: ["%s"]\n' "$out" >"$work/synckit.yaml"
  synckit plugin list --config "$work/synckit.yaml" >"$work/list.txt" 2>&1 ||
    { cat "$work/list.txt" >&2; fail "synckit plugin list failed"; }
  grep -q 'com\.example\.high-score' "$work/list.txt" ||
    { cat "$work/list.txt" >&2; fail "synckit plugin list does not show it"; }
else
  echo "external_plugin: this build has no synckit; plugin list not checked"
fi

wasm=$work/prefix/share/synckit/wasm/build-plugin.sh
if [ -x "$wasm" ]; then
  "$wasm" "$work/project/high_score.cpp" "$out/high_score.wasm" || fail "no standalone WASM"
  [ "$(head -c4 "$out/high_score.wasm" | tail -c3)" = asm ] || fail "high_score.wasm is no WASM"
else
  echo "external_plugin: the SDK has no build-plugin.sh; no WASM built"
fi
echo "external_plugin: ok"
