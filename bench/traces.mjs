// Editing traces for the benchmarks: load the recorded ones, or generate some of the same shape.
//
// Recorded: `automerge-paper` (one writer) and `friendsforever` (two writers), gzipped JSON from
// the public repository josephg/editing-traces (CC BY 4.0). They are not part of this tree; give
// their directory with --traces DIR or SYNCKIT_TRACES, or put it (or a link to it) at
// build/editing-traces. Without them `generate...` makes traces with
// the same counts from a seed; every result says which of the two was used, because a generated
// trace measures the same kinds of work and not the same document.
//
// A trace in memory is flat, so that walking it costs next to nothing beside what is measured:
//   sequential: { positions, deletes: Int32Array, inserts: string[], length, end: string }
//   concurrent: the same plus `agents` (Uint8Array) and `parents` (arrays of indexes)
// Positions and counts are Unicode code points; these traces have none above U+FFFF, so they are
// UTF-16 units as well. `load` checks that.
//
// Command line: node traces.mjs convert NAME OUT [--traces DIR] [--patches N] [--seed S]
// writes the file that the native benchmark reads (see `encodeTrace`).

import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gunzipSync } from 'node:zlib';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

export const kDefaultSeed = 20260701;

const kFiles = {
  'automerge-paper': 'sequential_traces/automerge-paper.json.gz',
  friendsforever: 'concurrent_traces/friendsforever.json.gz',
};

/** A small seedable generator (mulberry32): uniform in [0, 1). */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** The directory of the recorded traces, or null. */
export function tracesDirectory(option) {
  const asked = option ?? process.env.SYNCKIT_TRACES;
  if (asked) {
    if (!existsSync(asked)) throw new Error(`no traces at ${asked} (--traces or SYNCKIT_TRACES)`);
    return asked;
  }
  const beside = path.join(root, 'build', 'editing-traces');
  return existsSync(path.join(beside, kFiles['automerge-paper'])) ? beside : null;
}

/** Plain text under splices, as a gap buffer of UTF-16 units: the reference for every check. */
export class PlainText {
  #units = new Uint16Array(1024);
  #gap = 0;
  #gapEnd = 1024;

  splice(position, remove, insert) {
    this.#moveGap(position);
    this.#gapEnd += remove;
    if (this.#gapEnd > this.#units.length) throw new Error('a deletion past the end of the text');
    if (this.#gapEnd - this.#gap < insert.length) this.#grow(insert.length);
    for (let i = 0; i < insert.length; i++) this.#units[this.#gap++] = insert.charCodeAt(i);
  }

  toString() {
    const decode = (units) => new TextDecoder('utf-16le').decode(units);
    return decode(this.#units.slice(0, this.#gap)) + decode(this.#units.slice(this.#gapEnd));
  }

  get length() {
    return this.#units.length - (this.#gapEnd - this.#gap);
  }

  #moveGap(position) {
    if (position > this.length) throw new Error('a position past the end of the text');
    if (position < this.#gap) {
      const moved = this.#gap - position;
      this.#units.copyWithin(this.#gapEnd - moved, position, this.#gap);
      this.#gapEnd -= moved;
    } else if (position > this.#gap) {
      const moved = position - this.#gap;
      this.#units.copyWithin(this.#gap, this.#gapEnd, this.#gapEnd + moved);
      this.#gapEnd += moved;
    }
    this.#gap = position;
  }

  #grow(need) {
    const tail = this.#units.length - this.#gapEnd;
    const bigger = new Uint16Array(2 * this.#units.length + need);
    bigger.set(this.#units.subarray(0, this.#gap));
    bigger.set(this.#units.subarray(this.#gapEnd), bigger.length - tail);
    this.#units = bigger;
    this.#gapEnd = bigger.length - tail;
  }
}

/** The same in chunks, for edits all over a large text; characters up to U+FFFF only. */
export class RopeText {
  #chunks = [''];
  #at = 0; // the chunk last edited
  #start = 0; // its position
  length = 0;

  splice(position, remove, insert) {
    if (position + remove > this.length) throw new Error('an edit past the end of the text');
    this.length += insert.length - remove;
    this.#seek(position);
    let offset = position - this.#start;
    for (let at = this.#at, left = remove; left > 0; at++, offset = 0) {
      const chunk = this.#chunks[at];
      const cut = Math.min(left, chunk.length - offset);
      this.#chunks[at] = chunk.slice(0, offset) + chunk.slice(offset + cut);
      left -= cut;
    }
    if (!insert) return;
    offset = position - this.#start;
    const chunk = this.#chunks[this.#at];
    const next = chunk.slice(0, offset) + insert + chunk.slice(offset);
    const middle = next.length >> 1;
    if (next.length <= 2048) this.#chunks[this.#at] = next;
    else this.#chunks.splice(this.#at, 1, next.slice(0, middle), next.slice(middle));
  }

  toString() {
    return this.#chunks.join('');
  }

  #seek(position) {
    while (position < this.#start) this.#start -= this.#chunks[--this.#at].length;
    for (let size; position > this.#start + (size = this.#chunks[this.#at].length); ) {
      this.#start += size;
      this.#at++;
    }
  }
}

/** The text after the first n patches of a sequential trace. */
export function textAfter(trace, n) {
  if (n === trace.length) return trace.end;
  const text = new PlainText();
  for (let i = 0; i < n; i++) text.splice(trace.positions[i], trace.deletes[i], trace.inserts[i]);
  return text.toString();
}

// ---- recorded -----------------------------------------------------------------------------------

function flatten(json, concurrent) {
  const positions = [];
  const deletes = [];
  const inserts = [];
  const agents = [];
  const parents = [];
  for (const txn of json.txns) {
    if (concurrent && txn.patches.length !== 1) throw new Error('a transaction of several patches');
    for (const [position, remove, insert] of txn.patches) {
      if (/[\ud800-\udfff]/.test(insert)) throw new Error('a trace with characters above U+FFFF');
      positions.push(position);
      deletes.push(remove);
      inserts.push(insert);
    }
    if (!concurrent) continue;
    agents.push(txn.agent);
    parents.push(txn.parents);
  }
  const trace = {
    positions: Int32Array.from(positions),
    deletes: Int32Array.from(deletes),
    inserts,
    length: inserts.length,
    end: json.endContent,
  };
  return concurrent ? { ...trace, agents: Uint8Array.from(agents), parents } : trace;
}

function loadRecorded(name, directory) {
  const bytes = readFileSync(path.join(directory, kFiles[name]));
  const trace = flatten(JSON.parse(gunzipSync(bytes)), name === 'friendsforever');
  const hash = createHash('sha256').update(bytes).digest('hex');
  const source = `recorded (josephg/editing-traces), sha256 ${hash.slice(0, 16)}`;
  return { ...trace, name, source };
}

// ---- generated ----------------------------------------------------------------------------------

const kLetters = 'etaoinshrdlucmfwypvbgkjqxz';

function letter(next) {
  const roll = next();
  if (roll < 0.16) return ' ';
  if (roll < 0.18) return '\n';
  return kLetters[Math.floor(next() * next() * kLetters.length)];
}

/** Writers mostly move a little, and sometimes anywhere. */
function jump(cursor, length, next) {
  if (next() < 0.3) return Math.floor(next() * (length + 1));
  return Math.max(0, Math.min(length, cursor + Math.floor((next() - 0.5) * 400)));
}

/** One writer: bursts of typing, runs of backspaces, and jumps to other places. */
export function generateSequential(seed = kDefaultSeed, inserts = 182_315, removes = 77_463) {
  const next = random(seed);
  const text = new PlainText();
  const trace = { positions: [], deletes: [], inserts: [] };
  let cursor = 0;
  let left = { insert: inserts, remove: removes };
  while (left.insert + left.remove > 0) {
    if (next() < 0.6) cursor = jump(cursor, text.length, next);
    const share = left.remove / (left.insert + left.remove);
    const removing = left.insert === 0 || (left.remove > 0 && cursor > 0 && next() < share);
    if (removing && cursor === 0) cursor = text.length;
    let run = 1 + Math.floor(-Math.log(1 - next()) * 5);
    run = Math.min(run, removing ? Math.min(left.remove, cursor) : left.insert);
    for (let i = 0; i < run; i++) {
      const insert = removing ? '' : letter(next);
      if (removing) cursor--;
      trace.positions.push(cursor);
      trace.deletes.push(removing ? 1 : 0);
      trace.inserts.push(insert);
      text.splice(cursor, removing ? 1 : 0, insert);
      if (!removing) cursor++;
    }
    left = removing
      ? { insert: left.insert, remove: left.remove - run }
      : { insert: left.insert - run, remove: left.remove };
  }
  return finish(trace, text.toString(), seed, 'automerge-paper');
}

/**
 * Two writers, each in a part of its own before or after one line break that nobody removes: so no
 * two insert at the same place, and the final text is the two parts, whatever the tie rule.
 */
export function generateConcurrent(seed = kDefaultSeed, count = 26_078) {
  const next = random(seed ^ 0x5eed);
  const trace = { positions: [], deletes: [], inserts: [], agents: [], parents: [] };
  const parts = [new PlainText(), new PlainText()];
  const lengths = [[0], [0]]; // lengths[a][k]: of part a after k transactions of agent a
  const indexes = [[], []]; // of each agent's transactions
  const seen = [0, 0]; // how many of the other's transactions agent a has merged
  const seenAt = [[], []]; // the same, at each of its transactions
  const add = (agent, parents, position, remove, insert) => {
    trace.agents.push(agent);
    trace.parents.push(parents);
    trace.positions.push(position);
    trace.deletes.push(remove);
    trace.inserts.push(insert);
  };
  add(0, [], 0, 0, '\n');
  let agent = 0;
  let cursors = [0, 0];
  while (trace.inserts.length < count) {
    if (next() < 0.08) agent = 1 - agent;
    const other = 1 - agent;
    const mine = indexes[agent];
    const last = trace.inserts.length === count - 1;
    if (last || next() < 0.25) seen[agent] = indexes[other].length;
    // What this version names: the own last one, and the other's last unless that is in it already.
    const own = mine.length;
    const heads = [];
    const mineInTheirs = seen[agent] > 0 ? seenAt[other][seen[agent] - 1] : 0;
    const theirsInMine = own > 0 ? seenAt[agent][own - 1] : 0;
    if (own > mineInTheirs) heads.push(mine[own - 1]);
    if (seen[agent] > theirsInMine || (heads.length === 0 && seen[agent] > 0)) {
      heads.push(indexes[other][seen[agent] - 1]);
    }
    if (heads.length === 0) heads.push(0);
    const part = parts[agent];
    if (next() < 0.04) cursors[agent] = Math.floor(next() * (part.length + 1));
    const removing = cursors[agent] > 0 && next() < 0.09;
    if (removing) cursors[agent]--;
    const insert = removing ? '' : letter(next);
    const base = agent === 0 ? 0 : lengths[0][seen[1]] + 1;
    add(agent, heads.sort((a, b) => a - b), base + cursors[agent], removing ? 1 : 0, insert);
    part.splice(cursors[agent], removing ? 1 : 0, insert);
    if (!removing) cursors[agent]++;
    lengths[agent].push(part.length);
    seenAt[agent].push(seen[agent]);
    mine.push(trace.inserts.length - 1);
  }
  const done = finish(trace, `${parts[0]}\n${parts[1]}`, seed, 'friendsforever');
  return { ...done, agents: Uint8Array.from(trace.agents), parents: trace.parents };
}

function finish(trace, end, seed, name) {
  return {
    name,
    source: `generated in the shape of ${name}, seed ${seed}`,
    positions: Int32Array.from(trace.positions),
    deletes: Int32Array.from(trace.deletes),
    inserts: trace.inserts,
    length: trace.inserts.length,
    end,
  };
}

/** The trace of that name, recorded when its directory is known, else generated. */
export function loadTrace(name, directory, seed = kDefaultSeed) {
  if (!kFiles[name]) throw new Error(`no such trace: ${name}; there are ${Object.keys(kFiles)}`);
  if (directory) return loadRecorded(name, directory);
  return name === 'friendsforever' ? generateConcurrent(seed) : generateSequential(seed);
}

/**
 * For each transaction of a concurrent trace: how many transactions of each agent its author had
 * merged. Parents point backwards, so one pass is enough.
 */
export function versionsOf(trace) {
  const agents = 1 + trace.agents.reduce((a, b) => Math.max(a, b), 0);
  const after = [];
  const before = [];
  for (let i = 0; i < trace.length; i++) {
    const version = new Int32Array(agents);
    for (const parent of trace.parents[i]) {
      for (let a = 0; a < agents; a++) version[a] = Math.max(version[a], after[parent][a]);
    }
    before.push(version);
    const next = version.slice();
    next[trace.agents[i]]++;
    after.push(next);
  }
  return before;
}

// ---- for the native benchmark -------------------------------------------------------------------

/**
 * "SKT1", then varints (LEB128): number of patches; of each patch position, delete count, byte
 * length of the inserted UTF-8, and those bytes; at the end byte length of the final text, and it.
 */
export function encodeTrace(trace, n = trace.length) {
  const encoder = new TextEncoder();
  const end = encoder.encode(textAfter(trace, n));
  let out = new Uint8Array(16 * n + end.length + 64);
  let at = 0;
  const room = (need) => {
    if (at + need <= out.length) return;
    const bigger = new Uint8Array(2 * out.length + need);
    bigger.set(out);
    out = bigger;
  };
  const varint = (value) => {
    room(10);
    while (value >= 128) {
      out[at++] = (value & 127) | 128;
      value >>>= 7;
    }
    out[at++] = value;
  };
  const raw = (bytes) => {
    room(bytes.length);
    out.set(bytes, at);
    at += bytes.length;
  };
  raw(encoder.encode('SKT1'));
  varint(n);
  for (let i = 0; i < n; i++) {
    const insert = encoder.encode(trace.inserts[i]);
    varint(trace.positions[i]);
    varint(trace.deletes[i]);
    varint(insert.length);
    raw(insert);
  }
  varint(end.length);
  raw(end);
  return out.subarray(0, at);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const args = process.argv.slice(2);
  const option = (name) => {
    const at = args.indexOf(name);
    return at < 0 ? undefined : args.splice(at, 2)[1];
  };
  const directory = tracesDirectory(option('--traces'));
  const patches = option('--patches');
  const seed = Number(option('--seed') ?? kDefaultSeed);
  const [command, name, out] = args;
  if (command !== 'convert' || !name || !out) {
    console.error('usage: traces.mjs convert NAME OUT [--traces DIR] [--patches N] [--seed S]');
    process.exit(2);
  }
  const trace = loadTrace(name, directory, seed);
  writeFileSync(out, encodeTrace(trace, Math.min(Number(patches ?? trace.length), trace.length)));
  console.log(JSON.stringify({ trace: name, source: trace.source, patches: trace.length }));
}
