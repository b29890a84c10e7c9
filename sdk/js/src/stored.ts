// A kit with a storage: what it holds survives the page, the process, and being offline.
//
// A batch that the storage refuses is tried again, in order, until it is stored or the kit is
// closed: until then the change is visible and safe in memory, but neither saved nor sent.

import { hex, textOf, utf8 } from './codec.js';
import { createCore, randomId, type WasmSource } from './core.js';
import type { BaseDocument } from './document.js';
import { wrap, type SyncKitError } from './errors.js';
import { createKit, type BaseKit, type KitOptions, type MakeDocument } from './kit.js';
import type { StorageAdapter, StoreOp } from './storage.js';

/** Milliseconds to wait after a storage failure, doubled up to the last. */
const firstRetryMs = 250;
const lastRetryMs = 30_000;
/** Kind of rows that are a queue (sdk/client/FORMAT.md). */
const queueKind = 4;
/** What an operation is called, by its code, and its part besides the key. */
const operations = ['', 'put value', 'delete', 'delete-range last', 'put-newer value'];

/** A full disk or quota is a `limit`. */
const wrapped = (error: any): SyncKitError =>
  wrap('storage', error, error?.name == 'QuotaExceededError' ? 'limit' : undefined);

/** Replicas that left a queue in a storage, and of which documents. */
const queues = async (storage: StorageAdapter): Promise<Record<string, string[]>> => {
  const found: Record<string, string[]> = {};
  for (const key of await storage.keys()) {
    const at = 2 + key[0]! * 256 + key[1]!;
    if (key[at] != queueKind) continue;
    const replica = hex(new DataView(key.slice(at).buffer).getBigUint64(1));
    (found[replica] ??= []).push(textOf(key.subarray(2, at)));
  }
  return found;
};

/**
 * A kit that keeps its documents in a storage. A helper sends a dead replica's queue only.
 * `release`: what follows when it is closed.
 */
const createStored = async <D extends BaseDocument<any>>(
  wasm: WasmSource,
  replica: string,
  make: MakeDocument<D>,
  options: KitOptions,
  storage: StorageAdapter,
  release: () => unknown,
  isHelper?: boolean,
): Promise<BaseKit<D>> => {
  const type = options.types?.[0];
  const core = await (type?.start_ ?? createCore)(
    wasm,
    BigInt(`0x${replica}`),
    1,
    options.types as never,
  );
  /** Operations that are not stored yet. */
  const queue: StoreOp[] = [];
  let pumping: Promise<void> | undefined;
  let failure: SyncKitError | undefined;
  /** Batches: the last one of all, and of those that are stored. */
  let issued = 0;
  let stored = 0;
  let adopting = isHelper;
  /** The kit that sends a dead replica's queue just now. */
  let helper: BaseKit<D> | undefined;

  /** Stores what waits: all of it in one transaction, then what came meanwhile. */
  const pump = async (): Promise<void> => {
    let pause = firstRetryMs;
    await undefined; // batches of one drain belong together
    while (queue.length && !(kit.closed_ && failure)) {
      const ops = [...queue];
      const last = issued;
      try {
        await storage.write(ops);
        failure = undefined;
        queue.splice(0, ops.length);
        core.sk_stored!((stored = last));
        kit.drain_();
      } catch (error) {
        failure = kit.report_(wrapped(error));
        await kit.wait_(() => kit.closed_, pause).catch(() => {});
        pause = Math.min(pause * 2, lastRetryMs);
      }
    }
    // In the same step as the last look at the queue: a batch that comes now starts the next pump.
    pumping = undefined;
  };

  /** Sends what dead replicas (closed tabs) saved and could not send. */
  const adopt = async (): Promise<void> => {
    if (adopting) return;
    adopting = true;
    try {
      for (const [dead, ids] of Object.entries(await queues(storage))) {
        const free = !kit.closed_ && (await storage.lock(dead));
        if (!free) continue; // alive (it may be this one): it sends by itself
        helper = await createStored(core.module_, dead, make, options, storage, free, true);
        helper.on('error', kit.report_);
        helper.on('rejected', (event) => kit.emit_('rejected', event));
        ids.forEach(helper.document);
        await helper.flush().finally(helper.close);
      }
    } catch (error) {
      kit.report_(wrapped(error));
    }
    adopting = false;
  };

  const kit = createKit(core, replica, make, options);
  const { close } = kit;
  kit.load_ = async (document) => {
    const { id, handle_: handle } = document;
    try {
      await kit.saved(); // what an earlier instance of the document wrote
      // Row keys start with the document's id after its length in two bytes.
      const name = utf8(id);
      const first = Uint8Array.of(name.length >> 8, name.length, ...name);
      const rows = await storage.load(first, Uint8Array.of(...first, 255));
      document.open_();
      for (const [key, value] of rows) {
        core.put_(value, core.put_(key));
        core.ok_(core.sk_load!(handle, key.length, value.length));
      }
      core.sk_loaded(handle);
      document.loading_ = false;
      document.seq = core.output_.pop()![3];
      document.fields_.forEach((field) => field.reset_());
      kit.drain_();
    } catch (error) {
      throw kit.report_(error, `document ${id}`);
    }
  };
  kit[28] = adopt;
  kit[3] = (code, _a, _b, key, value) => {
    const [op, part] = operations[code]!.split(' ');
    queue.push({ op, key, ...(part && { [part]: value }) } as StoreOp);
  };
  kit[2] = (id) => {
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
    await kit.wait_(() => {
      kit.commit_();
      if (failure && !force) throw failure;
      // It closes in this very step: nothing is edited in between.
      return (force || stored >= issued) && close();
    });
    void helper?.close(true);
    await pumping;
    await release();
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
  const release = (): Promise<void> => {
    unlock?.();
    return storage.close();
  };
  try {
    await storage.open(options.name ?? 'default');
    const known = await storage.replicas();
    for (replica of [...known, hex(randomId())]) {
      if ((unlock = await storage.lock(replica))) break;
    }
    if (!known.includes(replica)) await storage.register(replica);
    return await createStored(wasm, replica, make, options, storage, release);
  } catch (error) {
    await release();
    throw wrapped(error);
  }
};
