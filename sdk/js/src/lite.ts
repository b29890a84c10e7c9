// `synckit/lite`: maps only, in memory, for the smallest bundle. What a page writes is sent as soon
// as there is a connection, and is gone with the page when there was none; a document that others
// fill with text, sets or counters keeps them, unread.

import { hex, type Json } from './codec.js';
import { createCore, randomId } from './core.js';
import { createDocument, type BaseDocument } from './document.js';
import { createKit, type BaseKit, type LiteOptions, type MakeDocument } from './kit.js';

/** As SyncKit of the default package, with documents that are maps, and nothing stored. */
export interface SyncKit extends BaseKit {
  /** The document of that id (1 to 512 bytes); the same object while it is open. */
  document<T extends object = Record<string, Json>>(id: string): BaseDocument<T>;
}
export const SyncKit = {
  /**
   * Loads the engine, and starts to connect when there is a `url`.
   * @throws SyncKitError `unavailable` when core-lite.wasm cannot be had
   */
  async open(options: LiteOptions = {}): Promise<SyncKit> {
    const wasm = options.wasm ?? new URL('core-lite.wasm', import.meta.url);
    const replica = randomId();
    const core = await createCore(wasm, replica, 0);
    const make: MakeDocument<BaseDocument<any>> = (kit, id, handle) => {
      core.sk_loaded(handle); // nothing is stored
      kit.touch_();
      return createDocument(kit, id, handle);
    };
    return createKit(core, hex(replica), make, options);
  },
};

export type { Json } from './codec.js';
export type { WasmSource } from './core.js';
export type {
  BaseDocument as Document,
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
export type { KitEvents, LiteOptions as KitOptions, Socket } from './kit.js';
