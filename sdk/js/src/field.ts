// A field: what an application holds of a document. It keeps its view on this side, read when it
// is first looked at and moved along by patches afterwards.
//
// Fields, documents and kits are objects whose methods share the variables of the function that
// made them: a minifier shortens variables, but not the names of members.
//
// Order. Patches are applied to all views before any subscriber runs, and subscribers run in the
// order of the changes (`notify_`), so that a subscriber may read and write anything.
//
// Invariant: while there are subscribers there is a view, to compare with after a reset.

import {
  isNode,
  patchReader,
  toJson,
  utf8,
  varint,
  type Json,
  type PatchReader,
} from './codec.js';
import type { BaseDocument } from './document.js';
import { each, listen, type Unsubscribe } from './events.js';

/** Where a change came from. */
export interface Origin {
  /** True for an edit by a call on this kit; false for everybody else's, and for what undo does. */
  local: boolean;
}

/** How many patches a view takes that nobody looks at, before it is cheaper to read it anew. */
const maxUnread = 32;

/** What all fields have in common. */
// `any`: a field of whatever change is one that a document can hold.
export interface Field<Change = any> {
  /** The field's name. */
  readonly name: string;
  /** The field's CRDT type. */
  readonly type: string;
  /**
   * Calls `fn` after every change of the value, whoever made it, synchronously and in order.
   * When the document becomes ready, and when it had to be read again from the host, the whole
   * difference comes as one change.
   */
  subscribe(fn: (change: Change, origin: Origin) => void): Unsubscribe;
  /** The view moves by a patch. @internal */
  patched_(patch: Uint8Array, local: boolean): void;
  /** The view is to be read again. @internal */
  reset_(): void;
}

/** What makes a field of a type. @internal */
export type MakeField<F> = (
  document: BaseDocument<any>,
  name: string,
  type: string,
  handle: number,
) => F;

/** A field, what reads its view, what applies an intent (in up to two parts). */
type Made<Change, View> = [
  field: Field<Change>,
  read: () => View,
  edit: (intent: ArrayLike<number>, rest?: ArrayLike<number>) => void,
];

/**
 * The part that all types share. `move` gives the view after a patch, and what the patch changed
 * (undefined: nothing); without a view it reads the contents instead. `difference` tells what is
 * between two views.
 * @internal
 */
export const createField = <Change, View>(
  document: BaseDocument<any>,
  name: string,
  type: string,
  handle: number,
  move: (view: View | undefined, patch: PatchReader) => [View, (Change | undefined)?],
  difference: (from: View, to: View) => Change | undefined,
): Made<Change, View> => {
  let view: View | undefined;
  let unread = 0;
  const subscribers = new Set<(change: Change, origin: Origin) => void>();
  const { kit_: kit } = document;
  const { core_: core } = kit;
  const read = (): View => {
    unread = 0;
    return (view ??= move(undefined, document.contents_(handle))[0]);
  };
  const tell = (change: Change | undefined, local: boolean): void => {
    if (change && subscribers.size) {
      kit.notify_(() => each(subscribers, change, { local }));
    }
  };
  const patched = (patch: Uint8Array, local: boolean): void => {
    if (!patch.length || view === undefined) return;
    if (!subscribers.size && ++unread > maxUnread) view = undefined;
    else {
      const [moved, change] = move(view, patchReader(patch));
      view = moved;
      tell(change, local);
    }
  };
  const field: Field<Change> = {
    name,
    type,
    subscribe(fn) {
      read();
      return listen(subscribers, fn);
    },
    patched_: patched,
    reset_() {
      const old = view;
      view = undefined;
      if (subscribers.size && read() !== old) tell(difference(old!, read()), false);
    },
  };
  const edit: Made<Change, View>[2] = (intent, rest = []) => {
    document.core_();
    const length = core.put_(rest, core.put_(intent));
    core.ok_(core.sk_mutate(document.handle_, handle, length));
    const [, , , seq, , patch] = core.output_.pop()!;
    document.seq = seq;
    patched(patch, true);
    kit.touch_();
  };
  return [field, read, edit];
};

/** What a map change tells: the paths that have another value now. */
export interface MapChange {
  paths: readonly (readonly string[])[];
}

/**
 * Where in a map: one key, or the keys from the outside in. A string is one key as it stands,
 * dots and slashes included.
 */
export type Path = string | readonly string[];

const segments = (path: Path): string[] => [path].flat();

type Node = Record<string, Json>;
const member = (value: Json | undefined, key: string): Json | undefined =>
  isNode(value) && Object.hasOwn(value, key) ? value[key] : undefined;
/** What is at a path. */
const look = (value: Json, path: readonly string[]): Json | undefined =>
  path.reduce<Json | undefined>(member, value);

/**
 * A map of JSON values; the last writer of a path wins.
 *
 * What `get` handed out is never changed afterwards: a later patch copies the objects on its path
 * first, once per hand-out, so that `===` tells whether something changed and a burst of writes
 * does not copy.
 */
export interface MapField extends Field<MapChange> {
  /** The value at a path, undefined when there is none. Not changed afterwards: copy to edit. */
  get(path?: Path): Json | undefined;
  /** Writes a value; undefined deletes. */
  set(path: Path, value: unknown): void;
  /** Deletes what is at a path; an absent one is fine. */
  delete(path: Path): void;
}

/** @internal */
export const mapField: MakeField<MapField> = (document, name, type, handle) => {
  /** Objects that nobody else has seen. */
  let owned = new WeakSet<object>();
  const put = (
    old: Json | undefined,
    [key, ...rest]: string[],
    value: Json | undefined,
  ): Node => {
    let node: Node = isNode(old) ? (owned.has(old) ? old : { ...old }) : {};
    const next = rest.length ? put(member(node, key!), rest, value) : value;
    if (next === undefined) delete node[key!];
    // It must become a member, not the prototype.
    else if (key == '__proto__') node = { ...node, [key]: next };
    else node[key!] = next;
    owned.add(node);
    return node;
  };
  /** The entries that the engine tells, the upper ones first (plugins/lww/FORMAT.md). */
  const move = (view: Json = {}, r: PatchReader): [Json, (MapChange | undefined)?] => {
    const paths: string[][] = [];
    while (r.left_()) {
      const part = r.varint_();
      const rest = r.left_() - part;
      const path = Array.from({ length: r.varint_() }, () => r.text_());
      const json = r.text_(r.left_() - rest);
      if (json || look(view, path) !== undefined) {
        view = put(view, path, json ? JSON.parse(json) : undefined);
        paths.push(path);
      }
    }
    return [view, paths[0] && { paths }];
  };
  const [field, read, edit] = createField<MapChange, Json>(
    document,
    name,
    type,
    handle,
    move,
    () => ({ paths: [[]] }),
  );
  const set = (path: Path, value?: unknown): void => {
    // Before the intent begins: a toJSON of the application may edit.
    const json = value === undefined ? '' : toJson(value);
    const keys = segments(path);
    document.core_();
    if (!json && look(read(), keys) === undefined) return;
    edit(
      [
        json ? 1 : 2,
        ...varint(keys.length),
        ...keys.map(utf8).flatMap((key) => [...varint(key.length), ...key]),
      ],
      utf8(json),
    );
  };
  return {
    ...field,
    get(path: Path = []) {
      const value = look(read(), segments(path));
      if (isNode(value)) owned = new WeakSet();
      return value;
    },
    set,
    delete: (path) => set(path),
  };
};
