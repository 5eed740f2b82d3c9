# shellcheck shell=bash disable=SC2034 # Other parts use what is settled here.
# The command line, and what follows from it.

usage() {
    cat <<'END'
Builds the image of a card, as an ordinary user and without loop devices.

usage: image/build --base debian|raspios=FILE [options]

  --base debian         from Debian 13's packages for arm64
  --base raspios=FILE   from an official Raspberry Pi OS Lite 64-bit image (.img or .img.xz): its kernel and firmware
  --daemon PATH         the daemon to put in (default: what cross/build made)
  --output FOLDER       where the image goes (default: target/image)
  --version NAME        what the image calls itself (default: from Cargo.toml and the commit)
  --bundle              also makes a signed bundle for `bramble update`
  --key FILE --cert FILE   what signs the bundle; boards of this image believe this certificate alone
                        (default: a pair made on demand in target/image/keys, for trying out)
  --mirror URL          where Debian's packages come from (default: where this machine's do);
                        a mirror of a past day makes that day's image again
  --compress xz|zstd|none  how the image is packed (default: zstd)
  --install-tools       installs the Debian packages that building needs (asks sudo if you are not root)
  --help

Examples:
  cross/build && image/build --base debian
  image/build --base debian --daemon target/cross/build/aarch64-unknown-linux-gnu/debug/bramble --compress none
  image/build --base raspios=2025-05-13-raspios-bookworm-arm64-lite.img.xz --bundle --key my.key --cert my.pem
END
}

# The mirror that this machine's own packages come from, whatever its suite.
own_mirror() {
    # shellcheck disable=SC2016 # apt's own variable.
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
        awk '/\/debian\/*$/ && !found { sub(/\/*$/, ""); print; found = 1 }'
}

read_options() {
    base='' raspios='' daemon='' output=$repository/target/image version='' bundle='' key='' cert=''
    mirror=$(own_mirror) compress=zstd install_tools=''
    while (($#)); do
        case $1 in
        --base | --daemon | --output | --version | --key | --cert | --mirror | --compress)
            (($# > 1)) || die "$1 wants a value (image/build --help)"
            ;;&
        --base)
            base=$2
            shift
            ;;
        --daemon)
            daemon=$2
            shift
            ;;
        --output)
            output=$2
            shift
            ;;
        --version)
            version=$2
            shift
            ;;
        --key)
            key=$2
            shift
            ;;
        --cert)
            cert=$2
            shift
            ;;
        --mirror)
            mirror=${2%/}
            shift
            ;;
        --compress)
            compress=$2
            shift
            ;;
        --bundle) bundle=yes ;;
        --install-tools) install_tools=yes ;;
        --help | -h)
            usage
            exit 0
            ;;
        *) die "unknown option $1 (image/build --help)" ;;
        esac
        shift
    done
    case $base in
    debian) ;;
    raspios=*)
        raspios=${base#raspios=}
        base=raspios
        [[ -f $raspios ]] || die "--base raspios=$raspios: no such file"
        raspios=$(realpath "$raspios")
        ;;
    '') [[ -n $install_tools ]] || die "--base debian or --base raspios=FILE? (image/build --help)" ;;
    *) die "--base $base: it is debian or raspios=FILE" ;;
    esac
    [[ $compress =~ ^(xz|zstd|none)$ ]] || die "--compress $compress: it is xz, zstd or none"
    [[ -n $key && -n $cert || -z $key && -z $cert ]] || die "--key and --cert go together"
    log=/dev/null
}

# Where things are, what the image is called and which time it bears.
settle_options() {
    local program=$repository/target/cross/build/aarch64-unknown-linux-gnu/release/bramble commit
    daemon=${daemon:-$program}
    [[ -f $daemon ]] || die "no daemon at $daemon: run cross/build, or name one by --daemon"
    readelf --file-header "$daemon" | grep -q AArch64 || die "$daemon is no program for arm64"
    commit=$(git -C "$repository" log -1 --format='%cd %h' --date=format:%Y%m%d 2>/dev/null) || commit=
    export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$repository" log -1 --format=%ct 2>/dev/null || echo 1700000000)}
    if [[ -z $version ]]; then
        version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$repository/Cargo.toml" | head -n 1)
        version=${version:-0}${commit:+-${commit/ /-}}
    fi
    [[ $version =~ ^[A-Za-z0-9._+-]{1,64}$ ]] || die "--version $version: letters, digits and ._+-"
    mkdir -p "$output"
    output=$(realpath "$output")
    work=$output/work tree=$output/work/tree cache=$output/cache log=$output/build.log
    name=bramble-$version
    export LC_ALL=C TZ=UTC
    umask 022
}

# Two builds in one folder would mix. The lock goes with the process.
lock_output() {
    exec 8>"$output/.lock"
    flock --nonblock 8 || die "another build works in $output"
    rm -rf "$work"
    mkdir -p "$work" "$cache"
    : >"$log"
    printf 'image %s from %s, daemon %s\n' "$version" "$base" "$daemon" >&2
}
