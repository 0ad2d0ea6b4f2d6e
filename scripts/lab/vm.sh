#!/usr/bin/env bash
# One virtual machine with a kernel of its own: what hosts in namespaces cannot show (limits, out of memory, netem).
#
#   scripts/lab.sh vm run SCRIPT [FILE...]
#       boot it, with copies of SCRIPT and of each FILE (or directory) in /root/job; run SCRIPT there as root, without
#       arguments, under systemd; power off. Its stdout is our stdout, its stderr our stderr, its exit code ours.
#
# Debian 12 as on the lab's hosts, with Debian's cloud kernel and its modules; cgroup v2; no network but loopback.
# The processor is emulated by qemu, and much slower than this one. Nothing that SCRIPT changes is kept.
#
# Exit codes of ours: 2 wrong usage; 69 it cannot be made; 70 the machine ended before SCRIPT did; 77 not root;
# 124 out of time. The log of the last boot is vm-console.log in P2P_LAB_CACHE [default: /var/cache/p2p-lab].
#
# Needs root, the Debian package qemu-system-x86, and what the lab needs. P2P_LAB_VM_SECONDS is the time from power-on
# to power-off [default: 600], P2P_LAB_VM_MEMORY its memory [default: 1G].
set -euo pipefail
shopt -s inherit_errexit
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
self=$here/vm.sh
lab=$here/../lab.sh

cache=${P2P_LAB_CACHE:-/var/cache/p2p-lab}
seconds=${P2P_LAB_VM_SECONDS:-600}
memory=${P2P_LAB_VM_MEMORY:-1G}
console=$cache/vm-console.log
# Of one run: its files, the emulator's process, and those that pass on what the machine says.
state=/var/tmp/p2p-vm.$$ emulator='' readers=''
# Counts up when the recipe of the machine changes.
edition=1
disk=2G
kernel_package=linux-image-cloud-amd64
# What the kernel has to load before it sees disks and ports.
early_modules="virtio_pci virtio_blk virtio_console"

say() { printf 'lab.sh vm: %s\n' "$*" >&2; }
fail() { local code=$1; shift; say "$@"; exit "$code"; }
usage() { sed -n '2,17s/^# \{0,1\}//p' "$self"; }
usage_error() { fail 2 "$*; see lab.sh vm --help"; }

need() {
    [ "$(id -u)" = 0 ] || fail 77 "only root can make the machine"
    local program
    for program in qemu-system-x86_64 mkfs.ext4 apt-get dpkg-deb setpriv; do
        command -v "$program" >/dev/null ||
            fail 69 "$program is missing: apt-get install qemu-system-x86 e2fsprogs util-linux"
    done
}

# The directory with kernel, first file system and disk. Made once; half of it never gets its name.
machine() {
    local tree name log=$cache/vm.log
    tree=$("$lab" base)
    name=$cache/vm-$edition-$(basename "$tree")
    exec 8>"$cache/vm.lock"
    flock 8
    if [ ! -d "$name" ]; then
        say "making the virtual machine, which takes a minute the first time"
        rm -rf "$cache"/vm-[0-9]* "$cache/vm-new"
        mkdir "$cache/vm-new"
        # On the right of a || nothing would stop at the first failure.
        "$self" make "$tree" "$cache/vm-new" >"$log" 2>&1 ||
            { tail -20 "$log" >&2; rm -rf "$cache/vm-new"; fail 69 "the virtual machine could not be made: $log"; }
        mv "$cache/vm-new" "$name"
    fi
    exec 8>&-
    printf '%s\n' "$name"
}

make() {
    local tree=$1 out=$2 version
    download "$out/packages"
    cp -a "$tree" "$out/tree"
    dpkg-deb --fsys-tarfile "$out"/packages/linux-image-*.deb | tar -C "$out/packages" -xf - ./boot ./lib/modules
    dpkg-deb --fsys-tarfile "$out"/packages/busybox-static_*.deb | tar -C "$out/packages" -xf - ./bin/busybox
    version=$(ls "$out/packages/lib/modules")
    "$out/packages/bin/busybox" depmod -b "$out/packages" "$version"
    cp "$out/packages/boot/vmlinuz-$version" "$out/vmlinuz"
    make_initrd "$out/packages" "$version" "$out/initrd"
    furnish "$out/tree" "$out/packages"
    mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 -d "$out/tree" "$out/disk.img" "$disk"
    rm -rf "$out/tree" "$out/packages"
}

# Kernel and busybox as packages; the newest kernel of that name is a dependency of it.
download() {
    local kernel
    kernel=$(apt-cache depends --important "$kernel_package" | sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p')
    if [ -z "$kernel" ]; then
        apt-get update -q
        kernel=$(apt-cache depends --important "$kernel_package" | sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p')
    fi
    mkdir -p "$1"
    # Lists that are days old name packages that are gone.
    (cd "$1" && { apt-get download -q "$kernel" busybox-static || { apt-get update -q && apt-get download -q "$kernel" busybox-static; }; })
}

# The file system that the kernel begins with: it finds the disk, unpacks the job onto it and hands over.
make_initrd() {
    local packages=$1 version=$2 out=$3 root=$1/initrd modules=$1/lib/modules/$2 module
    mkdir -p "$root"/{bin,dev,modules,root}
    cp "$packages/bin/busybox" "$root/bin/busybox"
    for module in $early_modules; do
        # A module, then what it needs, of which the last has to be loaded first.
        awk -F'[: ]+' -v name="/$module.ko" 'substr($1, length($1) - length(name) + 1) == name {
            for (i = NF; i > 0; i--) if ($i) print $i }' "$modules/modules.dep"
    done | awk '!seen[$0]++' | while read -r module; do
        cp "$modules/$module" "$root/modules/"
        basename "$module"
    done >"$root/modules/order"
    cat >"$root/init" <<'INIT'
#!/bin/busybox sh
set -e
b=/bin/busybox
$b mount -t devtmpfs devtmpfs /dev
while read -r module; do $b insmod "/modules/$module"; done </modules/order
until [ -b /dev/vda ] && [ -b /dev/vdb ]; do $b sleep 0.1; done
$b mount -t ext4 /dev/vda /root
$b tar -C /root -xf /dev/vdb
$b mount --move /dev /root/dev
exec $b switch_root /root /sbin/init
INIT
    chmod 755 "$root/init"
    (cd "$root" && find . | "$packages/bin/busybox" cpio -o -H newc | gzip -1) >"$out"
}

# What makes a machine of a host's tree. There is no udev in it: what waits for devices would wait for ever.
furnish() {
    local tree=$1 packages=$2 link
    mkdir -p "$tree/lib/modules"
    cp -a "$packages"/lib/modules/* "$tree/lib/modules/"
    cp "$packages/bin/busybox" "$tree/usr/local/bin/busybox"
    for link in modprobe lsmod rmmod; do
        [ -e "$tree/sbin/$link" ] || ln -s /usr/local/bin/busybox "$tree/sbin/$link"
    done
    printf 'vm\n' >"$tree/etc/hostname"
    printf '127.0.0.1 localhost vm\n' >"$tree/etc/hosts"
    chroot "$tree" systemctl mask systemd-networkd.service systemd-networkd.socket \
        systemd-networkd-wait-online.service ssh.service e2scrub_reap.service getty.target
}

# What the machine finds on its second disk, as an archive: the files, and the service that runs the script.
pack() {
    local out=$1 script=$2 tree=$1/tree name
    shift
    mkdir -p "$tree"/{etc/systemd/system,usr/local/sbin,root/job}
    chmod 700 "$tree/root/job"
    for file in "$@"; do
        name=$(basename "$file")
        [ -e "$file" ] || fail 2 "there is no file $file"
        [ ! -e "$tree/root/job/$name" ] || fail 2 "two files are named $name"
        cp -RL --preserve=mode,timestamps "$file" "$tree/root/job/$name"
    done
    [ -f "$script" ] || fail 2 "$script is not a file"
    name=$(basename "$script")
    chmod u+x "$tree/root/job/$name"
    service >"$tree/etc/systemd/system/lab-job.service"
    runner "$name" >"$tree/usr/local/sbin/lab-job"
    chmod 755 "$tree/usr/local/sbin/lab-job"
    tar -C "$tree" --owner=0 --group=0 -cf "$out/job.tar" etc/systemd/system/lab-job.service usr/local/sbin/lab-job root/job
    rm -rf "$tree"
}

# It starts once everything else has; a process of the script that is ended for want of memory is its own affair.
service() {
    cat <<'UNIT'
[Unit]
Description=Job of the lab
After=multi-user.target

[Service]
Type=exec
Environment=HOME=/root USER=root LANG=C.UTF-8 TERM=dumb SYSTEMD_PAGER=
WorkingDirectory=/root/job
ExecStart=/usr/local/sbin/lab-job
OOMPolicy=continue
UNIT
}

# Ports: 1 is the script's stdout, 2 its stderr, 3 what is reported of it. A port has one opener, hence the pipes.
# What the script has left running may hold the pipes: it is not waited for. The disk is thrown away, so power is cut.
runner() {
    printf '#!/bin/bash\nscript=./%q\n' "$1"
    cat <<'RUNNER'
exec 3>/dev/vport0p3
exec 4> >(exec cat >/dev/vport0p1)
out=$!
exec 5> >(exec cat >/dev/vport0p2)
err=$!
echo started >&3
"$script" </dev/null >&4 2>&5 3>&- 4>&- 5>&-
code=$?
exec 4>&- 5>&-
timeout 5 tail --pid="$out" --pid="$err" -s 0.1 -f /dev/null
echo "ended $code" >&3
systemctl poweroff --force --force
RUNNER
}

cleanup() {
    trap - EXIT
    trap '' TERM INT HUP
    local pid
    # timeout passes it on to the emulator, and waits for it.
    if [ -n "$emulator" ]; then
        kill "$emulator" 2>/dev/null || true
        wait "$emulator" || true
    fi
    for pid in $readers; do kill "$pid" 2>/dev/null || true; done
    wait
    if [ -f "$state/console" ]; then mv "$state/console" "$console"; fi
    rm -rf "$state"
}

# A run that was killed leaves its directory to the next one; its emulator ended with it.
sweep() {
    local dir
    for dir in /var/tmp/p2p-vm.*; do
        if [ -d "$dir" ] && [ ! -d "/proc/${dir##*.}" ]; then rm -rf "$dir"; fi
    done
}

# Runs the machine until it is off. It ends when the process that called it does, however that comes.
emulate() {
    local machine=$1
    TMPDIR=$state exec setpriv --pdeathsig KILL timeout --kill-after=5 "$seconds" setpriv --pdeathsig KILL \
        qemu-system-x86_64 -accel tcg,thread=multi -machine pc -cpu max -smp 2 -m "$memory" \
        -nodefaults -no-user-config -nographic -no-reboot -kernel "$machine/vmlinuz" -initrd "$machine/initrd" \
        -append "console=ttyS0 panic=-1 mitigations=off systemd.default_timeout_start_sec=300 systemd.wants=lab-job.service" \
        -drive "file=$machine/disk.img,format=raw,if=virtio,snapshot=on,cache=unsafe" \
        -drive "file=$state/job.tar,format=raw,if=virtio,readonly=on" \
        -chardev "file,id=console,path=$state/console" -serial chardev:console -device virtio-serial-pci \
        -chardev "file,id=out,path=$state/out" -device virtserialport,nr=1,chardev=out \
        -chardev "file,id=err,path=$state/err" -device virtserialport,nr=2,chardev=err \
        -chardev "file,id=report,path=$state/report" -device virtserialport,nr=3,chardev=report </dev/null
}

run() {
    local machine word value status=0 code=
    machine=$(machine)
    sweep
    trap cleanup EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    mkdir -m 700 "$state"
    pack "$state" "$@"
    mkfifo "$state"/{out,err,report}
    cat "$state/out" &
    readers=$!
    cat "$state/err" >&2 &
    readers+=" $!"
    SECONDS=0
    # With these open in it from the start, readers see its end also when it fails at once.
    emulate "$machine" 4>"$state/out" 5>"$state/err" 6>"$state/report" &
    emulator=$!
    while read -r word value; do
        case $word in
            started) say "the machine is up after $SECONDS s" ;;
            ended) code=$value ;;
        esac
    done <"$state/report"
    wait "$emulator" || status=$?
    emulator=''
    wait
    [ "$status" != 124 ] || fail 124 "out of time: P2P_LAB_VM_SECONDS is $seconds; the log of the boot: $console"
    [ -n "$code" ] || fail 70 "the machine ended before the script did; the log of the boot: $console"
    say "power off after $SECONDS s"
    exit "$code"
}

verb=${1:-}
[ "$#" -gt 0 ] && shift
case $verb in
    --help | -h) usage; exit 0 ;;
    "") usage >&2; exit 2 ;;
    make) make "$@" ;;
    run)
        [ "$#" -ge 1 ] || usage_error "run needs a script"
        [[ $seconds =~ ^[1-9][0-9]{0,5}$ ]] || usage_error "P2P_LAB_VM_SECONDS is a number of seconds, not $seconds"
        need
        run "$@"
        ;;
    *) usage_error "there is no $verb" ;;
esac
