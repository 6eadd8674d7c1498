# shellcheck shell=bash
# What npm start, npm test and npm run bench need, installed where it is missing. Sourced, with the project as the
# working directory. The second time everything is there and it takes well under a second.

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Runs a command with its output in a file and a line of progress; shows the output only when it fails.
quietly() {
  local what=$1 log seconds=$SECONDS
  shift
  log=$(mktemp)
  printf '\033[1m==>\033[0m %s … ' "$what"
  if "$@" >"$log" 2>&1; then
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

# Packages must not start their daemons here: dockerd belongs into the lab, and Redis is the daemon's own.
install_packages() {
  local policy=/usr/sbin/policy-rc.d status=0
  if [ -e $policy ]; then policy=; else printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy; fi
  apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" || status=$?
  [ -z "$policy" ] || rm -f "$policy"
  return $status
}

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

# Project Wycheproof's test vectors for what tokens are made of, out of the one Debian package that has them. It is
# unpacked and not installed: it would bring several Go libraries.
vectors_package=golang-github-cloudflare-circl-dev
extract_vectors() {
  local to=$1 work
  work=$(mktemp -d)
  chmod 755 "$work"
  (
    cd "$work"
    apt-get update -qq && apt-get download -qq "$vectors_package" && dpkg-deb -x ./*.deb .
    cd usr/share/gocode/src/github.com/cloudflare/circl
    cp sign/ed25519/testdata/wycheproof_Ed25519.json "$to/ed25519.json"
    cp dh/x25519/testdata/wycheproof_kat.json "$to/x25519.json"
  )
  rm -rf "$work"
}

ensure_vectors() {
  local to=$PWD/node_modules/.cache/wycheproof
  [ ! -e "$to/x25519.json" ] || return 0
  mkdir -p "$to"
  quietly "unpacking Wycheproof's vectors from $vectors_package" extract_vectors "$to"
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
