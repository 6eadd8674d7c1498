#!/usr/bin/env bash
# npm test: every tier, none skipped. With arguments only the tiers named: npm test -- unit redis
# npm test -- --changed [COMMIT]: the tests of unit and redis, and that of a generated client, that load a file that differs
# from a commit (default: HEAD).
# A tier is one run or several. While runs leave a quarter of the processors unused, the next one starts beside them. The first
# one keeps two processors busy, and looks at what happens meanwhile: it goes alone.
# Each line of output starts with its run.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/prepare.sh
. scripts/lib/engines.sh
. scripts/lib/nodes.sh

labs=${GEARD_TEST_LAB_DIR:-/run/geard-lab-test}

programs_of_tests=(docker-compose:docker-compose faketime:faketime fish:fish groff:groff-base /usr/bin/python3:python3 zsh:zsh)

if [ "${1:-}" = --changed ]; then
  prepare "${programs_of_tests[@]}"
  ensure_engines
  ensure_promtool
  ensure_generator
  exec node node_modules/vitest/vitest.mjs run --passWithNoTests --changed "${2:-HEAD}" \
    test/unit test/redis test/nodes/generated-client
fi

results=$(mktemp -d)
# All runs in the order of their starts: after the one that goes alone, what takes longest comes first.
plan=(e2e-alone lab-1 e2e-1 e2e-2 e2e-3 lab-2 host host-faults nodes redis unit)
tiers=("$@")
[ $# -gt 0 ] || tiers=(e2e lab host redis nodes unit)
for tier in "${tiers[@]}"; do
  case $tier in
  e2e | lab | host | redis | nodes | unit) ;;
  *) die "there is no tier $tier; the tiers are unit, nodes, redis, host, e2e and lab" ;;
  esac
done

runs=()
for run in "${plan[@]}"; do
  if [[ " ${tiers[*]} " == *" ${run%-*} "* ]]; then runs+=("$run"); fi
done

# A burst of a million lines needs all processors; how many jobs run side by side is looked at while they do.
alone=(test/e2e/log-bursts.test.ts test/e2e/side-by-side.test.ts)
# Its cases run four at a time.
faults=test/host/faults.test.ts
# These have an api answer on port 2223 of this machine, which exists once; compose and crash make the two runs as long.
with_api=(test/lab/{compose,crash,fleet,lab,removed,start}.test.ts)

# vitest RUN COMMAND…: the tests of a run, started by a command.
vitest() {
  local run=$1 files=()
  case $run in
  host) files=("--exclude=$faults") ;;
  host-faults) files=("$faults") ;;
  e2e-alone) files=("${alone[@]}") ;;
  e2e-*) files=("${alone[@]/#/--exclude=}" "--shard=${run#*-}/3") ;;
  lab-1) files=("${with_api[@]}") ;;
  lab-2) files=("${with_api[@]/#/--exclude=}") ;;
  esac
  shift
  if [ "$run" = lab-2 ]; then
    mkdir -p node_modules/.cache/geard-release
    GEARD_TEST_RELEASE=$(npm pack --silent --ignore-scripts --pack-destination node_modules/.cache/geard-release)
    export GEARD_TEST_RELEASE
  fi
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
# own tier, except those of pages and scripts, which run the program of the machine.
on_every_node() {
  local node status=0
  vitest nodes env || status=$?
  for node in node_modules/.cache/nodes/*; do
    [ "$(major "$node")" != "$(major node)" ] || continue
    say "unit tests on Node.js $("$node" --version)"
    "$node" node_modules/vitest/vitest.mjs run --project 'unit*' --exclude 'test/unit/{docs,scripts}/**' </dev/null ||
      status=$?
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

prepare "${programs_of_tests[@]}"
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
# Percent of the processors' time that the next five seconds leave unused; see proc_stat(5).
unused() {
  { head -n 1 /proc/stat && sleep 5 && head -n 1 /proc/stat; } |
    awk '{ for (i = 2; i <= 9; i++) all[NR] += $i; idle[NR] = $5 + $6 }
      END { print int(100 * (idle[2] - idle[1]) / (all[2] - all[1])) }'
}
for run in "${runs[@]}"; do
  while [ -n "$(jobs -rp)" ] && [ "$(unused)" -lt 25 ]; do :; done
  run "$run" </dev/null &
  if [ "$run" = e2e-alone ]; then wait; fi
done
wait

failed=()
for run in "${runs[@]}"; do [ -e "$results/$run.passed" ] || failed+=("$run"); done
node scripts/lib/count-results.mjs "$results" "${runs[@]}" || failed+=(count)
[ ${#failed[@]} -eq 0 ] || die "failed: ${failed[*]}"
say "all tests took $((SECONDS / 60)) min"
