#!/usr/bin/env bash
# Drives the console on a terminal of its own, as somebody would who knows its keys, against a mesh of two hosts.
#
#   console.sh views | actions | rows | sizes
#
# Runs on the host `one`, beside tests/lab/console.rs; the first thing that is not seen ends it, with the screen.
set -euo pipefail

# A server of its own: one that ends takes nobody's session with it.
tmux() { command tmux -L "console-$$" -f /dev/null "$@"; }
session=console
trap 'tmux kill-server 2>/dev/null || true' EXIT
press() { for key; do tmux send-keys -t "$session" -- "$key"; sleep 0.15; done; }
words() { tmux send-keys -t "$session" -l -- "$1"; sleep 0.15; }
screen() { tmux capture-pane -p -t "$session"; }
# Each text is seen on the screen, in time.
see() {
    local text count
    for text; do
        count=0
        until screen | grep -qF -- "$text"; do
            count=$((count + 1))
            [ "$count" -lt 200 ] || { printf 'not seen: %s\n' "$text"; screen; exit 1; }
            sleep 0.1
        done
    done
}
# The text is not seen any more.
gone() {
    local count=0
    while screen | grep -qF -- "$1"; do
        count=$((count + 1))
        [ "$count" -lt 200 ] || { printf 'still seen: %s\n' "$1"; screen; exit 1; }
        sleep 0.1
    done
}
# A line of the command line.
go() { press :; words "$1"; press Enter; }
filter() { press /; words "$1"; press Enter; }
# Opens the menu of actions and takes the one of this key, once it is offered.
act() { press x; see "$2"; press "$1"; }
# Agrees to the dialog that names this.
agree() { see "$1"; press y; }
resize() { tmux resize-window -t "$session" -x "$1" -y "$2"; }
on() { ssh -n two "$@"; }

begin() {
    tmux new-session -d -s "$session" -x 120 -y 40 p2p-tui
    tmux set-option -t "$session" status off
    resize 120 40
    see "2 alive"
}

views() {
    begin
    press 0; see STATE two
    press d; see Processors; press q
    press 1; see PID p2p-node
    press o; see NODE; press t; see 'systemd'; press t o
    press 2; see STATE p2p-node.service
    filter p2p-node; gone ssh.service; press l; see 'journal'; press q; see KIND; press Escape
    press 3; see TIME
    press 4; see root
    press 5; see lo
    press ']'; see ':5678'; press ']' ']' ']'
    press 6; see Processors
    press + - ,; see 'in the past'; press Escape; gone 'in the past'
    press 7; see '[Now'
    press ']' ']'; see disk_full; press '['
    press 8; see jobs
    press 9; see two
    press ']'; press ']'; see Refused
    go audit; see ann
    go shell; see IDLE
    press '?'; see 'next row'; press Escape; gone 'next row'
    press q
}

# Does what a menu offers: its key, a word of its line, and what the dialog names.
does() {
    act "$1" "$2"
    agree "$3"
    see '1 done   0 failed'
    press Escape
    gone '1 done'
}

actions() {
    begin
    # A process: slower, stopped, on again, and ended.
    on 'pkill -x runaway; rm -f /tmp/runaway; cp /usr/bin/yes /tmp/runaway; setsid timeout 300 /tmp/runaway >/dev/null 2>&1 &'
    go 'ps all'
    filter name:runaway
    see '1 of'
    act n 'nice value'
    see greedy
    words 5
    press Enter
    agree 'Set nice 5 on'
    see '1 done   0 failed'
    press Escape
    does s SIGSTOP 'Send SIGSTOP to'
    see ' T '
    does c SIGCONT 'Send SIGCONT to'
    press d
    see '/tmp/runaway'
    press Escape C-k
    agree 'Send SIGTERM to'
    see '1 done   0 failed'
    press Escape
    see 'no process matches'
    press Escape
    # A unit on both hosts, one after the other.
    go 'services all'
    filter p2p-demo
    see '2 of'
    press a
    act r restart
    agree '2 targets'
    see '2 done   0 failed'
    press Escape u l
    see 'Started p2p-demo'
    press q
    press Escape
    # A program.
    filter name:tick
    see '1 of'
    does t stop 'Stop'
    see stopped
    does s start 'Start'
    see running
    press l
    see 'line '
    press q Escape
    # A file goes to the other pane.
    on 'rm -f /tmp/plain.txt'
    go 'files one:/root'
    filter plain
    see plain.txt
    press Escape Tab
    go 'files two:/tmp'
    press Tab c
    see 'plain'
    press y
    on 'until grep -q hello /tmp/plain.txt; do sleep 0.1; done'
    # The network.
    go 'ping one two'
    see 'ms'
    press C-c Escape
    go 'scan one two 22'
    see open
    press Escape
    # A command on both, and what it wrote.
    go 'exec all uname -s'
    agree '2 targets'
    see '2 nodes, the same' Linux
    press Escape
    # An alert that fires, is silenced, and is looked after.
    go 'alerts all'
    filter always
    see firing
    act s 'silence it'
    words '1h it is a test'
    press Enter
    agree 'Silence'
    see '1 done   0 failed'
    press Escape
    see silenced
    press Escape
    # A job that was made by a command.
    go 'jobs all'
    see succeeded
    press o
    # A shell.
    go 'shell two'
    see 'root@two'
    words 'echo out$((40 + 2))'
    press Enter
    see out42
    words exit
    press Enter
    see 'the shell is over'
    press Enter
    # Yesterday's load, or as much of it as there is.
    go 'at -1m'
    see 'in the past'
    press Escape
    go audit
    see 'unit.restart'
}

# From none to a thousand rows and back.
rows() {
    begin
    go 'ps all'
    filter name:sleeper
    see 'no process matches'
    on 'cp /bin/sleep /tmp/sleeper; for i in $(seq 1000); do setsid /tmp/sleeper 300 >/dev/null 2>&1 & done'
    see '1000 of'
    press G
    press g g C-d
    on 'pkill sleeper'
    see 'no process matches'
    press Escape
}

# Down to one cell and back, in every view.
sizes() {
    begin
    for view in 0 1 2 3 4 5 6 7 8 9; do
        press "$view"
        for size in '80 24' '39 9' '1 1' '200 60' '120 40'; do
            # shellcheck disable=SC2086
            resize $size
            sleep 0.2
        done
        see 'P2P Admin home'
    done
    go audit
    see ann
    press q
}

"$1"
