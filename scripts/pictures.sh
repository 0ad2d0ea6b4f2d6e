#!/usr/bin/env bash
# Makes the pictures of README: runs the demo on a terminal, walks through its views, and draws what is seen there.
#
#   scripts/pictures.sh              all of them, into tui/pictures
#   scripts/pictures.sh fleet shell  only these
#
# Needs tmux. What is on a picture is what the real program showed; only where this checkout lies is not.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
columns=120 rows=34
out=tui/pictures

case "${1:-}" in
    --help | -h)
        sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
        exit 0
        ;;
esac
command -v tmux >/dev/null || { echo "pictures.sh: needs tmux" >&2; exit 69; }

wanted=" $* "
session=p2p-pictures-$$
cleanup() { tmux kill-session -t "$session" 2>/dev/null || true; }
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

cargo build --locked --example picture -p p2p-tui >&2
scripts/demo.sh --headless >/dev/null
picture=${CARGO_TARGET_DIR:-target}/debug/examples/picture

screen() { tmux capture-pane -p -t "$session" "$@"; }
# Waits until the screen holds a text.
see() {
    local deadline=$((SECONDS + 30))
    until screen | grep -qF -- "$1"; do
        [ "$SECONDS" -lt "$deadline" ] || { echo "pictures.sh: $1 is not seen on:" >&2; screen >&2; exit 1; }
        sleep 0.1
    done
}
press() { tmux send-keys -t "$session" "$@"; }
type_in() { tmux send-keys -t "$session" -l -- "$1"; }
shot() {
    [ "$wanted" = "  " ] || [[ $wanted == *" $1 "* ]] || return 0
    # Charts are to have something to show.
    sleep "${2:-1}"
    screen -eN | sed "s#$root#/opt/p2p-admin#g" | "$picture" "$columns" "$rows" >"$out/$1.svg"
    echo "$out/$1.svg"
}

mkdir -p "$out"
tmux new-session -d -s "$session" -x "$columns" -y "$rows" scripts/demo.sh
tmux set-option -t "$session" status off
tmux resize-window -t "$session" -x "$columns" -y "$rows"
see gamma
shot fleet 20
press 1
see PID
press o
see NODE
type_in "/p2p"
press Enter
shot processes 3
press Escape
sleep 0.3
press 2
see STATE
type_in ":define all"
press Enter
see program
shot form
press Escape
type_in ":define all ticker /bin/sleep 1000"
press Enter
see 'really?'
press y
see 'of 3'
press Escape
shot services 2
type_in ":files /usr/share"
press Enter
see '/usr/share'
press Tab
type_in ":files beta:/etc"
press Enter
see 'beta:/etc'
press Tab
shot files 2
press 5 "]"
see REMOTE
shot network
press 6
see Processors
shot resources 20
press 7 "]" "]"
see disk_full
shot alerts
press 9
see rtt
shot peers 2
type_in ":exec all cat /etc/debian_version"
press Enter
see 'really?'
press y
see 'the same'
shot exec
press Escape
sleep 0.3
press '?'
see 'next row'
shot help
