# shellcheck shell=bash
# The command line of hardware/flash.

usage() {
    cat <<'END'
Writes Bramble's image to a card and tells the card what its board is to be.

usage: hardware/flash IMAGE DISK|FILE [options]
       hardware/flash IMAGE [DISK|FILE] --series N [options]    card after card; FILE with %n for the number
       hardware/flash --list                                    the disks of this machine

IMAGE is an .img, .img.xz or .img.zst (image/build makes it). A FILE is written like a card.

The cluster
  --cluster NAME        the cluster to be in; without one a board waits for `docker swarm init` or `join`
  --boards N            how many boards found it together (default: what its first card said, or --series)
  --join-key-file FILE  the key of a cluster that was not begun by this script; the first card makes one
  --number N            the card's number, to write a card anew (default: the next one)

The board
  --hostname PATTERN    %n is the card's number, {serial} the end of the board's serial number (default: bramble-{serial})
  --label KEY=VALUE     a label for constraints; again for more
  --timezone ZONE       default: this machine's
  --ssh-key FILE        a public key that may log in as root; again for more (default: asks)
  --no-ssh              nobody logs in

The network
  --ssid NAME           Wi-Fi; with --country CC, and --passphrase-file FILE or the passphrase is asked for, or --open
  --passphrase TEXT     the same on the command line, where other users of this machine can see it
  --hidden              the Wi-Fi does not tell its name
  --address A/PREFIX    a static address, %n as above; with --gateway A; without, DHCP
  --dns A               a name server; again for more
  --interface NAME      which interface the address is for (default: the wired one)

The writing
  --series N            N cards, one after another
  --unmount             unmounts a removable disk first, where a desktop mounted it
  --fixed-disk          takes a disk that is not removable
  --yes                 asks nothing: for scripts, with files and removable disks only

Examples:
  hardware/flash --list
  sudo hardware/flash bramble.img.zst /dev/sdb --cluster home --boards 3 --hostname home-%n
  sudo hardware/flash bramble.img.zst --series 3 --cluster home --ssid Attic --country DE
END
}

# first_line FILE OPTION: a secret from a file.
first_line() {
    [ -f "$1" ] && [ -r "$1" ] || die "$2 $1: no file that can be read"
    head -n 1 -- "$1" | tr -d '\r'
}

options() {
    local name value
    opt_image='' opt_target='' opt_series='' opt_unmount='' opt_fixed_disk='' opt_yes='' opt_no_ssh='' opt_list=''
    set_cluster='' set_join_key='' set_boards='' set_number='' set_hostname='' set_timezone=''
    set_ssid='' set_passphrase='' set_country='' set_hidden='' set_open='' set_address='' set_gateway='' set_interface=''
    set_labels=() set_ssh_keys=() set_dns=()
    while (($#)); do
        case $1 in
        --help | -h)
            usage
            exit 0
            ;;
        --list) opt_list=1 ;;
        --unmount) opt_unmount=1 ;;
        --fixed-disk) opt_fixed_disk=1 ;;
        --yes) opt_yes=1 ;;
        --no-ssh) opt_no_ssh=1 ;;
        --hidden) set_hidden=1 ;;
        --open) set_open=1 ;;
        --*=*)
            name=${1%%=*} value=${1#*=}
            shift
            set -- "$name" "$value" "$@"
            continue
            ;;
        --*)
            (($# >= 2)) && [ -n "$2" ] || die "$1 needs a value (hardware/flash --help)"
            option "$1" "$2"
            shift
            ;;
        -*) die "unknown option $1 (hardware/flash --help)" ;;
        *)
            if [ -z "$opt_image" ]; then
                opt_image=$1
            elif [ -z "$opt_target" ]; then
                opt_target=$1
            else
                die "one image and one disk or file: what is \"$1\"?"
            fi
            ;;
        esac
        shift
    done
}

# option NAME VALUE
option() {
    case $1 in
    --cluster) set_cluster=$2 ;;
    --join-key-file) set_join_key=$(first_line "$2" "$1") ;;
    --boards) set_boards=$2 ;;
    --number) set_number=$2 ;;
    --hostname) set_hostname=$2 ;;
    --label) set_labels[${#set_labels[@]}]=$2 ;;
    --timezone) set_timezone=$2 ;;
    --ssh-key) read_ssh_keys "$2" ;;
    --ssid) set_ssid=$2 ;;
    --passphrase) set_passphrase=$2 ;;
    --passphrase-file) set_passphrase=$(first_line "$2" "$1") ;;
    --country) set_country=$2 ;;
    --address) set_address=$2 ;;
    --gateway) set_gateway=$2 ;;
    --dns) set_dns[${#set_dns[@]}]=$2 ;;
    --interface) set_interface=$2 ;;
    --series) opt_series=$2 ;;
    *) die "unknown option $1 (hardware/flash --help)" ;;
    esac
}

# whole_number OPTION VALUE: without leading zeros.
whole_number() {
    is_number "$2" && ((10#$2 >= 1 && 10#$2 <= 1000)) || die "$1 $2: a whole number from 1 to 1000"
    printf '%d\n' $((10#$2))
}

# What can be asked for, and what follows from other options.
complete_options() {
    local key keys=()
    [ -n "$set_timezone" ] || set_timezone=$(own_timezone)
    [ -z "$opt_series" ] || opt_series=$(whole_number --series "$opt_series")
    [ -z "$set_number" ] || set_number=$(whole_number --number "$set_number")
    [ -z "$set_boards" ] || set_boards=$(whole_number --boards "$set_boards")
    [ -z "$set_number" ] || ((${opt_series:-1} == 1)) || die "--number is for one card, --series for many"
    # Whatever is plugged in next may be somebody's backup.
    [ -z "$opt_yes" ] || [ -z "$opt_series" ] || [ -n "$opt_target" ] || die "--yes with --series needs the disk's name: it would take whatever is plugged in"
    if [ -n "$set_ssid" ] && [ -z "$set_passphrase$set_open" ]; then
        [ -z "$opt_yes" ] && can_ask || die "--ssid needs --passphrase-file, or --open for a Wi-Fi without a passphrase"
        ask_secret "the passphrase of $set_ssid"
        set_passphrase=$answer
    fi
    [ -z "$opt_no_ssh" ] || ((${#set_ssh_keys[@]} == 0)) || die "--no-ssh and --ssh-key: one of them"
    if [ -z "$opt_no_ssh$opt_yes" ] && ((${#set_ssh_keys[@]} == 0)) && can_ask; then
        for key in "$(person_home)"/.ssh/*.pub; do
            [ ! -f "$key" ] || keys[${#keys[@]}]=$key
        done
        ((${#keys[@]} == 0)) || choose_ssh_key "${keys[@]}"
    fi
}

choose_ssh_key() {
    local number=0 key
    say "Who may log in to the board?"
    for key in "$@"; do
        number=$((number + 1))
        printf '  %d  %s\n' $number "$key"
    done
    while :; do
        ask "A number, or 0 for nobody:"
        if is_number "$answer" && ((10#$answer <= number)); then break; fi
    done
    number=$((10#$answer))
    ((number == 0)) || read_ssh_keys "${!number}"
}
