#!/usr/bin/env bash
# The CA of a mesh: finds p2p-node, or builds it, and hands over to `p2p-node ca`.
# In a checkout the CA lives in its certs/ unless --dir or P2P_CA_DIR says otherwise.
set -eu

self=${BASH_SOURCE[0]}
while [ -L "$self" ]; do
    link=$(readlink "$self")
    case $link in
        /*) self=$link ;;
        *) self=$(dirname "$self")/$link ;;
    esac
done
top=$(cd "$(dirname "$self")/.." && pwd)
checkout=
# Empty means not set, as for every other variable of ours.
[ -n "${P2P_CA_DIR:-}" ] || unset P2P_CA_DIR
if [ -f "$top/Cargo.toml" ] && [ -d "$top/node" ]; then
    checkout=$top
    # Keys stay out of whatever directory this is called from.
    P2P_CA_DIR=${P2P_CA_DIR:-$top/certs}
    export P2P_CA_DIR
fi

find_node() {
    if command -v p2p-node >/dev/null 2>&1; then
        command -v p2p-node
        return
    fi
    [ -n "$checkout" ] || return 1
    target=${CARGO_TARGET_DIR:-$checkout/target}
    for profile in release debug; do
        if [ -x "$target/$profile/p2p-node" ]; then
            printf '%s\n' "$target/$profile/p2p-node"
            return
        fi
    done
    return 1
}

if ! node=$(find_node); then
    if [ -z "$checkout" ]; then
        echo "ca.sh: p2p-node is neither on PATH nor beside this script: install the package, or add its directory to PATH" >&2
        exit 69
    fi
    if ! command -v cargo >/dev/null 2>&1; then
        echo "ca.sh: p2p-node is not built and cargo is not on PATH: install Rust 1.95 (https://rustup.rs), or add p2p-node to PATH" >&2
        exit 69
    fi
    echo "ca.sh: building p2p-node, which takes minutes the first time" >&2
    (cd "$checkout" && cargo build --locked -p p2p-node >&2) || exit 69
    node=$(find_node)
fi

exec "$node" ca "$@"
