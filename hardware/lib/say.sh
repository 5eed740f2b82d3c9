# shellcheck shell=bash
# What the person at the terminal sees: errors in words, questions, sizes, tables. $me is who speaks.

# die TEXT...: says what is wrong and ends.
die() {
    printf '%s: %s\n' "$me" "$*" >&2
    exit 1
}

say() { printf '%s\n' "$*"; }

# note TEXT...: something worth knowing that stops nothing.
note() { printf '  note: %s\n' "$*"; }

# Whether somebody can be asked.
can_ask() { [ -t 0 ]; }

# ask QUESTION: what was answered is in $answer. Ends where nobody can be asked.
ask() {
    can_ask || die "this needs an answer, and there is no terminal to ask at: $1"
    printf '%s ' "$1"
    answer=
    read -r answer || die "no answer"
}

# ask_secret WHAT: the same, unseen, and twice because a mistake would not be seen. The echo is off before the question is put: what
# is typed early must not be shown either.
ask_secret() {
    local first
    can_ask || die "$1 has to be typed, and there is no terminal"
    terminal_was=$(stty -g)
    stty -echo
    while :; do
        printf '%s (not shown): ' "$1"
        IFS= read -r first || die "no answer"
        printf '\nonce more: '
        IFS= read -r answer || die "no answer"
        printf '\n'
        [ "$answer" != "$first" ] || break
        say "these differ"
    done
    show_again
}

# show_again: what is typed is seen again; also for whoever is interrupted.
terminal_was=
show_again() {
    [ -z "$terminal_was" ] || stty "$terminal_was"
    terminal_was=
}

# human BYTES: as it stands on a card's box, in powers of ten.
human() {
    local bytes=$1 unit=1 name=B
    if ((bytes >= 1000000000000)); then
        unit=1000000000000 name=TB
    elif ((bytes >= 1000000000)); then
        unit=1000000000 name=GB
    elif ((bytes >= 1000000)); then
        unit=1000000 name=MB
    elif ((bytes >= 1000)); then
        unit=1000 name=kB
    fi
    if ((unit == 1 || bytes / unit >= 100)); then
        printf '%d %s' $((bytes / unit)) $name
    else
        printf '%d.%d %s' $((bytes / unit)) $((bytes % unit * 10 / unit)) $name
    fi
}

# clock SECONDS: 0:07, 12:34, 1:02:03.
clock() {
    local all=$1
    if ((all >= 3600)); then
        printf '%d:%02d:%02d' $((all / 3600)) $((all / 60 % 60)) $((all % 60))
    else
        printf '%d:%02d' $((all / 60)) $((all % 60))
    fi
}

# Lines of fields with tabs between, as an aligned table. The last column is as long as it likes.
table() {
    awk -F '\t' '
        { for (i = 1; i <= NF; i++) { cell[NR, i] = $i; if (length($i) > width[i]) width[i] = length($i) }; fields[NR] = NF }
        END {
            for (row = 1; row <= NR; row++) {
                line = ""
                for (i = 1; i <= fields[row]; i++)
                    line = line (i < fields[row] ? sprintf("%-" width[i] "s  ", cell[row, i]) : cell[row, i])
                sub(/ +$/, "", line)
                print line
            }
        }'
}

# Control characters that a stranger's text may hold do nothing here.
harmless() { tr -c '[:print:]\t\n' '?'; }

# has_control TEXT: true if it holds what no line of a file may.
has_control() {
    case $1 in
    *[[:cntrl:]]*) return 0 ;;
    esac
    return 1
}

# absolute PATH: without links in its last part, so that a disk's other names are known for what they are.
absolute() {
    local path=$1 target hops=0
    while [ -L "$path" ]; do
        hops=$((hops + 1))
        ((hops < 20)) || return 1
        target=$(readlink "$path") || return 1
        case $target in
        /*) path=$target ;;
        *) path=$(dirname "$path")/$target ;;
        esac
    done
    printf '%s/%s\n' "$(cd "$(dirname "$path")" 2>/dev/null && pwd -P)" "$(basename "$path")"
}

# pause SECONDS: Ctrl-C ends it at once. bash would forget one that comes just as a command in the foreground ends by itself.
pause() {
    sleep "$1" >/dev/null 2>&1 &
    wait $! || true
}
