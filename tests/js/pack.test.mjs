// What dist/core.wasm is: a module that carries another one, compressed (sdk/wasm/unpack.c). What
// comes out is what went in, whatever that was; what is damaged does not start.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { pack } = await import(join(root, 'sdk/js/scripts/pack.mjs'));
const { SyncKit } = await import(join(root, 'sdk/js/dist/node.js'));
const built = process.env.SYNCKIT_WASM_DIR ?? join(root, 'build/wasm');
const skip = !existsSync(join(built, 'unpack.wasm')) && 'no unpack.wasm: ./dev wasm makes it';
const read = (name) => readFileSync(join(built, name));

const uleb = (n) => (n > 127 ? [(n & 127) | 128, ...uleb(n >>> 7)] : [n]);
const packed = (wasm) => pack(wasm, read('pack.wasm'), read('unpack.wasm'), 'sk_unpack');

// A module whose only function has this body; nobody compiles it, so the body need not be valid.
const moduleOf = (body) => {
  const code = [...uleb(1), ...uleb(body.length), ...body];
  return Uint8Array.from([0, 97, 115, 109, 1, 0, 0, 0, 10, ...uleb(code.length), ...code]);
};

test('pack compares what it unpacks: real modules, and what is none', { skip }, (t) => {
  let seed = 1;
  const random = (n) => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) % n;
  const sizes = [];
  for (const name of ['core.wasm', 'core-lite.wasm', 'replica.wasm', 'unpack.wasm']) {
    const wasm = read(name);
    sizes.push(`${name} ${wasm.length} -> ${packed(wasm).length}`);
  }
  packed(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0));
  packed(moduleOf([]));
  packed(moduleOf([0, 0x0e, 0xff, 0xff, 0x03])); // br_table with more targets than bytes
  packed(moduleOf([0xff, 0xff, 0xff, 0xff, 0x7f])); // locals without end
  for (let i = 0; i < 40; ++i) {
    packed(moduleOf(Array.from({ length: random(3000) }, () => random(i % 2 ? 256 : 70))));
  }
  assert.throws(() => packed(new Uint8Array(300_000)), /at most 262144 fit/);
  t.diagnostic(sizes.join(', '));
});

test('packing makes the modules of the package smaller by a third and more', { skip }, () => {
  for (const name of ['core.wasm', 'core-lite.wasm']) {
    const { length } = read(name);
    assert.ok(packed(read(name)).length < length * 0.5);
  }
});

test('the plain module of the package starts as well', async () => {
  const wasm = readFileSync(join(root, 'sdk/js/dist/plain/core.wasm'));
  const kit = await SyncKit.open({ wasm, storage: 'memory' });
  const doc = kit.document('plain');
  await doc.ready;
  doc.text('body').insert(0, 'text');
  assert.equal(doc.text('body').toString(), 'text');
  await kit.close();
});

test('a damaged module does not start, and does not hang', { skip }, async () => {
  const whole = readFileSync(join(root, 'sdk/js/dist/core-lite.wasm'));
  let refused = 0;
  for (let at = 9; at < whole.length; at += 1499) {
    const damaged = Uint8Array.from(whole);
    damaged[at] ^= 0x55;
    const opened = SyncKit.open({ wasm: damaged, storage: 'memory' });
    await opened.then(
      (kit) => kit.close(),
      (error) => {
        assert.equal(error.code, 'unavailable');
        ++refused;
      },
    );
  }
  for (const length of [0, 7, 600, whole.length >> 1, whole.length - 1]) {
    await assert.rejects(WebAssembly.compile(whole.subarray(0, length)));
  }
  assert.ok(refused > 4);
});
