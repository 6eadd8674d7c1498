# shellcheck shell=bash
# What npm start, npm test and the other scripts here need, installed where it is missing. Sourced, with the project as
# the working directory. The second time everything is there and it takes well under a second.

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Runs a command with its output in a file and a line of progress; shows the output only when it fails.
quietly() {
  local what=$1 log seconds=$SECONDS status
  shift
  log=$(mktemp)
  printf '\033[1m==>\033[0m %s … ' "$what"
  # As part of a condition the command would not stop at its first failure (bash(1), set -e).
  set +e
  (set -e; "$@") >"$log" 2>&1
  status=$?
  set -e
  if [ $status -eq 0 ]; then
    printf 'done (%s s)\n' $((SECONDS - seconds))
    rm -f "$log"
  else
    printf 'FAILED\n' >&2
    tail -n 40 "$log" >&2
    rm -f "$log"
    exit 1
  fi
}

# A machine on which gears can run as it is: systemd is PID 1 and Docker answers.
machine_is_a_host() {
  [ -d /run/systemd/system ] && [ "$(cat /proc/1/comm)" = systemd ] && docker info >/dev/null 2>&1
}

# Prints the Debian packages of the programs that are missing; arguments: program:package …
missing_packages() {
  local pair
  for pair in "$@"; do
    PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%:*}" >/dev/null 2>&1 || echo "${pair#*:}"
  done
}

policy=/usr/sbin/policy-rc.d
policy_text='#!/bin/sh
# Of geard: while it installs packages.
exit 101'

# Packages must not start their daemons here: dockerd belongs into the lab, and Redis is the daemon's own. The file that says
# so goes with this subshell, also after Ctrl-C; one that a killed run has left is taken for ours.
install_packages() (
  if [ ! -e "$policy" ] || [ "$(cat "$policy")" = "$policy_text" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '%s\n' "$policy_text" >"$policy"
    chmod 755 "$policy"
  fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@"
)

ensure_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$@" | sort -u)
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || die "missing: ${missing[*]}; install them (this is not a Debian with apt-get)"
  quietly "installing Debian packages: ${missing[*]}" install_packages "${missing[@]}"
}

ensure_node() {
  command -v node >/dev/null || die 'Node.js 20.19 or later is missing'
  node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
    die "Node.js 20.19 or later is needed, this is $(node --version)"
}

ensure_modules() {
  cmp -s package-lock.json node_modules/.geard-lock && return 0
  quietly 'installing npm packages' npm ci --no-audit --no-fund
  cp package-lock.json node_modules/.geard-lock
}

ensure_build() {
  local built=dist/cli/main.js
  [ -e $built ] && [ -z "$(find src package.json tsconfig.json tsconfig.build.json -newer $built -print -quit)" ] ||
    quietly 'building' npm run --silent build
}

# unpack_packages DIRECTORY PACKAGE…: puts the files of Debian packages there. Nothing is installed: that would start services,
# and bring what the packages depend on. Fails as a whole, so that a directory is never filled in part.
unpack_packages() {
  local to=$1 work package status=0
  shift
  work=$(mktemp -d)
  chmod 755 "$work"
  (
    cd "$work" && apt-get update -qq && apt-get download -qq "$@" && mkdir files || exit
    for package in ./*.deb; do dpkg-deb -x "$package" files || exit; done
    # Another file system may hold it: what is moved there in steps is renamed at last.
    rm -rf "$to" "$to.new" && mkdir -p "$(dirname "$to")" && mv files "$to.new" && mv "$to.new" "$to"
  ) || status=$?
  rm -rf "$work"
  return $status
}

# ensure_unpacked NAME PACKAGE…: the files of Debian packages in node_modules/.cache/NAME, unpacked once.
ensure_unpacked() {
  local to=$PWD/node_modules/.cache/$1
  [ ! -d "$to/usr" ] || return 0
  quietly "unpacking $1 from $2" unpack_packages "$to" "${@:2}"
}

# Project Wycheproof's test vectors for what tokens are made of, out of the one Debian package that has them.
ensure_vectors() { ensure_unpacked wycheproof golang-github-cloudflare-circl-dev; }

# promtool, which checks metrics and alert rules.
ensure_promtool() { ensure_unpacked prometheus prometheus; }

# openapi-typescript, which makes types of the OpenAPI document. It needs TypeScript 5, and geard is compiled with 7.
ensure_generator() { (cd test/generated-client && ensure_modules); }

# firewalld with all that it needs but Python. An installed one would start on every lab host.
ensure_firewalld() {
  ensure_unpacked firewalld firewalld python3-firewall python3-nftables python3-dbus python3-gi gir1.2-glib-2.0 \
    libgirepository-1.0-1 python3-cap-ng
}

# What runs anywhere, and what a lab host needs.
programs=(redis-server:redis-server curl:curl git:git unzip:unzip ps:procps openssl:openssl)
sample_programs=(busybox:busybox-static)
lab_programs=(
  systemctl:systemd /lib/systemd/systemd:systemd-sysv dbus-daemon:dbus dockerd:docker.io containerd:containerd
  ip:iproute2 iptables:iptables nft:nftables nsenter:util-linux docker-registry:docker-registry
)

prepare() {
  [ "$(id -u)" = 0 ] || die 'this needs root: it writes systemd units and boots hosts in namespaces'
  ensure_node
  if machine_is_a_host; then
    ensure_packages "${programs[@]}" "${sample_programs[@]}" "$@"
  else
    ensure_packages "${programs[@]}" "${sample_programs[@]}" "${lab_programs[@]}" "$@"
  fi
  ensure_modules
  ensure_build
}
