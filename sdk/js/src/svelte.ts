// `synckit/svelte`: readable stores, by the store contract alone, so that it fits every Svelte.

import type { BaseDocument, Status } from './document.js';
import type { Document } from './index.js';
import type { Peer } from './presence.js';
import { read, watch, type Source, type ValueOf } from './watch.js';

/** Svelte's store contract. */
export interface Store<V> {
  subscribe(run: (value: V) => void): () => void;
}

const store = <V>(get: () => V, on: (fn: () => void) => () => void): Store<V> => ({
  subscribe(run) {
    run(get());
    return on(() => run(get()));
  },
});

/** The value of a document's map, of a text (string), set (values) or counter (number). */
export const valueStore = <S extends Source>(source: S): Store<ValueOf<S>> =>
  store(
    () => read(source),
    (fn) => watch(source, fn),
  );

/** Where a document stands. */
export const statusStore = (document: BaseDocument<any>): Store<Status> =>
  store(
    () => document.status,
    (fn) => document.on('status', fn),
  );

/** Everybody else in a document. */
export const presenceStore = (document: Document<any>): Store<readonly Peer[]> =>
  store(
    () => document.presence.get(),
    (fn) => document.presence.subscribe(fn),
  );
