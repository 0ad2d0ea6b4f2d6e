#!/usr/bin/env bash
# Asks systemd about the unit files as they are shipped, with programs where the units expect them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$(mktemp -d "${TMPDIR:-/tmp}/p2p-units.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/usr/bin" "$work/etc/systemd/system"
cp node/packaging/systemd/*.service "$work/etc/systemd/system/"
printf '#!/bin/sh\n' >"$work/usr/bin/p2p-node"
chmod 755 "$work/usr/bin/p2p-node"
# `verify` wants the program at its path; in the copy it is the stand-in.
sed -i "s#/usr/bin/p2p-node#$work/usr/bin/p2p-node#" "$work"/etc/systemd/system/*.service
output=$(systemd-analyze verify --man=no "$work"/etc/systemd/system/*.service 2>&1) || { echo "$output"; exit 1; }
if [ -n "$output" ]; then
    echo "$output"
    exit 1
fi
echo "systemd-analyze verify: clean"
