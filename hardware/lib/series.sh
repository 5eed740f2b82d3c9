# shellcheck shell=bash
# Card after card: waits for the next disk to appear, and keeps account of what is done.

disks_now() { disk_names | sort; }

# has LINES LINE
has() { printf '%s\n' "$1" | grep -qxF -- "$2"; }

# wait_for_disk NUMBER: until a disk is there that is not in $known_disks; its path goes to $new_disk. What goes away is not known
# any more, so that the same reader counts again with its next card.
wait_for_disk() {
    local now disk still
    say "Put in card $1 (done: $cards_done of $opt_series)${only_disk:+ at $only_disk}."
    while :; do
        now=$(disks_now)
        still=
        while IFS= read -r disk; do
            [ -n "$disk" ] || continue
            if has "$known_disks" "$disk"; then
                still="$still$disk
"
            elif [ -z "$only_disk" ] || [ "$only_disk" = "$disk" ]; then
                new_disk=$disk
                known_disks="$known_disks
$disk"
                return 0
            fi
        done <<DISKS
$now
DISKS
        known_disks=$still
        pause 0.5
    done
}

# A series into files.
many_files() {
    while ((cards_done < ${opt_series:-1})); do
        one_card "$(numbered "$opt_target" "$(next_number)")" || exit 1
    done
    account
}

# The number that the next card will have.
next_number() {
    local next=
    [ -z "$set_cluster" ] || next=$(cluster_file=$(cluster_path) && kept next)
    printf '%d\n' "${set_number:-${next:-$((cards_done + 1))}}"
}

# A series onto disks: those that are there at the beginning are left alone, but for the one that was named.
many_disks() {
    known_disks=$(disks_now)
    if [ -n "$opt_target" ]; then
        only_disk=$(absolute "$opt_target")
        disk_look "$only_disk" || die "$opt_target is no disk: a series into files needs %n in the file's name"
        known_disks=$(printf '%s\n' "$known_disks" | grep -vxF -- "$only_disk" || true)
    fi
    while ((cards_done < opt_series)); do
        wait_for_disk "$(next_number)"
        # What refuses a disk ends this subshell, not the series: the next disk may be good.
        if (target_open "$new_disk"); then
            confirmed=$new_disk
            one_card "$new_disk" || say "  another card gets this number"
            confirmed=
        fi
        say "Take it out."
    done
    account
}

# account: which cards of a series are done.
account() {
    [ -n "$opt_series" ] || return 0
    if ((cards_done)); then
        say "done: $cards_done of $opt_series: card $cards_list"
    else
        say "done: none of $opt_series"
    fi
}
