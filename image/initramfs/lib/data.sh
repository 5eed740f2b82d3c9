# shellcheck shell=sh
# What lasts: /data, and what is bound from it.

# Checks and mounts DATA. Never in the way of a start: a board that can show what is wrong is better than a dark one.
mount_data() {
    data=$(part "$disk" 7)
    e2fsck -p "$data" >/run/bramble/fsck 2>&1
    if [ $? -ge 4 ]; then
        say "the data partition needs mending"
        e2fsck -f -y "$data" >/run/bramble/fsck 2>&1
    fi
    if ! try_data && ! has_superblock; then
        # Not even a trace of a file system: a card that was never written to its end. Nothing can be lost.
        say "the data partition is empty: making it anew"
        mke2fs -q -F -t ext4 -L DATA -E lazy_itable_init=1 "$data" >/run/bramble/fsck 2>&1
        try_data
    fi
    if ! grep -q " /new/data " /proc/mounts; then
        say "the data partition cannot be mended: this start keeps nothing, and leaves it as it is"
        echo "$data: its file system cannot be mended; this board runs from memory" >/run/bramble/data-trouble
        mount -t tmpfs -o mode=755,size=40% data /new/data
    fi
}

try_data() { mount -t ext4 -o noatime,nodev,errors=remount-ro "$data" /new/data 2>/dev/null; }

# ext4's magic number, in the first superblock or in the first two copies.
has_superblock() {
    for at in 1024 134217728 402653184; do
        magic=$(hexdump -s $((at + 56)) -n 2 -e '1/2 "%04x"' "$data" 2>/dev/null)
        [ "$magic" = ef53 ] && return 0
    done
    return 1
}

# Folders, identity, mounts: README's "What lasts".
last_things() {
    mkdir -p /new/data/bramble /new/data/containerd /new/data/rauc /new/data/timesync /new/data/setup /new/data/update
    chmod 700 /new/data/bramble /new/data/setup
    identity
    # What is not bound below is gone with the next start. The tmpfs stays hidden behind the overlay.
    mkdir -p /memory
    mount -t tmpfs -o mode=755,size=25% var /memory
    mkdir -p /memory/upper /memory/work
    mount -t overlay -o lowerdir=/new/var,upperdir=/memory/upper,workdir=/memory/work var /new/var
    umount -l /memory
    mount -o bind /new/data/bramble /new/var/lib/bramble
    mount -o bind /new/data/containerd /new/var/lib/containerd
    mount -o bind /new/data/rauc /new/var/lib/rauc
    mount -o bind /new/data/timesync /new/var/lib/systemd/timesync
    mount -o bind /new/data/machine-id /new/etc/machine-id
    # It holds secrets until they are used: for root only.
    mount -t vfat -o ro,nodev,nosuid,noexec,umask=0077 "$(part "$disk" 1)" /new/boot/firmware ||
        say "the partition BRAMBLE of the card cannot be read"
    name_partitions
}

# A board's own, made once. A file that a power cut left short is made anew.
identity() {
    file=/new/data/machine-id
    if ! grep -qE '^[0-9a-f]{32}$' $file 2>/dev/null; then
        tr -d - </proc/sys/kernel/random/uuid >$file.new
        sync
        mv $file.new $file
        sync
    fi
}

# /dev/disk/bramble/*: of this very disk, should another with the same id be plugged in.
name_partitions() {
    for entry in 1:config 2:boot-a 3:boot-b 5:root-a 6:root-b 7:data; do
        device=$(part "$disk" "${entry%%:*}")
        echo "SUBSYSTEM==\"block\", KERNEL==\"${device#/dev/}\", SYMLINK+=\"disk/bramble/${entry#*:}\""
    done >/run/udev/rules.d/60-bramble-disk.rules
    printf 'SLOT=%s\nTRY=%s\nDISK=/dev/%s\nROOT=%s\n' "$slot" "$try" "$disk" "$root_hash" >/run/bramble/boot
}

say_start() {
    version=$(sed -n 's/^VERSION=//p' /new/etc/bramble/release)
    [ "$try" = 1 ] && say "trying version $version in slot $slot" && return
    say "version $version, slot $slot"
}
