# shellcheck shell=bash
# The releases of Node.js that the built program is tried on: the oldest that package.json allows, and the newest of each
# later long-term release. They come from npm as packages. Sourced after prepare.sh.

node_versions=(20.19.0 22.23.3 24.21.0)

# extract_node VERSION FILE: npm compares the package with the hash that the registry has of it
extract_node() {
  local version=$1 to=$2 work
  work=$(mktemp -d)
  npm pack --silent --pack-destination "$work" "node-linux-$(node -p process.arch)@$version"
  tar -C "$work" -xzf "$work"/*.tgz package/bin/node
  mv "$work/package/bin/node" "$to"
  rm -rf "$work"
}

# Into node_modules/.cache/nodes, a file for each, named by its major version.
ensure_nodes() {
  local to=$PWD/node_modules/.cache/nodes version
  mkdir -p "$to"
  for version in "${node_versions[@]}"; do
    [ "$("$to/${version%%.*}" --version 2>/dev/null)" != "v$version" ] || continue
    quietly "unpacking Node.js $version" extract_node "$version" "$to/${version%%.*}"
  done
}
