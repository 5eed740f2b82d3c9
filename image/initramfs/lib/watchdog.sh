# shellcheck shell=sh
# The watchdog ticks from here on: whatever hangs later, the board starts again.

# 300 s until the daemon must have taken over. Busybox's program sets that time; killed hard, it leaves the watchdog ticking
# (only a clean close writes the letter that stops it).
start_watchdog() {
    [ -e /dev/watchdog ] || {
        note "no watchdog"
        return 0
    }
    watchdog -F -T 300 -t 100 /dev/watchdog &
    keeper=$!
    tries=50
    while [ "$(cat /sys/class/watchdog/watchdog0/timeout)" != 300 ] && [ $tries -gt 0 ]; do
        tries=$((tries - 1))
        sleep 0.1
    done
    kill -9 $keeper
    wait $keeper 2>/dev/null
    note "the watchdog ticks: $(cat /sys/class/watchdog/watchdog0/timeout) s"
}
