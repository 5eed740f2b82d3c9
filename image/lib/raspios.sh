# shellcheck shell=bash
# --base raspios=FILE: the root tree, kernel and firmware of an official Raspberry Pi OS image. Packages that nothing of
# image/packages needs go, and what is missing comes from Debian, of the release that the image is made of.

raspios_tree() {
    local card=$raspios
    if [[ $raspios == *.xz ]]; then
        card=$work/raspios.img
        xz --decompress --threads=0 --stdout "$raspios" | dd of="$card" bs=1M conv=sparse iflag=fullblock status=none
    fi
    raspios_partitions "$card"
    [[ -e $tree/var/lib/dpkg/status && -e $work/boot/kernel8.img ]] ||
        die "$raspios is no Raspberry Pi OS for 64 bits: it lacks dpkg's list or kernel8.img"
    rm -f "$work/raspios.img"
    raspios_boot
    raspios_additions
    raspios_unneeded
    unpack "$tree"
    raspios_users
}

# A FAT first, a Linux second: that is how all their images are.
raspios_partitions() {
    local card=$1 fat root
    fat=$(sfdisk --dump "$card" | sed -n 's/.*start= *\([0-9]*\),.*type=\(c\|b\|e\)\b.*/\1/p' | head -n 1)
    root=$(sfdisk --dump "$card" | sed -n 's/.*start= *\([0-9]*\),.*type=83\b.*/\1/p' | head -n 1)
    [[ -n $fat && -n $root ]] || die "$raspios has no FAT and Linux partitions"
    mkdir -p "$work/boot" "$tree"
    MTOOLS_SKIP_CHECK=1 mcopy -s -n -Q -m -i "$card@@$((fat * 512))" ::/ "$work/boot"
    debugfs -R "rdump / $tree" "$card?offset=$((root * 512))"
    rmdir "$tree/lost+found" 2>/dev/null || true
    chmod 755 "$tree"
}

# One kernel for all boards: the one with pages of 4 KiB, which runs on a Pi 5 as well. Its image tells which modules are its.
raspios_boot() {
    local modules=$tree/usr/lib/modules kernel release
    { gzip --decompress --stdout "$work/boot/kernel8.img" 2>/dev/null || cat "$work/boot/kernel8.img"; } >"$work/kernel"
    release=$(grep --text --only-matching --max-count=1 'Linux version [^ ]*' "$work/kernel" | head -n 1)
    release=${release##* }
    [[ -n $release && -d $modules/$release ]] || die "kernel8.img is ${release:-no kernel}, whose modules are not in $raspios"
    echo "$release" >"$work/kernel.release"
    for kernel in "$modules"/*; do
        [[ ${kernel##*/} == "$release" ]] || rm -rf "$kernel"
    done
    rm -f "$work"/boot/{kernel_2712.img,kernel.img,kernel7*.img,initramfs*,config.txt,cmdline.txt,issue.txt,ssh*,userconf*}
    rm -f "$work"/boot/{start,fixup}*{_x,_db,4x,4db}.* "$work"/boot/{user-data,meta-data,network-config}
    printf 'kernel=kernel8.img\ndtoverlay=vc4-kms-v3d\n' >"$work/config.kernel"
}

# Fetches what is missing, from Debian: what apt finds fit for what is there.
raspios_additions() {
    local wanted release
    release=$(sed -n 's/^VERSION_CODENAME=//p' "$tree/etc/os-release")
    [[ $release == bookworm || $release == trixie ]] || die "$raspios is of Debian's $release: bookworm and trixie are known"
    cp "$tree/var/lib/dpkg/status" "$work/status.theirs"
    apt_for "$work/status.theirs" "$release"
    mapfile -t wanted < <(listed '')
    fetch --allow-downgrades "${wanted[@]}"
}

# Packages that are installed, but that nothing we want needs: their files go, and their entries in dpkg's list.
raspios_unneeded() {
    local status=$tree/var/lib/dpkg/status info=$tree/var/lib/dpkg/info package deb
    local release
    release=$(<"$work/kernel.release")
    {
        listed ''
        printf '%s\n' raspberrypi-kernel raspi-firmware linux-{image,modules}-"$release"
    } >"$work/roots"
    listed '!' >"$work/not-followed"
    {
        cat "$status"
        while read -r deb; do
            echo
            dpkg-deb --field "$deb"
        done <"$work/debs"
    } >"$work/status.both"
    needed_packages "$work/roots" "$work/not-followed" <"$work/status.both" | sort >"$work/needed"
    sed -n 's/^Package: //p' "$status" | sort | comm -23 - "$work/needed" >"$work/unneeded"
    while read -r package; do
        cat "$info/$package.list" "$info/$package:arm64.list" 2>/dev/null || true
    done <"$work/needed" | sort -u >"$work/kept-files"
    while read -r package; do
        cat "$info/$package.list" "$info/$package:arm64.list" 2>/dev/null || true
    done <"$work/unneeded" | sort -u | comm -23 - "$work/kept-files" |
        # Modules, firmware and licences are looked at by other steps.
        grep -v -E '^(/usr)?/lib/(modules|firmware)/' | while read -r path; do
        [[ -d $tree$path && ! -L $tree$path ]] || rm -f "$tree$path"
    done
    awk 'BEGIN { RS = ""; ORS = "\n\n" } NR == FNR { n = split($0, names, "\n"); for (i = 1; i <= n; i++) wanted[names[i]]; next }
         { match($0, /Package: [^\n]*/); if (substr($0, RSTART + 9, RLENGTH - 9) in wanted) print }' \
        "$work/needed" "$status" >"$work/status"
}

# needed_packages ROOTS NOT-FOLLOWED <STATUS: what of the installed packages the roots need, and theirs; essential ones too.
needed_packages() {
    awk -v roots="$1" -v leaves="$2" '
        function need(name) { if (name in installed && !(name in seen)) { seen[name]; queue[++last] = name } }
        BEGIN {
            while ((getline name < leaves) > 0) leave[name]
            RS = ""; FS = "\n"
        }
        {
            name = ""
            for (i = 1; i <= NF; i++) {
                if ($i ~ /^Package: /) name = substr($i, 10)
                if ($i ~ /^Status: / && $i !~ / installed$/) next
            }
            installed[name]
            for (i = 1; i <= NF; i++) {
                if ($i ~ /^(Pre-)?Depends: /) { sub(/^[^:]*: /, "", $i); depends[name] = depends[name] ", " $i }
                if ($i ~ /^Provides: /) {
                    sub(/^[^:]*: /, "", $i); gsub(/ *\([^)]*\)/, "", $i)
                    n = split($i, given, / *, */)
                    for (k = 1; k <= n; k++) provider[given[k]] = provider[given[k]] " " name
                }
                if ($i == "Essential: yes") essential[name]
            }
        }
        END {
            RS = "\n"
            while ((getline name < roots) > 0) need(name)
            for (name in essential) need(name)
            while (done < last) {
                name = queue[++done]
                if (name in leave) continue
                text = depends[name]; gsub(/ *\([^)]*\)|:any/, "", text)
                n = split(text, any, / *[,|] */)
                for (i = 1; i <= n; i++) {
                    need(any[i])
                    m = split(provider[any[i]], by, " ")
                    for (k = 1; k <= m; k++) need(by[k])
                }
            }
            for (name in seen) if (!(name in leave)) print name
        }'
}

# Nobody logs in on a board: the image's person goes, and so does what asks for one.
raspios_users() {
    local file
    for file in passwd shadow group gshadow; do
        [[ -e $tree/etc/$file ]] || continue
        awk -F: -v passwd="$tree/etc/passwd" 'BEGIN { while ((getline line < passwd) > 0) { split(line, part, ":");
                if (part[3] >= 1000 && part[3] < 60000) person[part[1]] } }
             !($1 in person)' "$tree/etc/$file" >"$work/users"
        cat "$work/users" >"$work/users.$file"
    done
    for file in passwd shadow group gshadow; do
        [[ ! -e $work/users.$file ]] || cat "$work/users.$file" >"$tree/etc/$file"
    done
    sed -i 's/^root:[^:]*:/root:*:/' "$tree/etc/shadow"
    rm -rf "${tree:?}"/home/* "$tree"/etc/{systemd/system/{*.wants,*.requires,*.service.d},sudoers*,wpa_supplicant/*.conf,ssh/ssh_host_*}
}

installed_of_raspios() {
    {
        awk 'BEGIN { RS = ""; FS = "\n" }
             { p = v = a = ""; for (i = 1; i <= NF; i++) { if ($i ~ /^Package: /) p = substr($i, 10)
               if ($i ~ /^Version: /) v = substr($i, 10); if ($i ~ /^Architecture: /) a = substr($i, 15) } print p, v, a }' "$work/status"
        cat "$work/chosen"
    } | sort -k 1,1 | awk '{ last[$1] = $0 } END { for (p in last) print last[p] }' | sort
}
