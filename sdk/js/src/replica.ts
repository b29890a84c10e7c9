// `synckit/replica` for browsers and workers: replica.wasm is fetched from beside this module.

import { BaseReplica, type ReplicaOptions } from './replica-core.js';
import { Runtime } from './replica-runtime.js';

let runtime: Promise<Runtime> | undefined;
const obtain = (source: ReplicaOptions['wasm']): Promise<Runtime> => {
  runtime ??= Runtime.load(source ?? new URL('replica.wasm', import.meta.url));
  runtime.catch(() => (runtime = undefined)); // so that the next call tries again
  return runtime;
};

/** A document without a session: edits, updates as bytes, snapshots. */
export class Replica extends BaseReplica {
  /** A new, empty one. `unavailable` when replica.wasm cannot be had. */
  static create(options: ReplicaOptions = {}): Promise<Replica> {
    return BaseReplica.create_(Replica, obtain(options.wasm), options);
  }
  /**
   * One that begins with a snapshot. To go on as the replica that made it (after a restart), give
   * its id, and make sure that nothing was committed after the snapshot: otherwise take a new one.
   */
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
