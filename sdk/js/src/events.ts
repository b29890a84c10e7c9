// Listeners: by name, or just some.

/** Stops a subscription. */
export type Unsubscribe = () => void;

type Listener = (...event: any[]) => void;

/** Adds a listener. @internal */
export const listen = <L extends Listener>(set: Set<L>, fn: L): Unsubscribe => {
  set.add(fn);
  return () => void set.delete(fn);
};

/** Calls all of them, those that the calls add left out; gives how many. @internal */
export const each = (listeners: Iterable<Listener>, ...event: any[]): number =>
  [...listeners].map((fn) => fn(...event)).length;

/** Events by name; listeners run in the order of their subscription. */
export interface Emitter<Events> {
  /** Calls `fn` at every event of that name. */
  on<Name extends keyof Events>(name: Name, fn: (event: Events[Name]) => void): Unsubscribe;
  /** How many listened. @internal */
  emit_<Name extends keyof Events>(name: Name, event: Events[Name]): number;
}

/** @internal */
export const emitter = <Events>(): Emitter<Events> => {
  const listeners: { [Name in keyof Events]?: Set<Listener> } = {};
  return {
    on: (name, fn) => listen((listeners[name] ??= new Set()), fn),
    emit_: (name, event) => each(listeners[name] ?? [], event),
  };
};
