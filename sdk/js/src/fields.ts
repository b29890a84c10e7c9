// The fields beside the map: text, set, counter, and types that plugins bring.

import { canonical, utf8, type Json, type Reader } from './codec.js';
import { fail } from './errors.js';
import { Field } from './field.js';
import { counterIntent } from './intents.js';
import {
  applyText,
  counterPatch,
  elements,
  textDiff,
  textPatch,
  textSplice,
  type SetChange,
  type TextOp,
} from './views.js';

/**
 * Collaborative text. All positions, counts and lengths are UTF-16 units, as in JS strings.
 * A position or an end inside a surrogate pair, or past the end, is a `malformed` error.
 */
export class TextField extends Field<readonly TextOp[], string> {
  /** Inserts `text` at `position`. O(log n) of the engine. */
  insert(position: number, text: string): void {
    this.splice(position, 0, text);
  }
  /** Deletes `count` units from `position` on. */
  delete(position: number, count: number): void {
    this.splice(position, count);
  }
  /** Replaces `count` units from `position` on by `text`, as one change. */
  splice(position: number, count: number, text = ''): void {
    if (position >>> 0 !== position || count >>> 0 !== count) {
      fail('malformed', 'not a whole number >= 0');
    }
    if (/\p{Cs}/u.test(text)) fail('malformed', 'half a surrogate pair');
    const out = this.writer_();
    out.varint_(2);
    out.varint_(position);
    out.varint_(count);
    this.edit_(out.text_(text));
  }
  /** Makes the text equal to `text` by one splice of what differs; `caret` as for `textDiff`. */
  replace(text: string, caret?: number): void {
    const [position, count, come] = textSplice(this.read_(), text, caret);
    if (count || come) this.splice(position, count, come);
  }
  /** The text. */
  override toString(): string {
    return this.read_();
  }
  /** Length in UTF-16 units. */
  get length(): number {
    return this.read_().length;
  }

  /** @internal */
  protected override parse_(json: string): string {
    return json && JSON.parse(json);
  }
  /** @internal */
  protected override move_(patch: Reader): readonly TextOp[] | undefined {
    const ops = textPatch(patch);
    this.view_ = applyText(this.view_!, ops);
    return ops[0] && ops;
  }
  /** @internal */
  protected override difference_(from: string, to: string): readonly TextOp[] | undefined {
    const ops = textDiff(from, to);
    return ops[0] && ops;
  }
}

const setChange = (added: Json[], removed: Json[]): SetChange | undefined =>
  added.length + removed.length ? { added, removed } : undefined;

/** A set of JSON values; an add wins over a remove that has not seen it. */
export class SetField<T = Json> extends Field<SetChange, Map<string, Json>> {
  private declare sorted_?: readonly T[] | undefined;

  private change_(op: number, json: string): void {
    const out = this.writer_();
    out.varint_(op);
    this.edit_(out.text_(json));
  }
  /** Adds a value; values with equal JSON (object keys in any order) are one element. */
  add(value: T): void {
    this.change_(1, canonical(value));
  }
  /** Removes a value; an absent one is fine. */
  delete(value: T): void {
    this.change_(2, canonical(value));
  }
  /** Removes every value that is visible here. */
  clear(): void {
    this.change_(3, '');
  }
  /** Whether a value is in the set. */
  has(value: T): boolean {
    return this.read_().has(canonical(value));
  }
  /** The values in an order that is the same everywhere; a new array after every change. */
  values(): readonly T[] {
    const items = this.read_();
    return (this.sorted_ ??= [...items.keys()].sort().map((key) => items.get(key) as T));
  }
  /** How many values there are. */
  get size(): number {
    return this.read_().size;
  }

  /** @internal */
  protected override parse_(json: string): Map<string, Json> {
    this.sorted_ = undefined;
    return new Map(elements(json).map((key) => [key, JSON.parse(key)]));
  }
  /** @internal */
  protected override move_(r: Reader): SetChange | undefined {
    const changes: [Json[], Json[]] = [[], []];
    this.sorted_ = undefined;
    while (r.left) {
      const isThere = r.byte() == 1;
      const key = r.text();
      const value = JSON.parse(key) as Json;
      if (isThere) this.view_!.set(key, value);
      else this.view_!.delete(key);
      changes[isThere ? 0 : 1].push(value);
    }
    return setChange(...changes);
  }
  /** @internal */
  protected override difference_(
    from: Map<string, Json>,
    to: Map<string, Json>,
  ): SetChange | undefined {
    const without = (a: Map<string, Json>, b: Map<string, Json>): Json[] =>
      [...a].filter(([key]) => !b.has(key)).map(([, value]) => value);
    return setChange(without(to, from), without(from, to));
  }
}

/** A counter: increments of all replicas add up. Its range is 64 bits. */
export class CounterField extends Field<{ by: bigint }, bigint> {
  /** Adds a whole number; beyond 2^53 as a bigint. `limit` when 64 bits overflow. */
  increment(by: number | bigint = 1): void {
    this.edit_(this.writer_().raw_(counterIntent(by)));
  }
  /** Subtracts a whole number. */
  decrement(by: number | bigint = 1): void {
    this.increment(-by);
  }
  /** The value; throws `limit` when a number cannot hold it exactly: then use `bigValue`. */
  get value(): number {
    const value = Number(this.read_());
    return Number.isSafeInteger(value)
      ? value
      : fail('limit', 'above 2^53: read bigValue');
  }
  /** The exact value. */
  get bigValue(): bigint {
    return this.read_();
  }

  /** @internal */
  protected override parse_(json: string): bigint {
    return BigInt(json); // of '': 0
  }
  /** @internal */
  protected override move_(patch: Reader): { by: bigint } | undefined {
    const by = counterPatch(patch);
    this.view_! += by;
    return by ? { by } : undefined;
  }
  /** @internal */
  protected override difference_(from: bigint, to: bigint): { by: bigint } | undefined {
    return to == from ? undefined : { by: to - from };
  }
}

/**
 * A field of a type that a plugin brings: raw bytes in, raw bytes out. A change is the plugin's
 * patch, or undefined when the view is to be read anew.
 */
export class CustomField extends Field<Uint8Array | undefined, string> {
  /** Applies an intent, in the plugin's own format. */
  mutate(intent: Uint8Array): void {
    this.edit_(this.writer_().raw_(intent));
  }
  /** The value as the plugin's JSON text, in UTF-8; empty before the document is ready. */
  view(): Uint8Array {
    this.view_ = undefined; // only the plugin knows how to move it
    return utf8(this.read_());
  }

  /** @internal */
  protected override parse_(json: string): string {
    return json;
  }
  /** @internal */
  protected override move_(patch: Reader): Uint8Array | undefined {
    return patch.left ? patch.raw(patch.left).slice() : undefined;
  }
  /** @internal */
  protected override difference_(): undefined {}
}
