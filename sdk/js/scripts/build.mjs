// Builds the npm package into dist/: ES modules with shared chunks, types, core.wasm beside them,
// and the demo in dist/demo/ (one directory that needs nothing from outside).
//
// Where core.wasm comes from: the folder in SYNCKIT_WASM_DIR, else build/wasm of the tree.

import { build } from 'esbuild';
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isEmpty, renameExports } from './exports.mjs';
import { pack } from './pack.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
// Made aside, and put in the place of the last one at once: who reads dist/ (tests, a host that
// serves the demo) never sees half of it.
const dist = join(root, `dist.new.${process.pid}`);
process.on('exit', () => rmSync(dist, { recursive: true, force: true }));
const wasmDir = process.env.SYNCKIT_WASM_DIR ?? join(root, '../../build/wasm');
const cores = ['core.wasm', 'core-full.wasm', 'core-lite.wasm'];
const wasmFiles = [...cores, 'replica.wasm', 'unpack.wasm', 'pack.wasm'];

for (const name of wasmFiles) {
  if (existsSync(join(wasmDir, name))) continue;
  console.error(`build: ${join(wasmDir, name)} is missing; run sdk/wasm/build.sh first`);
  process.exit(1);
}

// Members that end in "_" are private to the package: one build for all entries gives each of them
// one short name everywhere. So do the exports of the engine (not of replica.wasm, which is called
// by other means): the modules in dist/ have the names that the JavaScript beside them uses.
const common = {
  bundle: true,
  format: 'esm',
  target: 'es2022',
  legalComments: 'none',
  mangleProps: /[a-z0-9]_$|^sk_/i,
  logLevel: 'warning',
};

const entries = ['index', 'lite', 'node', 'react', 'vue', 'svelte', 'full', 'replica', 'replica-node'];
const modules = (names, options) =>
  build({
    ...common,
    ...options,
    absWorkingDir: root,
    entryPoints: names.map((name) => `src/${name}.ts`),
    outdir: dist,
    minify: true,
    external: ['node:*', 'ws', 'react', 'vue'],
  });
// The shortest names are for what the smallest bundles use: the members that lite uses get theirs
// first, then those of the default entry, then all others.
let { mangleCache } = await modules(['lite'], { mangleCache: {}, write: false });
({ mangleCache } = await modules(['index'], { mangleCache, write: false }));
({ mangleCache } = await modules(entries, {
  mangleCache,
  splitting: true,
  // Beside the entries: core.wasm is found relative to the module that asks for it.
  chunkNames: 'chunk-[hash]',
}));

// Chunks that an entry imports only to have them run in order: none does anything by itself, and
// bundlers warn of such an import from a package without side effects.
for (const name of readdirSync(dist).filter((file) => file.endsWith('.js'))) {
  const path = join(dist, name);
  writeFileSync(path, readFileSync(path, 'utf8').replace(/import"\.\/chunk-\w+\.js";/g, ''));
}

const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const types = ['-p', join(root, 'tsconfig.json'), '--emitDeclarationOnly'];
types.push('--outDir', join(dist, 'types'));
execFileSync(process.execPath, [tsc, ...types], { stdio: 'inherit' });

const names = { ...mangleCache, memory: mangleCache.sk_memory };
// Short names, and without what only the dropped exports needed. (wasm-opt came with the compiler.)
// Engines ignore the alignment that a load or store promises: --dealign makes it always the same.
const features = ['bulk-memory', 'sign-ext', 'nontrapping-float-to-int', 'mutable-globals'];
const wasmOpt = features.map((feature) => `--enable-${feature}`);
wasmOpt.push('--dealign', '--strip-target-features', '-Oz');
// Control flow taken apart and put together again, twice, is a hundredth smaller.
const round = ['--flatten', '--rereloop', '--vacuum', '--dce', '-Oz'];
const again = ['--low-memory-unused', '--always-inline-max-function-size=6'].concat(round, round, '-Oz');
const shrunk = (name, ...options) => {
  const path = join(dist, name);
  writeFileSync(path, renameExports(readFileSync(join(wasmDir, name)), names));
  execFileSync('wasm-opt', [...wasmOpt, ...options, path, '-o', path]);
  const module = readFileSync(path);
  rmSync(path);
  return module;
};
// Its function code() stays out of line: engines optimize what is called often.
const unpacker = shrunk(
  'unpack.wasm',
  '--one-caller-inline-max-function-size=1',
  '--remove-unused-module-elements',
);
const packer = readFileSync(join(wasmDir, 'pack.wasm'));
mkdirSync(join(dist, 'plain'));
for (const name of cores) {
  if (!isEmpty(readFileSync(join(wasmDir, name)), '_initialize')) {
    throw new Error(`build: ${name} has a static initializer: make what needs it constinit`);
  }
  const module = shrunk(name, ...again);
  writeFileSync(join(dist, 'plain', name), module);
  writeFileSync(join(dist, name), pack(module, packer, unpacker, names.sk_unpack));
}
copyFileSync(join(wasmDir, 'replica.wasm'), join(dist, 'replica.wasm'));

const demo = join(dist, 'demo');
mkdirSync(demo, { recursive: true });
await build({
  ...common,
  mangleCache,
  absWorkingDir: root,
  entryPoints: ['demo/main.ts'],
  outdir: demo,
  minify: true,
});
for (const name of readdirSync(join(root, 'demo'))) {
  if (/\.(html|css|svg)$/.test(name)) copyFileSync(join(root, 'demo', name), join(demo, name));
}
copyFileSync(join(dist, 'core-full.wasm'), join(demo, 'core-full.wasm'));

const last = join(root, `dist.old.${process.pid}`);
if (existsSync(join(root, 'dist'))) renameSync(join(root, 'dist'), last);
renameSync(dist, join(root, 'dist'));
rmSync(last, { recursive: true, force: true });
