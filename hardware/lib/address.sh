# shellcheck shell=bash
# Addresses, checked as the daemon checks them (daemon/hardware/card): syntax, prefix, and that the gateway is in the network.

is_number() {
    case $1 in
    '' | *[!0-9]*) return 1 ;;
    esac
    ((${#1} <= 10))
}

# groups ADDRESS: the address as 16-bit groups in decimal, two of IPv4, eight of IPv6; false if it is none.
groups() {
    case $1 in
    *:*) groups6 "$1" ;;
    *) groups4 "$1" ;;
    esac
}

groups4() {
    local part parts count=0 all=
    case $1 in
    '' | *[!0-9.]* | .* | *. | *..*) return 1 ;;
    esac
    parts=$(printf '%s' "$1" | tr . ' ')
    for part in $parts; do
        # No leading zeros: some read them as octal.
        case $part in
        0?*) return 1 ;;
        esac
        ((${#part} <= 3 && part <= 255)) || return 1
        count=$((count + 1))
        all="$all $part"
    done
    ((count == 4)) || return 1
    # shellcheck disable=SC2086 # Four numbers.
    set -- $all
    printf '%d %d\n' $(($1 * 256 + $2)) $(($3 * 256 + $4))
}

groups6() {
    local text=$1 left right four part count=0 front=0 all='' tail='' missing
    case $text in
    *[!0-9A-Fa-f:.]* | *:::* | *::*::*) return 1 ;;
    :[!:]* | *[!:]:) return 1 ;;
    esac
    # The last 32 bits may be written as IPv4.
    case $text in
    *.*)
        four=$(groups4 "${text##*:}") || return 1
        # shellcheck disable=SC2086 # Two numbers.
        text=${text%:*}:$(printf '%x:%x' $four)
        ;;
    esac
    left=${text%%::*} right=
    case $text in
    *::*) right=${text#*::} ;;
    esac
    for part in $(printf '%s' "$left" | tr : ' '); do
        ((${#part} <= 4)) || return 1
        all="$all $((16#$part))"
        front=$((front + 1))
    done
    for part in $(printf '%s' "$right" | tr : ' '); do
        ((${#part} <= 4)) || return 1
        tail="$tail $((16#$part))"
        count=$((count + 1))
    done
    missing=$((8 - front - count))
    case $text in
    *::*) ((missing >= 1)) || return 1 ;;
    *) ((missing == 0)) || return 1 ;;
    esac
    while ((missing > 0)); do
        all="$all 0"
        missing=$((missing - 1))
    done
    printf '%s\n' "${all# }$tail"
}

is_address() { groups "$1" >/dev/null; }

# is_subnet ADDRESS/PREFIX: an address that a board can have, with its prefix length.
is_subnet() {
    local address=${1%/*} prefix=${1##*/} all most=32 first
    case $1 in
    */*) ;;
    *) return 1 ;;
    esac
    is_number "$prefix" && all=$(groups "$address") || return 1
    case $address in
    *:*) most=128 ;;
    esac
    ((10#$prefix >= 1 && 10#$prefix <= most)) || return 1
    first=${all%% *}
    case $all in
    '0 0' | '0 0 0 0 0 0 0 0' | '0 0 0 0 0 0 0 1') return 1 ;;
    esac
    # Loopback and multicast.
    if ((most == 32)); then
        ((first / 256 != 127 && first / 256 / 16 != 14))
    else
        ((first / 256 != 255))
    fi
}

# in_subnet ADDRESS SUBNET
in_subnet() {
    local prefix=${2##*/} mine theirs i bits
    # shellcheck disable=SC2207 # Numbers.
    mine=($(groups "${2%/*}")) && theirs=($(groups "$1")) || return 1
    ((${#mine[@]} == ${#theirs[@]})) || return 1
    prefix=$((10#$prefix))
    for ((i = 0; i < ${#mine[@]} && prefix > 0; i++)); do
        bits=$((prefix < 16 ? prefix : 16))
        ((mine[i] >> (16 - bits) == theirs[i] >> (16 - bits))) || return 1
        prefix=$((prefix - bits))
    done
}
