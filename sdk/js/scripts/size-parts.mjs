// What the parts of a WASM module cost. The module must have been linked with --profiling-funcs:
// its functions are told apart by their names, and a function inlined into another counts there.
//
// Raw bytes are those of the function bodies. Compressed bytes of one part cannot be told apart
// from the rest, since gzip finds repetition across parts; two figures bound it: the part alone,
// and how much smaller the whole is without it.

import { gzipSync } from 'node:zlib';

const kTypes = { text: 'Text|text::', lww: 'Lww', set: 'Set', counter: 'Counter' };

// The first that fits is the part. A type's code also stands in the thunks of Crdt<Type>.
const kParts = [
  ...Object.entries(kTypes).map(([part, names]) => [
    part,
    new RegExp(`^synckit::(Crdt<synckit::(?:${names})|(?:${names}))`),
  ]),
  ['types, shared', /^synckit::(Json|Dots|dot_|Row|Crdt|Intern|read_head|canonical|utf8)/],
  ['wire', /^synckit::wire::/],
  ['kernel', /^synckit::(Document|VersionVector|Version|Registry|Queue|Merged)/],
  ['engine', /^((void )?synckit::Engine|sk_)/],
  ['types from outside', /^(.* )?synckit::\(anonymous namespace\)::/],
  ['bytes, vectors', /^(void )?synckit::(Reader|Writer|Vec|Buffer|Deps|make_room)/],
  ['allocator, libc',
    /^(malloc|free|calloc|realloc|reach|(class|size|end)_of|stack|mem|str|operator |_)/],
];

/** A cursor over the bytes of a module; integers are LEB128. */
class Cursor {
  constructor(bytes, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }
  uint() {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.bytes[this.at++];
      if (byte === undefined || shift > 28) throw new Error('size: this is no WASM module');
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  }
  take(length) {
    if (this.at + length > this.bytes.length) throw new Error('size: the module is cut off');
    return this.bytes.subarray(this.at, (this.at += length));
  }
  text() {
    return new TextDecoder().decode(this.take(this.uint()));
  }
  get left() {
    return this.bytes.length - this.at;
  }
}

const kCustom = 0;
const kImport = 2;
const kCode = 10;
const kData = 11;

function sections(bytes) {
  const cursor = new Cursor(bytes);
  if (new TextDecoder().decode(cursor.take(4)) !== '\0asm') {
    throw new Error('size: this is no WASM module');
  }
  cursor.take(4);
  const found = [];
  while (cursor.left) {
    const [id] = cursor.take(1);
    found.push({ id, body: cursor.take(cursor.uint()) });
  }
  return found;
}

function functionNames(list) {
  const names = new Map();
  for (const { id, body } of list) {
    if (id !== kCustom) continue;
    const cursor = new Cursor(body);
    if (cursor.text() !== 'name') continue;
    while (cursor.left) {
      const [kind] = cursor.take(1);
      const part = new Cursor(cursor.take(cursor.uint()));
      if (kind !== 1) continue;
      for (let n = part.uint(); n > 0; n--) names.set(part.uint(), part.text());
    }
  }
  return names;
}

/** How many functions are imported: the code section counts on from there. */
function imported(list) {
  const section = list.find(({ id }) => id === kImport);
  if (!section) return 0;
  const cursor = new Cursor(section.body);
  let functions = 0;
  for (let n = cursor.uint(); n > 0; n--) {
    cursor.text();
    cursor.text();
    const [kind] = cursor.take(1);
    if (kind !== 0) throw new Error('size: an import that is no function');
    cursor.uint();
    functions++;
  }
  return functions;
}

const partOf = (name) => kParts.find(([, pattern]) => pattern.test(name))?.[0] ?? 'other';

/** [{ part, bytes }]: every function body, the data, and what is neither. */
export function split(module) {
  const list = sections(module);
  const names = functionNames(list);
  if (names.size === 0) throw new Error('size: the module has no names (--profiling-funcs)');
  const pieces = [];
  let index = imported(list);
  for (const { id, body } of list) {
    if (id === kCustom) continue;
    if (id !== kCode) {
      pieces.push({ part: id === kData ? 'data' : 'tables, types, exports', bytes: body });
      continue;
    }
    const cursor = new Cursor(body);
    for (let n = cursor.uint(); n > 0; n--) {
      const name = names.get(index++) ?? '';
      pieces.push({ part: partOf(name), name, bytes: cursor.take(cursor.uint()) });
    }
  }
  return pieces;
}

const deflated = (pieces) =>
  gzipSync(Buffer.concat(pieces.map(({ bytes }) => bytes)), { level: 9 }).length;

/** One JSON line a part, the largest first, then one for the whole; and what no pattern fits. */
export function printParts(module) {
  const pieces = split(module);
  const whole = deflated(pieces);
  const raw = (list) => list.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const rows = [...new Set(pieces.map(({ part }) => part))].map((part) => {
    const own = pieces.filter((piece) => piece.part === part);
    const rest = pieces.filter((piece) => piece.part !== part);
    const functions = own.filter(({ name }) => name !== undefined).length;
    return { part, functions, raw: raw(own), alone: deflated(own), saved: whole - deflated(rest) };
  });
  for (const row of rows.sort((a, b) => b.raw - a.raw)) console.log(JSON.stringify(row));
  console.log(JSON.stringify({ part: 'all', raw: raw(pieces), gzip: whole }));
  if (process.env.SYNCKIT_SIZE_NAMES) {
    for (const { part, name, bytes } of pieces) if (name) console.log(part, bytes.length, name);
  }
}
