// A document: the map at its root, presence, and how far its changes have come.

import { type Json, type Reader, type Writer } from './codec.js';
import { fail, type SyncKitError } from './errors.js';
import {
  MapField,
  type Field,
  type Host,
  type MapChange,
  type Origin,
  type Path,
  type Unsubscribe,
} from './field.js';
import type { BaseKit } from './kit.js';

/** `denied`: the host refuses to let this client read the document. */
export type Status = 'offline' | 'connecting' | 'syncing' | 'synced' | 'denied';
/** In the order of abi: index = value on the wire of the engine. @internal */
export const statuses: readonly Status[] = ['offline', 'connecting', 'syncing', 'synced', 'denied'];

/** `saved`: stored on this device. `sent`: on its way. `durable`: stored by the host. */
export type ChangeState = 'saved' | 'sent' | 'durable';
export const states: readonly ChangeState[] = ['saved', 'saved', 'sent', 'durable'];

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

/** Somebody else who has the document open. */
export interface Peer<State = Json> {
  /** 16 hex digits, one for each running client. */
  replica: string;
  /** Who it is, as the host authenticated it; '' without authentication. */
  principal: string;
  state: State;
}

type Listener = (event: never) => void;

/** Events by name; listeners run in the order of their subscription. */
export class Emitter<Events> {
  private readonly listeners_ = new Map<keyof Events, Set<Listener>>();

  /** Calls `fn` at every event of that name. */
  on<Name extends keyof Events>(name: Name, fn: (event: Events[Name]) => void): Unsubscribe {
    let set = this.listeners_.get(name);
    if (!set) this.listeners_.set(name, (set = new Set()));
    set.add(fn as Listener);
    return () => void set.delete(fn as Listener);
  }
  /** Whether anybody listened. @internal */
  emit_<Name extends keyof Events>(name: Name, event: Events[Name]): boolean {
    const set = this.listeners_.get(name);
    for (const fn of [...(set ?? [])]) (fn as (event: Events[Name]) => void)(event);
    return !!set?.size;
  }
}

/** What others are doing right now: never stored, gone when they leave. */
export class Presence<State = Json> {
  /** @internal */
  readonly peers_ = new Map<string, Peer<State>>();
  private list_: readonly Peer<State>[] | undefined;
  private readonly subscribers_ = new Set<(peers: readonly Peer<State>[]) => void>();

  /** @internal */
  constructor(private readonly send_: (state: State | null) => void) {}

  /** Tells everybody own state (JSON, at most 4 KiB); null: none. Sent at once when online. */
  set(state: State | null): void {
    this.send_(state);
  }
  /** Everybody else; the same array until something changes. */
  get(): readonly Peer<State>[] {
    return (this.list_ ??= [...this.peers_.values()]);
  }
  /** Calls `fn` after every change. */
  subscribe(fn: (peers: readonly Peer<State>[]) => void): Unsubscribe {
    this.subscribers_.add(fn);
    return () => void this.subscribers_.delete(fn);
  }
  /** @internal */
  changed_(): void {
    this.list_ = undefined;
    for (const fn of [...this.subscribers_]) fn(this.get());
  }
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

/** One document of a kit; made by `kit.document(id)`. */
export class BaseDocument<T extends object = Record<string, Json>>
  extends Emitter<DocumentEvents>
  implements Host
{
  /** Resolves when what this device has of the document is loaded: edits may begin. */
  readonly ready: Promise<void>;
  /** Where it stands between this device and the host; `on('status', …)` tells changes. */
  status: Status = 'offline';
  /** What the host lets this client do; undefined until it has said so. */
  permission: Permission | undefined;
  /** Seq of the last own change, uncommitted ones included; see `ChangeEvent.seq`. */
  seq = 0;
  /** What others do in this document. */
  readonly presence: Presence;

  /** @internal */ readable_ = false;
  /** @internal */ closed_ = false;
  /** @internal */ durable_ = 0;
  /** @internal */ readonly handle_: number;
  private readonly fields_ = new Map<string, Field>();
  private readonly byHandle_: Field[] = [];
  private readonly root_: MapField;

  /** @internal */
  constructor(
    private readonly kit_: BaseKit,
    /** The document's id. */
    readonly id: string,
  ) {
    super();
    this.handle_ = kit_.core_.open(id);
    this.root_ = this.field_(MapField, '', 'lww');
    this.presence = new Presence((state) => {
      this.open_();
      kit_.core_.presence(this.handle_, state);
      kit_.touch_();
    });
    this.ready = kit_.load_(this);
    this.ready.catch(() => undefined); // also told as an error event
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
    this.transact(() => {
      for (const [key, value] of Object.entries(partial)) this.root_.set(key, value);
    });
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
    this.writable_();
    this.kit_.core_.begin(this.handle_);
    try {
      return fn();
    } finally {
      this.kit_.core_.commit(this.handle_);
      this.kit_.touch_();
    }
  }
  /** How far own changes have come: the `change` event. */
  onChange(fn: (event: ChangeEvent) => void): Unsubscribe {
    return this.on('change', fn);
  }
  /** Hash of all that is visible, 16 hex digits: equal on every replica that shows the same. */
  digest(): string {
    this.writable_();
    return this.kit_.core_.digest(this.handle_);
  }
  /** What it has seen: for each replica (16 hex digits) the last seq. */
  version(): Record<string, number> {
    this.writable_();
    return this.kit_.core_.version(this.handle_);
  }
  /** Own transactions that the host has not acknowledged yet. */
  get pending(): number {
    return this.closed_ ? 0 : this.kit_.core_.pending(this.handle_);
  }
  /** Stores what is open, then forgets the document here; what is stored stays. */
  close(): Promise<void> {
    return this.kit_.closeDocument_(this);
  }

  // ---- for fields --------------------------------------------------------------------------

  /** The field of that name and type, made once. @internal */
  field_<F extends Field>(
    kind: new (host: Host, name: string, type: string) => F,
    name: string,
    type: string,
  ): F {
    const key = `${type}\0${name}`;
    let field = this.fields_.get(key);
    if (!field) {
      field = new kind(this, name, type);
      this.fields_.set(key, field);
      if (this.readable_) this.bind_(field);
    }
    return field as F;
  }
  /** Gives a field its handle. */
  private bind_(field: Field, handle?: number): Field {
    field.handle_ = handle ?? this.kit_.core_.field(this.handle_, field.name, field.type);
    return (this.byHandle_[field.handle_] = field);
  }
  private open_(): void {
    if (this.closed_) fail('closed', `document ${this.id} is closed`);
  }
  private writable_(): void {
    this.open_();
    if (!this.readable_) fail('not-ready', `document ${this.id}: await document.ready first`);
  }
  /** @internal */
  edit_(field: Field, intent: Writer): void {
    this.writable_();
    const { core_: core } = this.kit_;
    core.mutate(this.handle_, field.handle_, intent.bytes());
    this.seq = core.lastSeq();
    field.patched_(core.patch, true);
    this.kit_.touch_();
  }
  /** @internal */
  view_(field: Field): Uint8Array {
    this.open_();
    return this.kit_.core_.view(this.handle_, field.handle_);
  }
  /** @internal */
  writer_(): Writer {
    return this.kit_.core_.writer.clear();
  }
  /** @internal */
  notify_(call: () => void): void {
    this.kit_.notify_(call);
  }

  // ---- what the engine tells ---------------------------------------------------------------

  /** What is stored was read: views may be. @internal */
  loaded_(): void {
    this.readable_ = true;
    this.seq = this.kit_.core_.info(this.handle_);
    this.changed_();
  }
  private changed_(): void {
    for (const field of this.fields_.values()) this.bind_(field).reset_();
  }
  /** Applies one output record of this document; views first, listeners later. @internal */
  record_(kind: number, r: Reader): void {
    switch (kind) {
      case 18:
        this.status = statuses[r.byte()]!;
        this.tell_('status', this.status);
        break;
      case 19: {
        const field = this.byHandle_[r.u32()];
        if (this.readable_) field?.patched_(() => r.rest(), false);
        break;
      }
      case 20: {
        const handle = r.u32();
        const name = r.text(r.u16());
        const field = this.fields_.get(`${r.text(r.left)}\0${name}`);
        if (field) this.bind_(field, handle);
        break;
      }
      case 21:
        if (this.readable_) this.kit_.afterwards_(() => this.changed_());
        break;
      case 22: {
        const state = states[r.byte()]!;
        const seq = r.u64();
        if (state == 'durable') this.durable_ = seq;
        this.tell_('change', { document: this.id, state, seq });
        break;
      }
      case 23: {
        const seq = r.u64();
        const count = r.u32();
        const error = this.kit_.error_(r.u32(), r.text(r.left));
        const discard = (): void => {
          this.kit_.core_.discard(this.handle_, seq);
          this.kit_.touch_();
        };
        this.tell_('rejected', { document: this.id, seq, count, error, discard });
        break;
      }
      case 24: {
        const replica = r.hex();
        const principal = r.text(r.u16());
        const data = r.text(r.left);
        const { peers_: peers } = this.presence;
        if (!data) peers.delete(replica);
        else peers.set(replica, { replica, principal, state: JSON.parse(data) as Json });
        this.kit_.notify_(() => this.presence.changed_());
        break;
      }
      case 25: {
        const levels = ['none', 'read', 'write', 'admin'] as const;
        this.permission = levels[r.byte()]!;
        this.tell_('permission', this.permission);
        break;
      }
    }
  }
  /** Tells the listeners of the document, then those of the kit. */
  private tell_<Name extends keyof DocumentEvents>(name: Name, event: DocumentEvents[Name]): void {
    this.kit_.notify_(() => {
      this.emit_(name, event);
      if (name == 'change' || name == 'rejected') this.kit_.emit_(name, event as never);
    });
  }
}
