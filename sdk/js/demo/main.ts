// The demo page: two panes on one document, whether they agree, and how long edits take.
//
// The document's id is the hash of the address, so that any number of windows can share it.

import { Pane } from './pane.js';
import { Plot } from './plot.js';

const element = <E extends HTMLElement>(id: string): E => document.getElementById(id) as E;
/** Edits that were seen later than this were made offline: they say nothing about latency. */
const longestMs = 5000;
/** How long to wait for more changes before the host is asked for its digest. */
const settleMs = 150;

const id = decodeURIComponent(location.hash.slice(1)) || 'welcome';
addEventListener('hashchange', () => location.reload());
if (!location.hash) history.replaceState(null, '', `#${encodeURIComponent(id)}`);
element('document-name').textContent = id;
element<HTMLAnchorElement>('another').href = location.href;

const [left, right] = await Promise.all([Pane.open('left', id), Pane.open('right', id)]);
element('panes').append(element('left'), element('right'));

const plot = new Plot(element<HTMLCanvasElement>('plot'), {
  durable: element<HTMLOutputElement>('durable-median'),
  seen: element<HTMLOutputElement>('seen-median'),
});

/** Own edits of a pane that are still to become durable, and to be seen in the other one. */
const measure = (own: Pane, other: Pane): (() => void) => {
  type Edit = { seq: number; at: number };
  const open: Record<'durable' | 'seen', Edit[]> = { durable: [], seen: [] };
  const reached = (series: 'durable' | 'seen', seq: number): void => {
    const now = performance.now();
    while (open[series].length && open[series][0]!.seq <= seq) {
      const { at } = open[series].shift()!;
      if (now - at < longestMs) plot.add(series, now - at);
    }
  };
  own.edited = (seq) => {
    const edit = { seq, at: performance.now() };
    open.durable.push(edit);
    open.seen.push(edit);
  };
  own.durable = (seq) => reached('durable', seq);
  return () => {
    if (open.seen.length) reached('seen', other.document.version()[own.kit.replica] ?? 0);
  };
};
const seen = [measure(left, right), measure(right, left)];

const short = (digest: string): string => digest.slice(0, 8);
let host = '';
let asked = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

const ask = async (): Promise<void> => {
  // A document that nobody has written does not exist at the host.
  if (!Object.keys({ ...left.document.version(), ...right.document.version() }).length)
    return show();
  const mine = ++asked;
  try {
    const response = await fetch(`documents/${encodeURIComponent(id)}`);
    const body = (await response.json()) as { digest?: string };
    if (mine == asked) host = response.ok ? (body.digest ?? '') : '';
  } catch {
    if (mine == asked) host = '';
  }
  show();
};

const show = (): void => {
  const digests = [left, right].map((pane) => pane.document.digest());
  const [a, b] = digests as [string, string];
  element('digest-left').textContent = short(a);
  element('digest-right').textContent = short(b);
  element('digest-host').textContent = host ? short(host) : '–';
  element('versus-panes').textContent = a == b ? '=' : '≠';
  element('versus-host').textContent = !host ? '' : b == host ? '=' : '≠';
  const agree = a == b && (!host || b == host);
  element('agreement').dataset['agree'] = String(agree);
  element('verdict').textContent = !agree
    ? a != b
      ? 'The panes differ: one has edits that the other has not seen'
      : 'The host has edits that no pane has seen'
    : host
      ? 'All three hold the same document'
      : 'Both panes hold the same document';
};

let drawing = false;
const changed = (): void => {
  for (const check of seen) check();
  clearTimeout(timer);
  timer = setTimeout(() => void ask(), settleMs);
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    show();
  });
};

await Promise.all([left.document.ready, right.document.ready]);
left.changed = right.changed = changed;
await ask();
document.documentElement.dataset['ready'] = 'true';
