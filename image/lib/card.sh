# shellcheck shell=bash disable=SC2034 # Sizes and ids are used by other parts too.
# The card: image/README.md's table, written with neither root's rights nor loop devices.

config_mib=64 boot_mib=192 root_mib=768 data_mib=64
# Fixed, so that the same inputs make the same bytes. The disk's id is how the initramfs knows its card.
disk_id=b7a3b1e0
config_fat_id=b7a3b1e1 boot_fat_id=b7a3b1e2
root_uuid=b7a3b1e0-0000-4000-8000-000000000005
verity_uuid=b7a3b1e0-0000-4000-8000-000000000006
data_uuid=b7a3b1e0-0000-4000-8000-000000000007
data_seed=b7a3b1e0-0000-4000-8000-000000000008

make_card() {
    local card=$output/$name.img mib start=4 config_at a_at b_at root_a_at root_b_at data_at end
    rm -f "$output/$name".img*
    # Everything begins on whole 4 MiB, a card's own unit; each logical partition's table stands 1 MiB before it.
    config_at=$start a_at=$((config_at + config_mib)) b_at=$((a_at + boot_mib))
    local extended_at=$((b_at + boot_mib))
    root_a_at=$((extended_at + 4)) root_b_at=$((root_a_at + root_mib + 4)) data_at=$((root_b_at + root_mib + 4))
    end=$((data_at + data_mib))
    truncate --size="${end}M" "$card"
    sfdisk --quiet "$card" <<END
label: dos
label-id: 0x$disk_id
unit: sectors
1 : start=$((config_at * 2048)), size=$((config_mib * 2048)), type=c
2 : start=$((a_at * 2048)), size=$((boot_mib * 2048)), type=c
3 : start=$((b_at * 2048)), size=$((boot_mib * 2048)), type=c
4 : start=$((extended_at * 2048)), size=$(((end - extended_at) * 2048)), type=f
5 : start=$((root_a_at * 2048)), size=$((root_mib * 2048)), type=83
6 : start=$((root_b_at * 2048)), size=$((root_mib * 2048)), type=83
7 : start=$((data_at * 2048)), size=$((data_mib * 2048)), type=83
END
    config_files
    make_fat "$work/config.vfat" "$config_mib" BRAMBLE "$config_fat_id" "$work/config"
    E2FSPROGS_FAKE_TIME=$SOURCE_DATE_EPOCH mke2fs -q -t ext4 -b 4096 -L DATA -U "$data_uuid" -m 1 -J size=16 \
        -E "hash_seed=$data_seed,root_owner=0:0,resize=536870912,lazy_itable_init=0,nodiscard" \
        "$work/data.ext4" "${data_mib}M"
    place "$work/config.vfat" $config_at
    place "$work/boot.vfat" $a_at
    place "$work/root.img" $root_a_at
    place "$work/data.ext4" $data_at
}

# place FILE MIB: copies FILE into the card, holes staying holes.
place() { dd if="$1" of="$output/$name.img" bs=1M seek="$2" conv=notrunc,sparse status=none; }

# What a person sees who puts the card into a computer.
config_files() {
    mkdir -p "$work/config"
    printf '[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n' >"$work/config/autoboot.txt"
    # A Pi 3 starts with this bootcode.bin, and is said to want a config.txt beside it before it looks at autoboot.txt.
    cp "$work/bootcode.bin" "$work/config/"
    echo '# The settings are in config.txt of the partitions BOOT.' >"$work/config/config.txt"
    cp "$image/boot/bramble.toml" "$work/config/"
}

compress_card() {
    cd "$output" || return
    case $compress in
    zstd) zstd --quiet --force --threads=0 -12 --long=27 "$name.img" -o "$name.img.zst" ;;
    # The number of threads is part of what xz writes.
    xz) xz --keep --force --threads=2 --block-size=16MiB -6 "$name.img" ;;
    none) ;;
    esac
    cp "$work/packages.txt" "$name.packages.txt"
}

sum_up() {
    cd "$output" || return
    sha256sum "$name".img* "$name".raucb "$name".packages.txt >SHA256SUMS 2>/dev/null || true
    sha256sum "$work/boot.vfat" "$work/root.img" | sed "s|$work/||" >>SHA256SUMS
}

report() {
    local file
    for file in "$output/$name".img "$output/$name".img.* "$output/$name".raucb; do
        [[ -e $file ]] || continue
        printf '%s: %d MB, %d on disk\n' "$file" $(($(stat --format=%s "$file") / 1000000)) \
            $(($(du --block-size=1 "$file" | cut -f1) / 1000000))
    done
    printf 'root %d MB of %d MiB, %s packages, made in %d s\n' $(($(stat --format=%s "$work/root.img") / 1000000)) \
        "$root_mib" "$(grep -vc '^#' "$work/packages.txt")" "$SECONDS"
}
