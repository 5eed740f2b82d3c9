# shellcheck shell=bash
# --base debian: a tree of Debian 13's packages.

debian_tree() {
    local wanted
    mkdir -p "$tree"
    : >"$work/status"
    apt_for "$work/status" trixie
    mapfile -t wanted < <(listed "")
    fetch linux-image-arm64 raspi-firmware "${wanted[@]}"
    unpack "$tree"
    users_of_debian
    # The new layout of Debian's kernels: all of one kernel is in one folder. What starts the board moves out of the root.
    local kernel
    kernel=$(kernel_version)
    mkdir -p "$work/boot"
    mv "$tree/usr/lib/modules/$kernel/vmlinuz" "$work/kernel"
    cp "$tree/usr/lib/modules/$kernel"/dtb/broadcom/bcm2*-rpi-*.dtb "$work/boot/"
    rm -rf "$tree/usr/lib/modules/$kernel/dtb" "$tree/usr/lib/linux-image-$kernel"
    cp -R "$tree"/usr/lib/raspi-firmware/. "$work/boot/"
    # Variants for cameras and for debugging the firmware; a board of ours has neither.
    rm -f "$work"/boot/{start,fixup}*{_x,_db,4x,4db}.*
    rm -rf "$tree/usr/lib/raspi-firmware" "$tree"/etc/{initramfs,kernel,default/raspi-firmware*}
    # The packed form is half the size; the Pi's firmware knows it by its first bytes.
    gzip --no-name --best <"$work/kernel" >"$work/boot/kernel8.img"
    printf 'upstream_kernel=1\nkernel=kernel8.img\n' >"$work/config.kernel"
}

# What base-passwd's script would do.
users_of_debian() {
    local masters=$tree/usr/share/base-passwd day=$((SOURCE_DATE_EPOCH / 86400))
    sed 's/:\*:/:x:/' "$masters/passwd.master" >"$tree/etc/passwd"
    sed 's/:\*:/:x:/' "$masters/group.master" >"$tree/etc/group"
    sed "s/^\([^:]*\):.*/\1:*:$day:0:99999:7:::/" "$masters/passwd.master" >"$tree/etc/shadow"
    sed 's/^\([^:]*\):.*/\1:*::/' "$masters/group.master" >"$tree/etc/gshadow"
    chmod 640 "$tree/etc/shadow" "$tree/etc/gshadow"
}

# The one kernel of the tree.
kernel_version() {
    local found=("$tree"/usr/lib/modules/*)
    ((${#found[@]} == 1)) || die "not one kernel in the tree but: ${found[*]##*/}"
    echo "${found[0]##*/}"
}
