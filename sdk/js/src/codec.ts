// Bytes: the varint reader and writer that every SyncKit format is built from, and canonical JSON.
//
// Encodings (little endian): varint = unsigned LEB128; zigzag = varint of (n << 1) ^ (n >> 63).
// Varints here are lengths, counts and positions: at most 2^53 - 1. Counter values go up to
// 64 bits and are BigInt on the way.

import { fail } from './errors.js';

/** A value that JSON can hold. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json };

export const encoder = new TextEncoder();
/** For what the engine hands out: it is UTF-8. */
export const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

export const utf8 = (text?: string): Uint8Array => encoder.encode(text);
export const textOf = (bytes: Uint8Array): string => decoder.decode(bytes);

/** A u64 as 16 hex digits. */
export const hex = (value: bigint): string => value.toString(16).padStart(16, '0');
/** The same, given as two u32. */
export const hex64 = (low: number, high: number): string =>
  hex((BigInt(high) << 32n) | BigInt(low));
/** A version vector, (u64 replica, u64 seq)*: the last seq of each replica. */
export const seqsOf = (version: Uint8Array): Record<string, number> => {
  const seqs: Record<string, number> = {};
  const all = new BigUint64Array(version.slice().buffer);
  for (let i = 0; i < all.length; ) seqs[hex(all[i++]!)] = Number(all[i++]);
  return seqs;
};

/** A varint of up to 32 bits. */
export const varint = (value: number): number[] =>
  value > 127 ? [(value & 127) | 128, ...varint(value >>> 7)] : [value];

/** A growing byte buffer. `bytes()` is a view that the next write may invalidate. */
export class Writer {
  private buf_ = new Uint8Array(64);
  private len_ = 0;

  private room_(n: number): void {
    if (this.len_ + n > this.buf_.length) {
      const next = new Uint8Array(Math.max(this.buf_.length * 2, this.len_ + n));
      next.set(this.buf_);
      this.buf_ = next;
    }
  }
  clear(): this {
    this.len_ = 0;
    return this;
  }
  byte(value: number): this {
    this.room_(1);
    this.buf_[this.len_++] = value;
    return this;
  }
  varint(value: number): this {
    this.room_(8);
    while (value > 127) {
      this.buf_[this.len_++] = value % 128 | 128;
      value = Math.floor(value / 128);
    }
    this.buf_[this.len_++] = value;
    return this;
  }
  /** A signed 64-bit integer. */
  zigzag(value: bigint): this {
    let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
    for (; rest > 127n; rest >>= 7n) this.byte(Number(rest & 127n) | 128);
    return this.byte(Number(rest));
  }
  raw(bytes: Uint8Array): this {
    this.room_(bytes.length);
    this.buf_.set(bytes, this.len_);
    this.len_ += bytes.length;
    return this;
  }
  /** UTF-8 without a length. A lone surrogate becomes U+FFFD. */
  text(text: string): this {
    this.room_(text.length * 3);
    // A typed character: not worth the way through the encoder.
    if (text.length == 1 && text < '\x80') return this.byte(text.charCodeAt(0));
    this.len_ += encoder.encodeInto(text, this.buf_.subarray(this.len_)).written;
    return this;
  }
  lengthBytes(bytes: Uint8Array): this {
    return this.varint(bytes.length).raw(bytes);
  }
  /** UTF-8 after its length in bytes. */
  lengthText(text: string): this {
    return this.lengthBytes(utf8(text));
  }
  bytes(): Uint8Array {
    return this.buf_.subarray(0, this.len_);
  }
}

/** Reads what the engine wrote, which ends where it should. */
export interface PatchReader {
  readonly bytes_: Uint8Array;
  /** How many bytes are left. */
  left_(): number;
  varint_(): number;
  /** UTF-8 of n bytes; of as many as a varint says when n is not given. */
  text_(n?: number): string;
}
export const patchReader = (bytes: Uint8Array): PatchReader => {
  let at = 0;
  const varint = (): number => {
    const b = bytes[at++]!;
    return b > 127 ? b - 128 + varint() * 128 : b;
  };
  return {
    bytes_: bytes,
    left_: () => bytes.length - at,
    varint_: varint,
    text_: (n = varint()) => textOf(bytes.subarray(at, (at += n))),
  };
};

/** Reads what anybody may have written: running past the end is a `malformed` error. */
export class Reader {
  at = 0;
  constructor(private readonly bytes_: Uint8Array) {}

  /** How many bytes are left. */
  get left(): number {
    return this.bytes_.length - this.at;
  }
  byte(): number {
    return this.raw(1)[0]!;
  }
  varint(): number {
    let value = 0;
    for (let scale = 1, b = 128; b > 127; scale *= 128) {
      b = this.byte();
      value += (b & 127) * scale;
    }
    return value;
  }
  /** A view of the next n bytes. */
  raw(n = this.varint()): Uint8Array {
    // In this form a length that is no number fails too.
    if (!(n <= this.left)) fail('malformed', 'bytes end too early');
    return this.bytes_.subarray(this.at, (this.at += n));
  }
  text(n = this.varint()): string {
    return textOf(this.raw(n));
  }
}

/** An object of JSON: not an array, not null. */
export const isNode = (value: unknown): value is Record<string, Json> =>
  value instanceof Object && !Array.isArray(value);

/** JSON text; `malformed` for what has none: undefined, functions, NaN, infinities. */
export const toJson = (value: unknown): string =>
  JSON.stringify(value, (_, v) => (typeof v != 'number' || isFinite(v) ? v : notJson())) ??
  notJson();
const notJson = (): never => fail('malformed', 'no JSON value');

const sorted = (value: Json): string =>
  Array.isArray(value)
    ? `[${value.map(sorted)}]`
    : isNode(value)
      ? `{${Object.keys(value)
          .sort()
          .map((key) => JSON.stringify(key) + ':' + sorted(value[key]!))}}`
      : JSON.stringify(value);
/** JSON text with object keys sorted: equal values are equal bytes (sets compare bytes). */
export const canonical = (value: unknown): string => sorted(JSON.parse(toJson(value)));
