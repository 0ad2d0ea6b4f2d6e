#!/usr/bin/env bash
# A lab: hosts with a systemd, a disk, a network address and a name of their own, on this machine.
#
#   scripts/lab.sh up N | NAME...         N hosts h1 to hN, or hosts of these names; ready when it returns
#   scripts/lab.sh exec HOST CMD [ARG...] run a command in a host, as root, with our stdin and stdout
#   scripts/lab.sh near HOST CMD [ARG...] run a program of this machine in the network of a host
#   scripts/lab.sh push FILE... HOST:DIR  copy files into a host
#   scripts/lab.sh cut A B                nothing passes between A and B; `cut A` cuts A off from everybody
#   scripts/lab.sh loss PCT               every packet is lost with this probability, in each direction
#   scripts/lab.sh heal                   undo every cut and loss
#   scripts/lab.sh freeze|thaw HOST       stop all its processes, and let them go on
#   scripts/lab.sh kill HOST              cut its power: what the disk had not yet is lost; `start HOST` turns it on
#   scripts/lab.sh status                 hosts, addresses, and the state of their systemd
#   scripts/lab.sh down                   end it all; nothing is left
#   scripts/lab.sh base                   print the path of the tree that hosts are made of, made if need be
#   scripts/lab.sh vm run SCRIPT [FILE...]  one virtual machine with a kernel of its own: see `vm --help`
#
# Needs root and the Debian packages systemd-container, debootstrap, nftables and xfsprogs. Hosts reach one another and
# nothing else. P2P_LAB_NAME names the lab [default: lab], P2P_LAB_NET its network [default: 10.86.0],
# P2P_LAB_DISK the size of a host's disk [default: 2G]. With P2P_LAB_OWNER=PID the lab ends when that process does.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
self=$here/lab.sh

lab=${P2P_LAB_NAME:-lab}
net=${P2P_LAB_NET:-10.86.0}
state=/var/tmp/p2p-lab/$lab
cache=${P2P_LAB_CACHE:-/var/cache/p2p-lab}
bridge=p2p-$lab
suite=bookworm
mirror=http://deb.debian.org/debian
# What a small server has: the first lot is debootstrap's, the second apt's, which knows every dependency.
base_packages=systemd,systemd-sysv,dbus,iproute2,procps,openssl,ca-certificates
more_packages="polkitd openssh-server openssh-client nftables sudo tmux faketime less"
# What the lab itself needs.
packages="systemd-container debootstrap nftables iproute2 procps e2fsprogs xfsprogs openssh-client"
disk=${P2P_LAB_DISK:-2G}
# Counts up when the recipe of the tree changes.
base_edition=3
hosts_max=64
boot_seconds=60

fail() { printf 'lab.sh: %s\n' "$*" >&2; exit 1; }
usage() { sed -n '2,22s/^# \{0,1\}//p' "$self"; }
usage_error() { printf 'lab.sh: %s; see lab.sh --help\n' "$*" >&2; exit 2; }

need() {
    [ "$(id -u)" = 0 ] || { echo "lab.sh: only root can make hosts: sudo $0" >&2; exit 77; }
    local program
    for program in systemd-nspawn debootstrap nft ip nsenter mkfs.ext4 xfs_io ssh-keygen; do
        command -v "$program" >/dev/null ||
            { echo "lab.sh: $program is missing: apt-get install $packages" >&2; exit 69; }
    done
}

# The tree that hosts are made of. Made once; half a tree never gets its name.
base() {
    local tree=$cache/base-$suite-$base_edition
    mkdir -p "$cache"
    exec 8>"$cache/lock"
    flock 8
    if [ ! -d "$tree" ]; then
        echo "lab.sh: making the tree of a host, which takes two minutes the first time" >&2
        rm -rf "$cache"/base-* "$cache/new"
        make_base "$cache/new" >"$cache/base.log" 2>&1 || { tail -20 "$cache/base.log" >&2; fail "the tree could not be made: $cache/base.log"; }
        mv "$cache/new" "$tree"
    fi
    exec 8>&-
    printf '%s\n' "$tree"
}

make_base() {
    local tree=$1
    debootstrap --variant=minbase --include="$base_packages" "$suite" "$tree" "$mirror"
    cp /etc/resolv.conf "$tree/etc/resolv.conf"
    # No service starts while packages are put into a tree.
    printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d"
    chmod 755 "$tree/usr/sbin/policy-rc.d"
    # shellcheck disable=SC2086
    chroot "$tree" env DEBIAN_FRONTEND=noninteractive LC_ALL=C \
        apt-get install -y -q --no-install-recommends $more_packages
    rm "$tree/usr/sbin/policy-rc.d"
    chroot "$tree" apt-get clean
    rm -rf "$tree"/var/lib/apt/lists/* "$tree"/usr/share/doc/* "$tree"/etc/ssh/ssh_host_*
    : >"$tree/etc/machine-id"
    rm -f "$tree/var/lib/dbus/machine-id" "$tree/etc/hostname" "$tree/etc/resolv.conf"
    mkdir -p "$tree/var/log/journal" "$tree/root/.ssh"
    chmod 700 "$tree/root/.ssh"
    # One key for all hosts: whoever is root in one of them may log in to the others.
    ssh-keygen -q -t ed25519 -N '' -C lab -f "$tree/root/.ssh/id_ed25519"
    cp "$tree/root/.ssh/id_ed25519.pub" "$tree/root/.ssh/authorized_keys"
    ssh-keygen -q -t ed25519 -N '' -C lab -f "$tree/etc/ssh/ssh_host_ed25519_key"
    printf '* %s\n' "$(cut -d' ' -f1,2 "$tree/etc/ssh/ssh_host_ed25519_key.pub")" >"$tree/root/.ssh/known_hosts"
    chroot "$tree" systemctl enable systemd-networkd.service ssh.service
    chroot "$tree" systemctl disable apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer
    chroot "$tree" systemctl mask systemd-resolved.service console-getty.service getty@.service
}

hosts() { if [ -f "$state/hosts" ]; then cut -d' ' -f1 "$state/hosts"; fi; }
address_of() { awk -v host="$1" '$1 == host { print $2 }' "$state/hosts" 2>/dev/null; }
known() { [ -n "$(address_of "$1")" ] || fail "there is no host $1; there are: $(hosts | tr '\n' ' ')"; }

# The first process of a host; nothing if the host is off.
leader_of() {
    local keeper nspawn
    keeper=$(cat "$state/$1/keeper" 2>/dev/null) || return 1
    nspawn=$(pgrep -P "$keeper" -x systemd-nspawn) || return 1
    pgrep -P "$nspawn" | head -1
}
leader() { leader_of "$1" || fail "the host $1 is off: lab.sh start $1"; }

inside() (
    first=$(leader "$1")
    shift
    # The directory is chosen on the other side: ours is not there.
    cd /
    nsenter -t "$first" -m -u -i -n -p -- env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        HOME=/root USER=root LANG=C.UTF-8 TERM="${TERM:-dumb}" SYSTEMD_PAGER= sh -c 'cd && exec "$@"' sh "$@"
)
network() {
    local first
    first=$(leader "$1")
    shift
    nsenter -t "$first" -n -- "$@"
}

# Runs the host until it is powered off. This is a process of its own in a mount namespace of its own: what it
# mounts nobody else holds, and it is gone with it. nspawn leaves a reboot to whoever started it, and says so by 133.
keep() {
    local host=$1 dir=$state/$1 status
    exec >>"$dir/console.log" 2>&1
    enter_cgroup "$host"
    mount -o loop "$dir/disk.img" "$dir/disk"
    mkdir -p "$dir"/disk/{upper,work}
    mount -t overlay overlay -o "lowerdir=$(cat "$dir/tree"),upperdir=$dir/disk/upper,workdir=$dir/disk/work" "$dir/root"
    furnish "$host"
    while :; do
        status=0
        systemd-nspawn -q -D "$dir/root" -b --register=no --keep-unit --machine="$lab-$host" \
            --hostname="$host" --network-bridge="$bridge" --link-journal=no --resolv-conf=off --timezone=off \
            --console=pipe </dev/null || status=$?
        [ "$status" = 133 ] || exit "$status"
    done
}

# Each host has a cgroup of its own: in a common one the systemd of each would wait for processes of the others.
enter_cgroup() {
    local line path mount
    for line in $(cat /proc/self/cgroup); do
        case $line in
            0::*) mount=$(findmnt -n -o TARGET -t cgroup2 | head -1) ;;
            *:name=systemd:*) mount=$(findmnt -n -o TARGET -t cgroup -O name=systemd | head -1) ;;
            *) continue ;;
        esac
        [ -n "$mount" ] || continue
        path=$mount${line#*:*:}/p2p-$lab-$1
        mkdir -p "$path"
        printf '%s\n' "$path" >>"$state/$1/cgroups"
        echo $$ >"$path/cgroup.procs"
    done
}
leave_cgroup() {
    local path
    while read -r path; do
        find "$path" -depth -type d -exec rmdir {} + 2>/dev/null || true
    done < <(cat "$state/$1/cgroups" 2>/dev/null)
    rm -f "$state/$1/cgroups"
}

# What tells this host from the others. Its own name may have been changed in it since.
furnish() {
    local host=$1 etc=$state/$1/root/etc
    [ ! -e "$etc/systemd/network/10-lab.network" ] || return 0
    printf '%s\n' "$host" >"$etc/hostname"
    { printf '127.0.0.1 localhost\n'; awk '{ print $2, $1 }' "$state/hosts"; } >"$etc/hosts"
    printf '[Match]\nName=host0\n[Network]\nAddress=%s/24\nLinkLocalAddressing=ipv6\nIPv6AcceptRA=no\n' "$(address_of "$host")" \
        >"$etc/systemd/network/10-lab.network"
    # This much is on the disk whatever comes.
    sync -f "$etc"
}

start_host() {
    local host=$1
    if leader_of "$host" >/dev/null; then fail "the host $host is on already"; fi
    setsid unshare --mount "$self" keep "$host" </dev/null >/dev/null 2>&1 9>&- &
    echo $! >"$state/$host/keeper"
    disown
}

make_host() {
    local host=$1 tree=$2 dir=$state/$1
    mkdir -p "$dir"/{disk,root}
    printf '%s\n' "$tree" >"$dir/tree"
    truncate -s "$disk" "$dir/disk.img"
    mkfs.ext4 -q -m 0 "$dir/disk.img"
}

wait_for() {
    local host deadline=$((SECONDS + boot_seconds)) found
    for host in "$@"; do
        while :; do
            found=$(inside "$host" systemctl is-system-running 2>/dev/null || true)
            case $found in running | degraded) break ;; esac
            [ "$SECONDS" -lt "$deadline" ] || fail "the host $host does not come up (${found:-no answer}): $state/$host/console.log"
            sleep 0.1
        done
    done
}

up() {
    local names=("$@") name tree number=10
    if [[ ${names[0]} =~ ^[0-9]+$ ]]; then mapfile -t names < <(seq -f 'h%.0f' "${names[0]}"); fi
    ((${#names[@]} >= 1 && ${#names[@]} <= hosts_max)) || usage_error "up takes 1 to $hosts_max hosts"
    for name in "${names[@]}"; do
        [[ $name =~ ^[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?$ ]] || usage_error "$name: a host's name has 1 to 10 letters, digits and hyphens"
    done
    tree=$(base)
    exec 9>"/var/tmp/p2p-lab.lock"
    flock 9
    [ -e "$state" ] && { echo "lab.sh: ending what an earlier run left" >&2; down; }
    mkdir -p "$state"
    # Whatever fails from here on leaves nothing.
    trap 'down' EXIT
    for name in "${names[@]}"; do printf '%s %s.%s\n' "$name" "$net" "$((number++))"; done >"$state/hosts"
    ip link add "$bridge" type bridge
    ip address add "$net.1/24" dev "$bridge"
    ip link set "$bridge" up
    # Beside a Docker engine bridged packets would pass its rules, which drop them.
    if [ "$(cat /proc/sys/net/bridge/bridge-nf-call-iptables 2>/dev/null)" = 1 ]; then
        echo 1 >"$state/nf-call"
        echo 0 >/proc/sys/net/bridge/bridge-nf-call-iptables
    fi
    for name in "${names[@]}"; do
        make_host "$name" "$tree"
        start_host "$name"
    done
    wait_for "${names[@]}"
    trap - EXIT
    if [ -n "${P2P_LAB_OWNER:-}" ]; then
        setsid "$self" guard "$P2P_LAB_OWNER" </dev/null >/dev/null 2>&1 9>&- &
        echo $! >"$state/guard"
        disown
    fi
    exec 9>&-
}

# Ends the lab after the process that it was made for, however that ended.
guard() {
    tail --pid="$1" -f /dev/null
    rm -f "$state/guard"
    down
}

# Ends the host at once. From the first line on nothing reaches its disk any more, not even its journal.
cut_power() {
    local keeper
    keeper=$(cat "$state/$1/keeper" 2>/dev/null) || return 0
    nsenter -t "$keeper" -m xfs_io -x -c shutdown "$state/$1/disk" || true
    end_host "$1"
}
end_host() {
    local host=$1 keeper nspawn first
    keeper=$(cat "$state/$host/keeper" 2>/dev/null) || return 0
    nspawn=$(pgrep -P "$keeper" -x systemd-nspawn || true)
    first=$(leader_of "$host" || true)
    # The processes of a namespace are gone when its first one is, and the keeper ends when nspawn does.
    for pid in $first $nspawn; do kill -9 "$pid" 2>/dev/null || true; done
    [ -n "$nspawn" ] || kill "$keeper" 2>/dev/null || true
    for pid in $first $nspawn $keeper; do while [ -d "/proc/$pid" ] && ! is_dead "$pid"; do sleep 0.02; done; done
    rm -f "$state/$host/keeper"
    leave_cgroup "$host"
    # A killed nspawn leaves its end of the cable.
    ip link delete "vb-$lab-$host" 2>/dev/null || true
}
is_dead() { grep -q '^State:[[:space:]]*[ZX]' "/proc/$1/status" 2>/dev/null; }

down() {
    local host
    trap - EXIT
    if [ -f "$state/guard" ]; then pkill -P "$(cat "$state/guard")" tail || true; kill "$(cat "$state/guard")" 2>/dev/null || true; fi
    for host in $(hosts); do
        end_host "$host"
    done
    ip link delete "$bridge" 2>/dev/null || true
    if [ -f "$state/nf-call" ]; then echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables; fi
    rm -rf --one-file-system "$state"
    rmdir /var/tmp/p2p-lab 2>/dev/null || true
    rm -f /var/tmp/p2p-lab.lock
    for host in /run/systemd/nspawn /run/systemd/nspawn/*; do rmdir "$host" 2>/dev/null || true; done
}

hardware_address() { inside "$1" cat /sys/class/net/host0/address; }

# Adds a rule at the place where packets enter the host.
drop_at() {
    local host=$1
    shift
    network "$host" nft "add table inet p2p_lab; add chain inet p2p_lab enter { type filter hook prerouting priority -300; }; add rule inet p2p_lab enter iif != lo $* drop"
}

cut_off() {
    local a=$1 others other
    shift
    others=("$@")
    [ "$#" -gt 0 ] || mapfile -t others < <(hosts | grep -vx -- "$a")
    for other in "${others[@]}"; do
        drop_at "$a" ether saddr "$(hardware_address "$other")"
        drop_at "$other" ether saddr "$(hardware_address "$a")"
    done
}

each_running() {
    local host
    for host in $(hosts); do
        if leader_of "$host" >/dev/null; then "$@" "$host"; fi
    done
}
lose() { drop_at "$2" numgen random mod 1000 '<' "$(awk -v percent="$1" 'BEGIN { printf "%.0f", percent * 10 }')"; }
heal_host() { network "$1" nft delete table inet p2p_lab 2>/dev/null || true; }

# Every process of the host, by the namespace of process ids that it lives in.
processes_of() {
    local space pid
    space=$(readlink "/proc/$(leader "$1")/ns/pid")
    for pid in /proc/[0-9]*; do
        if [ "$(readlink "$pid/ns/pid" 2>/dev/null)" = "$space" ]; then printf '%s\n' "${pid#/proc/}"; fi
    done
}
signal_all() { processes_of "$2" | xargs -r kill "-$1" 2>/dev/null || true; }

status() {
    local host
    for host in $(hosts); do
        printf '%-10s %-15s %s\n' "$host" "$(address_of "$host")" \
            "$(if leader_of "$host" >/dev/null; then inside "$host" systemctl is-system-running || true; else echo off; fi)"
    done
}

push() {
    local target=${*: -1} host dir file
    host=${target%%:*} dir=${target#*:}
    [[ $# -ge 2 && $target == *:* ]] || usage_error "push takes FILE... HOST:DIR"
    known "$host"
    for file in "${@:1:$#-1}"; do
        # shellcheck disable=SC2016
        tar -C "$(dirname "$file")" -cf - "$(basename "$file")" | inside "$host" sh -c 'mkdir -p "$1" && tar -xf - --no-same-owner -C "$1"' sh "$dir"
    done
}

verb=${1:-}
[ "$#" -gt 0 ] && shift
case $verb in
    --help | -h) usage; exit 0 ;;
    "") usage >&2; exit 2 ;;
    vm) exec "$here/lab/vm.sh" "$@" ;;
esac
need
case $verb in
    base) base ;;
    up) [ "$#" -ge 1 ] || usage_error "up needs a number or names"; up "$@" ;;
    keep) keep "$1" ;;
    guard) guard "$1" ;;
    exec) [ "$#" -ge 2 ] || usage_error "exec needs a host and a command"; known "$1"; inside "$@" ;;
    near) [ "$#" -ge 2 ] || usage_error "near needs a host and a command"; known "$1"; network "$@" ;;
    push) push "$@" ;;
    cut) [ "$#" -ge 1 ] || usage_error "cut needs a host"; for host in "$@"; do known "$host"; done; cut_off "$@" ;;
    loss) [[ ${1:-} =~ ^[0-9]+(\.[0-9])?$ ]] || usage_error "loss needs a percentage"; each_running lose "$1" ;;
    heal) each_running heal_host ;;
    freeze | thaw) known "$1"; signal_all "$([ "$verb" = freeze ] && echo STOP || echo CONT)" "$1" ;;
    kill) known "$1"; cut_power "$1" ;;
    start) known "$1"; start_host "$1"; wait_for "$1" ;;
    status) status ;;
    down) down ;;
    *) usage_error "there is no $verb" ;;
esac
