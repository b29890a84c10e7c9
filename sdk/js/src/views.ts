// Views: the visible value of a field, kept on the JS side and moved along by patches, so that
// reading costs no call into WASM and no parsing. Pure functions over bytes; no engine here.
//
// A view is never the truth: it can be dropped and read again from the engine at any time.

import type { Json, PatchReader } from './codec.js';

/** One step of a text patch; positions and counts are UTF-16 units, as in JS strings. */
export type TextOp = { retain: number } | { insert: string } | { delete: number };

/** The text after a patch (plugins/text/FORMAT.md, "patch"), and the patch's steps. */
export const patchText = (text: string, r: PatchReader): [string, TextOp[]] => {
  const ops: TextOp[] = [];
  let out = '';
  let at = 0;
  while (r.left_()) {
    const head = r.varint_();
    const n = head >>> 2;
    if (head & 1) {
      const insert = r.text_(n);
      out += insert;
      ops.push({ insert });
    } else {
      const count = n + r.varint_();
      if (!(head & 2)) out += text.slice(at, at + count);
      at += count;
      ops.push(head & 2 ? { delete: count } : { retain: count });
    }
  }
  return [out + text.slice(at), ops];
};

/** Where a caret at `position` ends up; at the very place of an insert it stays before it. */
export const moveCaret = (position: number, ops: readonly TextOp[]): number => {
  let at = 0;
  for (const op of ops) {
    if (at > position) break;
    if ('insert' in op) {
      if (at < position) position += op.insert.length;
      at += op.insert.length;
    } else if ('delete' in op) position -= Math.min(op.delete, Math.max(0, position - at));
    else at += op.retain;
  }
  return position;
};

/**
 * The shortest single splice from one text to another, never inside a surrogate pair. `caret`
 * tells where in `to` typing ended, and so which of several equal letters is the new one.
 */
export const textSplice = (
  from: string,
  to: string,
  caret = to.length,
): [position: number, count: number, text: string] => {
  const most = Math.min(from.length, to.length);
  let head = 0;
  let tail = 0;
  const back = (limit: number): void => {
    while (tail < limit && from.at(-1 - tail) == to.at(-1 - tail)) tail++;
  };
  back(Math.min(most, to.length - caret));
  while (head < most - tail && from[head] == to[head]) head++;
  back(most - head);
  // 54: the first half of a pair, 55: the second.
  if (from.charCodeAt(head - 1) >> 10 == 54) head--;
  if (from.charCodeAt(from.length - tail) >> 10 == 55) tail--;
  return [head, from.length - head - tail, to.slice(head, to.length - tail)];
};

/** The same as a change: no steps when the texts are equal. */
export const textDiff = (from: string, to: string, caret?: number): TextOp[] => {
  const [head, gone, come] = textSplice(from, to, caret);
  if (!gone && !come) return [];
  return [{ retain: head }, { delete: gone }, { insert: come }].filter(
    (op) => Object.values(op)[0],
  ) as TextOp[];
};

/** What a set patch did; values as parsed JSON. */
export interface SetChange {
  added: Json[];
  removed: Json[];
}
