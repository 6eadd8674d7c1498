#!/usr/bin/env bash
# npm start: everything from a fresh clone to a gear that answers. See README.md.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib/prepare.sh
prepare
if machine_is_a_host; then where=here; else where=lab; fi
exec node --import tsx scripts/tour.ts $where "$@"
