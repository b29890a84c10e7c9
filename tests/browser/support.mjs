// What the browser tests share: Chromium, a page that is served by the host itself, and the edits
// that both sides make.

import { cpSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Host, need, root, scratch, sdk } from '../js/support.mjs';

export * from '../js/support.mjs';
const { chromium } = need('playwright-core');

const found = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/snap/bin/chromium'].find(
  existsSync,
);
const named = process.env.SYNCKIT_CHROMIUM;
export const executablePath =
  named && !named.includes('/') ? `/usr/bin/${named}` : (named ?? found);
const args = [
  '--no-sandbox',
  '--headless=new',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
// Playwright's own headless flag would ask for another binary.
const options = { executablePath, args, headless: false };

export const artifacts = process.env.SYNCKIT_ARTIFACTS ?? join(root, 'build/browser');

/** A host that serves the demo, and beside it the package as it ships and an empty page. */
export const startHost = (t, { site = makeSite(t), ...options } = {}) => {
  const config = join(site, '..', 'synckit.yaml');
  writeFileSync(config, `demo:\n  enabled: true\n  root: ${JSON.stringify(site)}\n`);
  return Host.start(t, { ...options, args: ['--config', config] });
};
export const makeSite = (t) => {
  const site = join(scratch(t), 'site');
  cpSync(join(sdk, 'dist/demo'), site, { recursive: true });
  cpSync(join(sdk, 'dist'), join(site, 'package'), { recursive: true });
  writeFileSync(join(site, 'blank.html'), '<!doctype html><title>test</title>');
  return site;
};

/** A browser without a memory of its own, closed when the test ends. */
export const launch = async (t) => {
  const browser = await chromium.launch(options);
  t.after(() => browser.close().catch(() => {}));
  return browser;
};
/** A browser whose storage is in a folder, as a user's is. */
export const launchIn = async (t, folder) => {
  const context = await chromium.launchPersistentContext(folder, options);
  t.after(() => context.close().catch(() => {}));
  return context;
};

/** A page on the host's origin with `window.kit` and `window.doc` of a document. */
export const openPage = async (context, host, { id = 'd', name = 'test' } = {}) => {
  const page = await context.newPage();
  const problems = [];
  page.on('pageerror', (error) => problems.push(String(error)));
  page.problems = problems;
  await page.goto(`${host.http}/blank.html`);
  await boot(page, { id, name });
  return page;
};

/** (Re)opens kit and document, after a load. */
export const boot = (page, { id = 'd', name = 'test' } = {}) =>
  page.evaluate(
    async ([id, name]) => {
      const { SyncKit } = await import('/package/index.js');
      window.kit = await SyncKit.open({ url: '/sync', name });
      window.kit.on('error', (error) => (window.errors ??= []).push(String(error)));
      window.doc = window.kit.document(id);
      window.savedSeq = 0;
      window.doc.onChange(({ state, seq }) => {
        if (state === 'saved') window.savedSeq = seq;
      });
      await window.doc.ready;
      /** A burst of edits of every kind, marked by a name, over several ticks. */
      window.edit = async (mark, n) => {
        const { doc } = window;
        const text = doc.text('t');
        for (let i = 0; i < n; i++) {
          doc.set(`${mark}${i}`, i);
          doc.set('shared', `${mark}${i}`);
          text.insert(Math.floor(text.length / 2), mark);
          if (i % 4 === 3) text.delete(0, 1);
          doc.set('s').add(`${mark}${i % 5}`);
          if (i % 6 === 5) doc.set('s').delete(`${mark}1`);
          doc.counter('c').increment();
          if (i % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
        }
      };
      window.show = () => ({
        map: window.doc.get(),
        text: String(window.doc.text('t')),
        set: window.doc.set('s').values(),
        counter: window.doc.counter('c').value,
        digest: window.doc.digest(),
        pending: window.doc.pending,
        status: window.doc.status,
      });
    },
    [id, name],
  );
