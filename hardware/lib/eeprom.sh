# shellcheck shell=bash
# The boot EEPROM of a Pi 4, 400, CM4, 5 or 500, over ssh. Never done on a board so far: hardware/test has a stand-in for ssh.

# order_of WORDS: a boot order as the EEPROM has it: it reads the digits from the right, f starts again.
order_of() {
    local word order='' digit
    for word in $(printf '%s' "$1" | tr ',' ' '); do
        case $word in
        sd) digit=1 ;;
        network) digit=2 ;;
        usb) digit=4 ;;
        nvme) digit=6 ;;
        *) return 1 ;;
        esac
        case $order in
        *$digit*) return 1 ;;
        esac
        order=$digit$order
    done
    [ -n "$order" ] || return 1
    printf '0xf%s\n' "$order"
}

# words_of ORDER: and back, as far as we have words.
words_of() {
    local order=${1#0x} digit words=''
    while [ -n "$order" ]; do
        digit=${order#"${order%?}"} order=${order%?}
        case $digit in
        1) digit=sd ;;
        2) digit=network ;;
        4) digit=usb ;;
        6) digit=nvme ;;
        [eE]) digit=stop ;;
        [fF]) digit='again' ;;
        esac
        words="$words${words:+, }$digit"
    done
    printf '%s\n' "$words"
}

# What runs on the board to read: a line KEY VALUE for each thing. The device tree tells most on any system, the order only Raspberry
# Pi's own tools.
# shellcheck disable=SC2016 # The board's shell reads these names.
eeprom_reader='
tree=/proc/device-tree
say() { printf "%s %s\n" "$1" "$2"; }
say model "$(tr -d "\000" <"$tree/model" 2>/dev/null)"
boot="$tree/chosen/bootloader"
if [ -e "$boot/build-timestamp" ]; then
    say built "$((0x$(od -An -v -tx1 "$boot/build-timestamp" | tr -d " \n")))"
fi
say version "$(tr -d "\000" <"$boot/version" 2>/dev/null)"
if command -v rpi-eeprom-config >/dev/null; then
    say tool yes
    say order "$(rpi-eeprom-config 2>/dev/null | sed -n "s/^BOOT_ORDER=//p" | tail -n 1)"
elif command -v vcgencmd >/dev/null; then
    say order "$(vcgencmd bootloader_config 2>/dev/null | sed -n "s/^BOOT_ORDER=//p" | tail -n 1)"
fi'

# And to write ORDER: the config as it is, with the one line changed. The boot partition may be mounted read-only: it is put back so.
# shellcheck disable=SC2016
eeprom_writer='
set -e
boot=/boot/firmware
new=$(mktemp) closed=
done_with() {
    rm -f "$new"
    [ -z "$closed" ] || mount -o remount,ro "$boot"
}
trap done_with EXIT
config=$(rpi-eeprom-config)
{ printf "%s\n" "$config" | grep -v "^BOOT_ORDER=" || true; echo "BOOT_ORDER=$1"; } >"$new"
if grep -q " $boot [a-z0-9]* ro[, ]" /proc/mounts; then
    mount -o remount,rw "$boot"
    closed=1
fi
rpi-eeprom-config --apply "$new"'

on_board() {
    local host=$1
    shift
    ssh -o BatchMode=yes -o ConnectTimeout=10 -l "$ssh_user" -- "$host" "$@"
}

# fact KEY FACTS
fact() { printf '%s\n' "$2" | sed -n "s/^$1 //p" | head -n 1 | harmless; }

# eeprom_board HOST ORDER: reads, and with an order sets it. False if that was not possible; why is said.
eeprom_board() {
    local facts model order tool wanted=$2
    case $1 in
    -* | *[!A-Za-z0-9._:%-]*) die "$1 is no board's name or address" ;;
    esac
    say "$1"
    if ! facts=$(on_board "$1" sh -s <<<"$eeprom_reader" 2>"$scratch/words"); then
        say "  not reached: $(head -n 1 "$scratch/words" | harmless) (its card needs an --ssh-key of yours)"
        return 1
    fi
    model=$(fact model "$facts") order=$(fact order "$facts") tool=$(fact tool "$facts")
    say "  model     ${model:-not told}"
    case $model in
    *'Pi 4 '* | *'Pi 400'* | *'Pi 5'* | *'Compute Module 4'* | *'Compute Module 5'*) ;;
    *)
        say "  it has no boot EEPROM: its boot order is fixed"
        [ -z "$wanted" ]
        return
        ;;
    esac
    say "  EEPROM    $(built "$(fact built "$facts")")${facts:+, version $(fact version "$facts" | cut -c 1-8)}"
    if [ -n "$order" ]; then
        say "  order     $order ($(words_of "$order"))"
    else
        say "  order     not readable: the board has neither rpi-eeprom-config nor vcgencmd (Raspberry Pi OS has both, Debian neither)"
    fi
    [ -n "$wanted" ] || return 0
    eeprom_set "$1" "$order" "$wanted" "$tool"
}

built() { if is_number "$1"; then printf 'of %s' "$(date -u -d "@$1" +%Y-%m-%d 2>/dev/null || date -u -r "$1" +%Y-%m-%d)"; else printf 'of an unknown day'; fi; }

# eeprom_set HOST ORDER WANTED TOOL
eeprom_set() {
    if [ "$2" = "$3" ]; then
        say "  nothing to do"
        return 0
    fi
    if [ -z "$4" ]; then
        say "  cannot be set from here: the board lacks rpi-eeprom-config. Start it once from a Raspberry Pi OS card, and set it there"
        return 1
    fi
    if [ -z "$opt_yes" ]; then
        ask "  Set it to $3 ($(words_of "$3"))? A power cut while it restarts can leave it without a bootloader. Type yes:"
        [ "$answer" = yes ] || { say "  left as it is" && return 1; }
    fi
    if ! on_board "$1" sh -s "$3" <<<"$eeprom_writer" >"$scratch/words" 2>&1; then
        say "  not set: $(tail -n 1 "$scratch/words" | harmless)"
        return 1
    fi
    say "  set to $3; it counts after the next restart"
}
