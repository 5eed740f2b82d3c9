# shellcheck shell=bash
# The programs that building needs, by the Debian package that has them.

# package:program
tools=(
    apt:apt-get dpkg:dpkg-deb fakeroot:fakeroot systemd:systemctl kmod:depmod erofs-utils:mkfs.erofs
    cryptsetup-bin:veritysetup mtools:mcopy dosfstools:mkfs.vfat e2fsprogs:mke2fs fdisk:sfdisk xz-utils:xz zstd:zstd
    cpio:cpio binutils:readelf rauc:rauc openssl:openssl squashfs-tools:mksquashfs gzip:gzip git:git
    debian-archive-keyring:/usr/share/keyrings/debian-archive-trixie-stable.gpg
)

# Says which packages are lacking; with --install-tools installs them.
need_tools() {
    local entry lacking=() PATH=$PATH:/usr/sbin:/sbin
    for entry in "${tools[@]}"; do
        command -v "${entry#*:}" >/dev/null || [[ -e ${entry#*:} ]] || lacking+=("${entry%%:*}")
    done
    if ((${#lacking[@]})); then
        [[ -n $install_tools ]] ||
            die "lacks the Debian packages ${lacking[*]}: apt install them, or run image/build --install-tools"
        local root=()
        ((EUID == 0)) || root=(sudo)
        "${root[@]}" apt-get update
        "${root[@]}" apt-get install --yes --no-install-recommends "${lacking[@]}"
    fi
    if [[ -n $install_tools && -z $base ]]; then
        echo "all tools are there" >&2
        exit 0
    fi
}
# An ordinary user's path often lacks these.
export PATH=$PATH:/usr/sbin:/sbin
