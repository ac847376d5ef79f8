# Takes a farm down when its standard input ends: when the test is through with it, or when the test
# process is gone, however that went. Arguments: the farm's folder, and its bridge where it has one.
cat >/dev/null
farm=$1; bridge=${2:-}

end_tree() {
    for child in $(cat "/proc/$1/task/"*/children 2>/dev/null); do end_tree "$child"; done
    kill -9 "$1" 2>/dev/null
}

for pid in "$farm"/*/pid; do
    # With namespaces, this is who keeps the host's first process, and with it all others.
    [ -f "$pid" ] && end_tree "$(cat "$pid")"
done
if [ -n "$bridge" ]; then
    for host in "$farm"/*/; do
        name=$(cat "$host/netns" 2>/dev/null) || continue
        # Else the link outlives the namespace for a moment.
        ip link del "$(cat "$host/veth")" 2>/dev/null
        ip netns del "$name" 2>/dev/null
        umount -l "$host/disk" 2>/dev/null
    done
    ip link del "$bridge" 2>/dev/null
else
    # Sessions that were left without their sshd.
    for environ in $(grep -lzs "^FRAMEWRIGHT_TEST_FARM=$farm\$" /proc/[0-9]*/environ); do
        pid=${environ#/proc/}
        kill -9 "${pid%/environ}" 2>/dev/null
    done
fi
rm -rf --one-file-system "$farm"
