# Keeps an engine in namespaces of its own until standard input ends, then ends it and deletes all that is its own.
# Run by engine.rs as: bash -c SCRIPT keeper DIRECTORY CGROUP
directory=$1 group=$2
echo '{}' >"$directory/daemon.json"

# Inside: a /run of its own, or dockerd would use the containerd of the machine; bash as the first process takes up
# the children that nobody waits for. No bridge by default, the one of compose is enough.
unshare --mount --net --pid --fork --kill-child --mount-proc bash -c '
    ip link set lo up && mount -t tmpfs tmpfs /run || exit
    dockerd --config-file "$1/daemon.json" --data-root "$1/data" --exec-root "$1/exec" --pidfile "$1/docker.pid" \
        --host "unix://$1/docker.sock" --bridge none --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "$2" &
    wait $!' engine "$directory" "$group" </dev/null &
engine=$!

while read -r _; do :; done

# With the first process of the namespace every other ends, and with the last one the mounts.
kill -KILL "$engine"
wait "$engine" 2>/dev/null
for _ in {1..250}; do
    find /sys/fs/cgroup -depth -type d -path "*/$group*" -exec rmdir {} + 2>/dev/null
    rm -rf --one-file-system "$directory" 2>/dev/null
    [ ! -e "$directory" ] && [ -z "$(find /sys/fs/cgroup -type d -name "$group")" ] && exit 0
    sleep 0.1
done
exit 1
