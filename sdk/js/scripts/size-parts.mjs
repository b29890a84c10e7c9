// What the parts of a WASM module cost. The module must have been linked with --profiling-funcs:
// its functions are told apart by their names, and a function inlined into another counts there.
//
// What a part costs once the module is compressed cannot be told from the part alone, since
// repetition is found across parts. So each figure is how much smaller the whole is with empty
// functions in place of the part's: raw, by gzip -9, and as the package packs it (pack.mjs).

import { gzipSync } from 'node:zlib';

import { encoded, sections, varint } from './exports.mjs';
import { pack } from './pack.mjs';

const kTypes = { text: 'Text|text::', lww: 'Lww', set: 'Set', counter: 'Counter' };

// Not told apart: without them the packer cannot read the functions.
const kGrammar = 'types';

// The first that fits is the part. A type's code also stands in the thunks of Crdt<Type>.
const kParts = [
  ...Object.entries(kTypes).map(([part, names]) => [
    part,
    new RegExp(`^synckit::(Crdt<synckit::(?:${names})|(?:${names}))`),
  ]),
  ['types, shared', /^synckit::(Json|Dots|dot_|Row|Crdt|Tree|read_head|canonical|utf8)/],
  ['wire', /^synckit::wire::/],
  ['kernel', /^synckit::(Document|VersionVector|Version|Registry|Queue|Merged)/],
  ['engine', /^((void )?synckit::Engine|sk_)/],
  ['types from outside', /^(.* )?synckit::\(anonymous namespace\)::/],
  ['bytes, vectors', /^(void )?synckit::(Reader|Writer|Vec|Buffer|Deps|make_room)/],
  ['allocator, libc',
    /^(malloc|free|calloc|realloc|reach|(class|size|end)_of|stack|mem|str|operator |_)/],
];

const kCustom = 0;
const kImport = 2;
const kFunctions = 3; // behind types and imports
const kCode = 10;
const kData = 11;
const kFunction = 0; // the kind of an import
const kEmpty = Uint8Array.of(0, 0x0b); // a body without locals and instructions

const textAt = (bytes, at) => {
  const [length, from] = varint(bytes, at);
  return [new TextDecoder().decode(bytes.subarray(from, from + length)), from + length];
};

function functionNames(module) {
  const names = new Map();
  for (const [id, , start, end] of sections(module)) {
    const [section, first] = id === kCustom ? textAt(module, start) : [];
    if (section !== 'name') continue;
    for (let at = first; at < end; ) {
      const kind = module[at];
      const [size, from] = varint(module, at + 1);
      at = from + size;
      if (kind !== 1) continue;
      for (let [left, next] = varint(module, from); left--; ) {
        const [index, behind] = varint(module, next);
        const [name, after] = textAt(module, behind);
        names.set(index, name);
        next = after;
      }
    }
  }
  if (names.size === 0) throw new Error('size: the module has no names (--profiling-funcs)');
  return names;
}

/** How many functions are imported: those of the code section count on from there. */
function imported(module) {
  let functions = 0;
  for (const [id, , start] of sections(module)) {
    if (id !== kImport) continue;
    for (let [left, next] = varint(module, start); left--; functions++) {
      for (let i = 0; i < 2; i++) [, next] = textAt(module, next);
      if (module[next] !== kFunction) throw new Error('size: an import that is no function');
      [, next] = varint(module, next + 1);
    }
  }
  return functions;
}

const partOf = (name) => kParts.find(([, pattern]) => pattern.test(name))?.[0] ?? 'other';

/** [{ part, name, bytes }]: every function body, the data, and what is neither (no names). */
export function split(module) {
  const names = functionNames(module);
  const pieces = [];
  let index = imported(module);
  for (const [id, , start, end] of sections(module)) {
    if (id === kCustom) continue;
    if (id !== kCode) {
      const part = id === kData ? 'data' : id <= kFunctions ? kGrammar : 'tables, exports';
      pieces.push({ part, id, bytes: module.subarray(start, end) });
      continue;
    }
    for (let [left, next] = varint(module, start); left--; ) {
      const [size, from] = varint(module, next);
      next = from + size;
      const name = names.get(index++) ?? '';
      pieces.push({ part: partOf(name), name, id, bytes: module.subarray(from, next) });
    }
  }
  return pieces;
}

/** The module again, with empty functions and data instead of those of `without`. */
export function joined(module, pieces, without) {
  const out = [module.subarray(0, 8)];
  const section = (id, body) =>
    out.push(Uint8Array.of(id, ...encoded(body.length)), body);
  const code = pieces.filter(({ id }) => id === kCode);
  const bodies = code.map(({ part, bytes }) => (part === without ? kEmpty : bytes));
  let coded = false;
  for (const { id, part, bytes } of pieces) {
    if (id !== kCode) section(id, part === without ? Uint8Array.of(0) : bytes);
    else if (!coded) {
      const sized = bodies.flatMap((body) => [Uint8Array.from(encoded(body.length)), body]);
      section(id, Buffer.concat([Uint8Array.from(encoded(bodies.length)), ...sized]));
      coded = true;
    }
  }
  return Buffer.concat(out);
}

/**
 * One JSON line a part, the largest first, then one for the whole. `packer`, `unpacker`: what
 * build.sh makes of unpack.c.
 */
export function printParts(module, packer, unpacker) {
  const pieces = split(module);
  const cost = (without) => {
    const rest = joined(module, pieces, without);
    const packed = pack(rest, packer, unpacker, 'sk_unpack').length;
    return { raw: rest.length, gzip: gzipSync(rest, { level: 9 }).length, packed };
  };
  const whole = cost(null);
  const parts = new Set(pieces.map(({ part }) => part));
  parts.delete(kGrammar);
  const rows = [...parts].map((part) => {
    const rest = cost(part);
    const functions = pieces.filter((piece) => piece.part === part && piece.id === kCode).length;
    const saved = Object.entries(whole).map(([key, bytes]) => [key, bytes - rest[key]]);
    return { part, functions, ...Object.fromEntries(saved) };
  });
  for (const row of rows.sort((a, b) => b.raw - a.raw)) console.log(JSON.stringify(row));
  console.log(JSON.stringify({ part: 'all', ...whole }));
}
