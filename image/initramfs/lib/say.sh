# shellcheck shell=sh
# Words for the console, and the end of the road.

# say TEXT: on all consoles, even with `quiet`.
say() { echo "<3>bramble: $*" >/dev/kmsg; }

# note TEXT: in the kernel's log only.
note() { echo "<6>bramble: $*" >/dev/kmsg; }

# after SECONDS: so that a person can read, then starts the board again. Never a shell: who holds the board would be root.
restart_after() {
    sync
    sleep "$1"
    reboot -f
    sleep 1000
}

# give_up TEXT: a slot that is tried goes back to the old one at once; else the next start may find what was missing.
give_up() {
    say "$*"
    if [ "$try" = 1 ]; then
        say "this was the try of an update: back to the old one"
        restart_after 3
    fi
    say "starting again in 60 s"
    restart_after 60
}

# cell FILE: a number of the device tree, four bytes, big end first; nothing if there is no such file.
cell() {
    [ -e "$1" ] || return 0
    # shellcheck disable=SC2046 # Four words.
    set -- $(hexdump -n 4 -e '4/1 "%u "' "$1")
    echo $(($1 * 16777216 + $2 * 65536 + $3 * 256 + $4))
}

# What the command line and the firmware say. bramble.root, bramble.hash-offset: README; bramble.disk: the MBR's id.
read_orders() {
    root_hash='' hash_offset='' disk_id=''
    # shellcheck disable=SC2013 # Words, not lines.
    for word in $(cat /proc/cmdline); do
        case $word in
        bramble.root=*) root_hash=${word#*=} ;;
        bramble.hash-offset=*) hash_offset=${word#*=} ;;
        bramble.disk=*) disk_id=${word#*=} ;;
        esac
    done
    chosen=/proc/device-tree/chosen/bootloader
    try=$(cell $chosen/tryboot)
    try=${try:-0}
    told_partition=$(cell $chosen/partition)
    boot_mode=$(cell $chosen/boot-mode)
    case "$root_hash,$hash_offset,$disk_id" in
    ?*,?*,?*) ;;
    *) give_up "the kernel's command line lacks bramble.root, bramble.hash-offset or bramble.disk" ;;
    esac
}
