// The fields beside the map: text, set and counter.

import { canonical, utf8, varint, type Json, type PatchReader } from './codec.js';
import { fail } from './errors.js';
import { createField, type Field, type MakeField } from './field.js';
import {
  patchText,
  textDiff,
  textSplice,
  type SetChange,
  type TextOp,
} from './views.js';

/**
 * Collaborative text. All positions, counts and lengths are UTF-16 units, as in JS strings.
 * A position or an end inside a surrogate pair, or past the end, is a `malformed` error.
 */
export interface TextField extends Field<readonly TextOp[]> {
  /** Inserts `text` at `position`. O(log n) of the engine. */
  insert(position: number, text: string): void;
  /** Deletes `count` units from `position` on. */
  delete(position: number, count: number): void;
  /** Replaces `count` units from `position` on by `text`, as one change. */
  splice(position: number, count: number, text?: string): void;
  /** Makes the text equal to `text` by one splice of what differs; `caret` as for `textDiff`. */
  replace(text: string, caret?: number): void;
  /** The text. */
  toString(): string;
  /** Length in UTF-16 units. */
  readonly length: number;
}

/** @internal */
export const textField: MakeField<TextField> = (document, name, type, handle) => {
  const [field, read, edit] = createField<readonly TextOp[], string>(
    document,
    name,
    type,
    handle,
    (view, r) => (view === undefined ? [r.left_() ? r.text_() : ''] : patchText(view, r)),
    (from, to) => textDiff(from, to),
  );
  const splice = (position: number, count: number, text = ''): void => {
    if (position >>> 0 !== position || count >>> 0 !== count) {
      fail('malformed', 'not a whole number >= 0');
    }
    if (/\p{Cs}/u.test(text)) fail('malformed', 'half a surrogate pair');
    edit([2, ...varint(position), ...varint(count)], utf8(text));
  };
  return {
    ...field,
    insert: (position, text) => splice(position, 0, text),
    delete: (position, count) => splice(position, count),
    splice,
    replace(text, caret) {
      if (text != read()) splice(...textSplice(read(), text, caret));
    },
    toString: read,
    get length() {
      return read().length;
    },
  };
};

/** A set of JSON values; an add wins over a remove that has not seen it. */
export interface SetField<T = Json> extends Field<SetChange> {
  /** Adds a value; values with equal JSON (object keys in any order) are one element. */
  add(value: T): void;
  /** Removes a value; an absent one is fine. */
  delete(value: T): void;
  /** Removes every value that is visible here. */
  clear(): void;
  /** Whether a value is in the set. */
  has(value: T): boolean;
  /** The values in an order that is the same everywhere; a new array after every change. */
  values(): readonly T[];
  /** How many values there are. */
  readonly size: number;
}

type Items = Map<string, Json>;
const without = (a: Items, b: Items): Json[] =>
  [...a.keys()].filter((key) => !b.has(key)).map((key) => a.get(key)!);

/** @internal */
export const setField: MakeField<SetField<any>> = (document, name, type, handle) => {
  let sorted: Json[] | undefined;
  const move = (view: Items = new Map(), r: PatchReader): [Items, SetChange] => {
    const added: Json[] = [];
    const removed: Json[] = [];
    sorted = undefined;
    while (r.left_()) {
      const length = r.varint_();
      const isThere = r.varint_() == 1;
      const key = r.text_(length - 1);
      const value = JSON.parse(key) as Json;
      if (isThere) view.set(key, value);
      else view.delete(key);
      (isThere ? added : removed).push(value);
    }
    return [view, { added, removed }];
  };
  const [field, read, edit] = createField<SetChange, Items>(
    document,
    name,
    type,
    handle,
    move,
    (from, to) => {
      const added = without(to, from);
      const removed = without(from, to);
      return added.length + removed.length ? { added, removed } : undefined;
    },
  );
  const change = (op: number, json: string): void => edit([op], utf8(json));
  return {
    ...field,
    add: (value) => change(1, canonical(value)),
    delete: (value) => change(2, canonical(value)),
    clear: () => change(3, ''),
    has: (value) => read().has(canonical(value)),
    values() {
      const items = read();
      return (sorted ??= [...items.keys()].sort().map((key) => items.get(key)!));
    },
    get size() {
      return read().size;
    },
  };
};

/** A counter: increments of all replicas add up. Its range is 64 bits. */
export interface CounterField extends Field<{ by: bigint }> {
  /** Adds a whole number; beyond 2^53 as a bigint. `limit` when 64 bits overflow. */
  increment(by?: number | bigint): void;
  /** Subtracts a whole number. */
  decrement(by?: number | bigint): void;
  /** The value; throws `limit` when a number cannot hold it exactly: then use `bigValue`. */
  readonly value: number;
  /** The exact value. */
  readonly bigValue: bigint;
}

const longVarint = (value: bigint): number[] =>
  value > 127 ? [Number(value & 127n) | 128, ...longVarint(value >> 7n)] : [Number(value)];
/** The intent that adds `amount`, a signed 64-bit integer (plugins/counter/FORMAT.md). */
export const counterIntent = (amount: number | bigint): number[] => {
  if (
    typeof amount == 'number'
      ? !Number.isSafeInteger(amount)
      : BigInt.asIntN(64, amount) != amount
  ) {
    fail('malformed', 'no safe integer, nor a bigint of 64 bits');
  }
  const twice = BigInt(amount) << 1n;
  return longVarint(twice < 0 ? ~twice : twice);
};

/** @internal */
export const counterField: MakeField<CounterField> = (document, name, type, handle) => {
  const [field, read, edit] = createField<{ by: bigint }, bigint>(
    document,
    name,
    type,
    handle,
    (from = 0n, r) => {
      // The one part of its patches and its contents: what it counts to.
      const to = r.left_() ? new BigInt64Array(r.bytes_.slice(-8).buffer)[0]! : from;
      return [to, difference(from, to)];
    },
    difference,
  );
  const increment = (by: number | bigint = 1): void => {
    edit(counterIntent(by));
  };
  return {
    ...field,
    increment,
    decrement: (by = 1) => increment(-by),
    get value() {
      const value = Number(read());
      return Number.isSafeInteger(value) ? value : fail('limit', 'use bigValue');
    },
    get bigValue() {
      return read();
    },
  };
};
const difference = (from: bigint, to: bigint): { by: bigint } => ({ by: to - from });
