#!/usr/bin/env bash
# Runs in the lab's virtual machine, beside the node's package: limits that a kernel enforces, and the node under them.
#
#   scripts/lab.sh vm run tests/lab/limits.sh target/debian/p2p-{node,tui}_*.deb
#
# Prints a line for each thing shown, begun by its name; the first that does not hold ends it.
set -euo pipefail

slice=p2p-admin-managed.slice
# An emulated processor is slow, and slower when others use the machine.
patience=120

fail() { printf 'limits.sh: %s\n' "$*" >&2; journalctl -n 30 --no-pager >&2; exit 1; }
eventually() {
    local what=$1 deadline=$((SECONDS + patience))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || fail "not within $patience s: $what"
        sleep 0.2
    done
}

property() { systemctl show -P "$2" "$1"; }
group() { printf '/sys/fs/cgroup%s\n' "$(property "$1" ControlGroup)"; }

now_ms() { now=$((${EPOCHREALTIME/./} / 1000)); }
# How long it took is left in `took`. In this shell alone: beside a fork bomb it is the start of a program that takes long.
healthy() {
    local line='' begun
    now_ms
    begun=$now
    { exec 3<>/dev/tcp/127.0.0.1/8000; } 2>/dev/null || return 1
    printf 'GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3
    read -r -t 30 line <&3 || true
    exec 3>&-
    now_ms
    took=$((now - begun))
    [[ $line == "HTTP/1."*" 200 OK"* ]]
}

# Never restarted since it came up.
same_node() {
    [ "$(property p2p-node ActiveState) $(property p2p-node MainPID)" = "active $pid" ] ||
        fail "the node is $(property p2p-node ActiveState) with process $(property p2p-node MainPID), not active with $pid"
}
# A program as the node starts them: a transient unit in its slice.
program() {
    local unit=$1 limit=$2
    shift 2
    systemd-run --quiet --unit="$unit" --slice="$slice" -p "$limit" -- "$@"
}

install_node() {
    export P2P_CA_DIR=/root/ca
    dpkg -i p2p-node_*.deb p2p-tui_*.deb >/dev/null
    {
        p2p-node ca init --mesh vm --no-passphrase
        p2p-node ca issue node vm --address 127.0.0.1
        p2p-node ca bundle node vm >/root/vm.tar
        p2p-node ca issue operator ann --role admin --no-passphrase
        p2p-node ca bundle operator ann >/root/ann.tar
        p2p-tui import /root/ann.tar
    } 2>&1 | grep -v '^$' >&2
    install -d -m 700 /etc/p2p-admin/pki
    tar -xf /root/vm.tar --no-same-owner -C /etc/p2p-admin/pki
    systemctl enable --quiet --now p2p-node
    eventually "the node answers" healthy
    pid=$(property p2p-node MainPID)
    local started ready
    started=$(property p2p-node ExecMainStartTimestampMonotonic)
    ready=$(property p2p-node ActiveEnterTimestampMonotonic)
    echo "node: ready $(((ready - started) / 1000)) ms after its start, process $pid"
}

groups() {
    local kind
    kind=$(stat -fc %T /sys/fs/cgroup)
    [ "$kind" = cgroup2fs ] || fail "/sys/fs/cgroup is $kind"
    echo "cgroup: $kind, $(uname -r), systemd $(systemctl is-system-running --wait || true)"
}

ended_by_kernel() { [ "$(property eater Result)" = oom-kill ]; }
memory() {
    program eater MemoryMax=32M tail /dev/zero
    eventually "what eats memory is ended" ended_by_kernel
    healthy || fail "/health does not answer"
    same_node
    journalctl -k --no-pager -o cat | grep -E '^(oom-kill:|Memory cgroup out of memory)' >&2
    echo "memory: MemoryMax=32M ends it with Result=$(property eater Result); the node is active, process $pid"
    systemctl reset-failed eater
}

named_so() { p2p-tui programs status eat --on vm | grep -q 'out of memory'; }
# The same as an operator has it: a program under a limit, whose death is named.
supervised() {
    p2p-tui programs define eat --on vm --memory 32M -- /usr/bin/tail /dev/zero >/dev/null
    p2p-tui programs start eat --on vm >/dev/null
    eventually "the death of the program is named" named_so
    same_node
    echo "program: $(p2p-tui programs status eat --on vm | sed -n 's/^exit  *//p' | head -n 1); the node is active, process $pid"
    p2p-tui programs remove eat --on vm --yes >/dev/null
}

at_limit() {
    [ "$(cat "$bomb/pids.current")" = 64 ] && [ "$(sed -n 's/^max //p' "$bomb/pids.events")" -gt 100 ]
}
tasks() {
    local bomb slowest=0 turn
    # Every process of it does nothing but fork, again and again when that is refused.
    program bomb TasksMax=64 perl -e 'fork while 1'
    bomb=$(group bomb)
    eventually "the bomb is at its limit" at_limit
    for turn in {1..10}; do
        healthy || fail "/health does not answer beside the bomb, at the request $turn"
        if [ "$took" -gt "$slowest" ]; then slowest=$took; fi
    done
    same_node
    echo "tasks: TasksMax=64 holds $(cat "$bomb/pids.current"), $(sed -n 's/^max //p' "$bomb/pids.events") forks refused;" \
        "/health within $slowest ms ten times, process $pid"
    systemctl kill --signal=KILL bomb
    eventually "the bomb is gone" test ! -e "$bomb"
    systemctl reset-failed bomb 2>/dev/null || true
}

throttled() { [ "$(sed -n 's/^nr_throttled //p' "$(group p2p-node)/cpu.stat")" -gt 0 ]; }
processor() {
    local limit answers=0 deadline watchdog
    watchdog=$(property p2p-node WatchdogUSec)
    [ "$watchdog" = 30s ] || fail "the watchdog's time is $watchdog"
    systemctl set-property --runtime p2p-node CPUQuota=5%
    limit=$(cat "$(group p2p-node)/cpu.max")
    [ "$limit" = "5000 100000" ] || fail "cpu.max is $limit"
    # Longer than the watchdog waits.
    deadline=$((SECONDS + 40))
    while [ "$SECONDS" -lt "$deadline" ]; do
        if healthy; then answers=$((answers + 1)); fi
    done
    eventually "it is held back" throttled
    same_node
    if journalctl -u p2p-node --no-pager -o cat | grep -q 'Watchdog timeout'; then fail "the watchdog has fired"; fi
    echo "processor: CPUQuota=5% for 40 s, $(sed -n 's/^nr_throttled //p' "$(group p2p-node)/cpu.stat") times held back;" \
        "$answers requests answered, the watchdog of $watchdog is content, process $pid"
    systemctl set-property --runtime p2p-node CPUQuota=
}

network() {
    local before after
    healthy || fail "/health does not answer"
    before=$took
    tc qdisc add dev lo root netem delay 50ms
    healthy || fail "/health does not answer"
    after=$took
    tc qdisc del dev lo root
    # To open a connection takes one round trip, to ask another.
    [ "$after" -ge 200 ] || fail "/health took $before ms, and $after ms with netem"
    same_node
    echo "network: netem delay 50ms: /health took $before ms, then $after ms; process $pid"
}

groups
install_node
memory
supervised
tasks
processor
network
