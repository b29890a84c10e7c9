// What the tests of `synckit/replica` share.

import assert from 'node:assert/strict';
import { load } from './support.mjs';

const { Replica, SyncKitError } = await load('replica-node.js');

/** A replica that goes when the test ends. */
export const make = async (t, options) => {
  const replica = await Replica.create(options);
  t.after(() => replica.destroy());
  return replica;
};
export const fails = (code, run) =>
  assert.throws(run, (e) => e instanceof SyncKitError && e.code === code && e.message.length > 20);
