#!/usr/bin/env bash
# Makes this machine a node of the mesh: program, service, certificates. Debian 12, Ubuntu 24.04, or newer.
#
#   install.sh --bundle NAME.tar             install or upgrade, put the bundle of `p2p-ca bundle node NAME` in
#                                            place, start, and say whether the node is in the mesh
#   install.sh                               upgrade only
#   install.sh --uninstall [--purge]         stop and remove the program; --purge also deletes certificates,
#                                            configuration and state
#
#   --package FILE.deb                       the package [default: the newest p2p-node_*.deb beside this script, in
#                                            the working directory, or in target/debian of the checkout]
#   --profile full|restricted                with root's rights, or as a user of its own [default: as it is]
#   --replace                                the bundle may be of another node than the certificate in place
#
# May be repeated, and repeated after it was interrupted. It changes nothing before the bundle has been judged.
# Exit codes: 0 ok, 1 failed, 2 usage, 65 bad bundle, 69 not such a machine, 77 not root.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

say() { printf 'install.sh: %s\n' "$*" >&2; }
die() {
    local status=$1
    shift
    say "$*"
    exit "$status"
}

bundle='' package='' profile='' uninstall=no purge=no replace=()
while [ "$#" -gt 0 ]; do
    case $1 in
        --bundle | --package | --profile)
            [ "$#" -ge 2 ] || die 2 "$1 needs a value; see --help"
            declare "${1#--}=$2"
            shift
            ;;
        --uninstall) uninstall=yes ;;
        --purge) purge=yes ;;
        --replace) replace=(--replace) ;;
        --help | -h)
            sed -n '2,18s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
            exit 0
            ;;
        *) die 2 "unknown argument $1; see --help" ;;
    esac
    shift
done
case $profile in '' | full | restricted) ;; *) die 2 "--profile is full or restricted, not $profile" ;; esac
if [ "$purge" = yes ] && [ "$uninstall" = no ]; then die 2 "--purge goes with --uninstall"; fi
if [ "$uninstall" = yes ] && [ -n "$bundle$package$profile" ]; then die 2 "--uninstall goes with --purge alone"; fi

[ "$(id -u)" = 0 ] || die 77 "only root can install a service: sudo $0"
command -v dpkg >/dev/null || die 69 "this is no Debian or Ubuntu: there is no dpkg; put p2p-node into /usr/bin and see node/packaging/systemd"
[ -d /run/systemd/system ] || die 69 "systemd does not run on this machine: start \`p2p-node run\` with whatever starts its services"

# One at a time.
exec 9>/run/p2p-install.lock
flock -n 9 || die 69 "another install.sh runs on this machine: wait for it"
export DEBIAN_FRONTEND=noninteractive
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

dropin=/etc/systemd/system/p2p-node.service.d/restricted.conf
pki=/etc/p2p-admin/pki

# Version of the package that is installed whole, or nothing.
dpkg_says() { dpkg-query -W -f "$1" p2p-node 2>/dev/null || true; }
installed_version() { dpkg_says '${db:Status-Status} ${Version}' | sed -n 's/^installed //p'; }

if [ "$uninstall" = yes ]; then
    case $(dpkg_says '${db:Status-Status}') in
        '' | not-installed) say "p2p-node is not installed"; exit 0 ;;
        config-files) [ "$purge" = yes ] || { say "p2p-node is removed already; --purge deletes its data"; exit 0; } ;;
    esac
    if [ "$purge" = yes ]; then
        dpkg --purge p2p-node
        say "p2p-node is gone, with its certificates, configuration and state"
    else
        dpkg --remove p2p-node
        say "p2p-node is removed; /etc/p2p-admin and /var/lib/p2p-admin stay: --purge deletes them"
    fi
    exit 0
fi

newest_package() {
    local arch place found
    arch=$(dpkg --print-architecture)
    for place in "$here" "$PWD" "$here/../target/debian"; do
        found=$(find "$place" -maxdepth 1 -name "p2p-node_*_$arch.deb" 2>/dev/null | sort -V | tail -1 || true)
        if [ -n "$found" ]; then
            printf '%s\n' "$found"
            return
        fi
    done
}
[ -n "$package" ] || package=$(newest_package)
installed=$(installed_version)
if [ -n "$package" ]; then
    [ -f "$package" ] || die 1 "$package: there is no such file"
    [ "$(dpkg-deb -f "$package" Package 2>/dev/null)" = p2p-node ] ||
        die 1 "$package: it is no package of p2p-node: copy it again"
    version=$(dpkg-deb -f "$package" Version)
    if [ -n "$installed" ] && dpkg --compare-versions "$installed" gt "$version"; then
        die 1 "p2p-node $installed is installed and newer than $version of $package: \`dpkg -i\` goes back if you must"
    fi
    # The bundle is judged by the program that is to run with it, before that is installed.
    dpkg-deb --fsys-tarfile "$package" | tar -C "$work" -xf - ./usr/bin/p2p-node 2>/dev/null ||
        die 1 "$package: it cannot be unpacked: is /tmp full, or was it copied in part?"
    program=$work/usr/bin/p2p-node
elif [ -n "$installed" ]; then
    version=$installed
    program=/usr/bin/p2p-node
else
    die 1 "there is no package p2p-node_*_$(dpkg --print-architecture).deb beside this script: make one with scripts/package.sh, or give --package"
fi

if [ -n "$bundle" ]; then
    "$program" import "${replace[@]}" "$bundle" || exit
elif [ ! -e "$pki/node.crt" ]; then
    die 2 "this machine has no certificate yet: --bundle NAME.tar, made by \`p2p-ca bundle node NAME\`"
fi
case $profile in
    restricted)
        # From the package: the installed one may be older.
        if [ -n "$package" ]; then
            dpkg-deb --fsys-tarfile "$package" | tar -C "$work" -xf - ./usr/share/p2p-admin/restricted.conf
        else
            install -D /usr/share/p2p-admin/restricted.conf "$work/usr/share/p2p-admin/restricted.conf"
        fi
        install -D -m 644 "$work/usr/share/p2p-admin/restricted.conf" "$dropin"
        ;;
    full)
        rm -f "$dropin"
        rmdir "$(dirname "$dropin")" 2>/dev/null || true
        ;;
esac

# Whether the node runs since before its certificate was put in place, perhaps by a run that was interrupted.
is_stale() {
    local started
    started=$(systemctl show -P ExecMainStartTimestamp --timestamp=us p2p-node)
    [ -n "$started" ] && [ "$(date -d "$started" +%s%N)" -lt "$(date -r "$pki/node.crt" +%s%N)" ]
}

if [ "$installed" != "$version" ]; then
    # An interrupted run may have left it unpacked and not configured: dpkg then goes on from there. The package
    # starts the node, or starts it anew. A changed node.toml stays as it is.
    dpkg --force-confdef --force-confold -i "$package" || die 1 "the package is not installed whole; what ran before still runs. Mend what dpkg says, then run this again"
elif [ -n "$profile" ] || is_stale; then
    systemctl daemon-reload
    systemctl restart p2p-node.service || true
fi
# An upgrade leaves alone what an administrator has stopped.
if [ -n "$bundle" ] || [ -z "$installed" ]; then
    systemctl enable --quiet p2p-node.service
    systemctl start p2p-node.service || true
elif ! systemctl --quiet is-enabled p2p-node && ! systemctl --quiet is-active p2p-node; then
    say "p2p-node $version is installed; its service was stopped and disabled, and stays so"
    exit 0
fi
if ! systemctl --quiet is-active p2p-node; then
    say "p2p-node $version is installed and does not start:"
    journalctl -u p2p-node -n 20 --no-pager -o cat >&2 || true
    p2p-node doctor >&2 || true
    exit 1
fi
say "p2p-node $version runs"
p2p-node doctor >&2 || say "it runs, and doctor found what is to be mended: see above"
