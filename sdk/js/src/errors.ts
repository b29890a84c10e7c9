// The one error class of the SDK. Codes are those of the C ABI (abi.h) in lower case, plus three
// that only exist on this side of it: `not-ready`, `closed` and `timeout`.

import { textOf } from './codec.js';

/** Why something failed. The first nine are the status codes 1 to 9 of abi.h, in their order. */
export type ErrorCode =
  | 'malformed'
  | 'missing-deps'
  | 'limit'
  | 'conflict'
  | 'unavailable'
  | 'denied'
  | 'unsupported'
  | 'nomem'
  | 'internal'
  | 'not-ready'
  | 'closed'
  | 'timeout';

/** By their status codes, from 1 on. */
const codes: ErrorCode[] = [
  'malformed',
  'missing-deps',
  'limit',
  'conflict',
  'unavailable',
  'denied',
  'unsupported',
  'nomem',
];

/** Every error that the SDK throws, rejects with, or emits as an `error` event. */
export class SyncKitError extends Error {
  /** What kind of failure; stable, meant for `switch`. */
  declare readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(`${code}: ${message}`, options);
    this.name = 'SyncKitError';
    this.code = code;
  }
}

/** What a status code of abi.h and its text say; an unknown code is `internal`. @internal */
export const statusError = (status: number, message: Uint8Array): SyncKitError =>
  new SyncKitError(codes[status - 1] ?? 'internal', textOf(message));

/** @internal */
export const fail = (code: ErrorCode, message: string): never => {
  throw new SyncKitError(code, message);
};

/** Wraps whatever a platform API threw. @internal */
export const wrap = (
  what: string,
  cause: unknown,
  code: ErrorCode = 'unavailable',
): SyncKitError =>
  cause instanceof SyncKitError ? cause : new SyncKitError(code, `${what}: ${cause}`, { cause });
