// Packs a WebAssembly module into one that unpacks it (sdk/wasm/unpack.c has the format).
//
// What is packed is unpacked again and compared, every time.

import { canonical, constant, landmarks } from './canonical.mjs';
import { encoded, sections, varint } from './exports.mjs';

// Addresses, as in unpack.c.
const kMost = 1 << 18;
const kHeader = kMost + (1 << 17);
const kTable = 1 << 20; // of 8 MiB, and a little behind it

const kMemory = 5;
const kData = 11;
const kDataCount = 12;
const kPage = 65_536;

/** Puts the parts into a fresh instance's memory and calls it; what it wrote begins at 0. */
const run = (module, name, parts = [], bytes = 0) => {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module));
  const memory = Object.values(exports).find((one) => one instanceof WebAssembly.Memory);
  const missing = bytes - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / kPage));
  for (const [at, part] of parts) new Uint8Array(memory.buffer).set(part, at);
  const end = exports[name]();
  return new Uint8Array(memory.buffer, 0, end);
};

/** The module that unpacks `wasm`, with the grammar of WebAssembly or as mere bytes. */
const wrapped = (wasm, marks, packer, unpacker) => {
  const head = new Uint8Array(Uint32Array.from(marks).buffer);
  const most = kTable + (1 << 23) + kPage;
  const packed = run(packer, 'sk_unpack', [[kHeader, head], [0, wasm]], most).slice(kHeader);

  const parts = [unpacker.subarray(0, 8)];
  const section = (id, ...body) => {
    const bytes = Buffer.concat(body);
    parts.push(Uint8Array.of(id, ...encoded(bytes.length)), bytes);
  };
  for (const [id, , start, end] of sections(unpacker)) {
    const body = unpacker.subarray(start, end);
    if (id === kMemory) {
      const pages = (kTable + (1 << 23)) / kPage + 1;
      section(id, Uint8Array.of(1, 0, ...encoded(pages)));
    } else if (id === kData) {
      const [count, at] = varint(body, 0);
      const own = Uint8Array.of(0, ...constant(kHeader), ...encoded(packed.length));
      section(id, Uint8Array.from(encoded(count + 1)), body.subarray(at), own, packed);
    } else if (id !== 0 && id !== kDataCount) {
      section(id, body);
    }
  }
  return Buffer.concat(parts);
};

/**
 * A module that exports its memory and `name() -> length`, which unpacks `wasm`, in its canonical
 * form, to address 0; what is no module that the grammar knows, as it is.
 * `packer`, `unpacker`: what build.sh makes of unpack.c; the unpacker exports it under `name`.
 */
export const pack = (wasm, packer, unpacker, name) => {
  const attempt = (module, marks) => {
    const whole = wrapped(module, marks, packer, unpacker);
    return Buffer.compare(run(whole, name), module) ? null : whole;
  };
  const form = canonical(wasm);
  const longest = Math.max(wasm.length, form ? form.length : 0);
  if (longest > kMost) throw new Error(`pack: ${longest} bytes; at most ${kMost} fit`);
  const packed =
    (form && attempt(form, landmarks(form))) ??
    attempt(wasm, [wasm.length, wasm.length, 0, 0, 0]);
  if (!packed) throw new Error('pack: what comes out differs');
  return packed;
};
