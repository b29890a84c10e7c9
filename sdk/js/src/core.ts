// core.wasm: one instance of the engine (sdk/wasm/EXPORTS.md is the contract).
//
// Inputs go to the scratch area (`put_`), outputs come back through the result struct; what is
// handed out as bytes is borrowed until the next call. Views over memory are made for each use:
// they are empty when it has grown.

import { decoder, encoder, hex64 } from './codec.js';
import { fail, statusError, wrap } from './errors.js';

/** A compiled module, or where to get it. */
export type WasmSource = string | URL | BufferSource | WebAssembly.Module;

/** `env.ext`: serves the types that JavaScript hosts. @internal */
export type Ext = (op: number, type: number, ...rest: any) => number;

/** The exports (EXPORTS.md); those with a question mark are not in every core. */
interface Exports {
  memory: WebAssembly.Memory;
  _initialize(): void;
  sk_scratch(size: number): number;
  sk_result(): number;
  sk_init(
    low: string,
    high: string,
    seedLow: number,
    seedHigh: number,
    persistent: number,
    client: number,
  ): void;
  sk_register?(index: number, type: number, format: number, minFormat: number): number;
  sk_ext_out?(slot: number, length: number): number;
  sk_open(id: number): number;
  sk_load?(doc: number, key: number, value: number): number;
  sk_loaded(doc: number, now: number): number;
  sk_close(doc: number): number;
  sk_field(doc: number, name: number, type: number): number;
  sk_mutate(doc: number, field: number, intent: number, now: number): number;
  sk_begin(doc: number): number;
  sk_commit(doc: number): number;
  sk_commit_all(): void;
  sk_view(doc: number, field: number): number;
  sk_digest?(doc: number): number;
  sk_version?(doc: number): number;
  sk_info(doc: number): void;
  sk_discard?(doc: number, low: number, high: number): number;
  sk_presence?(doc: number, length: number): number;
  sk_stored?(batch: number): void;
  sk_anchor?(doc: number, field: number, position: number, right: number): number;
  sk_position?(doc: number, field: number, anchor: number): number;
  sk_history?(doc: number, depth: number, groupMs: number): void;
  sk_history_split?(doc: number): void;
  sk_history_steps?(doc: number, redo: number): number;
  sk_undo?(doc: number, redo: number, now: number): number;
  sk_online(wanted: number, now: number): void;
  sk_connected(credential: number, now: number): void;
  sk_disconnected(now: number): void;
  sk_receive(frame: number, now: number): number;
  sk_tick(now: number): void;
  sk_next_timer(): number;
  sk_drain(): number;
}

/** One engine: what the module exports, and how to use it. */
export interface Core extends Exports {
  /** What the instance is made of, for another one. */
  module_: WebAssembly.Module;
  /** Throws what the engine refused: a status that is not 0. */
  ok_(status: number): void;
  /** The same for a call that gives a handle. */
  handle_(status: number): number;
  /** Starts an input, with a text; gives its length. */
  put_(text?: string): number;
  /**
   * Appends a varint (below 2^32), UTF-8 without a length, or bytes; the length is that of all of
   * it. Three functions: in one that tells them apart by `typeof`, Node 20's optimized code reads
   * the length of a number as if it were a string, and crashes.
   */
  varint_(value: number): void;
  text_(text: string): number;
  raw_(part: Uint8Array): number;
  /** Word `i` of the result. */
  word_(i: number): number;
  /** Data of the result. */
  data_(): Uint8Array;
  /** The document's last own seq, after mutate or info. */
  seq_(): number;
}

/** Milliseconds since 1970 by a clock that does not run backwards. */
export const now = (): number => performance.timeOrigin + performance.now();

const random = (): Uint32Array => crypto.getRandomValues(new Uint32Array(2));

/** 16 random hex digits. */
export const randomId = (): string => {
  const [low, high] = random();
  return hex64(low!, high!);
};

/**
 * `replica`: 16 hex digits; `persistent`: 1 when what the engine wants stored is, else 0.
 * @internal
 */
export const createCore = async (
  source: any,
  replica: string,
  persistent: 0 | 1,
  ext: Ext = () => 0, // not called without types
): Promise<Core> => {
  let core: Core;
  try {
    if (!(source instanceof WebAssembly.Module)) {
      if (!source.byteLength) {
        const response = await fetch(source);
        if (!response.ok) throw Error(`HTTP ${response.status}`);
        // Not compileStreaming: it refuses a server that does not know the type application/wasm.
        source = await response.arrayBuffer();
      }
      source = await WebAssembly.compile(source);
    }
    const start = async (): Promise<any> =>
      (await WebAssembly.instantiate(source as WebAssembly.Module, { env: { ext } })).exports;
    let exports = await start();
    if (exports.sk_unpack) {
      // Only a wrapping (sdk/wasm/unpack.c): what it unpacks lies at address 0.
      source = await WebAssembly.compile(exports.memory.buffer.slice(0, exports.sk_unpack()));
      exports = await start();
    }
    core = { ...exports, module_: source };
  } catch (error) {
    throw wrap('unavailable', 'core.wasm cannot be loaded', error);
  }
  core._initialize();
  const bytes = (from: number, length?: number): Uint8Array =>
    new Uint8Array(core.memory.buffer, from, length);
  const result = core.sk_result();
  const word = (core.word_ = (i) => new Uint32Array(core.memory.buffer, result)[i]!);
  core.data_ = () => bytes(word(0), word(1));
  core.seq_ = () => word(4) + word(5) * 2 ** 32;
  let scratch = 0;
  let at = 0;
  let end = 0;
  /** Where the input goes on: memory with room for n bytes more. */
  const room = (n: number): Uint8Array => {
    if (at + n > end) {
      const used = at - scratch;
      const size = (used + n) * 2 + 65536;
      scratch = core.sk_scratch(size) || fail('nomem', 'core.wasm is out of memory');
      at = scratch + used;
      end = scratch + size;
    }
    return bytes(at);
  };
  core.put_ = (text = '') => {
    at = scratch;
    return core.text_(text);
  };
  core.varint_ = (value) => {
    const to = room(5);
    let n = 0;
    for (; value > 127; value >>>= 7) to[n++] = value | 128;
    to[n++] = value;
    at += n;
  };
  core.text_ = (text) => {
    const to = room(text.length * 3); // first: it may move `at`
    at += encoder.encodeInto(text, to).written;
    return at - scratch;
  };
  core.raw_ = (part) => {
    room(part.length).set(part);
    at += part.length;
    return at - scratch;
  };
  core.ok_ = (status) => {
    if (!status) return;
    // The code, and where its sentence is, which a zero ends.
    const text = bytes(status & 0xffffff);
    throw statusError(status >>> 24, decoder.decode(text.subarray(0, text.indexOf(0))));
  };
  core.handle_ = (status) => (core.ok_(status), word(2));
  core.sk_init(
    // Strings of a number become one on the way.
    `0x${replica.slice(8)}`,
    `0x${replica.slice(0, 8)}`,
    ...(random() as unknown as [number, number]),
    persistent,
    core.put_('synckit-js/0.1.0'),
  );
  return core;
};
