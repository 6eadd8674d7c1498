# shellcheck shell=bash
# Units, directories, users, settings, keys; what runs and what is to run.

lib=/usr/local/lib
services=(geard.service geard-redis.service geard-api.service geard-worker.service)
unit_files=("${services[@]}" gear.target gear.slice gear-small.slice)
users=(geard-api geard-redis)

service_of() { if [ "$1" = daemon ]; then echo geard.service; else echo "geard-$1.service"; fi; }
wanted() { [[ " ${roles[*]} " == *" $1 "* ]]; }
enabled() { systemctl --quiet is-enabled "$1" 2>/dev/null; }

choose_roles() {
  local role
  for role in daemon redis api worker; do ! enabled "$(service_of "$role")" || roles+=("$role"); done
  [ ${#roles[@]} -gt 0 ] || roles=(redis api worker)
}

# The daemon is api and worker: on one host there is either it or they.
check_roles() {
  local other others=(geard.service)
  [ "${roles[0]}" != daemon ] || others=(geard-redis.service geard-api.service geard-worker.service)
  for other in "${others[@]}"; do
    ! enabled "$other" || die "this host runs $other, which ${roles[*]} cannot run beside; first: systemctl disable --now $other"
  done
}

look_for_what_gears_need() {
  ! wanted redis || command -v redis-server >/dev/null ||
    die 'redis-server is missing; install 7.0 or later (Debian: redis-server), or bring a Redis and install api and worker'
  wanted worker || wanted daemon || return 0
  [ -x /usr/bin/docker ] || say 'note: /usr/bin/docker is missing; gears need it (Debian: docker.io)'
  command -v nft >/dev/null || say 'note: nft is missing; without it gears can reach this host and its network (Debian: nftables)'
  command -v git >/dev/null || say 'note: git is missing; repositories need it (Debian: git)'
  ! wanted daemon || command -v valkey-server redis-server >/dev/null ||
    say 'note: redis-server is missing; the daemon needs it unless GEARD_REDIS_URL names one (Debian: redis-server)'
}

# put MODE FROM TO: installs a file where it is not there or another one
put() {
  cmp -s "$2" "$3" && return
  note_change
  install -D -m "$1" "$2" "$3.new"
  mv "$3.new" "$3"
  say "installed: $3"
}

install_units() {
  local unit from=$versions/current/contrib
  for unit in "${unit_files[@]}"; do
    put 644 "$from/systemd/$unit" "$lib/systemd/system/$unit"
    [ ! -e "/etc/systemd/system/$unit" ] || say "note: /etc/systemd/system/$unit goes before ours; remove it if that is not meant"
  done
  put 644 "$from/systemd/sysusers.conf" $lib/sysusers.d/geard.conf
  put 644 "$from/systemd/tmpfiles.conf" $lib/tmpfiles.d/geard.conf
  systemd-sysusers geard.conf
  systemd-tmpfiles --create geard.conf
  [ -e "$settings/geard.env" ] || put 600 "$from/systemd/geard.env" "$settings/geard.env"
  systemctl daemon-reload
}

socket=unix:/run/geard-redis/redis.sock
acl=$settings/redis/users.acl
# Not all of the files need to be there.
names_another_redis() {
  { grep -hs '^GEARD_REDIS_URL=.' "$settings"/{geard,api,worker}.env || true; } | grep -qvxF "GEARD_REDIS_URL=$socket"
}

makes_redis() { wanted redis && [ ! -e "$acl" ]; }

# Before the first change.
check_redis() {
  ! makes_redis || ! names_another_redis ||
    die "the settings in $settings name a Redis already; say api, worker or both, without redis"
}

# Users of the host's Redis for api and worker, each with a password in a file that only it reads. What is made last tells that
# all of it is there.
make_redis() {
  local host user
  makes_redis || return 0
  host=$(host_name)
  (
    umask 077
    new_password >"$settings/redis/admin.password"
    new_password >"$settings/api/redis.password"
    new_password >"$settings/redis.password"
    redis_settings geard-api "$settings/api/redis.password" >>"$settings/api.env"
    grep -qs '^GEARD_HOST=' "$settings"/{geard,worker}.env || echo "GEARD_HOST=$host" >>"$settings/worker.env"
    {
      # Not `default off`: by that user's rights Redis loads its own append-only file.
      "$link" redis-acl admin --password-file "$settings/redis/admin.password"
      "$link" redis-acl api --password-file "$settings/api/redis.password"
      "$link" redis-acl worker --host "$host" --password-file "$settings/redis.password"
    } >"$acl.new"
    user=$(sed -n '$s/^user \([^ ]*\) .*/\1/p' "$acl.new") # The worker's, for a host named api not geard-$host.
    [ -n "$user" ] || die "gear redis-acl worker has not printed a user"
    redis_settings "$user" "$settings/redis.password" >>"$settings/worker.env"
    mv "$acl.new" "$acl"
  )
  systemd-tmpfiles --create geard.conf
  say "redis: its users are in $acl; its address is in $settings/api.env and worker.env"
}

new_password() { head -c 32 /dev/urandom | od -An -vtx1 | tr -d ' \n'; }
redis_settings() {
  printf '%s\n' "GEARD_REDIS_URL=$socket" "GEARD_REDIS_USER=$1" "GEARD_REDIS_PASSWORD_FILE=$2"
}

# The name of this host in the fleet as the worker takes it, which its rights in Redis are for.
host_name() {
  local name
  name=$(sed -n 's/^GEARD_HOST=//p' "$settings"/{geard,worker}.env 2>/dev/null | tail -n 1)
  [ -n "$name" ] || name=$(uname -n | tr '[:upper:]' '[:lower:]' | cut -d. -f1 | tr -c 'a-z0-9\n-' - | sed 's/^-*//' | cut -c1-63)
  echo "${name:-localhost}"
}

keys_of() { if [ "$1" = api ]; then echo "$settings/api/keys"; else echo "$settings/keys"; fi; }
# A copy that was interrupted does not count (copy_keys).
has_keys() {
  local keys
  keys=$(keys_of "$1")
  compgen -G "$keys/*.daemon.key" >/dev/null && compgen -G "$keys/*.issuer.pub" >/dev/null && ! compgen -G "$keys/*.copy" >/dev/null
}
has_own_ideas() { grep -qsE '^GEARD_(KEYS|TEST_TOKEN)=' "$settings/geard.env" "$settings/$1.env"; }

has_what_it_needs() { [ "$1" = redis ] || has_keys "$1" || has_own_ideas "$1"; }

# A host by itself is a fleet of its own. In a larger one keys are made once and brought here.
make_keys() {
  wanted daemon || wanted redis || return 0
  give_keys
  remove_copied_keys
}

# All roles of a host have the same keys: those that one of them has already, or else new ones. Redis needs none.
give_keys() {
  local role from='' own_ideas=no lacking=()
  for role in api worker daemon; do
    if has_own_ideas "$role"; then
      own_ideas=yes
    elif has_keys "$role"; then
      from=$(keys_of "$role")
    elif wanted "$role"; then
      lacking+=("$role")
    fi
  done
  [ ${#lacking[@]} -gt 0 ] || return 0
  if [ -z "$from" ]; then
    [ $own_ideas = no ] || return 0
    make_new_keys
    from=$issuer
  fi
  for role in "${lacking[@]}"; do
    copy_keys "$from" "$(keys_of "$role")"
    say "keys: $(keys_of "$role") has those of $from"
  done
  systemd-tmpfiles --create geard.conf
  [ -d "$issuer" ] || return 0
  say "keys: $issuer makes tokens, and whoever has it may allow everything: take it to the machine where"
  say '      tokens are made, and remove it here (docs/tokens.md)'
}

# The keys are complete once the private half for the services is there: it comes last. Those that an interrupted run has not
# given to any role yet are taken.
make_new_keys() {
  local new=$issuer/.new end complete=yes
  for end in {issuer,daemon}.{key,pub}; do compgen -G "$issuer/*.$end" >/dev/null || complete=no; done
  [ $complete = no ] || return 0
  install -d -m 700 "$issuer"
  rm -rf "$new"
  "$link" token keygen "$new" >/dev/null
  mv "$new"/*.issuer.* "$new"/*.daemon.pub "$issuer"
  mv "$new"/*.daemon.key "$issuer"
}

# copy_keys FROM TO: the files *.copy are there until all are copied
copy_keys() {
  local file
  for file in "$1"/*.daemon.key "$1"/*.issuer.pub; do install -m 600 "$file" "$2/${file##*/}.copy"; done
  for file in "$1"/*.daemon.key "$1"/*.issuer.pub; do mv "$2/${file##*/}.copy" "$2/${file##*/}"; done
  rm -f "$2"/*.copy
}

# is_copied FILE: whether every role here that has keys has this one, and there is such a role
is_copied() {
  local role keys copied=no
  for role in api worker; do
    keys=$(keys_of "$role")
    compgen -G "$keys/*.daemon.key" >/dev/null || continue
    cmp -s "$1" "$keys/${1##*/}" || return 1
    copied=yes
  done
  [ $copied = yes ]
}

# Who makes tokens does not need what opens them. A new key that was made there and is not copied yet stays.
remove_copied_keys() {
  local file
  rm -rf "$issuer/.new"
  for file in "$issuer"/*.daemon.key; do
    ! is_copied "$file" || rm -f "$file"
  done
}

restart_running() {
  local service names=()
  [ $changed = yes ] || return 0
  for service in "${services[@]}"; do
    [ "$service" != geard-redis.service ] || continue # Nothing of ours is in it.
    systemctl --quiet is-active "$service" || continue
    systemctl restart "$service" || true
    names+=("$service")
  done
  keeps_running 'restarted' "${names[@]}"
}

tell_how_to_start() {
  local role names=()
  for role in "${roles[@]}"; do
    ! enabled "$(service_of "$role")" || continue
    names+=("$(service_of "$role")")
    has_what_it_needs "$role" || say "keys: copy *.issuer.pub and *.daemon.key into $(keys_of "$role")"
  done
  say "settings: $settings/geard.env"
  [ ${#names[@]} -eq 0 ] || say "to start it: systemctl enable --now gear.target ${names[*]}"
}

start_roles() {
  local role service names=()
  for role in "${roles[@]}"; do
    has_what_it_needs "$role" ||
      die "installed, but not started: there are no keys. Copy *.issuer.pub and *.daemon.key into $(keys_of "$role") and run this again"
  done
  for role in "${roles[@]}"; do
    service=$(service_of "$role")
    systemctl enable --quiet gear.target "$service"
    systemctl start gear.target "$service" || true
    names+=("$service")
  done
  keeps_running 'runs, now and after every boot' "${names[@]}"
}

# keeps_running WORDS SERVICE…: a service that cannot run ends within three seconds. All are watched for that time together.
keeps_running() {
  local words=$1 tries service
  shift
  for ((tries = 0; tries < 15 && $# > 0; tries++)); do
    sleep 0.2
    for service in "$@"; do
      if ! systemctl --quiet is-active "$service"; then
        journalctl --unit="$service" --lines=5 --output=cat --no-pager >&2
        die "$service does not run; mend what it says above (settings: $settings/geard.env), then: systemctl restart $service"
      fi
    done
  done
  for service in "$@"; do say "$words: $service"; done
}
