#!/usr/bin/env bash
# npm run bench: geard beside what it stands on, in one run on one lab host. See docs/benchmarks.md.
# npm run bench -- scale: what a job costs as the number of simulated hosts grows. See docs/scale.md.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/prepare.sh
prepare
if [ "${1:-}" = scale ]; then
  shift
  exec node --import tsx bench/scale.ts "$@"
fi
export GEARD_LAB_DIR=/run/geard-bench
trap 'contrib/lab down >/dev/null' EXIT
trap 'exit 130' INT TERM
contrib/lab up 1 --bare
contrib/lab exec h1 -- env -C "$PWD" node --import tsx bench/main.ts "$@"
