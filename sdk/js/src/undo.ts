// What undo looks like, in a kit (full.ts) and in a replica (replica-undo.ts).

/** How edits are undone. */
export interface UndoOptions {
  /** How many steps can be undone. The oldest go first. Default 200; and 16 MiB of what they take. */
  depth?: number;
  /**
   * A step is what was edited in one transaction (in a replica: between two commits). One that
   * begins within so many milliseconds after the one before goes on with its step, so that typing
   * is not undone letter by letter. Default 500; 0: each ends a step.
   */
  groupMs?: number;
}

/** Undo and redo of one's own edits, of all fields. Edits of others are never undone. */
export interface UndoManager {
  /**
   * Undoes the latest step: deletes what it inserted, brings back what it deleted where that stood,
   * puts back what it overwrote. What others did to it since stays. An undo is an edit like any
   * other: it is stored and sent.
   * @returns false when there is nothing to undo
   */
  undo(): boolean;
  /** Undoes the latest undo. An edit of one's own in between ends that: nothing is left to redo. */
  redo(): boolean;
  /** How many steps there are to undo. Some may turn out to be without effect by now. */
  readonly undoable: number;
  /** How many steps there are to redo. */
  readonly redoable: number;
  /** The next edit begins a step. */
  split(): void;
  /** Forgets all steps. */
  clear(): void;
}

/** What an anchor sticks to: the character before its position, or the one behind it. */
export type AnchorSide = 'left' | 'right';
/** What an anchor resolves to. */
export interface AnchorPosition {
  /** In UTF-16 units. */
  position: number;
  /** Its character is gone: this is where that stood. */
  deleted: boolean;
}
