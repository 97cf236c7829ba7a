#!/bin/sh
# Writes the locked requirements from pyproject.toml. The files name no registry.
set -eu
cd "$(dirname "$0")/.."
lock() { uv pip compile -q pyproject.toml "$@" --generate-hashes --no-header --no-emit-index-url --universal --python-version 3.11; }
lock -o requirements/base.txt
lock --extra dev -c requirements/base.txt -o requirements/dev.txt
lock --extra speech -c requirements/base.txt -o requirements/speech.txt
