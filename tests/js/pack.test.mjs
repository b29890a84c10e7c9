// What dist/core.wasm is: a module that carries another one, compressed (sdk/wasm/unpack.c). What
// comes out is what went in, in its canonical form if it has one; what is damaged does not start.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { pack } = await import(join(root, 'sdk/js/scripts/pack.mjs'));
const { isEmpty } = await import(join(root, 'sdk/js/scripts/exports.mjs'));
const { canonical } = await import(join(root, 'sdk/js/scripts/canonical.mjs'));
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
    // What unpacks is as large for a small module as for a large one.
    assert.ok(packed(read(name)).length - read('unpack.wasm').length < length * 0.37);
  }
});

/** What an engine sees of a module, without instantiating it. */
const outside = (module) => [
  WebAssembly.Module.imports(module),
  WebAssembly.Module.exports(module),
];

test('the canonical form is a module that is the same outside, and its own form', { skip }, () => {
  for (const name of ['core.wasm', 'core-full.wasm', 'core-lite.wasm', 'replica.wasm']) {
    const wasm = read(name);
    const form = canonical(wasm);
    const module = new WebAssembly.Module(form);
    assert.deepEqual(outside(module), outside(new WebAssembly.Module(wasm)));
    assert.deepEqual(canonical(form), form);
  }
});

test('data segments become one, with zeros between them', () => {
  const memory = [5, 3, 1, 0, 1];
  const exported = [7, 5, 1, 1, 0x6d, 2, 0]; // "m"
  const data = [11, 15, 2, 0, 0x41, 8, 0x0b, 2, 1, 2, 0, 0x41, 12, 0x0b, 1, 3];
  data[1] = data.length - 2;
  const wasm = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, ...memory, ...exported, ...data);
  const start = (bytes) => {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
    return new Uint8Array(exports.m.buffer, 0, 64);
  };
  const form = canonical(wasm);
  assert.deepEqual([...start(form).subarray(8, 14)], [1, 2, 0, 0, 3, 0]);
  assert.deepEqual(start(form), start(wasm));
});

test('what is no known instruction, or ends too early, has no canonical form', () => {
  const bodies = {
    'f32.const': [0, 0x43, 0, 0, 0, 0, 0x0b],
    'memory.init': [0, 0xfc, 8, 0, 0, 0x0b],
    'an atomic access': [0, 0xfe, 0x10, 2, 0, 0x0b],
    'an access of a second memory': [0, 0x28, 0x42, 1, 0, 0x0b],
    'a type that takes two bytes': [0, 0x02, 0x80, 1, 0x0b],
    'an unfinished number': [0, 0x41, 0x80],
    'locals without end': [0xff, 0xff, 0xff, 0xff, 0x7f],
  };
  for (const [what, body] of Object.entries(bodies)) {
    assert.equal(canonical(moduleOf(body)), null, what);
  }
  assert.notEqual(canonical(moduleOf([0, 0x41, 1, 0x28, 2, 0, 0x1a, 0x0b])), null);
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

test('no module has something to initialize, which the package would leave out', { skip }, () => {
  for (const name of ['core.wasm', 'core-full.wasm', 'core-lite.wasm']) {
    assert.equal(isEmpty(read(name), '_initialize'), true);
    assert.equal(isEmpty(read(name), 'sk_open'), false);
    assert.equal(isEmpty(read(name), 'no such export'), false);
  }
});

test('the modules tell hosts the version of the package', { skip }, () => {
  const { version } = JSON.parse(readFileSync(join(root, 'sdk/js/package.json')));
  for (const name of ['core.wasm', 'core-full.wasm', 'core-lite.wasm']) {
    assert.ok(read(name).includes(`synckit-js/${version}\0`));
  }
});
