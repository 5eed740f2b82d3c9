# shellcheck shell=bash
# The image: how it is unpacked, how large it is, and that it is one of ours.

# Types of FAT partitions in an MBR.
fat_types=' 1 4 6 11 12 14 '

# unpack FILE: the image's bytes.
unpack() {
    case $1 in
    *.xz) xz --decompress --stdout -- "$1" ;;
    *.zst) zstd --decompress --stdout --quiet --long=27 -- "$1" ;;
    *) cat -- "$1" ;;
    esac
}

# image_open FILE: looks at it and sets image_size, image_fat_at (byte), image_fat_number.
image_open() {
    image=$1
    [ -e "$image" ] || die "there is no $image"
    [ -f "$image" ] && [ -r "$image" ] || die "$image is no file that can be read"
    case $image in
    *.img) ;;
    *.img.xz) command -v xz >/dev/null || die "xz is needed to unpack $image (package xz-utils; on macOS: brew install xz)" ;;
    *.img.zst) command -v zstd >/dev/null || die "zstd is needed to unpack $image (package zstd; on macOS: brew install zstd)" ;;
    *) die "$image: an image's name ends in .img, .img.xz or .img.zst" ;;
    esac
    image_sums
    image_size=$(unpacked_size "$image") || die "$image cannot be unpacked: it is damaged, or was not fetched to its end"
    ((image_size > 0 && image_size % 512 == 0)) || die "$image holds $image_size bytes, which are no whole sectors: this is no card's image"
    image_layout
}

# Sums that lie beside it count.
image_sums() {
    local sums wanted found
    sums=$(dirname "$image")/SHA256SUMS
    [ -r "$sums" ] || return 0
    wanted=$(awk -v name="$(basename "$image")" '{ file = $2; sub(/^\*/, "", file) } file == name { print $1; exit }' "$sums")
    [ -n "$wanted" ] || return 0
    found=$(sum256 <"$image")
    [ "$wanted" = "$found" ] || die "$image is not the file that $sums tells of: fetch it again"
}

# unpacked_size FILE: as its head tells, else counted.
unpacked_size() {
    local size=
    case $1 in
    *.xz) size=$(xz --robot --list -- "$1" 2>/dev/null | awk '$1 == "totals" { print $5 }') ;;
    *.zst) size=$(zstd --list --verbose -- "$1" 2>/dev/null | sed -n 's/^Decompressed Size:.*(\([0-9]*\) B).*/\1/p') ;;
    *)
        file_size "$1"
        return
        ;;
    esac
    case $size in
    '' | *[!0-9]*) size=$(unpack "$1" 2>/dev/null | wc -c | tr -d ' ') || return 1 ;;
    esac
    printf '%s\n' "$size"
}

# image_bytes AT COUNT: bytes of the image as numbers. What is beyond them is not unpacked, so the unpacker ends by a broken pipe.
image_bytes() {
    { unpack "$image" 2>/dev/null || true; } | head -c $(($1 + $2)) | tail -c "$2" | od -An -v -tu1 | tr -s ' \n' ' '
}

# Finds the first FAT partition, which must be called BRAMBLE.
image_layout() {
    local table entry at number=0 label
    # shellcheck disable=SC2207 # Numbers.
    table=($(image_bytes 0 512))
    ((${#table[@]} == 512 && table[510] == 85 && table[511] == 170)) || die "$image has no partition table: this is no card's image"
    image_fat_number=0
    for entry in 446 462 478 494; do
        number=$((number + 1))
        case $fat_types in
        *" ${table[entry + 4]} "*)
            at=$((table[entry + 8] + table[entry + 9] * 256 + table[entry + 10] * 65536 + table[entry + 11] * 16777216))
            image_fat_number=$number image_fat_at=$((at * 512))
            break
            ;;
        esac
    done
    ((image_fat_number)) || die "$image has no FAT partition: this is no image of Bramble"
    ((image_fat_at + 512 <= image_size)) || die "$image is not whole: its first partition begins beyond its end"
    label=$(fat_label)
    [ "$label" = BRAMBLE ] || die "$image is no image of Bramble: its first FAT partition is called \"$label\", not BRAMBLE"
}

# The label in a FAT's first sector: FAT32 has it at 71, the smaller ones at 43.
fat_label() {
    local sector at=43 i text=
    # shellcheck disable=SC2207 # Numbers.
    sector=($(image_bytes "$image_fat_at" 512))
    ((${#sector[@]} == 512)) || return 0
    # Sectors of a FAT at 22: 0 in FAT32.
    ((sector[22] + sector[23] > 0)) || at=71
    for ((i = at; i < at + 11; i++)); do
        ((sector[i] >= 32 && sector[i] < 127)) || continue
        # shellcheck disable=SC2059 # The format is one byte in octal.
        text=$text$(printf "\\$(printf %03o "${sector[i]}")")
    done
    printf '%s' "$text" | sed 's/ *$//'
}
