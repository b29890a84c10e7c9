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
/** Refuses bytes that are not UTF-8: what the engine hands out is, so anything else is a bug. */
export const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export const utf8 = (text: string): Uint8Array => encoder.encode(text);

/** A u64 given as two u32, as 16 hex digits. */
export const hex64 = (low: number, high: number): string =>
  high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');

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

/** Reads what the engine wrote; running past the end is a `malformed` error. */
export class Reader {
  at = 0;
  constructor(private readonly buf_: Uint8Array) {}

  get left(): number {
    return this.buf_.length - this.at;
  }
  get done(): boolean {
    return this.left <= 0;
  }
  byte(): number {
    const value = this.buf_[this.at++];
    return value === undefined ? fail('malformed', 'bytes end too early') : value;
  }
  varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const b = this.byte();
      value += (b & 127) * scale;
      if (value > Number.MAX_SAFE_INTEGER) fail('malformed', 'varint above 2^53');
      if (b < 128) return value;
    }
  }
  zigzag(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      if (shift > 63n) fail('malformed', 'varint above 64 bits');
      const b = this.byte();
      value |= BigInt(b & 127) << shift;
      if (b < 128) break;
    }
    return BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n));
  }
  u32(): number {
    return (this.byte() | (this.byte() << 8) | (this.byte() << 16) | (this.byte() << 24)) >>> 0;
  }
  u16(): number {
    return this.byte() | (this.byte() << 8);
  }
  /** A u64 as a number; above 2^53 it loses its low bits. */
  u64(): number {
    return this.u32() + this.u32() * 2 ** 32;
  }
  i64(): number {
    return this.u32() + (this.u32() | 0) * 2 ** 32;
  }
  /** A u64 as 16 hex digits. */
  hex(): string {
    const low = this.u32();
    return hex64(low, this.u32());
  }
  /** A view of the next n bytes. */
  raw(n: number): Uint8Array {
    if (n > this.buf_.length - this.at) fail('malformed', 'bytes end too early');
    return this.buf_.subarray(this.at, (this.at += n));
  }
  text(n: number): string {
    return decoder.decode(this.raw(n));
  }
  lengthText(): string {
    return this.text(this.varint());
  }
  rest(): Uint8Array {
    return this.raw(this.buf_.length - this.at);
  }
}

/** Deepest nesting that the engine accepts (kMaxJsonDepth). */
const maxDepth = 64;

/**
 * JSON text with object keys sorted, so that equal values are equal bytes (sets compare bytes).
 * Throws `malformed` for what JSON cannot hold: undefined, functions, NaN, cycles, depth over 64.
 */
export const canonical = (value: unknown, depth = 0): string => {
  const bad = (): never => fail('malformed', 'the value is not JSON, or nested deeper than 64');
  if (depth > maxDepth) bad();
  if (typeof value == 'number' && !Number.isFinite(value)) bad();
  if (!value || typeof value != 'object') return JSON.stringify(value) ?? bad();
  if (Array.isArray(value)) return `[${value.map((v) => canonical(v, depth + 1))}]`;
  const object = value as Record<string, unknown> & { toJSON?: () => unknown };
  if (typeof object.toJSON == 'function') return canonical(object.toJSON(), depth + 1);
  return `{${Object.keys(object)
    .sort()
    .filter((key) => object[key] !== undefined)
    .map((key) => `${JSON.stringify(key)}:${canonical(object[key], depth + 1)}`)}}`;
};
