#!/usr/bin/env bash
# Becomes a host's systemd. Runs as the first process in the host's own namespaces; everything installed on this
# machine is there on the host, what the host writes goes to its own layer.
# usage: init.sh HOST PLACE DISKS PROJECT
set -e
host=$1 place=$2 disks=$3 project=$4 root=$2/root

mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=/,upperdir=$place/up,workdir=$place/wk" "$root"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"

# The hierarchies of this machine, each seen from the host's own cgroup.
if [ "${GEARD_LAB_CGROUP:-}" = v2 ] || [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]; then
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
else
  mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
  mounts=$(cat /proc/self/mounts)
  while read -r _ mounted type options _; do
    case $type in
    cgroup2) target=unified options= ;;
    cgroup)
      target=$(basename "$mounted")
      options=$(tr , '\n' <<<"$options" | grep -E '^(name=|blkio$|cpu$|cpuacct$|cpuset$|devices$|freezer$|hugetlb$|memory$|net_cls$|net_prio$|perf_event$|pids$|rdma$)' | paste -sd,)
      case $options in name=*) options=none,$options ;; esac
      ;;
    *) continue ;;
    esac
    mkdir -p "$root/sys/fs/cgroup/$target"
    mount -t "$type" ${options:+-o "$options"} "$type" "$root/sys/fs/cgroup/$target"
  done <<<"$mounts"
fi

# dockerd cannot build its own overlays upon an overlay.
for directory in docker containerd; do
  mkdir -p "$root/var/lib/$directory"
  mount --bind "$disks/$directory" "$root/var/lib/$directory"
done

# The project and what runs it, also where they lie below a directory that is fresh on the host.
for needed in "$project" "$(dirname "$(readlink -f "$(command -v node)")")"; do
  mkdir -p "$root$needed"
  mount --bind "$needed" "$root$needed"
done

# Disks of the lab's user: every directory below GEARD_LAB_MOUNTS/HOST is bound to the path that its name encodes.
if [ -d "${GEARD_LAB_MOUNTS:-}/$host" ]; then
  for directory in "$GEARD_LAB_MOUNTS/$host"/*/; do
    target=$(systemd-escape --unescape --path "$(basename "$directory")")
    mkdir -p "$root$target"
    # A disk that is new begins as what it covers.
    [ -n "$(ls -A "$directory")" ] || cp -a "$root$target/." "$directory"
    mount --bind "$directory" "$root$target"
  done
fi

# What only disturbs, or would begin by itself what the lab's user wants to begin.
for unit in getty.target getty@tty1.service serial-getty@ttyS0.service apt-daily.timer apt-daily-upgrade.timer \
  redis-server.service postgresql.service docker-registry.service systemd-timesyncd.service \
  systemd-tmpfiles-clean.timer systemd-networkd-wait-online.service e2scrub_all.timer fstrim.timer; do
  ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
# /tmp is fresh anyway, and the project may lie in it.
mkdir -p "$root/etc/tmpfiles.d"
ln -sf /dev/null "$root/etc/tmpfiles.d/tmp.conf"

# systemd runs every generator of the machine at each reload, and none has anything to do here: reloads take a fifth of the time.
mkdir -p "$root/etc/systemd/system-generators"
for generator in /usr/lib/systemd/system-generators/*; do
  ln -sf /dev/null "$root/etc/systemd/system-generators/${generator##*/}"
done
: >"$root/etc/fstab"

# dockerd starts itself anew three times for each container, and half of such a start is garbage collection.
mkdir -p "$root/etc/systemd/system.conf.d"
printf '[Manager]\nDefaultEnvironment=GOGC=400\n' >"$root/etc/systemd/system.conf.d/go.conf"

# The rules that keep gears apart, as contrib/install.sh puts them on a host.
. "$project/contrib/install.d/network.sh"
while read -r mode from to; do install -D -m "$mode" "$from" "$root$to"; done < <(network_files "$project/contrib")
systemctl --root="$root" --quiet enable "$network_service"

hostname "$host"
echo "$host" >"$root/etc/hostname"
printf '127.0.0.1 localhost\n::1 localhost\n127.0.1.1 %s\n' "$host" >"$root/etc/hosts"
ip link set lo up
cd "$root"
mkdir -p .old
pivot_root . .old
cd /
umount -l /.old
export container=lab
exec /lib/systemd/systemd --system --log-target=journal --log-level=info --show-status=false
