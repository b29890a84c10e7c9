// Replicas: documents without a session. No host, no store, no events: edits go in, updates come
// out as bytes, and what others send goes in as bytes. For whoever has a transport of their own,
// for tools, tests and benchmarks.
//
// At most one call into WASM per edit; see sdk/wasm/replica.cpp for what an open batch is. Nobody
// can see the steps between the edits of one batch, so what the batch itself overwrites is held
// back here (replica-fields.ts), and its last state is what WASM gets when somebody looks.

import { hex64, seqsOf, type Json } from './codec.js';
import type { WasmSource } from './core.js';
import { fail } from './errors.js';
import {
  type ReplicaField,
  ReplicaCounter,
  ReplicaMap,
  ReplicaSet,
  ReplicaText,
} from './replica-fields.js';
import type { Runtime } from './replica-runtime.js';
import { ReplicaUndo } from './replica-undo.js';
import type { UndoOptions } from './undo.js';

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

const kTimedBatches = 64;

const randomReplica = (): bigint => {
  const [id] = crypto.getRandomValues(new BigUint64Array(1));
  return id || 1n;
};

/** A document without a session. Made by `Replica.create` and `Replica.load`. */
export class BaseReplica {
  /** Whether the next edit needs no `begin_`. @internal */
  ready_ = false;
  /** Counts the calls of `apply`: values read before may have changed. @internal */
  applies_ = 0;
  /** Counts what ends a batch: from there on nothing is overwritten by later edits. @internal */
  batch_ = 0;
  /** The fields that hold edits of this batch back. @internal */
  readonly holders_: ReplicaField[] = [];
  private due_ = 0; // the batch that needs a `begin_` again
  private forgets_ = false; // whether the end of the task sees to it that the next one does
  private at_: number;
  private undo_: ReplicaUndo | undefined;
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
    this.close_();
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
    this.close_();
    this.applies_++;
    const length = runtime.put_(0, update);
    const outcome = runtime.apply_(at, length);
    runtime.shrunk_();
    return outcome < 0 ? runtime.fail_(outcome) : outcomes[outcome]!;
  }

  /** Everything, as bytes for `Replica.load` or `apply`. Equal documents give equal bytes. */
  snapshot(): Uint8Array {
    this.close_();
    const code = this.runtime_.snapshot_(this.handle_());
    if (code < 0) this.runtime_.fail_(code);
    return this.runtime_.data_().slice();
  }

  /**
   * Begins to record own edits, in all fields, so that they can be undone. Edits made before, and
   * those of others, cannot. One for a replica: a second call forgets what the first recorded.
   */
  undoManager(options: UndoOptions = {}): ReplicaUndo {
    const { depth = 200, groupMs = 500 } = options;
    if (depth >>> 0 !== depth || !depth) {
      fail('malformed', `depth must be a whole number from 1 to 2^32 - 1, not ${depth}`);
    }
    this.ready_ = false;
    this.due_ = 0;
    return (this.undo_ = new ReplicaUndo(this, depth, groupMs));
  }

  /** The highest seq of each replica (16 hex digits) that is in here; of own edits, committed. */
  version(): Record<string, number> {
    this.runtime_.version_(this.handle_());
    return seqsOf(this.runtime_.data_());
  }

  /** 16 hex digits that depend on all values and on nothing else. */
  digest(): string {
    this.flush_();
    const code = this.runtime_.digest_(this.handle_());
    if (code < 0) this.runtime_.fail_(code);
    return hex64(this.runtime_.value_(0), this.runtime_.value_(1));
  }

  /** Frees the memory in WASM, which nothing else does. Using it or its fields is then `closed`. */
  destroy(): void {
    if (!this.at_) return;
    this.runtime_.free_(this.at_);
    this.at_ = 0;
    this.ready_ = false;
    this.due_ = 0;
    this.batch_++;
    this.holders_.length = 0;
  }

  /** @internal */
  handle_(): number {
    return this.at_ || fail('closed', 'the replica was destroyed');
  }
  /** Hands on what all fields hold back. @internal */
  flush_(): void {
    for (let field; (field = this.holders_.pop()); ) field.flush_();
    this.batch_++;
  }
  private close_(): void {
    if (this.holders_.length) this.flush_();
    else this.batch_++;
    this.ready_ = this.batch_ < this.due_;
  }
  /**
   * Before an edit that may be the first of its batch. The time is read once a task and at least
   * for every 64th batch: that costs as much as an edit, and a replica's clock rises by itself.
   * With undo it is read for each. @internal
   */
  begin_(): void {
    this.handle_();
    const now = Date.now();
    this.runtime_.time_(now);
    this.ready_ = true;
    if (this.undo_) return this.undo_.begin_(now);
    this.due_ = this.batch_ + kTimedBatches;
    if (this.forgets_) return;
    this.forgets_ = true;
    void Promise.resolve().then(() => {
      this.forgets_ = this.ready_ = false;
      this.due_ = 0;
    });
  }
  /** After an edit that took no dots: it failed, or had nothing to do. @internal */
  settle_(count: number): void {
    this.ready_ = false;
    if (count < 0) this.runtime_.fail_(count);
  }
}
