#!/bin/sh
# Resolve pyproject.toml into the image's packages, with hashes, for every platform. Needs uv. `--upgrade` takes newer ones.
set -eu
cd "$(dirname "$0")/.."
lock() {
  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command deploy/lock.sh "$@"
}
lock pyproject.toml --output-file deploy/requirements.txt "$@"
python3 -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' |
  lock - --output-file deploy/requirements-build.txt "$@"
