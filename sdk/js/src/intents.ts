// Intents: what the user asked, in each type's bytes (plugins/*/FORMAT.md, "intent").

import { canonical, Writer } from './codec.js';
import { fail } from './errors.js';

const index = (n: number, what: string): number =>
  Number.isSafeInteger(n) && n >= 0 ? n : fail('malformed', `${what} must be a whole number >= 0`);

/** text: replace `deleteCount` UTF-16 units at `position` by `text`. */
export const spliceIntent = (
  out: Writer,
  position: number,
  deleteCount: number,
  text: string,
): Writer =>
  out.byte(2).varint(index(position, 'position')).varint(index(deleteCount, 'count')).text(text);

/** lww: write (or, with value `undefined`, delete) the value at a path. */
export const mapIntent = (out: Writer, path: readonly string[], value?: unknown): Writer => {
  if (!path.length) fail('malformed', 'the path is empty');
  out.byte(value === undefined ? 2 : 1).varint(path.length);
  for (const segment of path) out.lengthText(segment);
  return value === undefined ? out : out.text(canonical(value));
};

/** set: 1 adds, 2 removes, 3 clears; `json` is canonical and empty for 3. */
export const setIntent = (out: Writer, op: 1 | 2 | 3, json: string): Writer =>
  out.byte(op).text(json);

/** counter: add `amount`, a signed 64-bit integer. */
export const counterIntent = (out: Writer, amount: number | bigint): Writer => {
  if (typeof amount == 'number' && !Number.isSafeInteger(amount)) {
    fail('malformed', 'the amount must be a whole number within 2^53, or a bigint');
  }
  const exact = BigInt(amount);
  if (BigInt.asIntN(64, exact) !== exact) fail('malformed', 'the amount is above 64 bits');
  return out.zigzag(exact);
};
