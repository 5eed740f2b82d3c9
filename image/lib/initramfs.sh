# shellcheck shell=bash
# The initramfs: busybox, dmsetup, e2fsck and mke2fs with their libraries, our init, and the modules that find a root.

make_initramfs() {
    local ram=$work/initramfs kernel program
    kernel=$(kernel_version)
    mkdir -p "$ram"/{bin,lib/bramble,dev,proc,sys,run,new,etc,usr}
    cp "$tree/usr/bin/busybox" "$ram/bin/busybox"
    busybox_links "$ram"
    # The loader's and the libraries' names are /lib/…; dmsetup and its like look in /usr/lib too.
    ln -s ../lib ../bin "$ram/usr/"
    for program in dmsetup e2fsck mke2fs; do
        install -m 755 "$(realpath "$tree/usr/sbin/$program")" "$ram/bin/$program"
        libraries_of "$tree/usr/sbin/$program"
    done | sort -u | while read -r library; do
        install -D -m 755 "$(realpath "$tree/usr/lib/$library")" "$ram/lib/$library"
    done
    cp "$tree/etc/mke2fs.conf" "$ram/etc/"
    ln -s /proc/self/mounts "$ram/etc/mtab"
    install -m 755 "$image/initramfs/init" "$ram/init"
    install -m 644 "$image"/initramfs/lib/*.sh "$ram/lib/bramble/"
    initramfs_modules "$ram" "$kernel"
    find "$ram" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
    (cd "$ram" && find . -mindepth 1 | sort |
        cpio --quiet --create --format=newc --owner=0:0 --reproducible --renumber-inodes) |
        zstd --quiet -12 --threads=2 >"$work/boot/initramfs.img"
}

# The commands that initramfs/ uses, by name: a missing one shows here and not on a board.
busybox_links() {
    local name
    for name in sh mount umount cat echo mkdir modprobe find sort xargs hexdump sleep reboot sync kill watchdog readlink \
        basename sed dd tr mv chmod grep switch_root printf; do
        ln -s busybox "$1/bin/$name"
    done
}

# libraries_of PROGRAM: the files below /usr/lib that it is linked with, itself and by what it needs.
libraries_of() {
    local todo=("$1") name seen=' ' folder=aarch64-linux-gnu
    echo "ld-linux-aarch64.so.1"
    while ((${#todo[@]})); do
        local of=${todo[0]}
        todo=("${todo[@]:1}")
        while read -r name; do
            [[ $name == ld-linux* || $seen == *" $name "* ]] && continue
            seen+="$name "
            [[ -e $tree/usr/lib/$folder/$name ]] || die "$of needs $name, which is not in the tree"
            echo "$folder/$name"
            todo+=("$tree/usr/lib/$folder/$name")
        done < <(readelf --dynamic --wide "$of" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
    done
}

# Unpacked: busybox's modprobe need not know how, and the whole is packed better.
initramfs_modules() {
    local ram=$1 kernel=$2 modules=$tree/usr/lib/modules/$2 name path
    sed 's/ *#.*//' "$image/initramfs/modules" | tr ' -' '\n_' | sort -u >"$work/initramfs.names"
    while read -r path; do
        name=${path##*/}
        name=${name%%.ko*}
        echo "${name//-/_} $path"
    done <"$work/modules.kept" | sort | join -o 1.2 - "$work/initramfs.names" | tail -n +1 >"$work/initramfs.wanted"
    sed 's/.* //' "$work/initramfs.wanted" | with_dependencies "$modules/modules.dep" >"$work/initramfs.modules"
    while read -r path; do
        mkdir -p "$ram/lib/modules/$kernel/${path%/*}"
        case $path in
        *.xz) xz --decompress --stdout "$modules/$path" >"$ram/lib/modules/$kernel/${path%.xz}" ;;
        *.zst) zstd --quiet --decompress --stdout "$modules/$path" >"$ram/lib/modules/$kernel/${path%.zst}" ;;
        *) cp "$modules/$path" "$ram/lib/modules/$kernel/$path" ;;
        esac
    done <"$work/initramfs.modules"
    cp "$modules"/modules.{order,builtin,builtin.modinfo} "$ram/lib/modules/$kernel/"
    depmod -b "$ram" "$kernel"
    rm -f "$ram/lib/modules/$kernel"/modules.{order,builtin.modinfo,*.bin}
}
