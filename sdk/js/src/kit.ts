// A kit: one replica with its connection and its documents; stored.ts adds what keeps them.
//
// The engine (core.wasm) decides; this file carries out what it decides: frames to the WebSocket,
// events to listeners. Edits of one tick become one transaction in a microtask.

import { Reader } from './codec.js';
import { now, type Core, type WasmSource } from './core.js';
import type { BaseDocument, ChangeEvent, RejectedEvent, Status } from './document.js';
import { fail, statusError, wrap, type SyncKitError } from './errors.js';
import { each, Emitter } from './events.js';
import type { PluginType } from './plugin.js';
import type { StorageAdapter } from './storage.js';

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

/** How to open a kit of the lite package. */
export interface LiteOptions {
  /** The host: `ws://…/sync` or `http://…/sync`, relative in browsers. Without: local only. */
  url?: string;
  /** The credential, or what gives a fresh one at every connect. */
  token?: string | (() => string | Promise<string>);
  /** Where core.wasm is (with `types`: core-plugins.wasm). Default: beside this module. */
  wasm?: WasmSource;
  /** What opens connections. Default: the platform's WebSocket. */
  WebSocket?: new (url: string) => Socket;
}

/** How to open a kit. */
export interface KitOptions extends LiteOptions {
  /** Where to keep data. Default: IndexedDB in browsers. In memory: `new MemoryStorage()`. */
  storage?: 'indexeddb' | StorageAdapter;
  /** Types of plugins (`loadPlugin`). At most 8. */
  types?: readonly PluginType[];
  /** Names the local database: kits of one name share their documents. Default `default`. */
  name?: string;
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

/** Timers of the platform count in 31 bits. */
const maxTimerMs = 0x7fff_ffff;

const statuses = ['offline', 'connecting', 'syncing', 'synced', 'denied'] as const;

/** What the kits of all entries have in common; opened by `SyncKit.open`. */
export class BaseKit<D extends BaseDocument<any> = BaseDocument<any>> extends Emitter<KitEvents> {
  /** Of the connection as a whole; `on('status', …)` tells changes. */
  status: Status = 'offline';
  /** @internal */ declare closed_?: boolean;
  /** @internal */ readonly documents_ = new Map<string, D>();

  /** The documents by their handles; at 0 the kit itself. */
  private readonly byHandle_: any[] = [this];
  private declare socket_?: Socket | undefined;
  /** The present attempt to connect. */
  private declare attempt_?: object | undefined;
  private declare wanted_?: boolean;
  /** @internal */ protected declare touched_?: boolean;
  private declare draining_?: boolean;
  private declare running_?: boolean;
  private declare timer_: ReturnType<typeof setTimeout> | undefined;
  private readonly notes_: (() => void)[] = [];
  private readonly later_: (() => void)[] = [];
  /** Removes the listeners of the platform. */
  private readonly end_ = new AbortController();
  private readonly waiters_ = new Set<() => void>();

  /** @internal */
  constructor(
    /** @internal */
    readonly core_: Core,
    /** 16 hex digits: which writer this kit is. */
    readonly replica: string,
    /** @internal */
    protected readonly make_: new (kit: any, id: string) => D,
    /** @internal */
    protected readonly options_: LiteOptions,
  ) {
    super();
    // Follows the platform: no waiting for a timeout when the network goes or comes.
    for (const name of ['online', 'offline']) {
      const changed = (): void => {
        if (!this.wanted_) return;
        this.online_(false);
        this.online_(name == 'online');
      };
      globalThis.addEventListener?.(name, changed, this.end_);
    }
    this.goOnline();
  }

  /**
   * The document of that id, the same object while it is open. It returns at once: until `ready`
   * it reads as empty and refuses writes.
   * @internal
   */
  document_(id: string): D {
    this.open_();
    let document = this.documents_.get(id);
    if (!document) {
      document = new this.make_(this, id);
      this.documents_.set(id, document);
      this.byHandle_[document.handle_] = document;
    }
    return document;
  }
  private open_(): void {
    if (this.closed_) fail('closed', 'the kit is closed');
  }

  private online_(wanted: boolean): void {
    if (this.closed_) return;
    this.core_.sk_online(+wanted, now());
    this.drain_();
  }
  /** Connects, and stays connected: after a failure again with growing pauses. */
  goOnline(): void {
    if (this.options_.url) this.online_((this.wanted_ = true));
  }
  /** Disconnects, and stays so until goOnline: edits wait on this device. */
  goOffline(): void {
    this.online_((this.wanted_ = false));
  }
  /** Resolves when every change made so far is stored on this device; at once in memory. */
  async saved(): Promise<void> {
    this.commit_();
    this.open_();
  }
  /**
   * Resolves when every change made so far is durable on the host. Rejects with `timeout` after
   * `timeout` milliseconds (default: waits for ever), with `denied` when the host refuses.
   */
  flush({ timeout = 0 }: { timeout?: number } = {}): Promise<void> {
    this.commit_();
    const all = [...this.documents_.values()].map((document) => document.flushed_());
    return this.wait_(() => all.every((done) => done()), timeout);
  }
  /** Releases everything. What is neither stored nor durable on the host is lost. */
  async close(_force?: boolean): Promise<void> {
    if (this.closed_) return;
    this.online_(false);
    this.closed_ = true;
    this.gone_();
    clearTimeout(this.timer_);
    this.end_.abort();
    for (const document of this.documents_.values()) document.closed_ = true;
    this.check_();
  }

  // ---- waiting -----------------------------------------------------------------------------

  /** Resolves when `done` holds, asked whenever something has happened. @internal */
  protected wait_(done: () => unknown, timeout = 0): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (late?: boolean): void => {
        try {
          this.open_();
          if (!done()) return late ? fail('timeout', 'not done in time') : undefined;
          resolve();
        } catch (error) {
          reject(error);
        }
        clearTimeout(timer);
        this.waiters_.delete(look);
      };
      const timer = timeout ? setTimeout(look, timeout, true) : undefined;
      this.waiters_.add(look);
      look();
    });
  }
  private check_(): void {
    each(this.waiters_);
  }

  // ---- documents ---------------------------------------------------------------------------

  /** Gives the engine what is stored of a document. @internal */
  protected async fill_(_document: BaseDocument<any>): Promise<void> {}

  /** @internal */
  async load_(document: BaseDocument<any>): Promise<void> {
    try {
      await this.fill_(document);
      document.open_();
      this.core_.ok_(this.core_.sk_loaded(document.handle_, now()));
    } catch (error) {
      throw this.report_(error, `document ${document.id}`);
    }
    // What loading put out comes first: it is in the views already.
    this.afterwards_(() => {
      document.readable_ = true;
      this.core_.sk_info(document.handle_);
      document.seq = this.core_.seq_();
      document.changed_();
    });
    this.drain_();
  }
  /** @internal */
  forget_({ handle_: handle, id }: BaseDocument<any>): void {
    this.core_.ok_(this.core_.sk_close(handle, 0, now()));
    this.documents_.delete(id);
    delete this.byHandle_[handle];
    this.drain_();
  }

  // ---- carrying out ------------------------------------------------------------------------

  /** Something changed: commit and carry out at the end of this tick. @internal */
  touch_(): void {
    if (this.touched_) return;
    this.touched_ = true;
    queueMicrotask(() => this.commit_());
  }
  /** @internal */
  protected commit_(): void {
    this.touched_ = false;
    if (this.closed_) return;
    this.core_.sk_commit_all(now());
    this.drain_();
  }

  /** Carries out all that the engine wants; listeners run at its end. @internal */
  protected drain_(): void {
    if (this.draining_ || this.closed_) return;
    this.draining_ = true;
    try {
      while (this.core_.sk_drain(now())) {
        // A copy: what follows calls the engine.
        for (const r = new Reader(this.core_.data_().slice()); r.left; ) {
          const kind = r.byte();
          const payload = new Reader(r.raw(r.uint(4)));
          try {
            this.record_(kind, payload);
          } catch (error) {
            this.report_(error, `output record ${kind}`);
          }
        }
      }
      // Views are read again only now, when no patch for them is left in the output.
      each(this.later_.splice(0));
    } finally {
      this.draining_ = false;
    }
    clearTimeout(this.timer_);
    const at = this.core_.sk_next_timer();
    if (at >= 0) {
      this.timer_ = setTimeout(() => {
        this.core_.sk_tick(now());
        this.drain_();
      }, Math.min(at - now() + 1, maxTimerMs));
    }
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

  /** @internal */
  protected record_(kind: number, r: Reader): void {
    if (kind == 1) return this.socket_?.send(r.raw(r.left));
    if (kind == 16) return void this.connect_();
    if (kind == 17) return this.gone_();
    if (kind == 28) return; // its clock: the engine follows it
    const target = this.byHandle_[r.uint(4)];
    if (kind == 27) {
      const code = r.uint(4);
      r.byte();
      this.report_(statusError(code, r.text(r.left)));
    } else if (kind == 18 && target) {
      const status = (target.status = statuses[r.byte()]!);
      this.notify_(() => target.emit_('status', status));
    } else if (kind == 26 && target) {
      const event = { document: target.id, acknowledged: r.uint(8), atHost: r.uint(8) };
      this.notify_(() => this.emit_('history-lost', event));
    } else target?.record_(kind, r);
  }
  /** Tells of what nobody can be told by a throw, except that something is closed. @internal */
  protected report_(cause: unknown, what = ''): SyncKitError {
    const error = wrap('unavailable', what, cause);
    if (error.code != 'closed') {
      this.notify_(() => this.emit_('error', error) || console.error(error));
    }
    return error;
  }

  // ---- connection --------------------------------------------------------------------------

  private async connect_(): Promise<void> {
    const attempt = (this.attempt_ = {});
    /** Does something, unless there is another attempt by now. */
    const live =
      <E = void>(act: (event: E) => void) =>
      (event: E): void => {
        if (attempt != this.attempt_) return;
        act(event);
        this.drain_();
      };
    const gone = live(() => this.gone_());
    const { core_: core } = this;
    const { token, url, WebSocket = globalThis.WebSocket } = this.options_;
    try {
      const credential = typeof token == 'function' ? await token() : token;
      live(() => {
        const { href } = new URL(url!, globalThis.location?.href);
        const socket = (this.socket_ = new WebSocket(href.replace(/^http/, 'ws')) as Socket);
        socket.binaryType = 'arraybuffer';
        socket.onopen = live(() => core.sk_connected(core.put_(credential), now()));
        socket.onmessage = live(({ data }: { data: ArrayBuffer }) => {
          this.drain_(); // a frame is taken when there is room for what it puts out
          core.put_();
          core.sk_receive(core.raw_(new Uint8Array(data)), now());
        });
        socket.onerror = socket.onclose = gone;
      })();
    } catch (error) {
      this.report_(error, 'no connection');
      gone();
    }
  }
  private gone_(): void {
    this.attempt_ = undefined;
    this.socket_?.close();
    this.socket_ = undefined;
    this.core_.sk_disconnected(now());
  }
}
