#!/usr/bin/env bash
# npm run fuzz: generated bad requests to an api and a worker on a lab host. See docs/reliability.md.
# usage: npm run fuzz -- [COUNT] [SEED]     default: 100000 13
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/prepare.sh
prepare
export GEARD_LAB_DIR=/run/geard-fuzz
trap 'contrib/lab down >/dev/null' EXIT
trap 'exit 130' INT TERM
contrib/lab up 1 --bare
contrib/lab exec h1 -- env -C "$PWD" GEARD_FUZZ="${1:-100000}" GEARD_FUZZ_SEED="${2:-13}" \
  node node_modules/vitest/vitest.mjs run --project e2e test/e2e/fuzz.test.ts
