# shellcheck shell=bash
# Processes are known by pid and start time, so that a number used again by the kernel is never mistaken for ours.

# Field 22 of /proc/PID/stat, counted after the command's name, which may hold anything (proc(5)).
start_time() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  stat=${stat##*) }
  # shellcheck disable=SC2086
  set -- $stat
  [ "$1" != Z ] || return 1
  echo "${20}"
}

# remember FILE PID
remember() { echo "$2 $(start_time "$2")" >"$1"; }

# begin FILE COMMAND…: runs a command beside this shell; where it is a function it ends in an exec. The process remembers itself
# before it becomes anything else: however early this shell is interrupted, `down` finds what it has begun.
begin() {
  local file=$1
  shift
  rm -f "$file"
  # The lock is not the command's.
  (
    remember "$file" $BASHPID
    "$@"
  ) 9>&- &
  until [ -s "$file" ] || ! kill -0 $! 2>/dev/null; do sleep 0.01; done
}

# alive FILE: prints the pid if the process remembered there still runs
alive() {
  local pid started
  [ -e "$1" ] || return 1
  read -r pid started <"$1" || return 1
  [ "$(start_time "$pid")" = "$started" ] || return 1
  echo "$pid"
}

# end FILE SIGNAL: ends the process remembered there and waits until it is gone, by force after ten seconds
end() {
  local pid tries
  if pid=$(alive "$1"); then
    kill "-$2" "$pid" 2>/dev/null || true
    for ((tries = 0; tries < 100; tries++)); do
      alive "$1" >/dev/null || break
      sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null || true
    while alive "$1" >/dev/null; do sleep 0.05; done
  fi
  rm -f "$1"
}
