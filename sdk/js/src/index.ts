// `synckit`: four types, sync, offline queue, IndexedDB. The whole public surface is exported here.

import { BaseDocument } from './document.js';
import { hex, hex64, Reader, toJson, type Json } from './codec.js';
import { MapField, type Path } from './field.js';
import { CounterField, CustomField, SetField, TextField } from './fields.js';
import { IndexedDbStorage } from './indexeddb.js';
import type { KitOptions } from './kit.js';
import { Presence } from './presence.js';
import { StoredKit } from './stored.js';

/** One document of a kit. Its fields come into being by their first edit. */
export class Document<T extends object = Record<string, Json>> extends BaseDocument<T> {
  /** What others do in this document. */
  readonly presence: Presence = new Presence((state) => {
    const { core_: core } = this.kit_;
    this.open_();
    const length = core.put_(state == null ? '' : toJson(state));
    core.ok_(core.sk_presence!(this.handle_, length));
    this.kit_.touch_();
  });

  /** Hash of all that is visible, 16 hex digits: equal on every replica that shows the same. */
  digest(): string {
    const core = this.core_();
    core.ok_(core.sk_digest!(this.handle_));
    return hex64(core.word_(8), core.word_(9));
  }
  /** What it has seen: for each replica (16 hex digits) the last seq. */
  version(): Record<string, number> {
    const core = this.core_();
    core.ok_(core.sk_version!(this.handle_));
    const seqs: Record<string, number> = {};
    for (const r = new Reader(core.data_()); r.left; ) seqs[hex(r)] = r.uint(8);
    return seqs;
  }
  /** A collaborative text; positions are UTF-16 units. */
  text(name: string): TextField {
    return this.field_(TextField, name, 'text');
  }
  /** With one argument: a set of JSON values, in which an add wins over a concurrent remove. */
  override set<V = Json>(name: string): SetField<V>;
  /** With two: writes a value of the map, as described at `BaseDocument.set`. */
  override set<K extends keyof T & string>(key: K, value: T[K]): void;
  override set(path: readonly string[], value: Json): void;
  override set(...args: [name: Path, value?: unknown]): unknown {
    return args.length > 1
      ? super.set(args[0] as string[], args[1] as Json)
      : this.field_(SetField, args[0] as string, 'set');
  }
  /** A counter, to which all replicas add. */
  counter(name: string): CounterField {
    return this.field_(CounterField, name, 'counter');
  }
  /** A further map beside the root one. */
  map(name: string): MapField {
    return this.field_(MapField, name, 'lww');
  }
  /** A field of a type that a plugin brings. */
  custom(name: string, type: string): CustomField {
    return this.field_(CustomField, name, type);
  }

  /** @internal */
  override record_(kind: number, r: Reader): void {
    if (kind != 24) return super.record_(kind, r);
    this.presence.record_(r);
    this.notify_(() => this.presence.tell_());
  }
}

/**
 * A kit: one replica with its storage, its connection and its documents. Everything runs on the
 * thread that opened it; several kits, in one page or in many tabs, may share one `name`.
 */
export class SyncKit extends StoredKit<Document> {
  /**
   * Opens the local database, and starts to connect when there is a `url`.
   * @throws SyncKitError `unavailable` when the database or core.wasm cannot be had,
   *   `unsupported` for a plugin that does not fit
   */
  static open(options: KitOptions = {}): Promise<SyncKit> {
    const { storage, wasm } = options;
    return StoredKit.open_(
      SyncKit,
      Document,
      options,
      typeof storage == 'object' ? storage : new IndexedDbStorage(),
      wasm ?? options.types?.[0]?.wasm_ ?? new URL('core.wasm', import.meta.url),
    );
  }
  /** The document of that id (1 to 512 bytes); the same object while it is open. */
  document<T extends object = Record<string, Json>>(id: string): Document<T> {
    return this.document_(id) as unknown as Document<T>;
  }
}

export * from './public.js';
export { CounterField, CustomField, SetField, TextField } from './fields.js';
export { loadPlugin } from './plugin.js';
export { moveCaret, textDiff, type SetChange, type TextOp } from './views.js';
