// A type that a third party wrote (tests/external_plugin), as a standalone .wasm, in the real
// engine: edits, merges through snapshots and through the host, a reload from storage; and
// modules that are no plugins.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { binary, Host, load, root, scratch, until } from './support.mjs';

const { loadPlugin, MemoryStorage, SyncKit, SyncKitError } = await load('node.js');
const { Writer } = await load('testing/internal.js');

const type = 'com.example.high-score';
const script = join(root, 'sdk/wasm/build-plugin.sh');
const source = join(root, 'tests/external_plugin/high_score.cpp');
const beside = dirname(binary);
const given = [process.env.SYNCKIT_PLUGIN_WASM, join(beside, 'external_plugin/high_score.wasm')];
const ready = given.find((file) => file && existsSync(file));
const canSkip =
  !ready && !existsSync(script) && 'no high_score.wasm, and no build-plugin.sh to make it';
let built;
/** The plugin: as tests/external_plugin left it, else compiled once. */
const plugin = (t) => {
  if (ready) return readFileSync(ready);
  if (!built) {
    const out = join(scratch(t), 'high_score.wasm');
    execFileSync('sh', [script, source, out], { stdio: 'inherit' });
    built = readFileSync(out);
  }
  return built;
};
/** Folder of the same plugin as a shared library. */
const folder = process.env.SYNCKIT_PLUGIN_DIR ?? join(beside, 'external_plugin');
const library = join(folder, 'libsynckit_high_score.so');
const code = (wanted) => (error) => error instanceof SyncKitError && error.code === wanted;
const score = (n) => new Writer().varint(n).bytes().slice();
const shown = (field) => new TextDecoder().decode(field.view());
const open = async (t, options) => {
  const types = [await loadPlugin(plugin(t))];
  const kit = await SyncKit.open({ ...options, types });
  t.after(() => kit.close(true));
  const doc = kit.document('game');
  await doc.ready;
  return { kit, doc, best: doc.custom('best', type) };
};

test("a plugin's type edits, patches, refuses and reloads", { skip: canSkip }, async (t) => {
  const storage = new MemoryStorage();
  const { kit, doc, best } = await open(t, { storage });
  const patches = [];
  best.subscribe((patch, { local }) => patches.push([new TextDecoder().decode(patch), local]));
  assert.equal(shown(best), '0');
  best.mutate(score(7));
  best.mutate(score(3)); // lower: no effect
  best.mutate(score(300));
  assert.equal(shown(best), '300');
  assert.deepEqual(patches, [
    ['7', true],
    ['300', true],
  ]);
  assert.equal(doc.seq, 2);
  const before = doc.digest();
  assert.throws(() => best.mutate(new Uint8Array([0x80])), code('malformed'));
  assert.equal(doc.digest(), before);
  doc.set('beside', 1);
  await kit.saved();
  await kit.close();

  const again = await open(t, { storage });
  assert.equal(shown(again.best), '300');
  assert.deepEqual(again.doc.get(), { beside: 1 });
  assert.notEqual(again.doc.digest(), before); // `beside` came after it
  // Many instances, each with its own state.
  for (let i = 0; i < 50; i++) again.doc.custom(`f${i}`, type).mutate(score(i + 1));
  for (let i = 0; i < 50; i++) assert.equal(shown(again.doc.custom(`f${i}`, type)), String(i + 1));
});

test(
  "a plugin's type goes through a host that has the same plugin",
  {
    skip:
      canSkip || (!existsSync(library) && `${library} is not there: ./dev test external makes it`),
  },
  async (t) => {
    const config = join(scratch(t), 'synckit.yaml');
    const paths = JSON.stringify([join(beside, 'plugins'), folder]);
    writeFileSync(
      config,
      `plugins:\n  paths: ${paths}\ncrdts: [lww, text, set, counter, high_score]\n`,
    );
    const host = await Host.start(t, { args: ['--config', config] });
    const [a, b] = [await open(t, { url: host.url }), await open(t, { url: host.url })];
    a.best.mutate(score(41));
    b.best.mutate(score(1000));
    b.doc.set('by', 'b');
    await until(() => shown(a.best) === '1000' && shown(b.best) === '1000', 'both show the best');
    await until(() => a.doc.digest() === b.doc.digest(), 'they agree');
    assert.equal((await host.values('game'))[`${type} best`], 1000);
  },
);

test('what is no plugin is refused, with the reason', async () => {
  const wasm = (hex) => Uint8Array.from(hex.match(/../g), (pair) => parseInt(pair, 16));
  await assert.rejects(loadPlugin(wasm('0061736d01000000')), code('unsupported'));
  await assert.rejects(loadPlugin(wasm('0061736d')), code('unavailable'));
  await assert.rejects(loadPlugin(new TextEncoder().encode('not wasm')), code('unavailable'));
});

test(
  'a plugin of another major version, or with a wrong magic number, is refused',
  { skip: canSkip },
  async (t) => {
    const bytes = plugin(t);
    const magic = Buffer.from('SKP1');
    const at = bytes.indexOf(magic);
    const twice = bytes.indexOf(magic, at + 1);
    if (at < 0 || twice >= 0) return t.skip('the descriptor is not in the data of this build');
    const broken = (offset, value) => {
      const copy = Buffer.from(bytes);
      copy[at + offset] = value;
      return copy;
    };
    await assert.rejects(loadPlugin(broken(0, 0)), code('unsupported'));
    await assert.rejects(loadPlugin(broken(4, 2)), /major/);
  },
);
