// Views: the visible value of a field, kept on the JS side and moved along by patches, so that
// reading costs no call into WASM and no parsing. Pure functions over bytes; no engine here.
//
// A view is never the truth: it can be dropped and read again from the engine at any time.

import { Reader, type Json } from './codec.js';

/** One step of a text patch; positions and counts are UTF-16 units, as in JS strings. */
export type TextOp = { retain: number } | { insert: string } | { delete: number };

/** Decodes a text patch (plugins/text/FORMAT.md, "patch"). */
export const textPatch = (bytes: Uint8Array): TextOp[] => {
  const ops: TextOp[] = [];
  for (const r = new Reader(bytes); !r.done; ) {
    const head = r.varint();
    const n = Math.floor(head / 4);
    const kind = head & 3;
    ops.push(
      kind == 1
        ? { insert: r.text(n) }
        : kind
          ? { delete: n + r.varint() }
          : { retain: n + r.varint() },
    );
  }
  return ops;
};

/** The text after a patch. */
export const applyText = (text: string, ops: readonly TextOp[]): string => {
  let out = '';
  let at = 0;
  for (const op of ops) {
    if ('insert' in op) out += op.insert;
    else if ('delete' in op) at += op.delete;
    else out += text.slice(at, (at += op.retain));
  }
  return out + text.slice(at);
};

/** Where a caret at `position` ends up; at the very place of an insert it stays before it. */
export const moveCaret = (position: number, ops: readonly TextOp[]): number => {
  let at = 0;
  for (const op of ops) {
    if (at > position) break;
    if ('insert' in op) {
      if (at < position) position += op.insert.length;
      at += op.insert.length;
    } else if ('delete' in op) position -= Math.min(op.delete, Math.max(0, position - at));
    else at += op.retain;
  }
  return position;
};

/**
 * The shortest single splice from one text to another, never inside a surrogate pair. `caret`
 * tells where in `to` typing ended, and so which of several equal letters is the new one.
 */
export const textDiff = (from: string, to: string, caret = to.length): TextOp[] => {
  const most = Math.min(from.length, to.length);
  let head = 0;
  let tail = 0;
  const back = (limit: number): void => {
    while (tail < limit && from.at(-1 - tail) === to.at(-1 - tail)) tail++;
  };
  back(Math.min(most, to.length - caret));
  while (head < most - tail && from[head] === to[head]) head++;
  back(most - head);
  if (head && /[\ud800-\udbff]/.test(from[head - 1]!)) head--;
  if (tail && /[\udc00-\udfff]/.test(from.at(-tail)!)) tail--;
  const ops: TextOp[] = [];
  const gone = from.length - head - tail;
  const come = to.slice(head, to.length - tail);
  if (head && (gone || come)) ops.push({ retain: head });
  if (gone) ops.push({ delete: gone });
  if (come) ops.push({ insert: come });
  return ops;
};

type Node = Record<string, Json>;
const isNode = (value: unknown): value is Node =>
  !!value && typeof value == 'object' && !Array.isArray(value);

/**
 * The JSON object of an `lww` field. What `get` handed out is never changed afterwards: a later
 * patch copies the objects on its path first, once per hand-out, so that `===` tells whether
 * something changed and a burst of writes does not copy.
 */
export class MapView {
  private owned_ = new WeakSet<object>();
  private root_: Node;

  constructor(root: Json) {
    this.root_ = isNode(root) ? root : {};
  }

  get(path: readonly string[]): Json | undefined {
    let value: Json | undefined = this.root_;
    for (const key of path) {
      value = isNode(value) && Object.hasOwn(value, key) ? value[key] : undefined;
    }
    if (value && typeof value == 'object') this.owned_ = new WeakSet();
    return value;
  }

  private own_(node: Json | undefined): Node {
    if (isNode(node) && this.owned_.has(node)) return node;
    const copy: Node = isNode(node) ? { ...node } : {};
    this.owned_.add(copy);
    return copy;
  }

  private put_(path: readonly string[], value: Json | undefined): void {
    let node = (this.root_ = this.own_(this.root_));
    path.forEach((key, i) => {
      const old = Object.hasOwn(node, key) ? node[key] : undefined;
      const last = i == path.length - 1;
      if (last && value === undefined) {
        delete node[key];
        return;
      }
      const next = last ? value! : this.own_(old);
      // A key "__proto__" must become a member, not the prototype.
      if (key == '__proto__') {
        Object.defineProperty(node, key, {
          value: next,
          writable: true,
          enumerable: true,
          configurable: true,
        });
      } else node[key] = next;
      node = next as Node;
    });
  }

  /** Applies a patch (plugins/lww/FORMAT.md) and returns the paths that changed. */
  patch(bytes: Uint8Array): string[][] {
    const paths: string[][] = [];
    for (const r = new Reader(bytes); !r.done; ) {
      const path: string[] = [];
      for (let n = r.varint(); n > 0; n--) path.push(r.lengthText());
      this.put_(path, r.byte() == 1 ? (JSON.parse(r.lengthText()) as Json) : undefined);
      paths.push(path);
    }
    return paths;
  }
}

/**
 * The elements of a JSON array, each as the text it has there: elements are equal when their bytes
 * are, and parsing and writing again would turn another writer's `1.0` into `1`.
 */
const elements = (json: string): string[] => {
  const out: string[] = [];
  let depth = 0;
  let from = 1;
  for (const match of json.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{},]/g)) {
    const token = match[0];
    if (token == '[' || token == '{') depth++;
    else if (token == ']' || token == '}') depth--;
    else if (token != ',' || depth > 1) continue;
    if (depth > 1 || (depth && token != ',')) continue;
    if (match.index! > from) out.push(json.slice(from, match.index));
    from = match.index! + 1;
  }
  return out;
};

/** What a set patch did; values as parsed JSON. */
export interface SetChange {
  added: Json[];
  removed: Json[];
}

/** The elements of a `set` field, keyed by their canonical JSON. */
export class SetView {
  readonly items = new Map<string, Json>();
  private sorted_: Json[] | undefined;

  constructor(json: string) {
    for (const key of elements(json)) this.items.set(key, JSON.parse(key) as Json);
  }

  /** In an order that is the same on every replica. The array is not changed afterwards. */
  values(): readonly Json[] {
    return (this.sorted_ ??= [...this.items.keys()].sort().map((key) => this.items.get(key)!));
  }

  /** Applies a patch (plugins/set/FORMAT.md). */
  patch(bytes: Uint8Array): SetChange {
    const change: SetChange = { added: [], removed: [] };
    for (const r = new Reader(bytes); !r.done; ) {
      const added = r.byte() == 1;
      const key = r.lengthText();
      const value = JSON.parse(key) as Json;
      if (added) this.items.set(key, value);
      else this.items.delete(key);
      change[added ? 'added' : 'removed'].push(value);
    }
    this.sorted_ = undefined;
    return change;
  }
}

/** The change in a counter patch. */
export const counterPatch = (bytes: Uint8Array): bigint => {
  const r = new Reader(bytes);
  let sum = 0n;
  while (!r.done) sum += r.zigzag();
  return sum;
};
