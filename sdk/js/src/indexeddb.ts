// IndexedDB, raw: the few calls that are needed are shorter than any wrapper of them.
//
// One database per kit name, shared by all its tabs, with one object store `rows` whose keys are
// outside: bytes, which IndexedDB orders as bytes, for rows, and strings for the ids of replicas.
// Every batch is one readwrite transaction with strict durability: when it completes, the bytes are
// on the disk, not in a cache.
//
// Locks are Web Locks, which the browser releases when a tab dies, however it dies.

import { fail } from './errors.js';
import type { Row, StorageAdapter, StoreOp } from './storage.js';

/** What TypeScript's IDBValidKey asks for: bytes that are not shared memory. */
type Key = Uint8Array<ArrayBuffer>;

const store = 'rows';
const bytesOf = (key: IDBValidKey): Uint8Array => new Uint8Array(key as ArrayBuffer);

/** The default storage in browsers. */
export class IndexedDbStorage implements StorageAdapter {
  private declare db_: IDBDatabase | undefined;
  private declare name_: string;

  open(name: string): Promise<void> {
    const request = indexedDB.open((this.name_ = `synckit:${name}`), 1);
    request.onupgradeneeded = () => request.result.createObjectStore(store);
    return new Promise((resolve, reject) => {
      request.onsuccess = () => {
        const db = (this.db_ = request.result);
        // Another tab deletes or upgrades the database: let it, and fail writes here loudly.
        db.onversionchange = () => db.close();
        resolve();
      };
      request.onerror = () => reject(request.error);
    });
  }

  /** One transaction: resolves when it is complete. */
  private run_<T>(
    mode: IDBTransactionMode,
    body: (store: IDBObjectStore) => IDBRequest<T> | void,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const transaction = this.db_!.transaction(store, mode, { durability: 'strict' });
      const request = body(transaction.objectStore(store));
      transaction.oncomplete = () => resolve(request?.result as T);
      transaction.onabort = () => reject(transaction.error);
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
  /** Keys that are bytes come after keys that are strings. */
  private keys_(side: 'lowerBound' | 'upperBound'): Promise<any[]> {
    return this.run_('readonly', (rows) => rows.getAllKeys(IDBKeyRange[side](new Uint8Array())));
  }
  async keys(): Promise<Uint8Array[]> {
    return (await this.keys_('lowerBound')).map(bytesOf);
  }
  write(batch: readonly StoreOp[]): Promise<void> {
    return this.run_('readwrite', (rows) => {
      for (const { op, key, last, value } of batch as readonly any[]) {
        if (!value) rows.delete(last ? IDBKeyRange.bound(key, last) : key);
        else if (op == 'put') rows.put(value, key);
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
    });
  }

  replicas(): Promise<string[]> {
    return this.keys_('upperBound');
  }
  register(replica: string): Promise<any> {
    return this.run_('readwrite', (rows) => rows.put(0, replica));
  }
  async lock(replica: string): Promise<(() => void) | undefined> {
    const locks =
      navigator.locks ?? fail('unsupported', 'IndexedDB needs Web Locks: https or localhost');
    return new Promise((resolve, reject) => {
      locks
        .request(
          `${this.name_}:${replica}`,
          { ifAvailable: true },
          // Held until what this new promise resolves with, which is handed out, is called.
          (lock) => (lock ? new Promise<void>(resolve) : resolve(undefined)),
        )
        .catch(reject);
    });
  }

  async close(): Promise<void> {
    this.db_?.close(); // waits for transactions under way by itself
  }
}
