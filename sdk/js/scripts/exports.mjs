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

/** Whether the module's export of that name is a function that does nothing. */
export const isEmpty = (wasm, name) => {
  const found = {};
  for (const [id, , start, end] of sections(wasm)) found[id] = [start, end];
  const list = (id, visit) => {
    let [left, at] = varint(wasm, found[id]?.[0] ?? 0);
    for (let i = 0; i < (found[id] ? left : 0); i++) at = visit(at, i);
  };
  let imports = 0;
  list(2, (at) => {
    for (let i = 0; i < 2; i++) {
      const [length, from] = varint(wasm, at);
      at = from + length;
    }
    if (wasm[at] !== 0) throw new Error('exports: an import that is no function');
    imports++;
    return varint(wasm, at + 1)[1];
  });
  let index = -1;
  list(exportSection, (at) => {
    const [length, from] = varint(wasm, at);
    const [number, next] = varint(wasm, from + length + 1);
    const is = Buffer.from(wasm.subarray(from, from + length)).toString() === name;
    if (is && wasm[from + length] === 0) index = number - imports;
    return next;
  });
  let empty = false;
  list(10, (at, i) => {
    const [size, from] = varint(wasm, at);
    // No locals, nothing but nop, end.
    const body = [...wasm.subarray(from, from + size)];
    if (i === index) empty = body[0] === 0 && body.slice(1, -1).every((op) => op === 1);
    return from + size;
  });
  return empty;
};
