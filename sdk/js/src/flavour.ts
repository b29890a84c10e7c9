// What the entries for browsers share: storage by name, and the platform's WebSocket.

import type { WasmSource } from './core.js';
import { IndexedDbStorage } from './indexeddb.js';
import type { BaseKit, Flavour, KitOptions } from './kit.js';
import { MemoryStorage } from './storage.js';

export const browser = <D>(
  document: new (kit: BaseKit, id: string) => D,
  wasm: () => WasmSource,
): Flavour<D> => ({
  document,
  wasm,
  storage: (name) => (name == 'memory' ? new MemoryStorage() : new IndexedDbStorage()),
  socket: () => globalThis.WebSocket as unknown as KitOptions['WebSocket'],
});
