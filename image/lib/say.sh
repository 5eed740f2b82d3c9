# shellcheck shell=bash
# What the person at the terminal sees: one line for each step, with its time; errors in words.

# die TEXT...: says what is wrong and ends.
die() {
    printf 'image/build: %s\n' "$*" >&2
    exit 1
}

# note TEXT...: something worth knowing that stops nothing.
note() { printf '   %s\n' "$*" >&2; }

# step TITLE COMMAND: runs a step and says how long it took. What the step's programs say goes to the log, whose end is
# shown when the step fails. A step runs in a subshell with `set -e`: it hands on files, never variables. (In a condition
# bash would ignore `set -e`: neither step nor the subshell may stand in one.)
step() {
    local title=$1 began=$EPOCHREALTIME took state
    shift
    [[ -t 2 ]] && printf '   %s …\r' "$title" >&2
    printf '\n== %s\n' "$title" >>"$log"
    set +e
    (
        set -e
        "$@"
    ) >>"$log" 2>&1
    state=$?
    set -e
    if ((state)); then
        printf '✗  %s: failed; the end of %s:\n' "$title" "$log" >&2
        tail -n 20 "$log" >&2
        exit 1
    fi
    took=$(((${EPOCHREALTIME/[.,]/} - ${began/[.,]/}) / 100000))
    printf '✓  %-34s %5d.%d s\n' "$title" $((took / 10)) $((took % 10)) >&2
}
