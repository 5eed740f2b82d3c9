"""What holds for all cards: TOML that says what was given, keys that are never twice, scripts that shellcheck passes."""

import os
import pathlib
import random
import re
import subprocess
import tempfile
import tomllib
import unittest

from place import Place

HERE = pathlib.Path(__file__).resolve().parent.parent
REPOSITORY = HERE.parent
# What macOS's bash 3.2 does not know.
NEWER = re.compile(r"\b(mapfile|readarray|coproc|EPOCHREALTIME|EPOCHSECONDS|BASHPID)\b|\b(declare|local|typeset) -[Angu]|wait -n"
                   r"|\$\{\w+(,|\^)|&>>|\|&|\{\w+\}[<>]|\$\{\w+@|\[-\d+\]\}|read -t [\d]*\.")


def library(script, *args):
    """Runs a line of bash with the parts of lib/ that need nothing else."""
    parts = "; ".join(f'. "{HERE}/lib/{part}.sh"' for part in ("say", "address", "settings", "cluster", "lock"))
    return subprocess.run(["bash", "-c", f"set -euo pipefail; me=test; {parts}; {script}", "test", *args],
                          capture_output=True, env=os.environ | {"LC_ALL": "C"}, check=False)


def scripts():
    """Every shell script of the repository, known by its first line."""
    listed = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=REPOSITORY, check=True, capture_output=True, text=True)
    for name in listed.stdout.splitlines():
        path = REPOSITORY / name
        if path.is_file() and not path.is_symlink():
            with open(path, "rb") as file:
                head = file.readline(100)
            if re.match(rb"#!.*\b(ba|da|)sh\b|# shellcheck shell=", head):
                yield path


class Laws(unittest.TestCase):
    """Each holds without a recording."""

    def test_any_text_comes_back_from_toml(self):
        """Seeded, so that a failure stays one."""
        dice = random.Random(5)
        texts = ['"', "\\", '\\"', "a'b", "ä€😀", "[x]", "# no", "a=b", "$(id)", "`id`", "%s%n", " ", "&/\\1"]
        texts += ["".join(dice.choice("\"\\'aä€ =#[]{}$`&%/,.") for _ in range(dice.randint(1, 30))) for _ in range(150)]
        done = library('shift 0; for one in "$@"; do printf "k = %s\\n\\0" "$(quoted "$one")"; done', *texts)
        self.assertEqual(done.returncode, 0, done.stderr)
        read = [tomllib.loads(line.decode())["k"] for line in done.stdout.split(b"\0")[:-1]]
        self.assertEqual(read, texts)

    def test_join_keys_are_long_readable_and_never_the_same(self):
        """150 bits each."""
        done = library("for i in 1 2 3 4 5 6 7 8; do new_join_key; done")
        keys = done.stdout.decode().split()
        self.assertEqual(len(set(keys)), 8)
        for key in keys:
            self.assertRegex(key, r"^([a-km-np-z2-9]{5}-){5}[a-km-np-z2-9]{5}$")

    def test_addresses_are_what_python_takes_for_addresses(self):
        """Python's ipaddress is the judge, on texts near to addresses."""
        import ipaddress
        dice = random.Random(6)
        texts = ["1.2.3.4", "01.2.3.4", "1.2.3", "1.2.3.4.5", "256.1.1.1", "::", "::1", "1::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::",
                 "::ffff:1.2.3.4", ":1", "1:", ":::", "1::2::3", "fe80::12345", "g::", "", " ", "1..2.3"]
        texts += ["".join(dice.choice("12af:.:") for _ in range(dice.randint(2, 20))) for _ in range(300)]
        done = library('for one in "$@"; do if is_address "$one"; then echo 1; else echo 0; fi; done', *texts)
        for text, said in zip(texts, done.stdout.decode().split(), strict=True):
            try:
                ipaddress.ip_address(text)
                right = "1"
            except ValueError:
                right = "0"
            self.assertEqual(said, right, repr(text))

    def test_gateways_are_in_the_network_that_python_says(self):
        """On random addresses of both kinds."""
        import ipaddress
        dice = random.Random(7)
        pairs = []
        for _ in range(120):
            for bits, kind in ((32, ipaddress.IPv4Address), (128, ipaddress.IPv6Address)):
                one = dice.getrandbits(bits)
                pairs.append((f"{kind(one)}/{dice.randint(1, bits)}", str(kind(one ^ 1 << dice.randrange(bits)))))
        flat = [text for pair in pairs for text in pair]
        done = library('while (($#)); do if in_subnet "$2" "$1"; then echo 1; else echo 0; fi; shift 2; done', *flat)
        for (network, other), said in zip(pairs, done.stdout.decode().split(), strict=True):
            right = ipaddress.ip_address(other) in ipaddress.ip_network(network, strict=False)
            self.assertEqual(said, "1" if right else "0", (network, other))

    def test_a_dead_owners_lock_is_none_and_a_living_ones_holds(self):
        """folder_lock, by the owner's process id."""
        with tempfile.TemporaryDirectory() as folder:
            lock = pathlib.Path(folder) / "lock"
            lock.mkdir()
            (lock / "owner").write_text(f"{os.getpid()}\n")
            self.assertNotEqual(library('folder_lock "$1" 0', str(lock)).returncode, 0)
            gone = subprocess.Popen(["true"])
            gone.wait()
            (lock / "owner").write_text(f"{gone.pid}\n")
            self.assertEqual(library('folder_lock "$1" 0', str(lock)).returncode, 0)

    def test_two_cards_at_once_have_one_key_and_two_numbers(self):
        """Both may be the first of their cluster."""
        with tempfile.TemporaryDirectory() as folder:
            place = Place(pathlib.Path(folder))
            line = [str(HERE / "flash"), "bramble.img", "--cluster", "home", "--hostname", "home-%n", "--yes", "--no-ssh", "--timezone", "UTC"]
            running = [subprocess.Popen([*line, f"{name}.img"], env=place.env, cwd=folder, stdout=subprocess.DEVNULL) for name in "abcd"]
            self.assertEqual([one.wait() for one in running], [0] * len(running))
            cards = [tomllib.loads(place.card(f"{name}.img")) for name in "abcd"]
        self.assertEqual(sorted(card["hostname"] for card in cards), ["home-1", "home-2", "home-3", "home-4"])
        self.assertEqual(len({card["join-key"] for card in cards}), 1)

    def test_shellcheck_has_nothing_to_say(self):
        """Of any script in the repository."""
        found = list(scripts())
        self.assertGreater(len(found), 10)
        done = subprocess.run(["shellcheck", "--color=never", *map(str, found)], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_what_runs_on_macos_is_in_its_bash(self):
        """Its bash is 3.2; none is here to ask, so the words that it lacks are looked for."""
        for path in [HERE / "flash", HERE / "provision", *sorted((HERE / "lib").glob("*.sh"))]:
            for number, line in enumerate(path.read_text().splitlines(), 1):
                self.assertIsNone(NEWER.search(line), f"{path}:{number}: {line}")
