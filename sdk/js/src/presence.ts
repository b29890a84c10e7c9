// Presence: who else has a document open.

import { hex64, textOf, type Json } from './codec.js';
import { each, listen, type Act, type Unsubscribe } from './events.js';

/** Somebody else who has the document open. */
export interface Peer<State = Json> {
  /** 16 hex digits, one for each running client. */
  replica: string;
  /** Who it is, as the host authenticated it; '' without authentication. */
  principal: string;
  state: State;
}

/** What others are doing right now: never stored, gone when they leave. */
export interface Presence<State = Json> {
  /** Everybody else; the same array until something changes. */
  get(): readonly Peer<State>[];
  /** Tells everybody own state (JSON, at most 4 KiB); null: none. Sent at once when online. */
  set(state: State | null): void;
  /** Calls `fn` after every change. */
  subscribe(fn: (peers: readonly Peer<State>[]) => void): Unsubscribe;
}

/** What shows presence, and what takes an output record of it. @internal */
export const createPresence = (
  set: (state: unknown) => void,
  notify: (call: () => void) => void,
): [Presence, Act] => {
  const peers = new Map<string, Peer>();
  let list: readonly Peer[] = [];
  const subscribers = new Set<(peers: readonly Peer[]) => void>();
  return [
    { get: () => list, set, subscribe: (fn) => listen(subscribers, fn) },
    (low, high, _b, principal, json) => {
      const replica = hex64(low >>> 0, high);
      if (!json.length && !peers.size) return;
      if (json.length) {
        peers.set(replica, {
          replica,
          principal: textOf(principal),
          state: JSON.parse(textOf(json)),
        });
      } else if (!peers.delete(replica)) peers.clear(); // replica 0: all have left
      list = [...peers.values()];
      notify(() => each(subscribers, list));
    },
  ];
};
