// The framework adapters: React, Vue and Svelte show what a document shows, follow its changes, and
// let go when they are done.

import assert from 'node:assert/strict';
import test from 'node:test';
import { load, need } from './support.mjs';

const { SyncKit } = await load('node.js');
const react = await load('react.js');
const vue = await load('vue.js');
const svelte = await load('svelte.js');

const open = async (t) => {
  const kit = await SyncKit.open();
  t.after(() => kit.close(true));
  const doc = kit.document('d');
  return { kit, doc, text: doc.text('t'), set: doc.set('s'), counter: doc.counter('c') };
};
const edit = ({ doc, text, set, counter }) => {
  doc.set('a', 1);
  text.insert(0, 'hi');
  set.add('x');
  counter.increment(3);
};

test('React hooks render what is there, before and after it is ready', async (t) => {
  const React = need('react');
  const { act, create } = need('react-test-renderer');
  globalThis.IS_REACT_ACT_ENVIRONMENT = true;
  const all = await open(t);
  let renders = 0;
  const App = () => {
    renders++;
    const shown = [
      react.useValue(all.doc),
      react.useValue(all.text),
      react.useValue(all.set),
      react.useValue(all.counter),
      react.useStatus(all.doc),
      react.usePresence(all.doc).length,
    ];
    return React.createElement('p', null, JSON.stringify(shown));
  };
  let root;
  act(() => (root = create(React.createElement(App))));
  const shown = () => JSON.parse(root.toJSON().children[0]);
  assert.deepEqual(shown(), [{}, '', [], 0, 'offline', 0]);
  await act(() => all.doc.ready);
  act(() => edit(all));
  assert.deepEqual(shown(), [{ a: 1 }, 'hi', ['x'], 3, 'offline', 0]);
  const before = renders;
  act(() => all.doc.set('a', 1));
  assert.ok(renders - before <= 1);
  act(() => root.unmount());
  edit(all);
  assert.ok(renders - before <= 1);
});

test('Vue refs follow, and stop with their scope', async (t) => {
  const { effectScope, watchEffect } = need('vue');
  const all = await open(t);
  await all.doc.ready;
  const scope = effectScope();
  const refs = scope.run(() => ({
    map: vue.useValue(all.doc),
    text: vue.useValue(all.text),
    set: vue.useValue(all.set),
    counter: vue.useValue(all.counter),
    status: vue.useStatus(all.doc),
    peers: vue.usePresence(all.doc),
  }));
  const seen = [];
  scope.run(() => watchEffect(() => seen.push(refs.text.value), { flush: 'sync' }));
  edit(all);
  assert.deepEqual(refs.map.value, { a: 1 });
  assert.equal(refs.text.value, 'hi');
  assert.deepEqual(refs.set.value, ['x']);
  assert.equal(refs.counter.value, 3);
  assert.equal(refs.status.value, 'offline');
  assert.deepEqual(refs.peers.value, []);
  scope.stop();
  all.text.insert(0, 'x');
  assert.deepEqual(seen, ['', 'hi']);
  assert.equal(refs.text.value, 'hi');
});

test('Svelte stores keep the store contract', async (t) => {
  const all = await open(t);
  await all.doc.ready;
  const seen = { map: [], text: [], set: [], counter: [], status: [], peers: [] };
  const stores = {
    map: svelte.valueStore(all.doc),
    text: svelte.valueStore(all.text),
    set: svelte.valueStore(all.set),
    counter: svelte.valueStore(all.counter),
    status: svelte.statusStore(all.doc),
    peers: svelte.presenceStore(all.doc),
  };
  const stops = Object.entries(stores).map(([name, store]) =>
    store.subscribe((v) => seen[name].push(v)),
  );
  edit(all);
  for (const stop of stops) stop();
  edit(all);
  assert.deepEqual(seen, {
    map: [{}, { a: 1 }],
    text: ['', 'hi'],
    set: [[], ['x']],
    counter: [0, 3],
    status: ['offline'],
    peers: [[]],
  });
});
