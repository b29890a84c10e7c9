// What dist/core.wasm is: a module that carries another one, compressed (sdk/wasm/unpack.c). What
// comes out is what went in, in its canonical form if it has one; what is damaged does not start.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

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

const section = (id, ...body) => {
  const bytes = Buffer.concat(body.map((part) => Uint8Array.from(part)));
  return Buffer.concat([Uint8Array.of(id, ...uleb(bytes.length)), bytes]);
};
const magic = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0);

// A module whose functions have these bodies; nobody compiles it, so they need not be valid.
const moduleOf = (...bodies) => {
  const count = uleb(bodies.length);
  return Buffer.concat([
    magic,
    section(1, [2, 0x60, 0, 0, 0x60, 2, 0x7f, 0x7e, 1, 0x7f]),
    section(3, count, bodies.map((_, i) => i % 2)),
    section(10, count, ...bodies.flatMap((body) => [uleb(body.length), body])),
    section(11, [0]),
  ]);
};

test('pack compares what it unpacks: real modules', { skip }, (t) => {
  const sizes = [];
  for (const name of ['core.wasm', 'core-lite.wasm', 'core-full.wasm']) {
    const wasm = read(name);
    sizes.push(`${name} ${wasm.length} -> ${packed(wasm).length}`);
  }
  t.diagnostic(sizes.join(', '));
});

test('pack compares what it unpacks: every instruction, in any order', { skip }, (t) => {
  let seed = 1;
  const random = (n) => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) % n;
  const number = () => uleb(random(4) ? random(90) : random(2 ** 31));
  const functions = 5;
  const instruction = () => {
    const op = random(0xc5);
    if (op >= 0x28 && op <= 0x3e) return [op, random(4), ...number()];
    if (op >= 0x20 && op <= 0x24) return [op, ...number()];
    if (op === 0x0c || op === 0x0d || op === 0x41 || op === 0x42) return [op, ...number()];
    if (op === 0x0e) {
      const targets = random(300);
      return [op, ...uleb(targets), ...Array.from({ length: targets + 1 }, number).flat()];
    }
    if (op === 0x10) return [op, random(functions)];
    if (op === 0x11) return [op, ...number(), 0];
    if (op === 0x3f || op === 0x40) return [op, 0];
    if (op === 0x44) return [op, ...Array.from({ length: 8 }, () => random(256))];
    if (op === 0) return random(2) ? [0xfc, 10, 0, 0] : [0xfc, 11, 0];
    if (op === 1 || op === 0x0f || op === 0x1a || op === 0x1b || op >= 0x45) return [op];
    return [2 + random(3), 0x40, ...Array.from({ length: random(8) }, instruction).flat(), 0x0b];
  };
  let instructions = 0;
  for (let i = 0; i < 60; ++i) {
    const bodies = Array.from({ length: functions }, () => {
      const groups = random(4);
      const locals = Array.from({ length: groups }, () => [...uleb(random(300)), 0x7f]);
      const body = Array.from({ length: random(60) }, instruction);
      instructions += body.length;
      return [groups, ...locals.flat(), ...body.flat(), 0x0b];
    });
    packed(moduleOf(...bodies));
  }
  t.diagnostic(`${instructions} instructions in 60 modules`);
});

test('pack says of what it does not take why not', { skip }, () => {
  assert.throws(() => packed(magic), /needs types and functions/);
  assert.throws(() => packed(moduleOf([0, 0x43, 0, 0, 0, 0, 0x0b])), /instruction 67/);
  const nop = Array(20_000).fill(1);
  assert.throws(() => packed(moduleOf([0, ...nop, 0x0b])), /a function of 20002 bytes/);
  const long = [0, ...nop.slice(0, 16_000), 0x0b];
  assert.throws(() => packed(moduleOf(...Array(17).fill(long))), /at most 262144 fit/);
});

test('packing makes the modules of the package smaller than gzip does', { skip }, () => {
  for (const name of ['core.wasm', 'core-lite.wasm']) {
    const module = read(name);
    assert.ok(packed(module).length < gzipSync(module, { level: 9 }).length, name);
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
    assert.throws(() => canonical(moduleOf(body)), /not a module that can be packed/, what);
  }
  canonical(moduleOf([0, 0x41, 1, 0x28, 2, 0, 0x1a, 0x0b]));
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
  for (const name of ['core-lite.wasm', 'core.wasm', 'core-full.wasm']) {
    const whole = readFileSync(join(root, 'sdk/js/dist', name));
    let tried = 0;
    let refused = 0;
    for (let at = 9; at < whole.length; at += 1499, ++tried) {
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
    assert.ok(refused >= tried - 1, `${name}: ${refused} of ${tried} refused`);
  }
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
