# shellcheck shell=bash
# boot.vfat: what the Pi's firmware reads of a slot.

make_boot() {
    cp "$image/boot/config.txt" "$work/boot/config.txt"
    cat "$work/config.kernel" >>"$work/boot/config.txt"
    printf '%s bramble.disk=%s bramble.root=%s bramble.hash-offset=%s\n' "$(grep -v '^#' "$image/boot/cmdline.txt" | tr -s '\n' ' ' | sed 's/ $//')" \
        "$disk_id" "$(<"$work/root.hash")" "$(<"$work/root.hash-offset")" >"$work/boot/cmdline.txt"
    # Read from the card's first partition and nowhere else.
    mv "$work/boot/bootcode.bin" "$work/bootcode.bin"
    make_fat "$work/boot.vfat" "$boot_mib" BOOT "$boot_fat_id" "$work/boot"
}

# make_fat FILE MIB LABEL ID FOLDER: a FAT with the folder's files and times that do not depend on today.
make_fat() {
    local file=$1 mib=$2 label=$3 id=$4 folder=$5 entries
    rm -f "$file"
    truncate --size="${mib}M" "$file"
    mkfs.vfat -F 32 -s "$((mib > 128 ? 2 : 1))" -n "$label" -i "$id" --invariant "$file" >/dev/null
    find "$folder" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
    mapfile -t entries < <(find "$folder" -mindepth 1 -maxdepth 1 | sort)
    MTOOLS_SKIP_CHECK=1 mcopy -s -m -Q -i "$file" "${entries[@]}" ::/
}
