# shellcheck shell=bash
# The program: a directory for each version, and a link that is switched from one to the next.

find_node() {
  [ -n "$node" ] || node=$(command -v node) ||
    die 'Node.js is missing; install 20.19 or later, or name it with --node'
  node=$(realpath --no-symlinks "$node")
  [ -x "$node" ] || die "--node: $node is no program"
  "$node" -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
    die "Node.js 20.19 or later is needed and $node is $("$node" --version); install it, or name another one with --node"
  case $(readlink -f "$node") in
  /home/* | /root/* | /run/user/* | /tmp/*)
    die "$node lies where services may not look; install Node.js for everybody, or name another one with --node"
    ;;
  *' '*) die "$node has a space in its path, which the first line of a script cannot hold; name another one with --node" ;;
  esac
}

check_link() {
  [ ! -e "$link" ] || [[ $(readlink -f "$link") == "$versions"/* ]] ||
    die "$link is there and none of ours; remove it (was it npm? npm uninstall -g geard) and run this again"
}

# Prints the directory with the program as it is released. A clone is packed first, as a release is.
released() {
  local from=$project
  if [ -e "$project/tsconfig.build.json" ]; then
    [ -d "$project/node_modules" ] || die "this is a clone without its packages; run \"npm ci\" in $project first"
    (cd "$project" && npm pack --silent --pack-destination "$work" >"$work/log" 2>&1) ||
      die "npm pack has failed: $(tail -n 5 "$work/log")"
    tar -xzf "$work"/geard-*.tgz -C "$work"
    from=$work/package
  fi
  [ -e "$from/dist/cli/main.js" ] && [ -d "$from/node_modules/commander" ] ||
    die "$from is not whole; unpack the tarball again, with everything that is in it"
  echo "$from"
}

# Its name is its version and a digest of all that is in it: what is there already is not installed again.
install_program() {
  local work from new=$versions/.new name
  work=$(mktemp -d)
  # shellcheck disable=SC2064
  trap "rm -rf '$work' '$new'" EXIT
  from=$(released)
  rm -rf "$new"
  mkdir -p "$new"
  cp -R "$from"/{bin,contrib,dist,docs,node_modules,package.json,README.md,CHANGELOG.md,LICENSE} "$new"
  chmod -R u=rwX,go=rX "$versions"
  sed -i "1s|.*|#!$node|" "$new/bin/gear"
  name=$("$new/bin/gear" --version) || die "the program does not run with $node"
  name+=-$(tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$new" -cf - . | sha256sum | cut -c1-12)
  if [ "$(readlink "$versions/current")" = "$name" ]; then
    say "program: $versions/$name is there already"
  else
    rm -rf "${versions:?}/$name"
    mv -T "$new" "$versions/$name"
    note_change
    lead "$name" "$versions/current"
    say "program: $versions/$name"
  fi
  rm -rf "$work" "$new"
  trap - EXIT
  lead "$versions/current/bin/gear" "$link"
  mkdir -p "$(dirname "$manual")"
  lead "$versions/current/contrib/man/gear.1" "$manual"
}

# What has changed has to reach what runs: now, or by the next run where this one is interrupted.
note_change() {
  changed=yes
  mkdir -p "$versions"
  : >"$unfinished"
}

# lead TARGET LINK: makes a link, in one step where there is one
lead() {
  ln -sfn "$1" "$2.new"
  mv -T "$2.new" "$2"
}

# Nothing runs of them any more.
remove_old_programs() {
  local current one
  current=$(readlink "$versions/current")
  for one in "$versions"/*; do
    [ "$one" = "$versions/current" ] || [ "$one" = "$versions/$current" ] || rm -rf "$one"
  done
}
