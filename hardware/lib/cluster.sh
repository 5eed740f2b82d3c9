# shellcheck shell=bash
# What is kept of a cluster for its next card: the join key, the number of the next card, the names of those that are done.
# One file for each cluster, in the user's config folder, for their eyes only; replaced as a whole, so that it is never half.

# The home of the person, who may be root by sudo.
person_home() {
    if [ "$(id -u)" = 0 ] && [ -n "${SUDO_USER:-}" ] && [ "$SUDO_USER" != root ]; then home_of "$SUDO_USER"; else printf '%s\n' "$HOME"; fi
}

# What root makes for a person by sudo is that person's.
own() {
    [ "$(id -u)" != 0 ] || [ -z "${SUDO_UID:-}" ] || chown "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" "$@"
}

cluster_path() { printf '%s/%s.conf\n' "$(cluster_folder)" "$set_cluster"; }
cluster_folder() { printf '%s/bramble\n' "${XDG_CONFIG_HOME:-$(person_home)/.config}"; }

# kept KEY: a line's value.
kept() { sed -n "s/^$1 = //p" "$cluster_file" 2>/dev/null | head -n 1; }
# kept_name NUMBER: the name of a card that is done.
kept_name() { sed -n "s/^card = $1 //p" "$cluster_file" 2>/dev/null | tail -n 1; }

# cluster_begin: the file's place, the lock on it.
cluster_begin() {
    local folder
    folder=$(cluster_folder)
    cluster_file=$(cluster_path) cluster_lock=$folder/$set_cluster.lock
    if [ ! -d "$folder" ]; then
        (umask 077 && mkdir -p "$folder" 2>/dev/null) || die "cannot make $folder, where the join key would be kept"
        own "$folder"
    fi
    chmod 700 "$folder" 2>/dev/null || true
    folder_lock "$cluster_lock" 100 || die "another hardware/flash is at $cluster_file; if none is running, remove $cluster_lock"
}
cluster_end() { folder_unlock "$cluster_lock"; }

# cluster_write KEY BOARDS NEXT CARDS: the file anew.
cluster_write() {
    local fresh
    fresh=$(mktemp "$(dirname "$cluster_file")/.flash.XXXXXX") || { cluster_end && die "cannot write to $(dirname "$cluster_file"), where the join key is kept"; }
    if ! {
        printf '# What hardware/flash needs for the next card of this cluster. Keep it: boards take the join key off their cards.\n'
        printf 'join-key = %s\n' "$1"
        [ -z "$2" ] || printf 'boards = %s\n' "$2"
        printf 'next = %s\n' "$3"
        [ -z "$4" ] || printf '%s\n' "$4"
    } >"$fresh" 2>/dev/null || ! chmod 600 "$fresh" || ! own "$fresh" || ! mv -f "$fresh" "$cluster_file"; then
        rm -f "$fresh"
        cluster_end
        die "cannot write $cluster_file, where the join key is kept: is the disk full?"
    fi
}

# cluster_take: the key and the number for the next card: set_join_key, set_boards, card_number. A first card makes the key.
cluster_take() {
    local next key
    cluster_begin
    key=$(kept join-key) next=$(kept next)
    if [ -n "$key" ] && [ -n "$set_join_key" ] && [ "$key" != "$set_join_key" ]; then
        cluster_end
        die "$cluster_file has another join key for $set_cluster: give none, or remove the file if that cluster is gone"
    fi
    set_join_key=${key:-${set_join_key:-$(new_join_key)}}
    [ -n "$set_boards" ] || set_boards=$(kept boards)
    is_number "$next" || next=1
    card_number=${set_number:-$next}
    ((next > card_number)) || next=$((card_number + 1))
    cluster_write "$set_join_key" "$set_boards" "$next" "$(kept_cards)"
    cluster_end
}

kept_cards() { sed -n '/^card = /p' "$cluster_file" 2>/dev/null || true; }

# cluster_give_back NUMBER: the card came to nothing, and no later one was begun.
cluster_give_back() {
    cluster_begin
    if [ "$(kept next)" = $(($1 + 1)) ] && [ -z "$(kept_name "$1")" ]; then
        cluster_write "$(kept join-key)" "$(kept boards)" "$1" "$(kept_cards)"
    fi
    cluster_end
}

# cluster_done NUMBER NAME
cluster_done() {
    local cards
    cluster_begin
    cards=$(kept_cards | sed "/^card = $1 /d")
    cluster_write "$(kept join-key)" "$(kept boards)" "$(kept next)" "$cards${cards:+
}card = $1 $2"
    cluster_end
}

# cluster_name_taken NAME NUMBER: which other card has this very name.
cluster_name_taken() {
    case $1 in
    '' | *'{serial}'*) return 0 ;;
    esac
    sed -n "s/^card = \([0-9]*\) $1\$/\1/p" "$cluster_file" 2>/dev/null | grep -vx "$2" | head -n 1 || true
}

# A fresh key: 30 of 32 letters and digits that are not mistaken for each other, 150 bits.
new_join_key() {
    local letters=abcdefghijkmnpqrstuvwxyz23456789 byte key='' count=0
    for byte in $(od -An -v -tu1 -N 30 /dev/urandom); do
        ((count == 0 || count % 5)) || key=$key-
        key=$key${letters:byte % 32:1}
        count=$((count + 1))
    done
    ((count == 30)) || die "/dev/urandom gave too little"
    printf '%s\n' "$key"
}
