# What a test host does when it is switched on; it runs inside the host's own network, process,
# host name and mount namespaces. Arguments: the host's folder, its name, sshd, the user's home, and
# the folders of this machine that the host can see although they lie in what it has of its own.
set -e
here=$1; name=$2; sshd=$3; home=$4; shift 4
hostname "$name"
# Files of the host's own disk, in the place of this machine's.
for pair in "tmp:/tmp" "home:$home"; do
    mine=$here/disk/${pair%%:*}; over=${pair#*:}
    for seen do
        case $seen in
        "$over"/*)
            spot=$mine${seen#"$over"}
            mkdir -p "$spot"
            mount --rbind "$seen" "$spot"
            ;;
        esac
    done
    mount --rbind "$mine" "$over"
done
for fresh in /run /dev/shm /var/tmp; do
    mount -t tmpfs -o size=64m,mode=1777 "$name" "$fresh"
done
mkdir -p /run/sshd
if [ -e "$here/passwd" ]; then mount --bind "$here/passwd" /etc/passwd; fi
cd /
exec "$sshd" -D -f "$here/sshd_config" -E "$here/sshd.log"
