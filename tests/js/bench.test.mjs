// The benchmark itself: it refuses wrong values, computes its marks, and docs/performance.md is
// what it makes of the committed results. Nothing here measures anything.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { artefacts, cases } from '../../bench/crdt/cases.mjs';
import library from '../../bench/crdt/lib/synckit.mjs';
import { marks } from '../../bench/crdt/marks.mjs';
import { plots } from '../../bench/crdt/plots.mjs';
import { marksSection, nativeSection, timesSection, warnings } from '../../bench/crdt/tables.mjs';
import { check, fill } from '../../bench/report.mjs';
import { generateConcurrent, generateSequential, PlainText, random, RopeText } from
  '../../bench/traces.mjs';
import { joined, split } from '../../sdk/js/scripts/size-parts.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));

test('docs/performance.md and its plots are what the committed results make', () => {
  assert.deepEqual(check(), [], 'run ./dev bench report');
});

// ---- a wrong value fails ------------------------------------------------------------------------

const traces = {
  'automerge-paper': generateSequential(5, 300, 100),
  friendsforever: generateConcurrent(5, 400),
};
const size = (spec) => ({ 'automerge-paper': 400, friendsforever: 400 })[spec] ?? 60;

// What a defective library could get wrong, one at a time.
const lies = {
  text: (value) => `${value}x`,
  map: (value) => ({ ...value, [Object.keys(value)[0]]: -1 }),
  elements: (value) => value.slice(1),
  count: (value) => value + 1,
};

function wrap(doc) {
  let asked = 0;
  for (const [name, lie] of Object.entries(lies)) {
    const original = doc[name].bind(doc);
    doc[name] = () => {
      asked++;
      return lie(original());
    };
  }
  doc.asked = () => asked;
  return doc;
}

async function run(spec, lying) {
  const n = spec.group === 'text' ? size('automerge-paper') : size(spec.id);
  const trace = (name) => traces[name];
  const make = (name) => artefacts[name].make({ create: library.create, trace, n });
  const made = spec.needs ? await make(spec.needs) : null;
  let measured = 0;
  await spec.run({
    n,
    trace,
    create: async (options) => {
      const doc = await library.create(options);
      return lying ? wrap(doc) : doc;
    },
    load: library.load,
    measure: (work) => {
      measured++;
      return work();
    },
    memory: async () => ({ heap: 0, wasm: 0, external: 0 }),
    artefact: () => made,
    check: (right, what) => assert.ok(right, `wrong result: not ${what}`),
  });
  assert.equal(measured, spec.unit ? 0 : 1, 'timed exactly once');
}

test('the packed modules of the package open', async () => {
  const opening = cases.filter(({ group }) => group === 'opening');
  assert.equal(opening.length, 4);
  for (const spec of opening) await run(spec, false);
});

for (const spec of cases.filter(({ group }) => group !== 'opening')) {
  test(`${spec.id}: passes with right values, fails with a wrong one`, async () => {
    await run(spec, false);
    await assert.rejects(run(spec, true), /wrong result/);
  });
}

test('a library that counts wrong fails the whole run', { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'synckit-bench-test-'));
  try {
    const real = pathToFileURL(join(root, 'sdk/js/dist/replica-node.js'));
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    writeFileSync(join(folder, 'replica-node.js'), `
      import { Replica } from '${real}';
      export { Replica };
      const { counter } = Replica.prototype;
      if (process.env.BENCH_LIES) {
        Replica.prototype.counter = function (name) {
          const right = counter.call(this, name);
          return { increment: () => right.increment(), get value() { return right.value - 1; } };
        };
      }`);
    const options = '--quick --runs 1 --libs synckit --only counter --out'.split(' ');
    const bench = (lies) =>
      spawnSync(process.execPath, [join(root, 'bench/crdt/run.mjs'), ...options, folder], {
        encoding: 'utf8',
        env: { ...process.env, SYNCKIT_DIST: folder, BENCH_LIES: lies },
      });
    const good = bench('');
    assert.equal(good.status, 0, good.stderr);
    const bad = bench('1');
    assert.equal(bad.status, 1, bad.stdout);
    assert.match(bad.stderr, /problem {3}counter, synckit: wrong result: not the count is 20000/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('the texts that others are checked against agree', () => {
  const next = random(3);
  const [plain, rope] = [new PlainText(), new RopeText()];
  for (let i = 0; i < 3000; i++) {
    const position = Math.floor(next() * (rope.length + 1));
    const remove = Math.min(rope.length - position, Math.floor(next() * next() * 40));
    const insert = 'abcdefghijklmnopqrstuvwxyz'.repeat(9).slice(0, Math.floor(next() * 234));
    plain.splice(position, remove, insert);
    rope.splice(position, remove, insert);
  }
  assert.ok(rope.length > 100_000);
  assert.equal(plain.toString(), rope.toString());
  assert.equal(rope.length, plain.length);
});

// ---- marks --------------------------------------------------------------------------------------

const libraries = [
  { id: 'synckit', label: 'SyncKit', version: '1' },
  { id: 'yjs', label: 'Yjs', version: '2' },
  { id: 'loro', label: 'Loro', version: '3' },
];

/** A report in which ours is `ours` wherever Yjs has 100 and Loro 200. */
function reportWith(ours, native) {
  const row = (spec, lib, value) => {
    const scaled = spec.id === 'text-memory' ? value * 20_000 : value;
    const sizes = [{ variant: 'v', raw: value * 2000, gzip: value * 1000 }];
    const extra = spec.id === 'text-size' ? { sizes } : {};
    const all = { value: scaled, min: scaled, max: scaled, samples: [scaled] };
    const halves = lib === 'synckit' ? { halves: [scaled * 0.7] } : {};
    return { case: spec.id, lib, full: spec.size, ran: spec.size, extra, ...all, ...halves };
  };
  const results = cases.flatMap((spec) =>
    spec.own
      ? [row(spec, 'synckit', ours)]
      : [row(spec, 'synckit', ours), row(spec, 'yjs', 100), row(spec, 'loro', 200)],
  );
  const line = (id, value, n) =>
    ({ case: id, title: id, unit: 'ms', value, n, samples: [value] });
  for (const { case: id, extra } of results) if (id.startsWith('open-')) extra.bytes = 1000;
  const sizes = [1e4, 1e5, 1e6, 1e7];
  return {
    date: '2026-01-01', command: './dev bench crdt', runs: 5, scale: 1, loadBefore: 0, dirty: false,
    machine: {}, libraries, skipped: [], results, traces: [], problems: [],
    native: [
      line('floor-rope', 1, 1000),
      line('text-replay', native, 1000),
      ...['text-deltas', 'lww-writes', 'set-edits', 'counter-increments', 'lww-merges',
        'counter-merges'].map((id) => line(id, native * 200, 1e6)),
      ...sizes.map((n) => line(`floor-reads-${n}`, n ** 0.3, 1e6)),
      ...sizes.map((n) => line(`text-random-${n}`, (n * n ** (native / 10)) / 1e6, n)),
    ],
  };
}

test('every mark is met by what is fast and small enough', () => {
  const all = marks(reportWith(1, 0.1));
  assert.equal(all.length, 25);
  assert.deepEqual(all.filter(({ met }) => met !== true), []);
});

test('every mark can be missed, and then says by how much and why', () => {
  const report = reportWith(101, 6);
  for (const row of [...report.results, ...report.native]) {
    if (row.lib === 'synckit' && row.case === 'map-writes') row.value = 1e8; // below the floor
  }
  for (const mark of marks(report)) {
    assert.equal(mark.met, false, `${mark.id}: ${JSON.stringify(mark)}`);
    assert.match(mark.missedBy, /^(\d+|less than 1) %$/, mark.id);
    assert.ok(mark.why?.length > 20, `${mark.id} has a reason`);
  }
  const text = marksSection(report);
  assert.match(text, /^0 of 25 marks are met/);
  assert.match(text, /\| text: load and read \| Yjs \| 100 ms \| 101 ms \| 1\.01 x \| ≤ 0\.6 x/);
  assert.match(text, /\*\*missed by 68 %\*\*/);
});

test('a mark is compared with the best of the others, and at its edge it is met', () => {
  const report = reportWith(50, 0.1);
  const replay = marks(report).find(({ id }) => id === 'replay');
  assert.deepEqual([replay.peer, replay.ratio, replay.met], ['Yjs', '0.50 x', true]);
  const prepend = report.results.find((row) => row.case === 'b1-prepend' && row.lib === 'synckit');
  prepend.value = 100;
  const equal = marks(report).find(({ id }) => id === 'b1-prepend');
  assert.equal(equal.met, false, 'equal is not ahead');
});

test('what was not measured is neither met nor missed', () => {
  const report = { ...reportWith(1, 0.1), native: [], results: [] };
  for (const mark of marks(report)) assert.equal(mark.met, null, mark.id);
});

test('the reasons of committed results are there', () => {
  const file = join(root, 'bench/results/crdt.json');
  if (!existsSync(file)) return;
  const report = JSON.parse(readFileSync(file, 'utf8'));
  assert.equal(report.scale, 1);
  assert.deepEqual(report.problems, []);
  for (const mark of marks(report)) {
    assert.notEqual(mark.met, null, `${mark.id} was measured`);
    assert.ok(mark.met || mark.why, mark.id);
  }
});

test('a busy machine, a scaled run and local changes are told', () => {
  assert.deepEqual(warnings(reportWith(1, 1)), []);
  assert.equal(warnings({ ...reportWith(1, 1), loadBefore: 0.51 }).length, 1);
  assert.equal(warnings({ ...reportWith(1, 1), othersShare: 0.2 }).length, 1);
  assert.equal(warnings({ ...reportWith(1, 1), scale: 0.02, dirty: true }).length, 2);
});

test('tables and plots show every library, estimates and failures', () => {
  const report = reportWith(1, 0.1);
  const row = report.results.find((r) => r.case === 'counter' && r.lib === 'loro');
  Object.assign(row, { estimate: 3e6, ran: 5000 });
  const broken = report.results.find((r) => r.case === 'map-merge' && r.lib === 'yjs');
  broken.error = 'it ended';
  const times = timesSection(report, cases);
  assert.match(times, /≈ 3,000,000<br><sub>200 for 5,000 of 1,000,000/);
  assert.match(times, /exchange everything \| 1\.00.* \| failed \|/);
  assert.match(nativeSection(report), /\| floor-rope \| 1\.00 ms \|/);
  const images = new Map(plots(report, cases));
  assert.deepEqual([...images.keys()],
    ['crdt-text.svg', 'crdt-data.svg', 'crdt-b1.svg', 'crdt-growth.svg']);
  for (const svg of images.values()) assert.doesNotMatch(svg, /NaN|undefined|Infinity/);
  assert.match(images.get('crdt-data.svg'), /url\(#b\)/);
});

test('a page without a place for a part is refused', () => {
  assert.throws(() => fill('# empty', { run: 'x' }), /has 0 places/);
  const twice = '<!-- begin run -->\n<!-- end run -->\n'.repeat(2);
  assert.throws(() => fill(twice, { run: 'x' }), /has 2 places/);
  assert.equal(
    fill('a\n<!-- begin run (x) -->\nold\n<!-- end run -->\nb', { run: '$& new' }),
    'a\n<!-- begin run (x) -->\n\n$& new\n\n<!-- end run -->\nb',
  );
});

// ---- sizes by part ------------------------------------------------------------------------------

test('a module is split into its functions by name, joined again, and refused without', () => {
  const text = (s) => [s.length, ...new TextEncoder().encode(s)];
  const section = (id, ...body) => [id, body.length, ...body];
  const name = 'synckit::text::Text::f()';
  const names = [2, 0, ...text(name), 1, ...text('malloc')];
  const module = Uint8Array.of(
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(10, 2, 3, 0, 1, 0x0b, 2, 0, 0x0b),
    ...section(11, 0),
    ...section(0, ...text('name'), 1, names.length, ...names),
  );
  const pieces = split(module).map(({ part, bytes }) => [part, bytes.length]);
  assert.deepEqual(pieces, [['text', 3], ['allocator, libc', 2], ['data', 1]]);
  const [start, end] = [8, module.length - 2 - 5 - 2 - names.length];
  assert.deepEqual([...joined(module, split(module), null)], [...module.subarray(0, end)]);
  const without = joined(module, split(module), 'text');
  assert.equal(without.length, end - 1, 'an empty body has two bytes');
  assert.deepEqual([...without.subarray(start, start + 5)], [10, 7, 2, 2, 0]);
  assert.throws(() => split(module.subarray(0, end)), /no names/);
});
