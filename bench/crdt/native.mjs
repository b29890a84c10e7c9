// Runs the native benchmark (bench/native/crdt_bench.cpp), when it was built, on the same trace.
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { encodeTrace, loadTrace } from '../traces.mjs';
import { median } from './format.mjs';

/** { rows } (medians over the runs), { skipped } with the reason, or { error }. */
export function runNative(root, state, settings) {
  const binary =
    process.env.SYNCKIT_BENCH_BIN ?? path.join(root, 'build', 'release', 'bench', 'crdt_bench');
  if (!existsSync(binary)) return { skipped: 'crdt_bench is not built' };
  const trace = loadTrace('automerge-paper', settings.traces, settings.seed);
  const file = path.join(state, 'trace.bin');
  writeFileSync(file, encodeTrace(trace, Math.max(50, Math.round(trace.length * settings.scale))));
  const rows = new Map();
  for (let run = 0; run < settings.runs; run++) {
    const args = ['--trace', file, '--scale', String(settings.scale)];
    const child = spawnSync(binary, args, { encoding: 'utf8', maxBuffer: 1 << 24 });
    if (child.status !== 0) {
      const said = child.stderr?.trim().split('\n').at(-1);
      return { error: `crdt_bench ended with ${child.signal ?? child.status}: ${said}` };
    }
    for (const line of child.stdout.trim().split('\n')) {
      const row = JSON.parse(line);
      if (row.skipped) {
        rows.set(row.case, row);
        continue;
      }
      const known = rows.get(row.case) ?? { ...row, samples: [] };
      known.samples.push(row.value);
      rows.set(row.case, known);
    }
  }
  return {
    rows: [...rows.values()].map((row) =>
      row.skipped ? row : { ...row, value: median(row.samples) },
    ),
  };
}
