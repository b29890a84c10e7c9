// What the entries with storage export.
export type { Json } from './codec.js';
export type { WasmSource } from './core.js';
export type {
  ChangeEvent,
  ChangeState,
  DocumentEvents,
  Permission,
  RejectedEvent,
  Status,
} from './document.js';
export { SyncKitError, type ErrorCode } from './errors.js';
export type { Unsubscribe } from './events.js';
export type { MapChange, MapField, Origin, Path } from './field.js';
export { IndexedDbStorage } from './indexeddb.js';
export type { KitEvents, KitOptions, Socket } from './kit.js';
export type { CustomField, PluginType } from './plugin.js';
export type { Peer, Presence } from './presence.js';
export { MemoryStorage, type Row, type StorageAdapter, type StoreOp } from './storage.js';
