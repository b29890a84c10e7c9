// `synckit`: four types, sync, offline queue, IndexedDB. The whole public surface is exported here.

import { isNode, hex, seqsOf, toJson, utf8, type Json } from './codec.js';
import { createDocument, type BaseDocument } from './document.js';
import { fail } from './errors.js';
import { mapField, type Field, type MakeField, type MapField } from './field.js';
import {
  counterField,
  setField,
  textField,
  type CounterField,
  type SetField,
  type TextField,
} from './fields.js';
import { IndexedDbStorage } from './indexeddb.js';
import type { BaseKit, KitOptions } from './kit.js';
import { createPresence, type Presence } from './presence.js';
import type { CustomField } from './plugin.js';
import { openStored } from './stored.js';

/** One document of a kit. Its fields come into being by their first edit. */
export interface Document<T extends object = Record<string, Json>> extends BaseDocument<T> {
  /** What others do in this document. */
  readonly presence: Presence;
  /** Hash of all that is visible, 16 hex digits: equal on every replica that shows the same. */
  digest(): string;
  /** What it has seen: for each replica (16 hex digits) the last seq. */
  version(): Record<string, number>;
  /** A collaborative text; positions are UTF-16 units. */
  text(name: string): TextField;
  /** With one argument: a set of JSON values, in which an add wins over a concurrent remove. */
  set<V = Json>(name: string): SetField<V>;
  /** With two: writes a value of the map, as described at `BaseDocument.set`. */
  set<K extends keyof T & string>(key: K, value: T[K]): void;
  set(path: readonly string[], value: Json): void;
  /** A counter, to which all replicas add. */
  counter(name: string): CounterField;
  /** A further map beside the root one. */
  map(name: string): MapField;
  /** A field of a type that a plugin brings. */
  custom(name: string, type: string): CustomField;
}

/** @internal */
export const createFullDocument = (
  kit: BaseKit<any>,
  id: string,
  handle: number,
): Document<any> => {
  const document = createDocument(kit, id, handle);
  const { core_: core } = kit;
  const { set } = document;
  const named: Record<string, Field> = {};
  /** The field of that name and type, made once. */
  const field = <F extends Field>(make: MakeField<F>, name: string, type: string): F => {
    const key = `${type}\0${name}`;
    const create = (): Field => {
      document.open_();
      const at = core.ok_(core.sk_field!(handle, core.put_(utf8(key))));
      return (document.fields_[at] ??= make(document, name, type, at));
    };
    return (named[key] ??= create()) as F;
  };
  const map = (name: string): MapField => field(mapField, name, 'lww');
  map(''); // the first field that the engine hears of is the root

  document.loading_ = true;
  const { core_: opened } = document;
  document.core_ = () => {
    opened();
    return document.loading_ ? fail('not-ready', 'await document.ready') : core;
  };
  const ready = kit.load_!(document);
  ready.catch(() => {}); // also told as an error event
  const setPresence = (state: unknown): void => {
    document.open_();
    core.ok_(core.sk_presence!(handle, core.put_(utf8(state == null ? '' : toJson(state)))));
    kit.touch_();
  };
  const [presence, record] = createPresence(setPresence, kit.notify_);
  document[24] = record;
  return Object.assign(document, {
    ready,
    presence,
    digest: () => hex(BigInt.asUintN(64, document.core_().sk_digest!(handle))),
    version() {
      document.core_().ok_(core.sk_version!(handle));
      return seqsOf(core.data_());
    },
    text: (name: string) => field(textField, name, 'text'),
    set: (...args: [name: string, value?: unknown]): any =>
      args.length > 1 ? set(...(args as [any, any])) : field(setField, args[0], 'set'),
    counter: (name: string) => field(counterField, name, 'counter'),
    map,
    custom: (name: string, type: string) =>
      field(
        core.custom_ ?? fail('unsupported', `${type}: give its plugin to open({ types })`),
        name,
        type,
      ),
  });
};

/**
 * A kit: one replica with its storage, its connection and its documents. Everything runs on the
 * thread that opened it; several kits, in one page or in many tabs, may share one `name`.
 */
export interface SyncKit extends BaseKit<Document> {
  /** The document of that id (1 to 512 bytes); the same object while it is open. */
  document<T extends object = Record<string, Json>>(id: string): Document<T>;
}
export const SyncKit = {
  /**
   * Opens the local database, and starts to connect when there is a `url`.
   * @throws SyncKitError `unavailable` when the database or core.wasm cannot be had,
   *   `unsupported` for a plugin that does not fit
   */
  open: (options: KitOptions = {}): Promise<SyncKit> =>
    openStored(
      createFullDocument,
      options,
      isNode(options.storage) ? (options.storage as any) : new IndexedDbStorage(),
      options.wasm ?? options.types?.[0]?.wasm_ ?? new URL('core.wasm', import.meta.url),
    ) as Promise<SyncKit>,
};

export * from './public.js';
export type { CounterField, SetField, TextField } from './fields.js';
export { loadPlugin } from './plugin.js';
export { moveCaret, textDiff, type SetChange, type TextOp } from './views.js';
