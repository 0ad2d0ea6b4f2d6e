#!/usr/bin/env bash
# Everything that must hold before a change lands: format, lints, tests, documentation.
#
#   scripts/check.sh                 all of it
#   scripts/check.sh --unit          library tests only
#   scripts/check.sh --integration   the tests of whole nodes and of the simulated world only
#   scripts/check.sh --coverage      line coverage of the tests (needs cargo-llvm-cov)
#   scripts/check.sh --lab           the packages, and the tests on hosts with a systemd of their own (root, Debian)
#   scripts/check.sh --ci            all of it, then --lab
#   scripts/check.sh --full          the same, with what takes minutes more
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() { sed -n '2,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

step() {
    local started=$SECONDS
    printf '== %s\n' "$*"
    "$@"
    printf '   %s s\n' "$((SECONDS - started))"
}

export INSTA_UPDATE=no
# Warnings of our own crates are errors; as a flag of rustc it would build every dependency anew.
lint() { cargo clippy --workspace --all-targets --locked -- -D warnings; }
documentation() { RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet; }
unit() { cargo test --workspace --lib --bins --locked; }
integration() { cargo test --workspace --test '*' --locked; }

all() {
    step cargo fmt --all --check
    step lint
    step cargo test --workspace --locked
    step documentation
}

# What the lab needs from Debian, and only root can get.
debian_packages() {
    local wanted=(systemd-container debootstrap nftables iproute2 procps e2fsprogs xfsprogs openssh-client polkitd
        docker.io docker-compose iptables dpkg-dev lintian mandoc shellcheck prometheus nginx-light curl) missing
    [ "${P2P_FULL:-}" != 1 ] || wanted+=(qemu-system-x86 qemu-utils python3-venv)
    mapfile -t missing < <(comm -23 <(printf '%s\n' "${wanted[@]}" | sort) \
        <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' | sort))
    [ "${#missing[@]}" -gt 0 ] || return 0
    apt-get update -qq
    # No service of theirs is to start here.
    DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

lab() {
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "check.sh: the lab makes hosts of this machine: it needs root and Debian" >&2
        exit 77
    fi
    trap 'scripts/lab.sh down' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    step debian_packages
    step shellcheck --severity=warning scripts/*.sh scripts/lab/*.sh
    step scripts/package.sh
    step lintian --fail-on error target/debian/*.deb
    P2P_LAB=1 step cargo test -p p2p-tests --test lab --locked
}

case "${1:-}" in
    --help | -h) usage ;;
    --unit) step unit ;;
    --integration) step integration ;;
    --coverage) step cargo llvm-cov --workspace --locked ;;
    "") all ;;
    --lab) lab ;;
    --ci)
        all
        lab
        ;;
    --full)
        export P2P_FULL=1
        all
        lab
        ;;
    *)
        usage >&2
        exit 2
        ;;
esac
