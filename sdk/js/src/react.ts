// `synckit/react`: hooks over useSyncExternalStore. They need no provider: pass what to show.

import { useCallback, useSyncExternalStore } from 'react';
import type { BaseDocument, Status } from './document.js';
import type { Document } from './index.js';
import type { Peer } from './presence.js';
import { read, watch, type Source, type ValueOf } from './watch.js';

const useWatched = <V>(watched: object, on: (fn: () => void) => () => void, get: () => V): V => {
  // `on` depends on `watched` alone.
  const subscribe = useCallback(on, [watched]);
  return useSyncExternalStore(subscribe, get, get);
};

/**
 * The value of a document's map, of a text (string), set (values) or counter (number); renders
 * again when it changes.
 */
export const useValue = <S extends Source>(source: S): ValueOf<S> =>
  useWatched(
    source,
    (fn) => watch(source, fn),
    () => read(source),
  );

/** Where a document stands: offline, connecting, syncing, synced or denied. */
export const useStatus = (document: BaseDocument<any>): Status =>
  useWatched(
    document,
    (fn) => document.on('status', fn),
    () => document.status,
  );

/** Everybody else in a document. */
export const usePresence = (document: Document<any>): readonly Peer[] =>
  useWatched(
    document,
    (fn) => document.presence.subscribe(fn),
    () => document.presence.get(),
  );
