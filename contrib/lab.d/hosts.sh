# shellcheck shell=bash
# Booting and halting hosts.

known_hosts() { (cd "$lab" 2>/dev/null && ls -d h[1-5] 2>/dev/null) || true; }

# host_pid HOST: prints the pid of the host's systemd
host_pid() {
  [[ $1 =~ ^h[1-5]$ ]] || misuse "a host is h1 to h$most_hosts, not $1"
  alive "$lab/$1/pid" || die "$1 is not up; contrib/lab up ${1#h} boots it"
}

in_switch() { ip netns exec "$switch" "$@"; }

# The disks and the switch have the last part of the lab's path as their name: two labs cannot share it.
assert_own_name() {
  [ ! -e "$disks/lab" ] || [ "$(cat "$disks/lab")" = "$lab" ] ||
    die "the lab $(cat "$disks/lab") has the same last name as $lab; choose another GEARD_LAB_DIR, or take that one down first"
}

# The lab's own file system survives reboots of hosts and is gone with `down`; the switch joins the hosts. Every step can be
# repeated: one that failed, or was interrupted, is made up for.
prepare_lab() {
  assert_own_name
  mkdir -p "$lab" "$disks"
  echo "$lab" >"$disks/lab"
  mountpoint -q "$lab" || mount -t tmpfs -o mode=700 geard-lab "$lab"
  ip netns list | grep -qE "^$switch( |$)" || ip netns add "$switch"
  in_switch ip link set lo up
  in_switch ip link show br0 >/dev/null 2>&1 || in_switch ip link add br0 type bridge
  in_switch ip address replace 10.77.0.254/24 dev br0
  in_switch ip link set br0 up
}

boot_hosts() {
  local i host booting=()
  for ((i = 1; i <= $1; i++)); do
    host=h$i
    if alive "$lab/$host/pid" >/dev/null; then
      say "$host: is up already"
    else
      boot_host $host
      booting+=($host)
    fi
  done
  for host in "${booting[@]}"; do wait_for_host "$host"; done
}

# become_host HOST: becomes `unshare`, whose only child is the host's systemd
become_host() {
  enter_cgroups "$1"
  exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    GEARD_LAB_CGROUP="${GEARD_LAB_CGROUP:-}" GEARD_LAB_MOUNTS="${GEARD_LAB_MOUNTS:-}" \
    setsid unshare --mount --pid --fork --uts --ipc --net --cgroup --kill-child \
    "$parts/init.sh" "$1" "$lab/$1" "$disks/$1" "$project"
}

# boot_host HOST: the file `boot` remembers `unshare`, the file `pid` the systemd of a host that is connected
boot_host() {
  local host=$1 place=$lab/$1 tries unshare_pid pid=
  end_host "$host" # An `up` that was interrupted may have left it half booted.
  mkdir -p "$place"/{up,wk,root} "$disks/$host"/{docker,containerd}
  begin "$place/boot" become_host "$host" </dev/null >"$place/log" 2>&1
  unshare_pid=$!
  for ((tries = 0; tries < 100; tries++)); do
    # Before it has become `unshare` it has other children.
    if [ "$(cat "/proc/$unshare_pid/comm" 2>/dev/null)" = unshare ]; then
      pid=$(tr -d ' ' <"/proc/$unshare_pid/task/$unshare_pid/children")
      [ -z "$pid" ] || break
    fi
    kill -0 $unshare_pid 2>/dev/null || break
    sleep 0.05
  done
  [ -n "$pid" ] || { tail -n 20 "$place/log" >&2; end_host "$host"; die "$host: its namespaces could not be made"; }
  connect_host "$host" "$pid" || { end_host "$host"; die "$host: it could not be connected to the switch"; }
  remember "$place/pid" "$pid"
}

# end_host HOST: killing its PID 1 ends everything in a pid namespace, and then `unshare`, which waits for it
end_host() {
  local unshare_pid
  end "$lab/$1/pid" KILL
  if unshare_pid=$(alive "$lab/$1/boot"); then
    # shellcheck disable=SC2046
    kill -KILL $(cat "/proc/$unshare_pid/task/$unshare_pid/children" 2>/dev/null) 2>/dev/null || true
    end "$lab/$1/boot" TERM
  fi
}

# connect_host HOST PID: a cable from the host to the switch
connect_host() {
  local i=${1#h}
  in_switch ip link delete "$1" 2>/dev/null || true
  ip link add "$1" netns "$switch" type veth peer name eth0 netns "$2" &&
    in_switch ip link set "$1" master br0 up &&
    nsenter -t "$2" -n ip address add "10.77.0.$i/24" dev eth0 &&
    nsenter -t "$2" -n ip link set eth0 up
}

# tell_why_not HOST: what its console, its failed units and Docker say
tell_why_not() {
  local pid
  tail -n 20 "$lab/$1/log" >&2
  pid=$(alive "$lab/$1/pid") || return 0
  nsenter -t "$pid" -a systemctl --failed --no-legend --plain >&2 || true
  nsenter -t "$pid" -a journalctl --unit=docker --lines=150 --output=cat >&2 || true
}

wait_for_host() {
  local host=$1 started=$SECONDS pid state=
  while [ $((SECONDS - started)) -lt $boot_deadline ]; do
    pid=$(alive "$lab/$host/pid") || break
    state=$(nsenter -t "$pid" -a systemctl is-system-running 2>/dev/null) || true
    case $state in running | degraded)
      if nsenter -t "$pid" -a timeout 10 docker info >/dev/null 2>&1; then
        say "$host: systemd is $state and Docker answers ($(ps -o etimes= -p "$pid" | tr -d ' ') s)"
        return
      fi
      ;;
    esac
    sleep 0.1
  done
  tell_why_not "$host"
  die "$host has not booted within $boot_deadline s (systemd: ${state:-gone})"
}

# halt_host HOST --orderly|--hard
halt_host() {
  local pid tries
  if [ "$2" = --orderly ] && pid=$(alive "$lab/$1/pid"); then
    nsenter -t "$pid" -a systemctl --no-block reboot 2>/dev/null || true
    for ((tries = 0; tries < 600; tries++)); do
      alive "$lab/$1/pid" >/dev/null || break
      sleep 0.1
    done
  fi
  end_host "$1"
  remove_cgroups "$1"
}

take_down() {
  local host service
  assert_own_name
  for service in forward api redis; do end "$lab/$service.pid" TERM; done
  for host in $(known_hosts); do halt_host "$host" --hard; done
  ! ip netns list | grep -qE "^$switch( |$)" || ip netns delete "$switch"
  if mountpoint -q "$lab"; then
    local tries
    for ((tries = 0; tries < 50; tries++)); do
      umount "$lab" 2>/dev/null && break
      sleep 0.1
    done
    ! mountpoint -q "$lab" || umount --lazy "$lab"
  fi
  rm -rf "$disks"
  rmdir "$(dirname "$disks")" 2>/dev/null || true
  rmdir "$lab" 2>/dev/null || true
  remove_cgroups
}
