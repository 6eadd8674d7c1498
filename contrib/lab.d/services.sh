# shellcheck shell=bash
# One Redis and one api for all hosts, beside the switch; a worker on each host.

redis_options='--redis redis://10.77.0.254:6379 --insecure-redis' # nobody but the lab reaches the switch
api_address=127.0.0.1:2223

start_services() {
  [ -e "$project/dist/cli/main.js" ] || die 'the program is not built yet; run "npm ci && npm run build" in the project first'
  start_beside redis redis-server --bind 10.77.0.254 --protected-mode no --port 6379 --dir "$lab" \
    --appendonly yes --maxmemory-policy noeviction --save '' --loglevel warning
  local i
  for ((i = 1; i <= $1; i++)); do start_worker "h$i"; done
  start_beside api node "$project/bin/gear" api --listen $api_address $redis_options --test-token
  if ! alive "$lab/forward.pid" >/dev/null; then
    begin "$lab/forward.pid" exec node "$parts/forward.mjs" "$(alive "$lab/api.pid")" "$lab/forward.sock" --only 2223 \
      </dev/null >"$lab/forward.log" 2>&1
  fi
  wait_for_api
}

# start_beside NAME COMMAND…: a program in the switch's network namespace
start_beside() {
  local service=$1
  shift
  if alive "$lab/$service.pid" >/dev/null; then
    say "$service: is up already"
    return
  fi
  begin "$lab/$service.pid" exec ip netns exec "$switch" setsid "$@" </dev/null >"$lab/$service.log" 2>&1
  say "$service: started"
}

start_worker() {
  local pid
  pid=$(host_pid "$1")
  if nsenter -t "$pid" -a systemctl --quiet is-active geard-worker.service; then
    say "$1: its worker is up already"
    return
  fi
  nsenter -t "$pid" -a tee /etc/systemd/system/geard-worker.service >/dev/null <<END
[Unit]
Description=geard worker
After=docker.service dbus.service
[Service]
ExecStart=$(command -v node) $project/bin/gear worker --host $1 $redis_options --test-token
Restart=on-failure
RestartSec=1
KillMode=mixed
[Install]
WantedBy=multi-user.target
END
  nsenter -t "$pid" -a systemctl --quiet enable geard-worker.service
  nsenter -t "$pid" -a systemctl start geard-worker.service
  say "$1: its worker is started"
}

wait_for_api() {
  local tries
  for ((tries = 0; tries < 300; tries++)); do
    if curl -fsS http://$api_address/readyz >/dev/null 2>&1; then
      say "the api answers: http://$api_address/token/__test__/hosts"
      return
    fi
    alive "$lab/api.pid" >/dev/null || break
    sleep 0.1
  done
  tail -n 20 "$lab/api.log" "$lab/forward.log" >&2
  die 'the api does not answer'
}
