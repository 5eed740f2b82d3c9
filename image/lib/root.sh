# shellcheck shell=bash
# root.img: the tree as erofs, with its dm-verity tree behind it. Nothing in it depends on when or where it is made.

# No salt and a fixed id: the hash depends on the contents alone.
make_root() {
    local root=$work/root.img size
    mkfs.erofs --quiet -zlz4hc -C65536 -T"$SOURCE_DATE_EPOCH" -U"$root_uuid" -x-1 "$root" "$tree"
    size=$(stat --format=%s "$root")
    ((size % 4096 == 0)) || die "root.img is no whole number of blocks: $size bytes"
    veritysetup format --salt=- --uuid="$verity_uuid" --hash-offset="$size" "$root" "$root" >"$work/verity"
    sed -n 's/^Root hash:[[:space:]]*//p' "$work/verity" >"$work/root.hash"
    echo "$size" >"$work/root.hash-offset"
    (($(stat --format=%s "$root") <= root_mib * 1024 * 1024)) ||
        die "root.img has $(stat --format=%s "$root") bytes: more than a slot's $root_mib MiB"
}
