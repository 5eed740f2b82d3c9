# shellcheck shell=sh
# The slot's root: opened through dm-verity, so that what does not have the hash that the command line names cannot be read.

# open_slot NUMBER HASH OFFSET MAP: mounts partition NUMBER at /new if it is the root with that hash.
open_slot() {
    device=$(part "$disk" "$1")
    note "root $device, hash $2"
    # In a try the slightest damage ends it, which brings the old slot back. Else a board goes on with what can be read.
    options=
    [ "$try" = 1 ] && options="1 restart_on_corruption"
    # The tree's superblock is one block: the tree itself follows. README: no salt, sha256, blocks of 4096.
    dmsetup create "$4" --readonly --table \
        "0 $(($3 / 512)) verity 1 $device $device 4096 4096 $(($3 / 4096)) $(($3 / 4096 + 1)) sha256 $2 - $options" || return 1
    if mount -t erofs -o ro "/dev/mapper/$4" /new; then
        [ -x /new/usr/lib/systemd/systemd ] && return 0
        umount /new
    fi
    dmsetup remove "$4"
    return 1
}

# Sets `slot` (a or b) and mounts its root. The firmware's word first; without it, or if that root is damaged, any with the
# very same hash will do: kernel and modules belong together.
open_root() {
    case $told_partition in
    3) order="6 5" ;;
    *) order="5 6" ;;
    esac
    for number in $order; do
        if open_slot "$number" "$root_hash" "$hash_offset" bramble-root; then
            # The slot is the one the firmware took the kernel from, though its twin's root may serve it.
            case ${told_partition:-$((number - 3))} in
            2) slot=a ;;
            *) slot=b ;;
            esac
            [ "$number" = "${order%% *}" ] || [ -z "$told_partition" ] || say "the root of slot $slot is damaged; its twin serves"
            return 0
        fi
    done
    return 1
}

# No root with this hash can be read. A try goes back by itself. A usual start that cannot work hands over to the other slot
# for good, if that one's root can be read: it was the usual one before.
leave_slot() {
    [ "$try" = 1 ] && give_up "the new root cannot be read"
    case ${told_partition:-2} in
    2) other=3 ;;
    *) other=2 ;;
    esac
    say "the root of this slot is damaged"
    mkdir -p /other /config
    if mount -t vfat -o ro "$(part "$disk" $other)" /other && [ -s /other/config.txt ]; then
        # shellcheck disable=SC2046 # Words.
        set -- $(sed -n 's/.*bramble\.root=\([0-9a-f]*\).*bramble\.hash-offset=\([0-9]*\).*/\1 \2/p' /other/cmdline.txt)
        if [ $# = 2 ] && open_slot $((other + 3)) "$1" "$2" bramble-other; then
            say "the other slot is whole: it is the usual one from now on"
            make_usual $other
            restart_after 3
        fi
    fi
    give_up "and the other slot cannot be started either: the card must be written anew"
}

# make_usual PARTITION: the one write of a sector that README describes.
make_usual() {
    mount -t vfat -o rw,sync "$(part "$disk" 1)" /config || return
    printf '[all]\ntryboot_a_b=1\nboot_partition=%s\n[tryboot]\nboot_partition=%s\n' "$1" $((5 - $1)) >/run/autoboot
    dd if=/run/autoboot of=/config/autoboot.txt conv=notrunc,fsync 2>/dev/null
    umount /config
}
