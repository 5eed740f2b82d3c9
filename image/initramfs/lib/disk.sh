# shellcheck shell=sh
# Modules, and the disk that the board was started from.

# What the image always needs, then whatever the devices ask for. Called again while disks turn up: buses bring buses.
load_modules() {
    modprobe -a -q dm_verity erofs ext4 vfat nls_cp437 nls_ascii overlay 2>/dev/null
    load_drivers
}

load_drivers() {
    find /sys/devices -name modalias -exec cat {} + 2>/dev/null | sort -u | xargs -r modprobe -a -q -b 2>/dev/null
}

# id_of DISK: its MBR's id as eight hex digits, as `sfdisk` shows it without 0x.
id_of() { hexdump -s 440 -n 4 -e '1/4 "%08x"' "/dev/$1" 2>/dev/null; }

# part DISK NUMBER: the partition's device name.
part() {
    case $1 in
    *[0-9]) echo "/dev/$1p$2" ;;
    *) echo "/dev/$1$2" ;;
    esac
}

# Disks by how likely the firmware started from them: it tells the way (1 card, 4 USB, 6 NVMe), not the disk.
disks() {
    case $boot_mode in
    4) order="sd mmcblk nvme vd" ;;
    6) order="nvme mmcblk sd vd" ;;
    *) order="mmcblk nvme sd vd" ;;
    esac
    for kind in $order; do
        for path in /sys/block/"$kind"*; do
            case $path in
            *boot[0-9] | *rpmb) continue ;;
            esac
            [ -e "$path" ] && echo "${path##*/}"
        done
    done
}

# Sets `disk`, once it and its seven partitions are there. USB disks may take a while.
find_disk() {
    tries=120
    while [ $tries -gt 0 ]; do
        for disk in $(disks); do
            if [ "$(id_of "$disk")" = "$disk_id" ] && [ -e "$(part "$disk" 7)" ]; then
                settle_usb || continue
                return 0
            fi
        done
        tries=$((tries - 1))
        sleep 0.5
        load_drivers
    done
    return 1
}

# Started from USB, with a card of the same image in the slot: the USB disk may only be slower to come.
settle_usb() {
    case $boot_mode-$disk in
    4-sd* | 6-nvme*) return 0 ;;
    4-* | 6-*) [ "$tries" -lt 80 ] ;;
    esac
}
