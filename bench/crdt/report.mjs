// Results as text: the table on the terminal, JSON, the generated section of docs/performance.md
// between its markers, and the plots.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { barChart } from './svg.mjs';

const kBegin = '<!-- bench:crdt:begin (written by bench/run.sh crdt; do not edit by hand) -->';
const kEnd = '<!-- bench:crdt:end -->';

export const kScaledNote = '--quick: inputs are scaled down; these figures compare nothing';

export function median(samples) {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

const thousands = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ',');
const milliseconds = (n) =>
  n >= 100 ? thousands(Math.round(n)) : n >= 10 ? n.toFixed(1) : n.toFixed(2);

function show(row, spec) {
  if (!row) return '';
  if (row.error) return 'failed';
  if (spec.unit === 'bytes') {
    return row.extra.sizes
      .map(({ variant, raw, gzip }) => `${variant} ${thousands(raw)} (${thousands(gzip)})`)
      .join('; ');
  }
  if (spec.unit === 'memory') return `${(row.value / 1e6).toFixed(2)} MB`;
  if (row.estimate !== undefined) {
    const part = `${thousands(row.ran)} of ${thousands(row.full)}`;
    return `≈ ${milliseconds(row.estimate)} (${milliseconds(row.value)} for ${part})`;
  }
  const bytes = row.extra?.updateBytes;
  return milliseconds(row.value) + (bytes ? ` (${bytes.toFixed(0)} B each)` : '');
}

const find = (report, spec, library) =>
  report.results.find((row) => row.case === spec.id && row.lib === library.id);

function table(report, specs) {
  const head = ['CPU ms, median', ...report.libraries.map((l) => `${l.label} ${l.version}`)];
  const rows = specs.map((spec) => [
    spec.title,
    ...report.libraries.map((library) => show(find(report, spec, library), spec)),
  ]);
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, i) => (i ? '---:' : '---'))), ...rows.map(line)].join('\n');
}

function nativeTable(report) {
  if (report.native.length === 0) return '';
  const rows = report.native.map((row) => {
    const value = row.skipped ? `skipped: ${row.skipped}` : nativeValue(row);
    return `| ${row.title ?? row.case} | ${value} |`;
  });
  return ['| native (C++) | median |', '|---|---:|', ...rows].join('\n');
}

function nativeValue(row) {
  return row.unit === 'bytes' ? `${thousands(row.value)} B` : `${milliseconds(row.value)} ms`;
}

export function printTable(report, specs) {
  for (const spec of specs) {
    console.log(`\n${spec.title}`);
    for (const library of report.libraries) {
      const row = find(report, spec, library);
      if (row) console.log(`  ${library.label.padEnd(14)} ${show(row, spec)}`);
    }
  }
  if (report.native.length > 0) console.log('\nnative');
  for (const row of report.native) {
    const value = row.skipped ? `skipped: ${row.skipped}` : nativeValue(row);
    console.log(`  ${(row.title ?? row.case).padEnd(60)} ${value}`);
  }
  console.log();
}

function section(report, specs, images) {
  const m = report.machine;
  const skipped = report.skipped.map((s) => `${s.lib} (${s.reason})`).join(', ');
  const lines = [
    kBegin,
    '',
    `Measured ${report.date.slice(0, 10)} by \`${report.command}\` ` +
      `(${report.runs} runs of each, medians) at commit ` +
      `\`${report.commit?.slice(0, 12)}\`${report.dirty ? ' with local changes' : ''}.`,
    `${m.cpu}, ${m.cores} cores, ${m.kernel}, Node ${m.node}, ${m.compiler}.`,
    `Traces: ${report.traces.join('; ')}.`,
    ...(skipped ? [`Not measured: ${skipped}.`] : []),
    ...(report.scale === 1 ? [] : [`**${kScaledNote}.**`]),
    '',
    ...images.map((name) => `![${name}](img/${name})`),
    '',
    table(report, specs),
    '',
    'CPU time of the whole process for the timed part, each case in a fresh process. “≈” is',
    'an estimate: the case ran on fewer operations and on half of those, and the difference was',
    'extrapolated linearly; a cost that grows faster than linear is underestimated by it.',
    'Sets and counters are map entries where a library has no such type (bench/crdt/lib).',
    'Memory is the growth of the heap, array buffers and WASM memories; what fits into the WASM',
    'pages that a library holds anyway does not show.',
    '',
    nativeTable(report),
    '',
    kEnd,
  ];
  return lines.join('\n').replace(/\n{3,}/g, '\n\n');
}

function plots(report, specs) {
  const groups = [
    ['crdt-text.svg', 'Text: CPU milliseconds, less is better', 'text'],
    ['crdt-data.svg', 'Maps, sets, counters: CPU milliseconds, less is better', 'data'],
    ['crdt-b1.svg', 'crdt-benchmarks B1: CPU milliseconds, less is better', 'B1'],
  ];
  const made = [];
  for (const [name, title, group] of groups) {
    const panels = [];
    for (const spec of specs) {
      if (spec.group !== group || spec.unit) continue;
      const bars = [];
      for (const library of report.libraries) {
        const row = find(report, spec, library);
        if (!row || row.error) continue;
        const estimated = row.estimate !== undefined;
        const value = row.estimate ?? row.value;
        const text = `${estimated ? '≈ ' : ''}${milliseconds(value)}`;
        bars.push({ label: library.label, value, text, own: library.id === 'synckit', estimated });
      }
      if (bars.length > 0) panels.push({ title: spec.title, bars });
    }
    if (panels.length > 0) made.push([name, barChart(title, panels)]);
  }
  return made;
}

function replaceSection(file, text) {
  const old = existsSync(file) ? readFileSync(file, 'utf8') : '# Performance\n';
  const from = old.indexOf(kBegin);
  const to = old.indexOf(kEnd);
  const next =
    from >= 0 && to > from
      ? old.slice(0, from) + text + old.slice(to + kEnd.length)
      : `${old.trimEnd()}\n\n${text}\n`;
  writeFileSync(file, next);
}

/** Writes everything; the names of the files. Only a full run touches bench/results/ and docs/. */
export function writeReport(root, report, specs, full) {
  const written = [];
  const put = (relative, text) => {
    mkdirSync(path.join(root, path.dirname(relative)), { recursive: true });
    writeFileSync(path.join(root, relative), text);
    written.push(relative);
  };
  const json = `${JSON.stringify(report, null, 1)}\n`;
  const images = plots(report, specs);
  const names = images.map(([name]) => name);
  if (!full) {
    put('build/bench/crdt.json', json);
    put('build/bench/performance.md', section(report, specs, names));
    for (const [name, svg] of images) put(`build/bench/img/${name}`, svg);
    return written;
  }
  put(`bench/results/crdt-${report.date.slice(0, 10)}.json`, json);
  put('bench/results/crdt.json', json);
  for (const [name, svg] of images) put(`docs/img/${name}`, svg);
  replaceSection(path.join(root, 'docs', 'performance.md'), section(report, specs, names));
  written.push('docs/performance.md');
  return written;
}
