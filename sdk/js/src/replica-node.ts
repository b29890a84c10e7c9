// `synckit/replica` for Node: as replica.ts, but replica.wasm is a file.

import { webcrypto } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { WasmSource } from './core.js';
import { wrap } from './errors.js';
import { BaseReplica, type ReplicaOptions } from './replica-core.js';
import { Runtime } from './replica-runtime.js';

// Node 18 has Web Crypto, but not under its global name.
globalThis.crypto ??= webcrypto as Crypto;

const load = async (source: WasmSource): Promise<Runtime> => {
  const isFile = source instanceof URL ? source.protocol == 'file:' : typeof source == 'string';
  if (!isFile || /^https?:/.test(String(source))) return Runtime.load(source);
  const bytes = await readFile(source as URL | string).catch((error: unknown) => {
    throw wrap('replica.wasm cannot be read', error);
  });
  return Runtime.load(new Uint8Array(bytes));
};

let runtime: Promise<Runtime> | undefined;
const obtain = (source: ReplicaOptions['wasm']): Promise<Runtime> => {
  runtime ??= load(source ?? new URL('replica.wasm', import.meta.url));
  runtime.catch(() => (runtime = undefined)); // so that the next call tries again
  return runtime;
};

/** A document without a session: edits, updates as bytes, snapshots. */
export class Replica extends BaseReplica {
  /** A new, empty one. `unavailable` when replica.wasm cannot be had. */
  static create(options: ReplicaOptions = {}): Promise<Replica> {
    return BaseReplica.create_(Replica, obtain(options.wasm), options);
  }
  /** One that begins with a snapshot; as in browsers. */
  static load(snapshot: Uint8Array, options: ReplicaOptions = {}): Promise<Replica> {
    return BaseReplica.create_(Replica, obtain(options.wasm), options, snapshot);
  }
}

export type { Json } from './codec.js';
export type { WasmSource } from './core.js';
export { SyncKitError, type ErrorCode } from './errors.js';
export type { Applied, ReplicaOptions } from './replica-core.js';
export {
  ReplicaCounter,
  ReplicaMap,
  ReplicaSet,
  ReplicaText,
} from './replica-fields.js';
export { ReplicaUndo } from './replica-undo.js';
export type { AnchorPosition, AnchorSide, UndoManager, UndoOptions } from './undo.js';
