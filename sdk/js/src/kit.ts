// A kit: one replica with its connection and its documents; stored.ts adds what keeps them.
//
// The engine (core.wasm) decides; this file carries out what it decides: frames to the WebSocket,
// events to listeners. Edits of one tick become one transaction in a microtask.

import { decoder, Reader } from './codec.js';
import { createConnection } from './connection.js';
import { now, type Core, type WasmSource } from './core.js';
import type { BaseDocument, ChangeEvent, RejectedEvent, Status } from './document.js';
import { fail, statusError, wrap, type SyncKitError } from './errors.js';
import { each, emitter, type Emitter } from './events.js';
import type { MakeField } from './field.js';
import type { CustomField, PluginType } from './plugin.js';
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
  /** Where core.wasm is (with `types`: core-full.wasm). Default: beside this module. */
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

/**
 * Carries out an output record, by what it holds (EXPORTS.md): two numbers of 64 bits, one of 32,
 * bytes.
 * @internal
 */
export type Act = (a: number, b: number, number: number, bytes: Uint8Array) => unknown;

/** What the kits of all entries have in common; opened by `SyncKit.open`. */
export interface BaseKit<D extends BaseDocument<any> = BaseDocument<any>>
  extends Emitter<KitEvents> {
  /** Of the connection as a whole; `on('status', …)` tells changes. */
  status: Status;
  /** 16 hex digits: which writer this kit is. */
  readonly replica: string;
  /** Connects, and stays connected: after a failure again with growing pauses. */
  goOnline(): void;
  /** Disconnects, and stays so until goOnline: edits wait on this device. */
  goOffline(): void;
  /** Resolves when every change made so far is stored on this device; at once in memory. */
  saved(): Promise<void>;
  /**
   * Resolves when every change made so far is durable on the host. Rejects with `timeout` after
   * `timeout` milliseconds (default: waits for ever), with `denied` when the host refuses.
   */
  flush(options?: { timeout?: number }): Promise<void>;
  /**
   * Stores what is open, then releases everything. When the storage fails it rejects, and the kit
   * stays open with its changes in memory, unless `force`. What is neither stored nor durable on
   * the host is lost.
   */
  close(force?: boolean): Promise<void>;
  /**
   * The document of that id (1 to 512 bytes), the same object while it is open. It returns at
   * once: until `ready` it reads as empty and refuses writes.
   */
  document(id: string): D;

  /** Throws when it is closed. @internal */
  open_(): void;
  /** @internal */ readonly core_: Core;
  /** @internal */ closed_?: boolean;
  /** What output records do that are about no document, by their kind. @internal */
  readonly own_: Record<number, Act>;
  /** Gives the engine what is stored of a document. @internal */
  fill_?: (document: BaseDocument<any>) => Promise<void>;
  /** What makes fields of types that plugins bring. @internal */
  custom_?: MakeField<CustomField> | undefined;
  /** Something changed: commit and carry out at the end of this tick. @internal */
  touch_(): void;
  /** @internal */
  commit_(): void;
  /** Carries out all that the engine wants; listeners run at its end. @internal */
  drain_(): void;
  /** Calls when no patch is left in the output. @internal */
  afterwards_(call: () => void): void;
  /** Runs listeners one after the other, never inside each other. @internal */
  notify_(call: () => void): void;
  /** Resolves when `done` holds, asked whenever something has happened. @internal */
  wait_(done: () => unknown, timeout?: number): Promise<void>;
  /** Tells of what nobody can be told by a throw, except that something is closed. @internal */
  report_(cause: unknown, what?: string): SyncKitError;
  /** @internal */
  forget_(document: BaseDocument<any>): void;
}

/** The loop between the engine and the listeners: a part of the kit. */
const createLoop = (
  core: Core,
  kit: () => BaseKit,
  record: (kind: number, doc: number, ...rest: Parameters<Act>) => void,
): Pick<BaseKit, 'touch_' | 'commit_' | 'drain_' | 'afterwards_' | 'notify_' | 'wait_'> => {
  const notes: (() => void)[] = [];
  const later: (() => void)[] = [];
  const waiters: (() => void)[] = [];
  let touched = false;
  let draining = false;
  let running = false;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const run = (): void => {
    if (running || draining) return;
    running = true;
    for (let call; (call = notes.shift()); ) {
      try {
        call();
      } catch (error) {
        // A listener's own mistake: the platform reports it, and everybody else goes on.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    running = false;
  };
  const drain = (): void => {
    clearTimeout(timer);
    if (!draining && !kit().closed_) {
      draining = true;
      try {
        while (core.sk_drain()) {
          // A copy: what follows calls the engine.
          for (const r = new Reader(core.data_().slice()); r.left; ) {
            const kind = r.uint(4);
            const rest = [r.uint(4), r.uint(8), r.uint(8), r.uint(4), r.raw(r.uint(4))] as const;
            try {
              record(kind, ...rest);
            } catch (error) {
              kit().report_(error, `output record ${kind}`);
            }
          }
        }
        // Views are read again only now, when no patch for them is left in the output.
        each(later.splice(0));
      } finally {
        draining = false;
      }
      const at = core.sk_next_timer();
      if (at >= 0) timer = setTimeout(tick, Math.min(at - now() + 1, maxTimerMs));
    }
    each(waiters.splice(0));
    run();
  };
  const tick = (): void => {
    core.sk_tick(now());
    drain();
  };
  const commit = (): void => {
    touched = false;
    if (!kit().closed_) core.sk_commit_all();
    drain();
  };
  return {
    touch_() {
      if (!touched) queueMicrotask(commit);
      touched = true;
    },
    commit_: commit,
    drain_: drain,
    afterwards_: (call) => void later.push(call),
    notify_(call) {
      notes.push(call);
      run();
    },
    async wait_(done, timeout) {
      let isLate = false;
      const late = (): void => {
        isLate = true;
        drain();
      };
      const end = timeout && setTimeout(late, timeout);
      try {
        while (!done()) {
          if (isLate) fail('timeout', 'not done in time');
          await new Promise<void>((resolve) => waiters.push(resolve));
        }
      } finally {
        clearTimeout(end);
      }
    },
  };
};

/** @internal */
export const createKit = <D extends BaseDocument<any>>(
  core: Core,
  replica: string,
  make: (kit: any, id: string) => D,
  options: LiteOptions,
  fill?: BaseKit['fill_'],
): BaseKit<D> => {
  /** By their handles; at 0 the kit itself. */
  const targets: any[] = [];
  const documents = new Map<string, D>();
  let isWanted = false;
  const open = (): void => {
    if (kit.closed_) fail('closed', 'the kit');
  };
  const online = (wanted: boolean): void => {
    if (kit.closed_) return;
    core.sk_online(+wanted, now());
    loop.drain_();
  };
  const report = (cause: unknown, what = ''): SyncKitError => {
    const error = wrap('unavailable', what, cause);
    if (error.code != 'closed') {
      loop.notify_(() => kit.emit_('error', error) || console.error(error));
    }
    return error;
  };
  const loop = createLoop(
    core,
    () => kit,
    (kind, doc, acknowledged, atHost, number, bytes) => {
      const target = targets[doc];
      if (target && kind == 18) {
        const status = (target.status = statuses[number]!);
        loop.notify_(() => target.emit_('status', status));
      } else if (target && kind == 26) {
        const event = { document: target.id, acknowledged, atHost };
        loop.notify_(() => kit.emit_('history-lost', event));
      } else (kit.own_[kind] ?? target?.records_?.[kind])?.(acknowledged, atHost, number, bytes);
    },
  );
  const [connect, gone, send] = createConnection(core, options, loop.drain_, report);
  // Follows the platform: no waiting for a timeout when the network goes or comes.
  const end = new AbortController();
  for (const name of ['online', 'offline']) {
    const changed = (): void => {
      if (!isWanted) return;
      online(false);
      online(name == 'online');
    };
    globalThis.addEventListener?.(name, changed, end);
  }
  const kit: BaseKit<D> = {
    ...emitter<KitEvents>(),
    ...loop,
    status: 'offline',
    replica,
    core_: core,
    open_: open,
    fill_: fill!,
    report_: report,
    own_: {
      1: (_a, _b, _n, bytes) => send(bytes),
      16: connect,
      17: gone,
      27(_a, _b, code, text) {
        report(statusError(code, decoder.decode(text)));
      },
    },
    document(id) {
      open();
      let document = documents.get(id);
      if (!document) {
        documents.set(id, (document = make(kit, id)));
        targets[document.handle_] = document;
      }
      return document;
    },
    goOnline() {
      if (options.url) online((isWanted = true));
    },
    goOffline: () => online((isWanted = false)),
    async saved() {
      loop.commit_();
      open();
    },
    flush({ timeout = 0 } = {}) {
      loop.commit_();
      const all = [...documents.values()].map((document) => [document, document.seq] as const);
      const isDone = (): boolean => {
        open();
        return all.every(([document, seq]) => document.flushed_(seq));
      };
      return loop.wait_(isDone, timeout);
    },
    async close() {
      if (kit.closed_) return;
      online(false);
      kit.closed_ = true;
      gone();
      end.abort();
      loop.drain_(); // no timer, and nobody waits, any longer
    },
    forget_({ id, handle_: handle }) {
      documents.delete(id);
      delete targets[handle];
      loop.drain_();
    },
  };
  targets[0] = kit;
  kit.goOnline();
  return kit;
};
