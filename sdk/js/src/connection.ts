// The connection of a kit: carries frames between the engine, which decides when there is to be
// one, and a WebSocket. An attempt that another one has replaced is never heard of again.

import { utf8 } from './codec.js';
import { now, type Core } from './core.js';
import type { SyncKitError } from './errors.js';
import type { LiteOptions, Socket } from './kit.js';

/** What connects, what follows the end of a connection, and what sends a frame. @internal */
export const createConnection = (
  core: Core,
  { token, url, WebSocket = globalThis.WebSocket as never }: LiteOptions,
  drain: () => void,
  report: (cause: unknown, what: string) => SyncKitError,
): [connect: () => Promise<void>, gone: () => void, send: (frame: Uint8Array) => void] => {
  let attempt: object | undefined;
  let socket: Socket | undefined;
  const gone = (): void => {
    attempt = undefined;
    socket?.close();
    socket = undefined;
    core.sk_disconnected(now());
  };
  const connect = async (): Promise<void> => {
    const mine = (attempt = {});
    /** Does something, unless there is another attempt by now. */
    const live =
      <E = void>(act: (event: E) => void) =>
      (event: E): void => {
        if (mine != attempt) return;
        act(event);
        drain();
      };
    try {
      const credential = typeof token == 'function' ? await token() : token;
      live(() => {
        const { href } = new URL(url!, globalThis.location?.href);
        socket = new WebSocket(href.replace(/^http/, 'ws'));
        socket.binaryType = 'arraybuffer';
        socket.onopen = live(() => core.sk_connected(core.put_(utf8(credential)), now()));
        socket.onmessage = live(({ data }: { data: ArrayBuffer }) => {
          core.sk_receive(core.put_(new Uint8Array(data)), now());
        });
        socket.onerror = socket.onclose = live(gone);
      })();
    } catch (error) {
      report(error, 'no connection');
      live(gone)();
    }
  };
  return [connect, gone, (frame) => socket?.send(frame)];
};
