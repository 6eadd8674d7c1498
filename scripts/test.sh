#!/usr/bin/env bash
# npm test: every tier, none skipped. With arguments only the tiers named: npm test -- unit redis
# npm test -- --changed [COMMIT]: the tests of unit and redis, and that of a generated client, that load a file that differs
# from a commit (default: HEAD).
# A tier is one run or several. Runs go side by side, GEARD_TEST_JOBS at a time (default: as many as there are processors).
# On fewer than four processors the runs that measure times or keep all processors busy go alone.
# Each line of output starts with its run.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/prepare.sh
. scripts/lib/engines.sh
. scripts/lib/nodes.sh

labs=${GEARD_TEST_LAB_DIR:-/run/geard-lab-test}
side_by_side=${GEARD_TEST_JOBS:-$(nproc)}

if [ "${1:-}" = --changed ]; then
  prepare
  ensure_engines
  ensure_promtool
  ensure_generator
  exec node node_modules/vitest/vitest.mjs run --passWithNoTests --changed "${2:-HEAD}" \
    test/unit test/redis test/nodes/generated-client
fi

alone=' e2e-streams host redis '
[ "$(nproc)" -lt 4 ] || alone=

results=$(mktemp -d)
# The runs of each tier. The longest come first, so that none of them is left for the end.
declare -A runs_of=([e2e]='e2e-1 e2e-2 e2e-streams' [lab]='lab-1 lab-2' [host]=host [nodes]=nodes [redis]=redis [unit]=unit)
tiers=("$@")
[ $# -gt 0 ] || tiers=(e2e lab host redis nodes unit)
for tier in "${tiers[@]}"; do
  [ -n "${runs_of[$tier]:-}" ] || die "there is no tier $tier; the tiers are unit, nodes, redis, host, e2e and lab"
done

runs=()
for tier in "${tiers[@]}"; do read -ra more <<<"${runs_of[$tier]}" && runs+=("${more[@]}"); done

# A burst of a million lines needs all processors.
streams=test/e2e/streams.test.ts
# These have an api answer on port 2223 of this machine, which exists once; compose and crash make the two runs as long.
with_api=$(printf 'test/lab/%s.test.ts ' compose crash fleet lab removed start)

# vitest RUN COMMAND…: the tests of a run, started by a command.
vitest() {
  local run=$1 files=() file
  case $run in
  e2e-streams) files=("$streams") ;;
  e2e-*) files=(--exclude "$streams" "--shard=${run#*-}/2") ;;
  lab-1) read -ra files <<<"$with_api" ;;
  lab-2) for file in $with_api; do files+=(--exclude "$file"); done ;;
  esac
  shift
  "$@" node node_modules/vitest/vitest.mjs run --project "${run%-*}*" "${files[@]}" --reporter=verbose --reporter=json \
    --outputFile.json="$results/$run.json" </dev/null
}

# On a host as it is when nothing has run on it, with the results' directory inside. There the tests
# write down, too, which answers of apis they have compared with the document.
on_host() {
  local file answers=$results/$1.answers status=0
  export GEARD_LAB_DIR=$labs-$1
  contrib/lab up 1 --bare && contrib/lab exec h1 -- install -D /dev/null "$answers" || return
  vitest "$1" contrib/lab exec h1 -- env -C "$PWD" CI="${CI:-}" GEARD_ANSWERS="$answers" || status=$?
  for file in "$results/$1.json" "$answers"; do contrib/lab exec h1 -- cat "$file" >"$file" || true; done
  contrib/lab down >/dev/null
  return $status
}

# The built program on each release of Node.js, and the unit tests on those of another major version than they have in their
# own tier.
on_every_node() {
  local node status=0
  vitest nodes env || status=$?
  for node in node_modules/.cache/nodes/*; do
    [ "$(major "$node")" != "$(major node)" ] || continue
    say "unit tests on Node.js $("$node" --version)"
    "$node" node_modules/vitest/vitest.mjs run --project 'unit*' </dev/null || status=$?
  done
  return $status
}

major() { "$1" -p 'parseInt(process.versions.node)'; }

run_tests() {
  case $1 in
  unit | redis | lab-*) vitest "$1" env ;;
  nodes) on_every_node ;;
  *) on_host "$1" ;;
  esac
}

# Leaves a file when it has passed.
run() {
  local started=$SECONDS
  {
    if run_tests "$1"; then : >"$results/$1.passed"; fi
    say "$1 took $((SECONDS - started)) s"
  } 2>&1 | sed -u "s|^|$1: |"
}

finish() {
  trap '' INT TERM
  local group run lab
  for group in $(jobs -rp); do kill -TERM -- "-$group" 2>/dev/null || true; done
  wait
  for run in "${runs[@]}"; do
    lab=$labs-$run
    [ ! -d "$lab" ] || GEARD_LAB_DIR=$lab contrib/lab down >/dev/null 2>&1 ||
      echo "error: the lab $lab could not be taken down" >&2
  done
  rm -rf "$results"
}

prepare docker-compose:docker-compose faketime:faketime fish:fish groff:groff-base /usr/bin/python3:python3 zsh:zsh
ensure_vectors
ensure_engines
for tier in "${tiers[@]}"; do
  case $tier in
  redis | e2e) ensure_promtool ;;
  lab) ensure_firewalld ;;
  nodes) ensure_nodes; ensure_generator ;;
  esac
done
trap finish EXIT
trap 'exit 130' INT TERM
set -m # Each run is a process group, so that all of it can be ended.
for run in "${runs[@]}"; do
  room=$side_by_side
  [[ $alone != *" $run "* ]] || room=1
  while [ "$(jobs -rp | wc -l)" -ge "$room" ]; do wait -n || true; done
  run "$run" </dev/null &
  [ "$room" -gt 1 ] || wait
done
wait

failed=()
for run in "${runs[@]}"; do [ -e "$results/$run.passed" ] || failed+=("$run"); done
node scripts/lib/count-results.mjs "$results" "${runs[@]}" || failed+=(count)
[ ${#failed[@]} -eq 0 ] || die "failed: ${failed[*]}"
say "all tests took $((SECONDS / 60)) min"
