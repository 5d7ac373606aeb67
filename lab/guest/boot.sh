#!/bin/sh
# First process of the guest, in the initial file system: mounts the host's `/`, read-only below a
# file system in memory, as the guest's own, and goes on there with agent.sh.
export PATH=/bin
stop() {
    echo "lab: cannot $1" >/dev/console
    poweroff -f
}
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in $(cat /modules/order); do
    insmod "/modules/$module" || stop "load $module"
done
mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=512000,cache=loose host /host || stop "mount the host's files"
mount -t tmpfs -o size=75% tmpfs /own
mkdir /own/files /own/work
mount -t overlay -o lowerdir=/host,upperdir=/own/files,workdir=/own/work,xino=off,index=off overlay /root ||
    stop "lay files of its own above the host's"
mkdir -p /root/dev /root/proc /root/sys /root/mnt/share
mount -t 9p -o trans=virtio,version=9p2000.L,rw,msize=512000,cache=none share /root/mnt/share || stop "mount the share"
for directory in dev proc sys; do
    mount --move "/$directory" "/root/$directory"
done
exec switch_root /root /bin/bash /mnt/share/agent.sh
