// `synckit/node`: the default package for Node 18 and newer. Data is kept in files (FileStorage) or
// in memory; connections are made by the platform's WebSocket or, where there is none, by `ws`.

import { webcrypto } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { WasmSource } from './core.js';
import { FileStorage } from './file.js';
import { createFullDocument, type SyncKit as BaseSyncKit } from './index.js';
import type { KitOptions, Socket } from './kit.js';
import { loadPlugin as load, type PluginType } from './plugin.js';
import { MemoryStorage, type StorageAdapter } from './storage.js';
import { openStored } from './stored.js';

// Node 18 has Web Crypto, but not under its global name.
globalThis.crypto ??= webcrypto as Crypto;

/** Node's fetch reads no files. */
const fromFile = async (source: WasmSource): Promise<WasmSource> => {
  const isFile = source instanceof URL ? source.protocol == 'file:' : typeof source == 'string';
  return isFile && !/^https?:/.test(String(source))
    ? new Uint8Array(await readFile(source as URL | string))
    : source;
};

/** Options in Node: data goes to a directory, or nowhere. */
export interface NodeKitOptions extends Omit<KitOptions, 'storage'> {
  /** A directory (one process at a time per kit name), 'memory' (the default), or an adapter. */
  storage?: string | StorageAdapter;
}

/** SyncKit in Node: as in the default package, except for where data is kept. */
export type SyncKit = BaseSyncKit;
export const SyncKit = {
  /** Opens the store, and starts to connect when there is a `url`. */
  async open(options: NodeKitOptions = {}): Promise<SyncKit> {
    const { storage: place = 'memory', ...rest } = options;
    const wasm = await fromFile(
      options.wasm ?? options.types?.[0]?.wasm_ ?? new URL('core.wasm', import.meta.url),
    );
    const storage =
      typeof place == 'object'
        ? place
        : place == 'memory'
          ? new MemoryStorage()
          : new FileStorage(place);
    const WebSocket = (globalThis.WebSocket ??
      (await import('ws')).WebSocket) as unknown as new (url: string) => Socket;
    return openStored(
      createFullDocument,
      { WebSocket, ...rest },
      storage,
      wasm,
    ) as Promise<SyncKit>;
  },
};

/** Loads a plugin from a file, a URL or bytes; as `loadPlugin` of the default package. */
export const loadPlugin = async (source: WasmSource): Promise<PluginType> =>
  load(await fromFile(source));

export * from './public.js';
export type { Document } from './index.js';
export { FileStorage } from './file.js';
export type { CounterField, SetField, TextField } from './fields.js';
export { moveCaret, textDiff, type SetChange, type TextOp } from './views.js';
