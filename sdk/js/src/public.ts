// What every entry of the package exports.
export type { Json } from './codec.js';
export type { WasmSource } from './core.js';
export type {
  ChangeEvent,
  ChangeState,
  DocumentEvents,
  Peer,
  Permission,
  Presence,
  RejectedEvent,
  Status,
} from './document.js';
export { SyncKitError, type ErrorCode } from './errors.js';
export type { MapChange, MapField, Origin, Path, Unsubscribe } from './field.js';
export { IndexedDbStorage } from './indexeddb.js';
export type { KitEvents, KitOptions, Socket } from './kit.js';
export type { PluginType } from './plugin.js';
export { MemoryStorage, type Row, type StorageAdapter, type StoreOp } from './storage.js';
