// `synckit/full`: undo of own edits, and positions that survive edits, in the documents of a kit.
// They need the larger module core-full.wasm: `SyncKit.open({ wasm: fullWasm, … })`.

import { utf8 } from './codec.js';
import type { Core } from './core.js';
import type { BaseDocument } from './document.js';
import { fail } from './errors.js';
import type { AnchorPosition, AnchorSide, UndoManager, UndoOptions } from './undo.js';

export type { AnchorPosition, AnchorSide, UndoManager, UndoOptions } from './undo.js';

/** The module that these functions need: the default one, with anchors, undo and plugins' types. */
export const fullWasm: URL = new URL('core-full.wasm', import.meta.url);

const coreOf = (document: BaseDocument<any>): Core => {
  const core = document.core_();
  if (!core.sk_undo) fail('unsupported', 'open the kit with { wasm: fullWasm } of synckit/full');
  return core;
};
const textOf = (document: BaseDocument<any>, name: string): [Core, field: number] => {
  const core = coreOf(document);
  return [core, core.ok_(core.sk_field!(document.handle_, core.put_(utf8(`text\0${name}`))))];
};
const whole = (value: number, what: string): void => {
  if (value >>> 0 !== value) fail('malformed', `${what} is not a whole number below 2^32`);
};

/**
 * A few bytes that name a place in a text, for cursors and comments: they hold through all edits,
 * may be stored and sent, and mean the same on every replica. What is inserted exactly there comes
 * behind a `left` anchor, which sticks to the character before it, and in front of a `right` one.
 *
 * @param name the text's name, as in `document.text(name)`
 * @param position in UTF-16 units
 * @throws SyncKitError `malformed` past the end, or inside a surrogate pair; `unsupported` when the
 *   kit was opened with another module
 */
export const makeAnchor = (
  document: BaseDocument<any>,
  name: string,
  position: number,
  side: AnchorSide = 'left',
): Uint8Array => {
  whole(position, 'the position');
  const [core, field] = textOf(document, name);
  core.ok_(core.sk_anchor!(document.handle_, field, position, +(side == 'right')));
  return core.data_();
};

/**
 * Where an anchor is now.
 * @throws SyncKitError `missing-deps` when its character has not arrived here yet, `malformed` for
 *   bytes that are no anchor of this text, `unsupported` as above
 */
export const resolveAnchor = (
  document: BaseDocument<any>,
  name: string,
  anchor: Uint8Array,
): AnchorPosition => {
  const [core, field] = textOf(document, name);
  core.ok_(core.sk_position!(document.handle_, field, core.put_(anchor)));
  const [, , deleted, position] = core.output_.pop()!;
  return { position, deleted: deleted == 1 };
};

/**
 * Undo and redo of what this kit edits in the document from now on, one of them for a document: a
 * second one begins anew. It lives as long as the document is open, and is not stored.
 *
 * Subscribers get what an undo changes with `local: false`, as they get the edits of others:
 * whatever shows the document has to follow it.
 *
 * What the host refused is gone already, and has no effect when it is undone.
 *
 * @throws SyncKitError `unsupported` when the kit was opened with another module
 */
export const undoManager = (
  document: BaseDocument<any>,
  { depth = 200, groupMs = 500 }: UndoOptions = {},
): UndoManager => {
  whole(depth, 'depth');
  whole(groupMs, 'groupMs');
  if (!depth) fail('malformed', 'depth is 0');
  const handle = document.handle_;
  const run = (redo: 0 | 1): boolean => {
    const core = coreOf(document);
    let dots = 0;
    try {
      document.transact(() => {
        const status = core.sk_undo!(handle, redo);
        try {
          core.ok_(status);
        } finally {
          const [, , count, seq] = core.output_.pop()!;
          dots = count;
          if (dots) document.seq = seq;
        }
      });
    } finally {
      document.kit_.drain_(); // what it changed is in the views when this returns
    }
    return dots > 0;
  };
  const steps = (redo: 0 | 1): number => coreOf(document).sk_history_steps!(handle, redo);
  const manager: UndoManager = {
    undo: () => run(0),
    redo: () => run(1),
    get undoable() {
      return steps(0);
    },
    get redoable() {
      return steps(1);
    },
    split() {
      coreOf(document).sk_history_split!(handle);
    },
    clear() {
      coreOf(document).sk_history!(handle, depth, groupMs);
    },
  };
  manager.clear();
  return manager;
};
