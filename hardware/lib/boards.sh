# shellcheck shell=bash
# The boards on the LAN, from their records (daemon/discovery, card.rs tells the texts), and what each is at.

# one_text KEY TEXTS: a value of a record's texts, which are quoted: "v=1" "role=new".
one_text() {
    local rest=${2#*"\"$1="}
    [ "$rest" != "$2" ] || return 0
    printf '%s' "${rest%%\"*}" | harmless
}

# boards SECONDS: a line for each board: name, address, cluster, state, trouble, board's key; one even if heard by two interfaces.
boards() {
    local host address texts name
    browse "$1" | while IFS="$(printf '\t')" read -r _ host address texts; do
        [ "$(one_text v "$texts")" = 1 ] || continue
        name=$(one_text name "$texts")
        # Fields that are empty would move those behind them: '-' stands for nothing.
        printf '%s\t%s\t%s\t%s\t%s\t%s\n' "${name:-${host%.local}}" "${address:--}" "$(one_text cluster "$texts" | sed 's/^$/-/')" \
            "$(one_text role "$texts")" "$(one_text trouble "$texts")" "$(one_text board "$texts")"
    done | awk -F '\t' '
        # A board is told by its own key. An IPv4 address is the one to be shown.
        $6 == "" { next }
        !($6 in line) { order[++n] = $6 }
        !($6 in line) || ($2 ~ /\./ && !($6 in four)) { line[$6] = $1 "\t" $2 "\t" ($3 == "" ? "-" : $3) "\t" $4 "\t" ($5 == "" ? "-" : $5) }
        $2 ~ /\./ { four[$6] = 1 }
        END { for (i = 1; i <= n; i++) print line[order[i]] }' | sort
}

# list_boards LINES CLUSTER: the table.
list_boards() {
    {
        printf 'NAME\tADDRESS\tCLUSTER\tSTATE\tTROUBLE\n'
        printf '%s\n' "$1" | awk -F '\t' -v wanted="$2" '$1 != "" && (wanted == "" || $3 == wanted)'
    } | table
}

# members LINES CLUSTER: the names of those that are in.
members() { printf '%s\n' "$1" | awk -F '\t' -v wanted="$2" '$3 == wanted && ($4 == "worker" || $4 == "manager") { print $1 }'; }

# missing LINES: cards that were written for $set_cluster whose boards are not in yet. Boards that name themselves can only be counted.
missing() {
    local in name number unnamed=0 others known=''
    in=$(members "$1" "$set_cluster")
    while read -r _ _ number name; do
        case $name in
        '') continue ;;
        *'{serial}'*) unnamed=$((unnamed + 1)) ;;
        *)
            known="$known$name
"
            printf '%s\n' "$in" | grep -qxF -- "$name" || printf 'card %s, %s\n' "$number" "$name"
            ;;
        esac
    done <<CARDS
$(kept_cards)
CARDS
    others=$(printf '%s\n' "$in" | while IFS= read -r name; do
        [ -z "$name" ] || printf '%s' "$known" | grep -qxF -- "$name" || printf 'x\n'
    done | wc -l)
    ((unnamed <= others)) || printf '%d of the boards that name themselves\n' $((unnamed - others))
}
