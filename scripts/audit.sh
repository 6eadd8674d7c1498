#!/usr/bin/env bash
# npm run audit: asks the registry's database of advisories about all packages in package-lock.json that are shipped.
# Exits with 0 where nothing is known, with 1 where something is, and with 75 (EX_TEMPFAIL) where it could not be checked.
set -euo pipefail
cd "$(dirname "$0")/.."

deadline=120 # seconds

# npm ends with 1 for what it has found as for what it could not do: only what it prints tells.
said=$(timeout $deadline npm audit --omit=dev --package-lock-only --json 2>/dev/null) || true
node scripts/lib/read-audit.mjs <<<"$said"
