// Two browsers, one document, one host: they edit at once, one is cut off, tabs are reloaded and
// killed. In the end both show the same, which is what the host reads, and nothing that was
// reported as saved is missing.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { boot, launch, launchIn, openPage, scratch, startHost, until } from './support.mjs';

const show = (page) => page.evaluate(() => window.show());

/** Waits until the pages and the host agree, and returns what they show. */
const agree = async (host, ...pages) => {
  let shown;
  await until(
    async () => {
      shown = await Promise.all(pages.map(show));
      return shown.every(
        (s) => s.status === 'synced' && !s.pending && s.digest === shown[0].digest,
      );
    },
    'the pages agree',
    20_000,
  );
  const { map, text, set, counter, digest } = shown[0];
  for (const other of shown) {
    assert.deepEqual([other.map, other.text, other.set, other.counter], [map, text, set, counter]);
  }
  let read;
  await until(async () => (read = await host.document('d')).digest === digest, 'the host agrees');
  const values = Object.fromEntries(
    read.fields.map((f) => [`${f.type} ${f.field}`.trim(), f.value]),
  );
  assert.deepEqual(values.lww, map);
  assert.equal(values['text t'], text);
  assert.deepEqual([...values['set s']].sort(), [...set].sort());
  assert.equal(values['counter c'], counter);
  for (const page of pages) assert.deepEqual(page.problems, []);
  return shown[0];
};

test('two contexts edit map, text, set and counter at once; one goes offline and returns', async (t) => {
  const host = await startHost(t);
  const browser = await launch(t);
  const a = await openPage(await browser.newContext(), host);
  const b = await openPage(await browser.newContext(), host);
  await Promise.all([
    a.evaluate(() => window.edit('a', 30)),
    b.evaluate(() => window.edit('b', 30)),
  ]);
  await agree(host, a, b);

  await a.context().setOffline(true);
  await until(async () => (await show(a)).status === 'offline', 'the page notices');
  await Promise.all([
    a.evaluate(() => window.edit('off', 30)),
    b.evaluate(() => window.edit('on', 30)),
  ]);
  await a.evaluate(() => window.kit.saved());
  const away = await show(a);
  assert.ok(away.pending > 0);
  assert.equal(Object.keys(away.map).filter((key) => key.startsWith('on')).length, 0);
  assert.equal(Object.keys(away.map).filter((key) => key.startsWith('off')).length, 30);

  await a.context().setOffline(false);
  const shown = await agree(host, a, b);
  assert.equal(Object.keys(shown.map).length, 121);
  assert.equal(shown.counter, 120);
});

test('a reload while offline loses nothing that was saved', async (t) => {
  const host = await startHost(t);
  const browser = await launch(t);
  const a = await openPage(await browser.newContext(), host);
  const b = await openPage(await browser.newContext(), host);
  await a.evaluate(() => window.edit('first', 6));
  await agree(host, a, b);
  await a.evaluate(() => window.kit.goOffline());
  await Promise.all([
    a.evaluate(() => window.edit('off', 12)),
    b.evaluate(() => window.edit('on', 12)),
  ]);
  await a.evaluate(() => window.kit.saved());
  const before = await show(a);
  const replica = await a.evaluate(() => window.kit.replica);
  await a.reload();
  await boot(a);
  assert.equal(await a.evaluate(() => window.kit.replica), replica);
  const shown = await agree(host, a, b);
  for (const key of Object.keys(before.map)) assert.ok(key in shown.map, key);
  assert.equal(shown.counter, 30);
});

test("a closed tab's queue is sent by another tab of the same database", async (t) => {
  const host = await startHost(t);
  const browser = await launch(t);
  const context = await browser.newContext();
  const a = await openPage(context, host);
  const b = await openPage(context, host);
  assert.notEqual(
    await a.evaluate(() => window.kit.replica),
    await b.evaluate(() => window.kit.replica),
  );
  for (const page of [a, b]) await page.evaluate(() => window.kit.goOffline());
  await b.evaluate(() => window.edit('closed', 9));
  await b.evaluate(() => window.kit.saved());
  await b.close();
  await a.evaluate(() => window.edit('stays', 9));
  await a.evaluate(() => window.kit.goOnline());
  await until(async () => (await show(a)).counter === 18, 'both queues arrive');
  const shown = await agree(host, a);
  assert.equal(Object.keys(shown.map).length, 19);
});

/** Kills every process whose command line has the folder in it: the browser of this test alone. */
const killBrowser = (folder) => {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      const exe = readlinkSync(`/proc/${pid}/exe`);
      if (line.includes(`--user-data-dir=${folder}`) && /chrom/.test(exe))
        process.kill(Number(pid), 'SIGKILL');
    } catch {
      // gone meanwhile
    }
  }
};

test('the browser is killed (-9) in the middle of typing: all that was saved is there', async (t) => {
  const host = await startHost(t);
  const folder = join(scratch(t), 'profile');
  let context = await launchIn(t, folder);
  let page = await openPage(context, host);
  const other = await openPage(await (await launch(t)).newContext(), host);
  await page.evaluate(() => window.kit.goOffline());
  // Types for ever; the seq that was saved is read from outside, so that it is a lower bound.
  await page.evaluate(() => {
    const text = window.doc.text('t');
    setInterval(() => text.insert(text.length, 'x'), 2);
  });
  await other.evaluate(() => window.edit('on', 6));
  let saved = 0;
  await until(
    async () => (saved = await page.evaluate(() => window.savedSeq)) > 60,
    'enough is saved',
  );
  killBrowser(folder);
  await context.close().catch(() => {});

  context = await launchIn(t, folder);
  page = await openPage(context, host);
  const shown = await agree(host, page, other);
  const typed = [...shown.text].filter((c) => c === 'x').length;
  assert.ok(typed >= saved, `${typed} of ${saved} saved characters`);
  assert.equal(shown.counter, 6);
  await context.close(); // before its profile is removed
});

test('the host is killed and restarted while both pages edit', async (t) => {
  const host = await startHost(t);
  const browser = await launch(t);
  const a = await openPage(await browser.newContext(), host);
  const b = await openPage(await browser.newContext(), host);
  await a.evaluate(() => window.edit('a', 6));
  await agree(host, a, b);
  await host.kill();
  await Promise.all([
    a.evaluate(() => window.edit('x', 12)),
    b.evaluate(() => window.edit('y', 12)),
  ]);
  const back = await startHost(t, { data: host.data, port: host.port });
  const shown = await agree(back, a, b);
  assert.equal(shown.counter, 30);
});

test('a full disk is told, and what it could not store is stored later', async (t) => {
  const host = await startHost(t);
  const browser = await launch(t);
  const page = await openPage(await browser.newContext(), host);
  await page.evaluate(() => {
    const { put } = IDBObjectStore.prototype;
    window.full = true;
    IDBObjectStore.prototype.put = function (...args) {
      if (window.full) throw new DOMException('the disk is full', 'QuotaExceededError');
      return put.apply(this, args);
    };
  });
  await page.evaluate(() => window.doc.set('a', 1));
  await until(() => page.evaluate(() => window.errors?.length > 0), 'the error event');
  assert.match(await page.evaluate(() => window.errors[0]), /limit.*disk is full/);
  assert.deepEqual((await show(page)).map, { a: 1 });
  assert.equal(await page.evaluate(() => window.savedSeq), 0);
  assert.deepEqual((await host.document('d')).fields, []);
  await page.evaluate(() => (window.full = false));
  await until(() => page.evaluate(() => window.savedSeq === 1), 'it is saved');
  await until(async () => (await host.values('d')).lww?.a === 1, 'it is sent');
});
