//! Boards of the lab that look like the appliance: a tree of files as its card has them, and programs in place of RAUC and
//! systemd. Whoever makes one plays its firmware: when the board asks for a restart, its power goes and comes back, at the slot
//! that the Pi's documentation says.

use anyhow::{Context, Result, ensure};
use lab::{Board, Lab};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

/// Bundles are texts: what RAUC checks and writes is their manifest.
const RAUC: &str = r#"#!/bin/sh
root=$(dirname "$0")/../..
said() { sed -n "s/^$1=//p" "$2"; }
case $1 in
info)
    [ -n "$(said compatible "$3")" ] || { echo 'signature verification failed' >&2; exit 1; }
    printf '{"compatible":"%s","version":"%s"}\n' "$(said compatible "$3")" "$(said version "$3")" ;;
install)
    printf 'installing\n  0%% Installing\n 50%% Copying image\n'
    [ "$(said version "$2")" != unwritable ] || { echo 'LastError: the slot can not be written'; exit 1; }
    case $(tail -c 1 $root/proc/device-tree/chosen/bootloader/partition | od -An -tu1) in
        *2) said version "$2" >$root/slots/B ;;
        *) said version "$2" >$root/slots/A ;;
    esac
    printf '100%% Installing done.\nidle\n' ;;
esac
"#;

/// A restart is asked for by a file, and carried out by [`Appliance::firmware`].
const SYSTEMCTL: &str = "#!/bin/sh\necho \"$@\" >\"$(dirname \"$0\")/../../restart\"\n";

/// A version whose system does not start.
pub const BROKEN: &str = "broken";

/// A board of the lab with an image of ours.
pub struct Appliance<'a> {
    board: &'a Board,
    root: PathBuf,
    confirming: Option<Child>,
}

impl Drop for Appliance<'_> {
    fn drop(&mut self) {
        self.reap();
    }
}

impl<'a> Appliance<'a> {
    /// Gives a board, which is off, an image of this version in slot A.
    ///
    /// # Errors
    /// If its files can't be made.
    pub fn make(board: &'a Board, version: &str) -> Result<Self> {
        let appliance = Self {
            board,
            root: board.hardware(),
            confirming: None,
        };
        let autoboot = "[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n";
        for (path, text, mode) in [
            ("boot/firmware/autoboot.txt", autoboot, 0o644),
            ("dev/virtio-ports/org.bramble.firmware", "", 0o644),
            ("slots/A", version, 0o644),
            ("usr/bin/rauc", RAUC, 0o755),
            ("usr/bin/systemctl", SYSTEMCTL, 0o755),
        ] {
            appliance.write(path, text.as_bytes(), mode)?;
        }
        appliance.start_slot("A", false, 0)?;
        Ok(appliance)
    }

    fn write(&self, path: &str, text: &[u8], mode: u32) -> Result<()> {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().context("a folder")?)?;
        fs::write(&path, text)?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        Ok(())
    }

    fn read(&self, path: &str) -> Result<String> {
        let path = self.root.join(path);
        fs::read_to_string(&path).with_context(|| path.display().to_string())
    }

    /// What the kernel and the firmware show once a slot runs.
    fn start_slot(&self, slot: &str, trial: bool, start: u32) -> Result<()> {
        let version = self.read(&format!("slots/{slot}"))?;
        let release = format!("VERSION={}\nCOMPATIBLE=bramble-arm64\n", version.trim());
        let partition = if slot == "A" { 2u32 } else { 3 };
        let chosen = "proc/device-tree/chosen/bootloader";
        for (path, text) in [
            ("etc/bramble/release".to_owned(), release.into_bytes()),
            (format!("{chosen}/partition"), partition.to_be_bytes().to_vec()),
            (
                format!("{chosen}/tryboot"),
                u32::from(trial).to_be_bytes().to_vec(),
            ),
            (
                "proc/sys/kernel/random/boot_id".to_owned(),
                start.to_string().into_bytes(),
            ),
        ] {
            self.write(&path, &text, 0o644)?;
        }
        Ok(())
    }

    /// Plays the firmware, if the board asked for a restart: true then.
    ///
    /// # Errors
    /// If the board can't be switched off and on.
    pub fn firmware(&mut self) -> Result<bool> {
        if !self.root.join("restart").exists() {
            return Ok(false);
        }
        self.board.power_off()?;
        self.reap();
        let tries = self.read("dev/virtio-ports/org.bramble.firmware")? == "tryboot\n";
        let autoboot = self.read("boot/firmware/autoboot.txt")?;
        ensure!(
            autoboot.len() == 64,
            "autoboot.txt has another length: {autoboot:?}"
        );
        let (usual, other) = match autoboot.contains("[all]\ntryboot_a_b=1\nboot_partition=2") {
            true => ("A", "B"),
            false => ("B", "A"),
        };
        let start = self.read("proc/sys/kernel/random/boot_id")?.parse::<u32>()? + 1;
        let starts =
            |slot: &str| Ok::<_, anyhow::Error>(self.read(&format!("slots/{slot}"))?.trim() != BROKEN);
        // A system that does not start is left by the watchdog's reset, which knows no tries.
        let trial = tries && starts(other)?;
        self.start_slot(if trial { other } else { usual }, trial, start)?;
        fs::write(self.root.join("dev/virtio-ports/org.bramble.firmware"), "")?;
        fs::remove_file(self.root.join("restart"))?;
        self.board.start()?;
        if trial {
            let socket = self.board.socket();
            let line = format!("confirm --steady 1 --within 60 --api {}", socket.display());
            self.confirming = Some(
                self.bramble(&line)?
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .spawn()?,
            );
        }
        Ok(true)
    }

    /// The bramble command on this board, with its files.
    ///
    /// # Errors
    /// If the board is off.
    pub fn bramble(&self, line: &str) -> Result<std::process::Command> {
        let program = lab::cargo::daemon_binary();
        let program = program.to_str().context("a path")?;
        let root = self.root.to_str().context("a path")?;
        let mut whole = vec![program];
        whole.extend(line.split_whitespace());
        whole.extend(["--board-root", root]);
        self.board.command(&whole)
    }

    /// The board.
    pub fn board(&self) -> &Board {
        self.board
    }

    fn reap(&mut self) {
        if let Some(mut child) = self.confirming.take() {
            // It ended by itself, or with the board's power.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Boards with an image of this version, switched on and in one cluster.
///
/// # Errors
/// If they don't come up.
pub fn appliances<'a>(lab: &'a Lab, version: &str) -> Result<Vec<Appliance<'a>>> {
    let boards = lab.boards().iter().map(|board| Appliance::make(board, version));
    let boards: Vec<_> = boards.collect::<Result<_>>()?;
    lab.start_all()?;
    lab.ready()?;
    Ok(boards)
}

/// Writes a bundle with this version.
///
/// # Errors
/// If it can't be written.
pub fn bundle(folder: &Path, version: &str) -> Result<PathBuf> {
    let manifest =
        format!("\n[update]\ncompatible=bramble-arm64\nversion={version}\n\n[bundle]\nformat=verity\n");
    let mut all = vec![b'x'; 3 << 20];
    all.extend_from_slice(manifest.as_bytes());
    all.extend_from_slice(&(manifest.len() as u64).to_be_bytes());
    fs::create_dir_all(folder)?;
    let path = folder.join(format!("{version}.raucb"));
    fs::write(&path, all)?;
    Ok(path)
}
