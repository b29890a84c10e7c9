// How much of the machine others used while a run was measured.
//
// All busy time, from the operating system's counters, less what this process and the children that
// it waited for used. Only Linux tells the latter; elsewhere the share is unknown (null).

import { readFileSync } from 'node:fs';
import os from 'node:os';

const kTicksMs = 10; // a tick of /proc: 1/100 s on every Linux that Node runs on

function ownMs() {
  try {
    // After the name, which may contain blanks: fields 3 and on. utime to cstime are 14 to 17.
    const fields = readFileSync('/proc/self/stat', 'utf8').split(') ').at(-1).split(' ');
    return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) * kTicksMs, 0);
  } catch {
    return null;
  }
}

export function cpuTimes() {
  let busyMs = 0;
  for (const { times } of os.cpus()) busyMs += times.user + times.nice + times.sys + times.irq;
  return { busyMs, ownMs: ownMs(), at: Date.now(), cores: os.cpus().length };
}

/** Between two of `cpuTimes`: 0 to 1 of all cores' time, or null. */
export function othersShare(from, to) {
  if (from.ownMs === null || to.ownMs === null || to.at === from.at) return null;
  const others = to.busyMs - from.busyMs - (to.ownMs - from.ownMs);
  return Math.max(0, Number((others / ((to.at - from.at) * to.cores)).toFixed(4)));
}
