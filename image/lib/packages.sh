# shellcheck shell=bash
# Debian's packages: chosen and fetched by apt with folders of its own, unpacked here. Their maintainer scripts never
# run: they would have to be emulated, which takes many times as long as all the rest. What they would do is done by
# lib/tree.sh.

# The words of image/packages that begin with $1 ("" or "!"), without it.
listed() { sed -n "s/ *#.*//; s/^$1\([a-z0-9].*\)/\1/p" "$image/packages"; }

# apt_for STATUS RELEASE: apt's settings for arm64, with STATUS as the list of what is installed, in $APT_CONFIG.
apt_for() {
    local apt=$work/apt keys=/usr/share/keyrings/debian-archive-keyring.gpg release=$2 suite source
    mkdir -p "$apt" "$cache/lists/partial" "$cache/archives/partial"
    source="[arch=arm64 signed-by=$keys]"
    for suite in "$release" "$release-updates" "$release-backports"; do
        echo "deb $source $mirror $suite main non-free-firmware"
    done >"$apt/sources.list"
    echo "deb $source ${mirror/%debian/debian-security} $release-security main" >>"$apt/sources.list"
    # Debian 13's own kernel knows neither a Pi 5's card nor its Ethernet (README).
    printf 'Package: linux-*\nPin: release n=%s-backports\nPin-Priority: 600\n' "$release" >"$apt/preferences"
    cat >"$apt/apt.conf" <<END
Dir::State "$apt";
Dir::State::Lists "$cache/lists";
Dir::State::status "$1";
Dir::Cache "$cache";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Dir::Etc::SourceList "$apt/sources.list";
Dir::Etc::SourceParts "$apt/none";
Dir::Etc::Preferences "$apt/preferences";
Dir::Etc::PreferencesParts "$apt/none";
Dir::Etc::Parts "$apt/none";
APT::Architecture "arm64";
APT::Architectures "arm64";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Check-Valid-Until "false";
Acquire::Retries "3";
END
    mkdir -p "$apt/none"
    export APT_CONFIG=$apt/apt.conf
}

# fetch PACKAGE...: into the cache; the names of the files, one a line, go to $work/debs.
fetch() {
    apt-get update
    apt-get install --simulate "$@" >"$work/plan"
    apt-get install --download-only --yes "$@"
    listed '!' | sort >"$work/left-out"
    # Inst NAME [OLD] (VERSION ORIGIN [ARCH]) …
    sed -n 's/^Inst \([^ ]*\) \(\[[^]]*\] \)\?(\([^ ]*\) [^[]*\[\([a-z0-9]*\)\].*/\1 \3 \4/p' "$work/plan" | sort |
        join -v 1 - "$work/left-out" >"$work/chosen"
    [[ -s $work/chosen ]] || grep -q '^0 upgraded, 0 newly' "$work/plan" || die "apt's plan has no packages"
    local package version arch
    while read -r package version arch; do
        echo "$cache/archives/${package}_${version//:/%3a}_$arch.deb"
    done <"$work/chosen" >"$work/debs"
}

# unpack FOLDER: what fetch chose. base-files comes first: it makes /bin and its like links into /usr.
unpack() {
    local deb
    { grep /base-files_ "$work/debs" || true; } >"$work/debs.first"
    { grep -v /base-files_ "$work/debs" || true; } >>"$work/debs.first"
    while read -r deb; do
        dpkg-deb --fsys-tarfile "$deb" |
            tar --extract --preserve-permissions --keep-directory-symlink --directory "$1" \
                --exclude './usr/share/man/*' --exclude './usr/share/locale/*' --exclude './usr/share/info/*' \
                --exclude './usr/share/lintian/*' --exclude './usr/share/bug/*' --exclude './etc/init.d/*'
    done <"$work/debs.first"
}

# Name, version and architecture of all packages in the tree.
installed_packages() {
    case $base in
    debian) cat "$work/chosen" ;;
    raspios) installed_of_raspios ;;
    esac
}

# packages.txt: name, version, where the licence is. It goes into the tree and beside the image.
list_packages() {
    local package version arch licence doc
    {
        printf '# package version licence\n'
        while read -r package version arch; do
            doc=$tree/usr/share/doc/${package%:*}
            licence=-
            if [[ -e $doc/copyright ]]; then
                licence=$(realpath "$doc/copyright")
                licence=${licence#"$tree"}
            fi
            printf '%s %s %s\n' "$package" "$version" "$licence"
        done < <(installed_packages)
    } >"$work/packages.txt"
    install -D -m 644 "$work/packages.txt" "$tree/usr/share/bramble/packages.txt"
    licences_of_crates
}

# The daemon's libraries are linked into it: their licences are told by Cargo, where it is at hand.
licences_of_crates() {
    local list=$tree/usr/share/bramble/crates.txt
    sed -n '/^\[\[package\]\]/{n;s/^name = "\(.*\)"/\1/;h;n;s/^version = "\(.*\)"/\1/;H;x;s/\n/ /p}' \
        "$repository/Cargo.lock" >"$list"
    cp "$repository/LICENSE" "$tree/usr/share/bramble/LICENSE"
}
