// The fields of a replica: texts, maps, sets, counters.
//
// A map, a set and a counter hold back what a later edit of the same batch may overwrite: the second
// and every further write of a key, the removal of an element that this batch added, what is added
// to a counter. Only edits that cannot fail are held back, so that every error comes from the call
// that made it. `flush_` hands them on before anybody looks: commit, apply, snapshot, digest, a
// read, or an edit that is not for one key. An edit that is the first of its batch goes to WASM at
// once, so edits with a commit each pay nothing for this.
//
// Short keys are known to WASM by number (`Known`): their bytes are encoded once.

import { canonical, decoder, type Json } from './codec.js';
import { fail } from './errors.js';
import type { BaseReplica } from './replica-core.js';
import { kShortText, kTextAt } from './replica-runtime.js';
import type { AnchorPosition, AnchorSide } from './undo.js';

/** Of one field; others are encoded by each edit. */
const kMaxKnown = 4096;
/** The steps of a counter that are held back stay within what a number holds exactly. */
const kMaxHeld = 2 ** 52;

/** The JSON of a number, a boolean or a short string; '' for all else. */
const plain = (value: unknown): string => {
  if (typeof value == 'number') return isFinite(value) ? `${value}` : '';
  if (typeof value == 'string') return value.length <= kShortText ? JSON.stringify(value) : '';
  return typeof value == 'boolean' ? `${value}` : '';
};

const whole = (n: number, what: string): never =>
  fail('malformed', `${what} must be a whole number from 0 to 2^32 - 1, not ${n}`);

/** A key or an element that WASM knows. */
interface Known {
  readonly at: number;
  /** The batch that wrote it, or that added it. */
  batch: number;
  /** What is held back; undefined: nothing. */
  held: unknown;
}

/** What all fields have. */
export abstract class ReplicaField {
  /** `applies_` when value_ was right; -1 after an own edit. @internal */
  protected seen_ = -1;
  private value_: unknown;

  /** @internal */
  constructor(
    /** @internal */ protected readonly replica_: BaseReplica,
    /** @internal */ protected readonly at_: number,
  ) {}

  /** The value, parsed; the same object until something may have changed it. @internal */
  protected read_(): unknown {
    const { replica_ } = this;
    replica_.handle_();
    if (this.seen_ != replica_.applies_) {
      this.value_ = this.make_();
      this.seen_ = replica_.applies_;
    }
    return this.value_;
  }
  /** @internal */
  protected make_(): unknown {
    return JSON.parse(this.json_());
  }
  /** Hands on what is held back. @internal */
  flush_(): void {}
  /** @internal */
  protected json_(): string {
    this.replica_.handle_();
    this.flush_();
    const runtime = this.replica_.runtime_;
    const code = runtime.view_(this.at_);
    if (code < 0) runtime.fail_(code);
    return decoder.decode(runtime.data_());
  }
}

/** What maps and sets have: intents, and keys that are known. */
abstract class KeyedField extends ReplicaField {
  /** @internal */
  protected readonly known_ = new Map<unknown, Known>();
  private readonly changed_: Known[] = [];
  private listed_ = -1; // the batch whose holders have this field

  /** Carries out the intent that was composed in scratch; how many dots it took. @internal */
  protected edit_(length: number): number {
    const { replica_ } = this;
    if (!replica_.ready_) replica_.begin_();
    const count = replica_.runtime_.edit_(this.at_, length);
    this.seen_ = -1;
    if (count <= 0) replica_.settle_(count);
    return count;
  }
  /** The same for a known key, with what comes after it in scratch. @internal */
  protected put_(known: Known, op: number, length: number, whole: number): number {
    const { replica_ } = this;
    if (!replica_.ready_) replica_.begin_();
    const count = replica_.runtime_.editKnown_(this.at_, known.at, op, length, whole);
    this.seen_ = -1;
    if (count <= 0) replica_.settle_(count);
    return count;
  }
  /**
   * Composes an intent that is text, head included; 0 where it cannot be had like that. For keys
   * that become known: each comes here once, which is too seldom for loops to be compiled in time.
   * @internal
   */
  protected compose_(head: string, value: unknown): number {
    if (this.known_.size >= kMaxKnown) return 0;
    const text = plain(value);
    return text ? this.replica_.runtime_.ascii_(head + text) : 0;
  }
  /** Makes a key known whose bytes lie in scratch; the caller has edited it. @internal */
  protected learn_(key: unknown, from: number, to: number): Known | undefined {
    if (to - from > kShortText || this.known_.size >= kMaxKnown) return undefined;
    const at = this.replica_.runtime_.know_(this.at_, from, to - from);
    const known: Known = { at, batch: this.replica_.batch_, held: undefined };
    this.known_.set(key, known);
    return known;
  }
  /** Holds an edit back. @internal */
  protected hold_(known: Known, held: unknown): void {
    if (known.held === undefined) {
      const { replica_ } = this;
      if (this.listed_ != replica_.batch_) {
        this.listed_ = replica_.batch_;
        replica_.holders_.push(this);
      }
      this.changed_.push(known);
      this.seen_ = -1;
    }
    known.held = held;
  }
  /** @internal */
  override flush_(): void {
    const { changed_ } = this;
    if (!changed_.length) return;
    const { replica_ } = this;
    const { runtime_ } = replica_;
    const others: Known[] = [];
    const pairs = runtime_.numbers_(2 * changed_.length);
    const batch = this.op_ == 1 ? replica_.batch_ : -1; // what is removed is not in it any more
    let end = 0;
    for (const known of changed_) {
      const { held } = known;
      if (held === undefined) continue;
      if (typeof held == 'number' && held >>> 0 === held) {
        known.held = undefined;
        known.batch = batch;
        pairs[end++] = known.at;
        pairs[end++] = held;
      } else {
        others.push(known);
      }
    }
    changed_.length = 0;
    if (end) {
      if (!replica_.ready_) replica_.begin_();
      const result = runtime_.editHeld_(this.at_, end >> 1, this.op_, this.op_ == 1 ? -1 : 0);
      this.seen_ = -1;
      if (result <= 0) replica_.settle_(result);
    }
    for (const known of others) {
      // Listed twice where it was held back, overwritten, and held back again.
      if (known.held !== undefined) this.release_(known, known.held);
    }
  }
  /** What an edit that was held back does: 1 sets to a value, 2 removes. @internal */
  protected abstract readonly op_: number;
  /** Carries out what is held back and is no whole number; a set has no such. @internal */
  protected release_(_known: Known, _held: unknown): void {}
}

/** A collaborative text. Positions and lengths are UTF-16 units, as in JavaScript strings. */
export class ReplicaText extends ReplicaField {
  private length_ = 0; // right while seen_ == applies_

  /**
   * Replaces `remove` units at `position` by `text`. A lone surrogate becomes U+FFFD.
   * @throws SyncKitError `malformed` for a range outside the text or through the middle of a
   *   surrogate pair, `limit` above 2^28 characters ever inserted
   */
  splice(position: number, remove: number, text = ''): void {
    if (position >>> 0 !== position) whole(position, 'position');
    if (remove >>> 0 !== remove) whole(remove, 'count');
    const { replica_ } = this;
    if (!replica_.ready_) replica_.begin_();
    const runtime = replica_.runtime_;
    let unit = -1;
    let length = 0;
    if (text.length == 1) {
      unit = text.charCodeAt(0);
      if (unit > 127) unit = -1;
    }
    if (unit < 0 && text) length = runtime.text_(kTextAt, text) - kTextAt;
    const count = runtime.splice_(this.at_, position, remove, unit, length);
    if (count <= 0) return replica_.settle_(count);
    this.length_ += text.length - remove;
  }
  /** Inserts text at a position. */
  insert(position: number, text: string): void {
    this.splice(position, 0, text);
  }
  /** Deletes `count` units from a position. */
  delete(position: number, count: number): void {
    this.splice(position, count);
  }
  /**
   * A few bytes that name a place, for cursors and comments: they hold through all edits, may be
   * stored and sent, and mean the same on every replica. What is inserted exactly there comes
   * behind a `left` anchor, which sticks to the character before it, and in front of a `right` one.
   * @throws SyncKitError `malformed` past the end, or inside a surrogate pair
   */
  anchor(position: number, side: AnchorSide = 'left'): Uint8Array {
    if (position >>> 0 !== position) whole(position, 'position');
    this.replica_.handle_();
    const runtime = this.replica_.runtime_;
    const length = runtime.anchor_(this.at_, position, side == 'right' ? 1 : 0);
    return length < 0 ? runtime.fail_(length) : runtime.data_().slice();
  }
  /**
   * Where an anchor is now, and whether its character was deleted: then it is where that stood.
   * @throws SyncKitError `missing-deps` when its character has not arrived here yet, `malformed`
   *   for bytes that are no anchor of this text
   */
  position(anchor: Uint8Array): AnchorPosition {
    this.replica_.handle_();
    const runtime = this.replica_.runtime_;
    const code = runtime.position_(this.at_, runtime.put_(0, anchor));
    if (code < 0) runtime.fail_(code);
    return { position: runtime.value_(0), deleted: runtime.value_(1) == 1 };
  }
  /** The whole text. Made anew by every call. */
  override toString(): string {
    const text = JSON.parse(this.json_()) as string;
    this.length_ = text.length;
    this.seen_ = this.replica_.applies_;
    return text;
  }
  /** Length in UTF-16 units. After `apply` the first look at it reads the text. */
  get length(): number {
    if (this.seen_ != this.replica_.applies_) this.toString();
    return this.length_;
  }
}

/** Whether a value is good for certain: what is written later must not fail. */
const isHeldBack = (value: Json): boolean =>
  typeof value == 'number'
    ? isFinite(value)
    : typeof value == 'boolean' ||
      (typeof value == 'string' && value.length <= kShortText && !/[\ud800-\udfff]/.test(value));

/**
 * A map from paths to JSON values. Of concurrent writes to one path the one with the later clock
 * stays.
 */
export class ReplicaMap extends KeyedField {
  private path_(op: number, path: string | readonly string[]): number {
    const runtime = this.replica_.runtime_;
    if (typeof path == 'string') {
      return runtime.sized_(runtime.byte_(runtime.byte_(0, op), 1), path);
    }
    this.flush_(); // the path may be below a key that is held back
    runtime.byte_(0, op);
    if (!path.length || path.length > 64) {
      fail(path.length ? 'limit' : 'malformed', 'a path has 1 to 64 segments');
    }
    let at = runtime.byte_(1, path.length);
    for (const segment of path) at = runtime.sized_(at, segment);
    return at;
  }

  /**
   * Writes a JSON value at a key or path, and hides what is below it.
   * @throws SyncKitError `malformed` for what is no JSON, `limit` for a value above 1 MiB, a path
   *   of more than 64 segments or 1,024 bytes each, or a map of more than 2^20 entries
   */
  set(path: string | readonly string[], value: Json): void {
    const known = this.known_.get(path);
    if (known === undefined) return this.first_(path, value);
    if (known.batch == this.replica_.batch_ && isHeldBack(value)) return this.hold_(known, value);
    this.release_(known, value);
  }
  private first_(path: string | readonly string[], value: Json): void {
    const isKey = typeof path == 'string';
    let end = 3 + path.length;
    let length = 0;
    if (isKey && path.length < 128) {
      length = this.compose_(`\u0001\u0001${String.fromCharCode(path.length)}${path}`, value);
    }
    if (!length) {
      end = this.path_(1, path);
      length = this.replica_.runtime_.json_(end, value);
    }
    this.edit_(length);
    if (isKey) this.learn_(path, 1, end);
  }
  /** @internal */
  protected readonly op_ = 1;
  /** @internal */
  protected override release_(known: Known, value: unknown): void {
    let length = -1;
    let whole = 0;
    if (typeof value == 'number' && value >>> 0 === value) whole = value;
    else length = this.replica_.runtime_.json_(0, value);
    known.held = undefined; // it is overwritten
    this.put_(known, 1, length, whole);
    known.batch = this.replica_.batch_;
  }
  /** Deletes what is at a key or path; an absent one is fine. */
  delete(path: string | readonly string[]): void {
    const known = this.known_.get(path);
    if (known !== undefined) known.held = undefined; // it is overwritten
    this.edit_(this.path_(2, path));
  }
  /**
   * The value at a key or path, or the whole map; undefined when there is none. Treat it as
   * read-only. The first look after a change reads the whole map, all others cost the path.
   */
  get(path?: string | readonly string[]): Json | undefined {
    let value = this.read_() as Json | undefined;
    if (path === undefined) return value;
    for (const name of typeof path == 'string' ? [path] : path) {
      if (!value || typeof value != 'object' || Array.isArray(value)) return undefined;
      value = Object.hasOwn(value, name) ? (value as Record<string, Json>)[name] : undefined;
    }
    return value;
  }
}

/** A set of JSON values, compared by their canonical JSON: the order of keys does not matter. */
export class ReplicaSet<T = Json> extends KeyedField {
  private change_(op: number, value: T): void {
    const known = this.known_.get(value);
    if (known !== undefined) {
      this.put_(known, op, 0, 0);
      known.batch = op == 1 ? this.replica_.batch_ : -1;
      return;
    }
    const runtime = this.replica_.runtime_;
    const end =
      this.compose_(String.fromCharCode(op), value) || runtime.json_(runtime.byte_(0, op), value);
    const count = this.edit_(end);
    if (op == 1 && count && typeof value != 'object') this.learn_(value, 1, end);
  }
  /** Adds a value. `limit` for one above 1 MiB and for more than 2^20 of them. */
  add(value: T): void {
    const known = this.known_.get(value);
    if (known !== undefined && known.batch == this.replica_.batch_) known.held = undefined;
    else this.change_(1, value);
  }
  /** Removes a value; an absent one is fine. */
  delete(value: T): void {
    const known = this.known_.get(value);
    if (known !== undefined && known.batch == this.replica_.batch_) this.hold_(known, 0);
    else this.change_(2, value);
  }
  /** @internal */
  protected readonly op_ = 2;
  /** Removes every value that is visible here. */
  clear(): void {
    this.replica_.flush_(); // from here on, what this batch added is not in it any more
    this.edit_(this.replica_.runtime_.byte_(0, 3));
  }
  /** Whether a value is in it. The first look after a change reads the whole set. */
  has(value: T): boolean {
    return (this.read_() as Map<string, T>).has(canonical(value));
  }
  /** The values in an order that is the same everywhere. */
  values(): readonly T[] {
    return [...(this.read_() as Map<string, T>).values()];
  }
  /** How many there are. */
  get size(): number {
    return (this.read_() as Map<string, T>).size;
  }
  /** @internal */
  protected override make_(): unknown {
    const values = JSON.parse(this.json_()) as T[];
    return new Map(values.map((value) => [canonical(value), value]));
  }
}

/** A counter: the sum of what all replicas added, within signed 64 bits. */
export class ReplicaCounter extends ReplicaField {
  private batch_ = -1; // in which steps are held back
  private held_ = 0; // their sum
  private stepped_ = -1; // the batch of the last step in WASM
  private room_ = 0; // how far it may go either way

  /**
   * Adds a whole number, a bigint beyond 2^53.
   * @throws SyncKitError `limit` when the value would leave 64 bits
   */
  increment(by: number | bigint = 1): void {
    if (typeof by == 'number' && (by | 0) === by && this.batch_ == this.replica_.batch_) {
      const sum = this.held_ + by;
      if (sum <= this.room_ && sum >= -this.room_) {
        this.held_ = sum;
        this.seen_ = -1;
        return;
      }
    }
    this.add_(by);
  }
  private add_(by: number | bigint): void {
    const { replica_ } = this;
    let low: number;
    let high: number;
    if (typeof by == 'number') {
      if (!Number.isSafeInteger(by)) {
        fail('malformed', 'the amount must be a whole number within 2^53, or a bigint');
      }
      low = by | 0;
      high = low === by ? low >> 31 : Math.floor(by / 2 ** 32);
    } else {
      if (BigInt.asIntN(64, by) !== by) fail('malformed', 'the amount is above 64 bits');
      low = Number(BigInt.asIntN(32, by));
      high = Number(by >> 32n);
    }
    this.flush_();
    const isLater = this.stepped_ == replica_.batch_ || this.batch_ == replica_.batch_;
    this.step_(low, high);
    if (isLater) this.begin_();
  }
  private step_(low: number, high: number): void {
    const { replica_ } = this;
    if (!replica_.ready_) replica_.begin_();
    this.stepped_ = replica_.batch_;
    const count = replica_.runtime_.add_(this.at_, low, high);
    this.seen_ = -1;
    if (count <= 0) replica_.settle_(count);
  }
  /** From here on steps are held back, where no sum of them can leave 64 bits. */
  private begin_(): void {
    const value = this.bigValue;
    const left = (1n << 63n) - 1n - (value < 0n ? -value : value);
    this.room_ = left < kMaxHeld ? Number(left) : kMaxHeld;
    if (this.batch_ == this.replica_.batch_) return;
    this.batch_ = this.replica_.batch_;
    this.replica_.holders_.push(this);
  }
  /** @internal */
  override flush_(): void {
    const sum = this.held_;
    this.held_ = 0;
    this.room_ -= Math.abs(sum);
    if (sum) this.step_(sum | 0, Math.floor(sum / 2 ** 32));
  }
  /** The value; throws `limit` when a number cannot hold it exactly: then use `bigValue`. */
  get value(): number {
    const value = Number(this.bigValue);
    return Number.isSafeInteger(value)
      ? value
      : fail('limit', 'the counter is beyond 2^53: read bigValue');
  }
  /** The exact value. */
  get bigValue(): bigint {
    return this.read_() as bigint;
  }
  /** @internal */
  protected override make_(): unknown {
    return BigInt(this.json_());
  }
}
