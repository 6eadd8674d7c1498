# shellcheck shell=bash
# Units, directories, the api's user, settings, keys; what runs and what is to run.

lib=/usr/local/lib
unit_files=(geard.service geard-api.service geard-worker.service gear.target gear.slice gear-small.slice)
services=(geard.service geard-api.service geard-worker.service)

service_of() { if [ "$1" = daemon ]; then echo geard.service; else echo "geard-$1.service"; fi; }
enabled() { systemctl --quiet is-enabled "$1" 2>/dev/null; }

# The daemon is api and worker: on one host there is either it or they.
check_roles() {
  local other others=(geard.service)
  [ "${roles[0]}" != daemon ] || others=(geard-api.service geard-worker.service)
  for other in "${others[@]}"; do
    ! enabled "$other" || die "this host runs $other, which ${roles[*]} cannot run beside; first: systemctl disable --now $other"
  done
}

look_for_what_gears_need() {
  [ "${roles[*]}" != api ] || return 0
  [ -x /usr/bin/docker ] || say 'note: /usr/bin/docker is missing; gears need it (Debian: docker.io)'
  command -v nft >/dev/null || say 'note: nft is missing; without it nothing keeps gears apart (Debian: nftables)'
  command -v git >/dev/null || say 'note: git is missing; repositories need it (Debian: git)'
  [ "${roles[0]}" != daemon ] || command -v valkey-server redis-server >/dev/null ||
    say 'note: redis-server is missing; the daemon needs it unless GEARD_REDIS_URL names one (Debian: redis-server)'
}

# put MODE FROM TO: installs a file where it is not there or another one
put() {
  cmp -s "$2" "$3" && return
  install -D -m "$1" "$2" "$3.new"
  mv "$3.new" "$3"
  changed=yes
  say "installed: $3"
}

install_units() {
  local unit from=$versions/current/contrib
  for unit in "${unit_files[@]}"; do
    [ "$unit" != geard.service ] || put 644 "$from/geard.service" "$lib/systemd/system/geard.service"
    [ "$unit" = geard.service ] || put 644 "$from/systemd/$unit" "$lib/systemd/system/$unit"
    [ ! -e "/etc/systemd/system/$unit" ] || say "note: /etc/systemd/system/$unit goes before ours; remove it if that is not meant"
  done
  put 644 "$from/systemd/sysusers.conf" $lib/sysusers.d/geard.conf
  put 644 "$from/systemd/tmpfiles.conf" $lib/tmpfiles.d/geard.conf
  systemd-sysusers geard.conf
  systemd-tmpfiles --create geard.conf
  [ -e "$settings/geard.env" ] || put 600 "$from/systemd/geard.env" "$settings/geard.env"
  systemctl daemon-reload
}

keys_of() { if [ "$1" = api ]; then echo "$settings/api/keys"; else echo "$settings/keys"; fi; }
has_keys() { compgen -G "$(keys_of "$1")/*.daemon.key" >/dev/null && compgen -G "$(keys_of "$1")/*.issuer.pub" >/dev/null; }
has_own_ideas() { grep -qsE '^GEARD_(KEYS|TEST_TOKEN)=' "$settings/geard.env" "$settings/$1.env"; }

# A daemon is a fleet of its own. In a larger one keys are made once and brought here.
make_keys() {
  [ "${roles[0]}" = daemon ] && ! has_keys daemon && ! has_own_ideas daemon || return 0
  "$link" token keygen "$settings/keys"
}

restart_running() {
  local service
  [ $changed = yes ] || return 0
  for service in "${services[@]}"; do
    systemctl --quiet is-active "$service" || continue
    systemctl restart "$service" || true
    wait_for "$service"
    say "restarted: $service"
  done
}

tell_how_to_start() {
  local role names=()
  for role in "${roles[@]}"; do
    ! enabled "$(service_of "$role")" || continue
    names+=("$(service_of "$role")")
    has_keys "$role" || has_own_ideas "$role" || say "keys: copy *.issuer.pub and *.daemon.key into $(keys_of "$role")"
  done
  say "settings: $settings/geard.env"
  [ ${#names[@]} -eq 0 ] || say "to start it: systemctl enable --now gear.target ${names[*]}"
}

start_roles() {
  local role service
  for role in "${roles[@]}"; do
    has_keys "$role" || has_own_ideas "$role" ||
      die "installed, but not started: there are no keys. Copy *.issuer.pub and *.daemon.key into $(keys_of "$role") and run this again"
  done
  for role in "${roles[@]}"; do
    service=$(service_of "$role")
    systemctl enable --quiet gear.target "$service"
    systemctl start gear.target "$service" || true
    wait_for "$service"
    say "runs, now and after every boot: $service"
  done
}

# wait_for SERVICE: what keeps it from running shows within seconds
wait_for() {
  local tries
  for ((tries = 0; tries < 15; tries++)); do
    sleep 0.2
    if ! systemctl --quiet is-active "$1"; then
      journalctl --unit="$1" --lines=5 --output=cat --no-pager >&2
      die "$1 does not run; mend what it says above (settings: $settings/geard.env), then: systemctl restart $1"
    fi
  done
}
