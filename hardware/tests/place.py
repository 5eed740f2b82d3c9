"""Where a session plays: an image, a home, disks that are files, stand-ins for the system's programs."""

import os
import pathlib
import subprocess
import terminal

HERE = pathlib.Path(__file__).resolve().parent.parent
MIB = 1 << 20


def sh(*command, **more):
    """Runs a program that must not fail."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more).stdout


def make_image(path, label="BRAMBLE"):
    """A card in the layout of image/README.md, only smaller."""
    with open(path, "wb") as file:
        file.truncate(48 * MIB)
    table = """label: dos
unit: sectors
1 : start=8192, size=16384, type=c
2 : start=24576, size=8192, type=c
3 : start=32768, size=8192, type=c
4 : start=40960, size=57344, type=f
5 : start=43008, size=8192, type=83
6 : start=53248, size=8192, type=83
7 : start=63488, size=34816, type=83
"""
    sh("sfdisk", "--quiet", str(path), input=table.encode())
    fat = path.with_suffix(".fat")
    with open(fat, "wb") as file:
        file.truncate(8 * MIB)
    sh("mkfs.vfat", "-i", "b7a3b1e1", "-n", label, str(fat))
    template = path.with_suffix(".toml")
    template.write_text("# cluster = \"home\"\n")
    sh("mcopy", "-i", str(fat), str(template), "::/bramble.toml")
    with open(path, "r+b") as file:
        file.seek(4 * MIB)
        file.write(fat.read_bytes())
        # Roots that do not compress to nothing.
        file.seek(21 * MIB)
        file.write(b"".join(number.to_bytes(4, "big") for number in range(MIB)))
    fat.unlink()
    template.unlink()


class Place:
    """One session's machine, and what was seen on it so far."""

    def __init__(self, folder, platform="debian"):
        self.folder, self.keys, self.seen = folder, {}, ""
        for one in ("dev", "home/.ssh", "tmp"):
            (folder / one).mkdir(parents=True)
        make_image(folder / "bramble.img")
        fakes = HERE / "fakes" / platform
        self.env = {
            "PATH": f"{fakes}:{os.environ['PATH']}", "HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"),
            "FAKE": str(folder), "TERM": "dumb", "LANG": "C.UTF-8",
        }

    def disk(self, name, mib=64, parts=(), there=True, **words):
        """A disk: lsblk's words about it, and about its partitions."""
        path = self.folder / "dev" / name
        facts = {"NAME": path, "TYPE": "disk", "SIZE": mib * MIB, "RM": 1, "HOTPLUG": 1, "RO": 0, "TRAN": "usb",
                 "VENDOR": "Generic ", "MODEL": "SD Reader", "FSTYPE": "", "LABEL": "", "MOUNTPOINT": ""} | words
        lines = [facts]
        for number, (fstype, label, mountpoint) in enumerate(parts, 1):
            part = self.folder / "dev" / f"{name}{number}"
            lines.append(facts | {"NAME": part, "TYPE": "part", "FSTYPE": fstype, "LABEL": label, "MOUNTPOINT": mountpoint})
            (part.parent / f"{part.name}.about").unlink(missing_ok=True)
        with open(path, "wb") as file:
            file.truncate(mib * MIB)
        about = "".join(" ".join(f'{key}="{value}"' for key, value in line.items()) + "\n" for line in lines)
        if there:
            # As a whole at once: a session may be looking.
            fresh = self.folder / "tmp" / "about"
            fresh.write_text(about)
            fresh.rename(path.with_name(f"{name}.about"))

    def unplug(self, name):
        """The disk goes; its content stays to be looked at."""
        (self.folder / "dev" / f"{name}.about").unlink()

    def wish(self, name, text=""):
        """Something goes wrong: see fakes/dd."""
        (self.folder / name).write_text(str(text))

    def unwish(self, name):
        """No more."""
        (self.folder / name).unlink()

    def run(self, line, answers=(), tty=True, program="flash"):
        """A command line as a person types it, words split at blanks; \\_ is a blank within, /DEV/ this machine's own /dev/."""
        words = [word.replace("\\_", " ") for word in line.split()]
        words = [word.replace("/dev/", f"{self.folder}/dev/") if self.env["PATH"].count("debian:") else word for word in words]
        words = [word.replace("/DEV/", "/dev/") for word in words]
        line = line.replace("/DEV/", "/dev/")
        self.seen += f"$ hardware/{program} {line.replace(chr(92) + '_', ' ')}".rstrip() + ("" if tty else " </dev/null") + "\n"
        shown, state = terminal.run([str(HERE / program), *words], self.env, self.folder, answers, tty)
        self.seen += terminal.normal(shown, self.folder, self.keys).rstrip("\n") + "\n"
        if state:
            self.seen += f"(exit {state})\n"
        self.seen += "\n"
        left = [path.name for path in (self.folder / "tmp").iterdir()]
        if left:
            self.seen += f"LEFT BEHIND: {left}\n"
        return state

    def show(self, what, text):
        """Something to be seen of what was made."""
        self.seen += f"# {what}\n{terminal.normal(text, self.folder, self.keys).rstrip()}\n\n"

    def card(self, name):
        """bramble.toml on a card."""
        path = self.folder / name
        return sh("mtype", "-i", f"{path}@@4M", "::/bramble.toml", env=os.environ | {"MTOOLS_SKIP_CHECK": "1"}).decode()

    def config(self):
        """The config folder: rights, names, contents."""
        folder = self.folder / "home/.config/bramble"
        lines = [f"{folder.stat().st_mode & 0o777:o} ~/.config/bramble"]
        for path in sorted(folder.iterdir()):
            lines.append(f"{path.stat().st_mode & 0o777:o} {path.name}\n{path.read_text()}")
        return "\n".join(lines)

    def first_sector_is_empty(self, name):
        """Whether nothing would start from this card."""
        with open(self.folder / name, "rb") as file:
            return file.read(512) == bytes(512)
