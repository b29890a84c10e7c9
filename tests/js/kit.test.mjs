// A kit without a host: reading, writing, listening, storing. The engine is the real core.wasm.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test from 'node:test';
import { pathToFileURL } from 'node:url';
import { applyText, check, fc, load, scratch, sdk, until } from './support.mjs';

const { MemoryStorage, SyncKit, SyncKitError, textDiff } = await load('node.js');
const lite = await load('lite.js');

const code = (wanted) => (error) => error instanceof SyncKitError && error.code === wanted;

const open = async (t, options = {}) => {
  const kit = await SyncKit.open(options);
  t.after(() => kit.close(true));
  return kit;
};
const ready = async (kit, id = 'd') => {
  const doc = kit.document(id);
  await doc.ready;
  return doc;
};

test('before ready a document reads as empty and refuses writes', async (t) => {
  const kit = await open(t);
  const doc = kit.document('d');
  assert.equal(kit.document('d'), doc);
  assert.deepEqual(doc.get(), {});
  assert.equal(doc.get(), doc.get());
  assert.equal(doc.get('a'), undefined);
  assert.equal(`${doc.text('t')}`, '');
  assert.deepEqual(doc.set('s').values(), []);
  assert.equal(doc.set('s').values(), doc.set('s').values());
  assert.equal(doc.counter('c').value, 0);
  for (const write of [
    () => doc.set('a', 1),
    () => doc.update({ a: 1 }),
    () => doc.delete('a'),
    () => doc.text('t').insert(0, 'x'),
    () => doc.set('s').add(1),
    () => doc.counter('c').increment(),
    () => doc.transact(() => {}),
    () => doc.digest(),
  ]) {
    assert.throws(write, code('not-ready'));
  }
  await doc.ready;
  doc.set('a', 1);
  assert.equal(doc.get('a'), 1);
});

test('the map: values, paths, partial updates, deletes, overlays', async (t) => {
  const doc = await ready(await open(t));
  doc.set('title', 'x');
  doc.set('a.b', { c: [1, 'é'] }); // one key with a dot
  doc.set(['nested', 'deep', 'er'], true);
  assert.deepEqual(doc.get(), {
    title: 'x',
    'a.b': { c: [1, 'é'] },
    nested: { deep: { er: true } },
  });
  assert.equal(doc.get(['nested', 'deep', 'er']), true);
  doc.update({ title: 'y', more: null, 'a.b': undefined });
  assert.deepEqual(doc.get(), { title: 'y', more: null, nested: { deep: { er: true } } });
  doc.delete(['nested', 'deep', 'er']);
  assert.deepEqual(doc.get(), { title: 'y', more: null });
  doc.set('n', 5);
  doc.set(['n', 'x'], 1);
  assert.deepEqual(doc.get('n'), { x: 1 });
  doc.delete(['n', 'x']);
  assert.equal(doc.get('n'), 5);
  assert.throws(() => doc.set('bad', () => 0), code('malformed'));
  assert.throws(() => doc.set([], 1), code('malformed'));
  doc.set('__proto__', { polluted: true });
  assert.equal({}.polluted, undefined);
  assert.deepEqual(doc.get('__proto__'), { polluted: true });
});

test('views that moved by patches equal views that are read afresh', async (t) => {
  const kit = await open(t);
  let n = 0;
  const key = fc.constantFrom('a', 'b', 'c');
  const step = fc.oneof(
    fc.record({
      kind: fc.constant('map'),
      path: fc.array(key, { minLength: 1, maxLength: 3 }),
      value: fc.option(fc.jsonValue({ maxDepth: 2 }), { nil: undefined }),
    }),
    fc.record({
      kind: fc.constant('text'),
      at: fc.nat(),
      gone: fc.nat(4),
      come: fc.fullUnicodeString({ maxLength: 5 }),
    }),
    fc.record({
      kind: fc.constant('set'),
      op: fc.constantFrom('add', 'delete', 'clear'),
      value: fc.jsonValue({ maxDepth: 1 }),
    }),
    fc.record({ kind: fc.constant('counter'), by: fc.integer() }),
    fc.record({ kind: fc.constant('read') }),
  );
  await check(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.boolean(), async (steps, listen) => {
      const doc = await ready(kit, `views-${n++}`);
      const text = doc.text('t');
      const set = doc.set('s');
      const counter = doc.counter('c');
      const heard = { text: '', set: new Map(), counter: 0n };
      if (listen) {
        text.subscribe((ops) => (heard.text = applyText(heard.text, ops)));
        set.subscribe(({ added, removed }) => {
          for (const v of removed) heard.set.delete(JSON.stringify(v));
          for (const v of added) heard.set.set(JSON.stringify(v), v);
        });
        counter.subscribe(({ by }) => (heard.counter += by));
      }
      let model = '';
      let sum = 0;
      const read = () => [doc.get(), `${text}`, set.values(), counter.value];
      for (const s of steps) {
        if (s.kind === 'map') doc.set(s.path, s.value);
        else if (s.kind === 'text') {
          const points = [...model];
          const from = points.slice(0, s.at % (points.length + 1)).join('').length;
          const gone = [...model.slice(from)].slice(0, s.gone).join('').length;
          text.splice(from, gone, s.come);
          model = model.slice(0, from) + s.come + model.slice(from + gone);
        } else if (s.kind === 'set') s.op === 'clear' ? set.clear() : set[s.op](s.value);
        else if (s.kind === 'counter') {
          counter.increment(s.by);
          sum += s.by;
        } else read();
      }
      const moved = read();
      assert.equal(moved[1], model);
      assert.equal(text.length, model.length);
      assert.equal(moved[3], sum);
      if (listen) {
        assert.equal(heard.text, model);
        assert.equal(heard.counter, BigInt(sum));
        assert.deepEqual(
          [...heard.set.keys()].sort(),
          moved[2].map((v) => JSON.stringify(v)).sort(),
        );
      }
      await kit.saved();
      await doc.close();
      const again = await ready(kit, doc.id);
      assert.deepEqual(again.get(), moved[0]);
      assert.equal(`${again.text('t')}`, moved[1]);
      assert.deepEqual(again.set('s').values(), moved[2]);
      assert.equal(again.counter('c').value, moved[3]);
      await again.close();
    }),
  );
});

test('text positions are UTF-16 units; a pair is never split, and nothing changes on an error', async (t) => {
  const doc = await ready(await open(t));
  const text = doc.text('t');
  text.insert(0, 'a🙂b');
  assert.equal(text.length, 4);
  const before = doc.digest();
  for (const bad of [
    () => text.insert(2, 'x'),
    () => text.delete(1, 1),
    () => text.insert(5, 'x'),
    () => text.delete(3, 2),
    () => text.insert(-1, 'x'),
    () => text.insert(0, '\ud83d'),
  ]) {
    assert.throws(bad, code('malformed'));
  }
  assert.equal(doc.digest(), before);
  text.splice(1, 2, 'é');
  assert.equal(`${text}`, 'aéb');
  text.replace('aéxb');
  assert.equal(`${text}`, 'aéxb');
});

test('counters go beyond 2^53 exactly, and say so', async (t) => {
  const doc = await ready(await open(t));
  const counter = doc.counter('c');
  counter.increment(Number.MAX_SAFE_INTEGER);
  assert.equal(counter.value, Number.MAX_SAFE_INTEGER);
  counter.increment();
  assert.throws(() => counter.value, code('limit'));
  assert.equal(counter.bigValue, 2n ** 53n);
  counter.decrement(2n ** 53n);
  assert.equal(counter.value, 0);
  assert.throws(() => counter.increment(1.5), code('malformed'));
});

test('listeners run in the order of changes, may edit, and may fail without harm', async (t) => {
  const doc = await ready(await open(t));
  const text = doc.text('t');
  const seen = [];
  text.subscribe((ops) => {
    if (`${text}`.length < 3) text.insert(0, 'x');
    seen.push(ops[0].insert);
  });
  const heard = [];
  text.subscribe((ops, { local }) => heard.push(applyText('', ops), local));
  text.insert(0, 'a');
  assert.equal(`${text}`, 'xxa');
  assert.deepEqual(heard, ['a', true, 'x', true, 'x', true]);
  assert.deepEqual(seen, ['a', 'x', 'x']);

  const errors = [];
  const { queueMicrotask: real } = globalThis;
  t.after(() => (globalThis.queueMicrotask = real));
  // What a listener throws is thrown again in a microtask of its own, for the platform to report.
  globalThis.queueMicrotask = (call) =>
    real(() => {
      try {
        call();
      } catch (error) {
        errors.push(error.message);
      }
    });
  doc.subscribe(() => {
    throw new Error('a listener of the test');
  });
  let after = 0;
  const stop = doc.counter('c').subscribe(() => after++);
  doc.set('k', 1);
  doc.counter('c').increment();
  stop();
  doc.counter('c').increment();
  assert.equal(after, 1);
  await until(() => errors.length, 'the error is reported');
  assert.deepEqual(errors, ['a listener of the test']);
});

/** Counts the batches and rows that arrive, and fails when told to. */
class Watched extends MemoryStorage {
  batches = [];
  failures = 0;
  async write(batch) {
    if (this.failures > 0) {
      this.failures--;
      throw Object.assign(new Error('no space'), { name: 'QuotaExceededError' });
    }
    this.batches.push(batch.map(({ op }) => op));
    return super.write(batch);
  }
}

test('edits of one tick are one transaction', async (t) => {
  const storage = new Watched();
  const doc = await ready(await open(t, { storage }));
  for (let i = 0; i < 5; i++) doc.text('t').insert(i, 'x');
  doc.set('a', 1);
  doc.counter('c').increment();
  await until(() => storage.batches.length === 1, 'a batch');
  assert.deepEqual(storage.batches, [['put']]);
  assert.equal(doc.pending, 1);
  doc.transact(() => doc.set('a', 2));
  doc.set('a', 3);
  await until(() => storage.batches.length === 2, 'a second batch');
  assert.equal(doc.pending, 3);
  assert.throws(
    () =>
      doc.transact(() => {
        doc.set('b', 1);
        throw new Error('half way');
      }),
    /half way/,
  );
  assert.equal(doc.get('b'), 1);
});

test('tens of thousands of edits in one tick are stored, whenever the next ones come', async (t) => {
  const kit = await open(t);
  const doc = await ready(kit);
  let seq = 0;
  for (const n of [1, 1000, 20_000, 3, 40_000]) {
    for (let i = 0; i < n; i++) doc.set(`key${i % 1000}`, i);
    seq += n;
    await kit.saved();
    assert.equal(doc.seq, seq);
  }
  assert.equal(Object.keys(doc.get()).length, 1000);
});

test('saved means stored: a storage that fails is tried again, and nothing is lost', async (t) => {
  const storage = new Watched();
  const kit = await open(t, { storage });
  const errors = [];
  kit.on('error', (error) => errors.push(error));
  const doc = await ready(kit);
  const states = [];
  doc.onChange(({ state, seq }) => states.push([state, seq]));
  storage.failures = 2;
  doc.set('a', 1);
  let saved = false;
  const done = kit.saved().then(() => (saved = true));
  await until(() => errors.length === 1, 'the error event');
  doc.set('b', 2);
  assert.equal(saved, false);
  assert.deepEqual(states, []);
  await assert.rejects(kit.close(), (error) => error === errors[0]);
  assert.deepEqual(doc.get(), { a: 1, b: 2 });
  await done;
  await kit.saved();
  assert.equal(errors.length, 2);
  assert.deepEqual(states.at(-1), ['saved', 2]);
  await kit.close();

  const again = await ready(await open(t, { storage }));
  assert.deepEqual(again.get(), { a: 1, b: 2 });
  assert.equal(again.pending, 2);
});

test('a store is continued by the same replica, and shared by several kits at once', async (t) => {
  const storage = new MemoryStorage();
  const first = await open(t, { storage });
  const doc = await ready(first);
  doc.set('a', 1);
  await first.close();
  const second = await open(t, { storage });
  assert.equal(second.replica, first.replica);
  const third = await open(t, { storage });
  assert.notEqual(third.replica, first.replica);
  const b = await ready(second);
  const c = await ready(third);
  assert.deepEqual(b.get(), { a: 1 });
  assert.deepEqual(c.get(), { a: 1 }); // another replica's queue is visible, but not ours to send
  assert.equal(b.pending, 1);
  assert.equal(c.pending, 0);
  assert.equal(b.digest(), c.digest());
});

test('files: what was saved before a kill -9 is there, and goes on from there', async (t) => {
  const folder = scratch(t);
  const module = pathToFileURL(join(sdk, 'dist/node.js')).href;
  const program = `
    const { SyncKit } = await import(${JSON.stringify(module)});
    const kit = await SyncKit.open({ storage: ${JSON.stringify(folder)} });
    const doc = kit.document('d');
    await doc.ready;
    process.stdout.write('replica ' + kit.replica + '\\n');
    doc.onChange(({ state, seq }) => state == 'saved' && process.stdout.write('saved ' + seq + '\\n'));
    const text = doc.text('t');
    const edit = () => {
      text.insert(text.length, 'x');
      setImmediate(edit);
    };
    edit();`;
  let total = 0;
  let replica;
  for (let round = 0; round < 3; round++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let saved = 0;
    createInterface(child.stdout).on('line', (line) => {
      const [word, value] = line.split(' ');
      if (word === 'replica') {
        assert.ok(replica === undefined || replica === value);
        replica = value;
        return;
      }
      saved = Number(value);
      if (saved > total + 20) child.kill('SIGKILL');
    });
    await new Promise((resolve) => child.once('close', resolve));
    const kit = await SyncKit.open({ storage: folder });
    const doc = await ready(kit);
    assert.equal(kit.replica, replica);
    assert.ok(
      saved > total && doc.text('t').length >= saved,
      `${doc.text('t').length} of ${saved}`,
    );
    assert.match(`${doc.text('t')}`, /^x*$/);
    total = doc.text('t').length;
    assert.equal(doc.seq, total);
    await kit.close();
  }
});

test('a closed kit and a closed document say so', async (t) => {
  const kit = await open(t);
  const doc = await ready(kit);
  await doc.close();
  assert.throws(() => doc.set('a', 1), code('closed'));
  await kit.close();
  await kit.close();
  assert.throws(() => kit.document('e'), code('closed'));
  await assert.rejects(kit.flush(), code('closed'));
});

test('flush gives up after its timeout, and open fails clearly', async (t) => {
  const kit = await open(t);
  const doc = await ready(kit);
  await kit.flush();
  doc.set('a', 1);
  await assert.rejects(kit.flush({ timeout: 30 }), code('timeout'));
  await assert.rejects(SyncKit.open({ wasm: '/nowhere/core.wasm' }), /ENOENT/);
  await assert.rejects(SyncKit.open({ wasm: new Uint8Array([1, 2, 3]) }), code('unavailable'));
  assert.throws(
    () => kit.document(''),
    (e) => e instanceof SyncKitError,
  );
  assert.throws(
    () => kit.document('x'.repeat(600)),
    (e) => e instanceof SyncKitError,
  );
});

test('lite: maps alone, with the lite core', async (t) => {
  const { readFileSync } = await import('node:fs');
  const wasm = readFileSync(join(sdk, 'dist/core-lite.wasm'));
  const kit = await lite.SyncKit.open({ wasm, storage: 'memory' });
  t.after(() => kit.close(true));
  const doc = await ready(kit);
  doc.set(['a', 'b'], 1);
  assert.deepEqual(doc.get(), { a: { b: 1 } });
  assert.equal(doc.text, undefined);
  await kit.saved();
});

test('textDiff is exported for editors', () => {
  assert.deepEqual(textDiff('ab', 'axb'), [{ retain: 1 }, { insert: 'x' }]);
});
