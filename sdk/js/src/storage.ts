// What a place to keep data must do, and the simplest one: memory.
//
// To the storage, data is rows: opaque keys and values, both bytes, keys ordered as bytes. The
// engine chooses them (sdk/client/FORMAT.md). A database may be shared by several tabs: rows of a
// document's log and snapshot are written alike by all of them, the others belong to one replica,
// and only the instance that holds that replica's lock writes them.
//
// A batch is atomic and durable when its promise resolves: only then a change counts as saved, and
// only then it may leave the device.

/** One step of a batch. */
export type StoreOp =
  /** Writes a row. */
  | { op: 'put'; key: Uint8Array; value: Uint8Array }
  /**
   * Writes a row unless `isStale(stored, value)`: another tab has stored a newer snapshot.
   */
  | { op: 'put-newer'; key: Uint8Array; value: Uint8Array }
  /** Deletes a row; an absent one is fine. */
  | { op: 'delete'; key: Uint8Array }
  /** Deletes all rows from `key` to `last`, both included. */
  | { op: 'delete-range'; key: Uint8Array; last: Uint8Array };

/** A row: key and value. */
export type Row = readonly [key: Uint8Array, value: Uint8Array];

/**
 * A place that keeps a kit's data. Bytes belong to whom they are handed: values, unlike keys, are
 * no views of larger buffers. Errors become `unavailable`, but for those whose name is
 * QuotaExceededError, which become `limit`, and for SyncKitErrors, which stay.
 */
export interface StorageAdapter {
  /** Called once, with the name of the kit, before anything else. */
  open(name: string): Promise<void>;
  /** The rows from `first` to `last`, both included, ascending by key. */
  load(first: Uint8Array, last: Uint8Array): Promise<Row[]>;
  /** All keys. */
  keys(): Promise<Uint8Array[]>;
  /** Applies a batch: all of it, durably, or (rejecting) nothing. */
  write(batch: readonly StoreOp[]): Promise<void>;
  /** Replicas that were registered here, 16 hex digits each. */
  replicas(): Promise<string[]>;
  /** Remembers a replica, durably. */
  register(replica: string): Promise<void>;
  /**
   * The exclusive right to write as a replica, held until the returned function is called or this
   * process or tab is gone; undefined when somebody else holds it.
   */
  lock(replica: string): Promise<(() => void) | undefined>;
  /** Releases everything; waits for batches under way. */
  close(): Promise<void>;
}

/** Bytes as a string of Latin-1: strings compare as their bytes do. */
export const latin1 = (bytes: Iterable<number>): string => {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
};

/**
 * Whether a `put-newer` must leave what is stored alone: the first 8 bytes (the epoch) are equal,
 * and the next 8 (the position), compared as bytes, are not lower.
 */
export const isStale = (stored: Uint8Array | undefined, value: Uint8Array): boolean => {
  const [old, now] = [stored ?? [], value].map((v) => latin1(v.slice(0, 16)));
  return old!.length > 15 && old!.slice(0, 8) == now!.slice(0, 8) && old! >= now!;
};

/** Keeps everything in memory: gone with the page or process. For tests and throw-away kits. */
export class MemoryStorage implements StorageAdapter {
  /** Rows by the key's bytes as Latin-1. @internal */
  readonly rows_ = new Map<string, Row>();
  /** @internal */
  readonly replicas_ = new Set<string>();
  private readonly locks_ = new Set<string>();

  /** The names of rows from `first` to `last`, ascending. */
  private range_(first: Uint8Array, last: Uint8Array): string[] {
    const [low, high] = [latin1(first), latin1(last)];
    return [...this.rows_.keys()].filter((name) => low <= name && name <= high).sort();
  }
  /** @internal */
  apply_(op: StoreOp): void {
    const { rows_: rows } = this;
    const name = latin1(op.key);
    if ('last' in op) for (const found of this.range_(op.key, op.last)) rows.delete(found);
    else if (op.op == 'delete') rows.delete(name);
    else if (op.op == 'put' || !isStale(rows.get(name)?.[1], op.value)) {
      rows.set(name, [op.key.slice(), op.value.slice()]);
    }
  }

  async open(): Promise<void> {}
  async load(first: Uint8Array, last: Uint8Array): Promise<Row[]> {
    return this.range_(first, last).map((name) => this.rows_.get(name)!);
  }
  async keys(): Promise<Uint8Array[]> {
    return [...this.rows_.values()].map(([key]) => key);
  }
  async write(batch: readonly StoreOp[]): Promise<void> {
    for (const op of batch) this.apply_(op);
  }
  async replicas(): Promise<string[]> {
    return [...this.replicas_];
  }
  async register(replica: string): Promise<void> {
    this.replicas_.add(replica);
  }
  async lock(replica: string): Promise<(() => void) | undefined> {
    if (this.locks_.has(replica)) return undefined;
    this.locks_.add(replica);
    return () => void this.locks_.delete(replica);
  }
  async close(): Promise<void> {}
}
