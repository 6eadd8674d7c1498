# shellcheck shell=bash
# The rules of the network that keep gears apart. The lab puts them on its hosts by the same list.

network_service=geard-network.service

# network_files CONTRIB: prints "MODE FROM TO" for each file
network_files() {
  local part
  for part in load guard; do echo "755 $1/network/$part /usr/local/lib/geard-network/$part"; done
  for part in rules.nft network.nft; do echo "644 $1/network/$part /usr/local/lib/geard-network/$part"; done
  echo "644 $1/systemd/$network_service /usr/local/lib/systemd/system/$network_service"
}

# Gears belong to workers; one that is here already gets the program's new version, too.
runs_gears() { wanted worker || wanted daemon || enabled geard-worker.service || enabled geard.service; }

# Rules that are loaded stay loaded while they are exchanged for others.
install_network() {
  local mode from to before=$changed
  runs_gears || return 0
  changed=$resumed
  while read -r mode from to; do put "$mode" "$from" "$to"; done < <(network_files "$versions/current/contrib")
  [ -e "$settings/network.nft" ] || put 600 "$versions/current/contrib/network/network.nft" "$settings/network.nft"
  systemctl daemon-reload
  systemctl enable --quiet $network_service
  if ! systemctl --quiet is-active $network_service; then
    systemctl start $network_service || say "note: $network_service has not loaded the rules that keep gears apart; systemctl status $network_service says why"
  elif [ $changed = yes ]; then
    systemctl reload $network_service || true
    systemctl kill --kill-who=main $network_service # The guard itself; systemd starts it again.
  fi
  changed=$before
}

# Gears run on, and as long as there are any they stay apart.
remove_network() {
  local to
  if compgen -G '/etc/systemd/system/gear-*.service' >/dev/null; then
    say "kept: $network_service, as long as there are gears; then uninstall again, by contrib/install.sh of the release"
    return
  fi
  systemctl disable --quiet --now $network_service 2>/dev/null || true
  ! command -v nft >/dev/null || nft delete table inet geard 2>/dev/null || true
  while read -r _ _ to; do rm -f "$to"; done < <(network_files .)
  rmdir /usr/local/lib/geard-network 2>/dev/null || true
  say 'removed: the rules of the network'
}
