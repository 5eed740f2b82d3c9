# On a board: what the image and its kernel are to be. Each check says `ok NAME: what it saw` or `FAILED NAME: …`.
check() {
    name=$1
    shift
    if said=$("$@" 2>&1); then word=ok; else word=FAILED; fi
    echo "$word $name: $(echo "$said" | tr '\n' ' ')"
}
root_is_erofs() { findmnt -n -o FSTYPE,OPTIONS / && findmnt -n -o FSTYPE / | grep -qx erofs; }
root_cannot_be_written() { ! touch /usr/written && ! touch /etc/written; }
root_is_verified() { dmsetup status bramble-root && dmsetup status bramble-root | grep -q ' verity V'; }
data_has_grown() { df -h --output=size,pcent /data | tail -n 1 && [ "$(df -m --output=size /data | tail -n 1)" -gt 5000 ]; }
data_is_whole() { ! [ -e /run/bramble/data-trouble ] && findmnt -n -o FSTYPE,OPTIONS /data | grep '^ext4'; }
journal_in_memory() { [ -d /run/log/journal ] && ! [ -d /var/log/journal ] && journalctl --disk-usage; }
swap_in_zram() { swapon --noheadings --show=NAME,SIZE && swapon --noheadings --show=NAME | grep -q zram; }
no_failed_units() { failed=$(systemctl --failed --no-legend --plain) && echo "$failed" && [ -z "$failed" ]; }
own_machine_id() { grep -xE '[0-9a-f]{32}' /etc/machine-id && busybox cmp /etc/machine-id /data/machine-id; }
cgroup_v2() { for one in cpu memory pids; do grep -qw $one /sys/fs/cgroup/cgroup.controllers || return 1; done; cat /sys/fs/cgroup/cgroup.controllers; }
link_of() { ip link add lab-link type "$@" && ip -d link show lab-link | sed -n 3p && ip link del lab-link; }
watchdog_is_fed() { cat /sys/class/watchdog/watchdog0/identity && [ "$(cat /sys/class/watchdog/watchdog0/state)" = active ]; }
nobody_logs_in() { ! systemctl list-units --no-legend 'getty@*' 'serial-getty@*' | grep .; }
tables() { nft list tables | grep .; }
slot() { cat /run/bramble/boot; }
memory() { free -m | busybox awk '/Mem:/ { print "used " $3 " of " $2 " MB" }'; }
clock() { systemd-analyze time | head -n 1; }

check root-erofs root_is_erofs
check root-read-only root_cannot_be_written
check root-verified root_is_verified
check data-grown data_has_grown
check data-whole data_is_whole
check journal-in-memory journal_in_memory
check zram swap_in_zram
check machine-id own_machine_id
check cgroups cgroup_v2
check wireguard link_of wireguard
check vxlan link_of vxlan id 42 dstport 4789 local 127.0.0.1
check bridge link_of bridge
check nftables tables
check watchdog watchdog_is_fed
check no-login nobody_logs_in
check slot slot
check memory memory
check boot clock
check no-failed-units no_failed_units
echo end
