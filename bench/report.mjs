// Makes the generated parts of docs/performance.md and the plots in docs/img from the committed
// results (bench/results/crdt.json, size.jsonl), without measuring anything.
//
//   node bench/report.mjs            writes them
//   node bench/report.mjs --check    writes nothing; fails when one is not what the results make
//
// A generated part stands between `<!-- begin NAME ... -->` and `<!-- end NAME -->`; all else is
// written by hand and kept.

import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { cases } from './crdt/cases.mjs';
import { plots } from './crdt/plots.mjs';
import {
  aboutSection, bytesSection, marksSection, nativeSection, openingSection, timesSection,
} from './crdt/tables.mjs';
import { readSizes, sizeChart, sizeSection } from './sizes.mjs';

const kRoot = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const kPage = 'docs/performance.md';
const kImages = 'docs/img';
const kOurImages = /^(crdt-.*|size-history)\.svg$/; // the others there are not ours
const kOfRun = ['run', 'marks', 'times', 'bytes', 'native', 'opening'];
const kNothingYet = 'No full run has been committed yet.';

const image = (alt, name) => `![${alt}](img/${name})`;

/** The parts by name, as Markdown, and the plots as [name, SVG]. */
function parts(report, sizes) {
  const images = report ? plots(report, cases) : [];
  const has = (name) => images.some(([known]) => known === name);
  const shown = (alt, name) => (has(name) ? [image(alt, name), ''] : []);
  const text = report
    ? {
        run: aboutSection(report),
        marks: marksSection(report),
        times: [
          ...shown('CPU time of text, per library', 'crdt-text.svg'),
          ...shown('CPU time of maps, sets and counters, per library', 'crdt-data.svg'),
          ...shown('CPU time of the B1 cases, per library', 'crdt-b1.svg'),
          timesSection(report, cases),
        ].join('\n'),
        bytes: bytesSection(report, cases),
        native: [
          ...shown('Cost of a text edit, by the number of edits', 'crdt-growth.svg'),
          nativeSection(report),
        ].join('\n'),
        opening: openingSection(report, cases),
      }
    : Object.fromEntries(kOfRun.map((part) => [part, kNothingYet]));
  images.push(['size-history.svg', sizeChart(sizes)]);
  text.sizes = `${image('Bundle sizes over time', 'size-history.svg')}\n\n${sizeSection(sizes)}`;
  return { text, images };
}

/** The page with its generated parts replaced; every part must have its place, once. */
export function fill(page, text) {
  for (const [name, body] of Object.entries(text)) {
    const place = new RegExp(`(<!-- begin ${name}\\b[^>]*-->\\n)[^]*?(<!-- end ${name} -->)`, 'g');
    const found = [...page.matchAll(place)].length;
    if (found !== 1) throw new Error(`${kPage} has ${found} places for the part "${name}"`);
    page = page.replace(place, (_, begin, end) => `${begin}\n${body}\n\n${end}`);
  }
  return page;
}

/**
 * Path -> text of everything that is generated. `report`: null for the committed one, if any.
 * `into`: a folder for a try-out, which then leaves docs/ alone.
 */
export function make({ root = kRoot, report = null, into = null } = {}) {
  const read = (relative) => readFileSync(path.join(root, relative), 'utf8');
  const committed = 'bench/results/crdt.json';
  const shown =
    report ?? (existsSync(path.join(root, committed)) ? JSON.parse(read(committed)) : null);
  const { text, images } = parts(shown, readSizes(read('bench/results/size.jsonl')));
  const files = new Map();
  const place = (relative) => (into ? path.join(into, path.basename(relative)) : relative);
  files.set(place(kPage), fill(read(kPage), text));
  for (const [name, svg] of images) {
    files.set(into ? path.join(into, 'img', name) : path.join(kImages, name), svg);
  }
  return files;
}

/** Plots in docs/img that the results do not make (any more). */
function strays(root, files) {
  const folder = path.join(root, kImages);
  return readdirSync(folder)
    .filter((name) => kOurImages.test(name) && !files.has(path.join(kImages, name)))
    .map((name) => path.join(kImages, name));
}

export function write(files, root = kRoot) {
  for (const [relative, text] of files) {
    const file = path.resolve(root, relative);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}

/** What differs from the files, as paths; empty when all is in order. */
export function check(root = kRoot) {
  const files = make({ root });
  const differs = [...files].filter(([relative, text]) => {
    const file = path.join(root, relative);
    return !existsSync(file) || readFileSync(file, 'utf8') !== text;
  });
  return [...differs.map(([relative]) => relative), ...strays(root, files)];
}

function main() {
  const [option] = process.argv.slice(2);
  if (option === '--check') {
    const wrong = check();
    for (const file of wrong) console.error(`${file} is not what bench/results makes`);
    if (wrong.length > 0) console.error('run ./dev bench report');
    process.exitCode = wrong.length > 0 ? 1 : 0;
    return;
  }
  if (option) throw new Error(`unknown option ${option} (--check)`);
  const files = make();
  write(files);
  for (const file of strays(kRoot, files)) rmSync(path.join(kRoot, file));
  for (const file of files.keys()) console.log(`wrote     ${file}`);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    main();
  } catch (error) {
    console.error(`report: ${error.message}`);
    process.exitCode = 2;
  }
}
