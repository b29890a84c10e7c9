// Intents: what the user asked, in each type's bytes (plugins/*/FORMAT.md, "intent").

import { toJson, utf8 } from './codec.js';
import type { Core } from './core.js';
import { fail } from './errors.js';

/** lww: write (or, with value `undefined`, delete) the value at a path; gives the length. */
export const mapIntent = (
  out: Pick<Core, 'put_' | 'varint_' | 'raw_' | 'text_'>,
  path: readonly string[],
  value?: unknown,
): number => {
  const json = value === undefined ? '' : toJson(value);
  out.put_(); // a toJSON of the application may have edited meanwhile
  out.varint_(json ? 1 : 2);
  out.varint_(path.length);
  for (const segment of path) {
    const bytes = utf8(segment);
    out.varint_(bytes.length);
    out.raw_(bytes);
  }
  return out.text_(json);
};

/** counter: add `amount`, a signed 64-bit integer. */
export const counterIntent = (amount: number | bigint): Uint8Array => {
  if (
    typeof amount == 'number'
      ? !Number.isSafeInteger(amount)
      : BigInt.asIntN(64, amount) != amount
  ) {
    fail('malformed', 'not a whole number within 2^53, nor a bigint of 64 bits');
  }
  const exact = BigInt(amount);
  const bytes: number[] = [];
  let rest = exact < 0 ? ~(exact << 1n) : exact << 1n;
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Uint8Array.of(...bytes, Number(rest));
};
