# shellcheck shell=bash
# What is written to: a disk or a file. Refuses what would hurt, and asks before it destroys.

# list_disks: a table of all disks, with why one cannot be taken.
list_disks() {
    local disk found=0
    {
        printf 'DISK\tSIZE\tBUS\tMODEL\tHOLDS\tCAN IT BE TAKEN?\n'
        while IFS= read -r disk; do
            [ -n "$disk" ] && disk_look "$disk" || continue
            found=1
            printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$disk" "$(human "$disk_size")" "${disk_bus:--}" "${disk_model:--}" "${disk_holds:--}" "$(disk_verdict)"
        done <<DISKS
$(disk_names)
DISKS
        ((found)) || printf 'none\n'
    } | table
}

# disk_verdict: what speaks against the disk that was looked at last; "yes" if nothing.
disk_verdict() {
    if ((disk_system)); then
        printf 'no: it holds the system'
    elif [ -n "$disk_mounts" ]; then
        printf 'no: mounted at %s' "$disk_mounts"
    elif ((disk_readonly)); then
        printf 'no: write-protected'
    elif ((!disk_removable)); then
        printf 'not removable: only with --fixed-disk'
    else
        printf 'yes'
    fi
}

# target_open PATH: refuses or sets target, target_kind, target_disk, target_name.
target_open() {
    target_fresh=0 target_made=0
    if disk_look "$(absolute "$1" || printf '%s' "$1")"; then
        disk_open "$1"
    elif [ -f "$1" ]; then
        file_open "$1"
    elif [ -e "$1" ]; then
        die "$1 is neither a disk nor a file"
    else
        case $1 in
        /dev/*) die "there is no disk $1 (hardware/flash --list tells which there are)" ;;
        */*) ;;
        *) [ ! -e "/dev/$1" ] || die "$1: the disk is called /dev/$1; for a file of that name write ./$1" ;;
        esac
        file_open "$1"
    fi
}

file_open() {
    local folder size=0
    folder=$(dirname "$1")
    [ -d "$folder" ] && [ -w "$folder" ] || die "$1: no folder $folder that can be written to"
    target=$(absolute "$1") || die "$1: a link that leads nowhere"
    target_kind=file target_disk=$target target_name=${target##*/}
    [ "$target" != "$(absolute "$image")" ] || die "$1 is the image itself"
    if [ -e "$target" ]; then
        [ -w "$target" ] || die "$1 cannot be written to"
        [ -z "$(file_in_use "$target")" ] || die "$1 is in use as a disk: $(file_in_use "$target" | head -n 1)"
        size=$(file_size "$target")
        ((size == 0 || size >= image_size)) || too_small "$size"
    fi
    if ((size == 0)); then
        target_fresh=1
        return 0
    fi
    confirm "$target_name, $(human "$size"), is there already. All that is in it will be lost."
}

too_small() {
    die "$target is too small: it holds $1 bytes ($(human "$1")), the image needs $image_size ($(human "$image_size")), $((image_size - $1)) more"
}

disk_open() {
    local path
    path=$(absolute "$1") || die "$1: a link that leads nowhere"
    disk_look "$path" || die "$1 is neither a disk nor a file"
    target=$disk_raw target_kind=disk target_disk=$disk_path target_name=${disk_path##*/}
    ((disk_whole)) || die "$1 is a part of a disk: the image goes to the whole of it${disk_parent:+, $disk_parent}"
    ((!disk_system)) || die "$1 holds the system of this machine: it is not touched"
    ((disk_size > 0)) || die "$1 is empty: there is no card in the reader"
    if [ -n "$disk_mounts" ]; then
        { [ -n "$opt_unmount" ] && ((disk_removable)); } ||
            die "$1 is mounted at $disk_mounts: unmount it first ($(disk_unmount_words "$path")), or say --unmount"
        disk_unmount "$path" || die "$1 could not be unmounted: what is in use there?"
        disk_look "$path" && [ -z "$disk_mounts" ] || die "$1 is still mounted at $disk_mounts"
    fi
    ((!disk_readonly)) || die "$1 is write-protected: look for the small switch on the card's side"
    if ((!disk_removable)); then
        [ -n "$opt_fixed_disk" ] || die "$1 (${disk_model:-no name}, $(human "$disk_size")) is not removable: if it is really meant, say --fixed-disk"
        [ -z "$opt_yes" ] || die "--yes is not for disks that are not removable: $1 has to be confirmed by hand"
    fi
    ((disk_size >= image_size)) || too_small "$disk_size"
    disk_writable "$target" || die "cannot write to $target_disk: it needs root's rights; run it again with sudo"
    confirm "$target_disk: $(human "$disk_size"), ${disk_model:-no name}, ${disk_bus:-unknown bus}, holds ${disk_holds:-nothing that is known}. All of it will be lost."
}

# confirm TEXT: nothing is destroyed before its name was typed.
confirm() {
    # In a series a disk is looked at twice, but asked about once.
    [ "$confirmed" != "$target_disk" ] || return 0
    say "$1"
    [ -z "$opt_yes" ] || return 0
    can_ask || die "nobody is there to confirm it: --yes confirms files and removable disks"
    ask "Type $target_name to go on:"
    [ "$answer" = "$target_name" ] || die "not confirmed: nothing was written"
}

# target_hold: takes the target for us alone.
target_hold() {
    local state=0
    if ((target_fresh)); then
        : >"$target" || die "cannot make $target"
        target_made=1
        own "$target"
    fi
    target_lock "$target" 2>/dev/null || state=$?
    case $state in
    0) target_held=1 ;;
    2) die "another program is at work on $target_name: perhaps another hardware/flash" ;;
    *) die "cannot write to $target" ;;
    esac
    if [ "$target_kind" = disk ] && disk_busy "$target"; then
        die "the system says that $target_name is in use (mounted where lsblk does not look, or part of a larger volume)"
    fi
}

target_let_go() {
    ((target_held)) || return 0
    target_held=0
    target_unlock
}
