// Types from elsewhere: loads a standalone plugin .wasm (abi.h compiled for wasm32, with its own
// memory) and serves the engine's calls to it.
//
// The module exports `memory`, `__indirect_function_table` (growable), `malloc`, `free`,
// `synckit_plugin_v1` and, when it has one, `_initialize`; it gets no imports. Structs are read at
// the offsets that abi.h gives them where pointers and size_t have 4 bytes; function pointers are
// indices into the table.
//
// A plugin that traps has failed that call with `internal`; its memory is its own, so that it can
// damage nothing but its own documents.

import { decoder, utf8 } from './codec.js';
import { fail, SyncKitError, wrap } from './errors.js';
import { createCore, type Core, type Ext, type WasmSource } from './core.js';
import { fullWasm } from './full.js';
import { createField, type Field, type MakeField } from './field.js';

/** Hands `bytes` back in an output slot. */
type ExtOut = (slot: number, bytes: Uint8Array) => void;

/** A CRDT type that a plugin brings; made by `loadPlugin`, given to `SyncKit.open({ types })`. */
export interface PluginType {
  /** The type's name, as in `document.custom(name, type)`. */
  readonly type: string;
  /** Version of the delta format that it writes. */
  readonly format: number;
  /** Oldest version that it reads. */
  readonly minFormat: number;
  /** The core that takes types from elsewhere, which the default one leaves out. @internal */
  readonly wasm_: URL;
  /** Serves one call of `env.ext` (sdk/wasm/EXPORTS.md). @internal */
  call(
    core: Core,
    op: number,
    self: number,
    a: number,
    aLength: number,
    b: number,
    bLength: number,
  ): number;
  /** Starts an engine that has all of these types. @internal */
  start_(
    wasm: WasmSource,
    replica: bigint,
    persistent: 0 | 1,
    types: readonly PluginType[],
  ): Promise<Core>;
}

/**
 * A field of a type that a plugin brings: raw bytes in, raw bytes out. A change is the plugin's
 * patch, or undefined when the view is to be read anew.
 */
export interface CustomField extends Field<Uint8Array | undefined> {
  /** Applies an intent, in the plugin's own format. */
  mutate(intent: Uint8Array): void;
  /** The value as the plugin's JSON text, in UTF-8; empty before the document is ready. */
  view(): Uint8Array;
}

const customField: MakeField<CustomField> = (document, name, type, handle) => {
  // It has no view here: only the plugin knows how to move one.
  const [field, , edit] = createField<Uint8Array | undefined, 0>(
    document,
    name,
    type,
    handle,
    (_view, patch) => [0, patch.bytes_.slice()],
    () => undefined,
  );
  return {
    ...field,
    mutate: (intent) => edit(intent),
    view: () => document.contents_(handle).bytes_.slice(),
  };
};

/** Here, and not with the engine, so that only those who load plugins ship it. */
const start: PluginType['start_'] = async (wasm, replica, persistent, types) => {
  const ext: Ext = (op, type, ...rest) =>
    types[type]!.call(core, op, ...(rest as [any, any, any, any, any]));
  const core = await createCore(wasm, replica, persistent, ext);
  core.custom_ = customField;
  types.forEach(({ type, format, minFormat }, i) =>
    core.ok_(core.sk_register!(i, core.put_(utf8(type)), format, minFormat)),
  );
  return core;
};

const magic = 0x31504b53; // "SKP1"
const major = 1;
const pluginBytes = 40; // sizeof(sk_plugin) on wasm32
const crdtBytes = 48; // of sk_crdt_v1 up to and including `inspect`
const summaryBytes = 48;
const errorBytes = 256;
const internal = 9;
const unsupported = 7;
const nomem = 8;
/** Names of the exports that a plugin needs. */
const needed = ['memory', '__indirect_function_table', 'malloc', 'free', 'synckit_plugin_v1'];

// (module (import "e" "r" (func (param i32 i32) RESULT)) (export "r" (func 0))): turns a
// JavaScript function into one that a table accepts.
const trampoline = (type: string, call: (a: number, b: number) => number | void): Function => {
  const hex = `0061736d01000000${type}02070101650172000007050101720000`;
  const bytes = Uint8Array.from(hex.match(/../g)!, (pair) => parseInt(pair, 16));
  const module = new WebAssembly.Module(bytes);
  return new WebAssembly.Instance(module, { e: { r: call } }).exports['r'] as Function;
};
const toInt = '01070160027f7f017f';
const toNothing = '01060160027f7f00';

type Call = (...args: number[]) => number;

/** Offsets of the functions in sk_crdt_v1, by the op of `env.ext`. */
const slots = [20, 24, 28, 32, 36, 40, 44, 48, 52];

class Plugin {
  private readonly memory_: WebAssembly.Memory;
  private readonly table_: WebAssembly.Table;
  private readonly malloc_: Call;
  private readonly free_: Call;
  private readonly reserve_: number;
  /** One block: error, version, summary, two sk_bufs, a word for create and mutate. */
  private readonly block_: number;
  private readonly delta_: number;
  private readonly patch_: number;
  private readonly word_: number;

  constructor(instance: WebAssembly.Instance) {
    const exports = instance.exports;
    for (const name of needed) {
      if (!exports[name]) fail('unsupported', `the plugin does not export ${name}`);
    }
    this.memory_ = exports['memory'] as WebAssembly.Memory;
    this.table_ = exports['__indirect_function_table'] as WebAssembly.Table;
    this.malloc_ = exports['malloc'] as Call;
    this.free_ = exports['free'] as Call;
    (exports['_initialize'] as (() => void) | undefined)?.();
    try {
      this.reserve_ = this.table_.grow(2);
    } catch (error) {
      throw wrap('the plugin must be linked with --growable-table', error, 'unsupported');
    }
    const grow = trampoline(toInt, (buf, capacity) => this.grow_(buf >>> 0, capacity >>> 0));
    this.table_.set(this.reserve_, grow);
    const log = trampoline(toNothing, (level, text) =>
      console[level > 1 ? 'warn' : 'debug'](this.string(text >>> 0)),
    );
    this.table_.set(this.reserve_ + 1, log);
    this.block_ = this.alloc_(errorBytes + 8 + summaryBytes + 32 + 8);
    this.delta_ = this.block_ + errorBytes + 8 + summaryBytes;
    this.patch_ = this.delta_ + 16;
    this.word_ = this.patch_ + 16;
    new Uint8Array(this.memory_.buffer, this.block_, errorBytes + 96).fill(0);
    for (const buf of [this.delta_, this.patch_]) this.set_(buf + 12, this.reserve_);
  }

  u32(at: number): number {
    return new DataView(this.memory_.buffer).getUint32(at, true);
  }
  private set_(at: number, value: number): void {
    new DataView(this.memory_.buffer).setUint32(at, value, true);
  }
  private bytes_(at: number, length: number): Uint8Array {
    return new Uint8Array(this.memory_.buffer, at, length);
  }
  string(at: number): string {
    const bytes = new Uint8Array(this.memory_.buffer);
    const end = bytes.indexOf(0, at);
    return end < 0
      ? fail('malformed', 'a string without end')
      : decoder.decode(bytes.slice(at, end));
  }
  invoke(index: number, ...args: number[]): number {
    const call = this.table_.get(index) as Call | null;
    return call ? call(...args) : fail('unsupported', 'a required function is NULL');
  }
  private alloc_(size: number): number {
    return this.malloc_(size) >>> 0 || fail('nomem', 'the plugin is out of memory');
  }
  /** Index of the function that logs. */
  get log(): number {
    return this.reserve_ + 1;
  }
  /** Copies bytes in for good. */
  keep(bytes: Uint8Array): number {
    const at = this.alloc_(bytes.length);
    this.bytes_(at, bytes.length).set(bytes);
    return at;
  }
  /** Copies bytes in, calls, and frees them again. */
  with<T>(bytes: Uint8Array, call: (at: number) => T): T {
    const at = this.alloc_(bytes.length + 1);
    this.bytes_(at, bytes.length + 1).set(bytes);
    this.bytes_(at + bytes.length, 1)[0] = 0;
    try {
      return call(at);
    } finally {
      this.free_(at);
    }
  }

  /** sk_buf.reserve: moves the buffer to a block of at least `capacity`. */
  private grow_(buf: number, capacity: number): number {
    const held = this.u32(buf + 8);
    if (capacity <= held) return 0;
    const next = Math.max(capacity, held * 2, 64);
    const at = this.malloc_(next) >>> 0;
    if (!at) return nomem;
    const data = this.u32(buf);
    this.bytes_(at, this.u32(buf + 4)).set(this.bytes_(data, this.u32(buf + 4)));
    if (data) this.free_(data);
    this.set_(buf, at);
    this.set_(buf + 8, next);
    return 0;
  }
  private taken_(buf: number): Uint8Array {
    return this.bytes_(this.u32(buf), this.u32(buf + 4)).slice();
  }

  /** One call of env.ext, with `table` the address of the plugin's sk_crdt_v1. */
  serve(
    table: number,
    op: number,
    self: number,
    a: Uint8Array,
    b: Uint8Array,
    out: ExtOut,
  ): number {
    const { block_: error, delta_: delta, patch_: patch, word_: word } = this;
    const inside = this.u32(table) >= slots[op]! + 4;
    const index = inside ? this.u32(table + slots[op]!) : 0;
    if (!index && op > 6) return op == 7 ? 0 : unsupported;
    this.set_(error, errorBytes);
    this.set_(error + 4, 0);
    this.bytes_(error + 8, 1)[0] = 0;
    this.set_(delta + 4, 0);
    this.set_(patch + 4, 0);
    const call = (...args: number[]): number => this.invoke(index, ...args);
    const version = error + errorBytes; // sk_version: dots, len
    const summary = version + 8;
    const status = this.with(a, (at) =>
      this.with(b, (bAt) => {
        switch (op) {
          case 0:
            return call(word, error);
          case 1:
            call(self);
            return 0;
          case 2:
            return call(self, bAt, at, a.length, delta, patch, word, error);
          case 3:
            return call(self, at, a.length, patch, error);
          case 4:
          case 7:
            this.set_(version, bAt);
            this.set_(version + 4, b.length / 16);
            return op == 4 ? call(self, version, delta, error) : call(self, version, error);
          case 5:
            return call(self, delta, error);
          case 6:
            this.bytes_(summary, summaryBytes).fill(0);
            this.set_(summary, summaryBytes);
            return call(at, a.length, summary, patch, error);
          default:
            return call(self, bAt, at, a.length, delta, error);
        }
      }),
    );
    if (status) {
      const text = this.string(error + 8);
      out(3, new TextEncoder().encode(text));
      return status;
    }
    if (op == 0) out(0, this.bytes_(word, 4).slice());
    if (op == 2 || op == 4 || op == 5 || op == 8) out(0, this.taken_(delta));
    if (op == 2 || op == 3 || op == 6) out(1, this.taken_(patch));
    if (op == 2) out(2, this.bytes_(word, 4).slice());
    if (op == 6) out(2, this.bytes_(summary, summaryBytes).slice());
    return 0;
  }
}

/**
 * What a plugin has no right to expect, but toolchains leave behind (`proc_exit`, a notice of
 * memory growth): functions that fail the call that reaches them, the notice apart.
 */
const strangers = (module: WebAssembly.Module): WebAssembly.Imports => {
  const imports: Record<string, Record<string, () => void>> = {};
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    if (kind != 'function') fail('unsupported', `the plugin imports the ${kind} ${from}.${name}`);
    (imports[from] ??= {})[name] = () => {
      if (name != 'emscripten_notify_memory_growth') fail('internal', `it called ${from}.${name}`);
    };
  }
  return imports;
};

/**
 * Loads a plugin: its first CRDT type, ready for `SyncKit.open({ types: [...] })`.
 *
 * @param source URL, bytes or compiled module of a standalone plugin .wasm
 * @throws SyncKitError `unsupported` when it is no plugin of this ABI, `unavailable` when it
 *   cannot be fetched
 */
export const loadPlugin = async (source: WasmSource): Promise<PluginType> => {
  let instance: WebAssembly.Instance;
  try {
    const module =
      source instanceof WebAssembly.Module
        ? source
        : await WebAssembly.compile(
            typeof source == 'string' || source instanceof URL
              ? await (await fetch(source)).arrayBuffer()
              : source,
          );
    instance = await WebAssembly.instantiate(module, strangers(module));
  } catch (error) {
    throw wrap('the plugin cannot be loaded', error);
  }
  const plugin = new Plugin(instance);
  const at = (instance.exports['synckit_plugin_v1'] as Call)() >>> 0;
  const bad = (text: string): never =>
    fail('unsupported', `${text}; it is not a plugin for this SDK`);
  if (plugin.u32(at) != magic) bad('the magic number is wrong');
  if (plugin.u32(at + 4) != major)
    bad(`its ABI major version is ${plugin.u32(at + 4)}, not ${major}`);
  if (plugin.u32(at + 12) < pluginBytes) bad('its descriptor is too small');
  const id = plugin.string(plugin.u32(at + 16));
  const init = plugin.u32(at + 28);
  if (init) {
    // struct sk_host { size, major, minor, log }, which must live as long as the plugin.
    const host = new Uint8Array(new Uint32Array([16, major, 0, plugin.log]).buffer);
    const status = plugin.invoke(init, plugin.keep(host), 0);
    if (status) throw new SyncKitError('unavailable', `${id}: init failed with status ${status}`);
  }
  const name = new TextEncoder().encode('synckit.crdt/1');
  const table = plugin.with(name, (nameAt) => plugin.invoke(plugin.u32(at + 36), nameAt, 0)) >>> 0;
  if (!table) bad(`${id} brings no CRDT type`);
  if (plugin.u32(table) < crdtBytes) bad(`the CRDT table of ${id} is too small`);
  return {
    type: plugin.string(plugin.u32(table + 16)),
    format: plugin.u32(table + 8),
    minFormat: plugin.u32(table + 12),
    start_: start,
    wasm_: fullWasm,
    call(core, op, self, a, aLength, b, bLength) {
      const out: ExtOut = (slot, bytes) => {
        if (!bytes.length) return; // nothing to append; a null address would look like no memory
        const at = core.sk_ext_out!(slot, bytes.length);
        if (!at) fail('nomem', 'core.wasm is out of memory');
        new Uint8Array(core.sk_memory.buffer).set(bytes, at);
      };
      const input = (from: number, length: number): Uint8Array =>
        new Uint8Array(core.sk_memory.buffer, from, length).slice();
      try {
        return plugin.serve(table, op, self, input(a, aLength), input(b, bLength), out);
      } catch (error) {
        out(3, new TextEncoder().encode(`${id}: ${(error as Error).message}`));
        return internal;
      }
    },
  };
};
