#!/usr/bin/env bash
# Runs every fuzz target for a while: run.sh BUILD_DIR SECONDS_PER_TARGET [TARGET...]
# Over a copy of the seed corpus; findings are kept in BUILD_DIR/fuzz/findings. Exits with 1 when a
# target has a finding, and prints how often each ran. To repeat one:
#   BUILD_DIR/fuzz/fuzz_NAME BUILD_DIR/fuzz/findings/NAME/crash-...
set -uo pipefail
[ $# -ge 2 ] && [ -d "$1/fuzz" ] || { echo "usage: run.sh BUILD_DIR SECONDS [TARGET...]" >&2; exit 64; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$(cd "$1/fuzz" && pwd)
seconds=$2
shift 2
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:allocator_may_return_null=0}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
found=0 count=0 all_runs=0 all_files=0

for program in "$folder"/fuzz_*; do
  [ -f "$program" ] && [ -x "$program" ] || continue
  name=${program##*/fuzz_}
  [ $# = 0 ] || [[ " $* " == *" $name "* ]] || continue
  count=$((count + 1))
  findings=$folder/findings/$name
  mkdir -p "$work/$name" "$findings"
  seeds=("$here/corpus/$name")
  [ "$name" = envelope ] && seeds=("$here/../../proto/golden")
  [ -d "${seeds[0]}" ] || { echo "fuzz $name: no corpus ${seeds[0]}" >&2; found=1; continue; }
  cp "${seeds[0]}"/* "$work/$name/"
  files=$(find "$work/$name" -type f | wc -l)
  options=(-max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10 -max_len=4096
    -print_final_stats=1 -artifact_prefix="$findings/")
  [ -f "$here/dictionaries/$name.dict" ] && options+=(-dict="$here/dictionaries/$name.dict")
  started=$SECONDS
  "$program" "${options[@]}" "$work/$name" >"$work/$name.log" 2>&1
  code=$?
  took=$((SECONDS - started))
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$name.log")
  edges=$(grep -o 'cov: [0-9]*' "$work/$name.log" | tail -1 | cut -d' ' -f2)
  if [ $code != 0 ]; then
    found=1
    tail -60 "$work/$name.log" >&2
    echo "fuzz $name: FINDING (exit $code) after ${runs:-?} runs, kept in $findings" >&2
  elif [ -z "$runs" ] || [ "$runs" -lt 1 ]; then
    found=1
    echo "fuzz $name: it did not run" >&2
  else
    all_runs=$((all_runs + runs)) all_files=$((all_files + files))
    printf 'fuzz %-14s %9s runs in %s s from %3s files, %5s edges, no finding\n' "$name" "$runs" \
      "$took" "$files" "${edges:-?}"
  fi
done
[ $count -gt 0 ] || { echo "run.sh: no fuzz targets in $folder; build the target 'fuzzers'" >&2; exit 64; }
echo "  proved: fuzz     $count targets, $all_runs executions from a corpus of $all_files files in" \
  "$SECONDS s, $([ $found = 0 ] && echo "no finding" || echo "findings above")"
exit $found
