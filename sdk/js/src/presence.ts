// Presence: who else has a document open.

import { hex, type Json, type Reader } from './codec.js';
import { each, listen, type Unsubscribe } from './events.js';

/** Somebody else who has the document open. */
export interface Peer<State = Json> {
  /** 16 hex digits, one for each running client. */
  replica: string;
  /** Who it is, as the host authenticated it; '' without authentication. */
  principal: string;
  state: State;
}

/** What others are doing right now: never stored, gone when they leave. */
export class Presence<State = Json> {
  private readonly peers_ = new Map<string, Peer<State>>();
  private list_: readonly Peer<State>[] = [];
  private readonly subscribers_ = new Set<(peers: readonly Peer<State>[]) => void>();
  /**
   * Tells everybody own state (JSON, at most 4 KiB); null: none. Sent at once when online.
   */
  readonly set: (state: State | null) => void;

  /** @internal */
  constructor(send: (state: State | null) => void) {
    this.set = send;
  }

  /** Everybody else; the same array until something changes. */
  get(): readonly Peer<State>[] {
    return this.list_;
  }
  /** Calls `fn` after every change. */
  subscribe(fn: (peers: readonly Peer<State>[]) => void): Unsubscribe {
    return listen(this.subscribers_, fn);
  }
  /** Takes an output record. @internal */
  record_(r: Reader): void {
    const replica = hex(r);
    const principal = r.text(r.uint(2));
    if (r.left) this.peers_.set(replica, { replica, principal, state: JSON.parse(r.text(r.left)) });
    else this.peers_.delete(replica);
    this.list_ = [...this.peers_.values()];
  }
  /** @internal */
  tell_(): void {
    each(this.subscribers_, this.list_);
  }
}
