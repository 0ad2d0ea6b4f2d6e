#!/usr/bin/env bash
# Makes the Debian packages p2p-node and p2p-tui and prints their paths. Installs nothing but cargo-deb, where it is
# missing, for the user who runs this.
#
#   scripts/package.sh [--out DIR]              builds the programs first; DIR is target/debian unless told
#   scripts/package.sh [--out DIR] --no-build   takes the programs that are in target/release
#
# P2P_PACKAGE_VERSION=0.1.1-1 gives the packages another version, P2P_PACKAGE_PROFILE=debug takes the programs of
# target/debug: both for trials of the packages themselves.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly CARGO_DEB_VERSION=3.8.0

usage() { sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }
fail() {
    printf 'package.sh: %s\n' "$2" >&2
    exit "$1"
}

target=${CARGO_TARGET_DIR:-$PWD/target}
case $target in /*) ;; *) target=$PWD/$target ;; esac
profile=${P2P_PACKAGE_PROFILE:-release}
out=$target/debian
build=yes
while [ $# -gt 0 ]; do
    case $1 in
        --help | -h)
            usage
            exit 0
            ;;
        --out)
            [ -n "${2:-}" ] || fail 2 "--out needs a directory"
            out=$2
            shift
            ;;
        --no-build) build= ;;
        *) fail 2 "unknown argument $1: see --help" ;;
    esac
    shift
done
case $profile in
    release) flags=(--release) ;;
    debug) flags=() ;;
    *) fail 2 "P2P_PACKAGE_PROFILE is $profile: it may be release or debug" ;;
esac

command -v dpkg-shlibdeps >/dev/null || fail 69 "dpkg-shlibdeps is missing: apt-get install dpkg-dev"
if ! cargo deb --version >/dev/null 2>&1; then
    echo "package.sh: installing cargo-deb $CARGO_DEB_VERSION for this user, which takes minutes" >&2
    cargo install cargo-deb --version "$CARGO_DEB_VERSION" --locked >&2 || fail 69 "cargo-deb cannot be installed"
fi
if [ -n "$build" ]; then
    cargo build "${flags[@]}" --locked -p p2p-node -p p2p-tui >&2
fi

# cargo-deb sees a target directory of its own, so that only what is made here can get into a package.
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
made=$stage/release/package

# complete PROGRAM NAME ARGUMENT...: completions for PROGRAM when it is called NAME.
complete() {
    local program=$1 name=$2 shell
    shift 2
    for shell in bash zsh fish; do
        "$stage/release/$program" completions "$shell" "$@" >"$made/$program/$name.$shell"
    done
}

for program in p2p-node p2p-tui; do
    [ -x "$target/$profile/$program" ] || fail 69 "$target/$profile/$program is missing: leave out --no-build"
    mkdir -p "$made/$program"
    cp "$target/$profile/$program" "$stage/release/"
    "$stage/release/$program" manuals "$made/$program/man"
    # As for the pages: cargo-deb leaves alone what lies under a target directory.
    [ "$profile" = release ] || strip "$stage/release/$program"
    gzip -9n "$made/$program/man/"*
    complete "$program" "$program"
done
complete p2p-tui p2p --program p2p

mkdir -p "$out"
version=()
[ -z "${P2P_PACKAGE_VERSION:-}" ] || version=(--deb-version "$P2P_PACKAGE_VERSION")
for program in p2p-node p2p-tui; do
    CARGO_TARGET_DIR=$stage cargo deb --quiet --locked --no-build -p "$program" "${version[@]}" --output "$out"
done
