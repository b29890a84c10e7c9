// A field: what an application holds of a document. It keeps its view on this side, read when it
// is first looked at and moved along by patches afterwards.
//
// Order. Patches are applied to all views before any subscriber runs, and subscribers run in the
// order of the changes (`notify_`), so that a subscriber may read and write anything.
//
// Invariant: while there are subscribers there is a view, to compare with after a reset.

import { isNode, Reader, type Json } from './codec.js';
import { now, type Core } from './core.js';
import type { BaseDocument } from './document.js';
import { each, listen, type Unsubscribe } from './events.js';
import { mapIntent } from './intents.js';

/** Where a change came from. */
export interface Origin {
  /** True for an edit through this very kit, false for everybody else's. */
  local: boolean;
}

/** How many patches a view takes that nobody looks at, before it is cheaper to read it anew. */
const maxUnread = 32;

/** What all fields have in common. */
// `any`: a field of whatever change is one that a document can hold.
export abstract class Field<Change = any, View = any> {
  /** @internal */
  handle_ = 0;
  /** @internal */
  protected declare view_?: View | undefined;
  private unread_ = 0;
  private readonly subscribers_ = new Set<(change: Change, origin: Origin) => void>();

  /** @internal */
  constructor(
    /** @internal */
    protected readonly document_: BaseDocument<any>,
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
    this.read_();
    return listen(this.subscribers_, fn);
  }

  /** The view that JSON text stands for; '' is that of an empty field. @internal */
  protected abstract parse_(json: string): View;
  /** Moves `view_` by a patch; undefined when it changes nothing. @internal */
  protected abstract move_(patch: Reader): Change | undefined;
  /** @internal */
  protected abstract difference_(from: View, to: View): Change | undefined;

  /** @internal */
  protected read_(): View {
    this.unread_ = 0;
    return (this.view_ ??= this.parse_(this.document_.view_(this)));
  }
  /** The engine, with an intent begun. @internal */
  protected writer_(): Core {
    const core = this.document_.core_();
    core.put_();
    return core;
  }
  /** Applies the intent that was written, of this length. @internal */
  protected edit_(length: number): void {
    const { document_: document, handle_: handle } = this;
    const { core_: core } = document.kit_;
    core.ok_(core.sk_mutate(document.handle_, handle, length, now()));
    document.seq = core.seq_();
    this.patched_(core.data_, true);
    document.kit_.touch_();
  }
  /** @internal */
  protected tell_(change: Change | undefined, local: boolean): void {
    if (!change || !this.subscribers_.size) return;
    this.document_.notify_(() => each(this.subscribers_, change, { local }));
  }

  /** The view moves by a patch: borrowed bytes, fetched only when somebody looks. @internal */
  patched_(patch: () => Uint8Array, local: boolean): void {
    if (this.view_ === undefined) return;
    if (!this.subscribers_.size && ++this.unread_ > maxUnread) this.view_ = undefined;
    else this.tell_(this.move_(new Reader(patch())), local);
  }
  /** The view is to be read again. @internal */
  reset_(): void {
    const old = this.view_;
    this.view_ = undefined;
    if (this.subscribers_.size) this.tell_(this.difference_(old!, this.read_()), false);
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

const segments = (path: Path): readonly string[] => (typeof path == 'string' ? [path] : path);

type Node = Record<string, Json>;
const member = (value: Json | undefined, key: string): Json | undefined =>
  isNode(value) && Object.hasOwn(value, key) ? value[key] : undefined;

/**
 * A map of JSON values; the last writer of a path wins.
 *
 * What `get` handed out is never changed afterwards: a later patch copies the objects on its path
 * first, once per hand-out, so that `===` tells whether something changed and a burst of writes
 * does not copy.
 */
export class MapField extends Field<MapChange, Json> {
  /** Objects that nobody else has seen. */
  private owned_ = new WeakSet<object>();

  /** The value at a path, undefined when there is none. Not changed afterwards: copy to edit. */
  get(path: Path = []): Json | undefined {
    let value: Json | undefined = this.read_();
    for (const key of segments(path)) value = member(value, key);
    if (isNode(value)) this.owned_ = new WeakSet();
    return value;
  }
  /** Writes a value; undefined deletes. */
  set(path: Path, value: unknown): void {
    this.edit_(mapIntent(this.writer_(), segments(path), value));
  }
  /** Deletes what is at a path; an absent one is fine. */
  delete(path: Path): void {
    this.set(path, undefined);
  }

  private put_(old: Json | undefined, [key, ...rest]: string[], value: Json | undefined): Node {
    let node: Node = isNode(old) ? (this.owned_.has(old) ? old : { ...old }) : {};
    const next = rest.length ? this.put_(member(node, key!), rest, value) : value;
    if (next === undefined) delete node[key!];
    // It must become a member, not the prototype.
    else if (key == '__proto__') node = { ...node, [key]: next };
    else node[key!] = next;
    this.owned_.add(node);
    return node;
  }
  /** @internal */
  protected override parse_(json: string): Json {
    return JSON.parse(json || '{}');
  }
  /** @internal */
  protected override move_(r: Reader): MapChange | undefined {
    const paths: string[][] = [];
    while (r.left) {
      const path = Array.from({ length: r.varint() }, () => r.text());
      paths.push(path);
      this.view_ = this.put_(this.view_, path, r.byte() == 1 ? JSON.parse(r.text()) : undefined);
    }
    return paths[0] && { paths };
  }
  /** @internal */
  protected override difference_(): MapChange {
    return { paths: [[]] };
  }
}
