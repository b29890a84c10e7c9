// A document: the map at its root, and how far its changes have come.

import { patchReader, type Json, type PatchReader } from './codec.js';
import type { Core } from './core.js';
import { fail, statusError, type SyncKitError } from './errors.js';
import { emitter, type Emitter, type Status, type Unsubscribe } from './events.js';
import {
  mapField,
  type Field,
  type MapChange,
  type Origin,
} from './field.js';
import type { BaseKit, KitEvents } from './kit.js';

export type { Status } from './events.js';

/** `saved`: stored on this device. `sent`: on its way. `durable`: stored by the host. */
export type ChangeState = 'saved' | 'sent' | 'durable';

/** Every own change of the document up to `seq` has come this far. */
export interface ChangeEvent {
  document: string;
  state: ChangeState;
  /** Compare with `document.seq` as it was after the edit. */
  seq: number;
}

/** The host refused own changes; they are undone here and kept until `discard`. */
export interface RejectedEvent {
  document: string;
  /** First of the refused changes. */
  seq: number;
  count: number;
  error: SyncKitError;
  /** Forgets the refused changes for good. */
  discard(): void;
}

/** What the host lets this client do with a document. */
export type Permission = 'none' | 'read' | 'write' | 'admin';

/** What a document tells. */
export interface DocumentEvents {
  status: Status;
  change: ChangeEvent;
  rejected: RejectedEvent;
  permission: Permission;
}

const states = ['saved', 'sent', 'durable'] as const;
const permissions = ['none', 'read', 'write', 'admin'] as const;

/** One document of a kit; made by `kit.document(id)`. */
export interface BaseDocument<T extends object = Record<string, Json>>
  extends Emitter<DocumentEvents> {
  /** The document's id. */
  readonly id: string;
  /** Resolves when what this device has of the document is loaded: edits may begin. */
  readonly ready: Promise<void>;
  /** What the host lets this client do; undefined until it has said so. */
  permission: Permission | undefined;
  /** Seq of the last own change, uncommitted ones included; see `ChangeEvent.seq`. */
  seq: number;

  // ---- the map -----------------------------------------------------------------------------

  /** The whole map. Not changed afterwards: a later change gives another object. */
  get(): T;
  /** The value of a key, or at a path; undefined when there is none. */
  get<K extends keyof T & string>(key: K): T[K] | undefined;
  get(path: readonly string[]): Json | undefined;
  /**
   * Writes a value (JSON). It is visible when the call returns, saved and sent soon after.
   * @throws SyncKitError `not-ready` before `ready`, `denied` when the host grants reading only,
   *   `limit` when the offline queue is full, `malformed` when the value is not JSON
   */
  set<K extends keyof T & string>(key: K, value: T[K]): void;
  set(path: readonly string[], value: Json): void;
  /** Writes several keys as one transaction; undefined deletes. */
  update(partial: Partial<T>): void;
  /** Deletes a key or path; an absent one is fine. */
  delete(path: (keyof T & string) | readonly string[]): void;
  /** Calls `fn` after every change of the map, whoever made it. */
  subscribe(fn: (change: MapChange, origin: Origin) => void): Unsubscribe;

  // ---- all of it ---------------------------------------------------------------------------

  /**
   * Runs `fn`; its edits of this document are applied, stored and delivered together. Edits of
   * one tick are one transaction anyway. When `fn` throws, what it did until then stays.
   */
  transact<R>(fn: () => R): R;
  /** How far own changes have come: the `change` event. */
  onChange(fn: (event: ChangeEvent) => void): Unsubscribe;
  /** Own transactions that the host has not acknowledged yet. */
  readonly pending: number;
  /** Stores what is open, then forgets the document here; what is stored stays. */
  close(): Promise<void>;

  // ---- for its fields and its kit ----------------------------------------------------------

  /** @internal */ readonly kit_: BaseKit<any>;
  /** @internal */ readonly handle_: number;
  /** What is stored of it is not read yet. @internal */
  loading_?: boolean;
  /** Throws when it is closed. @internal */
  open_(): void;
  /** The engine, for what needs a document that is open and loaded. @internal */
  core_(): Core;
  /** What the engine gives of a field; nothing before it can be read. Borrowed. @internal */
  contents_(field: number): PatchReader;
  /** By their handles. @internal */
  readonly fields_: Field[];
  /** Whether every own change up to a seq is durable. @internal */
  flushed_(seq: number): unknown;
}

/** What comes from the map at the root. */
type MapMethods = 'get' | 'set' | 'delete' | 'subscribe';

/** Makes a document that its kit does not have yet. @internal */
export const createDocument = (
  kit: BaseKit<any>,
  id: string,
  handle: number,
): BaseDocument<any> => {
  const { core_: core } = kit;
  const fields: Field[] = [];
  let closed: boolean | undefined;
  let durable = 0;

  const isClosed = (): boolean | undefined => closed || kit.closed_;
  const open = (): void => {
    if (isClosed()) fail('closed', `document ${id}`);
  };
  /** The views are to be read again. */
  const changed = (): void => fields.forEach((field) => field.reset_());
  /** Tells the listeners of the document, then those of the kit. */
  const tell = <Name extends keyof (DocumentEvents & KitEvents)>(
    name: Name,
    event: (DocumentEvents & KitEvents)[Name],
  ): void => {
    document.emit_(name as never, event as never);
    kit.emit_(name as never, event as never);
  };

  // The map's methods follow below.
  const document: BaseDocument<any> = {
    ...emitter<DocumentEvents>(kit.notify_),
    id,
    kit_: kit,
    handle_: handle,
    ready: Promise.resolve(),
    permission: undefined,
    seq: 0,
    update(partial: object) {
      for (const key in partial) root.set(key, partial[key as never]);
    },
    transact<R>(fn: () => R): R {
      document.core_().sk_begin(handle);
      try {
        return fn();
      } finally {
        core.sk_commit(handle);
        kit.touch_();
      }
    },
    onChange: (fn: (event: ChangeEvent) => void) => document.on('change', fn),
    get pending() {
      return isClosed() ? 0 : core.sk_pending(handle);
    },
    async close() {
      if (isClosed()) return;
      await kit.saved();
      if (closed) return; // meanwhile
      core.ok_(core.sk_close(handle));
      // From here on the handle is no document: nothing below may use it.
      closed = true;
      delete kit.documents_[handle];
      kit.drain_();
    },
    open_: open,
    core_() {
      open();
      return core;
    },
    contents_(field: number) {
      open();
      core.ok_(core.sk_view(handle, field));
      return patchReader(core.data_());
    },
    fields_: fields,
    flushed_(seq: number) {
      const { pending, status, permission } = document;
      if (pending && (status == 'denied' || permission == 'read')) {
        fail('denied', 'by the host');
      }
      return isClosed() || (!document.loading_ && (!pending || (seq && durable >= seq)));
    },
    19(field, _a, _b, patch) {
      fields[field]?.patched_(patch, false);
    },
    21: changed,
    22(stage, seq) {
      if (stage == 3) durable = seq;
      tell('change', { document: id, state: states[stage - 1]!, seq });
    },
    23(code, seq, count, text) {
      tell('rejected', {
        document: id,
        seq,
        count,
        error: statusError(code, text),
        discard() {
          if (closed) return;
          core.sk_discard?.(handle, seq);
          kit.touch_();
        },
      });
    },
    25(level) {
      tell('permission', (document.permission = permissions[level]!));
    },
    26(_number, acknowledged, atHost) {
      tell('history-lost', { document: id, acknowledged, atHost });
    },
    27: kit[27]!,
  } satisfies Omit<BaseDocument, MapMethods> as any;
  const root = (fields[1] = mapField(document, '', 'lww', 1));
  return Object.assign(document, root);
};
