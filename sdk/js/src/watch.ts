// What the framework adapters share: any part of a document as something to read and to watch.

import type { BaseDocument } from './document.js';
import type { Unsubscribe } from './events.js';
import type { MapField } from './field.js';
import type { CounterField, SetField, TextField } from './fields.js';
import type { Json } from './codec.js';

/** What an adapter can show: a document (its map) or one of its fields. */
export type Source = BaseDocument<any> | MapField | TextField | SetField<any> | CounterField;

/** The value that a source shows. */
export type ValueOf<S extends Source> =
  S extends BaseDocument<infer T>
    ? T
    : S extends TextField
      ? string
      : S extends SetField<infer V>
        ? readonly V[]
        : S extends CounterField
          ? number
          : Json;

/** The present value; the same object until it changes. */
export const read = <S extends Source>(source: S): ValueOf<S> => {
  const any = source as { values?(): unknown; get?(): unknown; value?: unknown };
  return (
    any.values ? any.values() : any.get ? any.get() : 'value' in any ? any.value : String(any)
  ) as ValueOf<S>;
};

/** Calls `changed` after every change. */
export const watch = (source: Source, changed: () => void): Unsubscribe =>
  source.subscribe(changed);
