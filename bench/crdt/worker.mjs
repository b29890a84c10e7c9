// One (library, case, run) in this fresh process; the job is one JSON argument, the answer one JSON
// line. Timed is the CPU time of the whole process (user and system, so the helper threads of the
// collector and the compiler count too), from a collected heap, after the library was loaded.
//
// The job: { lib, case, n, state: directory of artefacts, traces, seed } or, to make an artefact,
// { lib, artefact, n, ... }. Run with --expose-gc.

import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { loadTrace } from '../traces.mjs';
import { artefacts, cases } from './cases.mjs';

const job = JSON.parse(process.argv[2]);

// Every WASM memory of this process, to see how large they are. Installed before the library loads.
const memories = new Set();
function watchMemories() {
  const note = (instance, imports) => {
    const values = [instance.exports, ...Object.values(imports ?? {})].flatMap(Object.values);
    for (const v of values) if (v instanceof WebAssembly.Memory) memories.add(v);
    return instance;
  };
  WebAssembly.Instance = new Proxy(WebAssembly.Instance, {
    construct: (target, args) => note(new target(...args), args[1]),
  });
  for (const name of ['instantiate', 'instantiateStreaming']) {
    const original = WebAssembly[name];
    WebAssembly[name] = async (source, imports) => {
      const result = await original(source, imports);
      note(result.instance ?? result, imports);
      return result;
    };
  }
}

async function settle() {
  for (let i = 0; i < 3; i++) {
    globalThis.gc();
    await sleep(5);
  }
}

async function memory() {
  await settle();
  const usage = process.memoryUsage();
  let wasm = 0;
  for (const m of memories) wasm += m.buffer.byteLength;
  return { heap: usage.heapUsed, external: usage.arrayBuffers, wasm };
}

// Artefacts are files: u32 count, u32 length of each, then the bytes.
const artefactFile = (name) => path.join(job.state, `${job.lib}-${name}.bin`);

function writeArtefact(name, parts) {
  const header = new Uint32Array([parts.length, ...parts.map((part) => part.length)]);
  const body = parts.map((part) => Buffer.from(part.buffer, part.byteOffset, part.length));
  writeFileSync(artefactFile(name), Buffer.concat([Buffer.from(header.buffer), ...body]));
}

// A list that is longer than the job wants (a half run of a capped case) is cut.
function readArtefact(name) {
  const file = readFileSync(artefactFile(name));
  const all = file.readUInt32LE(0);
  const count = Math.min(all, job.n);
  const parts = [];
  let at = 4 + 4 * all;
  for (let i = 0; i < count; i++) {
    const length = file.readUInt32LE(4 + 4 * i);
    parts.push(new Uint8Array(file.subarray(at, at + length)));
    at += length;
  }
  return parts;
}

const traces = new Map();
function trace(name) {
  if (!traces.has(name)) traces.set(name, loadTrace(name, job.traces, job.seed));
  return traces.get(name);
}

function check(condition, what) {
  if (!condition) throw new Error(`wrong result: not ${what}`);
}

async function main() {
  if (job.case === 'text-memory') watchMemories();
  const { default: library } = await import(`./lib/${job.lib}.mjs`);
  const context = { n: job.n, create: library.create, load: library.load, trace, check };
  if (job.probe) return { caps: library.caps ?? {}, only: library.only ?? null };
  if (job.artefact) {
    writeArtefact(job.artefact, await artefacts[job.artefact].make(context));
    return { artefact: job.artefact };
  }
  const spec = cases.find(({ id }) => id === job.case);
  let cpuMs = null;
  // What the case needs exists by now; what is left to do before the clock starts is to collect.
  const measure = (fn) => {
    globalThis.gc();
    globalThis.gc();
    const from = process.cpuUsage();
    const result = fn();
    const used = process.cpuUsage(from);
    cpuMs = (used.user + used.system) / 1000;
    return result;
  };
  const artefact = readArtefact;
  const { final, ...extra } = await spec.run({ ...context, measure, memory, artefact });
  const hash = () => createHash('sha256').update(final).digest('hex').slice(0, 16);
  const digest = final === null ? null : hash();
  const { rounds = 1 } = extra;
  if (cpuMs !== null) cpuMs /= rounds;
  return { cpuMs, ran: job.n, digest, ...extra };
}

try {
  process.stdout.write(`${JSON.stringify(await main())}\n`);
} catch (error) {
  process.stdout.write(`${JSON.stringify({ error: String(error?.message ?? error) })}\n`);
  process.exitCode = 1;
}
