// A kit: one replica with its connection and its documents; stored.ts adds what keeps them.
//
// The engine (core.wasm) decides; this file carries out what it decides: frames to the WebSocket,
// events to listeners. Edits of one tick become one transaction in a microtask.

import { utf8 } from './codec.js';
import type { Core, WasmSource } from './core.js';
import type { BaseDocument, ChangeEvent, RejectedEvent } from './document.js';
import { fail, statusError, wrap, type SyncKitError } from './errors.js';
import { each, emitter, type Act, type Emitter, type Status } from './events.js';
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

/** What the kits of all entries have in common; opened by `SyncKit.open`. */
export interface BaseKit<D extends BaseDocument<any> = BaseDocument<any>>
  extends Emitter<KitEvents> {
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
  /** By their handles. @internal */
  readonly documents_: D[];
  /** Gives the engine what is stored of a document, and opens that for edits. @internal */
  load_?: (document: BaseDocument<any>) => Promise<void>;
  /** Something changed: commit and carry out at the end of this tick. @internal */
  touch_(): void;
  /** @internal */
  commit_(): void;
  /** Carries out all that the engine wants; listeners run at its end. @internal */
  drain_(): void;
  /** Runs listeners one after the other, never inside each other. @internal */
  notify_(call: () => void): void;
  /** Resolves when `done` holds, asked whenever something has happened. @internal */
  wait_(done: () => unknown, timeout?: number): Promise<void>;
  /** Tells of what nobody can be told by a throw, except that something is closed. @internal */
  report_(cause: unknown, what?: string): SyncKitError;
}

/** Makes a document that the engine has opened. @internal */
export type MakeDocument<D> = (kit: any, id: string, handle: number) => D;

/** @internal */
export const createKit = <D extends BaseDocument<any>>(
  core: Core,
  replica: string,
  make: MakeDocument<D>,
  options: LiteOptions,
): BaseKit<D> => {
  const documents: D[] = [];
  /** What waits to be called: listeners, and who waits for something to happen. */
  const notes: (() => void)[] = [];
  const waiters: (() => void)[] = [];
  let touched: boolean | undefined;
  let draining: boolean | undefined;
  let running: boolean | undefined;
  let isWanted: boolean | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const open = (): unknown => kit.closed_ && fail('closed', 'the kit');
  const report = (cause: unknown, what = 'the kit'): SyncKitError => {
    const error = wrap(what, cause);
    if (error.code != 'closed') kit.emit_('error', error);
    return error;
  };

  // ---- the loop between the engine and the listeners ---------------------------------------

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
  const notify = (call: () => void): void => {
    notes.push(call);
    run();
  };
  const drain = (): void => {
    clearTimeout(timer);
    if (!draining && !kit.closed_) {
      draining = true;
      let pause: number;
      while (((pause = core.sk_drain()), core.output_.length)) {
        for (const [kind, doc, ...parts] of core.output_.splice(0)) {
          try {
            (doc ? documents[doc] : kit)?.[kind]?.(...(parts as Parameters<Act>));
          } catch (error) {
            report(error);
          }
        }
      }
      draining = false;
      if (pause) timer = setTimeout(drain, pause);
    }
    each(waiters.splice(0));
    run();
  };
  const commit = (): void => {
    touched = false;
    core.sk_commit_all();
    drain();
  };
  /** Resolves when `done` holds, asked whenever something has happened. */
  const wait = async (done: () => unknown, timeout?: number): Promise<void> => {
    let isLate: boolean | undefined;
    const end =
      timeout &&
      setTimeout(() => {
        isLate = true;
        drain();
      }, timeout);
    try {
      while (!done()) {
        if (isLate) fail('timeout', 'flush');
        await new Promise<void>((resolve) => waiters.push(resolve));
      }
    } finally {
      clearTimeout(end);
    }
  };

  // ---- the connection ----------------------------------------------------------------------

  const { token, url } = options;
  let attempt = 0;
  let socket: Socket | undefined;
  const gone = (): void => {
    attempt++;
    socket?.close();
    core.sk_disconnected();
  };
  const connect = async (): Promise<void> => {
    const mine = ++attempt;
    /** Does something, unless there is another attempt by now. */
    const live =
      <E = void>(act: (event: E) => void) =>
      (event: E): void => {
        if (mine != attempt) return;
        act(event);
        drain();
      };
    try {
      const credential = typeof token == 'function' ? await token() : token;
      live(() => {
        socket = new (options.WebSocket ?? (WebSocket as never))(
          new URL(url!, globalThis.location as never).href.replace(/^http/, 'ws'),
        );
        socket.binaryType = 'arraybuffer';
        socket.onopen = live(() => core.sk_connected(core.put_(utf8(credential))));
        socket.onmessage = live((event: { data: ArrayBuffer }) =>
          core.sk_receive(core.put_(new Uint8Array(event.data))),
        );
        socket.onerror = socket.onclose = live(gone);
      })();
    } catch (error) {
      report(error, 'connection');
      live(gone)();
    }
  };
  const online = (wanted: boolean): void => {
    core.sk_online(+wanted);
    drain();
  };
  // Follows the platform: no waiting for a timeout when the network goes or comes.
  const end = new AbortController();
  for (const name of ['online', 'offline']) {
    globalThis.addEventListener?.(
      name,
      () => {
        if (!isWanted) return;
        online(false);
        online(name == 'online');
      },
      end,
    );
  }

  const kit: BaseKit<D> = {
    ...emitter<KitEvents>(notify),
    replica,
    core_: core,
    open_: open,
    report_: report,
    commit_: commit,
    drain_: drain,
    notify_: notify,
    wait_: wait,
    touch_() {
      if (!touched) queueMicrotask(commit);
      touched = true;
    },
    documents_: documents,
    1: (_number, _a, _b, frame) => socket?.send(frame),
    16: connect,
    17: gone,
    27(code, _a, _b, text) {
      report(statusError(code, text));
    },
    document(id) {
      open();
      const handle = core.ok_(core.sk_open(core.put_(utf8(id))));
      return (documents[handle] ??= make(kit, id, handle));
    },
    goOnline() {
      if (url) online((isWanted = true));
    },
    goOffline: () => online((isWanted = false)),
    async saved() {
      commit();
      open();
    },
    flush({ timeout = 0 } = {}) {
      commit();
      const all = documents.map((document) => [document, document.seq] as const);
      const isDone = (): boolean => {
        open();
        return all.every(([document, seq]) => document.flushed_(seq));
      };
      return wait(isDone, timeout);
    },
    async close() {
      if (kit.closed_) return;
      online(false);
      kit.closed_ = true;
      end.abort();
      drain(); // no timer, and nobody waits, any longer
    },
  };
  kit.goOnline();
  return kit;
};
