// A module in the form that unpack.c makes: the same module, without what is not worth a byte.
//
//   - the size of a function takes two bytes, however small it is: it is not packed
//   - no alignment of loads and stores (only a hint, and engines need none): not packed either
//   - one data segment, zeros in the gaps, instead of many; no number of segments in advance

import { encoded, sections, varint } from './exports.mjs';

const kType = 1;
const kImport = 2;
const kFunction = 3;
const kCode = 10;
const kData = 11;
const kDataCount = 12;
const kMostGaps = 65_536; // bytes of zeros between data segments
const kMostSize = (1 << 14) - 1; // of a function
const kAlone = [0x00, 0x01, 0x05, 0x0b, 0x0f, 0x1a, 0x1b]; // no operands, like 0x45 and above

/** An instruction that gives a number; i32.const takes a signed LEB128. */
export const constant = (value) => {
  const bytes = encoded(value);
  if (bytes.at(-1) > 63) bytes.push(bytes.pop() | 128, 0);
  return [0x41, ...bytes, 0x0b];
};

/** What this file and unpack.c do not know. */
class Unknown extends Error {
  constructor(what) {
    super(`pack: not a module that can be packed: ${what}`);
  }
}

/** Reads a function from its locals on. */
class Body {
  constructor(bytes) {
    this.bytes = Uint8Array.from(bytes);
    this.at = 0;
  }

  /** A byte below 128. */
  byte() {
    const byte = this.bytes[this.at++];
    if (!(byte < 128)) throw new Unknown(`byte ${byte} for a small number`);
    return byte;
  }

  number() {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.bytes[this.at++];
      if (byte === undefined) throw new Unknown('a number without end');
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  }

  locals() {
    for (let groups = this.number(); groups--; this.byte()) this.number();
  }

  /** Alignments become 0. */
  instruction() {
    const opcode = this.bytes[this.at++];
    const between = (from, to) => opcode >= from && opcode <= to;
    if (between(0x28, 0x3e)) {
      if (this.byte() > 3) throw new Unknown('an access of another memory');
      this.bytes[this.at - 1] = 0;
      this.number(); // offset
    } else if (between(0x02, 0x04) || between(0x3f, 0x40)) {
      this.byte(); // type of a block, memory
    } else if ([0x0c, 0x0d, 0x10, 0x41, 0x42].includes(opcode) || between(0x20, 0x24)) {
      this.number(); // label, function, constant; local, global
    } else if (opcode === 0x0e) {
      for (let left = this.number() + 1; left--; ) this.number();
    } else if (opcode === 0x11) {
      this.number(); // type
      this.byte(); // table
    } else if (opcode === 0x44) {
      this.at += 8;
    } else if (opcode === 0xfc) {
      const which = this.byte();
      if (which > 11 || which === 8 || which === 9) throw new Unknown(`instruction 252 ${which}`);
      for (let left = which < 10 ? 0 : 12 - which; left--; ) this.byte(); // memory.copy, .fill
    } else if (!kAlone.includes(opcode) && !between(0x45, 0xc4)) {
      throw new Unknown(`instruction ${opcode}`);
    }
  }
}

function code(section) {
  const [count, first] = varint(section, 0);
  const parts = [Uint8Array.from(encoded(count))];
  for (let left = count, at = first; left--; ) {
    const [size, start] = varint(section, at);
    at = start + size;
    const body = new Body(section.subarray(start, at));
    body.locals();
    while (body.at < size) body.instruction();
    if (body.at > size) throw new Unknown('a function that ends too early');
    if (size > kMostSize) throw new Unknown(`a function of ${size} bytes`);
    parts.push(Uint8Array.of((size & 127) | 128, size >> 7), body.bytes);
  }
  return Buffer.concat(parts);
}

/** One segment, if all are active ones of memory 0 at constant addresses. */
function data(section) {
  let [count, at] = varint(section, 0);
  const segments = [];
  let filled = 0;
  while (count--) {
    const [address, end] = varint(section, at + 2);
    const negative = section[end - 1] > 63;
    if (section[at] !== 0 || section[at + 1] !== 0x41 || negative) {
      throw new Unknown('data at no constant address');
    }
    const [size, start] = varint(section, end + 1);
    at = start + size;
    filled += size;
    segments.push([address, section.subarray(start, at)]);
  }
  const from = Math.min(...segments.map(([address]) => address));
  const to = Math.max(...segments.map(([address, { length }]) => address + length));
  if (segments.length === 0 || to - from > filled + kMostGaps) return section;
  const memory = new Uint8Array(to - from);
  for (const [address, bytes] of segments) memory.set(bytes, address - from);
  return Buffer.concat([Uint8Array.of(1, 0, ...constant(from), ...encoded(memory.length)), memory]);
}

/** Throws when there is something in it that is not known here. */
export function canonical(wasm) {
  const parts = [wasm.subarray(0, 8)];
  for (const [id, , start, end] of sections(wasm)) {
    if (id === kDataCount) continue; // of use only to instructions that are not known here
    const body = wasm.subarray(start, end);
    const made = id === kCode ? code(body) : id === kData ? data(body) : body;
    parts.push(Uint8Array.of(id, ...encoded(made.length)), made);
  }
  return Buffer.concat(parts);
}

/** By how much a call makes the stack higher, by type: results less parameters. */
function heights(section) {
  const found = [];
  for (let [left, at] = varint(section, 0); left--; ) {
    const [parameters, from] = varint(section, at + 1); // behind 0x60
    const [results, next] = varint(section, from + parameters);
    found.push(results - parameters);
    at = next + results;
  }
  return found;
}

/**
 * What unpack.c is told of a module in this form: where its code begins and ends, where the type of
 * function 0 would be if imports had theirs there, and what types do to the stack.
 */
export function landmarks(form) {
  const found = {};
  for (const [id, , start, end] of sections(form)) {
    const [count, first] = varint(form, start);
    found[id] = { count, first, start, end };
  }
  const all = [kType, kFunction, kCode].map((id) => found[id]);
  if (all.some((one) => !one?.count) || found[kCode].end === form.length) {
    throw new Unknown('it needs types and functions, and something behind its code');
  }
  const [type, functions, { first, end }] = all;
  return {
    code: first,
    end,
    types: functions.first - (found[kImport]?.count ?? 0),
    heights: heights(form.subarray(type.start, type.end)),
  };
}
