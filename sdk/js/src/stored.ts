// A kit with a storage: what it holds survives the page, the process, and being offline.
//
// A batch that the storage refuses is tried again, in order, until it is stored or the kit is
// closed: until then the change is visible and safe in memory, but neither saved nor sent.

import { decoder, hex, utf8 } from './codec.js';
import { createCore, randomId, type Core, type WasmSource } from './core.js';
import type { BaseDocument } from './document.js';
import { wrap, type SyncKitError } from './errors.js';
import { createKit, type BaseKit, type KitOptions, type MakeDocument } from './kit.js';
import type { StorageAdapter, StoreOp } from './storage.js';

/** Milliseconds to wait after a storage failure, doubled up to the last. */
const firstRetryMs = 250;
const lastRetryMs = 30_000;
/** Kind of rows that are a queue (sdk/client/FORMAT.md). */
const queueKind = 4;

/** An engine with the types that plugins bring. */
const start = async (
  wasm: WasmSource,
  replica: string,
  { types }: KitOptions,
): Promise<Core> => {
  const [ext, register] = types?.[0]?.host_(types) ?? [];
  const core = await createCore(wasm, replica, 1, ext);
  register?.(core);
  return core;
};

/** Names of the operations in a batch, by their codes. */
const opNames = ['', 'put', 'delete', 'delete-range', 'put-newer'] as const;

/** Replicas that left a queue in a storage, and the ids of its documents. */
const queues = async (storage: StorageAdapter): Promise<Record<string, Set<string>>> => {
  const found: Record<string, Set<string>> = {};
  for (const key of await storage.keys()) {
    const at = 2 + key[0]! * 256 + key[1]!;
    if (key[at] != queueKind) continue;
    const replica = hex(new DataView(key.slice(at).buffer).getBigUint64(1));
    (found[replica] ??= new Set()).add(decoder.decode(key.subarray(2, at)));
  }
  return found;
};

/**
 * A kit that keeps its documents in a storage. A helper sends a dead replica's queue only: it
 * shares its owner's storage.
 */
const createStored = <D extends BaseDocument<any>>(
  core: Core,
  replica: string,
  make: MakeDocument<D>,
  options: KitOptions,
  storage: StorageAdapter,
  unlock: () => void,
  isHelper?: boolean,
): BaseKit<D> => {
  /** Operations that are not stored yet. */
  let queue: StoreOp[] = [];
  let pumping: Promise<void> | undefined;
  let storeError: SyncKitError | undefined;
  let wake: (() => void) | undefined;
  /** Batches: the last one of all, and of those that are stored. */
  let issued = 0;
  let stored = 0;
  let adopting = false;
  /** The kit that sends a dead replica's queue just now. */
  let helper: BaseKit<D> | undefined;

  /** Stores what waits: all of it in one transaction, then what came meanwhile. */
  const pump = async (): Promise<void> => {
    let pause = firstRetryMs;
    await undefined; // batches of one drain belong together
    while (queue.length && !(kit.closed_ && storeError)) {
      const ops = [...queue];
      const last = issued;
      try {
        await storage.write(ops);
      } catch (error) {
        storeError = kit.report_(error, 'changes are not stored');
        await new Promise<void>((resolve) => {
          wake = resolve;
          setTimeout(resolve, pause);
        });
        pause = Math.min(pause * 2, lastRetryMs);
        continue;
      }
      storeError = undefined;
      pause = firstRetryMs;
      queue = queue.slice(ops.length);
      stored = last;
      if (!kit.closed_) core.sk_stored!(last);
      kit.drain_();
    }
    // In the same step as the last look at the queue: a batch that comes now starts the next pump.
    pumping = undefined;
  };

  /** Sends what dead replicas (closed tabs) saved and could not send. */
  const adopt = async (): Promise<void> => {
    if (adopting || isHelper) return;
    adopting = true;
    try {
      for (const [dead, ids] of Object.entries(await queues(storage))) {
        const free = !kit.closed_ && (await storage.lock(dead));
        if (!free) continue; // alive (it may be this one): it sends by itself
        const engine = await start(core.module_, dead, options);
        helper = createStored(engine, dead, make, options, storage, free, true);
        helper.on('error', kit.report_);
        helper.on('rejected', (event) => kit.emit_('rejected', event));
        try {
          for (const id of ids) helper.document(id);
          await helper.flush();
        } finally {
          await helper.close();
        }
      }
    } catch (error) {
      kit.report_(error, 'a queue that was left behind');
    }
    adopting = false;
  };

  const kit = createKit(core, replica, make, options);
  kit.fill_ = async (document) => {
    await kit.saved(); // what an earlier instance of the document wrote
    // Row keys start with the document's id after its length in two bytes.
    const id = utf8(document.id);
    const first = Uint8Array.of(id.length >> 8, id.length, ...id);
    const rows = await storage.load(first, Uint8Array.of(...first, 255));
    document.open_();
    for (const [key, value] of rows) {
      core.put_(key, value);
      core.ok_(core.sk_load!(document.handle_, key.length, value.length));
    }
  };
  kit.custom_ = options.types?.[0]?.field_;
  const { close } = kit;
  kit.acts_[28] = adopt;
  kit.acts_[3] = (code, _a, _b, key, value) => {
    const op = opNames[code]!;
    queue.push({
      op,
      key,
      // The last key of a range: `key` with another end.
      ...(op == 'delete-range'
        ? { last: Uint8Array.of(...key.slice(0, -value.length), ...value) }
        : op != 'delete' && { value }),
    } as StoreOp);
  };
  kit.acts_[2] = (id) => {
    issued = id;
    pumping ??= pump();
  };
  kit.saved = () => {
    kit.commit_();
    const until = issued;
    return kit.wait_(() => {
      kit.open_();
      return stored >= until;
    });
  };
  kit.close = async (force) => {
    if (kit.closed_) return;
    const isDone = (): boolean => {
      kit.commit_();
      if (storeError && !force) throw storeError;
      if (stored < issued && !force) return false;
      void close(); // in this very step: nothing is edited in between
      return true;
    };
    await kit.wait_(isDone);
    void helper?.close(true);
    wake?.();
    await pumping;
    unlock();
    if (!isHelper) await storage.close();
  };
  return kit;
};

/** What SyncKit.open does: as a replica that nobody is, or a new one. @internal */
export const openStored = async <D extends BaseDocument<any>>(
  make: MakeDocument<D>,
  options: KitOptions,
  storage: StorageAdapter,
  wasm: WasmSource,
): Promise<BaseKit<D>> => {
  let replica = '';
  let unlock: (() => void) | undefined;
  try {
    await storage.open(options.name ?? 'default');
    const known = await storage.replicas();
    for (replica of [...known, randomId()]) {
      if ((unlock = await storage.lock(replica))) break;
    }
    if (!known.includes(replica)) await storage.register(replica);
    const core = await start(wasm, replica, options);
    return createStored(core, replica, make, options, storage, unlock!);
  } catch (error) {
    unlock?.();
    await storage.close();
    throw wrap('unavailable', 'the kit cannot be opened', error);
  }
};
