// Undo and redo of one replica's own edits. The tokens are kept in WASM (sdk/wasm/history.hpp); this
// is when a step ends, and the calls.

import type { BaseReplica } from './replica-core.js';
import type { UndoManager } from './undo.js';

/** Undo and redo; made by `replica.undoManager()`. See `UndoManager`. */
export class ReplicaUndo implements UndoManager {
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

  undo(): boolean {
    return this.run_(0);
  }
  redo(): boolean {
    return this.run_(1);
  }
  get undoable(): number {
    return this.replica_.runtime_.steps_(this.replica_.handle_(), 0);
  }
  get redoable(): number {
    return this.replica_.runtime_.steps_(this.replica_.handle_(), 1);
  }
  split(): void {
    this.replica_.flush_();
    this.replica_.runtime_.step_(this.replica_.handle_());
  }
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
    if (!replica_.ready_) replica_.begin_();
    const count = replica_.runtime_.undo_(at, redo);
    this.last_ = Date.now();
    replica_.applies_++;
    if (count <= 0) replica_.settle_(count);
    return count > 0;
  }
}
