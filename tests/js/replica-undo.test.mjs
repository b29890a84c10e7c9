// `synckit/replica`: anchors and undo. What they do in one replica, between two, and, against naive
// models, over random histories of three.

import assert from 'node:assert/strict';
import test from 'node:test';
import { fails, make } from './replicas.mjs';
import { check, fc, load } from './support.mjs';

const { Replica } = await load('replica-node.js');

const at = (position, deleted = false) => ({ position, deleted });

// ---- anchors ------------------------------------------------------------------------------------

test('anchors: sides, ends, UTF-16, deleted characters', async (t) => {
  const text = (await make(t)).text('t');
  const start = text.anchor(0);
  const end = text.anchor(0, 'right');
  text.insert(0, 'a\u{1f600}bc');
  assert.deepEqual(text.position(start), at(0));
  assert.deepEqual(text.position(end), at(5));
  fails('malformed', () => text.anchor(2));
  fails('malformed', () => text.anchor(6));
  fails('malformed', () => text.anchor(-1));
  const left = text.anchor(3, 'left'); // behind the emoji
  const right = text.anchor(3, 'right'); // in front of b
  text.insert(3, 'XY');
  assert.deepEqual(text.position(left), at(3));
  assert.deepEqual(text.position(right), at(5));
  text.insert(0, '\u{1f601}');
  assert.deepEqual(text.position(left), at(5));
  text.delete(3, 5); // the emoji, XY and b
  assert.equal(String(text), '\u{1f601}ac');
  assert.deepEqual(text.position(left), at(3, true));
  assert.deepEqual(text.position(right), at(3, true));
  text.insert(3, 'new');
  assert.deepEqual(text.position(end), at(7));
});

test('anchors: on another replica, before and after it has the text; what is no anchor', async (t) => {
  const a = await make(t, { replica: 1n });
  const b = await make(t, { replica: 2n });
  a.text('t').insert(0, 'hello');
  const anchor = a.text('t').anchor(2);
  assert.ok(anchor.length <= 18);
  fails('missing-deps', () => b.text('t').position(anchor));
  b.apply(a.commit());
  assert.deepEqual(b.text('t').position(anchor), at(2));
  b.text('t').insert(0, '12');
  assert.deepEqual(b.text('t').position(anchor), at(4));
  b.text('t').delete(1, 1);
  b.text('other').insert(0, 'x'); // a dot that is no character of t
  const foreign = b.text('other').anchor(1);
  b.text('t').insert(6, '!');
  fails('malformed', () => b.text('t').position(foreign));
  for (const bad of [[], [9], [0x10, 0], [0x12], [...anchor, 0], [...anchor.slice(0, -1), 0]]) {
    fails('malformed', () => b.text('t').position(new Uint8Array(bad)));
  }
  assert.equal(String(b.text('t')), '1hello!');
});

// ---- undo ---------------------------------------------------------------------------------------

test('undo and redo of every type, step by step', async (t) => {
  const replica = await make(t);
  replica.set('before', 1);
  replica.commit();
  const history = replica.undoManager({ groupMs: 0 });
  const text = replica.text('t');
  const value = () => ({
    text: String(text), map: replica.get(), set: replica.setOf('s').values(),
    counter: replica.counter('c').value,
  });
  const values = [value()];
  const steps = [
    () => text.insert(0, 'hello world'),
    () => text.splice(0, 5, 'goodbye'),
    () => (text.delete(3, 2), text.delete(3, 2), text.insert(0, '>')),
    () => (replica.set('a', { b: 1 }), replica.set(['a', 'c'], 2)),
    () => (replica.set('a', 5), replica.delete('before')),
    () => (replica.setOf('s').add('x'), replica.setOf('s').add({ y: 1 })),
    () => replica.setOf('s').clear(),
    () => (replica.counter('c').increment(5), replica.counter('c').increment(-7)),
    () => text.delete(0, text.length),
  ];
  for (const step of steps) {
    step();
    replica.commit();
    values.push(value());
  }
  assert.equal(history.undoable, steps.length);
  for (const round of [0, 1, 2]) {
    for (let i = steps.length; i > 0; i--) {
      assert.equal(history.undo(), true);
      assert.deepEqual(value(), values[i - 1], `undo ${i}, round ${round}`);
    }
    assert.equal(history.undo(), false);
    assert.equal(history.redoable, steps.length);
    for (let i = 0; i < steps.length; i++) {
      assert.equal(history.redo(), true);
      assert.deepEqual(value(), values[i + 1], `redo ${i}, round ${round}`);
    }
    assert.equal(history.redo(), false);
  }
  const other = await make(t);
  other.apply(replica.snapshot());
  assert.equal(other.digest(), replica.digest());
  history.undo();
  text.insert(0, 'new');
  assert.equal(history.redoable, 0, 'an edit ends redo');
});

test('undo leaves alone what others did', async (t) => {
  const a = await make(t, { replica: 1n });
  const b = await make(t, { replica: 2n });
  const both = () => {
    b.apply(a.commit());
    a.apply(b.commit());
    assert.equal(a.digest(), b.digest());
  };
  const history = a.undoManager({ groupMs: 0 });
  a.text('t').insert(0, 'one three');
  a.set('k', 'mine');
  a.setOf('s').add('shared');
  both();
  b.text('t').insert(4, 'two ');
  b.set('k', 'theirs');
  b.setOf('s').add('shared');
  both();
  assert.equal(history.undo(), true);
  both();
  for (const replica of [a, b]) {
    assert.equal(String(replica.text('t')), 'two ');
    assert.equal(replica.get('k'), 'theirs');
    assert.ok(replica.setOf('s').has('shared'));
  }
  assert.equal(history.redo(), true);
  both();
  assert.equal(String(b.text('t')), 'one two three');
  // A delete comes back where it stood, among what has been written there since.
  a.text('t').delete(4, 4);
  both();
  b.text('t').insert(4, '2');
  b.text('t').insert(0, '(');
  both();
  history.undo();
  both();
  const text = String(b.text('t'));
  assert.ok(text === '(one two 2three' || text === '(one 2two three', text);
  // What was overwritten has no effect any more: undo goes on to the step before.
  a.set('x', 1);
  both();
  a.set('y', 1);
  both();
  b.set('y', 2);
  both();
  assert.equal(history.undo(), true);
  both();
  assert.deepEqual([b.get('x'), b.get('y')], [undefined, 2]);
});

test('steps: grouping, splitting, depth, what is refused', async (t) => {
  const replica = await make(t);
  const text = replica.text('t');
  text.insert(0, 'x');
  const history = replica.undoManager({ depth: 3, groupMs: 60_000 });
  const type = (letters) => {
    for (const letter of letters) {
      text.insert(text.length, letter);
      replica.commit();
    }
  };
  type('abc');
  assert.equal(history.undoable, 1, 'typing is one step');
  history.split();
  type('de');
  assert.equal(history.undoable, 2);
  history.undo();
  assert.equal(String(text), 'xabc');
  type('f');
  history.undo();
  assert.equal(String(text), 'xabc', 'an undo ends a step');
  for (const letter of 'ghij') {
    type(letter);
    history.split();
  }
  assert.equal(history.undoable, 3);
  while (history.undo());
  assert.equal(String(text), 'xabcg', 'the oldest steps are gone');
  text.insert(0, 'y');
  history.clear();
  assert.equal(history.undo() || history.redo(), false);
  assert.equal(history.undoable + history.redoable, 0);
  for (const depth of [0, -1, 0.5]) fails('malformed', () => replica.undoManager({ depth }));
  // A step that is larger than all that is kept cannot be undone, and nothing breaks.
  text.insert(0, 'm'.repeat(18 << 20));
  text.delete(0, 18 << 20);
  assert.equal(String(text), 'yxabcg');
  assert.equal(history.undoable, 0);
  text.insert(0, 'z');
  assert.equal(history.undo(), true);
  assert.equal(String(text), 'yxabcg');
  replica.destroy();
  fails('closed', () => history.undo());
  fails('closed', () => history.undoable);
});

// ---- random histories ---------------------------------------------------------------------------

const kLetters = ['a', 'b', '\n', '\u044f', '\u4e2d', '\u{1f600}'];
/** A code point boundary of a string. */
const boundary = (text, number) => {
  const at = number % (text.length + 1);
  return text.charCodeAt(at) >= 0xdc00 && text.charCodeAt(at) < 0xe000 ? at - 1 : at;
};
const command = fc.record({
  who: fc.nat(2), kind: fc.nat(9), a: fc.nat(60), b: fc.nat(8), letter: fc.nat(5), n: fc.nat(3),
});

test('anchors and undo converge over random histories', async (t) => {
  await check(fc.asyncProperty(fc.array(command, { maxLength: 60 }), async (commands) => {
    const replicas = await Promise.all([3n, 1n, 2n].map((replica) => Replica.create({ replica })));
    try {
      const managers = replicas.map((replica) => replica.undoManager({ groupMs: 0 }));
      const updates = [];
      const anchors = [];
      const commit = () => replicas.forEach((replica, i) => {
        const update = replica.commit();
        if (update.length) updates.push([i, update.slice()]);
      });
      for (const { who, kind, a, b, letter, n } of commands) {
        const replica = replicas[who];
        const text = replica.text('t');
        const now = String(text);
        const from = boundary(now, a);
        if (kind < 3) text.insert(from, kLetters[letter].repeat(n + 1));
        else if (kind < 5) text.delete(from, boundary(now.slice(from), b));
        else if (kind == 5) anchors.push(text.anchor(from, n & 1 ? 'left' : 'right'));
        else if (kind == 6) managers[who].undo();
        else if (kind == 7) managers[who].redo();
        else if (kind == 8) {
          commit();
          for (const [author, update] of updates) if (author != who) replica.apply(update);
        } else {
          replica.set(['m', kLetters[letter]], n);
        }
        if (n) commit();
      }
      commit();
      for (const replica of replicas) {
        for (const other of replicas) if (other !== replica) replica.apply(other.snapshot());
      }
      for (const replica of replicas) {
        assert.equal(replica.digest(), replicas[0].digest());
        assert.deepEqual(replica.snapshot(), replicas[0].snapshot());
        for (const anchor of anchors) {
          assert.deepEqual(
            replica.text('t').position(anchor), replicas[0].text('t').position(anchor));
        }
      }
    } finally {
      for (const replica of replicas) replica.destroy();
    }
  }));
});
