# shellcheck shell=bash
# A lock that every Unix has: a folder can be made only once. Its owner's process id is inside, so that a dead owner's lock is none.

# folder_lock FOLDER TENTHS: waits so long for another owner. False if it is still there.
folder_lock() {
    local tenths=$2 owner
    while ! mkdir "$1" 2>/dev/null; do
        [ -d "$1" ] || return 1
        owner=$(cat "$1/owner" 2>/dev/null || true)
        # Ours, from before an interruption.
        [ "$owner" != "$$" ] || return 0
        if [ -n "$owner" ] && ! ps -p "$owner" >/dev/null 2>&1; then
            # Moved away first: of two that find it dead, only one moves it.
            if mv "$1" "$1.dead.$$" 2>/dev/null; then rm -rf "$1.dead.$$"; fi
            continue
        fi
        ((tenths > 0)) || return 1
        tenths=$((tenths - 1))
        sleep 0.1
    done
    printf '%s\n' "$$" >"$1/owner"
}

folder_unlock() { rm -rf "$1"; }
