// `synckit/full`: anchors and undo in kits: alone, between kits and the real host, and over random
// histories. (Of what was refused: auth.test.mjs.)

import assert from 'node:assert/strict';
import test from 'node:test';
import { check, fc, Host, load, until } from './support.mjs';

const { SyncKit, SyncKitError } = await load('node.js');
const { fullWasm, makeAnchor, resolveAnchor, undoManager } = await load('full.js');

const open = async (t, host, options = {}) => {
  const kit = await SyncKit.open({ url: host?.url, wasm: fullWasm, ...options });
  kit.on('error', () => {});
  t.after?.(() => kit.close(true));
  const doc = kit.document('d');
  await doc.ready;
  return { kit, doc, text: doc.text('t') };
};
const fails = (code, run) =>
  assert.throws(run, (e) => e instanceof SyncKitError && e.code === code && e.message.length > 10);
const at = (position, deleted = false) => ({ position, deleted });
/** Edits of one tick are one transaction; this ends it. */
const tick = () => new Promise((resolve) => setTimeout(resolve));
const value = (doc) => ({
  map: doc.get(),
  text: `${doc.text('t')}`,
  set: doc.set('s').values(),
  counter: doc.counter('c').value,
});
const agree = (...docs) =>
  until(
    () =>
      docs.every(
        (doc) => doc.status === 'synced' && !doc.pending && doc.digest() === docs[0].digest(),
      ),
    'the documents agree',
  );

test('another module says what to do', async (t) => {
  const { doc } = await open(t, null, { wasm: undefined });
  doc.text('t').insert(0, 'x');
  for (const call of [
    () => undoManager(doc),
    () => makeAnchor(doc, 't', 0),
    () => resolveAnchor(doc, 't', new Uint8Array(1)),
  ]) {
    fails('unsupported', call);
  }
});

test('anchors: sides, ends, UTF-16, what is no anchor', async (t) => {
  const { doc, text } = await open(t);
  const start = makeAnchor(doc, 't', 0); // before the text has any edit
  text.insert(0, 'a\u{1f600}bc');
  const left = makeAnchor(doc, 't', 3);
  const right = makeAnchor(doc, 't', 3, 'right');
  text.insert(3, 'XY');
  assert.deepEqual(resolveAnchor(doc, 't', start), at(0));
  assert.deepEqual(resolveAnchor(doc, 't', left), at(3));
  assert.deepEqual(resolveAnchor(doc, 't', right), at(5));
  text.delete(1, 5);
  assert.deepEqual(resolveAnchor(doc, 't', left), at(1, true));
  for (const position of [9, -1, 0.5, 2 ** 32]) {
    fails('malformed', () => makeAnchor(doc, 't', position));
  }
  for (const bad of [[], [9], [...left, 0]]) {
    fails('malformed', () => resolveAnchor(doc, 't', new Uint8Array(bad)));
  }
  fails('missing-deps', () => resolveAnchor(doc, 'other', left));
});

test('undo and redo of every type; subscribers and views follow', async (t) => {
  const { doc, text } = await open(t);
  doc.set('before', 1);
  await tick();
  const history = undoManager(doc, { groupMs: 0 });
  let shown = '';
  text.subscribe((ops, { local }) => {
    let at = 0;
    for (const op of ops) {
      if ('retain' in op) at += op.retain;
      if ('delete' in op) shown = shown.slice(0, at) + shown.slice(at + op.delete);
      if ('insert' in op) {
        shown = shown.slice(0, at) + op.insert + shown.slice(at);
        at += op.insert.length;
      }
    }
    assert.equal(local, !undoing);
  });
  let undoing = false;
  const values = [value(doc)];
  const steps = [
    () => text.insert(0, 'hello world'),
    () => text.splice(0, 5, 'goodbye'),
    () => (text.delete(3, 2), text.delete(3, 2), text.insert(0, '>')),
    () => (doc.set('a', { b: 1 }), doc.set(['a', 'c'], 2)),
    () => (doc.set('a', 5), doc.delete('before')),
    () => (doc.set('s').add('x'), doc.set('s').add({ y: 1 })),
    () => doc.set('s').clear(),
    () => (doc.counter('c').increment(5), doc.counter('c').increment(-7)),
    () => text.delete(0, text.length),
  ];
  for (const step of steps) {
    step();
    await tick();
    values.push(value(doc));
  }
  assert.equal(history.undoable, steps.length);
  undoing = true;
  for (const round of [0, 1]) {
    for (let i = steps.length; i > 0; i--) {
      assert.equal(history.undo(), true);
      assert.deepEqual(value(doc), values[i - 1], `undo ${i}, round ${round}`);
      assert.equal(shown, values[i - 1].text);
    }
    assert.equal(history.undo(), false);
    assert.equal(history.redoable, steps.length);
    for (let i = 0; i < steps.length; i++) {
      assert.equal(history.redo(), true);
      assert.deepEqual(value(doc), values[i + 1], `redo ${i}, round ${round}`);
    }
    assert.equal(history.redo(), false);
  }
  history.undo();
  undoing = false;
  const seq = doc.seq;
  text.insert(0, 'new');
  assert.ok(doc.seq > seq, 'an undo counts as own changes');
  assert.equal(history.redoable, 0, 'an edit ends redo');
});

test('steps: grouping, splitting, depth; the latest manager counts', async (t) => {
  const { doc, text } = await open(t);
  const history = undoManager(doc, { depth: 3, groupMs: 60_000 });
  const type = async (letters) => {
    for (const letter of letters) {
      text.insert(text.length, letter);
      await tick();
    }
  };
  await type('abc');
  assert.equal(history.undoable, 1, 'typing is one step');
  history.split();
  await type('de');
  assert.equal(history.undoable, 2);
  history.undo();
  assert.equal(`${text}`, 'abc');
  await type('f');
  history.undo();
  assert.equal(`${text}`, 'abc', 'an undo ends a step');
  for (const letter of 'ghij') {
    await type(letter);
    history.split();
  }
  assert.equal(history.undoable, 3);
  while (history.undo());
  assert.equal(`${text}`, 'abcg', 'the oldest steps are gone');
  doc.transact(() => {
    text.insert(0, '1');
    doc.set('k', 1);
    history.undo();
    assert.deepEqual([`${text}`, doc.get('k')], ['abcg', undefined], 'inside a transaction');
  });
  history.clear();
  assert.equal(history.undo() || history.redo(), false);
  text.insert(0, 'y');
  undoManager(doc);
  assert.equal(history.undoable, 0);
  for (const bad of [{ depth: 0 }, { depth: -1 }, { depth: 0.5 }, { groupMs: -1 }]) {
    fails('malformed', () => undoManager(doc, bad));
  }
  await doc.close();
  fails('closed', () => history.undo());
});

test('two kits and the host: others are left alone, anchors mean the same', async (t) => {
  const host = await Host.start(t);
  const a = await open(t, host);
  const b = await open(t, host, { wasm: undefined }); // the default module beside it
  const c = await open(t, host);
  const all = () => agree(a.doc, b.doc, c.doc);
  const history = undoManager(a.doc, { groupMs: 0 });
  a.text.insert(0, 'one three');
  a.doc.set('k', 'mine');
  const anchor = makeAnchor(a.doc, 't', 4, 'right');
  await all();
  assert.deepEqual(resolveAnchor(c.doc, 't', anchor), at(4));
  b.text.insert(4, 'two ');
  b.doc.set('k', 'theirs');
  await all();
  assert.deepEqual(resolveAnchor(a.doc, 't', anchor), at(8));
  assert.deepEqual(resolveAnchor(c.doc, 't', anchor), at(8));
  assert.equal(history.undo(), true);
  await all();
  for (const { doc } of [a, b, c]) {
    assert.equal(`${doc.text('t')}`, 'two ');
    assert.equal(doc.get('k'), 'theirs');
  }
  assert.deepEqual(resolveAnchor(c.doc, 't', anchor), at(4, true));
  assert.equal(history.redo(), true);
  await all();
  assert.equal(`${b.text}`, 'one two three');
  const read = await host.document('d');
  assert.equal(read.digest, a.doc.digest());
});

test('random edits, undos and redos between two kits and a host', async (t) => {
  const host = await Host.start(t);
  let documents = 0;
  await check(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(1), fc.nat(7), fc.nat(9), fc.string({ maxLength: 3 })), {
        maxLength: 25,
      }),
      async (steps) => {
        const ends = [];
        try {
          const sides = await Promise.all(
            [0, 1].map(async () => {
              const kit = await SyncKit.open({ url: host.url, wasm: fullWasm });
              ends.push(kit);
              const doc = kit.document(`random ${documents}`);
              await doc.ready;
              return { doc, history: undoManager(doc, { groupMs: 0 }) };
            }),
          );
          documents++;
          for (const [who, op, place, word] of steps) {
            const { doc, history } = sides[who];
            const text = doc.text('t');
            const position = Math.min(place, text.length);
            if (op < 2) text.splice(position, 0, word.replace(/[\ud800-\udfff]/g, ''));
            else if (op == 2) text.delete(position, Math.min(2, text.length - position));
            else if (op == 3) doc.set(`k${place % 3}`, word);
            else if (op == 4) doc.set('s').add(word);
            else if (op == 5) doc.counter('c').increment(place);
            else if (op == 6) history.undo();
            else history.redo();
            if (place % 2) await tick();
          }
          await agree(sides[0].doc, sides[1].doc);
          assert.deepEqual(value(sides[0].doc), value(sides[1].doc));
          while (sides[0].history.undo() || sides[1].history.undo());
          await agree(sides[0].doc, sides[1].doc);
          assert.deepEqual(value(sides[0].doc), value(sides[1].doc));
          assert.equal(sides[0].doc.counter('c').value, 0, 'all is undone');
        } finally {
          for (const kit of ends) await kit.close(true);
        }
      },
    ),
    20,
  );
});
