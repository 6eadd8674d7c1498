# shellcheck shell=bash
# What is missing, said before anything is begun.

preflight() {
  [ "$(id -u)" = 0 ] || die 'this needs root: run it with sudo'
  local missing=() pair
  for pair in systemctl:systemd /lib/systemd/systemd:systemd-sysv dbus-daemon:dbus dockerd:docker.io \
    containerd:containerd runc:runc ip:iproute2 iptables:iptables nft:nftables nsenter:util-linux flock:util-linux \
    redis-server:redis-server node:nodejs; do
    PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%:*}" >/dev/null || missing+=("${pair%%:*}" "${pair#*:}")
  done
  if [ ${#missing[@]} -gt 0 ]; then
    local i packages=()
    for ((i = 0; i < ${#missing[@]}; i += 2)); do
      printf 'lab: missing: %s\n' "${missing[i]}" >&2
      packages+=("${missing[i + 1]}")
    done
    mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)
    die "install what is missing: apt-get install -y --no-install-recommends ${packages[*]}"
  fi
  unshare --mount --pid --fork --uts --ipc --net --cgroup true 2>/dev/null ||
    die 'namespaces cannot be made here; in a container, start it with --privileged'
}
