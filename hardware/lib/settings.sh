# shellcheck shell=bash
# What goes into bramble.toml: every value checked as the daemon will (daemon/hardware/card, values.rs), then written as TOML.

# The kinds of keys that the board takes, and how the base64 of each begins.
ssh_kinds='ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA
ssh-rsa AAAAB3NzaC1yc2EAAAA
ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAA
ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAA
ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAA
sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAA
sk-ecdsa-sha2-nistp256@openssh.com AAAAInNrLWVjZHNhLXNoYTItbmlzdHAyNTZAb3BlbnNzaC5jb20AAAA'

# matches TEXT REGEX: the whole text. (The regex in a variable is the only form that all versions of bash read alike.)
matches() { [[ $1 =~ ^($2)$ ]]; }

# plain_text WHAT TEXT: a line of UTF-8.
plain_text() {
    ! has_control "$2" || die "$1 holds a control character"
    printf '%s' "$2" | iconv -f UTF-8 -t UTF-8 >/dev/null 2>&1 || die "$1 is no UTF-8 text"
}

check_settings() {
    local zones=/usr/share/zoneinfo one
    [ -z "$set_cluster" ] || matches "$set_cluster" '[A-Za-z0-9_.-]{1,63}' ||
        die "--cluster $set_cluster: a name of 1 to 63 letters, digits, '-', '_' and '.'"
    [ -z "$set_join_key" ] || check_join_key
    [ -z "$set_boards" ] || { is_number "$set_boards" && ((10#$set_boards >= 1 && 10#$set_boards <= 1000)); } ||
        die "--boards $set_boards: a whole number from 1 to 1000"
    if [ -n "$set_join_key$set_boards" ] && [ -z "$set_cluster" ]; then
        die "--join-key and --boards say something about a cluster: name it by --cluster"
    fi
    matches "$set_timezone" '[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*' && ((${#set_timezone} <= 64)) && { [ -f "$zones/$set_timezone" ] || [ ! -d $zones ]; } ||
        die "--timezone $set_timezone: no such zone in $zones; a name such as Europe/Berlin"
    for one in ${set_labels[@]+"${set_labels[@]}"}; do check_label "$one"; done
    check_wifi
    check_network
}

check_join_key() {
    plain_text --join-key "$set_join_key"
    ((${#set_join_key} >= 20 && ${#set_join_key} <= 256)) ||
        die "--join-key: 20 to 256 characters; whoever knows it can bring a board into the cluster"
}

check_label() {
    case $1 in
    =* | '') die "--label $1: KEY=VALUE" ;;
    *=*) ;;
    *) die "--label $1: KEY=VALUE" ;;
    esac
    plain_text "--label $1" "$1"
}

check_wifi() {
    local countries=/usr/share/zoneinfo/iso3166.tab
    if [ -z "$set_ssid" ]; then
        [ -z "$set_passphrase$set_country$set_hidden$set_open" ] || die "--passphrase, --country, --hidden and --open say something about a Wi-Fi: name it by --ssid"
        return 0
    fi
    plain_text --ssid "$set_ssid"
    ((${#set_ssid} <= 32)) || die "--ssid: a Wi-Fi's name has at most 32 bytes, this one ${#set_ssid}"
    if [ -n "$set_open" ]; then
        [ -z "$set_passphrase" ] || die "--open and --passphrase: an open Wi-Fi has none"
    else
        matches "$set_passphrase" '[ -~]{8,63}|[0-9A-Fa-f]{64}' ||
            die "--passphrase: 8 to 63 printable ASCII characters, or 64 hex digits (--open for a Wi-Fi without)"
    fi
    set_country=$(printf '%s' "$set_country" | tr '[:lower:]' '[:upper:]')
    matches "$set_country" '[A-Z][A-Z]' || die "--country: two letters such as DE; they say which channels are allowed, and Wi-Fi needs them"
    [ ! -r $countries ] || grep -q "^$set_country" $countries || die "--country $set_country: no such country in $countries"
}

check_network() {
    local one
    if [ -n "$set_gateway" ]; then
        is_address "$set_gateway" || die "--gateway $set_gateway: an address such as 192.168.1.1"
        [ -n "$set_address" ] || die "--gateway is only for a board with an --address of its own"
    fi
    for one in ${set_dns[@]+"${set_dns[@]}"}; do
        is_address "$one" || die "--dns $one: an address such as 192.168.1.1"
    done
    [ -z "$set_interface" ] || { matches "$set_interface" '[A-Za-z0-9_:@-][A-Za-z0-9_.:@-]{0,14}'; } ||
        die "--interface $set_interface: a name such as eth0, of at most 15 characters"
}

# check_card NUMBER: what depends on the card's number.
check_card() {
    local name address
    name=$(numbered "$set_hostname" "$1") address=$(numbered "$set_address" "$1")
    if [ -n "$name" ]; then
        name=$(printf '%s' "$name" | sed 's/{serial}/000000/g')
        matches "$name" '[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]{0,61}[A-Za-z0-9]' ||
            die "--hostname $set_hostname: letters, digits and '-' within, at most 63; %n is the card's number, {serial} a part of the board's serial number"
    fi
    [ -n "$address" ] || return 0
    is_subnet "$address" || die "--address $address: an address with its prefix length, such as 192.168.1.10/24"
    [ -z "$set_gateway" ] || in_subnet "$set_gateway" "$address" || die "--gateway $set_gateway is not in the network of $address"
}

# check_series COUNT: what many cards must not have in common.
check_series() {
    (($1 > 1)) || return 0
    case $set_hostname in
    '' | *%n* | *'{serial}'*) ;;
    *) die "--hostname $set_hostname: $1 boards of one name; write %n or {serial} for what tells them apart" ;;
    esac
    case $set_address in
    '' | *%n*) ;;
    *) die "--address $set_address: $1 boards with one address; write %n for the card's number, such as 192.168.1.10%n/24" ;;
    esac
}

# numbered PATTERN NUMBER
numbered() { printf '%s' "$1" | sed "s/%n/$2/g"; }

# read_ssh_keys FILE: adds the keys of a .pub file to set_ssh_keys.
read_ssh_keys() {
    local line kind body rest start found=0
    [ -f "$1" ] && [ -r "$1" ] || die "--ssh-key $1: no file that can be read"
    ! grep -q 'PRIVATE KEY' -- "$1" || die "--ssh-key $1: this is a private key, which goes onto no card; give ${1}.pub"
    while IFS= read -r line || [ -n "$line" ]; do
        line=${line%$'\r'}
        case $line in
        '' | '#'*) continue ;;
        esac
        read -r kind body rest <<KEY
$line
KEY
        start=$(printf '%s\n' "$ssh_kinds" | sed -n "s/^$(printf '%s' "$kind" | tr -c 'A-Za-z0-9@.\n-' _) //p")
        { [ -n "$start" ] && matches "$body" '[A-Za-z0-9+/]+={0,2}' && ((${#body} % 4 == 0 && ${#line} <= 8192)); } ||
            die "--ssh-key $1: \"$(printf '%.30s' "$line" | harmless)…\" is no public key as ssh-keygen makes them"
        case $body in
        "$start"*) ;;
        *) die "--ssh-key $1: this key says that it is $kind, but is not" ;;
        esac
        plain_text "--ssh-key $1" "$rest"
        set_ssh_keys[${#set_ssh_keys[@]}]="$kind $body${rest:+ $rest}"
        found=1
    done <"$1"
    ((found)) || die "--ssh-key $1: there is no key in it"
}

# quoted TEXT: as a TOML string. Control characters were refused before.
quoted() { printf '"%s"' "$(printf '%s' "$1" | sed 's/[\\"]/\\&/g')"; }

# entry KEY TEXT: a line, if there is something to say.
entry() { [ -z "$2" ] || printf '%s = %s\n' "$1" "$(quoted "$2")"; }

# card_text NUMBER: all of bramble.toml.
card_text() {
    local one
    printf '# Written by hardware/flash%s. Each key is explained by "bramble daemon --help" and in hardware/README.md.\n\n' \
        "${set_cluster:+ for card $1 of the cluster $set_cluster}"
    entry cluster "$set_cluster"
    entry join-key "$set_join_key"
    [ -z "$set_boards" ] || printf 'boards = %d\n' "$((10#$set_boards))"
    entry hostname "$(numbered "$set_hostname" "$1")"
    if ((${#set_ssh_keys[@]})); then
        printf 'ssh-keys = [\n'
        for one in "${set_ssh_keys[@]}"; do printf '    %s,\n' "$(quoted "$one")"; done
        printf ']\n'
    fi
    entry timezone "$set_timezone"
    if ((${#set_labels[@]})); then
        printf '\n[labels]\n'
        for one in "${set_labels[@]}"; do printf '%s = %s\n' "$(quoted "${one%%=*}")" "$(quoted "${one#*=}")"; done
    fi
    if [ -n "$set_ssid" ]; then
        printf '\n[wifi]\n'
        entry ssid "$set_ssid"
        printf 'passphrase = %s\n' "$(quoted "$set_passphrase")"
        entry country "$set_country"
        [ -z "$set_hidden" ] || printf 'hidden = true\n'
    fi
    if [ -n "$set_address$set_interface" ] || ((${#set_dns[@]})); then
        printf '\n[network]\n'
        entry address "$(numbered "$set_address" "$1")"
        entry gateway "$set_gateway"
        if ((${#set_dns[@]})); then
            printf 'dns = ['
            for one in "${set_dns[@]}"; do printf '%s, ' "$(quoted "$one")"; done | sed 's/, $//'
            printf ']\n'
        fi
        entry interface "$set_interface"
    fi
}

# The zone that this machine is in.
own_timezone() {
    local link
    link=$(readlink /etc/localtime 2>/dev/null) || link=
    case $link in
    */zoneinfo/*) link=${link#*/zoneinfo/} ;;
    *) link=$(cat /etc/timezone 2>/dev/null) || link= ;;
    esac
    [ -n "$link" ] && [ -f "/usr/share/zoneinfo/$link" ] || link=UTC
    printf '%s\n' "$link"
}
