"""A program on a terminal of its own, and a person's answers."""

import os
import pty
import re
import select
import signal
import time

LIMIT = 180
# bash may lose a Ctrl-C that comes just as a command of its own ends: whoever sees nothing happen presses again.
AGAIN = 3


class Stuck(Exception):
    """The program did not say what was waited for."""


def run(command, env, folder, answers=(), tty=True):
    """Runs to the end. `answers` are pairs: what to wait for, and what to do then: a text to type, or a function to call."""
    if not tty:
        return _plain(command, env, folder)
    pid, screen = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execvpe(command[0], command, env)
    shown, seen, waiting = "", 0, list(answers)
    end, pressed = time.monotonic() + LIMIT, None
    try:
        while True:
            now = time.monotonic()
            if pressed and now - pressed > AGAIN and not waiting:
                os.write(screen, b"\x03")
                pressed = now
            ready, _, _ = select.select([screen], [], [], min(1, max(0, end - now)))
            if not ready and now < end:
                continue
            if now >= end:
                wanted = repr(waiting[0][0]) if waiting else "its end"
                raise Stuck(f"no sign of {wanted} after:\n{shown}")
            try:
                piece = os.read(screen, 65536)
            except OSError:
                piece = b""
            if not piece:
                break
            shown += piece.decode(errors="replace")
            while waiting and (at := shown.find(waiting[0][0], seen)) >= 0:
                seen = at + len(waiting[0][0])
                answer = waiting.pop(0)[1]
                os.write(screen, answer.encode()) if isinstance(answer, str) else answer()
                pressed = time.monotonic() if answer == "\x03" else None
    except BaseException:
        os.killpg(pid, signal.SIGTERM)
        raise
    finally:
        os.close(screen)
        state = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if waiting:
        raise Stuck(f"ended before {waiting[0][0]!r}:\n{shown}")
    return shown, state


def _plain(command, env, folder):
    import subprocess
    done = subprocess.run(command, env=env, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=LIMIT)
    return done.stdout, done.returncode


def normal(text, folder, keys):
    """What a session shows without what differs each time: progress, times, rates, sums, keys, this machine's paths."""
    text = text.replace("\r\n", "\n").replace("\x1b[K", "")
    lines = [line.split("\r")[-1] for line in text.split("\n")]
    # A table is as wide as the paths in it were.
    if f"{folder}/dev/sda" in text:
        lines = [re.sub(r"^DISK +(?=SIZE)", lambda head: head.group()[:-len(str(folder))], line) for line in lines]
    text = "\n".join(lines).replace(str(folder), "")
    text = re.sub(r"in \d+:\d\d, [\d.]+ \w+/s", "in 0:00, 0 MB/s", text)
    text = re.sub(r"sha256 [0-9a-f]{64}", "sha256 …", text)

    def key(found):
        return keys.setdefault(found.group(), f"(join key {len(keys) + 1})")

    return re.sub(r"\b(?:[a-z2-9]{5}-){5}[a-z2-9]{5}\b", key, text)
