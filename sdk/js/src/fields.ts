// The fields beside the map: text, set, counter, and types that plugins bring.

import { canonical, type Json } from './codec.js';
import { fail } from './errors.js';
import { Field } from './field.js';
import { counterIntent, setIntent, spliceIntent } from './intents.js';
import {
  applyText,
  counterPatch,
  SetView,
  textDiff,
  textPatch,
  type SetChange,
  type TextOp,
} from './views.js';

/** How many text patches may wait for the next read before reading anew is cheaper. */
const maxWaiting = 32;

/**
 * Collaborative text. All positions, counts and lengths are UTF-16 units, as in JS strings.
 * A position or an end inside a surrogate pair, or past the end, is a `malformed` error.
 */
export class TextField extends Field<readonly TextOp[]> {
  private text_: string | undefined;
  private waiting_: (readonly TextOp[])[] = [];

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
    if (text && /\p{Cs}/u.test(text)) fail('malformed', 'the text has half a surrogate pair');
    this.edit_(spliceIntent(this.host_.writer_(), position, count, text));
  }
  /** Makes the text equal to `text` by one splice of what differs; `caret` as for `textDiff`. */
  replace(text: string, caret?: number): void {
    const ops = textDiff(this.toString(), text, caret);
    let at = 0;
    let gone = 0;
    let come = '';
    for (const op of ops) {
      if ('retain' in op) at = op.retain;
      else if ('delete' in op) gone = op.delete;
      else come = op.insert;
    }
    if (gone || come) this.splice(at, gone, come);
  }
  /** The text. */
  override toString(): string {
    if (!this.host_.readable_) return '';
    if (this.text_ === undefined) {
      this.text_ = JSON.parse(this.json_()) as string;
    } else for (const ops of this.waiting_) this.text_ = applyText(this.text_, ops);
    this.waiting_ = [];
    return this.text_;
  }
  /** Length in UTF-16 units. */
  get length(): number {
    return this.toString().length;
  }

  protected override watched_(): void {
    this.toString(); // from now on the old text is there to compare with after a reset
  }
  /** @internal */
  override patched_(patch: () => Uint8Array, local: boolean): void {
    const watched = this.subscribers_.size;
    if (this.text_ === undefined && !watched) return;
    const ops = textPatch(patch());
    if (!ops.length) return;
    if (this.text_ !== undefined && this.waiting_.push(ops) > maxWaiting) {
      if (watched) this.toString();
      else this.text_ = undefined;
    }
    this.tell_(ops, local);
  }
  /** @internal */
  override reset_(): void {
    let old = this.text_ ?? '';
    for (const ops of this.waiting_) old = applyText(old, ops);
    this.text_ = undefined;
    this.waiting_ = [];
    if (!this.subscribers_.size) return;
    const ops = textDiff(old, this.toString());
    if (ops.length) this.tell_(ops, false);
  }
}

/** What an unread document shows. */
const none = new SetView('[]');

/** A set of JSON values; an add wins over a remove that has not seen it. */
export class SetField<T = Json> extends Field<SetChange> {
  private view_: SetView | undefined;

  protected override watched_(): void {
    this.read_();
  }
  private read_(): SetView {
    if (!this.host_.readable_) return none;
    return (this.view_ ??= new SetView(this.json_()));
  }
  /** Adds a value; values with equal JSON (object keys in any order) are one element. */
  add(value: T): void {
    this.edit_(setIntent(this.host_.writer_(), 1, canonical(value)));
  }
  /** Removes a value; an absent one is fine. */
  delete(value: T): void {
    this.edit_(setIntent(this.host_.writer_(), 2, canonical(value)));
  }
  /** Removes every value that is visible here. */
  clear(): void {
    this.edit_(setIntent(this.host_.writer_(), 3, ''));
  }
  /** Whether a value is in the set. */
  has(value: T): boolean {
    return this.read_().items.has(canonical(value));
  }
  /** The values in an order that is the same everywhere; a new array after every change. */
  values(): readonly T[] {
    return this.read_().values() as readonly T[];
  }
  /** How many values there are. */
  get size(): number {
    return this.read_().items.size;
  }

  /** @internal */
  override patched_(patch: () => Uint8Array, local: boolean): void {
    if (!this.view_ && !this.subscribers_.size) return;
    const change = (this.view_ ?? new SetView('[]')).patch(patch());
    if (change.added.length + change.removed.length) this.tell_(change, local);
  }
  /** @internal */
  override reset_(): void {
    const old = this.view_?.items ?? new Map<string, Json>();
    this.view_ = undefined;
    if (!this.subscribers_.size) return;
    const { items } = this.read_();
    const without = (a: Map<string, Json>, b: Map<string, Json>): Json[] =>
      [...a].filter(([key]) => !b.has(key)).map(([, value]) => value);
    const change = { added: without(items, old), removed: without(old, items) };
    if (change.added.length + change.removed.length) this.tell_(change, false);
  }
}

/** A counter: increments of all replicas add up. Its range is 64 bits. */
export class CounterField extends Field<{ by: bigint }> {
  private value_: bigint | undefined;

  protected override watched_(): void {
    void this.bigValue;
  }
  /** Adds a whole number; beyond 2^53 as a bigint. `limit` when 64 bits overflow. */
  increment(by: number | bigint = 1): void {
    this.edit_(counterIntent(this.host_.writer_(), by));
  }
  /** Subtracts a whole number. */
  decrement(by: number | bigint = 1): void {
    this.increment(-by);
  }
  /** The value; throws `limit` when a number cannot hold it exactly: then use `bigValue`. */
  get value(): number {
    const value = Number(this.bigValue);
    return Number.isSafeInteger(value)
      ? value
      : fail('limit', 'the counter is above 2^53: read bigValue');
  }
  /** The exact value. */
  get bigValue(): bigint {
    return this.host_.readable_ ? (this.value_ ??= BigInt(this.json_())) : 0n;
  }

  /** @internal */
  override patched_(patch: () => Uint8Array, local: boolean): void {
    if (this.value_ === undefined) return; // subscribing reads it
    const by = counterPatch(patch());
    this.value_ += by;
    if (by) this.tell_({ by }, local);
  }
  /** @internal */
  override reset_(): void {
    const by = -(this.value_ ?? 0n);
    this.value_ = undefined;
    if (this.subscribers_.size) this.tell_({ by: by + this.bigValue }, false);
  }
}

/**
 * A field of a type that a plugin brings: raw bytes in, raw bytes out. A change is the plugin's
 * patch, or undefined when the view is to be read anew.
 */
export class CustomField extends Field<Uint8Array | undefined> {
  /** Applies an intent, in the plugin's own format. */
  mutate(intent: Uint8Array): void {
    this.edit_(this.host_.writer_().raw(intent));
  }
  /** The value as the plugin's JSON text, in UTF-8; empty before the document is ready. */
  view(): Uint8Array {
    return this.host_.readable_ ? this.host_.view_(this).slice() : new Uint8Array();
  }
  /** @internal */
  override patched_(patch: () => Uint8Array, local: boolean): void {
    const bytes = patch().slice();
    if (bytes.length) this.tell_(bytes, local);
  }
  /** @internal */
  override reset_(): void {
    this.tell_(undefined, false);
  }
}
