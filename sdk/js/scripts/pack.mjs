// Packs a WebAssembly module into one that unpacks it (sdk/wasm/unpack.c has the format).
//
// What is packed is unpacked again and compared, every time.

import { canonical, constant, landmarks } from './canonical.mjs';
import { encoded, sections, varint } from './exports.mjs';

// Addresses, as in unpack.c.
const kFilled = 48; // what begins as something else than zeros: eight words, then
const kHeights = 176;
const kInstructions = 240;
const kPacked = 496;
const kRows = 1 << 17;
const kTypes = kInstructions - kHeights; // at most
const kPages = 160;
const kEnd = kPages * 65_536;
const kMost = 1 << 18; // bytes of a module, so that it does not meet the table of lines

const kMemory = 5;
const kData = 11;
const kDataCount = 12;

/** Puts the parts into a fresh instance's memory and calls it: that memory, and what it answers. */
const run = (module, name, parts = []) => {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module));
  const memory = Object.values(exports).find((one) => one instanceof WebAssembly.Memory);
  for (const [at, part] of parts) new Uint8Array(memory.buffer).set(part, at);
  const answer = exports[name]();
  return [new Uint8Array(memory.buffer), answer];
};

/** What the module's data sets memory to, from kFilled to kPacked: the table of instructions. */
const tables = (module) => {
  const memory = new Uint8Array(kPacked);
  for (const [id, , start] of sections(module)) {
    if (id !== kData) continue;
    for (let [left, at] = varint(module, start); left--; ) {
      const [address, behind] = varint(module, at + 2);
      const [length, from] = varint(module, behind + 1);
      at = from + length;
      if (address < kInstructions) throw new Error(`pack: data at ${address}`);
      memory.set(module.subarray(from, at), address);
    }
  }
  return memory.slice(kFilled);
};

/**
 * A module that exports its memory and `name() -> address`, which unpacks `wasm`, in its canonical
 * form, to the end of that memory. `packer`, `unpacker`: what build.sh makes of unpack.c; the
 * unpacker exports it under `name`.
 */
export const pack = (wasm, packer, unpacker, name) => {
  const form = canonical(wasm);
  if (form.length > kMost) throw new Error(`pack: ${form.length} bytes; at most ${kMost} fit`);
  const { code, end, types, heights } = landmarks(form);
  if (heights.length > kTypes) {
    throw new Error(`pack: ${heights.length} types; at most ${kTypes} fit`);
  }
  const at = kEnd - form.length;
  const filled = tables(unpacker);
  filled.set(Int8Array.from(heights), kHeights - kFilled);
  const fill = (value) => {
    const words = [~0, value, kPacked, at, at, at + code, at + end, at + types];
    filled.set(new Uint8Array(Int32Array.from(words).buffer));
  };
  fill(0);
  const [memory, behind] = run(packer, 'sk_unpack', [[kFilled, filled], [at, form]]);
  if (behind > kRows) throw new Error(`pack: ${behind - kPacked} packed bytes; too many`);
  // The first four are what unpacking begins with.
  fill(new DataView(memory.buffer).getUint32(kPacked));
  const packed = memory.slice(kPacked + 4, behind);

  const parts = [unpacker.subarray(0, 8)];
  const section = (id, ...body) => {
    const bytes = Buffer.concat(body);
    parts.push(Uint8Array.of(id, ...encoded(bytes.length)), bytes);
  };
  for (const [id, , start, stop] of sections(unpacker)) {
    if (id === kMemory) {
      section(id, Uint8Array.of(1, 0, ...encoded(kPages)));
    } else if (id === kData) {
      const length = encoded(filled.length + packed.length);
      section(id, Uint8Array.of(1, 0, ...constant(kFilled), ...length), filled, packed);
    } else if (id !== 0 && id !== kDataCount) {
      section(id, unpacker.subarray(start, stop));
    }
  }
  const whole = Buffer.concat(parts);
  const [unpacked, from] = run(whole, name);
  if (Buffer.compare(unpacked.subarray(from), form)) throw new Error('pack: what comes out differs');
  return whole;
};
