// IndexedDB, raw: the few calls that are needed are shorter than any wrapper of them.
//
// One database per kit name, shared by all its tabs, with one object store `rows` whose keys are
// outside: bytes, which IndexedDB orders as bytes, for rows, and strings for the ids of replicas.
// Every batch is one readwrite transaction with strict durability: when it completes, the bytes are
// on the disk, not in a cache.
//
// Locks are Web Locks, which the browser releases when a tab dies, however it dies.

import { fail, wrap } from './errors.js';
import type { Row, StorageAdapter, StoreOp } from './storage.js';

/** What TypeScript's IDBValidKey asks for: bytes that are not shared memory. */
type Key = Uint8Array<ArrayBuffer>;

const store = 'rows';
const bytesOf = (key: IDBValidKey): Uint8Array => new Uint8Array(key as ArrayBuffer);

/** The default storage in browsers. */
export class IndexedDbStorage implements StorageAdapter {
  private declare db_: IDBDatabase | undefined;
  private declare name_: string;
  private readonly held_ = new Set<() => void>();

  async open(name: string): Promise<void> {
    this.name_ = `synckit:${name}`;
    const request = indexedDB.open(this.name_, 1);
    await new Promise((resolve, reject) => {
      request.onupgradeneeded = () => request.result.createObjectStore(store);
      request.onsuccess = resolve;
      request.onerror = () => reject(request.error);
    });
    const db = (this.db_ = request.result);
    // Another tab deletes or upgrades the database: let it, and fail writes here loudly.
    db.onversionchange = () => db.close();
  }

  /** One transaction: resolves when it is complete. */
  private run_<T>(
    mode: IDBTransactionMode,
    body: (store: IDBObjectStore) => IDBRequest<T> | void,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const give = (error: unknown): void => {
        const full = (error as DOMException | null)?.name == 'QuotaExceededError';
        reject(wrap(full ? 'limit' : 'unavailable', 'IndexedDB', error));
      };
      try {
        const transaction = this.db_!.transaction(store, mode, { durability: 'strict' });
        const request = body(transaction.objectStore(store));
        transaction.oncomplete = () => resolve(request?.result as T);
        transaction.onabort = () => give(transaction.error);
      } catch (error) {
        give(error);
      }
    });
  }

  async load(first: Uint8Array, last: Uint8Array): Promise<Row[]> {
    const range = IDBKeyRange.bound(first as Key, last as Key);
    let keys: IDBRequest<IDBValidKey[]>;
    const values = await this.run_<Uint8Array[]>('readonly', (rows) => {
      keys = rows.getAllKeys(range);
      return rows.getAll(range);
    });
    return values.map((value, i) => [bytesOf(keys.result[i]!), value]);
  }
  private async keys_(isRow: boolean): Promise<any[]> {
    const keys = await this.run_('readonly', (rows) => rows.getAllKeys());
    return keys.filter((key) => (typeof key != 'string') == isRow);
  }
  async keys(): Promise<Uint8Array[]> {
    return (await this.keys_(true)).map(bytesOf);
  }
  write(batch: readonly StoreOp[]): Promise<void> {
    return this.run_('readwrite', (rows) => {
      for (const op of batch) {
        const key = op.key as Key;
        if ('last' in op) rows.delete(IDBKeyRange.bound(key, op.last as Key));
        else if (op.op == 'delete') rows.delete(key);
        else {
          // A view of a larger buffer would be stored with all of that buffer.
          const value = op.value.slice();
          if (op.op == 'put') rows.put(value, key);
          else {
            const old: IDBRequest<Uint8Array | undefined> = rows.get(key);
            old.onsuccess = () => {
              // As isStale, by the database's own order of bytes.
              const order = (n: number): number =>
                old.result ? indexedDB.cmp(old.result.slice(0, n), value.slice(0, n)) : -1;
              if (order(8) || order(16) < 0) rows.put(value, key);
            };
          }
        }
      }
    });
  }

  replicas(): Promise<string[]> {
    return this.keys_(false);
  }
  register(replica: string): Promise<any> {
    return this.run_('readwrite', (rows) => rows.put(0, replica));
  }
  async lock(replica: string): Promise<(() => void) | undefined> {
    const locks =
      navigator.locks ?? fail('unsupported', 'IndexedDB needs Web Locks: https or localhost');
    return new Promise((resolve, reject) => {
      locks
        .request(`${this.name_}:${replica}`, { ifAvailable: true }, (lock) => {
          if (!lock) return resolve(undefined);
          return new Promise<void>((release) => {
            this.held_.add(release);
            resolve(release);
          });
        })
        .catch(reject);
    });
  }

  async close(): Promise<void> {
    this.db_?.close(); // waits for transactions under way by itself
    for (const free of this.held_) free();
  }
}
