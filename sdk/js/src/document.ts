// A document: the map at its root, and how far its changes have come.

import { decoder, type Json, type Reader } from './codec.js';
import { now, type Core } from './core.js';
import { fail, statusError, type SyncKitError } from './errors.js';
import { Emitter, type Unsubscribe } from './events.js';
import { MapField, type Field, type MapChange, type Origin, type Path } from './field.js';
import type { BaseKit } from './kit.js';

/** `denied`: the host refuses to let this client read the document. */
export type Status = 'offline' | 'connecting' | 'syncing' | 'synced' | 'denied';

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
export class BaseDocument<T extends object = Record<string, Json>> extends Emitter<DocumentEvents> {
  /** Resolves when what this device has of the document is loaded: edits may begin. */
  readonly ready: Promise<void>;
  /** Where it stands between this device and the host; `on('status', …)` tells changes. */
  status: Status = 'offline';
  /** What the host lets this client do; undefined until it has said so. */
  declare permission: Permission | undefined;
  /** Seq of the last own change, uncommitted ones included; see `ChangeEvent.seq`. */
  seq = 0;

  /** @internal */ declare readable_?: boolean;
  /** @internal */ declare closed_?: boolean;
  /** @internal */ durable_ = 0;
  /** @internal */ readonly handle_: number;
  private readonly fields_: Record<string, Field> = {};
  private readonly byHandle_: Field[] = [];
  private readonly root_: MapField;

  /** @internal */
  constructor(
    /** @internal */
    readonly kit_: BaseKit<any>,
    /** The document's id. */
    readonly id: string,
  ) {
    super();
    const { core_: core } = kit_;
    this.handle_ = core.handle_(core.sk_open(core.put_(id)));
    this.root_ = this.field_(MapField, '', 'lww');
    this.ready = kit_.load_(this);
    this.ready.catch(() => {}); // also told as an error event
  }

  // ---- the map -----------------------------------------------------------------------------

  /** The whole map. Not changed afterwards: a later change gives another object. */
  get(): T;
  /** The value of a key, or at a path; undefined when there is none. */
  get<K extends keyof T & string>(key: K): T[K] | undefined;
  get(path: readonly string[]): Json | undefined;
  get(path?: Path): unknown {
    return this.root_.get(path);
  }
  /**
   * Writes a value (JSON). It is visible when the call returns, saved and sent soon after.
   * @throws SyncKitError `not-ready` before `ready`, `denied` when the host grants reading only,
   *   `limit` when the offline queue is full, `malformed` when the value is not JSON
   */
  set<K extends keyof T & string>(key: K, value: T[K]): void;
  set(path: readonly string[], value: Json): void;
  set(path: Path, value: unknown): void {
    this.root_.set(path, value);
  }
  /** Writes several keys as one transaction; undefined deletes. */
  update(partial: Partial<T>): void {
    for (const [key, value] of Object.entries(partial)) this.root_.set(key, value);
  }
  /** Deletes a key or path; an absent one is fine. */
  delete(path: (keyof T & string) | readonly string[]): void {
    this.root_.delete(path);
  }
  /** Calls `fn` after every change of the map, whoever made it. */
  subscribe(fn: (change: MapChange, origin: Origin) => void): Unsubscribe {
    return this.root_.subscribe(fn);
  }

  // ---- all of it ---------------------------------------------------------------------------

  /**
   * Runs `fn`; its edits of this document are applied, stored and delivered together. Edits of
   * one tick are one transaction anyway. When `fn` throws, what it did until then stays.
   */
  transact<R>(fn: () => R): R {
    const core = this.core_();
    core.ok_(core.sk_begin(this.handle_));
    try {
      return fn();
    } finally {
      core.ok_(core.sk_commit(this.handle_, now()));
      this.kit_.touch_();
    }
  }
  /** How far own changes have come: the `change` event. */
  onChange(fn: (event: ChangeEvent) => void): Unsubscribe {
    return this.on('change', fn);
  }
  /** Own transactions that the host has not acknowledged yet. */
  get pending(): number {
    if (this.closed_) return 0;
    const { core_: core } = this.kit_;
    core.sk_info(this.handle_);
    return core.word_(6);
  }
  /** What tells whether every own change made so far is durable. @internal */
  flushed_(): () => unknown {
    const { seq } = this;
    return () => {
      if (this.closed_) return true;
      const { pending, status, permission } = this;
      if (pending && (status == 'denied' || permission == 'read')) {
        fail('denied', 'the host takes no changes');
      }
      return this.readable_ && (!pending || (seq && this.durable_ >= seq));
    };
  }
  /** Stores what is open, then forgets the document here; what is stored stays. */
  async close(): Promise<void> {
    if (this.closed_) return;
    await this.kit_.saved();
    this.kit_.forget_(this);
    this.closed_ = true;
  }

  // ---- for fields --------------------------------------------------------------------------

  /** The field of that name and type, made once. @internal */
  field_<F extends Field>(
    kind: new (document: BaseDocument<any>, name: string, type: string) => F,
    name: string,
    type: string,
  ): F {
    return (this.fields_[`${type}\0${name}`] ??= this.bind_(new kind(this, name, type))) as F;
  }
  /** Gives a field its handle, when it can have one. */
  private bind_(field: Field): Field {
    if (this.readable_) {
      const { core_: core } = this.kit_;
      const name = core.put_(field.name);
      const type = core.text_(field.type) - name;
      field.handle_ = core.handle_(core.sk_field(this.handle_, name, type));
      this.byHandle_[field.handle_] = field;
    }
    return field;
  }
  /** @internal */
  open_(): void {
    if (this.closed_) fail('closed', `document ${this.id} is closed`);
  }
  /** The engine, for what needs a document that is open and read. @internal */
  core_(): Core {
    this.open_();
    if (!this.readable_) fail('not-ready', 'await document.ready first');
    return this.kit_.core_;
  }
  /** JSON text of a field; '' before it can be read. @internal */
  view_(field: Field): string {
    this.open_();
    if (!this.readable_) return '';
    const { core_: core } = this.kit_;
    core.ok_(core.sk_view(this.handle_, field.handle_));
    return decoder.decode(core.data_());
  }
  /** @internal */
  notify_(call: () => unknown): void {
    this.kit_.notify_(call);
  }

  // ---- what the engine tells ---------------------------------------------------------------

  /** The views are to be read again. @internal */
  changed_(): void {
    for (const field of Object.values(this.fields_)) this.bind_(field).reset_();
  }
  /** Applies one output record of this document; views first, listeners later. @internal */
  record_(kind: number, r: Reader): void {
    const { id, kit_: kit } = this;
    if (kind == 19) {
      const field = this.byHandle_[r.uint(4)];
      if (this.readable_) field?.patched_(() => r.raw(r.left), false);
    } else if (kind == 21) {
      if (this.readable_) kit.afterwards_(() => this.changed_());
    } else if (kind == 22) {
      const state = states[r.byte() - 1]!;
      const seq = r.uint(8);
      if (state == 'durable') this.durable_ = seq;
      this.tell_('change', { document: id, state, seq });
    } else if (kind == 23) {
      const seq = r.uint(8);
      this.tell_('rejected', {
        document: id,
        seq,
        count: r.uint(4),
        error: statusError(r.uint(4), r.text(r.left)),
        discard: () => {
          // As (low, high): what is above 32 bits is cut off on the way.
          kit.core_.sk_discard?.(this.handle_, seq, seq / 2 ** 32, now());
          kit.touch_();
        },
      });
    } else if (kind == 25) {
      this.tell_('permission', (this.permission = permissions[r.byte()]!));
    }
  }
  /** Tells the listeners of the document, then those of the kit. */
  private tell_<Name extends keyof DocumentEvents>(name: Name, event: DocumentEvents[Name]): void {
    this.notify_(() => {
      this.emit_(name, event);
      this.kit_.emit_(name as never, event as never);
    });
  }
}
