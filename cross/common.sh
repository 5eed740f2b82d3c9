# shellcheck shell=bash disable=SC2034 # What sources it uses these names.
# What cross/build and cross/test share: which cargo makes aarch64 programs on this machine.

target=aarch64-unknown-linux-gnu
repository=$(realpath "$(dirname "${BASH_SOURCE[0]}")/..")
# A rustc of its own means build scripts of its own: never in the folder of the host's builds.
export CARGO_TARGET_DIR=$repository/target/cross/build

# Sets `cargo` to what builds for the boards: plain cargo on a board, `cross` where it and a container engine are
# installed, and cargo with the toolchain of cross/setup anywhere else. CROSS_WAY=plain|cross|setup chooses.
choose_cargo() {
    local way=${CROSS_WAY:-}
    if [[ -z $way ]]; then
        if [[ $(uname -m) == aarch64 ]]; then
            way=plain
        elif command -v cross >/dev/null && { docker info || podman info; } >/dev/null 2>&1; then
            way=cross
        else
            way=setup
        fi
    fi
    case $way in
    plain) cargo=(cargo) ;;
    cross)
        cargo=(cross)
        export CROSS_CONFIG=$repository/cross/Cross.toml
        ;;
    setup)
        "$repository/cross/setup"
        # shellcheck disable=SC1091 # cross/setup makes it.
        . "$repository/target/cross/toolchain/env"
        cargo=(cargo)
        ;;
    *)
        echo "CROSS_WAY is plain, cross or setup, not $way" >&2
        exit 2
        ;;
    esac
    cd "$repository" || exit
}

# A board's C library may be of another version than ours: the program must not ask for one.
check_static() {
    local program=$1 segments
    segments=$(readelf --program-headers --wide "$program")
    if grep -Eq '^ *(INTERP|DYNAMIC) ' <<<"$segments"; then
        echo "$program is linked dynamically" >&2
        return 1
    fi
    grep -q 'AArch64' <<<"$(readelf --file-header "$program")"
}

# Runs one of our aarch64 programs, by the emulator where this machine is another.
on_board() {
    if [[ $(uname -m) == aarch64 ]]; then "$@"; else qemu-aarch64-static "$@"; fi
}
