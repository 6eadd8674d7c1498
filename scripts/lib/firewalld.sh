# shellcheck shell=bash
# firewalld with all that it needs, for the tests. Its packages are unpacked, not installed: an installed one would start on
# every lab host. Python itself is one of the packages of the machine. Sourced after prepare.sh.

firewalld_packages=(
  firewalld python3-firewall python3-nftables python3-dbus python3-gi gir1.2-glib-2.0 libgirepository-1.0-1 python3-cap-ng
)

extract_firewalld() {
  local to=$1 work package
  work=$(mktemp -d)
  chmod 755 "$work"
  (cd "$work" && apt-get update -qq && apt-get download -qq "${firewalld_packages[@]}")
  rm -rf "$to"
  mkdir -p "$to"
  for package in "$work"/*.deb; do dpkg-deb -x "$package" "$to"; done
  rm -rf "$work"
  touch "$to/complete"
}

ensure_firewalld() {
  local to=$PWD/node_modules/.cache/firewalld
  [ ! -e "$to/complete" ] || return 0
  quietly 'unpacking firewalld' extract_firewalld "$to"
}
