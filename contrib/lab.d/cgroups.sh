# shellcheck shell=bash
# Each host has a cgroup of its own in every hierarchy, which is the root of what it sees. GEARD_LAB_CGROUP=v2 makes a
# machine with both kinds behave as one that has cgroup v2 only.

# Prints "TYPE PATH" for every hierarchy a host is to have.
hierarchies() {
  awk -v only="${GEARD_LAB_CGROUP:-}" '($3 == "cgroup" && only != "v2") || $3 == "cgroup2" { print $3, $2 }' /proc/self/mounts
}

# enter_cgroups HOST: moves this process into the host's cgroups, made for it
enter_cgroups() {
  local type path controller
  while read -r type path; do
    mkdir -p "$path/$name/$1"
    if [ "$type" = cgroup2 ]; then
      for controller in $(cat "$path/cgroup.controllers"); do
        echo "+$controller" >"$path/cgroup.subtree_control" 2>/dev/null || true
        echo "+$controller" >"$path/$name/cgroup.subtree_control" 2>/dev/null || true
      done
    elif [ -e "$path/cpuset.cpus" ]; then
      # A new cpuset is empty and takes no process.
      local level
      for level in "$name" "$name/$1"; do
        cat "$path/cpuset.cpus" >"$path/$level/cpuset.cpus"
        cat "$path/cpuset.mems" >"$path/$level/cpuset.mems"
      done
    fi
    echo $BASHPID >"$path/$name/$1/cgroup.procs"
  done < <(hierarchies)
}

# remove_cgroups [HOST]: removes the cgroups of a host, or of the whole lab. What was killed a moment ago may still
# be in one of them, so that it takes more than one try.
remove_cgroups() {
  local path tries left
  for ((tries = 0; tries < 100; tries++)); do
    left=no
    while read -r _ path; do
      [ -d "$path/$name/${1:-}" ] || continue
      find "$path/$name/${1:-}" -depth -type d -exec rmdir {} + 2>/dev/null || left=yes
    done < <(GEARD_LAB_CGROUP='' hierarchies)
    [ $left = yes ] || return 0
    sleep 0.05
  done
}
