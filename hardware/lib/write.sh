# shellcheck shell=bash
# Writes the image, reads it back, and clears what came to nothing.

# start_job COMMAND...: in the background, in a process group of its own, so that all of a pipeline can be ended at once.
start_job() {
    rm -f "$scratch/state" "$scratch/dd"
    : >"$scratch/dd"
    set -m
    "$@" </dev/null >"$scratch/out" 2>"$scratch/words" &
    job=$!
    set +m
}

# end_job: for an interruption.
end_job() {
    [ -n "${job:-}" ] || return 0
    kill -TERM -- "-$job" 2>/dev/null || true
    wait "$job" 2>/dev/null || true
    job=
}

# How many bytes dd has said to be through.
dd_bytes() { tr '\r' '\n' <"$scratch/dd" | awk '/^[0-9]+ bytes/ { bytes = $1 } END { print bytes + 0 }'; }

# What dd complained of, without its counts.
dd_complaint() { tr '\r' '\n' <"$scratch/dd" | grep '^dd: ' | tail -n 1 | sed 's/^dd: //' | harmless; }

# follow_job WORD: shows how far the job is until it ends; false if it failed.
follow_job() {
    local began now bytes passed rate left state=0
    began=$(date +%s)
    while kill -0 "$job" 2>/dev/null; do
        dd_poke "$job"
        pause 0.5
        [ -t 1 ] || continue
        bytes=$(dd_bytes) now=$(date +%s)
        passed=$((now - began))
        ((bytes > 0 && passed > 0)) || continue
        rate=$((bytes / passed))
        left=$(((image_size - bytes) / (rate > 0 ? rate : 1)))
        printf '\r\033[K  %-9s %s of %s, %s/s, %s left' "$1" "$(human "$bytes")" "$(human "$image_size")" "$(human "$rate")" "$(clock "$left")"
    done
    wait "$job" 2>/dev/null || state=$?
    job=
    now=$(date +%s)
    passed=$((now - began))
    [ ! -t 1 ] || printf '\r\033[K'
    ((state == 0)) || return 1
    printf '  %-9s %s in %s, %s/s\n' "$1" "$(human "$image_size")" "$(clock "$passed")" "$(human $((image_size / (passed > 0 ? passed : 1))))"
}

# The largest block that divides the image: raw disks take whole sectors only.
block_size() {
    local size
    for size in 4194304 1048576 512; do
        if ((image_size % size == 0)); then
            printf '%d\n' $size
            return
        fi
    done
}

# The image to the target; its sum to a file on the way; the states of all three to another.
write_pipeline() {
    unpack "$image" 2>"$scratch/unpack" | tee "$scratch/pipe" | dd_write "$target" "$block" 2>"$scratch/dd"
    printf '%s\n' "${PIPESTATUS[*]}" >"$scratch/state"
    ! grep -q '[1-9]' "$scratch/state"
}

write_image() {
    local summer unpacker states
    rm -f "$scratch/pipe"
    mkfifo "$scratch/pipe"
    sum256 <"$scratch/pipe" >"$scratch/sum" &
    summer=$!
    start_job write_pipeline
    if ! follow_job writing; then
        kill "$summer" 2>/dev/null || true
        wait "$summer" 2>/dev/null || true
        states=$(cat "$scratch/state" 2>/dev/null || echo '? ? ?')
        unpacker=${states%% *}
        # An unpacker whose reader is gone says so too: it is to blame only where dd is not.
        if [ "${states##* }" = 0 ] && [ "$unpacker" != 0 ]; then
            trouble="the image cannot be unpacked: $(head -n 1 "$scratch/unpack" | harmless)"
        else
            trouble="writing failed at byte $(dd_bytes): $(dd_complaint)"
            [ -e "$target" ] || trouble="$trouble ($target is gone: was it pulled out?)"
        fi
        return 1
    fi
    wait "$summer" || { trouble="the sum of what was written could not be made" && return 1; }
    written_sum=$(cat "$scratch/sum")
    target_settle "$target" || { trouble="$target did not take what was written" && return 1; }
}

read_pipeline() {
    dd_read "$target" "$block" $((image_size / block)) 2>"$scratch/dd" | sum256 >"$scratch/sum"
}

# Reads all back and compares the sums; where they differ, a second reading finds the byte.
read_back() {
    local found
    start_job read_pipeline
    if ! follow_job reading; then
        trouble="reading back failed at byte $(dd_bytes): $(dd_complaint)"
        return 1
    fi
    found=$(cat "$scratch/sum")
    [ "$found" != "$written_sum" ] || return 0
    say "  it does not read back as it was written; looking for the place"
    start_job find_difference
    follow_job comparing >/dev/null || true
    # GNU and BSD: "differ: byte N, line M" or "differ: char N, line M", counted from 1.
    found=$(sed -n 's/.* differ: [a-z]* \([0-9]*\),.*/\1/p' "$scratch/out" | head -n 1)
    if [ -n "$found" ]; then
        trouble="it reads back wrong, first at byte $((found - 1)) of $image_size: the card is worn or not what it claims to be; do not use it"
    else
        trouble="it reads differently each time: the card, its reader or the cable is not to be trusted"
    fi
    return 1
}

find_difference() {
    dd_read "$target" "$block" $((image_size / block)) 2>"$scratch/dd" | cmp - <(unpack "$image")
}

# spoil: what is not finished must not look as if it were: without its first sector a card does not start.
spoil() {
    if dd_spoil "$target"; then
        say "  its first sector is cleared, so that it cannot be taken for a finished card"
    else
        say "  its first sector could not be cleared: it may look like a finished card, but is not"
    fi
}
