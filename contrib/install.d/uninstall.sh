# shellcheck shell=bash
# Everything that was installed, and nothing that was made since.

take_away() {
  local unit
  for unit in "${services[@]}" gear.target; do
    systemctl disable --quiet --now "$unit" 2>/dev/null || true
    systemctl reset-failed "$unit" 2>/dev/null || true
  done
  remove_network
  for unit in "${unit_files[@]}"; do rm -f "$lib/systemd/system/$unit"; done
  rm -f $lib/sysusers.d/geard.conf $lib/tmpfiles.d/geard.conf
  rmdir --ignore-fail-on-non-empty $lib/{systemd/system,systemd,sysusers.d,tmpfiles.d} 2>/dev/null || true
  systemctl daemon-reload
  say 'removed: units'
  remove_users
  local one
  for one in "$link" "$manual"; do [[ $(readlink "$one") != "$versions"/* ]] || rm -f "$one"; done
  rm -rf "$versions"
  # The name of git-image.ts. Where no such image was built, or Docker is gone already, there is nothing to do.
  docker image rm --force geard.invalid/githost >/dev/null 2>&1 || true
  say "removed: $versions, $link, the git image that was built here"
  say "kept: /var/lib/gears (or what GEARD_BASE names): gears, repositories, environments; /var/lib/geard-redis: jobs; /var/log/geard*: what was refused; $settings: settings and keys; $issuer, if it is here: what makes tokens"
  say 'Gears go on running: systemctl list-units "gear-*". To stop them all: systemctl stop gear.slice'
}

# Their numbers may be somebody else's one day; what they could read is root's again.
remove_users() {
  local user place
  for place in "$settings/api" "$settings/redis" /var/lib/geard-redis /var/log/geard-api; do
    [ ! -d "$place" ] || chown -R root:root "$place"
  done
  for user in "${users[@]}"; do
    id "$user" >/dev/null 2>&1 || continue
    userdel "$user"
    say "removed: the user $user"
  done
}
