// Runs the CRDT benchmark: every (library, case, run) in a process of its own, the libraries taking
// turns inside each case, and their order turning from run to run, so that a machine that gets
// slower or busier meets them all alike. Then writes the results, and what ../report.mjs makes of
// them. What takes long is run less often (kSlowMs); a row says how often it was.
//
// Only a full run (all cases, all installed libraries, SyncKit in WASM and native among them, every
// mark measured, at least kFullRuns runs, nothing scaled down, nothing failed) is written to bench/results/,
// docs/performance.md and docs/img/. Any other goes to build/bench/, so that a try-out cannot end
// up as a published number.

import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { make, write } from '../report.mjs';
import { kDefaultSeed, loadTrace, tracesDirectory } from '../traces.mjs';
import { artefacts, cases } from './cases.mjs';
import { median, quantity } from './format.mjs';
import { cpuTimes, othersShare } from './machine.mjs';
import { marks } from './marks.mjs';
import { runNative } from './native.mjs';
import { kBusyLoad, kScaledNote, printTable, warnings } from './tables.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, '..', '..');
const kDefaultRuns = 5;
const kFullRuns = 3;
const kSlowMs = 5000; // what takes longer runs kSlowRuns times at most
const kSlowRuns = 3;
const kFastMs = 300; // what takes less runs twice in each run, since start-up varies
const kQuickScale = 0.02;
const kSettleMs = 3 * 60 * 1000;
const kTryOut = 'build/bench';
const kTimeoutMs = 15 * 60 * 1000;

// In the order of the table. `package`: its name on npm.
const kLibraries = [
  { id: 'synckit', label: 'SyncKit' },
  { id: 'yjs', label: 'Yjs', package: 'yjs' },
  { id: 'ywasm', label: 'ywasm', package: 'ywasm' },
  { id: 'json-joy', label: 'json-joy', package: 'json-joy' },
  { id: 'diamond-types', label: 'diamond-types', package: 'diamond-types-node' },
  { id: 'loro', label: 'Loro', package: 'loro-crdt' },
  { id: 'automerge', label: 'Automerge', package: '@automerge/automerge' },
];

const kHelp = `bench/run.sh crdt [options]
  --runs N        runs of each case and library (default ${kDefaultRuns})
  --only CASE     this case only, or several: a,b
                  (${[...cases.map((c) => c.id), 'native'].join(', ')})
  --libs a,b      these libraries only (${kLibraries.map((l) => l.id).join(', ')})
  --quick         every input scaled to ${kQuickScale * 100} %: a smoke test, not a measurement
  --traces DIR    recorded editing traces (or SYNCKIT_TRACES, or build/editing-traces); without
                  them they are generated
  --seed S        of generated traces (default ${kDefaultSeed})
  --out DIR       where what is no full run goes (default ${kTryOut})`;

function options() {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string' },
      only: { type: 'string' },
      libs: { type: 'string' },
      quick: { type: 'boolean', default: false },
      traces: { type: 'string' },
      seed: { type: 'string' },
      out: { type: 'string', default: kTryOut },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(kHelp);
    process.exit(0);
  }
  const runs = Number(values.runs ?? kDefaultRuns);
  if (!Number.isInteger(runs) || runs < 1) throw new Error(`--runs: ${values.runs} is no count`);
  const only = values.only?.split(',') ?? null;
  for (const id of only ?? []) {
    if (id !== 'native' && !cases.some((c) => c.id === id)) throw new Error(`no such case: ${id}`);
  }
  const libs = values.libs?.split(',') ?? null;
  for (const id of libs ?? []) {
    if (!kLibraries.some((l) => l.id === id)) throw new Error(`no such library: ${id}`);
  }
  const seed = Number(values.seed ?? kDefaultSeed);
  const scale = values.quick ? kQuickScale : 1;
  const traces = tracesDirectory(values.traces);
  return { runs, only, libs, scale, quick: values.quick, traces, seed, out: values.out };
}

function firstLine(command, args) {
  try {
    return execFileSync(command, args, { stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .split('\n')[0];
  } catch {
    return null;
  }
}

function machine() {
  const cpus = os.cpus();
  return {
    cpu: cpus[0]?.model.trim() ?? 'unknown',
    cores: cpus.length,
    memoryGb: Math.round(os.totalmem() / 2 ** 30),
    kernel: `${os.type()} ${os.release()} ${os.arch()}`,
    node: process.version,
    v8: process.versions.v8,
    compiler: firstLine('c++', ['--version']),
    emcc: firstLine('emcc', ['--version']),
  };
}

// The command as anyone can repeat it: options, without a directory of this machine.
function commandLine(argv) {
  const shown = [];
  for (let i = 0; i < argv.length; i++) {
    if (/^--(traces|out)$/.test(argv[i])) shown.push(argv[i++], 'DIR');
    else shown.push(argv[i].replace(/^(--(?:traces|out))=.*/, '$1=DIR'));
  }
  return ['./dev bench crdt', ...shown].join(' ');
}

let running = null; // the one child at a time; an interrupted run takes it along

/** One job in a fresh process; what it printed, or { error }. */
function runWorker(job) {
  return new Promise((resolve) => {
    const args = ['--expose-gc', path.join(here, 'worker.mjs'), JSON.stringify(job)];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let errors = '';
    child.stdout.on('data', (chunk) => (out += chunk));
    child.stderr.on('data', (chunk) => (errors = (errors + chunk).slice(-2000)));
    running = child;
    const timer = setTimeout(() => child.kill('SIGKILL'), kTimeoutMs);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const line = out.trim().split('\n').at(-1) ?? '';
      try {
        resolve(JSON.parse(line));
      } catch {
        const tail = errors.trim().split('\n').at(-1) ?? '';
        resolve({ error: `the process ended with ${signal ?? code}: ${tail}` });
      }
    });
  });
}

function version(library) {
  const file = library.package
    ? path.join(here, '..', 'node_modules', library.package, 'package.json')
    : path.join(root, 'sdk', 'js', 'package.json');
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).version : null;
}

/** Which libraries load; the others are named with the reason. */
async function probe(wanted) {
  const libraries = [];
  const skipped = [];
  for (const library of kLibraries) {
    if (wanted && !wanted.includes(library.id)) continue;
    const answer = await runWorker({ lib: library.id, probe: true });
    if (answer.error) {
      const missing = library.package && version(library) === null;
      skipped.push({ lib: library.id, reason: missing ? 'not installed' : answer.error });
    } else {
      const { caps, only } = answer;
      libraries.push({ ...library, version: version(library), caps, only });
    }
  }
  return { libraries, skipped };
}

function supports(library, spec) {
  if (spec.own) return library.id === 'synckit';
  return library.only === null || spec.group === 'B1' || spec.group === library.only;
}

/** Operations that this library runs of this case. */
function operations(library, spec, scale) {
  const scaled = Math.max(50, Math.round(spec.size * scale));
  return Math.min(scaled, spec.size, library.caps[spec.id] ?? Infinity);
}

class Bench {
  constructor(settings, libraries, state) {
    this.settings = settings;
    this.libraries = libraries;
    this.state = state;
    this.made = new Map();
    this.rows = new Map(); // `case lib` -> row
    this.problems = [];
  }

  job(library, extra) {
    const { traces, seed } = this.settings;
    return { lib: library.id, state: this.state, traces, seed, ...extra };
  }

  // Made once, in a process of its own, so that what is timed does not run warmed up by it.
  async artefact(library, name) {
    const key = `${library.id} ${name}`;
    if (!this.made.has(key)) {
      const of = cases.find(({ id }) => id === artefacts[name].of);
      const n = operations(library, of, this.settings.scale);
      this.made.set(key, await runWorker(this.job(library, { artefact: name, n })));
    }
    return this.made.get(key).error;
  }

  row(library, spec) {
    const key = `${spec.id} ${library.id}`;
    if (!this.rows.has(key)) {
      const full = Math.min(spec.size, Math.max(50, Math.round(spec.size * this.settings.scale)));
      this.rows.set(key, { case: spec.id, lib: library.id, full, ran: null, samples: [] });
    }
    return this.rows.get(key);
  }

  fast(library, spec) {
    const { samples, error } = this.row(library, spec);
    if (this.settings.quick || spec.unit || error || samples.length === 0) return false;
    return median(samples) < kFastMs;
  }

  async one(library, spec) {
    const { scale } = this.settings;
    const row = this.row(library, spec);
    const { samples } = row;
    if (row.error || (spec.once && samples.length > 0)) return;
    if (samples.length >= kSlowRuns && !spec.unit && median(samples) > kSlowMs) return;
    let error = spec.needs ? await this.artefact(library, spec.needs) : null;
    let answer = {};
    if (!error) {
      const n = operations(library, spec, scale);
      answer = await runWorker(this.job(library, { case: spec.id, n }));
      error = answer.error;
    }
    if (error) {
      row.error = error;
      this.problems.push(`${spec.id}, ${library.id}: ${error}`);
      return;
    }
    const { cpuMs, value, ran, digest, ...extra } = answer;
    // Half of the operations: to extrapolate a capped case, and to tell start-up from the rest.
    if (cpuMs !== null && (ran < row.full || (library.id === 'synckit' && !spec.whole))) {
      const half = await runWorker(this.job(library, { case: spec.id, n: ran >> 1 }));
      if (half.error) {
        row.error = half.error;
        this.problems.push(`${spec.id}, ${library.id}, half of its operations: ${half.error}`);
        return;
      }
      (row.halves ??= []).push(half.cpuMs);
    }
    samples.push(value ?? cpuMs);
    row.ran = ran;
    row.digest = digest;
    row.extra = extra;
    process.stderr.write(`  ${spec.id} ${library.id} ${quantity(value ?? cpuMs, spec.unit)}\n`);
  }

  // The same input must give the same value everywhere.
  compare(spec) {
    const byInput = new Map();
    for (const row of this.rows.values()) {
      if (row.case !== spec.id || !row.digest) continue;
      const digests = byInput.get(row.ran) ?? new Map();
      digests.set(row.digest, [...(digests.get(row.digest) ?? []), row.lib]);
      byInput.set(row.ran, digests);
    }
    for (const digests of byInput.values()) {
      if (digests.size === 1) continue;
      const groups = [...digests.values()].map((libs) => libs.join('+')).join(' against ');
      this.problems.push(`${spec.id}: different final values: ${groups}`);
    }
  }

  results() {
    return [...this.rows.values()].map((row) => {
      if (row.samples.length === 0) return row;
      const value = median(row.samples);
      return {
        ...row,
        value,
        min: Math.min(...row.samples),
        max: Math.max(...row.samples),
        ...(row.ran < row.full ? { estimate: extrapolate(row, value) } : {}),
      };
    });
  }
}

// A capped case also runs on half of its operations, because start-up (the tiers of the WASM
// compiler above all) is not to be multiplied: an operation costs the difference of the two.
// An estimate and no bound: a cost that grows faster than linear is underestimated.
function extrapolate(row, value) {
  const half = row.ran >> 1;
  const perOperation = Math.max(0, value - median(row.halves)) / (row.ran - half);
  return value + (row.full - row.ran) * perOperation;
}

// What was built a moment ago still shows in the load average: a whole run waits for it to pass,
// for a while. A machine that stays busy is told in the report.
async function settle() {
  const until = Date.now() + kSettleMs;
  while (os.loadavg()[0] > kBusyLoad && Date.now() < until) {
    process.stderr.write(`  load average ${os.loadavg()[0].toFixed(2)}: waiting\n`);
    await sleep(10_000);
  }
}

const isWhole = (settings) =>
  !settings.quick && !settings.only && !settings.libs && settings.runs >= kFullRuns;

function describe(settings) {
  return {
    command: commandLine(process.argv.slice(2)),
    date: new Date().toISOString(),
    commit: firstLine('git', ['-C', root, 'rev-parse', 'HEAD']),
    dirty: Boolean(firstLine('git', ['-C', root, 'status', '--porcelain', '-uno'])),
    machine: machine(),
    loadBefore: os.loadavg()[0],
    runs: settings.runs,
    scale: settings.scale,
    traces: ['automerge-paper', 'friendsforever'].map(
      (name) => `${name}: ${loadTrace(name, settings.traces, settings.seed).source}`,
    ),
  };
}

function announce(meta, libraries, skipped) {
  console.log(`command   ${meta.command}`);
  console.log(`commit    ${meta.commit ?? 'unknown'}${meta.dirty ? ' with local changes' : ''}`);
  for (const [key, value] of Object.entries(meta.machine)) console.log(`${key.padEnd(9)} ${value}`);
  for (const trace of meta.traces) console.log(`trace     ${trace}`);
  if (meta.scale !== 1) console.log(kScaledNote);
  for (const { label, version: v } of libraries) console.log(`library   ${label} ${v}`);
  for (const { lib, reason } of skipped) console.log(`skipped   ${lib}: ${reason}`);
  for (const warning of warnings(meta)) console.log(`careful   ${warning}`);
}

/** The native rows, after every library had all its runs. */
async function runAll(bench, chosen, state) {
  const { settings, libraries } = bench;
  for (let run = 0; run < settings.runs; run++) {
    process.stderr.write(`run ${run + 1} of ${settings.runs}\n`);
    for (const spec of chosen) {
      const able = libraries.filter((library) => supports(library, spec));
      const turn = able.map((_, i) => able[(i + run) % able.length]);
      for (const library of turn) await bench.one(library, spec);
      for (const library of turn.reverse()) {
        if (bench.fast(library, spec)) await bench.one(library, spec);
      }
    }
  }
  for (const spec of chosen) bench.compare(spec);
  const wantsNative = !settings.only || settings.only.includes('native');
  const native = wantsNative ? runNative(root, state, settings) : { skipped: 'not asked for' };
  if (native.error) bench.problems.push(`native: ${native.error}`);
  if (native.skipped) console.log(`skipped   native: ${native.skipped}`);
  return native.rows ?? [];
}

function isFull(report, settings) {
  const ours = report.libraries.some(({ id }) => id === 'synckit');
  const native = report.native.length > 0 && report.native.every((row) => !row.skipped);
  const marked = marks(report).every(({ met }) => met !== null);
  return isWhole(settings) && ours && native && marked && report.problems.length === 0;
}

// One row a line: a later run is compared with an earlier one line by line.
function toJson(report) {
  const rows = (list) => `[\n${list.map((row) => `  ${JSON.stringify(row)}`).join(',\n')}\n ]`;
  const lines = Object.entries(report).map(([key, value]) => {
    const long = key === 'results' || key === 'native';
    return ` ${JSON.stringify(key)}: ${long ? rows(value) : JSON.stringify(value)}`;
  });
  return `{\n${lines.join(',\n')}\n}\n`;
}

/** Writes the results and what is made of them; the names of the files. */
function save(report, full, out) {
  const results = full ? 'bench/results/crdt.json' : path.join(out, 'crdt.json');
  const text = toJson(report);
  write(new Map([[results, text]]), root);
  // From the text, as it is made again later: what JSON cannot keep must not show.
  const made = make({ root, report: JSON.parse(text), into: full ? null : out });
  write(made, root);
  return [results, ...made.keys()];
}

async function main() {
  const settings = options();
  if (isWhole(settings)) await settle();
  const started = Date.now();
  const chosen = cases.filter(({ id }) => !settings.only || settings.only.includes(id));
  const meta = describe(settings);
  const { libraries, skipped } = await probe(settings.libs);
  announce(meta, libraries, skipped);

  const state = mkdtempSync(path.join(os.tmpdir(), 'synckit-bench-'));
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => {
      running?.kill('SIGKILL');
      rmSync(state, { recursive: true, force: true });
      process.exit(130);
    });
  }
  const bench = new Bench(settings, libraries, state);
  // The others are optional.
  const missing = skipped.find(({ lib }) => lib === 'synckit');
  if (missing) bench.problems.push(`synckit: ${missing.reason}`);
  const before = cpuTimes();
  let native;
  try {
    native = await runAll(bench, chosen, state);
  } finally {
    rmSync(state, { recursive: true, force: true });
  }
  const report = {
    ...meta,
    loadAfter: os.loadavg()[0],
    othersShare: othersShare(before, cpuTimes()),
    seconds: Math.round((Date.now() - started) / 1000),
    libraries: libraries.map(({ id, label, version: v }) => ({ id, label, version: v })),
    skipped,
    results: bench.results(),
    native,
    problems: bench.problems,
  };
  const full = isFull(report, settings);
  printTable(report, chosen);
  for (const file of save(report, full, settings.out)) console.log(`wrote     ${file}`);
  if (!full) console.log('not a full run: bench/results/ and docs/ are left as they were');
  for (const warning of warnings(report)) console.log(`careful   ${warning}`);
  for (const problem of bench.problems) console.error(`problem   ${problem}`);
  process.exitCode = bench.problems.length === 0 ? 0 : 1;
}

try {
  await main();
} catch (error) {
  console.error(`bench: ${error.message}`);
  process.exitCode = 2;
}
