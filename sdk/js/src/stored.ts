// A kit with a storage: what it holds survives the page, the process, and being offline.
//
// A batch that the storage refuses is tried again, in order, until it is stored or the kit is
// closed: until then the change is visible and safe in memory, but neither saved nor sent.

import { decoder, hex, utf8, Reader } from './codec.js';
import { createCore, now, randomId, type Core, type WasmSource } from './core.js';
import type { BaseDocument } from './document.js';
import { wrap, type SyncKitError } from './errors.js';
import { BaseKit, type KitOptions } from './kit.js';
import type { PluginType } from './plugin.js';
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
  types: readonly PluginType[] = [],
): Promise<Core> => {
  const core = await createCore(wasm, replica, 1, (op, type, ...rest: any) =>
    types[type]!.call(core, op, ...(rest as [any, any, any, any, any])),
  );
  types.forEach((type, i) =>
    core.ok_(core.sk_register!(i, core.put_(type.type), type.format, type.minFormat)),
  );
  return core;
};

/** What opens a kit: everything but the class of its documents. */
type Setup<D> = [
  core: Core,
  replica: string,
  make: new (kit: any, id: string) => D,
  options: KitOptions,
  storage: StorageAdapter,
  unlock: () => void,
];

/** A kit that keeps its documents in a storage; opened by `SyncKit.open`. */
export class StoredKit<D extends BaseDocument<any> = BaseDocument<any>> extends BaseKit<D> {
  /** Batches that are not stored yet, and the id of the first of them. */
  private readonly queue_: { id_: number; ops_: StoreOp[] }[] = [];
  private declare pumping_?: Promise<void> | undefined;
  private declare storeError_?: SyncKitError | undefined;
  private declare wake_?: () => void;
  private issued_ = 0;
  private stored_ = 0;
  private declare adopting_?: boolean;
  /** The kit that sends a dead replica's queue just now. */
  private declare helper_?: StoredKit<D>;

  /** @internal */
  constructor(
    core: Core,
    replica: string,
    make: new (kit: any, id: string) => D,
    options: KitOptions,
    private readonly storage_: StorageAdapter,
    private readonly unlock_: () => void,
    /** Sends a dead replica's queue only: it shares its owner's storage. */
    private readonly isHelper_ = false,
  ) {
    super(core, replica, make, options);
  }

  /** What SyncKit.open does. @internal */
  static async open_<D extends BaseDocument<any>, K>(
    kind: new (...setup: Setup<D>) => K,
    make: new (kit: any, id: string) => D,
    options: KitOptions,
    storage: StorageAdapter,
    wasm: WasmSource,
  ): Promise<K> {
    try {
      await storage.open(options.name ?? 'default');
      let replica = '';
      let unlock: (() => void) | undefined;
      for (replica of await storage.replicas()) {
        if ((unlock = await storage.lock(replica))) break;
      }
      if (!unlock) {
        replica = randomId();
        unlock = await storage.lock(replica);
        await storage.register(replica);
      }
      const core = await start(wasm, replica, options.types);
      return new kind(core, replica, make, options, storage, unlock!);
    } catch (error) {
      await storage.close();
      throw wrap('unavailable', 'the kit cannot be opened', error);
    }
  }

  /** Resolves when every change made so far is stored on this device. */
  override saved(): Promise<void> {
    this.commit_();
    const until = this.issued_;
    return this.wait_(() => this.stored_ >= until);
  }
  /**
   * Stores what is open, then releases everything. When the storage fails it rejects, and the kit
   * stays open with its changes in memory, unless `force`.
   */
  override async close(force = false): Promise<void> {
    if (this.closed_) return;
    while (!force) {
      const saved = this.saved();
      if (this.storeError_) {
        saved.catch(() => {});
        throw this.storeError_;
      }
      await saved;
      if (!this.touched_) break;
    }
    await super.close();
    void this.helper_?.close(true);
    this.wake_?.();
    await this.pumping_;
    this.unlock_();
    if (!this.isHelper_) await this.storage_.close();
  }

  /** @internal */
  protected override async fill_(document: BaseDocument<any>): Promise<void> {
    await this.saved(); // what an earlier instance of the document wrote
    // Row keys start with the document's id after its length in two bytes.
    const id = utf8(document.id);
    const first = Uint8Array.of(id.length >> 8, id.length, ...id);
    const rows = await this.storage_.load(first, Uint8Array.of(...first, 255));
    if (document.closed_) return;
    const { core_: core } = this;
    for (const [key, value] of rows) {
      core.put_();
      core.raw_(key);
      core.raw_(value);
      core.ok_(core.sk_load!(document.handle_, key.length, value.length, now()));
    }
  }

  /** @internal */
  protected override record_(kind: number, r: Reader): void {
    if (kind == 28) void this.adopt_();
    if (kind != 2) return super.record_(kind, r);
    const id = (this.issued_ = r.uint(4));
    const ops: StoreOp[] = [];
    while (r.left) {
      const op = r.byte();
      const key = r.raw(r.uint(2));
      ops.push(
        op == 2
          ? { op: 'delete', key }
          : op == 3
            ? { op: 'delete-range', key, last: r.raw(r.uint(2)) }
            : { op: op == 1 ? 'put' : 'put-newer', key, value: r.raw(r.uint(4)) },
      );
    }
    this.queue_.push({ id_: id, ops_: ops });
    this.pumping_ ??= this.pump_();
  }

  /** Stores what waits: all of it in one transaction, then what came meanwhile. */
  private async pump_(): Promise<void> {
    let pause = firstRetryMs;
    await undefined; // batches of one drain belong together
    while (this.queue_.length && !(this.closed_ && this.storeError_)) {
      const batches = [...this.queue_];
      try {
        await this.storage_.write(batches.flatMap((batch) => batch.ops_));
      } catch (error) {
        this.storeError_ = this.report_(error, 'changes are not stored');
        await new Promise<void>((resolve) => {
          this.wake_ = resolve;
          setTimeout(resolve, pause);
        });
        pause = Math.min(pause * 2, lastRetryMs);
        continue;
      }
      this.storeError_ = undefined;
      pause = firstRetryMs;
      this.queue_.splice(0, batches.length);
      this.stored_ = batches.at(-1)!.id_;
      if (this.closed_) continue;
      this.core_.sk_stored!(this.stored_, now());
      this.drain_();
    }
    // In the same step as the last look at the queue: a batch that comes now starts the next pump.
    this.pumping_ = undefined;
  }

  /** Sends what dead replicas (closed tabs) saved and could not send. */
  private async adopt_(): Promise<void> {
    if (this.adopting_ || this.isHelper_) return;
    this.adopting_ = true;
    const { core_: core, options_: options, storage_: storage } = this;
    try {
      const queues: Record<string, Set<string>> = {};
      for (const key of await storage.keys()) {
        const at = 2 + key[0]! * 256 + key[1]!;
        if (key[at] != queueKind) continue;
        // Big endian in keys.
        const replica = hex(new Reader(key.slice(at + 1, at + 9).reverse()));
        (queues[replica] ??= new Set()).add(decoder.decode(key.subarray(2, at)));
      }
      for (const [replica, ids] of Object.entries(queues)) {
        if (this.closed_) return;
        const unlock = await storage.lock(replica);
        if (!unlock) continue; // alive (it may be this one): it sends by itself
        const { types } = options as KitOptions;
        const dead = await start(core.module_, replica, types);
        const helper = new StoredKit(dead, replica, this.make_, options, storage, unlock, true);
        this.helper_ = helper;
        helper.on('error', (error) => this.report_(error));
        helper.on('rejected', (event) => this.emit_('rejected', event));
        try {
          for (const id of ids) helper.document_(id);
          await helper.flush();
        } finally {
          await helper.close();
        }
      }
    } catch (error) {
      this.report_(error, 'a queue that was left behind');
    } finally {
      this.adopting_ = false;
    }
  }
}
