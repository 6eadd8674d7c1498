#!/usr/bin/env bash
# npm run crash: geard on lab hosts that crash, and what came of it. See docs/reliability.md.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/prepare.sh
prepare mkfs.ext4:e2fsprogs faketime:faketime
export GEARD_CRASH_DIR=${GEARD_CRASH_DIR:-/run/geard-crash}

finish() {
  GEARD_LAB_DIR=$GEARD_CRASH_DIR contrib/lab down >/dev/null
  local disk
  for disk in "$GEARD_CRASH_DIR.disks"/*/; do ! mountpoint -q "$disk" || umount --lazy "$disk"; done
  rm -rf "$GEARD_CRASH_DIR.disks"
}
trap finish EXIT
trap 'exit 130' INT TERM
node --import tsx crash/main.ts "$@"
