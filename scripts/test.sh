#!/usr/bin/env bash
# npm test: every tier, none skipped. With arguments only the tiers named: npm test -- unit redis
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/prepare.sh
. scripts/lib/engines.sh
. scripts/lib/firewalld.sh
. scripts/lib/nodes.sh
prepare docker-compose:docker-compose faketime:faketime /usr/bin/python3:python3
ensure_vectors
ensure_engines
ensure_firewalld

export GEARD_LAB_DIR=${GEARD_TEST_LAB_DIR:-/run/geard-lab-test}
tiers=("$@")
[ $# -gt 0 ] || tiers=(unit nodes redis host e2e lab)
results=$(mktemp -d)
failed=()

finish() {
  contrib/lab down >/dev/null 2>&1 || echo 'error: the lab could not be taken down' >&2
  rm -rf "$results"
}
trap finish EXIT
trap 'exit 130' INT TERM

vitest() {
  local tier=$1
  shift
  "$@" node node_modules/vitest/vitest.mjs run --project "$tier" --reporter=verbose --reporter=json --outputFile.json="$results/$tier.json" </dev/null
}

# A host as it is when nothing has run on it, with the results' directory inside.
in_lab() {
  contrib/lab exec h1 -- env -C "$PWD" CI="${CI:-}" "$@"
}

# The built program on each release of Node.js, and the unit tests on those that have not run them in their own tier.
on_every_node() {
  local node status=0
  ensure_nodes
  vitest nodes env || status=$?
  for node in node_modules/.cache/nodes/*; do
    [ "$("$node" --version)" != "$(node --version)" ] || continue
    say "unit tests on Node.js $("$node" --version)"
    "$node" node_modules/vitest/vitest.mjs run --project unit </dev/null || status=$?
  done
  return $status
}

run_tier() {
  case $1 in
  unit | redis | lab) vitest "$1" env ;;
  nodes) on_every_node ;;
  host | e2e)
    contrib/lab up 1 --bare
    contrib/lab exec h1 -- mkdir -p "$results"
    local status=0
    vitest "$1" in_lab || status=$?
    contrib/lab exec h1 -- cat "$results/$1.json" >"$results/$1.json" || true
    return $status
    ;;
  *) die "there is no tier $1; the tiers are unit, nodes, redis, host, e2e and lab" ;;
  esac
}

for tier in "${tiers[@]}"; do
  say "tier $tier"
  started=$SECONDS
  run_tier "$tier" || failed+=("$tier")
  say "tier $tier took $((SECONDS - started)) s"
done

node scripts/lib/count-results.mjs "$results" "${tiers[@]}" || failed+=(count)
[ ${#failed[@]} -eq 0 ] || die "failed: ${failed[*]}"
