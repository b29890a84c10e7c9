// A kit: one replica with its storage, its connection and its documents.
//
// The engine (core.wasm) decides; this file carries out what it decides: frames to the WebSocket,
// batches to the storage, events to listeners. Edits of one tick become one transaction in a
// microtask. A batch that the storage refuses is tried again, in order, until it is stored or the
// kit is closed: until then the change is visible and safe in memory, but neither saved nor sent.

import { Reader } from './codec.js';
import { Core, randomId, type WasmSource } from './core.js';
import {
  Emitter,
  statuses,
  type BaseDocument,
  type ChangeEvent,
  type RejectedEvent,
  type Status,
} from './document.js';
import { codeName, fail, SyncKitError, wrap } from './errors.js';
import type { PluginType } from './plugin.js';
import type { StorageAdapter, StoreOp } from './storage.js';

/** The part of the WebSocket interface that is needed. */
export interface Socket {
  binaryType: string;
  onopen: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  send(data: Uint8Array): void;
  close(): void;
}

/** How to open a kit. */
export interface KitOptions {
  /** The host: `ws://…/sync` or `http://…/sync`, relative in browsers. Without: local only. */
  url?: string;
  /** The credential, or what gives a fresh one at every connect. */
  token?: string | (() => string | Promise<string>);
  /** Where to keep data. Default: IndexedDB in browsers. */
  storage?: 'indexeddb' | 'memory' | StorageAdapter;
  /** Types of plugins (`loadPlugin`). At most 8. */
  types?: readonly PluginType[];
  /** Names the local database: kits of one name share their documents. Default `default`. */
  name?: string;
  /** Where core.wasm is. Default: beside this module. */
  wasm?: WasmSource;
  /** What opens connections. Default: the platform's WebSocket. */
  WebSocket?: new (url: string) => Socket;
}

/** What a kit tells. */
export interface KitEvents {
  /** Of the connection as a whole. */
  status: Status;
  /** Own changes of some document were saved, sent, or made durable by the host. */
  change: ChangeEvent;
  /** The host refused own changes. */
  rejected: RejectedEvent;
  /** The host's log was set back behind what it had acknowledged (a restored backup). */
  'history-lost': { document: string; acknowledged: number; atHost: number };
  /** What went wrong where nobody could be told by a throw. Without a listener it is logged. */
  error: SyncKitError;
}

/** What differs between the full and the lite package. */
export interface Flavour<D> {
  document: new (kit: BaseKit, id: string) => D;
  wasm(): WasmSource;
  storage(name: 'indexeddb' | 'memory' | undefined): StorageAdapter;
  socket(): KitOptions['WebSocket'] | Promise<KitOptions['WebSocket']>;
}

interface Waiter {
  done(): boolean;
  resolve(): void;
  reject(error: SyncKitError): void;
}

/** Milliseconds to wait after a storage failure, doubled up to the last. */
const retryMs = { first: 250, last: 30_000 };
/** Timers of the platform count in 31 bits. */
const maxTimerMs = 0x7fff_ffff;
/** Kinds of rows (sdk/client/FORMAT.md). */
const queueKind = 4;

/** Row keys of a document: its id after a length in two bytes. */
const prefixOf = (id: string): Uint8Array => {
  const bytes = new TextEncoder().encode(id);
  return Uint8Array.of(bytes.length >> 8, bytes.length & 255, ...bytes);
};

/** What the kits of all entries have in common; opened by `SyncKit.open`. */
export class BaseKit<D extends BaseDocument<any> = BaseDocument<any>> extends Emitter<KitEvents> {
  /** 16 hex digits: which writer this kit is. */
  readonly replica: string;
  /** Of the connection as a whole; `on('status', …)` tells changes. */
  status: Status = 'offline';
  /** Host time minus this device's, in milliseconds, once connected. */
  clockOffset = 0;
  /** @internal */ readonly core_: Core;

  private readonly documents_ = new Map<string, D>();
  private readonly byHandle_: D[] = [];
  private socket_: Socket | undefined;
  private attempt_ = 0;
  private wanted_ = false;
  private closed_ = false;
  private touched_ = false;
  private draining_ = false;
  private timer_: ReturnType<typeof setTimeout> | undefined;
  private queue_: { id: number; ops: StoreOp[] }[] = [];
  private pumping_: Promise<void> | undefined;
  private storeError_: SyncKitError | undefined;
  private wake_: (() => void) | undefined;
  private issued_ = 0;
  private stored_ = 0;
  private notes_: (() => void)[] = [];
  private later_: (() => void)[] = [];
  private running_ = false;
  private waiters_ = new Set<Waiter>();
  private adopting_ = false;
  private readonly unhook_: (() => void)[] = [];

  /** @internal */
  constructor(
    private readonly flavour_: Flavour<D>,
    private readonly options_: KitOptions,
    private readonly setup_: {
      core: Core;
      module: WebAssembly.Module;
      replica: string;
      storage: StorageAdapter;
      unlock: () => void;
      /** A kit that only sends a dead replica's queue: it shares its owner's storage. */
      helper?: boolean;
      socket: KitOptions['WebSocket'];
    },
  ) {
    super();
    this.core_ = setup_.core;
    this.replica = setup_.replica;
    this.hook_();
    this.goOnline();
  }

  /** What SyncKit.open does. @internal */
  static async open_<D extends BaseDocument<any>, K>(
    flavour: Flavour<D>,
    make: new (...args: ConstructorParameters<typeof BaseKit<D>>) => K,
    options: KitOptions,
  ): Promise<K> {
    const { storage: place, name = 'default', types = [] } = options;
    const storage = typeof place == 'object' ? place : flavour.storage(place);
    await storage.open(name);
    try {
      let replica = '';
      let unlock: (() => void) | undefined;
      for (replica of await storage.replicas()) {
        unlock = await storage.lock(replica);
        if (unlock) break;
      }
      if (!unlock) {
        replica = randomId();
        unlock = await storage.lock(replica);
        await storage.register(replica);
      }
      const made = await Core.create(options.wasm ?? flavour.wasm(), replica, types);
      const socket = options.url ? (options.WebSocket ?? (await flavour.socket())) : undefined;
      return new make(flavour, options, { ...made, replica, storage, unlock: unlock!, socket });
    } catch (error) {
      await storage.close();
      throw wrap('unavailable', 'the kit cannot be opened', error);
    }
  }

  /**
   * The document of that id, the same object while it is open. It returns at once: until `ready`
   * it reads as empty and refuses writes.
   * @param id 1 to 512 bytes of UTF-8
   */
  protected document_(id: string): D {
    if (this.closed_) fail('closed', 'the kit is closed');
    let document = this.documents_.get(id);
    if (!document) {
      document = new this.flavour_.document(this as unknown as BaseKit, id);
      this.documents_.set(id, document);
      this.byHandle_[document.handle_] = document;
    }
    return document;
  }

  /** Connects, and stays connected: after a failure again with growing pauses. */
  goOnline(): void {
    if (this.closed_ || !this.setup_.socket) return;
    this.wanted_ = true;
    this.core_.online(true);
    this.drain_();
  }
  /** Disconnects, and stays so until goOnline: edits wait in the queue on this device. */
  goOffline(): void {
    if (this.closed_) return;
    this.wanted_ = false;
    this.core_.online(false);
    this.drain_();
  }

  /** Resolves when every change made so far is stored on this device. */
  saved(): Promise<void> {
    this.commit_();
    const until = this.issued_;
    return this.wait_(() => this.stored_ >= until);
  }
  /**
   * Resolves when every change made so far is durable on the host. Rejects with `timeout` after
   * `timeout` milliseconds (default: waits for ever), with `denied` when the host refuses.
   */
  flush({ timeout = 0 }: { timeout?: number } = {}): Promise<void> {
    this.commit_();
    const open = [...this.documents_.values()];
    const until = new Map(open.map((document) => [document, document.seq]));
    const isDone = (document: D): boolean => {
      if (document.closed_) return true;
      const refused = document.status == 'denied' || document.permission == 'read';
      if (refused && document.pending) {
        return fail('denied', `the host takes no changes of document ${document.id}`);
      }
      const seq = until.get(document)!;
      return document.readable_ && ((seq && document.durable_ >= seq) || !document.pending);
    };
    return this.wait_(() => open.every(isDone), timeout);
  }
  /**
   * Stores what is open, then releases everything. When the storage fails it rejects, and the kit
   * stays open with its changes in memory, unless `force`.
   */
  async close(force = false): Promise<void> {
    if (this.closed_) return;
    if (!force) {
      do {
        const saved = this.saved();
        if (this.storeError_) {
          saved.catch(() => undefined);
          throw this.storeError_;
        }
        await saved;
      } while (this.touched_);
    }
    this.closed_ = true;
    this.core_.online(false);
    this.hangUp_();
    clearTimeout(this.timer_);
    for (const undo of this.unhook_) undo();
    for (const document of this.documents_.values()) document.closed_ = true;
    this.wake_?.();
    await this.pumping_;
    for (const waiter of this.waiters_)
      waiter.reject(new SyncKitError('closed', 'the kit is closed'));
    this.setup_.unlock();
    if (!this.setup_.helper) await this.setup_.storage.close();
    this.status = 'offline';
    this.emit_('status', 'offline');
  }

  // ---- waiting -----------------------------------------------------------------------------

  private wait_(done: () => boolean, timeout = 0): Promise<void> {
    if (this.closed_) return Promise.reject(new SyncKitError('closed', 'the kit is closed'));
    return new Promise((resolve, reject) => {
      const timer =
        timeout > 0 &&
        setTimeout(
          () => waiter.reject(new SyncKitError('timeout', `not done in ${timeout} ms`)),
          timeout,
        );
      const end = (): void => {
        if (timer) clearTimeout(timer);
        this.waiters_.delete(waiter);
      };
      const waiter: Waiter = {
        done,
        resolve: () => (end(), resolve()),
        reject: (error) => (end(), reject(error)),
      };
      this.waiters_.add(waiter);
      this.check_();
    });
  }
  private check_(): void {
    for (const waiter of [...this.waiters_]) {
      try {
        if (waiter.done()) waiter.resolve();
      } catch (error) {
        waiter.reject(error as SyncKitError);
      }
    }
  }

  // ---- documents ---------------------------------------------------------------------------

  /** @internal */
  async load_(document: BaseDocument<any>): Promise<void> {
    const first = prefixOf(document.id);
    try {
      await this.saved(); // what an earlier instance of the document wrote
      const rows = await this.setup_.storage.load(first, Uint8Array.of(...first, 255));
      if (document.closed_) fail('closed', `document ${document.id} is closed`);
      for (const [key, value] of rows) this.core_.load(document.handle_, key, value);
      this.core_.loaded(document.handle_);
    } catch (error) {
      const why = wrap('unavailable', `document ${document.id} cannot be loaded`, error);
      if (why.code != 'closed') this.report_(why);
      throw why;
    }
    // What loading put out comes first: it is in the views already.
    this.afterwards_(() => document.loaded_());
    this.drain_();
  }
  /** @internal */
  async closeDocument_(document: BaseDocument<any>): Promise<void> {
    if (document.closed_) return;
    await this.saved();
    this.core_.close(document.handle_, true);
    document.closed_ = true;
    this.documents_.delete(document.id);
    delete this.byHandle_[document.handle_];
    this.drain_();
  }

  // ---- carrying out ------------------------------------------------------------------------

  /** Something changed: commit and carry out at the end of this tick. @internal */
  touch_(): void {
    if (this.touched_) return;
    this.touched_ = true;
    queueMicrotask(() => this.commit_());
  }
  private commit_(): void {
    this.touched_ = false;
    if (this.closed_) return;
    this.core_.commitAll();
    this.drain_();
  }

  /** Carries out all that the engine wants; listeners run at its end. */
  private drain_(): void {
    if (this.draining_ || this.closed_) return;
    this.draining_ = true;
    try {
      for (let r: Reader | undefined; (r = this.core_.drain()); ) {
        while (!r.done) {
          const kind = r.byte();
          const payload = new Reader(r.raw(r.u32()));
          try {
            this.record_(kind, payload);
          } catch (error) {
            this.report_(wrap('internal', `output record ${kind}`, error));
          }
        }
      }
      // Views are read again only now, when no patch for them is left in the output.
      for (const call of this.later_.splice(0)) call();
    } finally {
      this.draining_ = false;
    }
    this.schedule_();
    this.check_();
    this.run_();
  }
  /** @internal */
  afterwards_(call: () => void): void {
    this.later_.push(call);
  }
  /** Runs listeners one after the other, never inside each other. @internal */
  notify_(call: () => void): void {
    this.notes_.push(call);
    if (!this.draining_) this.run_();
  }
  private run_(): void {
    if (this.running_) return;
    this.running_ = true;
    for (let call; (call = this.notes_.shift()); ) {
      try {
        call();
      } catch (error) {
        // A listener's own mistake: the platform reports it, and everybody else goes on.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    this.running_ = false;
  }

  private record_(kind: number, r: Reader): void {
    if (kind == 1) return this.socket_?.send(r.rest().slice());
    if (kind == 2) return this.batch_(r);
    if (kind == 16) return void this.connect_();
    if (kind == 17) {
      this.hangUp_();
      return this.core_.disconnected();
    }
    if (kind == 28) {
      this.clockOffset = r.i64();
      return void this.adoptOrphans_();
    }
    const document = this.byHandle_[r.u32()];
    if (kind == 27) {
      this.report_(this.error_(r.u32(), (r.byte(), r.text(r.left))));
    } else if (kind == 26 && document) {
      const event = { document: document.id, acknowledged: r.u64(), atHost: r.u64() };
      this.notify_(() => this.emit_('history-lost', event));
    } else if (document) document.record_(kind, r);
    else if (kind == 18) {
      this.status = statuses[r.byte()]!;
      const { status } = this;
      this.notify_(() => this.emit_('status', status));
    }
  }
  /** @internal */
  error_(status: number, text: string): SyncKitError {
    return new SyncKitError(codeName(status), text);
  }
  private report_(error: SyncKitError): void {
    this.notify_(() => {
      if (!this.emit_('error', error)) console.error(error);
    });
  }

  private schedule_(): void {
    clearTimeout(this.timer_);
    const wait = this.core_.nextTimer();
    if (wait < 0) return;
    this.timer_ = setTimeout(
      () => {
        this.core_.tick();
        this.drain_();
      },
      Math.min(Math.ceil(wait), maxTimerMs),
    );
  }

  // ---- storage -----------------------------------------------------------------------------

  private batch_(r: Reader): void {
    const id = (this.issued_ = r.u32());
    const ops: StoreOp[] = [];
    while (!r.done) {
      const op = r.byte();
      const key = r.raw(r.u16());
      if (op == 2) ops.push({ op: 'delete', key });
      else if (op == 3) ops.push({ op: 'delete-range', key, last: r.raw(r.u16()) });
      else ops.push({ op: op == 1 ? 'put' : 'put-newer', key, value: r.raw(r.u32()) });
    }
    this.queue_.push({ id, ops });
    this.pumping_ ??= this.pump_();
  }

  /** Stores what waits: all of it in one transaction, then what came meanwhile. */
  private async pump_(): Promise<void> {
    let pause = retryMs.first;
    await undefined; // batches of one drain belong together
    while (this.queue_.length && !(this.closed_ && this.storeError_)) {
      const batches = [...this.queue_];
      try {
        await this.setup_.storage.write(batches.flatMap((batch) => batch.ops));
      } catch (error) {
        this.storeError_ = wrap('unavailable', 'changes are not stored', error);
        this.report_(this.storeError_);
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, pause);
          this.wake_ = () => (clearTimeout(timer), resolve());
        });
        pause = Math.min(pause * 2, retryMs.last);
        continue;
      }
      this.storeError_ = undefined;
      pause = retryMs.first;
      this.queue_.splice(0, batches.length);
      this.stored_ = batches.at(-1)!.id;
      if (this.closed_) continue;
      this.core_.stored(this.stored_);
      this.drain_();
    }
    // In the same step as the last look at the queue: a batch that comes now starts the next pump.
    this.pumping_ = undefined;
  }

  // ---- connection --------------------------------------------------------------------------

  private async connect_(): Promise<void> {
    const attempt = ++this.attempt_;
    const gone = (): void => {
      if (attempt != this.attempt_) return;
      this.hangUp_();
      this.core_.disconnected();
      this.drain_();
    };
    const { token = '', url } = this.options_;
    try {
      const credential = typeof token == 'string' ? token : await token();
      if (attempt != this.attempt_ || this.closed_) return;
      const base = globalThis.location?.href;
      const socket = new this.setup_.socket!(new URL(url!, base).href.replace(/^http/, 'ws'));
      this.socket_ = socket;
      socket.binaryType = 'arraybuffer';
      socket.onopen = () => {
        this.core_.connected(credential);
        this.drain_();
      };
      socket.onmessage = (event: { data: unknown }) => {
        if (!(event.data instanceof ArrayBuffer)) return;
        const frame = new Uint8Array(event.data);
        // A full output is drained, then the frame is given again.
        if (!this.core_.receive(frame)) {
          this.drain_();
          this.core_.receive(frame);
        }
        this.drain_();
      };
      socket.onerror = () => undefined; // onclose follows
      socket.onclose = gone;
    } catch (error) {
      this.report_(wrap('unavailable', 'no connection', error));
      gone();
    }
  }
  private hangUp_(): void {
    this.attempt_++;
    const socket = this.socket_;
    if (!socket) return;
    this.socket_ = undefined;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.onerror = () => undefined;
    socket.close();
  }

  /** Follows the platform: no waiting for a timeout when the network goes or comes. */
  private hook_(): void {
    const target = globalThis as Partial<Pick<Window, 'addEventListener' | 'removeEventListener'>>;
    const { addEventListener: add, removeEventListener: remove } = target;
    if (!add || !remove || !this.options_.url) return;
    const follow = (event: Event): void => {
      if (!this.wanted_ || this.closed_) return;
      this.core_.online(false);
      this.drain_();
      if (event.type == 'offline') return;
      this.core_.online(true);
      this.drain_();
    };
    for (const name of ['online', 'offline']) {
      add.call(globalThis, name, follow);
      this.unhook_.push(() => remove.call(globalThis, name, follow));
    }
  }

  // ---- queues that other instances left behind -----------------------------------------------

  /** Sends what dead replicas (closed tabs) saved and could not send. */
  private async adoptOrphans_(): Promise<void> {
    if (this.adopting_ || this.setup_.helper) return;
    this.adopting_ = true;
    const { storage, module, socket } = this.setup_;
    try {
      const decoder = new TextDecoder();
      const queues = new Map<string, Set<string>>();
      for (const key of await storage.keys()) {
        const at = 2 + key[0]! * 256 + key[1]!;
        if (key[at] != queueKind) continue;
        const replica = new Reader(key.slice(at + 1, at + 9).reverse()).hex();
        if (replica == this.replica) continue;
        if (!queues.has(replica)) queues.set(replica, new Set());
        queues.get(replica)!.add(decoder.decode(key.subarray(2, at)));
      }
      for (const [replica, documents] of queues) {
        if (this.closed_) return;
        const unlock = await storage.lock(replica);
        if (!unlock) continue; // alive: it sends by itself
        const { core } = await Core.create(module, replica, this.options_.types ?? []);
        const setup = { core, module, replica, storage, unlock, socket, helper: true };
        const helper = new BaseKit(this.flavour_, this.options_, setup);
        helper.on('error', (error) => this.report_(error));
        helper.on('rejected', (event) => this.emit_('rejected', event));
        const stop = (): void => void helper.close(true);
        this.unhook_.push(stop);
        try {
          for (const id of documents) helper.document_(id);
          await helper.flush();
        } finally {
          await helper.close();
          this.unhook_.splice(this.unhook_.indexOf(stop), 1);
        }
      }
    } catch (error) {
      const why = wrap('unavailable', 'a queue that was left behind', error);
      if (why.code != 'closed') this.report_(why);
    } finally {
      this.adopting_ = false;
    }
  }
}
