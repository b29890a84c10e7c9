// Listeners: by name, or just some.

/** Stops a subscription. */
export type Unsubscribe = () => void;

type Listener = (...event: any[]) => void;

/** Adds a listener. @internal */
export const listen = <L extends Listener>(set: Set<L>, fn: L): Unsubscribe => {
  set.add(fn);
  return () => set.delete(fn);
};

/** Calls all of them, those that the calls add left out; gives how many. @internal */
export const each = (listeners: Iterable<Listener>, ...event: any[]): number =>
  [...listeners].map((fn) => fn(...event)).length;

/** `denied`: the host refuses to let this client read the document. */
export type Status = 'offline' | 'connecting' | 'syncing' | 'synced' | 'denied';
const statuses = ['offline', 'connecting', 'syncing', 'synced', 'denied'] as const;

/** Carries out an output record, by what it holds (EXPORTS.md). @internal */
export type Act = (number: number, a: number, b: number, bytes: Uint8Array, more: Uint8Array) => unknown;

/** Events by name; listeners run in the order of their subscription. */
export interface Emitter<Events> {
  /** Calls `fn` at every event of that name. */
  on<Name extends keyof Events>(name: Name, fn: (event: Events[Name]) => void): Unsubscribe;
  /** Where it stands between this device and the host; `on('status', …)` tells changes. */
  status: Status;
  /** @internal */
  emit_<Name extends keyof Events>(name: Name, event: Events[Name]): void;
  /** What output records do that are about it, by their kind. @internal */
  [kind: number]: Act;
}

/** What a kit and a document have in common. An error that nobody listens for is logged. @internal */
export const emitter = <Events>(notify: (call: () => void) => void): Emitter<Events> => {
  const listeners: { [Name in keyof Events]?: Set<Listener> } = {};
  return {
    on: (name, fn) => listen((listeners[name] ??= new Set()), fn),
    status: 'offline',
    emit_(name, event) {
      notify(() => each(listeners[name] ?? [], event) || (name == 'error' && console.error(event)));
    },
    18(code) {
      this.emit_('status' as never, (this.status = statuses[code]!) as never);
    },
  };
};
