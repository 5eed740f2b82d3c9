# shellcheck shell=bash
# What is Linux's own: disks by lsblk, GNU's dd, avahi. macos.sh says the same in macOS's words.

# pair KEY LINE: a value of lsblk's --pairs.
pair() {
    local rest=${2#*"$1=\""}
    [ "$rest" != "$2" ] || return 0
    printf '%b' "${rest%%\"*}" | sed 's/^ *//; s/ *$//'
}

# Every disk of this machine with something in it, a path on each line.
disk_names() {
    local line name
    lsblk --bytes --nodeps --pairs --paths --output NAME,TYPE,SIZE 2>/dev/null | while IFS= read -r line; do
        name=$(pair NAME "$line")
        case $name in
        /dev/zram* | /dev/ram* | /dev/fd*) continue ;;
        esac
        [ "$(pair TYPE "$line")" != disk ] || [ "$(pair SIZE "$line")" = 0 ] || printf '%s\n' "$name"
    done
}

# disk_look PATH: tells in disk_* what it is. False if it is no disk.
disk_look() {
    local line
    line=$(lsblk --bytes --nodeps --pairs --paths --output NAME,TYPE,SIZE,RM,HOTPLUG,RO,TRAN,VENDOR,MODEL -- "$1" 2>/dev/null) || return 1
    [ -n "$line" ] || return 1
    disk_path=$1 disk_raw=$1 disk_whole=1 disk_parent=
    case $(pair TYPE " $line") in
    disk | loop) ;;
    *)
        disk_whole=0
        disk_parent=$(lsblk --nodeps --noheadings --paths --output PKNAME -- "$1" 2>/dev/null | head -n 1)
        ;;
    esac
    disk_size=$(pair SIZE " $line") disk_bus=$(pair TRAN " $line")
    disk_model=$(printf '%s %s' "$(pair VENDOR " $line")" "$(pair MODEL " $line")" | sed 's/^ *//; s/ *$//' | harmless)
    disk_readonly=0 disk_removable=0
    [ "$(pair RO " $line")" != 1 ] || disk_readonly=1
    [ "$(pair RM " $line")" != 1 ] && [ "$(pair HOTPLUG " $line")" != 1 ] && [ "$disk_bus" != usb ] || disk_removable=1
    case $1 in
    /dev/mmcblk*)
        disk_bus=sd
        # Memory that is soldered to a board looks like a card to lsblk.
        if [ "$(cat "/sys/block/${1##*/}/device/type" 2>/dev/null)" = MMC ]; then disk_bus=emmc disk_removable=0; fi
        ;;
    esac
    disk_use "$1"
}

# What is on it, where it is mounted, and whether this machine lives on it.
disk_use() {
    local line place label what
    disk_mounts='' disk_holds='' disk_system=0
    while IFS= read -r line; do
        place=$(pair MOUNTPOINT " $line") label=$(pair LABEL " $line" | harmless) what=$(pair FSTYPE " $line")
        case $(pair TYPE " $line") in
        disk | part | loop) ;;
        # Volumes that the system has opened on it (LVM, LUKS, RAID) are in use even where nothing is mounted.
        *) [ -n "$place" ] || place="$(pair NAME " $line") (opened)" ;;
        esac
        [ -z "$what" ] || disk_holds="$disk_holds${disk_holds:+, }${label:-$what}"
        [ -n "$place" ] || continue
        disk_mounts="$disk_mounts${disk_mounts:+, }$place"
        case $place in
        / | /boot | /boot/* | /usr | /var | /var/* | /home | /opt | /srv | /etc | /nix | '[SWAP]') disk_system=1 ;;
        esac
    done <<LINES
$(lsblk --pairs --paths --output NAME,TYPE,FSTYPE,LABEL,MOUNTPOINT -- "$1" 2>/dev/null)
LINES
}

# How a person unmounts it.
disk_unmount_words() { printf 'umount %s?*' "$1"; }

# Unmounts all of it.
disk_unmount() {
    local line place
    lsblk --pairs --paths --output NAME,TYPE,MOUNTPOINT -- "$1" | while IFS= read -r line; do
        place=$(pair MOUNTPOINT " $line")
        [ -z "$place" ] || umount -- "$place" || return 1
    done
}

# disk_writable PATH: whether this user may write there.
disk_writable() { [ -w "$1" ]; }

# target_lock PATH: no one else writes there until we end, and udev leaves it alone as long (it honours this lock), so that no
# desktop mounts a half-written card.
target_lock() {
    exec 9<>"$1" || return 1
    flock --exclusive --nonblock 9 || return 2
}
target_unlock() { exec 9>&-; }

# disk_busy PATH: the kernel's own word, which knows of users that lsblk does not show (other namespaces, ZFS, btrfs on many disks).
disk_busy() {
    local words
    words=$(blockdev --rereadpt "$1" 2>&1) || true
    case $words in
    *busy*) return 0 ;;
    esac
    return 1
}

# What was written goes to the card itself, and what is read next comes from it.
target_settle() {
    sync
    if [ "$target_kind" = disk ]; then blockdev --flushbufs "$1"; fi
}

disk_finish() { :; }
disk_finish_words() { printf 'take it out'; }

# dd_write TARGET BLOCK: standard input to the target. A disk is written past the page cache: the progress is the card's, not the
# memory's. nocreat: a disk pulled out must not become a file in /dev.
dd_write() {
    local direct=
    [ "$target_kind" != disk ] || direct=oflag=direct
    dd ibs=65536 obs="$2" conv=nocreat,notrunc,fsync status=progress ${direct:+$direct} of="$1"
}

# dd_read TARGET BLOCK COUNT: past the page cache too, else it would be the memory that is compared.
dd_read() {
    local direct=
    [ "$target_kind" != disk ] || direct=iflag=direct
    dd bs="$2" count="$3" status=progress ${direct:+$direct} if="$1"
}

# dd_spoil TARGET: clears the first sector.
dd_spoil() { dd if=/dev/zero of="$1" bs=512 count=1 conv=nocreat,notrunc,fsync status=none 2>/dev/null; }

# GNU's dd tells by itself (status=progress).
dd_poke() { :; }

file_size() { stat --format=%s -- "$1"; }
# file_in_use FILE: which loop devices are made of it.
file_in_use() { losetup --noheadings --output NAME --associated "$1" 2>/dev/null || true; }
sum256() { sha256sum | cut -d ' ' -f 1; }
home_of() { getent passwd "$1" | cut -d : -f 6; }

fat_tools_words() { printf 'mtools is needed to put bramble.toml onto the card: apt-get install mtools'; }
# fat_mount_way: whether FAT is reached by mounting; here only mtools, which needs no rights and no mount.
fat_mounts() { return 1; }

# browse SECONDS: every board's record as `name TAB host TAB address TAB texts`, texts as in DNS: "key=value" "key=value".
browse() {
    command -v avahi-browse >/dev/null || die "avahi-browse is needed to hear boards: apt-get install avahi-utils avahi-daemon"
    local words
    words=$(avahi-browse --resolve --parsable --terminate --no-db-lookup _bramble._tcp 2>&1) ||
        die "avahi-browse: $(printf '%s' "$words" | head -n 1) (is avahi-daemon running?)"
    # =;interface;protocol;name;type;domain;host;address;port;texts. Texts may hold ';' themselves.
    printf '%s\n' "$words" | awk -F ';' '
        $1 == "=" {
            texts = $10
            for (i = 11; i <= NF; i++) texts = texts ";" $i
            printf "%s\t%s\t%s\t%s\n", $4, $7, $8, texts
        }'
}
browse_words() { printf 'avahi-browse'; }
