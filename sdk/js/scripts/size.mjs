// Sizes of what a minimal application ships: `size.mjs [DEFAULT_BUDGET [LITE_BUDGET]]`, budgets in
// bytes of gzip -9 (JavaScript and WASM together). Prints one JSON line for each bundle and for its
// parts; fails when a bundle is above its budget. synckit/full and synckit/replica have none.
// Bundled by esbuild and minified by terser, which webpack takes by default; esbuild's own minifier
// (Vite's) makes about 2 percent more of it.
//
//   --record FILE   appends those lines, with date and commit, to FILE
//   --parts FOLDER  instead: what the parts of its core.wasm cost (size-parts.mjs); the module must
//                   have names, and both sides of the packer lie beside it

import { build } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { appendFileSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { minify } from 'terser';

import { printParts } from './size-parts.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values: options, positionals } = parseArgs({
  options: { record: { type: 'string' }, parts: { type: 'string' } },
  allowPositionals: true,
});
const budgets = {
  default: Number(positionals[0] ?? 20_000),
  lite: Number(positionals[1] ?? 9_000),
};
const entries = {
  default: ['index.js', 'core.wasm'],
  lite: ['lite.js', 'core-lite.wasm'],
  full: ['index.js', 'core-full.wasm'],
  replica: ['replica.js', 'replica.wasm'],
};

/** Opens a kit, listens, edits a field of each type that there is, waits for the host. */
const kitApp = (entry, full) => `
  import { SyncKit } from './dist/${entry}';${
    full ? `import { fullWasm, undoManager } from './dist/full.js';` : ''
  }
  const kit = await SyncKit.open({ url: '/sync'${full ? ', wasm: fullWasm' : ''} });
  const doc = kit.document('app');
  await doc.ready;
  doc.subscribe(() => console.log(doc.get()));
  doc.set('greeting', 'hello');${
    entry == 'index.js'
      ? `
  doc.text('text').insert(0, 'hello');
  doc.set('tags').add('a');
  doc.counter('count').increment();`
      : ''
  }${full ? 'undoManager(doc).undo();' : ''}
  await kit.flush();`;
const replicaApp = (entry) => `
  import { Replica } from './dist/${entry}';
  const replica = await Replica.create();
  replica.set('greeting', 'hello');
  console.log(replica.commit());`;

const sizes = (bytes) => ({
  raw: bytes.length,
  gzip: gzipSync(bytes, { level: 9 }).length,
  brotli: brotliCompressSync(bytes, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: 11,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    },
  }).length,
});

/** The lines of one bundle: its parts, then the whole. */
async function measure(name, [entry, wasm]) {
  const { outputFiles } = await build({
    stdin: { contents: (name == 'replica' ? replicaApp : kitApp)(entry, name == 'full'), resolveDir: root },
    bundle: true,
    format: 'esm',
    target: 'es2022',
    write: false,
    legalComments: 'none',
  });
  const { code } = await minify(outputFiles[0].text, {
    module: true,
    ecma: 2020,
    compress: { passes: 3 },
  });
  const parts = {
    js: sizes(Buffer.from(code)),
    wasm: sizes(readFileSync(join(root, 'dist', wasm))),
  };
  const total = (key) => parts.js[key] + parts.wasm[key];
  const budget = budgets[name];
  const whole = { raw: total('raw'), gzip: total('gzip'), brotli: total('brotli') };
  const ok = budget === undefined || whole.gzip <= budget;
  return [
    ...Object.entries(parts).map(([part, size]) => ({ bundle: name, part, ...size })),
    { bundle: name, ...whole, budget, ok },
  ];
}

/** Date and commit; a history is of commits, so nothing else is recorded. */
function stamp() {
  const git = (...args) => execFileSync('git', ['-C', root, ...args], { encoding: 'utf8' }).trim();
  if (git('status', '--porcelain', '-uno')) {
    throw new Error('size: local changes are in no commit; commit first, then record');
  }
  return { date: new Date().toISOString().slice(0, 10), commit: git('rev-parse', 'HEAD') };
}

if (options.parts) {
  const modules = ['core', 'pack', 'unpack'].map((name) => join(options.parts, `${name}.wasm`));
  printParts(...modules.map((file) => readFileSync(file)));
} else {
  const about = options.record ? stamp() : null;
  const lines = [];
  for (const [name, files] of Object.entries(entries)) lines.push(...(await measure(name, files)));
  for (const line of lines) console.log(JSON.stringify(line));
  if (about) {
    const text = lines.map((line) => `${JSON.stringify({ ...about, ...line })}\n`).join('');
    appendFileSync(options.record, text);
  }
  process.exitCode = lines.every(({ ok }) => ok !== false) ? 0 : 1;
}
