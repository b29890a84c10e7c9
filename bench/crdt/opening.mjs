// What a page pays once, before the first document: the modules of the package unpack themselves
// (sdk/wasm/unpack.c). Only SyncKit's. Beside it, the same modules as they are without packing.

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const kDist = process.env.SYNCKIT_DIST
  ? path.resolve(process.env.SYNCKIT_DIST)
  : fileURLToPath(new URL('../../sdk/js/dist', import.meta.url));

const fileOf = (name) => {
  const file = path.join(kDist, name);
  if (!existsSync(file)) throw new Error(`${name} is not built: run ./dev wasm first`);
  return new Uint8Array(readFileSync(file));
};

/** The module that a wrapping carries; as in sdk/js/src/core.ts. */
function unpack(wrapping) {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(wrapping));
  const all = Object.values(exports);
  const run = all.find((one) => typeof one === 'function');
  const memory = all.find((one) => one instanceof WebAssembly.Memory);
  return new Uint8Array(memory.buffer.slice(run()));
}

const kFew = 5; // a wrapping exports its memory and one function; a module far more

function openingCase(id, title, name, packed) {
  return {
    id,
    title,
    group: 'opening',
    size: 1,
    whole: true,
    own: true,
    async run({ measure, check }) {
      const shipped = fileOf(name);
      const wraps = WebAssembly.Module.exports(new WebAssembly.Module(shipped)).length < kFew;
      check(wraps, `${name} is packed`);
      const plain = unpack(shipped);
      const module = measure(() => new WebAssembly.Module(packed ? unpack(shipped) : plain));
      check(WebAssembly.Module.exports(module).length >= kFew, 'the module with all its exports');
      return { final: null, bytes: packed ? shipped.length : plain.length };
    },
  };
}

export const opening = [
  openingCase('open-core', 'everything: unpack and compile', 'core.wasm', true),
  openingCase('open-core-plain', 'everything, not packed: compile', 'core.wasm', false),
  openingCase('open-lite', 'map alone: unpack and compile', 'core-lite.wasm', true),
  openingCase('open-lite-plain', 'map alone, not packed: compile', 'core-lite.wasm', false),
];
