#!/usr/bin/env bash
# bench/run.sh crdt [options]: SyncKit and other CRDT libraries on the same inputs, in one run.
# bench/run.sh report [--check]: makes docs/performance.md and its plots of the committed results.
# `bench/run.sh crdt --help` lists the options. Build first: ./dev bench crdt does both.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

suite=${1:-}
[ $# = 0 ] || shift
case $suite in
  crdt) ;;
  report) exec node report.mjs "$@" ;;
  *)
    echo "usage: bench/run.sh crdt [options] | report [--check]" >&2
    exit 2
    ;;
esac

stamp=node_modules/.synckit-stamp
if [ ! -f $stamp ] || [ package-lock.json -nt $stamp ]; then
  echo "== npm ci (bench)" >&2
  if npm ci --no-audit --no-fund --loglevel=error >&2; then
    touch $stamp
  else
    echo "bench: npm ci failed; libraries that are not installed are skipped" >&2
  fi
fi
exec node crdt/run.mjs "$@"
