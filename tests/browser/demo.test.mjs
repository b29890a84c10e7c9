// The demo page as a visitor uses it: typing in both panes, the offline switch, the to-do list, a
// second window. Screenshots of it, light and dark, go to the artifacts folder.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { artifacts, launch, startHost, until } from './support.mjs';

const open = async (context, host, id = 'demo-test') => {
  const page = await context.newPage();
  const problems = [];
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) problems.push(message.text());
  });
  page.problems = problems;
  await page.goto(`${host.http}/#${id}`);
  await page.waitForSelector('html[data-ready=true]');
  await page.waitForSelector('#left .badge[data-status=synced]');
  await page.waitForSelector('#right .badge[data-status=synced]');
  return page;
};
const value = (page, selector) => page.$eval(selector, (e) => e.value);
const agreed = (page) => page.waitForSelector('#agreement[data-agree=true]');

test('the demo: both panes converge, also after being offline', async (t) => {
  const host = await startHost(t);
  const browser = await launch(t);
  const context = await browser.newContext({ viewport: { width: 1280, height: 980 } });
  const page = await open(context, host);
  mkdirSync(artifacts, { recursive: true });

  await page.locator('#left textarea').pressSequentially('Hello from the left. ');
  await page.locator('#right textarea').click();
  await page.keyboard.press('Control+End');
  await page.keyboard.type('And from the right 🙂');
  await until(
    async () =>
      (await value(page, '#left textarea')) === 'Hello from the left. And from the right 🙂' &&
      (await value(page, '#left textarea')) === (await value(page, '#right textarea')),
    'both editors show both texts',
  );

  // The caret of the left stays at its place while the right types before it.
  await page.locator('#left textarea').click();
  await page.keyboard.press('Control+End');
  const caret = () =>
    page.$eval('#left textarea', (e) => [e.selectionStart, e.selectionEnd, e.value.length]);
  await page.$eval('#right textarea', (e) => {
    e.setSelectionRange(0, 0);
    e.setRangeText('>> ', 0, 0, 'end');
    e.dispatchEvent(new InputEvent('input'));
  });
  await until(
    async () => (await value(page, '#left textarea')).startsWith('>> '),
    'the left sees it',
  );
  const [start, end, length] = await caret();
  assert.deepEqual([start, end], [length, length]);
  await page.waitForSelector('#right .mirror .caret');

  for (const title of ['Read the design', 'Break the network']) {
    await page.locator('#left form input').fill(title);
    await page.keyboard.press('Enter');
  }
  await page.locator('#right .todos li').nth(1).waitFor();
  await page.locator('#right .todos li label').first().click();
  await page.waitForSelector('#left .todos li[data-done=true]');
  await page.locator('#left .plus').click();
  await page.locator('#right .plus').click();
  await until(
    async () => (await value(page, '#left .counter output')) === '2',
    'the counter adds up',
  );
  await agreed(page);

  await page.locator('#right .switch').click();
  await page.waitForSelector('#right .badge[data-status=offline]');
  await page.locator('#right form input').fill('Written offline');
  await page.keyboard.press('Enter');
  await page.locator('#right .plus').click();
  await page.locator('#left textarea').pressSequentially('!');
  await page.waitForSelector('#agreement[data-agree=false]');
  await page.waitForSelector('#right .queue[data-waiting=true]');
  await page.screenshot({ path: join(artifacts, 'demo-offline.png'), fullPage: true });
  assert.equal(await page.locator('#left .todos li').count(), 2);

  await page.locator('#right .switch').click();
  await page.waitForSelector('#right .badge[data-status=synced]');
  await agreed(page);
  assert.equal(await page.locator('#left .todos li').count(), 3);
  assert.equal(await value(page, '#left .counter output'), '3');
  assert.equal(await value(page, '#left textarea'), await value(page, '#right textarea'));
  await until(
    async () =>
      (await host.document('demo-test')).digest.slice(0, 8) ===
        (await page.textContent('#digest-left')) &&
      (await page.textContent('#digest-left')) === (await page.textContent('#digest-host')),
    'the host shows the same hash',
  );
  assert.match(await page.textContent('#durable-median'), /^[\d.]+ ms$/);
  assert.match(await page.textContent('#seen-median'), /^[\d.]+ ms$/);
  assert.deepEqual(page.problems, []);
  await page.screenshot({ path: join(artifacts, 'demo-light.png'), fullPage: true });
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.screenshot({ path: join(artifacts, 'demo-dark.png'), fullPage: true });
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 390, height: 844 });
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(overflow <= 0, `the narrow page is ${overflow} px too wide`);
  await page.screenshot({ path: join(artifacts, 'demo-narrow.png'), fullPage: true });
});

test('the demo: a second window shares the document, and shows who is there', async (t) => {
  const host = await startHost(t);
  const browser = await launch(t);
  const context = await browser.newContext();
  const page = await open(context, host, 'shared');
  const [other] = await Promise.all([
    context.waitForEvent('page'),
    page.locator('#another').click(),
  ]);
  await other.waitForSelector('html[data-ready=true]');
  await other.locator('#left textarea').pressSequentially('from the other window');
  await until(
    async () => (await value(page, '#right textarea')) === 'from the other window',
    'it arrives',
  );
  await page.locator('#left .peers li').nth(2).waitFor();
  await other.close();
  await until(async () => (await page.locator('#left .peers li').count()) === 1, 'they are gone');
  assert.deepEqual(page.problems, []);
});

test('the demo: undo takes back own edits and leaves those of the other pane', async (t) => {
  const host = await startHost(t);
  const context = await (await launch(t)).newContext({ viewport: { width: 1280, height: 980 } });
  const page = await open(context, host, 'undo');
  const texts = (wanted) =>
    until(
      async () =>
        (await value(page, '#left textarea')) === wanted &&
        (await value(page, '#right textarea')) === wanted,
      `both editors show ${wanted}`,
    );
  // The text in front of the other's caret, as a pane shows it.
  const behind = (pane, wanted) =>
    until(
      () =>
        page.$eval(
          `#${pane} .mirror .caret`,
          (caret, wanted) => {
            let text = '';
            for (let at = caret; (at = at.previousSibling); ) text = at.textContent + text;
            return text === wanted;
          },
          wanted,
        ),
      `the caret of the other is behind ${wanted}`,
    );
  assert.ok(await page.locator('#left .undo').isDisabled());
  await page.locator('#left textarea').pressSequentially('one three');
  await texts('one three');
  await page.$eval('#right textarea', (e) => e.setSelectionRange(4, 4));
  await page.locator('#right textarea').pressSequentially('two ');
  await texts('one two three');
  await behind('left', 'one two ');
  await page.locator('#left .undo').click();
  await texts('two ');
  await behind('left', 'two ');
  assert.deepEqual(
    await page.$eval('#right textarea', (e) => [e.selectionStart, e.selectionEnd]),
    [4, 4],
    'the caret of the right pane stays where it was typing',
  );
  await page.screenshot({ path: join(artifacts, 'demo-undo.png'), fullPage: true });
  await page.locator('#left .redo').click();
  await texts('one two three');
  assert.ok(await page.locator('#left .redo').isDisabled());
  await page.locator('#left .plus').click();
  await page.locator('#left textarea').press('Control+z');
  await until(
    async () => (await page.locator('#right .counter output').textContent()) === '0',
    'the counter goes back',
  );
  await page.locator('#left textarea').press('Control+z');
  await texts('two ');
  await page.locator('#left textarea').press('Control+Shift+z');
  await texts('one two three');
  await agreed(page);
  assert.deepEqual(page.problems, []);
});

test('the demo: everything can be reached and used by keyboard', async (t) => {
  const host = await startHost(t);
  const page = await open(await (await launch(t)).newContext(), host, 'keys');
  const reached = new Set();
  for (let i = 0; i < 30; i++) {
    await page.keyboard.press('Tab');
    reached.add(
      await page.evaluate(() => {
        const e = document.activeElement;
        const pane = e.closest('.pane')?.id ?? 'page';
        return `${pane} ${e.name || e.className || e.id || e.tagName.toLowerCase()}`.trim();
      }),
    );
  }
  for (const pane of ['left', 'right']) {
    for (const what of ['input', `${pane}-note`, 'title', 'minus', 'plus']) {
      assert.ok(reached.has(`${pane} ${what}`), `${pane} ${what} in ${[...reached].join(', ')}`);
    }
  }
  await page.locator('#left .switch input').focus();
  await page.keyboard.press('Space');
  await page.waitForSelector('#left .badge[data-status=offline]');
});
