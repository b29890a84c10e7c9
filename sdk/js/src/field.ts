// A field: what an application holds of a document. It keeps its view on this side, loaded when
// it is first read and moved along by patches afterwards.
//
// Order. Patches are applied to all views before any subscriber runs, and subscribers run in the
// order of the changes (Host.notify_), so that a subscriber may read and write anything.

import { decoder, type Json, type Writer } from './codec.js';
import { mapIntent } from './intents.js';
import { MapView } from './views.js';

/** What a field needs of its document; opaque to applications. */
export interface Host {
  /** @internal */
  readonly readable_: boolean;
  /** Applies an intent, and gives its patch back to `field.patched_`. @internal */
  edit_(field: Field, intent: Writer): void;
  /** JSON text of the field. @internal */
  view_(field: Field): Uint8Array;
  /** @internal */
  writer_(): Writer;
  /** @internal */
  notify_(call: () => void): void;
}

/** Stops a subscription. */
export type Unsubscribe = () => void;

/** Where a change came from. */
export interface Origin {
  /** True for an edit through this very kit, false for everybody else's. */
  local: boolean;
}

/** What all fields have in common. */
// `any`: a field of whatever change is one that a document can hold.
export abstract class Field<Change = any> {
  /** @internal */
  handle_ = 0;
  protected readonly subscribers_ = new Set<(change: Change, origin: Origin) => void>();

  /** @internal */
  constructor(
    protected readonly host_: Host,
    /** The field's name. */
    readonly name: string,
    /** The field's CRDT type. */
    readonly type: string,
  ) {}

  /**
   * Calls `fn` after every change of the value, whoever made it, synchronously and in order.
   * When the document becomes ready, and when it had to be read again from the host, the whole
   * difference comes as one change.
   */
  subscribe(fn: (change: Change, origin: Origin) => void): Unsubscribe {
    this.subscribers_.add(fn);
    this.watched_();
    return () => void this.subscribers_.delete(fn);
  }

  /** The view moves by a patch: borrowed bytes, fetched only when somebody looks. @internal */
  abstract patched_(patch: () => Uint8Array, local: boolean): void;
  /** The view is to be read again. @internal */
  abstract reset_(): void;

  protected watched_(): void {}
  protected edit_(intent: Writer): void {
    this.host_.edit_(this, intent);
  }
  protected json_(): string {
    return decoder.decode(this.host_.view_(this));
  }
  protected tell_(change: Change, local: boolean): void {
    if (!this.subscribers_.size) return;
    this.host_.notify_(() => {
      for (const fn of [...this.subscribers_]) fn(change, { local });
    });
  }
}

/** What a map change tells: the paths that have another value now. */
export interface MapChange {
  paths: readonly (readonly string[])[];
}

/**
 * Where in a map: one key, or the keys from the outside in. A string is one key as it stands,
 * dots and slashes included.
 */
export type Path = string | readonly string[];

/** One object, so that `===` tells that nothing changed. */
const empty: Json = {};
const segments = (path: Path): readonly string[] => (typeof path == 'string' ? [path] : path);

/** A map of JSON values; the last writer of a path wins. */
export class MapField extends Field<MapChange> {
  private view_: MapView | undefined;

  /** The value at a path, undefined when there is none. Not changed afterwards: copy to edit. */
  get(path: Path = []): Json | undefined {
    if (!this.host_.readable_) return segments(path).length ? undefined : empty;
    this.view_ ??= new MapView(JSON.parse(this.json_()) as Json);
    return this.view_.get(segments(path));
  }
  /** Writes a value; undefined deletes. */
  set(path: Path, value: unknown): void {
    this.edit_(mapIntent(this.host_.writer_(), segments(path), value));
  }
  /** Deletes what is at a path; an absent one is fine. */
  delete(path: Path): void {
    this.set(path, undefined);
  }

  /** @internal */
  override patched_(patch: () => Uint8Array, local: boolean): void {
    if (!this.view_ && !this.subscribers_.size) return;
    const paths = (this.view_ ?? new MapView({})).patch(patch());
    if (paths.length) this.tell_({ paths }, local);
  }
  /** @internal */
  override reset_(): void {
    this.view_ = undefined;
    this.tell_({ paths: [[]] }, false);
  }
}
