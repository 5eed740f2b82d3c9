# shellcheck shell=bash
# Puts bramble.toml onto the card's first FAT partition, and reads it back.

# card_tools: before anything is written, that it can be done.
card_tools() {
    fat_mounts || command -v mcopy >/dev/null || die "$(fat_tools_words)"
    command -v iconv >/dev/null || die "iconv is needed to check what goes onto the card"
}

put_settings() {
    local text=$scratch/bramble.toml
    (umask 077 && card_text "$card_number" >"$text")
    if fat_mounts; then put_by_mount "$text"; else put_by_mtools "$text"; fi || return 1
    say "  settings  bramble.toml"
}

# By a link, since mtools would read '@@' in a path as its own.
put_by_mtools() {
    local place="$scratch/card@@$image_fat_at"
    ln -sf "$target" "$scratch/card"
    if ! MTOOLS_SKIP_CHECK=1 mcopy -D o -o -i "$place" "$1" ::/bramble.toml 2>"$scratch/words"; then
        trouble="bramble.toml could not be written: $(head -n 1 "$scratch/words" | harmless)"
        return 1
    fi
    target_settle "$target" || true
    if ! MTOOLS_SKIP_CHECK=1 mtype -i "$place" ::/bramble.toml 2>/dev/null | cmp -s - "$1"; then
        trouble="bramble.toml reads back wrong: the card is worn or not what it claims to be; do not use it"
        return 1
    fi
}

put_by_mount() {
    local place
    if ! place=$(fat_mount "$target_disk" "$image_fat_number") || [ -z "$place" ]; then
        trouble="its first partition could not be mounted to put bramble.toml there"
        return 1
    fi
    if ! cat "$1" >"$place/bramble.toml" || ! sync || ! cmp -s "$1" "$place/bramble.toml"; then
        trouble="bramble.toml could not be written to $place"
        return 1
    fi
    fat_unmount "$target_disk" || { trouble="$place could not be unmounted" && return 1; }
}
