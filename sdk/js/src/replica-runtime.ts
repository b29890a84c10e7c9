// One instance of replica.wasm, which all replicas of a realm share (sdk/wasm/EXPORTS.md, section
// "replica.wasm", is the contract), and the ways in and out of its memory.
//
// Inputs are composed in the scratch area. What a call leaves is read through the result struct and
// borrowed until the next call. Views over memory are renewed when memory has grown: a detached
// view has length 0.

import { canonical, encoder } from './codec.js';
import type { WasmSource } from './core.js';
import { fail, statusError, wrap } from './errors.js';

type Call = (...args: number[]) => number;

const kSlabWords = 16384;
/** The first one: what is rare happens early, before the compiler takes it for impossible. */
const kFirstSlabWords = 1024;
/** Above this an update gets a buffer of its own. */
const kSmallUpdate = 1024;
/** kKeptScratch of replica.cpp: after a larger input the scratch area is given back. */
const kScratchBytes = 65536;
/** Up to this length a string is written unit by unit, which beats the encoder. */
export const kShortText = 48;

/** Where text to insert starts in scratch: kTextAt of replica.cpp. */
export const kTextAt = 16;

const compile = async (source: WasmSource): Promise<WebAssembly.Module> => {
  if (source instanceof WebAssembly.Module) return source;
  try {
    if (typeof source != 'string' && !(source instanceof URL)) {
      return await WebAssembly.compile(source);
    }
    const response = await fetch(source);
    if (!response.ok) throw new Error(`${source} answers ${response.status}`);
    return await WebAssembly.compile(await response.arrayBuffer());
  } catch (error) {
    throw wrap('replica.wasm cannot be loaded', error);
  }
};

export class Runtime {
  private readonly memory_: WebAssembly.Memory;
  private readonly result_: number;
  private readonly scratchOf_: Call;
  // All that changes has a first value here and is set below: a field that was set once only is
  // compiled as a constant, and all code that used it again when it does change.
  private bytes_ = new Uint8Array();
  private words_ = new Uint32Array();
  private scratch_ = 0;
  private size_ = 0;
  private slab_ = new Uint32Array();
  private slabWords_ = kFirstSlabWords; // of the next one
  private slabBuffer_ = this.slab_.buffer; // `slab_.buffer` is a call
  private slabAt_ = 0; // words
  // Fields, not the exports object: a call through it costs as much again as the call.
  readonly new_: Call;
  readonly free_: Call;
  readonly field_: Call;
  readonly time_: Call;
  readonly edit_: Call;
  readonly know_: Call;
  readonly editKnown_: Call;
  readonly editHeld_: Call;
  readonly splice_: Call;
  readonly add_: Call;
  readonly commit_: Call;
  readonly apply_: Call;
  readonly view_: Call;
  readonly snapshot_: Call;
  readonly version_: Call;
  readonly digest_: Call;
  readonly anchor_: Call;
  readonly position_: Call;
  readonly history_: Call;
  readonly step_: Call;
  readonly undo_: Call;
  readonly steps_: Call;

  constructor(instance: WebAssembly.Instance) {
    const { exports } = instance;
    (exports['_initialize'] as (() => void) | undefined)?.();
    const sk = exports as Record<string, Call>;
    this.memory_ = exports['memory'] as WebAssembly.Memory;
    // The first time that memory grows, an engine drops all code that took it for granted that no
    // buffer is ever detached: so let that be now.
    this.memory_.grow(0);
    this.look_();
    this.result_ = sk['sk_result']!() >> 2;
    this.scratchOf_ = sk['sk_scratch']!;
    this.new_ = sk['sk_replica_new']!;
    this.free_ = sk['sk_replica_free']!;
    this.field_ = sk['sk_replica_field']!;
    this.time_ = sk['sk_time']!;
    this.edit_ = sk['sk_edit']!;
    this.know_ = sk['sk_know']!;
    this.editKnown_ = sk['sk_edit_known']!;
    this.editHeld_ = sk['sk_edit_held']!;
    this.splice_ = sk['sk_text_splice']!;
    this.add_ = sk['sk_counter_add']!;
    this.commit_ = sk['sk_replica_commit']!;
    this.apply_ = sk['sk_replica_apply']!;
    this.view_ = sk['sk_view']!;
    this.snapshot_ = sk['sk_replica_snapshot']!;
    this.version_ = sk['sk_replica_version']!;
    this.digest_ = sk['sk_replica_digest']!;
    this.anchor_ = sk['sk_text_anchor']!;
    this.position_ = sk['sk_text_position']!;
    this.history_ = sk['sk_replica_history']!;
    this.step_ = sk['sk_replica_step']!;
    this.undo_ = sk['sk_replica_undo']!;
    this.steps_ = sk['sk_replica_steps']!;
  }

  static async load(source: WasmSource): Promise<Runtime> {
    return new Runtime(await WebAssembly.instantiate(await compile(source), {}));
  }

  // ---- in ------------------------------------------------------------------------------------

  private look_(): void {
    this.bytes_ = new Uint8Array(this.memory_.buffer);
    this.words_ = new Uint32Array(this.memory_.buffer);
  }

  /** Makes scratch hold `n` bytes, and the views fit. */
  private room_(n: number): void {
    if (n > this.size_) this.enlarge_(n);
    if (!this.bytes_.length) this.look_();
  }
  private enlarge_(n: number): void {
    this.size_ = Math.max(n, kScratchBytes);
    this.scratch_ = this.scratchOf_(this.size_) >>> 0;
    if (this.scratch_) return;
    this.size_ = 0;
    fail('nomem', 'replica.wasm is out of memory');
  }

  /** Writes UTF-8 at scratch + at; where it ends. A lone surrogate becomes U+FFFD. */
  text_(at: number, text: string): number {
    const n = text.length;
    this.room_(at + 3 * n);
    const bytes = this.bytes_;
    const from = this.scratch_ + at;
    if (n <= kShortText) {
      let i = 0;
      for (; i < n; i++) {
        const unit = text.charCodeAt(i);
        if (unit > 127) break;
        bytes[from + i] = unit;
      }
      if (i == n) return at + n;
    }
    return at + encoder.encodeInto(text, bytes.subarray(from)).written;
  }

  /** Writes text at scratch in one native call; its length, 0 when it is not ASCII. */
  ascii_(text: string): number {
    const n = text.length;
    this.room_(n);
    const to = this.bytes_.subarray(this.scratch_, this.scratch_ + n);
    return encoder.encodeInto(text, to).read == n ? n : 0; // anything else would need more room
  }

  /** The start of scratch, as so many numbers to be written. */
  numbers_(count: number): Uint32Array {
    this.room_(4 * count);
    const from = this.scratch_ >> 2;
    return this.words_.subarray(from, from + count);
  }

  byte_(at: number, value: number): number {
    this.room_(at + 1);
    this.bytes_[this.scratch_ + at] = value;
    return at + 1;
  }

  /** Writes text after its length in bytes; where it ends. */
  sized_(at: number, text: string): number {
    const end = this.text_(at + 1, text);
    const size = end - at - 1;
    return size < 128 ? this.byte_(at, size) + size : this.longer_(at, text, size);
  }
  private longer_(at: number, text: string, size: number): number {
    for (; size > 127; size >>>= 7) at = this.byte_(at, (size & 127) | 128);
    return this.put_(this.byte_(at, size), encoder.encode(text));
  }

  /** Writes canonical JSON (keys sorted, so that equal values are equal bytes); where it ends. */
  json_(at: number, value: unknown): number {
    let end = 0;
    if (typeof value == 'number') end = this.digits_(at, value);
    else if (typeof value == 'string') end = this.quoted_(at, value);
    return end || this.text_(at, canonical(value));
  }

  /** A whole number from 0 to 2^30; 0 for any other. */
  private digits_(at: number, value: number): number {
    if (!(value >= 0 && value < 1 << 30) || (value | 0) !== value) return 0; // -0 is 0 in JSON
    let end = at + 1;
    for (let rest = value; rest > 9; rest = (rest / 10) | 0) end++;
    this.room_(end);
    const bytes = this.bytes_;
    for (let p = this.scratch_ + end, left = end - at, rest = value; left; left--) {
      const next = (rest / 10) | 0;
      bytes[--p] = 48 + rest - next * 10;
      rest = next;
    }
    return end;
  }

  /** A short string without anything to escape; 0 for any other. */
  private quoted_(at: number, text: string): number {
    const n = text.length;
    if (n > kShortText) return 0;
    this.room_(at + n + 2);
    const bytes = this.bytes_;
    const from = this.scratch_ + at;
    bytes[from] = 34;
    for (let i = 0; i < n; i++) {
      const unit = text.charCodeAt(i);
      if (unit < 32 || unit > 126 || unit == 34 || unit == 92) return 0;
      bytes[from + 1 + i] = unit;
    }
    bytes[from + n + 1] = 34;
    return at + n + 2;
  }

  /** Copies bytes to scratch + at; where they end. */
  put_(at: number, source: Uint8Array): number {
    const n = source.length;
    this.room_(at + n);
    this.bytes_.set(source, this.scratch_ + at);
    return at + n;
  }

  /** After apply_, which gives back what scratch has too much. */
  shrunk_(): void {
    if (this.size_ > kScratchBytes) this.size_ = 0;
  }

  // ---- out -----------------------------------------------------------------------------------

  /** Throws what a negative code stands for. */
  fail_(code: number): never {
    this.room_(0);
    const at = this.words_[this.result_ + 2]!;
    const text = this.bytes_.subarray(at, at + this.words_[this.result_ + 3]!);
    throw statusError(-code, text);
  }

  /** The data of the last call, borrowed. */
  data_(): Uint8Array {
    this.room_(0);
    const at = this.words_[this.result_]!;
    return this.bytes_.subarray(at, at + this.words_[this.result_ + 1]!);
  }
  /** Word `i` of the number that the last call gave. */
  value_(i: 0 | 1): number {
    this.room_(0);
    return this.words_[this.result_ + 4 + i]!;
  }

  /**
   * A copy of the last call's data. Small ones share a buffer of 64 KiB, as Node's Buffers do: a
   * buffer of its own costs several times as much as what is copied.
   */
  take_(length: number): Uint8Array {
    if (!this.bytes_.length) this.look_();
    const words = this.words_;
    const at = words[this.result_]!;
    if (length > kSmallUpdate) return this.bytes_.slice(at, at + length);
    const count = (length + 3) >> 2;
    if (this.slabAt_ + count > this.slab_.length) this.renew_();
    const slab = this.slab_;
    const to = this.slabAt_;
    this.slabAt_ = to + count;
    const from = at >> 2; // the kernel's buffers begin at multiples of 8
    for (let i = 0; i < count; i++) slab[to + i] = words[from + i]!;
    return new Uint8Array(this.slabBuffer_, to << 2, length);
  }
  private renew_(): void {
    this.slab_ = new Uint32Array(this.slabWords_);
    this.slabBuffer_ = this.slab_.buffer;
    this.slabAt_ = 0;
    this.slabWords_ = Math.min(this.slabWords_ * 2, kSlabWords);
  }
}
