// bench/results/size.jsonl (written by sdk/js/scripts/size.mjs --record) as a table and a plot.
//
// A line is one bundle or one part of it; lines that follow each other with the same date and
// commit are one record.

import { markdown, thousands } from './crdt/format.mjs';
import { lineChart } from './svg.mjs';

const kBundles = ['default', 'lite', 'full', 'replica'];

/** [{ date, commit, default: { total, js, wasm, budget }, ... }] in the order of the file. */
export function readSizes(jsonl) {
  const records = [];
  for (const line of jsonl.split('\n').filter(Boolean)) {
    const { date, commit = null, bundle, part, gzip, budget } = JSON.parse(line);
    const last = records.at(-1);
    const started = last && last.date === date && last.commit === commit;
    const record = started ? last : { date, commit };
    if (!started) records.push(record);
    record[bundle] ??= {};
    record[bundle][part ?? 'total'] = gzip;
    if (budget) record[bundle].budget = budget;
  }
  return records;
}

export function sizeSection(records) {
  const cell = (of) =>
    of?.total ? `${thousands(of.total)}<br><sub>${thousands(of.wasm)} + ${thousands(of.js)}</sub>`
      : '';
  const rows = records.map((record) => [
    record.date,
    record.commit ? `\`${record.commit.slice(0, 12)}\`` : '',
    ...kBundles.map((bundle) => cell(record[bundle])),
  ]);
  const head = [
    'date',
    'commit',
    'everything',
    'map alone (lite)',
    'with undo, anchors, plugins (full)',
    'replica, built for speed',
  ];
  return markdown(head, rows, ['---', '---', '---:', '---:', '---:', '---:']);
}

export function sizeChart(records) {
  const x = {
    at: (i) => (records.length > 1 ? i / (records.length - 1) : 0),
    ticks: ticks(records),
    title: 'recorded sizes, in their order',
  };
  const line = (bundle, key) =>
    records
      .map((record, i) => [i, record[bundle]?.[key]])
      .filter(([, bytes]) => bytes)
      .map(([i, bytes]) => [i, bytes / 1000]);
  const labels = { default: 'everything', lite: 'map alone', full: 'full', replica: 'replica' };
  const lines = [];
  kBundles.forEach((bundle, colour) => {
    const points = line(bundle, 'total');
    if (points.length) lines.push({ label: labels[bundle], colour, points });
    const budget = line(bundle, 'budget');
    if (budget.length) {
      lines.push({ label: `budget, ${labels[bundle]}`, colour, dashed: true, points: budget });
    }
  });
  const note = 'JavaScript and WASM of a minimal application, minified, gzip -9, in 1,000 bytes. ' +
    'Dashed: the budget of that day.';
  return lineChart('What a bundle costs', note, x, 'KB', lines);
}

// A date where it changes, and not more of them than there is room for.
function ticks(records) {
  const changes = records.map(({ date }, i) => [i, date])
    .filter(([i, date]) => i === 0 || records[i - 1].date !== date);
  const room = Math.max(1, (records.length - 1) / 6);
  const kept = [];
  for (const tick of changes) {
    if (kept.length === 0 || tick[0] - kept.at(-1)[0] >= room) kept.push(tick);
  }
  return kept;
}
