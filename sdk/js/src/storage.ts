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
 * A place that keeps a kit's data. The bytes in a batch are borrowed until its promise settles,
 * the bytes that are handed out belong to the caller. Errors: SyncKitError, `limit` when the place
 * is full and `unavailable` for the rest.
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

/** Orders keys as bytes. */
export const compareBytes = (a: Uint8Array, b: Uint8Array): number => {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
};

/**
 * Whether a `put-newer` must leave what is stored alone: the first 8 bytes (the epoch) are equal,
 * and the next 8 (the position), compared as bytes, are not lower.
 */
export const isStale = (stored: Uint8Array | undefined, value: Uint8Array): boolean =>
  !!stored &&
  stored.length > 15 &&
  value.length > 15 &&
  !compareBytes(stored.subarray(0, 8), value.subarray(0, 8)) &&
  compareBytes(stored.subarray(8, 16), value.subarray(8, 16)) >= 0;

/** A table in memory: what the memory and the file storage share. */
export class RowTable {
  /** By the key's bytes as Latin-1, which orders as the bytes do. */
  readonly rows = new Map<string, Row>();
  readonly replicas = new Set<string>();

  private range_(first: Uint8Array, last: Uint8Array): [string, Row][] {
    return [...this.rows]
      .filter(([, [key]]) => compareBytes(first, key) <= 0 && compareBytes(key, last) <= 0)
      .sort(([, [a]], [, [b]]) => compareBytes(a, b));
  }
  apply(op: StoreOp): void {
    const name = String.fromCharCode(...op.key);
    if (op.op == 'delete') this.rows.delete(name);
    else if (op.op == 'delete-range') {
      for (const [found] of this.range_(op.key, op.last)) this.rows.delete(found);
    } else if (op.op == 'put' || !isStale(this.rows.get(name)?.[1], op.value)) {
      this.rows.set(name, [op.key.slice(), op.value.slice()]);
    }
  }
  load(first: Uint8Array, last: Uint8Array): Row[] {
    return this.range_(first, last).map(([, row]) => row);
  }
  keys(): Uint8Array[] {
    return [...this.rows.values()].map(([key]) => key);
  }
}

/** Keeps everything in memory: gone with the page or process. For tests and throw-away kits. */
export class MemoryStorage implements StorageAdapter {
  private readonly table_ = new RowTable();
  private readonly locks_ = new Set<string>();

  async open(): Promise<void> {}
  async load(first: Uint8Array, last: Uint8Array): Promise<Row[]> {
    return this.table_.load(first, last);
  }
  async keys(): Promise<Uint8Array[]> {
    return this.table_.keys();
  }
  async write(batch: readonly StoreOp[]): Promise<void> {
    for (const op of batch) this.table_.apply(op);
  }
  async replicas(): Promise<string[]> {
    return [...this.table_.replicas];
  }
  async register(replica: string): Promise<void> {
    this.table_.replicas.add(replica);
  }
  async lock(replica: string): Promise<(() => void) | undefined> {
    if (this.locks_.has(replica)) return undefined;
    this.locks_.add(replica);
    return () => void this.locks_.delete(replica);
  }
  async close(): Promise<void> {}
}
