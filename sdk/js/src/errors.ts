// The one error class of the SDK. Codes are those of the C ABI (abi.h) in lower case, plus three
// that only exist on this side of it: `not-ready`, `closed` and `timeout`.

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

/** The error that a status code of abi.h stands for; an unknown one is `internal`. @internal */
export const statusError = (status: number, message: string): SyncKitError =>
  new SyncKitError(codes[status - 1] ?? 'internal', message);

/** @internal */
export const fail = (code: ErrorCode, message: string): never => {
  throw new SyncKitError(code, message);
};

/** Wraps whatever a platform API threw; a full disk or quota is a `limit`. @internal */
export const wrap = (code: ErrorCode, what: string, cause: any): SyncKitError =>
  cause instanceof SyncKitError
    ? cause
    : new SyncKitError(
        cause?.name == 'QuotaExceededError' ? 'limit' : code,
        `${what}: ${cause}`,
        { cause },
      );
