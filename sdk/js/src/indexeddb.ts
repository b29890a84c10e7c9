// IndexedDB, raw: the few calls that are needed are shorter than any wrapper of them.
//
// One database per kit name, shared by all its tabs. Two object stores with keys outside: `rows`,
// whose keys are bytes, which IndexedDB orders as bytes, and `replicas`. Every batch is one
// readwrite transaction with strict durability: when it completes, the bytes are on the disk, not
// in a cache.
//
// Locks are Web Locks, which the browser releases when a tab dies, however it dies.

import { SyncKitError, wrap } from './errors.js';
import { isStale, type Row, type StorageAdapter, type StoreOp } from './storage.js';

/** What TypeScript's IDBValidKey asks for: bytes that are not shared memory. */
type Key = Uint8Array<ArrayBuffer>;

const result = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** The default storage in browsers. */
export class IndexedDbStorage implements StorageAdapter {
  private db_: IDBDatabase | undefined;
  private name_ = '';
  private readonly held_ = new Set<() => void>();

  async open(name: string): Promise<void> {
    this.name_ = `synckit:${name}`;
    try {
      const request = indexedDB.open(this.name_, 1);
      request.onupgradeneeded = () => {
        request.result.createObjectStore('rows');
        request.result.createObjectStore('replicas');
      };
      this.db_ = await result(request);
    } catch (error) {
      throw wrap('unavailable', 'IndexedDB cannot be opened', error);
    }
    // Another tab deletes or upgrades the database: let it, and fail writes here loudly.
    this.db_.onversionchange = () => this.db_?.close();
  }

  private run_<T>(
    store: 'rows' | 'replicas',
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
        let value: T;
        const request = body(transaction.objectStore(store));
        if (request) request.onsuccess = () => (value = request.result);
        transaction.oncomplete = () => resolve(value);
        transaction.onabort = () => give(transaction.error);
      } catch (error) {
        give(error);
      }
    });
  }

  async load(first: Uint8Array, last: Uint8Array): Promise<Row[]> {
    const range = IDBKeyRange.bound(first as Key, last as Key);
    let keys: IDBRequest<IDBValidKey[]> | undefined;
    const values = await this.run_<Uint8Array[]>('rows', 'readonly', (rows) => {
      keys = rows.getAllKeys(range);
      return rows.getAll(range);
    });
    return keys!.result.map((key, i) => [new Uint8Array(key as ArrayBuffer), values[i]!]);
  }
  async keys(): Promise<Uint8Array[]> {
    const keys = await this.run_('rows', 'readonly', (rows) => rows.getAllKeys());
    return keys.map((key) => new Uint8Array(key as ArrayBuffer));
  }

  async write(batch: readonly StoreOp[]): Promise<void> {
    await this.run_('rows', 'readwrite', (rows) => {
      for (const op of batch) {
        if (op.op == 'delete') rows.delete(op.key as Key);
        else if (op.op == 'delete-range')
          rows.delete(IDBKeyRange.bound(op.key as Key, op.last as Key));
        else {
          // A view of a larger buffer would be stored with all of that buffer.
          const value = op.value.slice();
          if (op.op == 'put') rows.put(value, op.key as Key);
          else {
            const key = op.key as Key;
            const old: IDBRequest<Uint8Array | undefined> = rows.get(key);
            old.onsuccess = () => isStale(old.result, value) || rows.put(value, key);
          }
        }
      }
    });
  }

  replicas(): Promise<string[]> {
    return this.run_('replicas', 'readonly', (s) => s.getAllKeys() as IDBRequest<string[]>);
  }
  async register(replica: string): Promise<void> {
    await this.run_('replicas', 'readwrite', (s) => s.put(Date.now(), replica));
  }
  lock(replica: string): Promise<(() => void) | undefined> {
    const locks = globalThis.navigator?.locks;
    if (!locks) {
      return Promise.reject(
        new SyncKitError('unsupported', 'IndexedDB storage needs Web Locks (a secure context)'),
      );
    }
    return new Promise((resolve, reject) => {
      locks
        .request(`${this.name_}:${replica}`, { ifAvailable: true }, (lock) => {
          if (!lock) return resolve(undefined);
          return new Promise<void>((release) => {
            const free = (): void => {
              this.held_.delete(free);
              release();
            };
            this.held_.add(free);
            resolve(free);
          });
        })
        .catch(reject);
    });
  }

  async close(): Promise<void> {
    this.db_?.close(); // waits for transactions under way by itself
    for (const free of [...this.held_]) free();
  }
}
