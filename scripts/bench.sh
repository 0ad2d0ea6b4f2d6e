#!/usr/bin/env bash
# Measures: builds the release program once, runs every bench, prints one line a goal.
#
#   scripts/bench.sh                 all of it, some minutes
#   scripts/bench.sh rpc idle        only these benches (the names of tests/benches)
#
# Goals are ratios against a floor or a peer in the same run; a line ends in PASS or FAIL, and the exit code
# is 1 if one failed. Peers from the system are `ps`, `parallel-ssh` with `sshd` for fanout, `nmap` for scan,
# `prometheus-node-exporter` for metrics, `wrk` for http, `netdata` for sampling, `htop` and `btm` for consoles (the
# latter from the Rust registry), and `scp`, `rsync`, `rg` and `fd` for files; as root on Debian they are installed
# if they are missing.
set -euo pipefail
# Data directories of nodes are refused when others may look into them.
umask 077
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case "${1:-}" in
    --help | -h)
        sed -n '2,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
        exit 0
        ;;
    -*)
        echo "bench.sh: unknown argument $1; see --help" >&2
        exit 2
        ;;
esac

say() { printf '%s\n' "$*" >&2; }

# `peers` are libraries, in a workspace of their own: nobody who builds the product compiles them.
known=$(sed -n 's#^path = "benches/\(.*\)\.rs"#\1#p' tests/Cargo.toml; echo peers)
wanted=("$@")
[ "$#" -gt 0 ] || mapfile -t wanted <<<"$known"
for bench in "${wanted[@]}"; do
    grep -qx -- "$bench" <<<"$known" || { say "bench.sh: no bench $bench; there are: ${known//$'\n'/ }"; exit 2; }
done

packages=()
command -v ps >/dev/null || packages+=(procps)
if printf '%s\n' "${wanted[@]}" | grep -qx fanout; then
    command -v parallel-ssh >/dev/null || packages+=(pssh)
    [ -x /usr/sbin/sshd ] || packages+=(openssh-server)
fi
if printf '%s\n' "${wanted[@]}" | grep -qx scan; then
    command -v nmap >/dev/null || packages+=(nmap)
fi
if printf '%s\n' "${wanted[@]}" | grep -qx metrics; then
    command -v prometheus-node-exporter >/dev/null || packages+=(prometheus-node-exporter)
fi
if printf '%s\n' "${wanted[@]}" | grep -qx http; then
    command -v wrk >/dev/null || packages+=(wrk)
fi
if printf '%s\n' "${wanted[@]}" | grep -qx sampling; then
    command -v netdata >/dev/null || packages+=(netdata-core)
fi
if printf '%s\n' "${wanted[@]}" | grep -qx consoles; then
    command -v htop >/dev/null || packages+=(htop)
fi
if printf '%s\n' "${wanted[@]}" | grep -qx files; then
    command -v scp >/dev/null || packages+=(openssh-client)
    [ -x /usr/sbin/sshd ] || packages+=(openssh-server)
    command -v rsync >/dev/null || packages+=(rsync)
    command -v rg >/dev/null || packages+=(ripgrep)
    command -v fdfind >/dev/null || command -v fd >/dev/null || packages+=(fd-find)
fi
if [ "${#packages[@]}" -gt 0 ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        # No service of theirs is to start here.
        RUNLEVEL=1 apt-get install -y --no-install-recommends "${packages[@]}" >&2
    else
        say "bench.sh: a peer is missing: install ${packages[*]}"
        exit 69
    fi
fi

if printf '%s\n' "${wanted[@]}" | grep -qx consoles && [ -z "${P2P_BTM:-}" ]; then
    # One btm for all runs, whatever is on PATH.
    P2P_BTM=$PWD/target/peers/bin/btm
    export P2P_BTM
    [ -x "$P2P_BTM" ] ||
        cargo install bottom --locked --version 0.15.0 --root target/peers --target-dir target/peers/btm
fi

say "Building the release program; the first time this takes some minutes."
targets=(--bin p2p-node --bin p2p-tui)
for bench in "${wanted[@]}"; do [ "$bench" = peers ] || targets+=(--bench "$bench"); done
built=$(cargo build --release --locked -p p2p-node -p p2p-tui -p p2p-tests "${targets[@]}" \
    --message-format=json-render-diagnostics)
if printf '%s\n' "${wanted[@]}" | grep -qx peers; then
    cargo build --release --locked --manifest-path tests/peers/Cargo.toml --target-dir target/peers
fi
program_of() {
    if [ "$1" = peers ]; then echo target/peers/release/p2p-peers; return; fi
    sed -n 's#.*"executable":"\([^"]*/'"$1"'-[0-9a-f]*\)".*#\1#p' <<<"$built" | tail -1
}

# A halted core wakes slowly: keep them awake with work that yields to everything else.
spinners=()
cleanup() { for pid in "${spinners[@]}"; do kill "$pid" 2>/dev/null || true; done; }
table=$(mktemp)
trap 'cleanup; rm -f "$table"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
keep_awake() {
    command -v chrt >/dev/null || return 0
    local core
    for ((core = 0; core < $(nproc); core++)); do
        chrt --idle 0 sh -c 'while :; do :; done' &
        spinners+=($!)
    done
}

keep_awake
printf '# %s, %s cores, load %s\n' "$(uname -rm)" "$(nproc)" "$(cut -d' ' -f1 /proc/loadavg)" | tee "$table"
broken=0
for bench in "${wanted[@]}"; do
    printf '# %s\n' "$bench"
    "$(program_of "$bench")" | tee -a "$table" || broken=1
done
if grep -q ' FAIL$' "$table"; then broken=1; fi
exit "$broken"
