# shellcheck shell=bash
# promtool, which checks metrics and alert rules, out of Debian's package prometheus. It is unpacked and not installed: the
# package would start a service. Sourced after prepare.sh.

extract_promtool() {
  local to=$1 work
  work=$(mktemp -d)
  chmod 755 "$work"
  (cd "$work" && apt-get update -qq && apt-get download -qq prometheus && dpkg-deb -x ./*.deb .)
  cp "$work/usr/bin/promtool" "$to/promtool"
  rm -rf "$work"
}

ensure_promtool() {
  local to=$PWD/node_modules/.cache/prometheus
  [ ! -e "$to/promtool" ] || return 0
  mkdir -p "$to"
  quietly "unpacking promtool from prometheus" extract_promtool "$to"
}
