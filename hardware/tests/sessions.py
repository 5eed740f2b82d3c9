"""The recorded sessions: each a story that a person could live through."""

import fcntl
import shutil

from place import Place, make_image, sh

ALL = {}
ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO2mK9vqUcqwS4p4g3sP0m0Zk2pLJ0yq0yAk1m0f1nQz me@home"
PLAIN = "--timezone UTC --no-ssh"


def session(story):
    """Puts a story into ALL."""
    ALL[story.__name__.replace("_", "-")] = story
    return story


def play(story, folder):
    """What was seen."""
    place = story(folder)
    return place.seen


@session
def first_card(folder):
    """a fresh card, the first of its cluster"""
    place = Place(folder)
    place.disk("sda", 256_000, [("ext4", "", "/")], RM=0, HOTPLUG=0, TRAN="nvme", VENDOR="", MODEL="Samsung SSD 980")
    place.disk("sdb", parts=[("vfat", "OLDBOOT", ""), ("ext4", "", "")])
    (folder / "home/.ssh/id_ed25519.pub").write_text(ED25519 + "\n")
    place.run("--list")
    place.run("bramble.img /dev/sdb --cluster home --boards 3 --hostname home-%n --ssid Attic --country de --timezone UTC"
              " --label place=under\\_the\\_\"roof\"",
              [("passphrase of Attic", "correct horse\n"), ("once more", "correct horse\n"), ("or 0 for nobody", "1\n"), ("Type sdb", "sdb\n")])
    place.show("bramble.toml on the card", place.card("dev/sdb"))
    place.show("what is kept", place.config())
    return place


@session
def second_card(folder):
    """the second card of a cluster: the same key, the next number; packed images"""
    place = Place(folder)
    sh("zstd", "--quiet", str(folder / "bramble.img"))
    sh("xz", str(folder / "bramble.img"))
    place.run(f"bramble.img.xz one.img --cluster home --hostname home-%n {PLAIN}")
    place.run(f"bramble.img.zst two.img --cluster home --hostname home-%n --address 192.168.1.10%n/24 --gateway 192.168.1.1 --dns 192.168.1.1 {PLAIN}")
    place.show("bramble.toml on the second", place.card("two.img"))
    place.run(f"bramble.img.zst three.img --cluster home --hostname home-2 {PLAIN}")
    place.run(f"bramble.img.zst two.img --cluster home --hostname home-2 --number 2 {PLAIN}", [("Type two.img", "two.img\n")])
    place.show("what is kept", place.config())
    return place


@session
def wrong_disk(folder):
    """disks that are not taken"""
    place = Place(folder)
    place.disk("sda", 256_000, [("ext4", "", "/")], RM=0, HOTPLUG=0, TRAN="nvme", VENDOR="", MODEL="Samsung SSD 980")
    place.disk("sdb", parts=[("vfat", "PHOTOS", "/media/me/PHOTOS")])
    place.disk("sdc", 4_000_000, [("ext4", "backup", "")], RM=0, HOTPLUG=0, TRAN="sata", VENDOR="ATA", MODEL="WDC WD40")
    place.disk("sdd", RO=1)
    place.disk("sde", 0)
    place.run("--list")
    for disk in "abcde":
        place.run(f"bramble.img /dev/sd{disk} {PLAIN}")
    place.run(f"bramble.img /dev/sdc --fixed-disk --yes {PLAIN}")
    place.run(f"bramble.img /dev/sdc --fixed-disk {PLAIN}", [("Type sdc", "yes\n")])
    place.run(f"bramble.img /DEV/no-such-disk {PLAIN}")
    place.run(f"bramble.img /dev {PLAIN}")
    place.run(f"bramble.img bramble.img {PLAIN}")
    place.wish("busy")
    place.disk("sdf")
    place.run(f"bramble.img /dev/sdf --yes {PLAIN}")
    return place


@session
def too_small(folder):
    """a card that is too small"""
    place = Place(folder)
    place.disk("sdb", 32)
    place.run(f"bramble.img /dev/sdb --cluster home {PLAIN}")
    place.show("nothing was begun", str(sorted(path.name for path in (folder / "home").rglob("*"))))
    return place


@session
def worn_card(folder):
    """a card that reads back wrong, then a good one, which gets its number"""
    place = Place(folder)
    place.disk("sdb")
    place.wish("worn", 31_457_333)
    place.run(f"bramble.img /dev/sdb --cluster home --hostname home-%n {PLAIN}", [("Type sdb", "sdb\n")])
    assert place.first_sector_is_empty("dev/sdb")
    place.unwish("worn")
    place.disk("sdb", MODEL="Better Reader")
    place.run(f"bramble.img /dev/sdb --cluster home --hostname home-%n {PLAIN}", [("Type sdb", "sdb\n")])
    return place


@session
def pulled_out(folder):
    """a card that is pulled out while it is written"""
    place = Place(folder)
    place.disk("sdb")
    place.wish("pulled")
    place.run(f"bramble.img /dev/sdb --cluster home {PLAIN}", [("Type sdb", "sdb\n")])
    place.show("no file is left where the disk was", str(sorted(path.name for path in (folder / "dev").iterdir())))
    place.show("what is kept", place.config())
    return place


@session
def interrupted(folder):
    """Ctrl-C in the middle of the second of three"""
    place = Place(folder)
    place.disk("sdb")
    place.run(f"bramble.img --series 3 --cluster home --hostname home-%n {PLAIN}",
              [("Put in card 1", lambda: place.disk("sdc")), ("Type sdc", "sdc\n"),
               ("Take it out", lambda: place.unplug("sdc")), ("Put in card 2", lambda: (place.wish("slow"), place.disk("sdd"))),
               ("Type sdd", "sdd\n"), ("writing   8.3 MB", "\x03")])
    assert place.first_sector_is_empty("dev/sdd")
    place.show("what is kept", place.config())
    place.unwish("slow")
    place.unplug("sdd")
    place.run(f"bramble.img /dev/sdb --cluster home --hostname home-%n {PLAIN}", [("Type sdb", "\x03")])
    place.run(f"bramble.img --series 2 --cluster home --hostname home-%n {PLAIN}", [("Put in card 2", "\x03")])
    place.run(f"bramble.img --series 2 --cluster home --hostname home-%n --yes {PLAIN}", tty=False)
    return place


@session
def series(folder):
    """three cards, one after another, with a mounted and a worn one between"""
    place = Place(folder)
    place.disk("sda", 256_000, [("ext4", "", "/")], RM=0, HOTPLUG=0, TRAN="nvme", VENDOR="", MODEL="Samsung SSD 980")

    def worn():
        place.wish("worn", 40_000_000)
        place.disk("sdb")

    def good():
        place.unwish("worn")
        place.unplug("sdb")

    place.run(f"bramble.img --series 3 --cluster home --hostname home-%n {PLAIN}", [
        ("Put in card 1", lambda: place.disk("sdb")), ("Type sdb", "sdb\n"),
        ("Take it out", lambda: place.unplug("sdb")),
        ("Put in card 2", lambda: place.disk("sdc", parts=[("vfat", "PHOTOS", "/media/PHOTOS")])),
        ("Take it out", lambda: place.unplug("sdc")),
        ("Put in card 2", worn), ("Type sdb", "sdb\n"), ("another card", good),
        ("Put in card 2", lambda: place.disk("sdd")), ("Type sdd", "sdd\n"),
        ("Put in card 3", lambda: place.disk("sde")), ("Type sde", "sde\n"),
        ("done: 3 of 3", ""),
    ])
    for name in ("sdd", "sde"):
        place.show(name, place.card(f"dev/{name}"))
    return place


@session
def files(folder):
    """a series into files, by a script without a terminal; the folder's name has a blank"""
    place = Place(folder)
    (folder / "my cards").mkdir()
    place.run(f"bramble.img my\\_cards/%n.img --series 3 --cluster shop --hostname shop-%n --yes {PLAIN}", tty=False)
    place.show("the third", place.card("my cards/3.img"))
    place.run(f"bramble.img my\\_cards/3.img --cluster shop --hostname shop-%n {PLAIN}", tty=False)
    return place


@session
def mistakes(folder):
    """values that a board would not take, images that are none; nothing is written"""
    place = Place(folder)
    (folder / "id_ed25519").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    (folder / "odd.pub").write_text(ED25519.replace("ssh-ed25519", "ssh-rsa") + "\n")
    (folder / "short").write_text("hunter22\n")
    for more in (
            "--cluster a\\_b", "--boards 3", "--cluster home --boards 0", "--cluster home --join-key-file short", "--hostname -a",
            "--hostname kitchen.lan", "--hostname home --series 2", "--label ssd", "--ssid Attic --passphrase short --country DE",
            "--ssid Attic --passphrase longenough", "--ssid Attic --open --country D1", "--country DE",
            "--ssid " + 33 * "x" + " --open --country DE", "--address 192.168.1.10", "--address 192.168.1.300/24",
            "--address 192.168.1.10/24 --gateway 192.168.2.1", "--gateway 192.168.1.1", "--dns home", "--interface eth0/1",
            "--ssh-key id_ed25519", "--ssh-key odd.pub", "--ssh-key none.pub", "--number 0", "--wifi yes", "--cluster", "extra"):
        place.run(f"bramble.img card.img --timezone UTC {more}", tty=False)
    place.run("bramble.img card.img --timezone Mars/Base", tty=False)
    shutil.copy(folder / "bramble.img", folder / "other.img.gz")
    (folder / "empty.img").write_bytes(b"")
    (folder / "text.img").write_bytes(b"x" * 1024)
    sh("zstd", "--quiet", str(folder / "bramble.img"), "-o", str(folder / "whole.img.zst"))
    (folder / "part.img.zst").write_bytes((folder / "whole.img.zst").read_bytes()[:-1000])
    (folder / "foreign").mkdir()
    make_image(folder / "foreign/foreign.img", "bootfs")
    (folder / "foreign/SHA256SUMS").write_text(f"{64 * '0'}  sums.img\n")
    shutil.copy(folder / "bramble.img", folder / "foreign/sums.img")
    for image in ("none.img", "other.img.gz", "empty.img", "text.img", "part.img.zst", "foreign/foreign.img", "foreign/sums.img"):
        place.run(f"{image} card.img {PLAIN}", tty=False)
    place.show("what there is", str(sorted(path.name for path in folder.iterdir())))
    return place


@session
def two_at_once(folder):
    """another program is at the disk; a config folder that cannot be written"""
    place = Place(folder)
    place.disk("sdb")
    with open(folder / "dev/sdb", "rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        place.run(f"bramble.img /dev/sdb --yes --cluster home {PLAIN}")
    (folder / "home/.config").write_text("not a folder")
    place.run(f"bramble.img /dev/sdb --yes --cluster home {PLAIN}")
    return place


@session
def macos(folder):
    """macOS's branch, with stand-ins for diskutil, mount, stat and dd: never seen on a Mac"""
    place = Place(folder, "macos")
    with open(folder / "dev/disk4", "wb") as file:
        file.truncate(64 << 20)
    place.run("--list")
    place.run(f"bramble.img /dev/disk0 {PLAIN}")
    place.run(f"bramble.img /dev/disk4 --cluster home --hostname home-%n {PLAIN}", [("Type disk4", "disk4\n")])
    place.show("bramble.toml on the card", place.card("dev/disk4"))
    (folder / "Volumes/BRAMBLE").mkdir(parents=True)
    place.run(f"bramble.img /dev/disk4 --cluster home --hostname home-%n {PLAIN}")
    place.run(f"bramble.img /dev/disk4 --cluster home --hostname home-%n --unmount --yes {PLAIN}")
    place.run(f"bramble.img card.img --cluster home --hostname home-%n {PLAIN}")
    return place


def record(name, address, texts, protocol="IPv4"):
    """A line of avahi-browse."""
    texts = {"v": "1"} | texts
    words = " ".join(f'"{key}={value}"' for key, value in texts.items())
    return f"=;eth0;{protocol};{name};_bramble._tcp;local;{name}.local;{address};2377;{words}\n"


@session
def provision(folder):
    """boards on the LAN: new, in, in trouble; which cards are missing"""
    place = Place(folder)
    place.wish("heard", "")
    place.run("", program="provision")
    for number in (1, 2, 3):
        place.run(f"bramble.img {number}.img --cluster home --hostname home-%n {PLAIN}")
    heard = (record("home-1", "192.168.1.11", {"board": "aa", "name": "home-1", "cluster": "home", "role": "manager", "node": "n1"})
             + record("home-1", "fe80::1", {"board": "aa", "name": "home-1", "cluster": "home", "role": "manager", "node": "n1"}, "IPv6")
             + record("home-2", "192.168.1.12", {"board": "bb", "name": "home-2", "cluster": "home", "role": "new",
                                                 "trouble": "bramble.toml, line 3: boards = 0; must be 1 or more"})
             + record("spare", "192.168.1.40", {"board": "cc", "name": "spare", "cluster": "", "role": "new"})
             + record("old", "192.168.1.41", {"v": "9", "board": "dd", "role": "new"}))
    place.wish("heard", heard)
    place.run("", program="provision")
    place.run("--cluster home", program="provision")
    place.wish("heard", heard.replace('"role=new"', '"role=worker"').replace("bramble.toml, line 3: boards = 0; must be 1 or more", "")
               + record("home-3", "192.168.1.13", {"board": "ee", "name": "home-3", "cluster": "home", "role": "worker"}))
    place.run("--cluster home --wait 30", program="provision")
    place.run("--cluster home extra", program="provision")
    return place


def board(folder, name, model, order=None):
    """A board for the stand-in of ssh."""
    tree = folder / "boards" / name / "tree"
    (tree / "chosen/bootloader").mkdir(parents=True)
    (tree / "model").write_bytes(model.encode() + b"\0")
    (tree.parent / "bin").mkdir()
    (tree.parent / "boot").mkdir()
    if "Pi 3" in model:
        return
    (tree / "chosen/bootloader/version").write_bytes(b"8ba17717fbcedd4c3b6d4bce7e50c7af4155cba9\0")
    (tree / "chosen/bootloader/build-timestamp").write_bytes((1736437000).to_bytes(4, "big"))
    if order:
        (tree.parent / "config").write_text(f"[all]\nBOOT_UART=0\nBOOT_ORDER={order}\n")
        tool = tree.parent / "bin/rpi-eeprom-config"
        tool.write_text('#!/bin/sh\nif [ "$1" = --apply ]; then cat "$2" >"$BOARD/config"; else cat "$BOARD/config"; fi\n')
        tool.chmod(0o755)


@session
def eeprom(folder):
    """the boot EEPROM: read, set after a question, and where it cannot be"""
    place = Place(folder)
    board(folder, "home-1.local", "Raspberry Pi 4 Model B Rev 1.4", "0xf41")
    board(folder, "home-2.local", "Raspberry Pi 5 Model B Rev 1.0")
    board(folder, "home-3.local", "Raspberry Pi 3 Model B Plus Rev 1.3")
    place.run("eeprom home-1.local home-2.local home-3.local home-4.local", program="provision")
    place.run("eeprom home-1.local --boot-order nvme,sd", [("Type yes", "no\n")], program="provision")
    place.run("eeprom home-1.local home-2.local --boot-order nvme,usb,sd", [("Type yes", "yes\n")], program="provision")
    place.show("its config", (folder / "boards/home-1.local/config").read_text())
    place.run("eeprom home-1.local --boot-order nvme,usb,sd", program="provision")
    place.run("eeprom home-1.local --boot-order sd,sd", program="provision")
    place.run("eeprom -oProxyCommand=x", program="provision")
    return place


@session
def provision_macos(folder):
    """the same on macOS, with a stand-in for dns-sd: never seen on a Mac"""
    place = Place(folder, "macos")
    place.wish("heard", '\n_bramble._tcp PTR home-1._bramble._tcp\n'
               'home-1._bramble._tcp                 SRV     0 0 2377 home-1.local. ; Replace with unicast FQDN of target host\n'
               'home-1._bramble._tcp                 TXT     "v=1" "board=aa" "name=home-1" "cluster=home" "role=worker" "node=n1" "trouble="\n')
    place.run("", program="provision")
    return place
