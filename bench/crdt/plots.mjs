// The plots of a report of run.mjs: [file name, SVG], only of what was measured.

import { barChart, lineChart } from '../svg.mjs';
import { figure, thousands } from './format.mjs';
import { growthPoints, logarithm, readPoints } from './marks.mjs';

const kBarNote =
  'Less is better. In brackets: times SyncKit. A cut bar is over 10 times the shortest; ' +
  'a hatched one is an estimate.';

const kGroups = [
  ['crdt-text.svg', 'Text: CPU milliseconds', 'text'],
  ['crdt-data.svg', 'Maps, sets and counters: CPU milliseconds', 'data'],
  ['crdt-b1.svg', 'B1 of crdt-benchmarks, N = 6,000: CPU milliseconds', 'B1'],
];

function bars(report, spec) {
  const rows = report.libraries.map((library) => ({
    library,
    row: report.results.find((r) => r.case === spec.id && r.lib === library.id),
  }));
  const known = rows.filter(({ row }) => row && !row.error && row.value !== undefined);
  const value = (row) => row.estimate ?? row.value;
  const ours = known.find(({ library }) => library.id === 'synckit');
  return known.map(({ library, row }) => {
    const own = library.id === 'synckit';
    const estimated = row.estimate !== undefined;
    const times = ours && !own ? ` (${factor(value(row) / value(ours.row))})` : '';
    const text = `${estimated ? '≈ ' : ''}${figure(value(row))}${times}`;
    return { label: library.label, value: value(row), text, own, estimated };
  });
}

const factor = (n) => `${n >= 10 ? thousands(Math.round(n)) : n.toFixed(1)} x`;

function growthChart(report) {
  const lines = [];
  const all = [];
  for (const [where, label, colour] of [['native', 'native', 0], ['wasm', 'WASM', 1]]) {
    const points = growthPoints(report, where);
    if (points.length < 2) continue;
    const allowed = logarithm(points);
    all.push(...points);
    lines.push(
      { label, colour, points: points.map(({ n, ns }) => [n, ns]) },
      { label: `c log2(n), ${label}`, colour, dashed: true,
        points: points.map(({ n }) => [n, allowed(n)]) },
    );
  }
  if (lines.length === 0) return null;
  const reads = readPoints(report);
  if (reads.length > 1) {
    const points = reads.map(({ n, ns }) => [n, ns]);
    lines.push({ label: 'one random memory read', colour: 2, points });
  }
  const sizes = [...new Set(all.map(({ n }) => n))].sort((a, b) => a - b);
  const [from, to] = [Math.log10(sizes[0]), Math.log10(sizes.at(-1))];
  const x = {
    at: (n) => (Math.log10(n) - from) / (to - from),
    ticks: sizes.map((n) => [n, thousands(n)]),
    title: 'random edits: three insertions of one character to one deletion, from an empty text',
  };
  const note =
    'CPU nanoseconds of an edit, mean over the replay. Dashed: the logarithm through the first ' +
    'point.';
  return lineChart('How the cost of a text edit grows', note, x, 'ns', lines);
}

export function plots(report, specs) {
  const made = [];
  for (const [name, title, group] of kGroups) {
    const panels = specs
      .filter((spec) => spec.group === group && !spec.unit)
      .map((spec) => ({ title: spec.short ?? spec.title, bars: bars(report, spec) }))
      .filter((panel) => panel.bars.length > 0);
    if (panels.length > 0) made.push([name, barChart(title, kBarNote, panels)]);
  }
  const growth = growthChart(report);
  if (growth) made.push(['crdt-growth.svg', growth]);
  return made;
}
