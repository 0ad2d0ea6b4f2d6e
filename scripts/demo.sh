#!/usr/bin/env bash
# Three nodes on this machine and a console over them: one command on a fresh checkout.
#
#   scripts/demo.sh              builds, starts, opens the console; everything ends with it
#   scripts/demo.sh --headless   prints the fleet as a table instead, and exits
#
# Writes only to a temporary directory and to target/.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

headless=no
case "${1:-}" in
    --headless) headless=yes ;;
    --help | -h)
        sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
        exit 0
        ;;
    "") ;;
    *)
        echo "demo.sh: unknown argument $1; see --help" >&2
        exit 2
        ;;
esac
if [ "$headless" = no ] && ! [ -t 1 ]; then
    echo "demo.sh: the console needs a terminal; scripts/demo.sh --headless prints a table" >&2
    exit 2
fi

say() { printf '%s\n' "$*" >&2; }

target=${CARGO_TARGET_DIR:-$root/target}
profile=${P2P_DEMO_PROFILE:-debug}
build() {
    local flags=(--manifest-path "$root/Cargo.toml" --locked -p p2p-node -p p2p-tui)
    [ "$profile" = release ] && flags+=(--release)
    [ -x "$target/$profile/p2p-node" ] && [ -x "$target/$profile/p2p-tui" ] ||
        say "Building; the first time this takes some minutes."
    cargo build "${flags[@]}" >&2
}
build
node_program=$target/$profile/p2p-node
console=$target/$profile/p2p-tui

work=$(mktemp -d "${TMPDIR:-/tmp}/p2p-demo.XXXXXX")
pids=()
cleanup() {
    local pid
    for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

ca() { "$node_program" ca --dir "$work/certs" "$@" >"$work/ca.log" 2>&1 || { cat "$work/ca.log" >&2; exit 1; }; }
say "Making a throw-away CA and three nodes in $work"
ca init --mesh demo --no-passphrase
for name in alpha beta gamma; do ca issue node "$name" --address 127.0.0.1; done
ca issue operator demo --role admin --no-passphrase

# Waits until a node has said where it listens; prints the QUIC address.
address_of() {
    local file=$work/$1/run.json pid=$2 deadline=$((SECONDS + 30))
    until [ -s "$file" ]; do
        if ! kill -0 "$pid" 2>/dev/null; then
            say "The node $1 did not start:"
            cat "$work/$1.log" >&2
            exit 1
        fi
        [ "$SECONDS" -lt "$deadline" ] || { say "The node $1 does not get ready; see below."; cat "$work/$1.log" >&2; exit 1; }
        sleep 0.05
    done
    sed -n 's/.*"quic_address": *"\([^"]*\)".*/\1/p' "$file"
}

start() {
    local name=$1
    shift
    (
        cd "$work"
        # A session of its own: ^Z and ^C in the console are not meant for the nodes.
        exec setsid "$node_program" run --certs "$work/certs/nodes/$name" --data "$work/$name" \
            --host 127.0.0.1 --port 0 --dht-port 0 "$@"
    ) >"$work/$name.log" 2>&1 &
    pids+=($!)
}

start alpha
first=$(address_of alpha "${pids[0]}")
start beta --bootstrap "$first"
start gamma --bootstrap "$first"
address_of beta "${pids[1]}" >/dev/null
address_of gamma "${pids[2]}" >/dev/null

tui=("$console" --node "$first" --certs "$work/certs/operators/demo")
# The fleet is whole once the directory of the first node says so.
deadline=$((SECONDS + 30))
until [ "$("${tui[@]}" nodes -o jsonl 2>/dev/null | grep -c '"state":"alive"')" -eq 3 ]; do
    [ "$SECONDS" -lt "$deadline" ] || { say "The three nodes do not see each other:"; cat "$work"/*.log >&2; exit 1; }
    sleep 0.1
done

if [ "$headless" = yes ]; then
    "${tui[@]}" nodes
    exit 0
fi
status=0
"${tui[@]}" --banner "three nodes on this one machine: what you stop here is real" || status=$?
cat >&2 <<'END'

The demo is over and nothing of it is left. For a mesh of your own:

  scripts/package.sh                                          # the packages, once
  scripts/ca.sh init --mesh home                              # once, on the machine that keeps the CA
  scripts/ca.sh issue operator "$USER" --role admin           # yourself
  scripts/ca.sh issue node web-1 --address web-1              # each machine
  scripts/ca.sh bundle node web-1 --bootstrap web-1:5678 > web-1.tar
  ./install.sh --bundle web-1.tar                             # there, with the package beside it
  p2p-tui --node web-1:5678                                   # anywhere

README says the same at length: "Production: five machines in ten minutes".
END
exit "$status"
