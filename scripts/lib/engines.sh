# shellcheck shell=bash
# Redis and Valkey of the Debian release after this one, for the tests. Their packages are unpacked, not installed, with
# every library that they need and that release's own loader: nothing of this machine is touched. Sourced after prepare.sh.

engines_release=trixie
engines=(redis-8.0:redis-server valkey-8.1:valkey-server)
engine_packages=(
  redis-server redis-tools valkey-server valkey-tools
  libc6 libatomic1 libcap2 libgcc-s1 libjemalloc2 liblzf1 libssl3t64 libstdc++6 libsystemd0 libzstd1 zlib1g
)

# An apt of its own: this machine's lists and sources stay as they are. The mirror is the one that this machine uses.
engines_apt() {
  local command=$1 work=$2
  shift 2
  "$command" -o Dir::State="$work/state" -o Dir::State::status="$work/state/status" -o Dir::Cache="$work/cache" \
    -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null -o APT::Sandbox::User=root \
    -o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false "$@"
}

# extract_engines DIRECTORY: fills it with root/ (the packages' files) and bin/ (a script that starts each engine)
extract_engines() {
  local to=$1 work mirror package engine
  mirror=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' | sed -n 's/^Debian //p' | head -n 1)
  [ -n "$mirror" ] || { echo "no source of Debian's packages is known to apt"; return 1; }
  work=$(mktemp -d)
  mkdir -p "$work"/state/lists/partial "$work"/cache/archives/partial "$work/debs"
  touch "$work/state/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $engines_release main" >"$work/sources.list"
  engines_apt apt-get "$work" update -qq
  (cd "$work/debs" && engines_apt apt-get "$work" download -qq "${engine_packages[@]}")
  rm -rf "$to"
  mkdir -p "$to/root" "$to/bin"
  for package in "$work"/debs/*.deb; do dpkg-deb -x "$package" "$to/root"; done
  rm -rf "$work"
  for engine in "${engines[@]}"; do start_script "${engine#*:}" >"$to/bin/${engine%%:*}"; done
  chmod 755 "$to"/bin/*
  for engine in "$to"/bin/*; do "$engine" --version; done
  touch "$to/complete"
}

# start_script PROGRAM: prints the script that starts it with the loader and the libraries beside it
start_script() {
  cat <<END
#!/bin/sh
root=\$(dirname "\$(dirname "\$(readlink -f "\$0")")")/root
libraries=\$(echo "\$root"/usr/lib/*-linux-gnu)
exec "\$(echo "\$root"/usr/lib*/ld-linux-*.so.*)" --library-path "\$libraries" "\$root/usr/bin/$1" "\$@"
END
}

ensure_engines() {
  local to=$PWD/node_modules/.cache/engines
  [ ! -e "$to/complete" ] || return 0
  quietly "unpacking Redis and Valkey of Debian $engines_release" extract_engines "$to"
}
