// core.wasm: one instance of the engine (sdk/wasm/EXPORTS.md is the contract).
//
// Inputs go to the scratch area (`put_`). What the engine wants done comes as records, whenever it
// is called; what a call gives is the last of them. Views over memory are made for each use: they
// are empty when it has grown.

import { fail, statusError, wrap } from './errors.js';
import type { MakeField } from './field.js';
import type { CustomField } from './plugin.js';

/** A compiled module, or where to get it. */
export type WasmSource = string | URL | BufferSource | WebAssembly.Module;

/** `env.ext`: serves the types that JavaScript hosts. @internal */
export type Ext = (op: number, type: number, ...rest: any) => number;

/** The exports (EXPORTS.md); those with a question mark are not in every core. */
interface Exports {
  sk_memory: WebAssembly.Memory;
  sk_scratch(size: number): number;
  sk_init(replica: bigint, persistent: number): void;
  sk_register?(index: number, type: number, format: number, minFormat: number): number;
  sk_ext_out?(slot: number, length: number): number;
  sk_open(id: number): number;
  sk_load?(doc: number, key: number, value: number): number;
  sk_loaded(doc: number): void;
  sk_close(doc: number): number;
  sk_field?(doc: number, typeAndName: number): number;
  sk_mutate(doc: number, field: number, intent: number): number;
  sk_begin(doc: number): void;
  sk_commit(doc: number): void;
  sk_commit_all(): void;
  sk_view(doc: number, field: number): number;
  sk_digest?(doc: number): bigint;
  sk_version?(doc: number): number;
  sk_pending(doc: number): number;
  sk_discard?(doc: number, seq: number): void;
  sk_presence?(doc: number, length: number): number;
  sk_stored?(batch: number): void;
  sk_anchor?(doc: number, field: number, position: number, right: number): number;
  sk_position?(doc: number, field: number, anchor: number): number;
  sk_history?(doc: number, depth: number, groupMs: number): void;
  sk_history_split?(doc: number): void;
  sk_history_steps?(doc: number, redo: number): number;
  sk_undo?(doc: number, redo: number): number;
  sk_online(wanted: number): void;
  sk_connected(credential: number): void;
  sk_disconnected(): void;
  sk_receive(frame: number): void;
  sk_drain(): number;
}

/** An output record (EXPORTS.md); what follows `doc` is what an Act takes. */
export type OutputRecord = [
  kind: number,
  doc: number,
  number: number,
  a: number,
  b: number,
  bytes: Uint8Array,
  more: Uint8Array,
];

/** One engine: what the module exports, and how to use it. */
export interface Core extends Exports {
  /** What makes fields of types that plugins bring. @internal */
  custom_?: MakeField<CustomField>;
  /** What the instance is made of, for another one. */
  module_: WebAssembly.Module;
  /** What the engine has put out and nobody has carried out. */
  output_: OutputRecord[];
  /** Throws what the engine refused: an answer below 0. Gives any other. */
  ok_(answer: number): number;
  /** Writes an input, or a part of it behind the first `at` bytes. Gives where it ends. */
  put_(part: ArrayLike<number>, at?: number): number;
  /** The bytes that the last call gave. */
  data_(): Uint8Array;
}

/** Milliseconds since 1970 by a clock that does not run backwards. */
export const now = (): number => performance.timeOrigin + performance.now();

/** An id for a replica. */
export const randomId = (): bigint => crypto.getRandomValues(new BigUint64Array(1))[0]!;

/**
 * `persistent`: 1 when what the engine wants stored is, else 0.
 * @internal
 */
export const createCore = async (
  source: any,
  replica: bigint,
  persistent: 0 | 1,
  ext: Ext = () => 0, // not called without types
): Promise<Core> => {
  let core: Core;
  const output: Core['output_'] = [];
  const bytes = (from: number, length?: number): Uint8Array =>
    new Uint8Array(core.sk_memory.buffer, from, length);
  const out = (
    at: number,
    length: number,
    moreAt: number,
    moreLength: number,
    ...numbers: [kind: number, doc: number, number: number, a: number, b: number]
  ): unknown =>
    output.push([...numbers, bytes(at, length).slice(), bytes(moreAt, moreLength).slice()]);
  const start = async (from: any): Promise<any> => {
    const made: any = await WebAssembly.instantiate(from, { env: { ext, out, now } });
    const { exports } = made.instance ?? made; // of a compiled one, the instance alone
    // Is it only a wrapping (sdk/wasm/unpack.c)? What it unpacks lies at the end of its memory.
    return exports.sk_unpack
      ? start(exports.sk_memory.buffer.slice(exports.sk_unpack()))
      : { ...exports, module_: made.module ?? from, output_: output };
  };
  try {
    if (!source.byteLength && !(source instanceof WebAssembly.Module)) {
      const response = await fetch(source);
      if (!response.ok) throw Error(`HTTP ${response.status}`);
      // Not instantiateStreaming: it refuses a server that does not know the type application/wasm.
      source = await response.arrayBuffer();
    }
    core = await start(source);
  } catch (error) {
    throw wrap('core.wasm', error);
  }
  core.data_ = () => output.pop()![5];
  core.put_ = (part, at = 0) => {
    const end = at + part.length;
    bytes(core.sk_scratch(end) || fail('nomem', 'core.wasm')).set(part, at);
    return end;
  };
  core.ok_ = (answer) => {
    if (answer < 0) throw statusError(-answer, core.data_());
    return answer;
  };
  core.sk_init(replica, persistent);
  return core;
};
