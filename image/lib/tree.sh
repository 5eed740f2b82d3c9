# shellcheck shell=bash
# What maintainer scripts would have done, natively; and what a board has no use for goes.

# Puts our files and the daemon into the tree.
add_files() {
    cp -R --no-preserve=ownership "$image/files/." "$tree/"
    chmod 755 "$tree"/usr/lib/bramble/*
    install -m 755 "$daemon" "$tree/usr/bin/bramble"
    if readelf --sections --wide "$daemon" | grep -q '\.debug_info' && command -v aarch64-linux-gnu-strip >/dev/null; then
        aarch64-linux-gnu-strip --strip-debug "$tree/usr/bin/bramble"
    fi
    mkdir -p "$tree"/{boot/firmware,data,etc/bramble,proc,sys,dev,run,tmp,root,mnt}
    mkdir -p "$tree"/var/lib/{bramble,containerd,rauc,systemd/timesync} "$tree"/var/{log,tmp,cache}
    chmod 1777 "$tree/tmp" "$tree/var/tmp"
    chmod 700 "$tree/root"
    printf 'VERSION=%s\nCOMPATIBLE=bramble-arm64\n' "$version" >"$tree/etc/bramble/release"
    update_certificate >"$tree/etc/bramble/update.pem"
}

settle_tree() {
    users_of_packages
    certificates
    links
    systemctl --root="$tree" preset-all
    systemctl --root="$tree" set-default multi-user.target
    # A read-only /etc has nothing to be brought up to date (systemd compares these with /usr's time at each start).
    echo "TIMESTAMP_NSEC=${SOURCE_DATE_EPOCH}000000000" | tee "$tree/etc/.updated" >"$tree/var/.updated"
    # Logins on consoles and on sockets that nobody asked for; partitions found by type.
    rm -f "$tree"/usr/lib/systemd/system-generators/systemd-{getty,ssh,gpt-auto,tpm2,hibernate-resume}-generator
    systemctl --root="$tree" mask --quiet getty-static.service systemd-hostnamed.socket ldconfig.service \
        systemd-pcrphase.service systemd-pcrphase-sysinit.service systemd-networkd-persistent-storage.service
    : >"$tree/etc/machine-id"
    rm -f "$tree/var/lib/dbus/machine-id"
}

# systemd-sysusers of the machine that builds may be older than the tree's files: `u!` is systemd 257's.
users_of_packages() {
    local file
    for file in "$tree"/usr/lib/sysusers.d/*.conf; do
        sed 's/^u!/u/' "$file"
        echo
    done | systemd-sysusers --root="$tree" -
    rm -f "$tree"/etc/{passwd-,group-,shadow-,gshadow-,.pwd.lock}
}

# ca-certificates' bundle: what OpenSSL, GnuTLS and Go read.
certificates() {
    mkdir -p "$tree/etc/ssl/certs"
    cat "$tree"/usr/share/ca-certificates/mozilla/*.crt >"$tree/etc/ssl/certs/ca-certificates.crt"
    rm -rf "$tree/usr/share/ca-certificates"
}

links() {
    ln -sfn ../run/systemd/resolve/stub-resolv.conf "$tree/etc/resolv.conf"
    # `bramble setup` makes it; until then there is no such file, which is UTC.
    ln -sfn ../run/bramble/localtime "$tree/etc/localtime"
    ln -sfn ../proc/self/mounts "$tree/etc/mtab"
    # Where the docker command looks for its socket, among others.
    rmdir "$tree/var/run" "$tree/var/lock" 2>/dev/null || true
    ln -sfn ../run "$tree/var/run"
    ln -sfn ../run/lock "$tree/var/lock"
    ln -sfn less "$tree/usr/bin/pager"
    ln -sfn nano "$tree/usr/bin/editor"
    ln -sfn ../../bin/busybox "$tree/usr/sbin/devmem"
}

# What is left out of the root once everything has been made from it.
slim_tree() {
    (
        cd "$tree/usr" || exit
        find share/doc ! -type d ! -name copyright -delete
        find share/doc -type d -empty -delete
        rm -rf share/{bash-completion,zsh,fish,locale,man,info,lintian,bug,base-passwd,pam-configs,initramfs-tools,gdb} \
            share/{i18n,polkit-1,doc-base,applications,icons,pixmaps,perl5,vim,systemd/language-fallback-map} \
            lib/udev/hwdb.d lib/udev/hwdb.bin lib/systemd/catalog lib/kernel include \
            lib/aarch64-linux-gnu/{gconv,perl,perl-base} lib/dracut lib/initcpio
    )
    # Nobody but root and the system's own users is on a board: no program needs to change who runs it.
    find "$tree" -type f -perm /6000 -exec chmod ug-s {} +
    rm -rf "$tree"/usr/lib/modules/*/{config,System.map} "$tree"/boot/{vmlinuz,initrd,config,System.map}*
    rm -rf "$tree"/var/{lib/{dpkg,apt,ucf,pam},cache/*,log/*} "$tree"/etc/{cron.*,logrotate.d,apt,dpkg,rc?.d,runit,sv,ufw}
    rm -rf "$tree"/etc/{update-motd.d,network,ifplugd,dhcp,X11,xdg,skel}
}
