// What the tests of the npm package share: the package's own dependencies (it lives in another
// folder), property checks that print how to repeat a failure, a scratch folder, and the host.

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
export const sdk = join(root, 'sdk/js');
const require = createRequire(join(sdk, 'package.json'));

/** A dependency of the package. */
export const need = (name) => require(name);
need.folder = join(sdk, 'node_modules');
/** A module of dist/. */
export const load = (name) => import(pathToFileURL(join(sdk, 'dist', name)).href);

const fc = need('fast-check');
export { fc };

/** Checks a property; SEED and RUNS in the environment repeat or lengthen a run. */
export const check = (property, runs = 300) => {
  const seed = process.env.SEED ? Number(process.env.SEED) : undefined;
  const numRuns = Number(process.env.RUNS ?? runs);
  return fc.assert(property, { ...(seed !== undefined && { seed }), numRuns });
};

/** The text after a change that a subscriber was told. */
export const applyText = (text, ops) => {
  let out = '';
  let at = 0;
  for (const op of ops) {
    if ('insert' in op) out += op.insert;
    else if ('delete' in op) at += op.delete;
    else out += text.slice(at, (at += op.retain));
  }
  return out + text.slice(at);
};

/** An empty folder that goes when the test ends. */
export const scratch = (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'synckit-test-'));
  // A process that was killed a moment ago may still be writing there.
  const options = { recursive: true, force: true, maxRetries: 20, retryDelay: 100 };
  t.after(() => rmSync(folder, options));
  return folder;
};

/** Waits until `test` holds; fails with `what` after `ms`. */
export const until = async (test, what, ms = 15_000) => {
  const end = Date.now() + ms;
  for (;;) {
    if (await test()) return;
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

/** The host's program. */
export const binary = process.env.SYNCKIT_BIN ?? join(root, 'build/release/synckit');

/** A running host. */
export class Host {
  static async start(t, { args = [], data = scratch(t), port = 0 } = {}) {
    if (!existsSync(binary)) throw new Error(`no host at ${binary}; set SYNCKIT_BIN`);
    const host = new Host();
    host.data = data;
    host.child = spawn(binary, ['serve', '--data', data, '--port', String(port), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    host.log = '';
    host.child.stderr.on('data', (chunk) => (host.log = (host.log + chunk).slice(-20_000)));
    host.exited = new Promise((resolve) => host.child.once('exit', resolve));
    t.after(() => host.kill());
    host.http = await new Promise((resolve, reject) => {
      createInterface(host.child.stdout).on('line', (line) => {
        const found = /^listening on (http:\S+)/.exec(line);
        if (found) resolve(found[1].replace(/\/$/, ''));
      });
      host.exited.then((code) => reject(new Error(`the host left with ${code}:\n${host.log}`)));
    });
    host.url = `${host.http}/sync`;
    host.port = Number(new URL(host.http).port);
    return host;
  }
  async kill(signal = 'SIGKILL') {
    this.child.kill(signal);
    await this.exited;
  }
  /** What GET /documents/<id> says; without fields while nobody has written it. */
  async document(id, token) {
    const headers = token ? { authorization: `Bearer ${token}` } : {};
    const response = await fetch(`${this.http}/documents/${encodeURIComponent(id)}`, { headers });
    if (response.status === 404) return { document: id, fields: [] };
    if (!response.ok) throw new Error(`GET /documents/${id}: ${response.status}`);
    return response.json();
  }
  /** Its fields as { 'type name': value }. */
  async values(id, token) {
    const { fields } = await this.document(id, token);
    return Object.fromEntries(fields.map((f) => [`${f.type} ${f.field}`.trim(), f.value]));
  }
}
