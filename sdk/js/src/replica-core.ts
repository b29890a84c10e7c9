// Replicas: documents without a session. No host, no store, no events: edits go in, updates come
// out as bytes, and what others send goes in as bytes. For whoever has a transport of their own,
// for tools, tests and benchmarks.
//
// One call into WASM per edit. An edit's clock is taken when the first edit after a commit or an
// apply is made (`open_`); see sdk/wasm/replica.cpp for what an open batch is.

import { canonical, decoder, hex, hex64, type Json, Reader } from './codec.js';
import type { WasmSource } from './core.js';
import { fail } from './errors.js';
import { kTextAt, type Runtime } from './replica-runtime.js';

/** How a replica is made. */
export interface ReplicaOptions {
  /**
   * The id under which it writes: 1 to 2^64 - 1. Two replicas that write at the same time must
   * never have the same one. Left out: random, which is right unless you store it.
   */
  replica?: bigint;
  /** replica.wasm, where it does not lie beside the module. The first one loaded serves all. */
  wasm?: WasmSource;
}

/** What `apply` did: merged, known before, or kept until what it builds on is there. */
export type Applied = 'merged' | 'known' | 'waiting';
const outcomes: readonly Applied[] = ['merged', 'known', 'waiting'];

const randomReplica = (): bigint => {
  const [id] = crypto.getRandomValues(new BigUint64Array(1));
  return id || 1n;
};

const whole = (n: number, what: string): never =>
  fail('malformed', `${what} must be a whole number from 0 to 2^32 - 1, not ${n}`);

/** A document without a session. Made by `Replica.create` and `Replica.load`. */
export class BaseReplica {
  /** Whether the clock of the open batch was taken. @internal */
  open_ = false;
  /** Counts the calls of `apply`: values read before may have changed. @internal */
  applies_ = 0;
  private at_: number;
  private readonly fields_ = new Map<string, ReplicaField>();
  private readonly root_: ReplicaMap;

  /** @internal */
  constructor(
    /** @internal */ readonly runtime_: Runtime,
    /** The id under which this replica writes. */
    readonly id: bigint,
  ) {
    if (id <= 0n || BigInt.asUintN(64, id) !== id) {
      fail('malformed', 'the replica id must be between 1 and 2^64 - 1');
    }
    this.at_ = runtime_.new_(Number(id & 0xffffffffn), Number(id >> 32n));
    this.root_ = this.map('');
  }

  /** @internal */
  static async create_<R extends BaseReplica>(
    make: new (runtime: Runtime, id: bigint) => R,
    runtime: Promise<Runtime>,
    options: ReplicaOptions,
    snapshot?: Uint8Array,
  ): Promise<R> {
    const made = new make(await runtime, options.replica ?? randomReplica());
    try {
      if (snapshot) made.apply(snapshot);
      return made;
    } catch (error) {
      made.destroy();
      throw error;
    }
  }

  // ---- fields --------------------------------------------------------------------------------

  private field_<F extends ReplicaField>(
    make: new (replica: BaseReplica, at: number) => F,
    name: string,
    type: string,
  ): F {
    const key = `${type}/${name}`;
    let field = this.fields_.get(key);
    if (!field) {
      const runtime = this.runtime_;
      const first = runtime.text_(0, name);
      const end = runtime.text_(first, type);
      const at = runtime.field_(this.handle_(), first, end - first);
      if (!at) runtime.fail_(-3); // the name is too long: the one thing that can be wrong here
      this.fields_.set(key, (field = new make(this, at)));
    }
    return field as F;
  }

  /** A collaborative text; comes into being by its first edit. The name has at most 256 bytes. */
  text(name: string): ReplicaText {
    return this.field_(ReplicaText, name, 'text');
  }
  /** A map from paths to JSON values; without a name the one of `replica.set` and `replica.get`. */
  map(name = ''): ReplicaMap {
    return this.field_(ReplicaMap, name, 'lww');
  }
  /** A set of JSON values, in which an add wins over a concurrent remove. */
  setOf<T = Json>(name: string): ReplicaSet<T> {
    return this.field_(ReplicaSet, name, 'set') as ReplicaSet<unknown> as ReplicaSet<T>;
  }
  /** A counter, to which all replicas add. */
  counter(name: string): ReplicaCounter {
    return this.field_(ReplicaCounter, name, 'counter');
  }
  /** `map().set`. */
  set(path: string | readonly string[], value: Json): void {
    this.root_.set(path, value);
  }
  /** `map().get`. */
  get(path?: string | readonly string[]): Json | undefined {
    return this.root_.get(path);
  }
  /** `map().delete`. */
  delete(path: string | readonly string[]): void {
    this.root_.delete(path);
  }

  // ---- updates -------------------------------------------------------------------------------

  /**
   * All edits since the last commit as one update for `apply` elsewhere; empty when there were
   * none. Give every replica the updates of this one in their order, or let `apply` wait.
   *
   * Up to 64 KiB of edits are one transaction in SyncKit's wire format. More of them, and edits
   * that were interrupted by `apply` or `snapshot`, come as a catch-up: what they made of the
   * document, without what they overwrote. Both are for `apply`; a host takes transactions only.
   *
   * Small updates are views into a shared `buffer` of 64 KiB: copy one (`slice`) before you
   * transfer it or keep it alone for long.
   */
  commit(): Uint8Array {
    this.open_ = false;
    const length = this.runtime_.commit_(this.handle_());
    if (length < 0) this.runtime_.fail_(length);
    return length ? this.runtime_.take_(length) : new Uint8Array();
  }

  /**
   * Merges an update or a snapshot of another replica. Twice is as good as once, and order does not
   * matter: an update that builds on what is not here yet waits for it.
   * @throws SyncKitError `malformed` for bytes that are no update; `limit` when more than 1,024
   *   transactions, 64 catch-ups or 8 MiB of either would wait; `conflict` when a second replica
   *   writes with this one's id. The replica is then as it was before.
   */
  apply(update: Uint8Array): Applied {
    const runtime = this.runtime_;
    const at = this.handle_();
    this.open_ = false;
    this.applies_++;
    const length = runtime.put_(0, update);
    const outcome = runtime.apply_(at, length);
    runtime.shrunk_();
    return outcome < 0 ? runtime.fail_(outcome) : outcomes[outcome]!;
  }

  /** Everything, as bytes for `Replica.load` or `apply`. Equal documents give equal bytes. */
  snapshot(): Uint8Array {
    this.open_ = false;
    const code = this.runtime_.snapshot_(this.handle_());
    if (code < 0) this.runtime_.fail_(code);
    return this.runtime_.data_().slice();
  }

  /** The highest seq of each replica (16 hex digits) that is in here; of own edits, committed. */
  version(): Record<string, number> {
    this.runtime_.version_(this.handle_());
    const seqs: Record<string, number> = {};
    for (const r = new Reader(this.runtime_.data_()); r.left; ) seqs[hex(r)] = r.uint(8);
    return seqs;
  }

  /** 16 hex digits that depend on all values and on nothing else. */
  digest(): string {
    const code = this.runtime_.digest_(this.handle_());
    if (code < 0) this.runtime_.fail_(code);
    return hex64(this.runtime_.value_(0), this.runtime_.value_(1));
  }

  /** Frees the memory in WASM, which nothing else does. Using it or its fields is then `closed`. */
  destroy(): void {
    if (!this.at_) return;
    this.runtime_.free_(this.at_);
    this.at_ = 0;
    this.open_ = false;
  }

  /** @internal */
  handle_(): number {
    return this.at_ || fail('closed', 'the replica was destroyed');
  }
  /** Before the first edit of a batch: takes its clock. @internal */
  begin_(): void {
    this.runtime_.clock_(this.handle_(), Date.now());
    this.open_ = true;
  }
  /** After an edit that took no dots: it failed, or had nothing to do. @internal */
  settle_(count: number): void {
    this.open_ = false;
    if (count < 0) this.runtime_.fail_(count);
  }
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
  /** @internal */
  protected json_(): string {
    this.replica_.handle_();
    const runtime = this.replica_.runtime_;
    const code = runtime.view_(this.at_);
    if (code < 0) runtime.fail_(code);
    return decoder.decode(runtime.data_());
  }
  /** Carries out the intent that was composed in scratch. @internal */
  protected edit_(length: number): void {
    const { replica_ } = this;
    if (!replica_.open_) replica_.begin_();
    const count = replica_.runtime_.edit_(this.at_, length);
    this.seen_ = -1;
    if (count <= 0) replica_.settle_(count);
  }
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
    if (!replica_.open_) replica_.begin_();
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

/**
 * A map from paths to JSON values. Of concurrent writes to one path the one with the later clock
 * stays.
 */
export class ReplicaMap extends ReplicaField {
  private path_(op: number, path: string | readonly string[]): number {
    const runtime = this.replica_.runtime_;
    runtime.byte_(0, op);
    if (typeof path == 'string') return runtime.sized_(runtime.byte_(1, 1), path);
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
    this.edit_(this.replica_.runtime_.json_(this.path_(1, path), value));
  }
  /** Deletes what is at a key or path; an absent one is fine. */
  delete(path: string | readonly string[]): void {
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
export class ReplicaSet<T = Json> extends ReplicaField {
  private change_(op: number, value: T): void {
    const runtime = this.replica_.runtime_;
    this.edit_(runtime.json_(runtime.byte_(0, op), value));
  }
  /** Adds a value. `limit` for one above 1 MiB and for more than 2^20 of them. */
  add(value: T): void {
    this.change_(1, value);
  }
  /** Removes a value; an absent one is fine. */
  delete(value: T): void {
    this.change_(2, value);
  }
  /** Removes every value that is visible here. */
  clear(): void {
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
  /**
   * Adds a whole number, a bigint beyond 2^53.
   * @throws SyncKitError `limit` when the value would leave 64 bits
   */
  increment(by: number | bigint = 1): void {
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
    if (!replica_.open_) replica_.begin_();
    const count = replica_.runtime_.add_(this.at_, low, high);
    this.seen_ = -1;
    if (count <= 0) replica_.settle_(count);
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
