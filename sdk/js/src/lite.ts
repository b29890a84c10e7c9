// `synckit/lite`: maps only, for the smallest bundle. The same storage, sync and offline queue; a
// document that others fill with text, sets or counters keeps them, unread.

import type { Json } from './codec.js';
import { BaseDocument } from './document.js';
import { browser } from './flavour.js';
import { BaseKit, type KitOptions } from './kit.js';

export { BaseDocument as Document } from './document.js';

const flavour = browser(BaseDocument, () => new URL('core-lite.wasm', import.meta.url));

/** As SyncKit of the default package, with documents that are maps. */
export class SyncKit extends BaseKit {
  /** Opens the local database, and starts to connect when there is a `url`. */
  static open(options: Omit<KitOptions, 'types'> = {}): Promise<SyncKit> {
    return BaseKit.open_(flavour, SyncKit, options);
  }
  /** The document of that id (1 to 512 bytes); the same object while it is open. */
  document<T extends object = Record<string, Json>>(id: string): BaseDocument<T> {
    return this.document_(id) as unknown as BaseDocument<T>;
  }
}

export * from './public.js';
