#!/usr/bin/env python3
"""Feeds tidy.py small trees that break one rule each, and one that breaks none.
Usage: self_test.py [--cc CC] [--cxx CXX]"""
import argparse
import os
import sys
import tempfile

sys.dont_write_bytecode = True  # the source tree stays clean
import tidy  # noqa: E402

GOOD_ABI = """#ifndef A
#define A
#include <stddef.h>
#include <stdint.h>
typedef struct sk_x {
  uint32_t size;
  /* [io] Says so. */
  int32_t (*one)(void);
  void (*two)(void);

  int32_t (*three)(int32_t a,
                   int32_t b); /* [main] */
} sk_x;
/* All are [worker]. */
typedef struct sk_y {
  int32_t (*four)(void);
} sk_y;
#endif
"""
# A tree in order: what each case below changes one file of.
GOOD = {name: "" for name in tidy.TOP_LEVEL if "." in name or name in ("LICENSE", "dev")}
GOOD.update({f"{folder}/keep.md": "" for folder in
             "sdk plugins storage_plugins auth_plugins proto bench tla docs".split()})
GOOD.update({
    tidy.ABI: GOOD_ABI,
    "host/a.hpp": "#pragma once\n#include <synckit/abi.h>\n#include \"b.hpp\"\n#include <thread>\n",
    "host/b.hpp": "#pragma once\n",
    "host/net/c.cpp": "#include <boost/beast.hpp>\n",
    "host/cli/token.cpp": '#include "auth_plugins/jwt/sign.hpp"\n',
    "plugins/text/text.cpp": '#include "text.hpp"\n#include <synckit/crdt.hpp>\n#include <new>\n',
    "plugins/text/text.hpp": "#pragma once\n",
    "plugins/text/text_test.cpp": "#include <gtest/gtest.h>\n#include <random>\n",
    "storage_plugins/sqlite/s.cpp": "#include <sqlite3.h>\n#include <sys/file.h>\n",
    "auth_plugins/jwt/j.cpp": "#include <openssl/evp.h>\n#include <boost/json.hpp>\n",
    "sdk/client/native/d.cpp": "#include <thread>\n#include <boost/beast.hpp>\n",
    "tests/e.cpp": "#include <google/protobuf/message.h>\n// " + "x" * 97 + "\n",
})

# (rule, file, its text): each must be caught, by this rule.
CASES = [
    ("rule_host_includes", "host/a.hpp", '#pragma once\n#include "../plugins/text/text.hpp"\n'),
    ("rule_host_includes", "host/a.hpp", "#pragma once\n#include <plugins/text/text.hpp>\n"),
    ("rule_host_includes", "host/a.hpp", "#pragma once\n#include <synckit/crdt.hpp>\n"),
    ("rule_host_includes", "host/sync/t.cpp", '#include "auth_plugins/jwt/sign.hpp"\n'),
    ("rule_plugin_includes", "plugins/lww/lww.cpp", '#include "../text/text.hpp"\n'),
    ("rule_plugin_includes", "plugins/lww/lww.cpp", "#include <kernel/document.hpp>\n"),
    ("rule_plugin_includes", "plugins/lww/lww.cpp", "#include <boost/json.hpp>\n"),
    ("rule_plugin_includes", "storage_plugins/memory/m.cpp", "#include <openssl/evp.h>\n"),
    ("rule_plugin_includes", "auth_plugins/jwt/j.cpp", "#include <spdlog/spdlog.h>\n"),
    ("rule_confined_libraries", "host/sync/a.cpp", "#include <boost/beast/core.hpp>\n"),
    ("rule_confined_libraries", "host/net/a.cpp", "#include <boost/dll.hpp>\n"),
    ("rule_confined_libraries", "sdk/check/a.cpp", "#include <google/protobuf/message.h>\n"),
    ("rule_confined_libraries", "host/a.cpp", '#include "wire.pb.h"\n'),
    ("rule_confined_libraries", "storage_plugins/sqlite/s.cpp", "#include <pqxx/pqxx>\n"),
    ("rule_confined_libraries", "host/a.cpp", "#include <hiredis/hiredis.h>\n"),
    ("rule_confined_libraries", "host/storage/a.cpp", "#include <sqlite3.h>\n"),
    ("rule_sans_io", "sdk/kernel/a.cpp", "#include <thread>\n"),
    ("rule_sans_io", "sdk/kernel/a.cpp", "  #  include <iostream>\n"),
    ("rule_sans_io", "sdk/client/a.cpp", "#include <chrono>\n"),
    ("rule_sans_io", "sdk/client/a.cpp", "#include <sys/socket.h>\n"),
    ("rule_sans_io", "plugins/text/text.cpp", "#include <random>\n"),
    ("rule_sdk_layers", "sdk/kernel/a.cpp", "#include <client/engine.hpp>\n"),
    ("rule_sdk_layers", "sdk/client/a.cpp", '#include "host/a.hpp"\n'),
    ("rule_header_guard", "host/a.hpp", "int x;\n"),
    ("rule_header_guard", "host/a.hpp", "#ifndef A\n#define B\n#endif\n"),
    ("rule_length", "tests/e.cpp", "// " + "x" * 98 + "\n"),
    ("rule_length", "tests/e.cpp", "//\n" * 701),
    ("rule_unfinished", "tests/e.cpp", "// TO" "DO: later\n"),
    ("rule_unfinished", "sdk/js/src/e.ts", "// FIX" "ME\n"),
    ("rule_machine_paths", "docs/a.md", "see /wo" "rk/main\n"),
    ("rule_machine_paths", "dev", "cd /ho" "me/ada/x\n"),
    ("rule_abi_includes", tidy.ABI, GOOD_ABI.replace("stddef.h", "string.h")),
    ("rule_abi_threads", tidy.ABI, GOOD_ABI.replace("[io] Says", "Says")),
    ("rule_abi_threads", tidy.ABI, GOOD_ABI.replace("/* [main] */", "")),
    ("rule_abi_threads", tidy.ABI, GOOD_ABI.replace("All are [worker].", "All are.")),
    ("tree_abi_compiles", tidy.ABI, GOOD_ABI.replace("int32_t a,", "int32_t a")),
    ("tree_abi_compiles", tidy.ABI, GOOD_ABI.replace("uint32_t size;", "bool size;")),
    ("tree_top_level", "notes.txt", "x\n"),
    ("tree_top_level", "README.md", None),
]


def write(root, files):
    for path, text in files.items():
        if text is None:
            continue
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)


def violations(files, compilers):
    with tempfile.TemporaryDirectory() as root:
        write(root, files)
        return tidy.check(root, sorted(p for p, t in files.items() if t is not None), compilers)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cc", default="cc")
    parser.add_argument("--cxx", default="c++")
    options = parser.parse_args()
    compilers = (options.cc, options.cxx)
    failures = []
    for rule, text in violations(GOOD, compilers):
        failures.append(f"{rule} fires on a tree in order: {text}")
    fired = set()
    for rule, path, text in CASES:
        found = {name for name, _ in violations({**GOOD, path: text}, compilers)}
        fired |= found
        if rule not in found:
            failures.append(f"{rule} misses {path}: {text!r:.80} (fired: {sorted(found)})")
    for rule in tidy.FILE_RULES + tidy.TREE_RULES:
        if rule.__name__ not in {case[0] for case in CASES}:
            failures.append(f"{rule.__name__} has no case")
    for failure in failures:
        print(failure)
    print(f"tidy self-test: {len(CASES)} cases, {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
