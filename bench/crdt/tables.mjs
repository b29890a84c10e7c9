// A report of run.mjs as text: what the terminal shows, and the sections of docs/performance.md.

import { figure, markdown, megabytes, quantity, thousands } from './format.mjs';
import { marks } from './marks.mjs';

export const kScaledNote = '--quick: inputs are scaled down; these figures compare nothing';
export const kBusyLoad = 0.5; // load average before a run, above which the machine was not quiet
export const kBusyShare = 0.03; // what other processes took of it during the run

const find = (report, spec, library) =>
  report.results.find((row) => row.case === spec.id && row.lib === library.id);

/** Reasons to doubt a run. */
export function warnings(report) {
  const out = [];
  if (report.scale !== 1) out.push(kScaledNote);
  if (report.loadBefore > kBusyLoad) {
    out.push(`the machine was busy before the run: load average ${report.loadBefore.toFixed(2)}`);
  }
  if (report.othersShare > kBusyShare) {
    const share = (100 * report.othersShare).toFixed(0);
    out.push(`other processes took ${share} % of the machine's CPU time during the run`);
  }
  if (report.dirty) out.push('measured with local changes that are in no commit');
  return out;
}

// ---- the terminal -------------------------------------------------------------------------------

function show(row, spec) {
  if (row.error) return 'failed';
  if (row.value === undefined) return '';
  if (spec.unit === 'bytes') return states(row);
  if (spec.unit === 'memory') return megabytes(row.value);
  const range = `${figure(row.min)}..${figure(row.max)}`;
  if (row.estimate === undefined) return `${figure(row.value)} (${range})`;
  const part = `${thousands(row.ran)} of ${thousands(row.full)}`;
  return `≈ ${figure(row.estimate)} (${figure(row.value)} for ${part})`;
}

const states = (row) =>
  row.extra.sizes
    .map(({ variant, raw, gzip }) => `${variant} ${thousands(raw)} (${thousands(gzip)})`)
    .join('; ');

const nativeValue = (row) =>
  row.skipped ? `skipped: ${row.skipped}` : quantity(row.value, row.unit);

const titleOf = (row) => (row.title ?? row.case).replace(/\d{5,}/g, thousands);

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
    console.log(`  ${titleOf(row).padEnd(72)} ${nativeValue(row)}`);
  }
  console.log('\nmarks');
  for (const mark of marks(report)) console.log(`  ${markLine(mark)}`);
  console.log();
}

function markLine(mark) {
  const { title, met, ours, peer, theirs, ratio, wanted, missedBy } = mark;
  if (met === null) return `  --   ${title}: not measured`;
  const beside = peer ? ` beside ${peer} ${theirs}` : '';
  const by = met ? '' : `, missed by ${missedBy}`;
  return `${met ? 'met   ' : 'MISSED'} ${title}: ${ours}${beside}: ${ratio} (${wanted}${by})`;
}

// ---- Markdown -----------------------------------------------------------------------------------

export function aboutSection(report) {
  const m = report.machine;
  const skipped = report.skipped.map((s) => `${s.lib} (${s.reason})`).join(', ');
  const others = report.othersShare === null || report.othersShare === undefined
    ? '' : `; other processes took ${(100 * report.othersShare).toFixed(1)} % meanwhile`;
  return [
    ...warnings(report).map((text) => `**Careful: ${text}.**\n`),
    `- Command: \`${report.command}\` (${report.runs} runs of each), ` +
      `${report.date.slice(0, 10)}, ${Math.round(report.seconds / 60)} minutes`,
    `- Commit: \`${report.commit?.slice(0, 12)}\``,
    `- Machine: ${m.cpu}, ${m.cores} cores, ${m.memoryGb} GB, ${m.kernel}`,
    `- Load average before and after: ${report.loadBefore.toFixed(2)} and ` +
      `${report.loadAfter.toFixed(2)}${others}`,
    `- Node ${m.node} (V8 ${m.v8}), ${m.compiler}, ${m.emcc}`,
    `- Libraries: ${report.libraries.map((l) => `${l.label} ${l.version}`).join(', ')}`,
    ...(skipped ? [`- Not measured: ${skipped}`] : []),
    `- Traces: ${report.traces.join('; ')}`,
  ].join('\n');
}

export function marksSection(report) {
  const all = marks(report);
  const known = all.filter(({ met }) => met !== null);
  const missed = known.filter(({ met }) => !met);
  const cells = (mark) =>
    mark.met === null
      ? [mark.title, '', '', '', '', '', 'not measured']
      : [mark.title, mark.peer, mark.theirs, mark.ours, mark.ratio, mark.wanted,
          mark.met ? 'yes' : `**missed by ${mark.missedBy}**`];
  const head = ['metric', 'best other', 'its value', 'SyncKit', 'SyncKit / other', 'wanted', 'met'];
  const align = ['---', '---', '---:', '---:', '---:', '---:', '---'];
  const why = missed.map(
    ({ title, missedBy, why: reason, evidence }) =>
      `- **${title}**, missed by ${missedBy}: ${reason}${evidence ? ` ${evidence}` : ''}`,
  );
  return [
    `${known.length - missed.length} of ${known.length} marks are met.`,
    '',
    markdown(head, all.map(cells), align),
    ...(why.length ? ['', 'Why the missed ones are missed:', '', ...why] : []),
  ].join('\n');
}

const small = (text) => `<br><sub>${text}</sub>`;

function timeCell(row) {
  if (!row) return '';
  if (row.error || row.value === undefined) return 'failed';
  const range = small(`${figure(row.min)} to ${figure(row.max)}`);
  if (row.estimate === undefined) return figure(row.value) + range;
  const part = `${figure(row.value)} for ${thousands(row.ran)} of ${thousands(row.full)}`;
  return `≈ ${figure(row.estimate)}${small(part)}`;
}

function table(report, specs, first, cell) {
  const head = [first, ...report.libraries.map((l) => l.label)];
  const rows = specs.map((spec) => [
    spec.title,
    ...report.libraries.map((library) => cell(find(report, spec, library))),
  ]);
  return markdown(head, rows);
}

export function timesSection(report, specs) {
  const timed = specs.filter((spec) => !spec.unit && !spec.own);
  const label = 'CPU milliseconds: median, smallest to largest';
  return table(report, timed, label, timeCell);
}

export function bytesSection(report, specs) {
  const state = specs.find(({ id }) => id === 'text-size');
  const memory = specs.find(({ id }) => id === 'text-memory');
  const variants = [];
  for (const library of report.libraries) {
    for (const size of find(report, state, library)?.extra?.sizes ?? []) {
      variants.push([library.label, size.variant, thousands(size.raw), thousands(size.gzip)]);
    }
  }
  const each = specs
    .filter((spec) => spec.update)
    .map((spec) => ({ ...spec, title: `update of ${spec.update}, bytes` }));
  const loaded = { ...memory, title: 'loaded automerge-paper, memory' };
  return [
    markdown(['saved automerge-paper', 'what', 'bytes', 'gzip -9'], variants,
      ['---', '---', '---:', '---:']),
    '',
    table(report, [...each, loaded], 'mean; memory over idle', (row) => {
      if (!row || row.error) return '';
      if (row.case === 'text-memory') return megabytes(row.value);
      return row.extra?.updateBytes ? row.extra.updateBytes.toFixed(0) : '';
    }),
  ].join('\n');
}

export function openingSection(report, specs) {
  const rows = [];
  for (const spec of specs.filter(({ group }) => group === 'opening')) {
    const row = report.results.find(({ case: id }) => id === spec.id);
    if (!row || row.error) continue;
    const range = `${figure(row.min)} to ${figure(row.max)}`;
    rows.push([spec.title, thousands(row.extra.bytes), `${figure(row.value)} ms`, range]);
  }
  return markdown(['opening, once a page', 'bytes', 'median', 'smallest to largest'], rows);
}

export function nativeSection(report) {
  const rows = report.native.map((row) => {
    if (row.skipped) return [row.case, `skipped: ${row.skipped}`, '', ''];
    const each = row.unit === 'bytes' ? '' : `${figure((1e6 * row.value) / row.n)} ns`;
    const range = row.unit === 'bytes' ? '' :
      `${figure(Math.min(...row.samples))} to ${figure(Math.max(...row.samples))}`;
    return [titleOf(row), quantity(row.value, row.unit), range, each];
  });
  return markdown(['native (C++)', 'median', 'smallest to largest', 'each'], rows);
}
