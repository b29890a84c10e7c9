#!/usr/bin/env bash
# Runs TLC over the models and their seeded bugs: run.sh JAR_FOLDER [--all]. See run.py.
exec python3 -B "$(dirname "${BASH_SOURCE[0]}")/run.py" "$@"
