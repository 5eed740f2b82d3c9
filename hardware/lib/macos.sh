# shellcheck shell=bash
# What is macOS's own: disks by diskutil, BSD's dd, dns-sd. debian.sh says the same in Linux's words.
# Never run on a Mac so far: hardware/test runs it with stand-ins for diskutil, mount and dns-sd.

# about KEY TEXT: a line of `diskutil info`.
about() { printf '%s\n' "$2" | sed -n "s|^ *$1: *||p" | head -n 1; }

disk_names() { diskutil list | sed -n 's|^\(/dev/disk[0-9]*\) .*physical.*|\1|p'; }

# The disk below `/`: the volume's, or that of its APFS container's store.
system_disk() {
    local words store
    words=$(diskutil info / 2>/dev/null) || return 0
    store=$(about 'APFS Physical Store' "$words")
    [ -n "$store" ] || store=$(about 'Part of Whole' "$words")
    printf '%s\n' "$store" | sed 's|^\(disk[0-9]*\).*|/dev/\1|'
}

disk_look() {
    local words path
    path=$(printf '%s\n' "$1" | sed 's|^/dev/rdisk|/dev/disk|')
    case $path in
    /dev/disk[0-9]*) ;;
    *) return 1 ;;
    esac
    words=$(diskutil info "$path" 2>/dev/null) || return 1
    disk_path=$path disk_raw=/dev/r${path#/dev/} disk_whole=1 disk_parent=
    if [ "$(about Whole "$words")" = No ]; then
        disk_whole=0
        disk_parent=/dev/$(about 'Part of Whole' "$words")
    fi
    disk_size=$(about 'Disk Size' "$words" | sed 's/.*(\([0-9]*\) Bytes).*/\1/')
    case $disk_size in
    '' | *[!0-9]*) disk_size=0 ;;
    esac
    disk_bus=$(about Protocol "$words") disk_model=$(about 'Device / Media Name' "$words" | harmless)
    disk_readonly=0 disk_removable=0
    [ "$(about 'Media Read-Only' "$words")" != Yes ] || disk_readonly=1
    case "$(about 'Removable Media' "$words")/$(about 'Device Location' "$words")" in
    Removable/* | Yes/* | */External) disk_removable=1 ;;
    esac
    [ "$disk_bus" != 'Secure Digital' ] || disk_bus=sd disk_removable=1
    disk_use "$path"
}

disk_use() {
    local listed disks place
    disk_mounts='' disk_holds='' disk_system=0
    [ "$(system_disk)" != "$1" ] || disk_system=1
    listed=$(diskutil list "$1" 2>/dev/null) || listed=
    disk_holds=$(printf '%s\n' "$listed" | awk '$1 ~ /^[1-9][0-9]*:$/ && $3 !~ /^[*+0-9]/ { printf "%s%s", sep, $3; sep = ", " }' | harmless)
    # APFS volumes are mounted from a disk of their own, made from a container on this one.
    disks="${1#/dev/} $(printf '%s\n' "$listed" | sed -n 's/.*Container \(disk[0-9]*\).*/\1/p')"
    for place in $disks; do
        disk_mounts="$disk_mounts$(mount | sed -n "s|^/dev/${place}s[0-9s]* on \(.*\) (.*|\1, |p" | tr -d '\n')"
    done
    disk_mounts=${disk_mounts%, }
}

disk_unmount_words() { printf 'diskutil unmountDisk %s' "$1"; }
disk_unmount() { diskutil unmountDisk "$1" >/dev/null; }

# Whoever may not write to a raw disk may not read it either.
disk_writable() { if [ "$target_kind" = disk ]; then dd if="$1" of=/dev/null bs=512 count=1 2>/dev/null; else [ -w "$1" ]; fi; }

# There is no flock here: a folder with the owner's process id, beside the user's other temporary files.
target_lock() {
    disk_writable "$1" || return 1
    lock_folder=${TMPDIR:-/tmp}/bramble-flash.$(printf '%s' "$1" | tr -c 'A-Za-z0-9' '_')
    folder_lock "$lock_folder" 0 || return 2
}
target_unlock() { folder_unlock "$lock_folder"; }

# The raw disk refuses what is mounted by itself.
disk_busy() { return 1; }
target_settle() { sync; }
disk_finish() { diskutil eject "$1" >/dev/null 2>&1 || true; }
disk_finish_words() { printf 'it is ejected: take it out'; }

dd_write() { dd ibs=65536 obs="$2" conv=notrunc of="$1"; }
dd_read() { dd bs="$2" count="$3" if="$1"; }
dd_spoil() { dd if=/dev/zero of="$1" bs=512 count=1 conv=notrunc 2>/dev/null; }
# dd_poke GROUP: BSD's dd tells how far it is when it is asked.
dd_poke() { kill -INFO -- "-$1" 2>/dev/null || true; }

file_size() { stat -f %z "$1"; }
file_in_use() { hdiutil info 2>/dev/null | grep -F -- "$1" || true; }
sum256() { shasum -a 256 | cut -d ' ' -f 1; }
home_of() { dscl . -read "/Users/$1" NFSHomeDirectory | sed 's/^[^ ]* //'; }

fat_tools_words() { printf 'mtools is needed to put bramble.toml into a file: brew install mtools'; }
# A disk's FAT is mounted, which macOS does by itself; mtools is for files.
fat_mounts() { [ "$target_kind" = disk ]; }

# fat_mount DISK NUMBER: prints where.
fat_mount() {
    local part=$1s$2 place
    place=$(about 'Mount Point' "$(diskutil info "$part" 2>/dev/null)")
    if [ -z "$place" ]; then
        diskutil mount "$part" >/dev/null || return 1
        place=$(about 'Mount Point' "$(diskutil info "$part")")
    fi
    printf '%s\n' "$place"
}
fat_unmount() { diskutil unmountDisk "$1" >/dev/null; }

# dns-sd never ends by itself: it listens as long as it is told.
browse() {
    local listener words
    words=$(mktemp "${TMPDIR:-/tmp}/bramble-browse.XXXXXX") || return 1
    dns-sd -Z _bramble._tcp local. >"$words" 2>/dev/null &
    listener=$!
    sleep "$1"
    kill "$listener" 2>/dev/null || true
    wait "$listener" 2>/dev/null || true
    # NAME._bramble._tcp SRV 0 0 PORT HOST. ; NAME._bramble._tcp TXT "…" "…"
    awk '
        $2 == "SRV" { host[$1] = $6; order[++n] = $1 }
        $2 == "TXT" { text = $0; sub(/^[^"]*/, "", text); texts[$1] = text }
        END {
            for (i = 1; i <= n; i++) {
                name = order[i]; sub(/\._bramble\._tcp.*/, "", name)
                printf "%s\t%s\t%s\n", name, host[order[i]], texts[order[i]]
            }
        }' "$words" | while IFS="$(printf '\t')" read -r name host texts; do
        host=${host%.}
        printf '%s\t%s\t%s\t%s\n' "$name" "$host" "$(dscacheutil -q host -a name "$host" | sed -n 's/^ip_address: //p' | head -n 1)" "$texts"
    done
    rm -f "$words"
}
browse_words() { printf 'dns-sd'; }
