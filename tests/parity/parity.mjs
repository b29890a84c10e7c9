// Compares native and WebAssembly builds of the four types: every delta, patch, view and snapshot of
// thousands of random histories must be the same bytes (history.hpp hashes them).
//
//   node parity.mjs PARITY_NATIVE PARITY_WASM [COUNT] [STEPS] [FIRST]
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

const [native, wasm, count = "750", steps = "60", first = "1"] = process.argv.slice(2);
if (!wasm) {
  console.error("usage: node parity.mjs PARITY_NATIVE PARITY_WASM [COUNT] [STEPS] [FIRST]");
  process.exit(64);
}

const ran = spawnSync(native, [first, count, steps], { encoding: "utf8", maxBuffer: 1 << 28 });
if (ran.status !== 0) {
  console.error(`${native} failed: ${ran.error ?? ran.stderr}`);
  process.exit(1);
}

const { instance } = await WebAssembly.instantiate(readFileSync(wasm), {});
const { memory, parity_run, _initialize } = instance.exports;
_initialize?.();

const types = ["lww", "text", "set", "counter"];
const lines = ran.stdout.trimEnd().split("\n");
if (lines.length !== types.length * Number(count)) {
  console.error(`${native} printed ${lines.length} histories instead of ${types.length * count}`);
  process.exit(1);
}

let edits = 0, refused = 0;
for (const line of lines) {
  const [type, seed] = line.split(" ");
  const wide = BigInt(seed);
  const low = Number(wide & 0xffffffffn), high = Number(wide >> 32n);
  const at = parity_run(types.indexOf(type), low, high, Number(steps)) >>> 0;
  const [hashLow, hashHigh, made, failed] = new Uint32Array(memory.buffer, at, 4);
  const hex = (n) => n.toString(16).padStart(8, "0");
  const got = `${type} ${seed} ${hex(hashHigh)}${hex(hashLow)} ${made} ${failed}`;
  if (got !== line) {
    console.error(`native and WebAssembly differ\n  native ${line}\n  wasm   ${got}`);
    console.error(`reproduce: node parity.mjs ${native} ${wasm} 1 ${steps} ${seed}`);
    process.exit(1);
  }
  edits += made;
  refused += failed;
}
if (edits < lines.length) {
  console.error(`only ${edits} edits in ${lines.length} histories: the samples do too little`);
  process.exit(1);
}
console.log(`proof: parity   ${lines.length} histories, ${edits} edits, ${refused} refusals: ` +
  "native and WebAssembly gave equal bytes");
