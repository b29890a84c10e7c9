// The marks: what SyncKit wants to reach beside the best other library of the same run, and why a
// mark is missed where it is. A mark is computed from a report (run.mjs) and from nothing else; a
// reason (`why`) is printed only when its mark is missed.
//
// "Best" is the smallest value of all other libraries, whatever they are good at otherwise. An
// estimate of a capped case (≈) can be the best as well; it is too small rather than too large.

import { figure, median, percent, quantity, thousands } from './format.mjs';

// ---- reasons ------------------------------------------------------------------------------------

// Said of every case that ends before V8 is done with the module.
const kStartUp =
  'A fresh process pays for V8 compiling WASM and JavaScript on its helper threads, and the case ' +
  'is over before that pays off';

const kWhy = {
  replay: `${kStartUp}. What is left is one call into WASM per patch and, inside, ids, origins ` +
    'and tombstones, which a plain text does not keep.',
  updates: 'An update is a whole transaction (replica, clock, what it builds on, field and type) ' +
    'that a host can check and store as it is, several times the bytes of a bare operation.',
  apply: 'Each update is checked whole, and what it builds on is compared with the version here, ' +
    'before anything is changed: a refused one leaves no trace.',
  load: `${kStartUp}: the snapshot is read once, by code that has not run before. It is checked ` +
    'whole before any of it is taken, and the text is handed over as JSON.',
  size: 'Every span keeps its id and both origins, so that concurrent edits find their place ' +
    'after a load as before it.',
  memory: 'WASM memory grows in pages and is never given back; what loading needed at its height ' +
    'counts.',
  session: `${kStartUp}. Both writers and all 26,078 exchanges are in it, each as a checked ` +
    'transaction of its own.',
  map: `${kStartUp}. Keys and values cross into WASM as bytes, since the map keeps values as JSON.`,
  set: `${kStartUp}. An element crosses into WASM as canonical JSON.`,
  counter: `${kStartUp}. What is left is one call into WASM per increment.`,
  merge: 'Every entry carries its clock and its writer, and is compared one by one. The time also ' +
    'has what each side had held back of its last batch, and now hands to WASM.',
  b1: `${kStartUp}: there are 6,000 operations only, and two replicas take each of them.`,
  native: 'The rope keeps characters and nothing else. The CRDT gives each edit an id, origins ' +
    'and a place in a tree, and a patch is a call through the plugin table, with an intent that ' +
    'is encoded and read again.',
  rate: 'A delta is checked whole before it is merged, as it is when it comes from a stranger.',
  local: 'The slowest of all local edits counts.',
  growth: 'The number of steps grows as the logarithm, the time of a step grows with it: a large ' +
    'document does not fit into the caches, and each level of the tree waits for memory.',
};

// ---- what is compared ---------------------------------------------------------------------------

// Each gives { peer, value, ours, unit, wanted, ratio, limit, better }, or null when the report
// lacks a side. `ratio` is what is compared with `limit`: at most it, or (better: 'more') at least.

const valueOf = (row) => (row && !row.error && row.value !== undefined ? row : null);
const rowOf = (report, id, lib) =>
  valueOf(report.results.find((row) => row.case === id && row.lib === lib));
const nativeOf = (report, id) => report.native.find((row) => row.case === id && !row.skipped);
const full = (row) => row.estimate ?? row.value;
const labelOf = (report, lib) => report.libraries.find(({ id }) => id === lib)?.label ?? lib;

/** The best of all other libraries by `value` (of a row), as { label, value }, or null. */
function best(report, id, value = full) {
  let found = null;
  for (const { id: lib, label } of report.libraries) {
    const row = lib === 'synckit' ? null : rowOf(report, id, lib);
    const one = row && value(row);
    if (one != null && (!found || one < found.value)) found = { label, value: one };
  }
  return found;
}

const atMost = (of, limit) => ({ ...of, limit, better: 'less', wanted: `≤ ${limit} x` });

function relative(id, limit) {
  return (report) => {
    const ours = rowOf(report, id, 'synckit');
    const peer = best(report, id);
    if (!ours || !peer) return null;
    const ratio = full(ours) / peer.value;
    const of = { peer: peer.label, value: peer.value, ours: full(ours), unit: 'ms', ratio };
    return limit === 1
      ? { ...of, limit, better: 'less', strict: true, wanted: '< 1 x' }
      : atMost(of, limit);
  };
}

function fasterThan(lib, id, times) {
  return (report) => {
    const ours = rowOf(report, id, 'synckit');
    const theirs = rowOf(report, id, lib);
    if (!ours || !theirs) return null;
    const ratio = full(theirs) / full(ours);
    return {
      peer: labelOf(report, lib), value: full(theirs), ours: full(ours), unit: 'ms', ratio,
      shown: `${figure(ratio)} x faster`, limit: times, better: 'more', wanted: `≥ ${times} x`,
    };
  };
}

const smallest = (key) => (row) => Math.min(...row.extra.sizes.map((size) => size[key]));

function atMostBytes(id, limit, unit, text, value) {
  return (report) => {
    const row = rowOf(report, id, 'synckit');
    if (!row) return null;
    const peer = best(report, id, value);
    const ours = value(row);
    return {
      peer: peer?.label ?? null, value: peer?.value, ours, unit, ratio: ours,
      shown: peer ? `${(ours / peer.value).toFixed(2)} x` : '', limit, better: 'less',
      wanted: `≤ ${text}`,
    };
  };
}

function nativeRelative(id, floor, limit) {
  return (report) => {
    const [ours, plain] = [nativeOf(report, id), nativeOf(report, floor)];
    if (!ours || !plain) return null;
    const of = { peer: 'plain rope', value: plain.value, ours: ours.value, unit: 'ms' };
    return atMost({ ...of, ratio: ours.value / plain.value }, limit);
  };
}

const perSecond = (row) => (1000 * row.n) / row.value;

function nativeRate(id, limit) {
  return (report) => {
    const row = nativeOf(report, id);
    return row ? rate(perSecond(row), limit) : null;
  };
}

const rate = (ours, limit, peer = null) => ({
  peer, ours, unit: 'a second', ratio: ours, shown: '', limit, better: 'more',
  wanted: `≥ ${thousands(limit)} a second`,
});

// Local edits through the ABI, and through TypeScript.
const kNativeEdits = ['text-deltas', 'lww-writes', 'set-edits', 'counter-increments'];
const kWasmEdits = ['text-replay', 'text-updates', 'map-writes', 'map-updates', 'set-edits',
  'counter'];

function slowestEdit(limit) {
  return (report) => {
    const rates = [];
    for (const id of kNativeEdits) {
      const row = nativeOf(report, id);
      if (row) rates.push([perSecond(row), `${id}, native`]);
    }
    for (const id of kWasmEdits) {
      const row = rowOf(report, id, 'synckit');
      if (row) rates.push([(1000 * row.ran) / row.value, `${id}, WASM`]);
    }
    if (rates.length < kNativeEdits.length + kWasmEdits.length) return null;
    const [slowest, where] = rates.reduce((a, b) => (b[0] < a[0] ? b : a));
    return { ...rate(slowest, limit), note: where };
  };
}

/** Random edits: [{ n, ns }] (cost of one) in the order of n, of native or of WASM. */
export function growthPoints(report, where) {
  const points = [];
  const rows = where === 'native' ? report.native : report.results;
  for (const row of rows) {
    if (!row.case.startsWith('text-random-') || row.skipped || !valueOf(row)) continue;
    const n = row.n ?? row.ran;
    points.push({ n, ns: (1e6 * row.value) / n });
  }
  return points.sort((a, b) => a.n - b.n);
}

/** What one random read in as much memory costs: [{ n, ns }] in the order of n (native). */
export function readPoints(report) {
  return report.native
    .filter((row) => row.case.startsWith('floor-reads-') && !row.skipped)
    .map((row) => ({ n: Number(row.case.split('-').at(-1)), ns: (1e6 * row.value) / row.n }))
    .sort((a, b) => a.n - b.n);
}

/** c log2(n), through the first point. */
export function logarithm(points) {
  const [first] = points;
  return (n) => (first.ns * Math.log2(n)) / Math.log2(first.n);
}

function readText(report) {
  const reads = readPoints(report);
  if (reads.length < 2) return null;
  const [from, to] = [reads[0], reads.at(-1)];
  return `One read at a random place, in as much memory, took ${figure(from.ns)} ns at the first ` +
    `size and ${figure(to.ns)} ns at the last: ${figure(to.ns / from.ns)} times as long.`;
}

function growth(where, most) {
  return (report) => {
    const points = growthPoints(report, where);
    if (points.length < 2 || points.at(-1).n < most) return null;
    const allowed = logarithm(points);
    const worst = points
      .map(({ n, ns }) => ({ n, ns, limit: allowed(n) }))
      .reduce((a, b) => (b.ns / b.limit > a.ns / a.limit ? b : a));
    return {
      peer: 'c log2(n)', value: worst.limit, ours: worst.ns, unit: 'ns',
      note: `at ${thousands(worst.n)} edits`, ...atMost({ ratio: worst.ns / worst.limit }, 1),
      evidence: readText(report),
    };
  };
}

// ---- the marks ----------------------------------------------------------------------------------

const gzipped = atMostBytes('text-size', 65_000, 'bytes', '65 KB', smallest('gzip'));
const raw = atMostBytes('text-size', 155_000, 'bytes', '155 KB', smallest('raw'));
const loaded = atMostBytes('text-memory', 1_200_000, 'memory', '1.2 MB', (row) => row.value);

// `of`: the case whose start-up is told when the mark is missed (see `startUp`).
const kMarks = [
  ['replay', 'text: replay, one patch a call', relative('text-replay', 0.5), 'replay',
    'text-replay'],
  ['replay-yjs', 'text: replay, beside Yjs', fasterThan('yjs', 'text-replay', 35), 'replay',
    'text-replay'],
  ['updates', 'text: replay with an encoded update per patch', relative('text-updates', 0.4),
    'updates', 'text-updates'],
  ['apply', 'text: apply those updates one by one', relative('text-apply', 0.3), 'apply',
    'text-apply'],
  ['load', 'text: load and read', relative('text-load', 0.6), 'load'],
  ['gzip', 'text: state without deleted text, gzip -9', gzipped, 'size'],
  ['raw', 'text: the same, not compressed', raw, 'size'],
  ['memory', 'text: memory of the loaded document', loaded, 'memory'],
  ['session', 'text: a concurrent session, both replicas', relative('text-session', 0.35),
    'session', 'text-session'],
  ['newcomer', 'text: a newcomer applies its updates one by one', relative('text-newcomer', 0.35),
    'apply', 'text-newcomer'],
  ['map-writes', 'map: 100,000 writes over 1,000 keys', relative('map-writes', 0.2), 'map',
    'map-writes'],
  ['map-updates', 'map: the same with an update each', relative('map-updates', 0.35), 'updates',
    'map-updates'],
  ['map-apply', 'map: apply those updates', relative('map-apply', 0.35), 'apply', 'map-apply'],
  ['set-edits', 'set: 100,000 adds and removes', relative('set-edits', 0.25), 'set', 'set-edits'],
  ['counter', 'counter: 1,000,000 increments', relative('counter', 0.05), 'counter', 'counter'],
  ['map-merge', 'map: merge two replicas of 50,000 writes', relative('map-merge', 0.05), 'merge'],
  ['b1-append', 'B1: append', relative('b1-append', 1), 'b1', 'b1-append'],
  ['b1-prepend', 'B1: prepend', relative('b1-prepend', 1), 'b1', 'b1-prepend'],
  ['b1-random', 'B1: random insert', relative('b1-random', 1), 'b1', 'b1-random'],
  ['b1-insert-delete', 'B1: insert and delete', relative('b1-insert-delete', 1), 'b1',
    'b1-insert-delete'],
  ['native-replay', 'native text: replay', nativeRelative('text-replay', 'floor-rope', 3),
    'native'],
  ['native-lww', 'native map: merges', nativeRate('lww-merges', 1_000_000), 'rate'],
  ['native-counter', 'native counter: merges', nativeRate('counter-merges', 1_000_000), 'rate'],
  ['local', 'any type: local edits, the slowest of all', slowestEdit(10_000), 'local'],
  ['growth', 'native text: cost of a random edit, 10 thousand to 10 million',
    growth('native', 1e7), 'growth'],
];

/** What of our own time is start-up: the rest grows with the operations. Null when unknown. */
export function startUp(row) {
  if (!row?.halves?.length || row.ran < 2) return null;
  const half = row.ran >> 1;
  const perOperation = Math.max(0, row.value - median(row.halves)) / (row.ran - half);
  return { ms: Math.max(0, row.value - perOperation * row.ran), perOperation };
}

const kShown = 0.1; // of the time: less start-up than that explains nothing

function startUpText(row) {
  const start = startUp(row);
  if (!start || start.ms < kShown * row.value) return null;
  const [ms, ns] = [figure(start.ms), figure(1e6 * start.perOperation)];
  return `About ${ms} ms of ours is start-up; after it an operation costs ${ns} ns.`;
}

function distance({ ratio, limit, better }) {
  return better === 'less' ? ratio / limit - 1 : 1 - ratio / limit;
}

function show(found) {
  const { unit } = found;
  const text = (n) => {
    if (n === undefined) return '';
    if (unit === 'ns') return `${figure(n)} ns`;
    return unit === 'a second' ? `${thousands(Math.round(n))} a second` : quantity(n, unit);
  };
  const note = found.note ? ` (${found.note})` : '';
  const ratio = found.shown ?? `${found.ratio.toFixed(found.ratio < 0.1 ? 3 : 2)} x`;
  const [theirs, ours] = [text(found.value), text(found.ours) + note];
  return { peer: found.peer ?? '', theirs, ours, ratio };
}

/**
 * Every mark: { id, title, met: true, false or null (not measured), peer, theirs, ours, ratio,
 * wanted, missedBy, why, evidence }; all but the first three are text, the last three only of a
 * missed mark: by how much, the reason, and what of this report shows it (or null).
 */
export function marks(report) {
  return kMarks.map(([id, title, compare, why, of]) => {
    const found = compare(report);
    if (!found) return { id, title, met: null, wanted: '' };
    const { ratio, limit, better, strict } = found;
    const met = better === 'more' ? ratio >= limit : strict ? ratio < limit : ratio <= limit;
    const mark = { id, title, met, wanted: found.wanted, ...show(found) };
    if (met) return mark;
    const shown = of ? startUpText(rowOf(report, of, 'synckit')) : found.evidence ?? null;
    return { ...mark, missedBy: percent(distance(found)), why: kWhy[why], evidence: shown };
  });
}
