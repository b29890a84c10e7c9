// `synckit/replica`: documents without a session. What one replica does, what its updates are, and
// that replicas which exchange them in any order, twice, late, or as snapshots end up equal.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { fails, make } from './replicas.mjs';
import { check, fc, load, need, root } from './support.mjs';

const { Replica, SyncKitError } = await load('replica-node.js');
const protobuf = need('protobufjs');
const types = protobuf.loadSync(join(root, 'proto/wire.proto'));

/** First byte of an update that was made from the state. */
const kCatchUp = 0;
const isCatchUp = (update) => update[0] === kCatchUp;

// ---- one replica --------------------------------------------------------------------------------

test('text: UTF-16 positions, length, what is refused', async (t) => {
  const text = (await make(t)).text('t');
  assert.equal(text.length, 0);
  assert.equal(String(text), '');
  text.insert(0, 'h');
  text.insert(1, 'e\u{1f600}y');
  text.splice(1, 1, '\u044f');
  assert.equal(String(text), 'h\u044f\u{1f600}y');
  assert.equal(text.length, 5);
  text.delete(2, 2);
  assert.equal(String(text), 'h\u044fy');
  text.insert(3, 'long '.repeat(40_000));
  assert.equal(text.length, 3 + 200_000);
  text.delete(3, 200_000);
  text.insert(0, '\ud800'); // a lone surrogate
  assert.equal(String(text), '\ufffdh\u044fy');
  text.insert(4, 'quote " slash \\ line \n nul \0 end');
  assert.equal(String(text).slice(4), 'quote " slash \\ line \n nul \0 end');
  text.splice(0, text.length, '\u{1f600}');
  fails('malformed', () => text.insert(1, 'x'));
  fails('malformed', () => text.delete(0, 1));
  fails('malformed', () => text.insert(3, 'x'));
  fails('malformed', () => text.delete(0, 3));
  for (const bad of [-1, 0.5, NaN, 2 ** 32, '0']) fails('malformed', () => text.insert(bad, 'x'));
  assert.equal(String(text), '\u{1f600}');
});

test('maps: keys, paths, values, what is refused', async (t) => {
  const replica = await make(t);
  const values = {
    zero: 0, n: 123456789, big: 2 ** 40, negative: -7, fraction: 0.25, yes: true, nothing: null,
    text: 'plain', quoted: 'a "b" \\ \n \u0001', accent: '\u00e9\u{1f600}', long: 'x'.repeat(300),
    list: [1, [2, { b: 1, a: 2 }]], object: { nested: { deep: 'yes' } }, empty: '',
  };
  for (const [key, value] of Object.entries(values)) replica.set(key, value);
  assert.deepEqual(replica.get(), values);
  for (const [key, value] of Object.entries(values)) assert.deepEqual(replica.get(key), value);
  replica.set('minus', -0);
  assert.equal(replica.get('minus'), 0);
  replica.set(['a', 'b', '\u00e9'], 1);
  replica.set(['a', 'c'], 2);
  assert.deepEqual(replica.get('a'), { b: { '\u00e9': 1 }, c: 2 });
  assert.equal(replica.get(['a', 'b', '\u00e9']), 1);
  assert.equal(replica.get(['a', 'toString']), undefined);
  assert.equal(replica.get(['list', '0']), undefined);
  replica.delete(['a', 'b']);
  replica.delete('absent');
  assert.deepEqual(replica.get('a'), { c: 2 });
  replica.map('other').set('k'.repeat(1024), 'v');
  assert.deepEqual(replica.map('other').get(), { ['k'.repeat(1024)]: 'v' });
  assert.equal(replica.map('other').get('k'.repeat(1024)), 'v');
  fails('limit', () => replica.set('k'.repeat(1025), 1));
  fails('limit', () => replica.set(Array(65).fill('x'), 1));
  fails('malformed', () => replica.set([], 1));
  fails('limit', () => replica.set('v', 'x'.repeat((1 << 20) + 1)));
  for (const bad of [NaN, Infinity, undefined, () => 1]) {
    fails('malformed', () => replica.set('bad', bad));
  }
  assert.equal(replica.get('bad'), undefined);
  fails('limit', () => replica.text('n'.repeat(257)));
});

test('sets: elements are equal when their JSON is', async (t) => {
  const set = (await make(t)).setOf('s');
  for (const value of ['a', 'a', 7, '7', { b: 1, a: [2] }, { a: [2], b: 1 }, 'q"', null]) {
    set.add(value);
  }
  assert.equal(set.size, 6);
  assert.ok(set.has({ a: [2], b: 1 }) && set.has('7') && set.has(7) && set.has('q"'));
  set.delete(7);
  set.delete('absent');
  assert.ok(!set.has(7) && set.has('7'));
  assert.deepEqual([...set.values()].map((v) => JSON.stringify(v)).sort(), [
    '"7"', '"a"', '"q\\""', 'null', '{"a":[2],"b":1}',
  ]);
  set.clear();
  assert.deepEqual(set.values(), []);
});

test('counters: numbers and bigints up to 64 bits', async (t) => {
  const counter = (await make(t)).counter('c');
  assert.equal(counter.value, 0);
  let sum = 0n;
  const steps = [
    1, -1, 5, 2 ** 31, -(2 ** 31), 2 ** 32, -(2 ** 32) - 1, 2 ** 53 - 1, -(2 ** 53) + 1, 0,
    1n << 62n, -(1n << 61n), 0xffffffffn,
  ];
  for (const by of steps) {
    counter.increment(by);
    sum += BigInt(by);
    assert.equal(counter.bigValue, sum, String(by));
  }
  fails('limit', () => counter.value);
  fails('limit', () => counter.increment((1n << 63n) - 1n));
  for (const bad of [0.5, NaN, 2 ** 53, 1n << 63n]) {
    fails('malformed', () => counter.increment(bad));
  }
  assert.equal(counter.bigValue, sum);
});

test('a destroyed replica is closed, and others live on', async (t) => {
  const gone = await Replica.create();
  const stays = await make(t);
  const text = gone.text('t');
  text.insert(0, 'x');
  stays.text('t').insert(0, 'y');
  gone.destroy();
  gone.destroy();
  const uses = [() => text.insert(0, 'x'), () => String(text), () => text.length,
    () => gone.commit(), () => gone.apply(new Uint8Array([9])), () => gone.snapshot(),
    () => gone.digest(),
    () => gone.version(), () => gone.counter('c'), () => gone.set('a', 1), () => gone.get()];
  for (const use of uses) fails('closed', use);
  assert.equal(String(stays.text('t')), 'y');
});

test('ids', async (t) => {
  assert.equal((await make(t, { replica: 0xffffffffffffffffn })).id, 0xffffffffffffffffn);
  assert.notEqual((await make(t)).id, (await make(t)).id);
  for (const replica of [0n, -1n, 1n << 64n]) {
    await assert.rejects(Replica.create({ replica }), (e) => e.code === 'malformed');
  }
});

// ---- updates ------------------------------------------------------------------------------------

test('an update is a transaction of the wire protocol', async (t) => {
  const replica = await make(t, { replica: 0x1122334455667788n });
  assert.equal(replica.commit().length, 0);
  const before = Date.now();
  replica.text('t').insert(0, 'hi');
  replica.text('t').delete(0, 1);
  replica.set('k', 'v');
  replica.delete('absent'); // no effect, no dot
  replica.counter('counter').increment();
  const decode = (bytes) => types.lookupType('synckit.v1.Transaction')
    .toObject(types.lookupType('synckit.v1.Transaction').decode(bytes), { longs: String });
  const first = replica.commit();
  const { changes, ...head } = decode(first);
  const { hlc, ...rest } = head;
  assert.deepEqual(rest, { replica: String(0x1122334455667788n), seq: '1', count: 5 });
  const ms = Number(BigInt(hlc) >> 16n);
  assert.ok(ms >= before - 1 && ms <= Date.now() + 1, 'the clock is the time');
  assert.deepEqual(
    changes.map(({ field, type, count }) => [field ?? '', type, count]),
    [['t', 'text', 2], ['t', 'text', 1], ['', 'lww', 1], ['counter', 'counter', 1]],
  );
  replica.counter('counter').increment();
  const second = decode(replica.commit());
  assert.equal(second.seq, '6');
  assert.ok(BigInt(second.hlc) > BigInt(hlc), 'clocks rise');
  assert.deepEqual(replica.version(), { '1122334455667788': 6 });

  const other = await make(t);
  assert.equal(other.apply(first), 'merged');
  assert.equal(other.apply(first), 'known');
  assert.equal(other.apply(new Uint8Array()), 'known');
  assert.equal(String(other.text('t')), 'i');
  assert.equal(replica.commit().length, 0);
});

test('what a batch overwrites itself is not in its update', async (t) => {
  const [a, b] = [await make(t, { replica: 5n }), await make(t)];
  for (let i = 0; i < 1_000_000; i++) a.counter('c').increment(i % 3);
  assert.ok(a.commit().length < 120);
  assert.ok(a.snapshot().length < 64, 'a counter is one record');
  for (let i = 0; i < 100_000; i++) a.set(`key-${i % 1000}`, i);
  const writes = a.commit();
  for (let i = 0; i < 100_000; i++) {
    const set = a.setOf('s');
    if (Math.floor(i / 100) % 2) set.delete(`element-${i % 100}`);
    else set.add(`element-${i % 100}`);
  }
  const edits = a.commit();
  assert.ok(writes.length < 25_000, `${writes.length} bytes for 1,000 keys`);
  assert.ok(edits.length < 20_000, `${edits.length} bytes for 100 elements`);
  assert.ok(a.snapshot().length < 20_000, 'what is there, and no more');
  b.apply(a.snapshot());
  assert.equal(b.counter('c').value, 999_999);
  assert.equal(Object.keys(b.get()).length, 1000);
  assert.equal(b.get('key-999'), 99_999);
  assert.equal(b.setOf('s').size, 0);
});

test('edits of one batch give what the same edits with a commit each give', async (t) => {
  const key = fc.constantFrom('a', 'b', 'ab', ['a'], ['a', 'b'], ['b', 'c', 'd']);
  const value = fc.oneof(fc.nat(300), fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.boolean(), fc.constant(null), fc.string({ maxLength: 60 }), fc.constant({ b: { c: 1 } }));
  const element = fc.constantFrom(1, '1', 'x', true, [0], -0, 2.5);
  const edit = fc.oneof(
    fc.tuple(fc.constant('set'), key, value), fc.tuple(fc.constant('unset'), key),
    fc.tuple(fc.constantFrom('add', 'remove'), element),
    fc.tuple(fc.constant('count'), fc.oneof(fc.integer(), fc.bigInt({ min: -9n, max: 9n }))),
    fc.tuple(fc.constantFrom('clear', 'read', 'digest', 'commit', 'snapshot', 'edge')),
  );
  const carryOut = (replica, [op, at, value]) => {
    const set = replica.setOf('s');
    const counter = replica.counter('c');
    switch (op) {
      case 'set': return replica.set(at, value);
      case 'unset': return replica.delete(at);
      case 'add': return set.add(at);
      case 'remove': return set.delete(at);
      case 'count': return counter.increment(at);
      case 'clear': return set.clear();
      // To one below the largest value: who adds two from there is told so at once.
      case 'edge': return counter.increment((1n << 63n) - 2n - counter.bigValue);
      case 'read': return JSON.stringify([replica.get(), set.values(), String(counter.bigValue)]);
      case 'digest': return replica.digest();
      default: return void replica[op]();
    }
  };
  const outcome = (replica, step) => {
    try {
      return carryOut(replica, step);
    } catch (error) {
      if (!(error instanceof SyncKitError)) throw error;
      return error.code;
    }
  };
  await check(
    fc.asyncProperty(fc.array(edit, { maxLength: 80, size: 'max' }), async (steps) => {
      const [one, each, other] = [await make(t), await make(t), await make(t)];
      const updates = [];
      for (const step of steps) {
        assert.equal(outcome(one, step), outcome(each, step), String(step[0]));
        if (step[0] === 'commit') updates.push(one.snapshot());
        each.commit();
      }
      assert.equal(one.digest(), each.digest());
      updates.push(one.commit(), one.snapshot());
      for (const update of updates) other.apply(update);
      assert.equal(other.digest(), each.digest());
      for (const replica of [one, each, other]) replica.destroy();
    }),
  );
});

test('earlier updates stay as they are', async (t) => {
  const replica = await make(t);
  const updates = [];
  for (let i = 0; i < 5000; i++) {
    replica.text('t').insert(i, 'x');
    const update = replica.commit();
    updates.push([update, update.slice()]);
  }
  for (const [update, copy] of updates) assert.deepEqual(update, copy);
  const other = await make(t);
  for (const [update] of updates) assert.equal(other.apply(update), 'merged');
  assert.equal(other.text('t').length, 5000);
});

test('updates wait for what they build on', async (t) => {
  const [a, b, c] = [await make(t), await make(t), await make(t)];
  a.text('t').insert(0, 'ab');
  const first = a.commit();
  b.apply(first);
  b.text('t').insert(1, '-');
  const second = b.commit();
  b.set('k', 1);
  const third = b.commit();
  assert.equal(c.apply(third), 'waiting');
  assert.equal(c.apply(second), 'waiting');
  assert.equal(c.apply(second), 'waiting');
  assert.deepEqual(c.version(), {});
  assert.equal(c.apply(first), 'merged');
  assert.equal(String(c.text('t')), 'a-b');
  assert.equal(c.get('k'), 1);
  assert.equal(c.digest(), b.digest());
});

test('a large batch is a catch-up, which waits as well', async (t) => {
  const [a, b] = [await make(t), await make(t)];
  a.text('t').insert(0, 'start ');
  const first = a.commit();
  for (let i = 0; i < 20_000; i++) {
    a.text('t').insert(6 + i, 'x');
    a.set(`k${i % 10}`, i);
    a.setOf('s').add(i % 20);
    a.counter('c').increment(2);
  }
  a.set('list', 'end');
  const second = a.commit();
  assert.ok(isCatchUp(second) && !isCatchUp(first));
  assert.ok(second.length < 80_000, `${second.length} bytes for 80,000 edits`);
  a.text('t').insert(0, '!');
  const third = a.commit();
  assert.ok(!isCatchUp(third), 'the next small batch is a transaction again');
  assert.equal(b.apply(third), 'waiting');
  assert.equal(b.apply(second), 'waiting');
  assert.equal(b.apply(second), 'waiting');
  assert.deepEqual(b.get(), {});
  assert.equal(b.apply(first), 'merged');
  assert.equal(b.apply(second), 'known');
  assert.equal(b.text('t').length, 20_007);
  assert.equal(b.counter('c').value, 40_000);
  assert.equal(b.digest(), a.digest());
  assert.deepEqual(b.version(), a.version());
  assert.deepEqual(b.snapshot(), a.snapshot());
});

test('one edit above 64 KiB is still a transaction', async (t) => {
  const a = await make(t);
  a.text('t').insert(0, 'x'.repeat(200_000));
  const update = a.commit();
  assert.ok(!isCatchUp(update));
  const b = await make(t);
  b.apply(update);
  assert.equal(b.text('t').length, 200_000);
});

test('waiting is bounded', async (t) => {
  const [a, b] = [await make(t), await make(t)];
  a.set('first', 1);
  a.commit(); // never delivered
  let refused;
  for (let i = 0; i < 1025 && !refused; i++) {
    a.set('k', i);
    const update = a.commit();
    try {
      assert.equal(b.apply(update), 'waiting');
    } catch (error) {
      refused = error;
      assert.equal(i, 1024);
    }
  }
  assert.equal(refused?.code, 'limit');
  const c = await make(t);
  for (let i = 0; i < 65; i++) {
    a.set('k', i);
    a.snapshot(); // what interrupts a batch makes it a catch-up
    const update = a.commit();
    assert.ok(isCatchUp(update));
    if (i < 64) assert.equal(c.apply(update), 'waiting');
    else fails('limit', () => c.apply(update));
  }
});

test('snapshots: equal documents, equal bytes; going on after a restart', async (t) => {
  const a = await make(t, { replica: 5n });
  a.text('t').insert(0, 'kept');
  a.set('k', [1]);
  const snapshot = a.snapshot(); // covers edits that are not committed yet
  assert.deepEqual(a.version(), { '0000000000000005': 5 });
  const b = await Replica.load(snapshot, { replica: 5n });
  t.after(() => b.destroy());
  assert.deepEqual(b.snapshot(), snapshot);
  b.text('t').insert(4, '!');
  const update = b.commit();
  const c = await Replica.load(snapshot);
  t.after(() => c.destroy());
  assert.equal(c.apply(update), 'merged');
  assert.equal(String(c.text('t')), 'kept!');
  assert.equal(c.apply(a.commit()), 'known');
  assert.equal(c.digest(), b.digest());
  assert.equal(c.apply(c.snapshot()), 'merged');
  await assert.rejects(Replica.load(new Uint8Array([1, 2, 3])), (e) => e.code === 'malformed');
});

test('somebody else with the same id is a conflict, and nothing changes', async (t) => {
  const [a, b] = [await make(t, { replica: 7n }), await make(t, { replica: 7n })];
  a.set('k', 'a');
  b.set('k', 'b');
  const update = a.commit();
  fails('conflict', () => b.apply(update));
  fails('conflict', () => b.apply(a.snapshot()));
  assert.equal(b.get('k'), 'b');
  const c = await make(t);
  c.apply(b.commit());
  assert.equal(c.get('k'), 'b');
});

test('bytes that are no update are refused, and nothing changes', async (t) => {
  const [a, b] = [await make(t), await make(t)];
  a.text('t').insert(0, 'text');
  b.apply(a.commit());
  a.text('t').insert(2, 'more');
  a.set('k', { v: 1 });
  const transaction = a.commit().slice();
  a.setOf('s').add('x');
  a.snapshot();
  const catchUp = a.commit();
  const snapshot = a.snapshot();
  const digest = b.digest();
  for (const update of [transaction, catchUp, snapshot]) {
    for (let length = 1; length < update.length; length++) {
      // A cut between two fields of a message leaves a message; nothing else is one.
      const fresh = await Replica.load(b.snapshot());
      try {
        fresh.apply(update.subarray(0, length));
      } catch (error) {
        assert.ok(error instanceof SyncKitError, String(error));
        assert.equal(fresh.digest(), digest);
      }
      fresh.destroy();
    }
  }
  fails('malformed', () => b.apply(transaction.subarray(0, transaction.length - 1)));
  assert.equal(b.digest(), digest);
});

test('random damage never does more than be refused', async (t) => {
  const a = await make(t, { replica: 3n });
  a.text('t').insert(0, 'some text');
  const first = a.commit().slice();
  a.text('t').splice(2, 3, '\u{1f600}');
  a.set(['p', 'q'], [1, 'two']);
  a.setOf('s').add({ x: 1 });
  a.counter('c').increment(-4);
  const second = a.commit().slice();
  const seeds = [second, a.snapshot()];
  a.counter('c').increment();
  a.snapshot();
  seeds.push(a.commit());
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
  // One replica for all: what does get in must not break what comes later either.
  const b = await make(t);
  b.apply(first);
  check(
    fc.property(fc.constantFrom(...seeds), damage, (seed, changes) => {
      const bytes = seed.slice();
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      try {
        b.apply(bytes);
      } catch (error) {
        if (!(error instanceof SyncKitError)) throw error;
        assert.notEqual(error.code, 'internal');
      }
      b.text('t').insert(0, '.');
      b.digest();
    }),
  );
});

// ---- many replicas ------------------------------------------------------------------------------

const position = fc.nat(1 << 20);
const action = fc.oneof(
  { weight: 8, arbitrary: fc.record({
    op: fc.constant('splice'), at: position, remove: fc.nat(4),
    text: fc.constantFrom('a', 'b', '', 'word', '\u044f', '\u{1f600}', '"\n'),
  }) },
  { weight: 3, arbitrary: fc.record({
    op: fc.constant('set'), key: fc.constantFrom('x', 'y', ['p', 'q'], ['p'], ['p', 'r', 's']),
    value: fc.oneof(fc.nat(), fc.string({ maxLength: 60 }), fc.jsonValue({ maxDepth: 2 })),
  }) },
  { weight: 1, arbitrary: fc.record({
    op: fc.constant('unset'), key: fc.constantFrom('x', ['p']),
  }) },
  { weight: 3, arbitrary: fc.record({
    op: fc.constantFrom('add', 'remove'), value: fc.constantFrom(1, '1', 'z', [0]),
  }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constantFrom('clear', 'snapshot') }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('count'), by: fc.integer() }) },
  { weight: 6, arbitrary: fc.record({ op: fc.constant('commit') }) },
  { weight: 6, arbitrary: fc.record({
    op: fc.constant('receive'), from: fc.nat(), which: fc.nat(),
  }) },
);

test('replicas converge, whatever the order in which updates come', async (t) => {
  const replicas = [1, 2, 3].map(() => undefined);
  t.after(() => replicas.forEach((replica) => replica?.destroy()));
  const history = fc.array(fc.tuple(fc.nat(2), action), { maxLength: 120 });
  await check(
    fc.asyncProperty(history, async (steps) => {
      for (const i of [0, 1, 2]) {
        replicas[i]?.destroy();
        replicas[i] = await Replica.create({ replica: BigInt(i + 1) });
      }
      const sent = [];
      const models = ['', '', ''];
      const commit = (i) => {
        const update = replicas[i].commit();
        if (update.length) sent.push([i, update]);
      };
      for (const [i, step] of steps) {
        const replica = replicas[i];
        const text = replica.text('t');
        switch (step.op) {
          case 'splice': {
            const model = models[i];
            let at = step.at % (model.length + 1);
            const inside = (p) => /[\udc00-\udfff]/.test(model[p] ?? '');
            if (inside(at)) at--;
            let end = Math.min(model.length, at + step.remove);
            if (inside(end)) end++;
            text.splice(at, end - at, step.text);
            models[i] = model.slice(0, at) + step.text + model.slice(end);
            break;
          }
          case 'set': replica.set(step.key, step.value); break;
          case 'unset': replica.delete(step.key); break;
          case 'add': replica.setOf('s').add(step.value); break;
          case 'remove': replica.setOf('s').delete(step.value); break;
          case 'clear': replica.setOf('s').clear(); break;
          case 'count': replica.counter('c').increment(step.by); break;
          case 'commit': commit(i); break;
          case 'snapshot': replicas[(i + 1) % 3].apply(replica.snapshot()); break;
          default:
            if (sent.length) {
              const [from, update] = sent[step.which % sent.length];
              if (from !== i) replica.apply(update);
            }
        }
        if (step.op === 'receive' || step.op === 'snapshot') {
          for (const r of [0, 1, 2]) models[r] = String(replicas[r].text('t'));
        }
        assert.equal(String(text), models[i]);
        assert.equal(text.length, models[i].length);
      }
      for (const i of [0, 1, 2]) commit(i);
      for (const order of [sent, [...sent].reverse()]) {
        for (const [from, update] of order) {
          for (const i of [0, 1, 2]) if (i !== from) replicas[i].apply(update);
        }
      }
      const newcomer = await Replica.create({ replica: 9n });
      for (const [, update] of [...sent].reverse()) newcomer.apply(update);
      const snapshots = [...replicas, newcomer].map((replica) => replica.snapshot());
      const digests = [...replicas, newcomer].map((replica) => replica.digest());
      newcomer.destroy();
      for (const i of [1, 2, 3]) {
        assert.equal(digests[i], digests[0]);
        assert.deepEqual(snapshots[i], snapshots[0]);
      }
    }),
  );
});
