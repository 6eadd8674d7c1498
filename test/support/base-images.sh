#!/usr/bin/env bash
# Makes the two images that the Dockerfile and docker-compose.yml begin with, where there is no registry: this machine's own
# Node, npm, Redis and shell, at the paths where they are. npm finds packages in a cache and nowhere else.
# usage: base-images.sh NODE_IMAGE NPM_CACHE
set -euo pipefail
node_image=$1
cache=$2
root=$(mktemp -d)
chmod 755 "$root"
trap 'rm -rf "$root"' EXIT

# A program and the libraries it loads, at the paths it looks for them.
add() {
  local program file
  for program in "$@"; do
    while read -r file; do
      mkdir -p "$root$(dirname "$file")"
      cp -L "$file" "$root$file"
    done < <(echo "$program"; ldd "$program" 2>/dev/null | grep -oE '/[^ ]+' || true)
  done
}

# /bin and /lib are links into /usr, as on the machine the programs come from.
mkdir -p "$root/usr/bin" "$root/etc" "$root/tmp" "$root/root"
for link in bin lib lib64 sbin; do
  if [ -L "/$link" ]; then mkdir -p "$root/$(readlink "/$link")" && ln -sfn "$(readlink "/$link")" "$root/$link"; fi
done
chmod 1777 "$root/tmp"
printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'node:x:1000:1000::/home/node:/bin/sh' >"$root/etc/passwd"
printf '%s\n' 'root:x:0:' 'node:x:1000:' >"$root/etc/group"
for program in sh env grep cat mkdir rm; do add "$(command -v "$program")"; done

node=$(readlink -f "$(command -v node)")
add "$node"
npm=$(readlink -f "$(command -v npm)")
npm=${npm%/bin/npm-cli.js}
mkdir -p "$root$(dirname "$npm")"
cp -a "$npm" "$root$npm"
[ "$node" = /usr/bin/node ] || ln -s "$node" "$root/usr/bin/node"
ln -sf "$npm/bin/npm-cli.js" "$root/usr/bin/npm"
cp -a "$cache" "$root/npm-cache"
tar -C "$root" -c . | docker import \
  -c 'ENV npm_config_cache=/npm-cache npm_config_offline=true' -c "ENV npm_config_registry=$(npm config get registry)" \
  - "$node_image" >/dev/null

rm -rf "$root/npm-cache" "${root:?}$npm"
add "$(command -v redis-server)" "$(command -v redis-cli)"
mkdir -p "$root/data"
tar -C "$root" -c . | docker import -c 'WORKDIR /data' -c 'VOLUME /data' - redis:7-bookworm >/dev/null
