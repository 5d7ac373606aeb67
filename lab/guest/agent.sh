#!/bin/bash
# First process of the guest once the host's files are there. Runs what the host asks for on the
# second serial port, each command as a process group of its own:
#   run NUMBER    runs /mnt/share/NUMBER/script; answers "ended NUMBER STATUS"
#   kill NUMBER   kills what runs under this number
share=/mnt/share
export PATH=/opt/lab/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root TERM=dumb LC_ALL=C.UTF-8

mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /dev/pts /dev/shm /run/lab /run/lock /opt/lab/bin /usr/lib/modules
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
chmod 755 /opt /opt/lab /opt/lab/bin "$share"
ip link set lo up
hostname lab

# MODULES, the folder of kernel modules; PROGRAM and FRAMES of the guest's part of the lab.
. "$share/settings"
export LAB_FRAMES=$FRAMES
ln -sfn "$MODULES" "/usr/lib/modules/$(uname -r)"
# Mounted, so that every user reaches them whatever the directories above allow.
while read -r name path; do
    touch "/opt/lab/bin/$name"
    mount --bind "$path" "/opt/lab/bin/$name"
done <"$share/programs"
printf '#!/bin/sh\nGREENROOM_LAB_GUEST=1 exec "%s" "$@"\n' "$PROGRAM" >/opt/lab/bin/lab-guest
chmod 755 /opt/lab/bin/lab-guest

stty -F /dev/ttyS1 raw -echo
exec 3<>/dev/ttyS1

run() {
    local folder=$share/$1
    setsid bash "$folder/script" >"$folder/stdout" 2>"$folder/stderr" </dev/null 3<&- &
    local pid=$!
    echo "$pid" >"/run/lab/$1"
    wait "$pid"
    local status=$?
    rm -f "/run/lab/$1"
    echo "ended $1 $status" >&3
}

# A command that is to be killed may not have begun yet, nor have its group.
kill_group() {
    local file=/run/lab/$1
    while [ -e "$file" ] && ! [ -s "$file" ]; do
        sleep 0.01
    done
    local pid
    pid=$(cat "$file") || return
    kill -KILL -- "-$pid" || kill -KILL "$pid"
} 2>/dev/null

cd /root || cd /
echo ready >&3
while read -r verb number <&3; do
    case $verb in
        run)
            : >"/run/lab/$number"
            run "$number" &
            ;;
        kill) kill_group "$number" & ;;
    esac
done
