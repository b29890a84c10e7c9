// Undo and redo of one replica's own edits. The tokens are kept in WASM (sdk/wasm/history.hpp); this
// is when a step ends, and the calls.

import type { BaseReplica } from './replica-core.js';

/** How edits are undone. */
export interface UndoOptions {
  /** How many steps can be undone. The oldest go first. Default 200; and 16 MiB of what they take. */
  depth?: number;
  /**
   * A step is what was edited between two commits. A batch that begins within so many milliseconds
   * after the one before goes on with its step, so that typing is not undone letter by letter.
   * Default 500; 0: each commit ends a step.
   */
  groupMs?: number;
}

/** Undo and redo; made by `replica.undoManager()`. Edits of others are never undone. */
export class ReplicaUndo {
  private last_ = Date.now(); // when the latest batch began
  private batch_ = -1; // which it was

  /** @internal */
  constructor(
    private readonly replica_: BaseReplica,
    private readonly depth_: number,
    private readonly groupMs_: number,
  ) {
    this.clear();
  }

  /**
   * Undoes the latest step: deletes what it inserted, brings back what it deleted where that stood,
   * puts back what it overwrote. What others did to it since stays. An undo is an edit like any
   * other: `commit` has it.
   * @returns false when there is nothing to undo
   */
  undo(): boolean {
    return this.run_(0);
  }
  /** Undoes the latest undo. An edit of one's own in between ends that: nothing is left to redo. */
  redo(): boolean {
    return this.run_(1);
  }
  /** How many steps there are to undo. Some may turn out to be without effect by now. */
  get undoable(): number {
    return this.replica_.runtime_.steps_(this.replica_.handle_(), 0);
  }
  /** How many steps there are to redo. */
  get redoable(): number {
    return this.replica_.runtime_.steps_(this.replica_.handle_(), 1);
  }
  /** The next edit begins a step. */
  split(): void {
    this.replica_.flush_();
    this.replica_.runtime_.step_(this.replica_.handle_());
  }
  /** Forgets all steps. */
  clear(): void {
    this.replica_.flush_(); // what is held back belongs to what is forgotten
    this.replica_.runtime_.history_(this.replica_.handle_(), this.depth_);
  }

  /** At an edit that may be the first of its batch. @internal */
  begin_(now: number): void {
    const { batch_ } = this.replica_;
    const goesOn = batch_ == this.batch_ || now - this.last_ < this.groupMs_;
    if (!goesOn) this.replica_.runtime_.step_(this.replica_.handle_());
    this.batch_ = batch_;
    this.last_ = now;
  }
  private run_(redo: 0 | 1): boolean {
    const { replica_ } = this;
    const at = replica_.handle_();
    replica_.flush_();
    if (!replica_.open_) replica_.begin_();
    const count = replica_.runtime_.undo_(at, redo);
    this.last_ = Date.now();
    replica_.applies_++;
    if (count <= 0) replica_.settle_(count);
    return count > 0;
  }
}
