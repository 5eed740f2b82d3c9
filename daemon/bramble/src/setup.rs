//! `bramble setup`: what the card decides of this board, made before the network is up.
//!
//! ```text
//! card ──read──→ what is right on it ──with what was kept──→ the card that counts ──→ kept on /data/setup
//!                       │                                             │
//!                       └─→ problems                                  ├─→ host name, networks, Wi-Fi, ssh, time zone
//!                                                                     └─→ the passphrase is taken off the card
//! ```
//! Each step may fail without keeping the others from being done: a failure is one more problem, and the board comes up as far
//! as it can. Doing it again changes nothing. It talks to no service: what it makes is there before they start.

use crate::card_file;
use crate::config::{CARD, KEPT_CARD, named};
use crate::serial;
use anyhow::{Context as _, bail};
use card::{AUTHORIZED_KEYS, Card, Facts, Left, Reading, Taken, Wanted};
use clap::Args;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What is kept of the card.
const SETUP: &str = "/data/setup";
/// Of which board; a card that was copied to another one notices.
const BOARD: &str = "/data/setup/board";
/// `sshd`'s key.
const HOST_KEY: &str = "/data/setup/ssh/ssh_host_ed25519_key";
/// What the initramfs binds over `/etc/machine-id`.
const MACHINE_ID: &str = "/data/machine-id";
/// What the initramfs says of a data partition that can't be mended.
const DATA_TROUBLE: &str = "/run/bramble/data-trouble";
/// Mistakes, a line each, for the console and the daemon.
pub const PROBLEMS: &str = "/run/bramble/problems";

pub const EXAMPLES: &str = "\
Examples:
  bramble setup                    as bramble-setup.service runs it at each start
  bramble setup --root /mnt/card   for a system that is mounted there; its host name is not set

Reads /boot/firmware/bramble.toml. Beside the daemon's keys (bramble daemon --help) these (all may be absent):
  hostname = \"kitchen-{serial}\"    {serial}: the last six hex digits of the board's serial number
  ssh-keys = [\"ssh-ed25519 …\"]     who may log in as root; with none there is no ssh
  timezone = \"Europe/Berlin\"
  [wifi]
  ssid = \"home\"
  passphrase = \"…\"                 WPA2 or WPA3; absent: an open network. Taken off the card once it is kept on /data
  country = \"DE\"
  hidden = true                    the network does not tell its name
  [network]                        DHCP without it
  address = \"192.168.1.10/24\"
  gateway = \"192.168.1.1\"
  dns = [\"192.168.1.1\"]
  interface = \"eth0\"               the wired one if absent, else wlan0

Mistakes are named in /run/bramble/problems, on the console, in GET /bramble/board and in what the board announces; all
else on the card counts. A text that is no card at all: the board stays with what it kept of the last one.

Exit code: 0, also with mistakes on the card; 1 if they could not even be written down.";

/// What it is told.
#[derive(Args)]
pub struct Arguments {
    /// Where the system's files begin.
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

/// Does it, and says what was wrong.
///
/// # Errors
/// If problems can't be written down.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let root = &arguments.root;
    let problems = Setup {
        root,
        tools: &System {
            named: root == Path::new("/"),
        },
    }
    .run();
    for problem in &problems {
        tracing::warn!(%problem, "the card");
    }
    let path = inside(root, PROBLEMS);
    if problems.is_empty() {
        return absent(&path);
    }
    write(&path, (problems.join("\n") + "\n").as_bytes(), 0o644)
}

/// What can't be done in a folder.
trait Tools {
    /// Names the machine.
    fn name(&self, name: &str) -> anyhow::Result<()>;
    /// Makes a key pair.
    fn host_key(&self, to: &Path) -> anyhow::Result<()>;
}

struct System {
    /// False where the files are another system's: then this machine keeps its name.
    named: bool,
}

impl Tools for System {
    fn name(&self, name: &str) -> anyhow::Result<()> {
        match self.named {
            true => nix::unistd::sethostname(name).context("setting the host name"),
            false => Ok(()),
        }
    }

    fn host_key(&self, to: &Path) -> anyhow::Result<()> {
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "bramble", "-f"])
            .arg(to)
            .stdin(Stdio::null())
            .output()
            .context("running ssh-keygen")?;
        if !made.status.success() {
            bail!("ssh-keygen: {}", String::from_utf8_lossy(&made.stderr).trim());
        }
        Ok(())
    }
}

struct Setup<'a> {
    root: &'a Path,
    tools: &'a dyn Tools,
}

impl Setup<'_> {
    /// All steps; what was wrong.
    fn run(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut note = |result: anyhow::Result<()>| {
            if let Err(error) = result {
                problems.push(format!("{error:#}"));
            }
        };
        note(folder(&self.path(SETUP), 0o700));
        note(self.notice_another_board());
        note(card_file::recover(&self.path(CARD)));
        let kept = self.kept();
        let (reading, mut told) = self.read(kept.is_some());
        let (whole, has_passphrase) = (reading.whole, has_passphrase(&reading.card));
        let card = card::effective(reading, kept);
        let keeps = if whole { self.keep(&card) } else { Ok(()) };
        let is_kept = whole && keeps.is_ok();
        note(keeps);
        note(self.name(&card));
        note(self.host_key(&card));
        for wanted in card::files(&card, &self.facts()) {
            note(self.make(&wanted));
        }
        if is_kept && has_passphrase {
            note(self.take_passphrase_off());
        }
        told.append(&mut problems);
        let trouble = fs::read_to_string(self.path(DATA_TROUBLE)).unwrap_or_default();
        told.extend(
            trouble
                .lines()
                .next()
                .map(|text| format!("the data partition: {text}")),
        );
        told
    }

    fn path(&self, absolute: &str) -> PathBuf {
        inside(self.root, absolute)
    }

    /// The card, and what is wrong with it.
    fn read(&self, has_kept: bool) -> (Reading, Vec<String>) {
        let path = self.path(CARD);
        let (bytes, missing) = match card_file::read(&path) {
            Ok(Some(bytes)) => {
                let empty = bytes.iter().all(|byte| byte.is_ascii_whitespace() || *byte == 0);
                (bytes, empty.then(|| "bramble.toml is empty".to_owned()))
            }
            Ok(None) => (
                Vec::new(),
                Some("there is no bramble.toml on the card".to_owned()),
            ),
            Err(error) => (Vec::new(), Some(format!("reading bramble.toml: {error}"))),
        };
        let mut reading = card::read_bytes(&bytes);
        let mut problems = named(&path, &reading);
        // A board that was never told anything lacks nothing.
        if let (Some(missing), true) = (missing, has_kept) {
            problems.push(missing);
            reading.whole = false;
        }
        if !reading.whole && has_kept {
            problems.push("the board runs with what it kept of the last card that was right".to_owned());
        }
        (reading, problems)
    }

    fn kept(&self) -> Option<Card> {
        let bytes = fs::read(self.path(KEPT_CARD)).ok()?;
        Some(card::read_bytes(&bytes).card)
    }

    fn keep(&self, card: &Card) -> anyhow::Result<()> {
        write(&self.path(KEPT_CARD), card.text().as_bytes(), 0o600)
    }

    /// `/data` that came from another board by copying its card: what tells boards apart is made anew. (The daemon does the
    /// same with what made it a member.) What its user wrote on the card stays.
    fn notice_another_board(&self) -> anyhow::Result<()> {
        let Some(serial) = serial::serial(self.root) else {
            return Ok(());
        };
        let path = self.path(BOARD);
        let known = fs::read_to_string(&path).unwrap_or_default();
        if known.trim() == serial {
            return Ok(());
        }
        if !known.trim().is_empty() {
            tracing::warn!(
                "this card was made on another board: it gets ssh keys and a machine id of its own"
            );
            if let Some(keys) = self.path(HOST_KEY).parent() {
                match fs::remove_dir_all(keys) {
                    Err(error) if error.kind() != ErrorKind::NotFound => {
                        return Err(error).with_context(|| format!("removing {}", keys.display()));
                    }
                    _ => {}
                }
            }
            // From the next start on: this one's is in use.
            let id = format!("{:032x}\n", rand::random::<u128>());
            write(&self.path(MACHINE_ID), id.as_bytes(), 0o444)?;
        }
        write(&path, format!("{serial}\n").as_bytes(), 0o600)
    }

    fn name(&self, card: &Card) -> anyhow::Result<()> {
        self.tools.name(&card::host_name(
            card.hostname.as_deref(),
            &serial::short(self.root),
        ))
    }

    fn facts(&self) -> Facts {
        let model = fs::read_to_string(self.path("/proc/device-tree/model")).unwrap_or_default();
        // A Pi's wired interface may come later than this; only a Zero has none.
        let pi = model.starts_with("Raspberry Pi") && !model.contains("Zero");
        Facts {
            wired: pi || self.has_wired(),
        }
    }

    fn has_wired(&self) -> bool {
        let Ok(all) = fs::read_dir(self.path("/sys/class/net")) else {
            return false;
        };
        let wired = |path: PathBuf| path.join("device").exists() && !path.join("phy80211").exists();
        all.filter_map(Result::ok).any(|entry| wired(entry.path()))
    }

    fn make(&self, wanted: &Wanted) -> anyhow::Result<()> {
        match wanted {
            Wanted::File { path, mode, content } => write(&self.path(path), content.as_bytes(), *mode),
            Wanted::Link { path, to } => self.link(&self.path(path), to),
            Wanted::Absent(path) => absent(&self.path(path)),
        }
    }

    /// The link to the time zone. One that this system does not know leaves the board on UTC.
    fn link(&self, path: &Path, to: &str) -> anyhow::Result<()> {
        if !self.path(to).exists() {
            absent(path)?;
            // What has no zones at all is on UTC anyway.
            let zone = to.trim_start_matches(card::ZONES).trim_start_matches('/');
            if zone == "Etc/UTC" {
                return Ok(());
            }
            bail!(
                "timezone = \"{zone}\": this system knows no such zone (a name such as \"Europe/Berlin\"); it stays on UTC"
            );
        }
        if fs::read_link(path).is_ok_and(|now| now == Path::new(to)) {
            return Ok(());
        }
        absent(path)?;
        if let Some(parent) = path.parent() {
            folder(parent, 0o755)?;
        }
        std::os::unix::fs::symlink(to, path).with_context(|| format!("making {}", path.display()))
    }

    /// Made once, and only on boards that let somebody in. Made beside its place, so that a power cut leaves no half of one.
    fn host_key(&self, card: &Card) -> anyhow::Result<()> {
        let path = self.path(HOST_KEY);
        let wanted = card.ssh_keys.as_ref().is_some_and(|keys| !keys.is_empty());
        if !wanted || fs::metadata(&path).is_ok_and(|known| known.len() > 0) {
            return Ok(());
        }
        let made = (|| {
            let parent = path.parent().context("no folder")?;
            folder(parent, 0o700)?;
            let (new, new_public) = (parent.join("new"), parent.join("new.pub"));
            absent(&new)?;
            absent(&new_public)?;
            self.tools.host_key(&new)?;
            fs::File::open(&new)?.sync_all()?;
            fs::rename(&new_public, path.with_extension("pub"))?;
            fs::rename(&new, &path)?;
            fs::File::open(parent)?.sync_all()?;
            Ok(())
        })();
        made.map_err(|error: anyhow::Error| {
            error.context(format!("nobody can log in ({AUTHORIZED_KEYS}): no host key"))
        })
    }

    fn take_passphrase_off(&self) -> anyhow::Result<()> {
        let now = jiff::Timestamp::now().strftime("%Y-%m-%d");
        let note = format!(
            "taken off on {now} and kept on the board's data partition; write it here again to change it"
        );
        let mut stuck = false;
        card_file::change(&self.path(CARD), |text| {
            match card::take_off(text, Taken::Passphrase, &note) {
                Left::Text(text) => Some(text),
                Left::Same => None,
                Left::Stuck => {
                    stuck = true;
                    None
                }
            }
        })
        .context("the Wi-Fi passphrase stays on the card")?;
        if stuck {
            bail!(
                "the Wi-Fi passphrase stays on the card: its line can't be told from what is around it; take it off by hand"
            );
        }
        Ok(())
    }
}

fn has_passphrase(card: &Card) -> bool {
    let passphrase = card.wifi.as_ref().and_then(|wifi| wifi.passphrase.as_ref());
    passphrase.is_some_and(|passphrase| !passphrase.reveal().is_empty())
}

fn inside(root: &Path, absolute: &str) -> PathBuf {
    root.join(absolute.trim_start_matches('/'))
}

/// Writes a file whole or not at all, and not if it is so already: a card wears out.
fn write(path: &Path, content: &[u8], mode: u32) -> anyhow::Result<()> {
    let same_mode = fs::metadata(path).is_ok_and(|known| known.permissions().mode() & 0o7777 == mode);
    if same_mode && fs::read(path).is_ok_and(|known| known == content) {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        // Secrets on /data lie below /data/setup, which is closed.
        folder(parent, 0o755)?;
    }
    pki::files::write_atomic(path, content, mode)?;
    Ok(())
}

fn folder(path: &Path, mode: u32) -> anyhow::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(mode);
    builder
        .create(path)
        .with_context(|| format!("making {}", path.display()))
}

fn absent(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "setup_tests.rs"]
mod tests;
