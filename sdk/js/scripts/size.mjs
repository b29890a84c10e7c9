// Sizes of what a minimal application ships: `size.mjs [DEFAULT_BUDGET [LITE_BUDGET]]`, budgets in
// bytes of gzip -9 (JavaScript and WASM together). Prints one JSON line for each bundle and for its
// parts; fails when a bundle is above its budget. synckit/replica is built for speed: it has none.
// Bundled by esbuild and minified by terser, which webpack takes by default; esbuild's own minifier
// (Vite's) makes about 2 percent more of it.

import { build } from 'esbuild';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { minify } from 'terser';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const budgets = {
  default: Number(process.argv[2] ?? 40_000),
  lite: Number(process.argv[3] ?? 20_000),
};
const entries = {
  default: ['index.js', 'core.wasm'],
  lite: ['lite.js', 'core-lite.wasm'],
  replica: ['replica.js', 'replica.wasm'],
};

/** Opens a kit, listens, edits a field of each type that there is, waits for the host. */
const kitApp = (entry) => `
  import { SyncKit } from './dist/${entry}';
  const kit = await SyncKit.open({ url: '/sync' });
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
  }
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

let failed = false;
for (const [name, [entry, wasm]] of Object.entries(entries)) {
  const { outputFiles } = await build({
    stdin: { contents: (name == 'replica' ? replicaApp : kitApp)(entry), resolveDir: root },
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
  failed ||= !ok;
  for (const [part, size] of Object.entries(parts)) {
    console.log(JSON.stringify({ bundle: name, part, ...size }));
  }
  console.log(JSON.stringify({ bundle: name, ...whole, budget, ok }));
}
process.exit(failed ? 1 : 0);
