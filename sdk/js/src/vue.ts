// `synckit/vue`: shallow refs that follow a document. Call them in setup() or an effect scope; they
// stop with it.

import { onScopeDispose, shallowRef, type ShallowRef } from 'vue';
import type { BaseDocument, Status } from './document.js';
import type { Document } from './index.js';
import type { Peer } from './presence.js';
import { read, watch, type Source, type ValueOf } from './watch.js';

const follow = <V>(get: () => V, on: (fn: () => void) => () => void): Readonly<ShallowRef<V>> => {
  const value = shallowRef(get()) as ShallowRef<V>;
  onScopeDispose(on(() => (value.value = get())));
  return value;
};

/** The value of a document's map, of a text (string), set (values) or counter (number). */
export const useValue = <S extends Source>(source: S): Readonly<ShallowRef<ValueOf<S>>> =>
  follow(
    () => read(source),
    (fn) => watch(source, fn),
  );

/** Where a document stands. */
export const useStatus = (document: BaseDocument<any>): Readonly<ShallowRef<Status>> =>
  follow(
    () => document.status,
    (fn) => document.on('status', fn),
  );

/** Everybody else in a document. */
export const usePresence = (document: Document<any>): Readonly<ShallowRef<readonly Peer[]>> =>
  follow(
    () => document.presence.get(),
    (fn) => document.presence.subscribe(fn),
  );
