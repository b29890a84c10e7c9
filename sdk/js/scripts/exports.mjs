// The sections of a WebAssembly module; short names for the exports that JavaScript calls.

/** An unsigned LEB128 at `at`: its value, and where the next byte is. */
export const varint = (bytes, at) => {
  let value = 0;
  for (let scale = 1; ; scale *= 128) {
    const byte = bytes[at++];
    value += (byte & 127) * scale;
    if (byte < 128) return [value, at];
  }
};
/** The other way round, as a list of bytes. */
export const encoded = (value) =>
  value > 127 ? [(value % 128) | 128, ...encoded(Math.floor(value / 128))] : [value];

/** [id, where the section begins, where its body does, its end] of each. */
export function* sections(wasm) {
  for (let at = 8; at < wasm.length; ) {
    const [size, start] = varint(wasm, at + 1);
    yield [wasm[at], at, start, start + size];
    at = start + size;
  }
}

const exportSection = 7;

/** The module with every export renamed to `names[name]`, and without those that are not in it. */
export const renameExports = (wasm, names) => {
  const parts = [wasm.subarray(0, 8)]; // magic, version
  for (const [id, at, start, end] of sections(wasm)) {
    if (id != exportSection) parts.push(wasm.subarray(at, end));
    else {
      const kept = [];
      for (let [left, next] = varint(wasm, start); left--; ) {
        const [length, from] = varint(wasm, next);
        const name = Buffer.from(wasm.subarray(from, from + length)).toString();
        // A byte for the kind, then the index.
        [, next] = varint(wasm, from + length + 1);
        if (!Object.hasOwn(names, name)) continue;
        const short = Buffer.from(names[name]);
        kept.push([...encoded(short.length), ...short, ...wasm.subarray(from + length, next)]);
      }
      const body = [...encoded(kept.length), ...kept.flat()];
      parts.push(Uint8Array.of(exportSection, ...encoded(body.length), ...body));
    }
  }
  return Buffer.concat(parts);
};
