#!/usr/bin/env python3
"""Checks the rules of the source tree that no compiler checks: who may include whom, what every
file must have, how long it may be. Usage: tidy.py [--cc CC] [--cxx CXX] ROOT

Prints one line per violation, `file:line: rule: what`, and exits with 1 when there is any.
self_test.py shows that every rule fires. A rule is a function of (path, text) or of the tree;
includes are read from the text, so what another header drags in is not seen here."""
import argparse
import os
import posixpath
import re
import subprocess
import sys
import tempfile

MAX_LINES = 700
MAX_COLUMNS = 100
TOP_LEVEL = set("CMakeLists.txt CMakePresets.json host sdk plugins storage_plugins auth_plugins "
                "proto tests bench tla docs README.md LICENSE dev".split())
CPP = (".h", ".hpp", ".cpp", ".c", ".cc")
CODE = CPP + (".py", ".sh", ".ts", ".js", ".mjs", ".cjs", ".html", ".css", ".proto", ".fbs",
              ".cmake", ".tla", ".cfg", ".yaml", ".yml")
SKIPPED_FOLDERS = {".git", "build", "node_modules", "dist", ".cache"}

STD = set("""algorithm any array atomic barrier bit bitset cassert ccomplex cctype cerrno cfenv
cfloat charconv chrono cinttypes climits clocale cmath codecvt compare complex concepts
condition_variable coroutine csetjmp csignal cstdarg cstddef cstdint cstdio cstdlib cstring ctime
cuchar cwchar cwctype deque exception execution filesystem format forward_list fstream functional
future initializer_list iomanip ios iosfwd iostream istream iterator latch limits list locale map
memory memory_resource mutex new numbers numeric optional ostream queue random ranges ratio regex
scoped_allocator semaphore set shared_mutex source_location span sstream stack stdexcept stop_token
streambuf string string_view strstream syncstream system_error thread tuple type_traits typeindex
typeinfo unordered_map unordered_set utility valarray variant vector version
assert.h errno.h float.h inttypes.h limits.h math.h stdarg.h stddef.h stdint.h stdio.h stdlib.h
string.h time.h""".split())
POSIX = re.compile(r"(sys/.*|unistd\.h|fcntl\.h|dirent\.h|signal\.h|poll\.h)$")

# What the sans-I/O layers never include: I/O, clocks, threads, randomness.
IMPURE = set("""thread chrono fstream iostream istream ostream sstream ios iomanip mutex future
condition_variable shared_mutex semaphore latch barrier stop_token filesystem random ctime cstdio
csignal syncstream time.h stdio.h pthread.h threads.h poll.h netdb.h windows.h
winsock2.h""".split())
IMPURE_PATTERN = re.compile(r"(sys|netinet|arpa|net|linux|boost|openssl)/|unistd\.h|fcntl\.h")

# library: (pattern of its headers, folders that may use it)
CONFINED = {
    "Boost.Beast": (r"boost/beast", ["host/net", "host/admin", "sdk/client/native", "tests",
                                     "bench"]),
    "Boost.DLL": (r"boost/dll", ["host/plugin"]),
    "libprotobuf": (r"google/protobuf|.*\.pb\.h$", ["tests", "bench"]),
    "libpqxx": (r"pqxx\b|libpq", ["storage_plugins/postgres"]),
    "hiredis": (r"hiredis", ["storage_plugins/redis"]),
    "SQLite": (r"sqlite3", ["storage_plugins/sqlite", "sdk/client/native", "tests"]),
}
# A plugin's own private libraries, beside the standard library and synckit/*.
PRIVATE = {
    "storage_plugins": r"boost/json|boost/system",
    "auth_plugins": r"boost/json|boost/system",
    "storage_plugins/sqlite": r"sqlite3\.h$",
    "storage_plugins/postgres": r"pqxx|libpq",
    "storage_plugins/redis": r"hiredis",
    "auth_plugins/jwt": r"openssl/",
}
PLUGIN_FOLDERS = ("plugins", "storage_plugins", "auth_plugins")
# The signer for `synckit token` is a library beside the jwt plugin, and no part of it.
HOST_MAY_INCLUDE = {("host/cli", "auth_plugins/jwt/sign.hpp")}
# The reader of a plugin's options; only storage and auth plugins include it.
SDK_MAY_INCLUDE = {("sdk/include/synckit/config.hpp", "boost/json.hpp")}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def inside(path, folder):
    return path == folder or path.startswith(folder + "/")


def is_test(path):
    return path.startswith("tests/") or posixpath.basename(path).endswith(
        ("_test.cpp", "_test.hpp", "_testing.hpp"))


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def includes(path, text):
    """(line, spelled, quoted, path from the root if it is a file beside the includer)"""
    for match in INCLUDE.finditer(text):
        spelled = match.group(2)
        quoted = match.group(1) == '"'
        near = posixpath.normpath(posixpath.join(posixpath.dirname(path), spelled))
        yield line_of(text, match.start()), spelled, quoted, near


# ---- rules of one file: generators of (line, text) ----------------------------------------------

def rule_host_includes(path, text, tree):
    """The host knows no plugin, and no CRDT but through abi.h."""
    if not inside(path, "host"):
        return
    for line, spelled, quoted, near in includes(path, text):
        target = near if quoted and near in tree else spelled
        if any(inside(path, f) and target == t for f, t in HOST_MAY_INCLUDE):
            continue
        if target.split("/")[0] in PLUGIN_FOLDERS or spelled == "synckit/crdt.hpp":
            yield line, f"the host includes {spelled}: it may know a plugin by abi.h alone"


def rule_plugin_includes(path, text, tree):
    """A plugin sees synckit/*, the standard library, its own folder, its own private library."""
    parts = path.split("/")
    if parts[0] not in PLUGIN_FOLDERS or len(parts) < 3 or is_test(path):
        return
    own = "/".join(parts[:2])
    private = [p for folder, p in PRIVATE.items() if inside(own, folder)]
    for line, spelled, quoted, near in includes(path, text):
        if quoted:
            if not inside(near, own):
                yield line, f'"{spelled}" is outside of {own}'
        elif not (spelled.startswith("synckit/") or spelled in STD
                  or parts[0] != "plugins" and POSIX.match(spelled)
                  or any(re.match(p, spelled) for p in private)):
            yield line, f"<{spelled}> is not for {own}"


def rule_confined_libraries(path, text, tree):
    """Some libraries may be used in one place only."""
    for line, spelled, _, _ in includes(path, text):
        for library, (pattern, folders) in CONFINED.items():
            if re.match(pattern, spelled) and not any(inside(path, f) for f in folders):
                yield line, f"{library} is only for {', '.join(folders)}"


def rule_sans_io(path, text, tree):
    """Kernel, client engine and built-in types: no I/O, no clock, no threads, no randomness."""
    pure = (inside(path, "sdk/kernel") or inside(path, "plugins")
            or inside(path, "sdk/client") and not inside(path, "sdk/client/native"))
    if not pure or is_test(path):
        return
    for line, spelled, _, _ in includes(path, text):
        if spelled in IMPURE or IMPURE_PATTERN.match(spelled):
            yield line, f"<{spelled}> brings I/O, a clock or threads into a sans-I/O layer"


def rule_sdk_layers(path, text, tree):
    """The SDK's layers look down: include <- kernel <- client; never to the host or a plugin."""
    if not inside(path, "sdk") or is_test(path):
        return
    allowed = None
    if inside(path, "sdk/include"):
        allowed = ("synckit",)
    elif inside(path, "sdk/kernel"):
        allowed = ("synckit", "kernel")
    for line, spelled, quoted, near in includes(path, text):
        target = near if quoted and near in tree else spelled
        if target.split("/")[0] in PLUGIN_FOLDERS + ("host",) and not inside(path, "sdk/wasm"):
            yield line, f"the SDK includes {spelled}"
        elif allowed and not quoted and "/" in spelled and (path, spelled) not in SDK_MAY_INCLUDE:
            if spelled.split("/")[0] not in allowed:
                yield line, f"<{spelled}> is above this layer or a library"


def rule_header_guard(path, text, tree):
    if not path.endswith((".h", ".hpp")):
        return
    if re.search(r"^#pragma once$", text, re.M):
        return
    guard = re.search(r"^#ifndef (\w+)\n#define (\w+)$", text, re.M)
    if not guard or guard.group(1) != guard.group(2):
        yield 1, "no #pragma once and no include guard"


def rule_length(path, text, tree):
    if not path.endswith(CPP):
        return
    lines = text.split("\n")
    if len(lines) - 1 > MAX_LINES:
        yield MAX_LINES, f"{len(lines) - 1} lines; at most {MAX_LINES}"
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_COLUMNS:
            yield number, f"{len(line)} columns; at most {MAX_COLUMNS}"


def rule_unfinished(path, text, tree):
    """Work is done or it is reported, not marked."""
    if not (path.endswith(CODE) or posixpath.basename(path) in ("dev", "run", "CMakeLists.txt")):
        return
    for match in re.finditer(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b", text):
        yield line_of(text, match.start()), f"the word {match.group(1)}"


def rule_machine_paths(path, text, tree):
    """No path of the machine that someone worked on."""
    for match in re.finditer(r"(?<![\w.:/$}-])/(?:ho" r"me|ro" r"ot|wo" r"rk|Us" r"ers)/\w", text):
        yield line_of(text, match.start()), f"an absolute path: {match.group(0)}..."


# ---- rules of abi.h ------------------------------------------------------------------------------

ABI = "sdk/include/synckit/abi.h"
TAG = re.compile(r"\[(doc|worker|io|main)\]")


def rule_abi_includes(path, text, tree):
    if path != ABI:
        return
    for line, spelled, _, _ in includes(path, text):
        if spelled not in ("stddef.h", "stdint.h"):
            yield line, f"abi.h includes <{spelled}>; it is freestanding"


def rule_abi_threads(path, text, tree):
    """Every function of the ABI says on which threads it is called: in the comment above it (which
    functions without a blank line between share), beside it, or above the struct."""
    if path != ABI:
        return
    struct = re.compile(r"(/\*(?:(?!\*/).)*\*/\s*)?typedef struct (\w+) \{\n(.*?)\n\} \2;", re.S)
    for match in struct.finditer(text):
        if match.group(2) == "sk_buf":  # the caller's memory, used during its own call
            continue
        if TAG.search(match.group(1) or ""):
            continue
        body, start = match.group(3), match.start(3)
        for block in re.finditer(r"(?:[^\n]+\n?)+", body):
            above = False  # a tagged comment was seen in this block
            for item in re.finditer(r"/\*.*?\*/|\(\*(\w+)\)\([^;]*;[ \t]*(/\*.*?\*/)?",
                                    block.group(0), re.S):
                if item.group(1) is None:
                    above = bool(TAG.search(item.group(0)))
                elif not (above or TAG.search(item.group(2) or "")):
                    line = line_of(text, start + block.start() + item.start())
                    yield line, f"{match.group(2)}.{item.group(1)} has no thread tag"


FILE_RULES = [rule_host_includes, rule_plugin_includes, rule_confined_libraries, rule_sans_io,
              rule_sdk_layers, rule_header_guard, rule_length, rule_unfinished,
              rule_machine_paths, rule_abi_includes, rule_abi_threads]


# ---- rules of the tree ---------------------------------------------------------------------------

def tree_top_level(root, tree, compilers):
    """The top level is a table of contents: nothing missing, nothing else."""
    top = {path.split("/")[0] for path in tree}
    top = {name for name in top if not name.startswith(".")}
    for name in sorted(top - TOP_LEVEL):
        yield name, "does not belong to the top level"
    for name in sorted(TOP_LEVEL - top):
        yield name, "is missing at the top level"


def tree_abi_compiles(root, tree, compilers):
    """abi.h is valid freestanding C11 and C++20, by itself."""
    if ABI not in tree:
        yield ABI, "is missing"
        return
    for compiler, language, standard in ((compilers[0], "c", "-std=c11"),
                                         (compilers[1], "c++", "-std=c++20")):
        with tempfile.NamedTemporaryFile("w", suffix=".c") as source:
            source.write("#include <synckit/abi.h>\n#include <synckit/abi.h>\n")
            source.flush()
            done = subprocess.run(
                [compiler, "-x", language, standard, "-ffreestanding", "-Wall", "-Wextra",
                 "-Wpedantic", "-Werror", "-fsyntax-only", "-I", os.path.join(root, "sdk/include"),
                 source.name], capture_output=True, text=True)
        if done.returncode != 0:
            yield ABI, f"does not compile as freestanding {language}: {done.stderr.strip()}"


TREE_RULES = [tree_top_level, tree_abi_compiles]


# ---- running them --------------------------------------------------------------------------------

def list_files(root):
    """Tracked and new files; without git, everything but what builds leave behind."""
    git = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard", "-z", "."],
                         capture_output=True)
    if git.returncode == 0 and git.stdout:
        names = git.stdout.decode().split("\0")
        return sorted(n for n in set(names) if n and os.path.isfile(os.path.join(root, n)))
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [f for f in folders if f not in SKIPPED_FOLDERS]
        for name in names:
            found.append(os.path.relpath(os.path.join(folder, name), root).replace(os.sep, "/"))
    return sorted(found)


def check(root, files=None, compilers=("cc", "c++")):
    """All violations, as (rule, text). `files`: the tree's files, to try a rule on."""
    files = list_files(root) if files is None else files
    tree = set(files)
    out = []
    for path in files:
        with open(os.path.join(root, path), "rb") as file:
            raw = file.read()
        if b"\0" in raw or path.endswith(("package-lock.json", ".bin")):
            continue
        text = raw.decode("utf-8", "replace")
        for rule in FILE_RULES:
            for line, what in rule(path, text, tree):
                out.append((rule.__name__, f"{path}:{line}: {rule.__name__[5:]}: {what}"))
    for rule in TREE_RULES:
        for name, what in rule(root, tree, compilers):
            out.append((rule.__name__, f"{name}: {rule.__name__[5:]}: {what}"))
    return out


def main():
    parser = argparse.ArgumentParser(description="Checks the rules of the source tree.")
    parser.add_argument("--cc", default="cc")
    parser.add_argument("--cxx", default="c++")
    parser.add_argument("root")
    options = parser.parse_args()
    files = list_files(options.root)
    violations = check(options.root, files, (options.cc, options.cxx))
    for _, text in violations:
        print(text)
    print(f"tidy: {len(files)} files, {len(FILE_RULES) + len(TREE_RULES)} rules, "
          f"{len(violations)} violations")
    return 1 if violations or not files else 0


if __name__ == "__main__":
    sys.exit(main())
