// The cases: what is timed, on which input, and how the result is checked.
//
// A case runs in a process of its own: `run` gets a context (worker.mjs) with
//   n          operations to run (the full number, scaled or capped)
//   create     async ({ replica, updates }) -> a document of the library under test
//              updates: undefined = nobody wants updates; 'each' = one after every edit;
//              'end' = one for everything
//   load       (bytes, fresh document) -> document
//   measure    (fn) -> fn(), timed; called exactly once
//   artefact   (name) -> what `artefacts[name]` made in an earlier process: Uint8Array[]
//   trace      (name) -> a trace
//   check      (condition, what): a failed one fails the case
// and returns { final, ...extra }: `final` is a string that every library must agree on (or null);
// `rounds`: how often `measure` did all of it.
//
// A case also has: `unit` when it is not CPU milliseconds, `once` when one run tells all, `whole`
// when it cannot be run on a part of its operations, `update` when it tells how many bytes the
// update of what has, `own` when only SyncKit runs it, `short` for a title beside others.
//
// Inputs of the map, set and B1 cases come from fixed seeds, so all libraries get the same.

import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';

import { PlainText, random, RopeText, textAfter, versionsOf } from '../traces.mjs';
import { opening } from './opening.mjs';

const kKeys = 1000;
const kSizes = { sequential: 259_778, concurrent: 26_078 };

// ---- inputs -------------------------------------------------------------------------------------

function mapWrites(n, seed) {
  const next = random(seed);
  const keys = Array.from({ length: kKeys }, (_, i) => `key-${i}`);
  return Array.from({ length: n }, (_, i) => [keys[Math.floor(next() * kKeys)], i]);
}

function setEdits(n) {
  const next = random(11);
  const present = new Set();
  const edits = [];
  for (let i = 0; i < n; i++) {
    const element = `element-${Math.floor(next() * kKeys)}`;
    const adds = !present.has(element);
    if (adds) present.add(element);
    else present.delete(element);
    edits.push([adds, element]);
  }
  return { edits, present };
}

const sorted = (object) =>
  JSON.stringify(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));

function replay(doc, trace, n) {
  for (let i = 0; i < n; i++) doc.splice(trace.positions[i], trace.deletes[i], trace.inserts[i]);
}

// ---- what earlier processes make ----------------------------------------------------------------

/** Each: the case whose number of operations it follows, and how it is made. */
export const artefacts = {
  state: {
    of: 'text-load',
    async make({ create, trace, n }) {
      const doc = await create({ replica: 1 });
      replay(doc, trace('automerge-paper'), n);
      return [doc.save()];
    },
  },
  updates: {
    of: 'text-updates',
    async make({ create, trace, n }) {
      const doc = await create({ replica: 1, updates: 'each' });
      return replayWithUpdates(doc, trace('automerge-paper'), n);
    },
  },
  session: {
    of: 'text-session',
    async make({ create, trace, n }) {
      const docs = [1, 2].map((replica) => create({ replica, updates: 'each' }));
      return runSession(await Promise.all(docs), trace('friendsforever'), n);
    },
  },
  mapUpdates: {
    of: 'map-updates',
    async make({ create, n }) {
      const doc = await create({ replica: 1, updates: 'each' });
      return mapWrites(n, 7).map(([key, value]) => {
        doc.write(key, value);
        return doc.update();
      });
    },
  },
};

function replayWithUpdates(doc, trace, n) {
  const updates = [];
  for (let i = 0; i < n; i++) {
    doc.splice(trace.positions[i], trace.deletes[i], trace.inserts[i]);
    updates.push(doc.update());
  }
  return updates;
}

// Each writer has exactly what the trace says it had seen, and at the end everything.
function runSession(docs, trace, n, versions = versionsOf(trace)) {
  const updates = [];
  const own = docs.map(() => []);
  const seen = docs.map(() => docs.map(() => 0));
  const catchUp = (agent, version) => {
    for (let other = 0; other < docs.length; other++) {
      if (other === agent) continue;
      while (seen[agent][other] < version[other]) {
        docs[agent].apply(own[other][seen[agent][other]++]);
      }
    }
  };
  for (let i = 0; i < n; i++) {
    const agent = trace.agents[i];
    catchUp(agent, versions[i]);
    docs[agent].splice(trace.positions[i], trace.deletes[i], trace.inserts[i]);
    const update = docs[agent].update();
    own[agent].push(update);
    updates.push(update);
  }
  docs.forEach((_, agent) => catchUp(agent, own.map((list) => list.length)));
  return updates;
}

const meanBytes = (updates) => updates.reduce((sum, u) => sum + u.length, 0) / updates.length;

// ---- B1 of crdt-benchmarks ----------------------------------------------------------------------

const kLetters = 'abcdefghijklmnopqrstuvwxyz';
const character = (next) => kLetters[Math.floor(next() * kLetters.length)];
const word = (next) =>
  Array.from({ length: 1 + Math.floor(next() * 9) }, () => character(next)).join('');

// Each gives the list of splices for n operations.
const b1 = {
  append: (n, next) => Array.from({ length: n }, (_, i) => [i, 0, character(next)]),
  prepend: (n, next) => Array.from({ length: n }, () => [0, 0, character(next)]),
  random: (n, next) =>
    Array.from({ length: n }, (_, i) => [Math.floor(next() * (i + 1)), 0, character(next)]),
  'insert-delete': (n, next) => {
    let length = 0;
    return Array.from({ length: n }, () => {
      const position = Math.floor(next() * (length + 1));
      if (length === position || next() < 0.5) {
        const insert = word(next);
        length += insert.length;
        return [position, 0, insert];
      }
      const remove = Math.min(length - position, 1 + Math.floor(next() * 9));
      length -= remove;
      return [position, remove, ''];
    });
  },
};

function b1Case(kind, title) {
  return {
    id: `b1-${kind}`,
    title: `B1 ${title}, N = 6,000: edit, encode, apply on a second replica`,
    short: title,
    group: 'B1',
    size: 6000,
    async run({ n, create, measure, check }) {
      const splices = b1[kind](n, random(1000));
      const expected = new PlainText();
      for (const splice of splices) expected.splice(...splice);
      const writer = await create({ replica: 1, updates: 'each' });
      const reader = await create({ replica: 2 }); // it makes no edits, so nobody wants its updates
      measure(() => {
        for (const [position, remove, insert] of splices) {
          writer.splice(position, remove, insert);
          reader.apply(writer.update());
        }
      });
      check(writer.text() === expected.toString(), 'the writer has the expected text');
      check(reader.text() === expected.toString(), 'the reader has the expected text');
      return { final: reader.text() };
    },
  };
}

// ---- growth -------------------------------------------------------------------------------------

// What bench/native/crdt_bench.cpp does as well: edits at random places, 3 of 4 insertions.
function growthCase(n) {
  return {
    id: `text-random-${n}`,
    title: `${String(n).replace(/(?=(000)+$)/g, ',')} random edits`,
    group: 'growth',
    size: n,
    whole: true,
    own: true,
    async run({ n: count, create, measure, check }) {
      const next = random(n);
      const edits = new Int32Array(2 * count); // position, and the letter or -1 for a deletion
      const expected = new RopeText();
      for (let i = 0; i < count; i++) {
        const { length } = expected;
        const removes = length > 0 && next() < 0.25;
        const position = Math.floor(next() * (removes ? length : length + 1));
        const letter = removes ? -1 : Math.floor(next() * 26);
        edits.set([position, letter], 2 * i);
        expected.splice(position, removes ? 1 : 0, removes ? '' : kLetters[letter]);
      }
      const replayInto = (doc, most) => {
        for (let i = 0; i < Math.min(2 * count, most); i += 2) {
          const letter = edits[i + 1];
          doc.splice(edits[i], letter < 0 ? 1 : 0, letter < 0 ? '' : kLetters[letter]);
        }
      };
      // Compilers first: start-up would hide how the cost of an edit grows.
      for (let i = 0; i < 20; i++) {
        replayInto(await create({ replica: 2 }), 20_000);
        await sleep(10);
      }
      // A small one several times, each time into a new document.
      const docs = [];
      for (let i = 0; i < Math.max(1, 200_000 / n); i++) docs.push(await create({ replica: 1 }));
      measure(() => {
        for (const doc of docs) replayInto(doc, Infinity);
      });
      for (const doc of docs) check(doc.text() === expected.toString(), 'the expected text');
      return { final: docs[0].text(), rounds: docs.length };
    },
  };
}

// ---- the cases ----------------------------------------------------------------------------------

export const cases = [
  {
    id: 'text-replay',
    title: 'automerge-paper, replay one patch a call',
    group: 'text',
    size: kSizes.sequential,
    async run({ n, create, measure, trace, check }) {
      const input = trace('automerge-paper');
      const doc = await create({ replica: 1 });
      measure(() => replay(doc, input, n));
      check(doc.text() === textAfter(input, n), 'the text of the trace');
      return { final: doc.text() };
    },
  },
  {
    id: 'text-updates',
    title: 'the same with an encoded update per patch',
    update: 'one patch of automerge-paper',
    group: 'text',
    size: kSizes.sequential,
    async run({ n, create, measure, trace, check }) {
      const input = trace('automerge-paper');
      const doc = await create({ replica: 1, updates: 'each' });
      const updates = measure(() => replayWithUpdates(doc, input, n));
      check(doc.text() === textAfter(input, n), 'the text of the trace');
      return { final: doc.text(), updateBytes: meanBytes(updates) };
    },
  },
  {
    id: 'text-apply',
    title: 'apply those updates one by one in a fresh document',
    group: 'text',
    size: kSizes.sequential,
    needs: 'updates',
    async run({ create, measure, trace, artefact, check }) {
      const updates = artefact('updates');
      const doc = await create({ replica: 2 });
      measure(() => {
        for (const update of updates) doc.apply(update);
      });
      check(doc.text() === textAfter(trace('automerge-paper'), updates.length), 'the text');
      return { final: doc.text(), ran: updates.length };
    },
  },
  {
    id: 'text-load',
    title: 'load the saved state and read the text',
    group: 'text',
    whole: true,
    size: kSizes.sequential,
    needs: 'state',
    async run({ n, create, load, measure, trace, artefact, check }) {
      const [state] = artefact('state');
      const fresh = await create({ replica: 2 });
      const text = measure(() => load(state, fresh).text());
      check(text === textAfter(trace('automerge-paper'), n), 'the text of the trace');
      return { final: text };
    },
  },
  {
    id: 'text-size',
    title: 'saved state, bytes (gzip -9)',
    group: 'text',
    unit: 'bytes',
    once: true,
    size: kSizes.sequential,
    needs: 'state',
    async run({ n, create, load, trace, artefact, check }) {
      const doc = load(artefact('state')[0], await create({ replica: 2 }));
      check(doc.text() === textAfter(trace('automerge-paper'), n), 'the text of the trace');
      const sizes = doc.sizes().map(({ variant, bytes }) => {
        return { variant, raw: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length };
      });
      return { final: doc.text(), value: Math.min(...sizes.map((s) => s.raw)), sizes };
    },
  },
  {
    id: 'text-memory',
    title: 'memory of the loaded document, over idle',
    group: 'text',
    unit: 'memory',
    size: kSizes.sequential,
    needs: 'state',
    async run({ n, create, load, memory, trace, artefact, check }) {
      const [state] = artefact('state');
      const fresh = await create({ replica: 2 });
      const before = await memory();
      const doc = load(state, fresh);
      const after = await memory();
      check(doc.text() === textAfter(trace('automerge-paper'), n), 'the text of the trace');
      const heap = after.heap - before.heap;
      const wasm = after.wasm - before.wasm;
      const external = after.external - before.external;
      return { final: doc.text(), value: heap + wasm + external, heap, wasm, external };
    },
  },
  {
    id: 'text-session',
    title: 'friendsforever, two writers exchange as recorded',
    update: 'one edit of friendsforever',
    group: 'text',
    size: kSizes.concurrent,
    async run({ n, create, measure, trace, check }) {
      const input = trace('friendsforever');
      const versions = versionsOf(input);
      const docs = [
        await create({ replica: 1, updates: 'each' }),
        await create({ replica: 2, updates: 'each' }),
      ];
      const updates = measure(() => runSession(docs, input, n, versions));
      check(docs[0].text() === docs[1].text(), 'both writers have the same text');
      if (n === input.length) check(docs[0].text() === input.end, 'the text of the trace');
      return { final: docs[0].text(), updateBytes: meanBytes(updates) };
    },
  },
  {
    id: 'text-newcomer',
    title: 'a newcomer applies its 26,078 updates one by one',
    group: 'text',
    size: kSizes.concurrent,
    needs: 'session',
    async run({ create, measure, trace, artefact, check }) {
      const updates = artefact('session');
      const doc = await create({ replica: 3 });
      measure(() => {
        for (const update of updates) doc.apply(update);
      });
      const input = trace('friendsforever');
      if (updates.length === input.length) check(doc.text() === input.end, 'the text of the trace');
      return { final: doc.text(), ran: updates.length };
    },
  },
  {
    id: 'map-writes',
    title: '100,000 map writes over 1,000 keys',
    group: 'data',
    size: 100_000,
    async run({ n, create, measure, check }) {
      const writes = mapWrites(n, 7);
      const doc = await create({ replica: 1 });
      measure(() => {
        for (const [key, value] of writes) doc.write(key, value);
      });
      const final = sorted(doc.map());
      check(final === sorted(Object.fromEntries(writes)), 'the last value of every key');
      return { final, stateBytes: doc.save().length };
    },
  },
  {
    id: 'map-updates',
    title: 'the same with an encoded update each',
    update: 'one map write',
    group: 'data',
    size: 100_000,
    async run({ n, create, measure, check }) {
      const writes = mapWrites(n, 7);
      const doc = await create({ replica: 1, updates: 'each' });
      const updates = [];
      measure(() => {
        for (const [key, value] of writes) {
          doc.write(key, value);
          updates.push(doc.update());
        }
      });
      const final = sorted(doc.map());
      check(final === sorted(Object.fromEntries(writes)), 'the last value of every key');
      return { final, updateBytes: meanBytes(updates) };
    },
  },
  {
    id: 'map-apply',
    title: 'apply those updates one by one',
    group: 'data',
    size: 100_000,
    needs: 'mapUpdates',
    async run({ create, measure, artefact, check }) {
      const updates = artefact('mapUpdates');
      const doc = await create({ replica: 2 });
      measure(() => {
        for (const update of updates) doc.apply(update);
      });
      const final = sorted(doc.map());
      const writes = mapWrites(updates.length, 7);
      check(final === sorted(Object.fromEntries(writes)), 'the last value of every key');
      return { final, ran: updates.length };
    },
  },
  {
    id: 'set-edits',
    title: '100,000 set adds and removes over 1,000 elements',
    group: 'data',
    size: 100_000,
    async run({ n, create, measure, check }) {
      const { edits, present } = setEdits(n);
      const doc = await create({ replica: 1 });
      measure(() => {
        for (const [adds, element] of edits) {
          if (adds) doc.add(element);
          else doc.remove(element);
        }
      });
      const final = JSON.stringify([...doc.elements()].sort());
      check(final === JSON.stringify([...present].sort()), 'the elements that are left');
      return { final };
    },
  },
  {
    id: 'counter',
    title: '1,000,000 counter increments',
    group: 'data',
    size: 1_000_000,
    async run({ n, create, measure, check }) {
      const doc = await create({ replica: 1 });
      measure(() => {
        for (let i = 0; i < n; i++) doc.increment();
      });
      check(doc.count() === n, `the count is ${n}`);
      return { final: String(doc.count()) };
    },
  },
  {
    id: 'map-merge',
    title: 'two replicas with 50,000 map writes each: exchange everything',
    group: 'data',
    size: 50_000,
    async run({ n, create, measure, check }) {
      const writes = [mapWrites(n, 21), mapWrites(n, 22).map(([key, i]) => [key, n + i])];
      const docs = [];
      for (const side of [0, 1]) {
        const doc = await create({ replica: side + 1, updates: 'end' });
        for (const [key, value] of writes[side]) doc.write(key, value);
        docs.push(doc);
      }
      measure(() => {
        const all = docs.map((doc) => doc.all());
        for (const side of [0, 1]) {
          if (docs[side].applyAll) docs[side].applyAll(all[1 - side]);
          else docs[side].apply(all[1 - side]);
        }
      });
      const [left, right] = docs.map((doc) => doc.map());
      check(sorted(left) === sorted(right), 'both replicas have the same map');
      // Which of two concurrent writes wins is each library's rule; it must be one of the two.
      const last = writes.map((side) => Object.fromEntries(side));
      const keys = new Set(last.flatMap((side) => Object.keys(side)));
      check(Object.keys(left).length === keys.size, 'every key is there');
      for (const key of keys) {
        check(left[key] === last[0][key] || left[key] === last[1][key], `${key} was written last`);
      }
      return { final: null };
    },
  },
  b1Case('append', 'append characters'),
  b1Case('prepend', 'prepend characters'),
  b1Case('random', 'insert characters at random places'),
  b1Case('insert-delete', 'insert and delete strings at random places'),
  ...[10_000, 100_000, 1_000_000].map(growthCase),
  ...opening,
];
