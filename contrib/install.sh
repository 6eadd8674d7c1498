#!/usr/bin/env bash
# Installs geard on this host, from the unpacked tarball or from the clone, and removes it. See docs/operations.md.
set -euo pipefail
umask 022 # Everybody may read the installed files.

project=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
parts=$project/contrib/install.d
versions=/usr/local/lib/geard # each version in its own directory; `current` links to the active one
unfinished=$versions/.unfinished # from the first change until what runs has been restarted
link=/usr/local/bin/gear
manual=/usr/local/share/man/man1/gear.1
settings=/etc/geard
issuer=/root/geard-issuer # which services cannot read
lock=/run/geard-install.lock

usage() {
  cat <<'END'
usage: contrib/install.sh [api|worker|redis|daemon]… [--start] [--node PROGRAM]
       contrib/install.sh --uninstall

  api, worker      the HTTP API, as an unprivileged user, and the worker, which runs the jobs; one of them or both
  redis            a Redis for api and worker if both are on this host; a fleet brings its own
  daemon           api and worker in one process, with a Redis of its own, run by root
  --start          start them now and at every boot
  --node PROGRAM   the Node.js to run with, 20.19 or later (default: the one in PATH)
  --uninstall      remove program, units and user; gears keep running, their files, settings and keys stay

Without roles it takes those that are enabled on this host, or else redis, api and worker.
Installing again, from this or another version, replaces the program and restarts the running services.
END
}

say() { printf '%s\n' "$*"; }
die() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }
misuse() { printf 'install.sh: %s\n' "$*" >&2; usage >&2; exit 2; }

# One run at a time. Whoever can open the file could hold the lock. The programs that a run starts have it open as well, but
# none of them stays: systemd starts the services.
take_lock() {
  umask 077
  exec 9>"$lock"
  umask 022
  flock -n 9 || die 'another run of install.sh is under way; try again when it has ended'
}

. "$parts/program.sh"
. "$parts/units.sh"
. "$parts/network.sh"
. "$parts/uninstall.sh"

roles=() start=no node='' uninstall=no
while [ $# -gt 0 ]; do
  case $1 in
  daemon | api | worker | redis) roles+=("$1") ;;
  --start) start=yes ;;
  --node)
    [ $# -ge 2 ] || misuse '--node takes the path of a program'
    node=$2
    shift
    ;;
  --uninstall) uninstall=yes ;;
  --help | -h) usage; exit 0 ;;
  *) misuse "there is no $1" ;;
  esac
  shift
done
[ "$uninstall" = no ] || [ "$start$node${roles[*]}" = no ] || misuse '--uninstall takes nothing else'
[ ${#roles[@]} -eq 1 ] || [[ " ${roles[*]} " != *' daemon '* ]] || misuse 'the daemon is api and worker already'

[ "$(id -u)" = 0 ] || die 'this needs root: run it with sudo'
[ -d /run/systemd/system ] || die 'systemd does not run this machine; geard needs it to run gears'
take_lock

if [ $uninstall = yes ]; then
  take_away
  exit 0
fi
[ ${#roles[@]} -gt 0 ] || choose_roles
check_roles
check_link
find_node
look_for_what_gears_need
check_redis
resumed=no
[ ! -e "$unfinished" ] || resumed=yes
changed=$resumed
install_program
install_units
install_network
make_redis
make_keys
restart_running
remove_old_programs
rm -f "$unfinished"
if [ $start = yes ]; then start_roles; else tell_how_to_start; fi
