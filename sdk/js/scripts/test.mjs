// Runs the tests of the package: `test.mjs js` (Node) or `test.mjs browser` (Chromium).
// Builds dist/testing/internal.js for those that look inside; dist/ itself must have been built.
//
// Environment: SYNCKIT_BIN (the host, default build/release/synckit), SYNCKIT_CHROMIUM (default
// chromium), SYNCKIT_ARTIFACTS (where screenshots go, default build/browser), TEST (only files
// whose name contains it).

import { build } from 'esbuild';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const sdk = dirname(dirname(fileURLToPath(import.meta.url)));
const root = join(sdk, '../..');
const which = process.argv[2] ?? 'js';
const folder = join(root, 'tests', which);

if (!existsSync(join(sdk, 'dist/index.js'))) {
  console.error('test: dist/ is missing; run `npm run build` first');
  process.exit(1);
}
await build({
  absWorkingDir: sdk,
  entryPoints: ['src/internal.ts'],
  outfile: 'dist/testing/internal.js',
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'es2022',
});

const files = readdirSync(folder)
  .filter((name) => name.endsWith('.test.mjs') && name.includes(process.env.TEST ?? ''))
  .sort()
  .map((name) => join(folder, name));
const artifacts = process.env.SYNCKIT_ARTIFACTS ?? join(root, 'build/browser');
mkdirSync(artifacts, { recursive: true });

// The tests live outside the package: what they import by name is found from here.
const run = spawnSync(process.execPath, ['--test', ...files], {
  stdio: 'inherit',
  env: {
    ...process.env,
    SYNCKIT_BIN: process.env.SYNCKIT_BIN ?? join(root, 'build/release/synckit'),
    SYNCKIT_ARTIFACTS: artifacts,
    SYNCKIT_SDK: sdk,
  },
});
process.exit(run.status ?? 1);
