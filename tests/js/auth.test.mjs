// Tokens: who may not write is told so and keeps what was refused as something to discard; who may
// not read is denied; a function gives a fresh token at every connect.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { binary, Host, load, scratch, until } from './support.mjs';

const { MemoryStorage, SyncKit } = await load('node.js');
const { fullWasm, undoManager } = await load('full.js');

const start = async (t) => {
  const folder = scratch(t);
  const key = join(folder, 'secret');
  writeFileSync(key, 'a secret of at least thirty-two bytes', { mode: 0o600 });
  const config = join(folder, 'synckit.yaml');
  const keys = JSON.stringify([{ alg: 'HS256', secret_file: key }]);
  writeFileSync(config, `auth:\n  plugin: jwt\n  keys: ${keys}\n`);
  const host = await Host.start(t, { args: ['--config', config] });
  const token = (sub, permissions, lifetime = 3600) =>
    execFileSync(
      binary,
      [
        'token',
        '--key',
        key,
        '--sub',
        sub,
        '--lifetime',
        String(lifetime),
        '--permissions',
        JSON.stringify(permissions),
      ],
      { encoding: 'utf8' },
    ).trim();
  return { host, token };
};
const open = async (t, host, token, options = {}) => {
  const kit = await SyncKit.open({ url: host.url, token, ...options });
  t.after(() => kit.close(true));
  kit.events = { error: [], rejected: [] };
  for (const name of ['error', 'rejected']) kit.on(name, (event) => kit.events[name].push(event));
  const doc = kit.document('d');
  await doc.ready;
  return { kit, doc };
};

test('a writer and a reader: the reader sees, and cannot write', async (t) => {
  const { host, token } = await start(t);
  const a = await open(t, host, token('ann', { '*': 'write' }));
  a.doc.set('by', 'ann');
  a.doc.presence.set({ here: true });
  await a.kit.flush({ timeout: 10_000 });

  const storage = new MemoryStorage();
  const b = await open(t, host, token('bob', { d: 'read' }), { storage });
  const permissions = [];
  b.doc.on('permission', (level) => permissions.push(level));
  await until(() => b.doc.get('by') === 'ann', 'the reader sees it');
  await until(() => b.doc.presence.get()[0]?.principal === 'ann', 'and who is there');
  assert.throws(
    () => b.doc.set('by', 'bob'),
    (error) => error.code === 'denied',
  );
  assert.deepEqual(b.doc.get(), { by: 'ann' });
});

test('what was written offline and is refused is undone, told, and kept until it is discarded', async (t) => {
  const { host, token } = await start(t);
  const a = await open(t, host, token('ann', { '*': 'write' }));
  a.doc.set('by', 'ann');
  a.doc.text('t').insert(0, 'shared');
  await a.kit.flush({ timeout: 10_000 });

  const storage = new MemoryStorage();
  let permission = 'read';
  const give = () => token('bob', { d: permission });
  const b = await open(t, host, give, { storage });
  b.kit.goOffline();
  await b.kit.close();
  const offline = await SyncKit.open({ storage });
  const local = offline.document('d');
  await local.ready;
  local.set('by', 'bob');
  local.text('t').insert(0, 'mine ');
  await offline.saved();
  await offline.close();

  const c = await open(t, host, give, { storage });
  const shown = [];
  c.doc.text('t').subscribe(() => shown.push(`${c.doc.text('t')}`));
  assert.equal(c.doc.get('by'), 'bob');
  await until(() => c.kit.events.rejected.length === 1, 'the refusal is told');
  const [refused] = c.kit.events.rejected;
  assert.equal(refused.error.code, 'denied');
  assert.equal(refused.document, 'd');
  await until(() => c.doc.get('by') === 'ann', 'it is undone here');
  assert.equal(`${c.doc.text('t')}`, 'shared');
  assert.equal(shown.at(-1), 'shared');
  assert.equal(c.doc.digest(), a.doc.digest());
  await assert.rejects(c.kit.flush({ timeout: 10_000 }), (error) => error.code === 'denied');
  // One refusal, however long it stays connected: nothing is sent again and again.
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal(c.kit.events.rejected.length, 1);
  refused.discard();
  await c.kit.saved();
  await c.kit.close();

  // With the right to write, the dots that were given up are used up, and editing goes on.
  permission = 'write';
  const d = await open(t, host, give, { storage });
  await until(() => d.doc.permission === 'write', 'the right to write');
  d.doc.set('by', 'bob again');
  await d.kit.flush({ timeout: 10_000 });
  assert.deepEqual(d.kit.events.rejected, []);
  assert.deepEqual((await host.values('d', token('ann', { '*': 'read' }))).lww, {
    by: 'bob again',
  });
});

test('no right at all: the document says denied, and flush rejects', async (t) => {
  const { host, token } = await start(t);
  const { kit, doc } = await open(t, host, token('eve', { other: 'write' }));
  await until(() => doc.status === 'denied', 'the refusal');
  try {
    doc.set('a', 1);
  } catch (error) {
    assert.equal(error.code, 'denied');
    return;
  }
  await assert.rejects(kit.flush({ timeout: 10_000 }), (error) => error.code === 'denied');
});

test('a bad token is an error; a function gives the next one a chance', async (t) => {
  const { host, token } = await start(t);
  let asked = 0;
  const give = async () => (++asked === 1 ? 'not a token' : token('ann', { '*': 'write' }));
  const { kit, doc } = await open(t, host, give);
  await until(() => kit.events.error.some((error) => error.code === 'denied'), 'the error is told');
  kit.goOnline();
  doc.set('a', 1);
  await kit.flush({ timeout: 15_000 });
  assert.ok(asked >= 2);
});

test('what was refused has no effect when it is undone', async (t) => {
  const { host, token } = await start(t);
  const a = await open(t, host, token('ann', { '*': 'write' }));
  let permission = 'write';
  const give = () => token('bob', { d: permission });
  const b = await open(t, host, give, { wasm: fullWasm });
  const text = b.doc.text('t');
  const history = undoManager(b.doc, { groupMs: 0 });
  text.insert(0, 'kept');
  await b.kit.flush({ timeout: 10_000 });
  b.kit.goOffline();
  text.insert(4, ' and lost');
  await b.kit.saved();
  assert.equal(history.undoable, 2);
  permission = 'read';
  b.kit.goOnline();
  await until(() => b.kit.events.rejected.length === 1, 'the refusal is told');
  await until(() => `${text}` === 'kept', 'it is undone here');
  assert.throws(
    () => history.undo(),
    (error) => error.code === 'denied',
  );
  b.kit.goOffline();
  permission = 'write';
  b.kit.goOnline();
  await until(() => b.doc.permission === 'write', 'the right to write');
  assert.equal(history.undo(), true, 'the step that is there');
  assert.equal(`${text}`, '');
  assert.equal(history.undo(), false);
  await b.kit.flush({ timeout: 10_000 });
  await until(() => `${a.doc.text('t')}` === '', 'the others see it');
  assert.equal(history.redo(), true);
  await b.kit.flush({ timeout: 10_000 });
  await until(() => `${a.doc.text('t')}` === 'kept', 'and back');
});
