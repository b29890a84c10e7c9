// core.wasm: one instance of the engine, with typed calls (sdk/wasm/EXPORTS.md is the contract).
//
// Inputs go to the scratch area, outputs come back through the result struct. What a call returns
// as bytes is borrowed until the next call of this instance; `drain` alone returns a copy, because
// its reader calls back. Views over memory are renewed whenever memory has grown.

import { canonical, decoder, hex64, utf8, Reader, Writer } from './codec.js';
import { codeName, fail, SyncKitError, wrap } from './errors.js';
import type { PluginType } from './plugin.js';

/** A compiled module, or where to get it. */
export type WasmSource = string | URL | BufferSource | WebAssembly.Module;

type Call = (...args: number[]) => number;

const compile = async (source: WasmSource): Promise<WebAssembly.Module> => {
  if (source instanceof WebAssembly.Module) return source;
  try {
    if (typeof source != 'string' && !(source instanceof URL)) {
      return await WebAssembly.compile(source);
    }
    const response = await fetch(source);
    if (!response.ok) throw new Error(`${source} answers ${response.status}`);
    // Not compileStreaming: it refuses a server that does not know the type application/wasm.
    return await WebAssembly.compile(await response.arrayBuffer());
  } catch (error) {
    throw wrap('unavailable', 'core.wasm cannot be loaded', error);
  }
};

const { timeOrigin } = performance;
/** Milliseconds since 1970 by a clock that does not run backwards. */
export const now = (): number => timeOrigin + performance.now();

/** 16 random hex digits, not all zero. */
export const randomId = (): string => {
  const [low, high] = crypto.getRandomValues(new Uint32Array(2));
  return hex64(low! || 1, high!);
};

/** One engine. */
export class Core {
  private readonly sk_: Record<string, Call>;
  private readonly memory_: WebAssembly.Memory;
  private readonly result_: number;
  private bytes_ = new Uint8Array();
  private words_ = new Uint32Array();
  private scratch_ = 0;
  private size_ = 0;
  /** For inputs that the caller composes. */
  readonly writer = new Writer();

  private constructor(instance: WebAssembly.Instance) {
    this.sk_ = instance.exports as Record<string, Call>;
    this.memory_ = instance.exports['memory'] as WebAssembly.Memory;
    (instance.exports['_initialize'] as (() => void) | undefined)?.();
    this.result_ = this.sk_['sk_result']!() >> 2;
  }

  /** `replica`: 16 hex digits. */
  static async create(
    source: WasmSource,
    replica: string,
    types: readonly PluginType[],
  ): Promise<{ core: Core; module: WebAssembly.Module }> {
    const module = await compile(source);
    let core: Core;
    const ext: Call = (op, type, self, a, aLength, b, bLength) => {
      const out = (slot: number, bytes: Uint8Array): void => {
        if (!bytes.length) return; // nothing to append; a null address would look like no memory
        const at = core.sk_['sk_ext_out']!(slot, bytes.length);
        if (!at) fail('nomem', 'core.wasm is out of memory');
        core.mem_().set(bytes, at);
      };
      const input = (at: number, length: number): Uint8Array => core.mem_().slice(at, at + length);
      return types[type!]!.call(op!, self!, input(a!, aLength!), input(b!, bLength!), out);
    };
    core = new Core(await WebAssembly.instantiate(module, { env: { ext } }));
    const half = (at: number): number => parseInt(replica.slice(at, at + 8), 16);
    const seed = crypto.getRandomValues(new Uint32Array(2));
    const name = core.put_(utf8('synckit-js/0.1.0'));
    core.check_(core.sk_['sk_init']!(half(8), half(0), seed[0]!, seed[1]!, 1, name));
    types.forEach((type, i) => {
      const length = core.put_(utf8(type.type));
      core.check_(core.call_('sk_register', i, length, type.format, type.minFormat));
    });
    return { core, module };
  }

  private call_(name: string, ...args: number[]): number {
    const call = this.sk_[name];
    return call ? call(...args) : fail('unsupported', `this core.wasm has no ${name}`);
  }

  /** Memory as bytes; renews the views after growth. */
  private mem_(): Uint8Array {
    if (this.bytes_.buffer !== this.memory_.buffer) {
      this.bytes_ = new Uint8Array(this.memory_.buffer);
      this.words_ = new Uint32Array(this.memory_.buffer);
    }
    return this.bytes_;
  }
  /** Word `i` of the result. */
  private word_(i: number): number {
    this.mem_();
    return this.words_[this.result_ + i]!;
  }
  private data_(): Uint8Array {
    const at = this.word_(1);
    return this.bytes_.subarray(at, at + this.words_[this.result_ + 2]!);
  }
  private check_(code: number): void {
    if (!code) return;
    const at = this.word_(3);
    const text = decoder.decode(this.bytes_.subarray(at, at + this.word_(4)));
    throw new SyncKitError(codeName(code), text);
  }

  /** Copies inputs to scratch, one after the other; returns the length of the first. */
  private put_(first: Uint8Array, second?: Uint8Array): number {
    const size = first.length + (second?.length ?? 0);
    if (size > this.size_ || !this.scratch_) {
      this.size_ = Math.max(size, 65536);
      this.scratch_ = this.sk_['sk_scratch']!(this.size_);
      if (!this.scratch_) {
        this.size_ = 0;
        fail('nomem', 'core.wasm is out of memory');
      }
    }
    const bytes = this.mem_();
    bytes.set(first, this.scratch_);
    if (second) bytes.set(second, this.scratch_ + first.length);
    return first.length;
  }

  // ---- documents ---------------------------------------------------------------------------

  open(id: string): number {
    const doc = this.sk_['sk_open']!(this.put_(utf8(id)));
    if (!doc) this.check_(this.word_(0));
    return doc;
  }
  load(doc: number, key: Uint8Array, value: Uint8Array): void {
    this.put_(key, value);
    this.check_(this.sk_['sk_load']!(doc, key.length, value.length, now()));
  }
  loaded(doc: number): void {
    this.check_(this.sk_['sk_loaded']!(doc, now()));
  }
  close(doc: number, force: boolean): void {
    this.check_(this.sk_['sk_close']!(doc, +force, now()));
  }
  field(doc: number, name: string, type: string): number {
    const second = utf8(type);
    const field = this.sk_['sk_field']!(doc, this.put_(utf8(name), second), second.length);
    if (!field) this.check_(this.word_(0));
    return field;
  }

  // ---- edits and reading -------------------------------------------------------------------

  /** Applies an intent at once. `lastSeq` and `patch` are valid after it. */
  mutate(doc: number, field: number, intent: Uint8Array): void {
    this.check_(this.sk_['sk_mutate']!(doc, field, this.put_(intent), now()));
  }
  /** The patch of the last mutate, borrowed. */
  readonly patch = (): Uint8Array => this.data_();
  /** The document's last own seq, after mutate or info. */
  lastSeq(): number {
    return this.word_(8) + this.words_[this.result_ + 9]! * 2 ** 32;
  }
  begin(doc: number): void {
    this.check_(this.sk_['sk_begin']!(doc));
  }
  commit(doc: number): void {
    this.check_(this.sk_['sk_commit']!(doc, now()));
  }
  commitAll(): void {
    this.sk_['sk_commit_all']!(now());
  }
  /** JSON of a field as bytes, borrowed. */
  view(doc: number, field: number): Uint8Array {
    this.check_(this.sk_['sk_view']!(doc, field));
    return this.data_();
  }
  digest(doc: number): string {
    this.check_(this.sk_['sk_digest']!(doc));
    return hex64(this.word_(8), this.word_(9));
  }
  version(doc: number): Record<string, number> {
    this.check_(this.sk_['sk_version']!(doc));
    const seqs: Record<string, number> = {};
    for (const r = new Reader(this.data_()); !r.done; ) seqs[r.hex()] = r.u64();
    return seqs;
  }
  /** Seq of the last own committed change. */
  info(doc: number): number {
    this.sk_['sk_info']!(doc);
    return this.lastSeq();
  }
  /** Transactions that the host has not acknowledged. */
  pending(doc: number): number {
    this.sk_['sk_info']!(doc);
    return this.word_(6);
  }
  discard(doc: number, seq: number): void {
    this.check_(this.sk_['sk_discard']!(doc, seq >>> 0, Math.floor(seq / 2 ** 32), now()));
  }
  presence(doc: number, state: unknown): void {
    const length = this.put_(state == null ? new Uint8Array() : utf8(canonical(state)));
    this.check_(this.sk_['sk_presence']!(doc, length));
  }

  // ---- storage and session -----------------------------------------------------------------

  stored(batch: number): void {
    this.sk_['sk_stored']!(batch, now());
  }
  online(wanted: boolean): void {
    this.sk_['sk_online']!(+wanted, now());
  }
  connected(credential: string): void {
    this.sk_['sk_connected']!(this.put_(utf8(credential)), now());
  }
  disconnected(): void {
    this.sk_['sk_disconnected']!(now());
  }
  /** False: the output is full; drain it and give the frame again. */
  receive(frame: Uint8Array): boolean {
    return this.sk_['sk_receive']!(this.put_(frame), now()) != 3;
  }
  tick(): void {
    this.sk_['sk_tick']!(now());
  }
  /** Milliseconds until tick is due; -1: never. */
  nextTimer(): number {
    const at = this.sk_['sk_next_timer']!();
    return at < 0 ? -1 : Math.max(0, at - now());
  }
  /** A copy of all output, or undefined. */
  drain(): Reader | undefined {
    return this.sk_['sk_drain']!(now()) ? new Reader(this.data_().slice()) : undefined;
  }
}
