#!/bin/sh
# Makes the image of the lab's containers: image.sh DIRECTORY NAME, in a mount namespace of its own.
# What clients load beyond a minimal Debian: libstdc++ (node), musl (musl builds), strace (to observe them).
debootstrap --variant=minbase --include=libstdc++6,musl,strace bookworm "$1/tree"
# podman leaves files there whatever it is told. Covered only now: /etc/resolv.conf may lead to /run.
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /dev/shm
tar -C "$1/tree" --create . |
    podman --root "$1/storage" --runroot /run/lab --tmpdir /run/lab/tmp --storage-driver overlay \
        --cgroup-manager cgroupfs --events-backend none import - "$2"
rm -r "$1/tree"
