//! A machine's life between power on and power off: a loop of boots.
//!
//! ```text
//! on ─► firmware: card ─► kernel, initramfs, command line, device tree ─► QEMU ─┬─ restart ──► firmware (a try, if the board asked for one)
//!                                                                               ├─ power off ─► Ended::Off
//!                                                                               └─ cut ───────► Ended::Cut
//! ```
//! QEMU ends at every restart and is started anew, as the firmware would load everything anew. A cut forgets that a try was asked
//! for: on a Pi that is one bit which lives as long as the power. [`super::firmware`] decides; here it is done.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{
    card::{Card, Fat},
    firmware::{Choice, Loads, choose, command_line, loads},
    qemu::{Boot, Hardware, Kind, own_device_tree, tell_choice},
};

/// More boots in a row than any test wants: a machine that restarts for ever ends.
const MOST_BOOTS: usize = 20;

/// What a machine is started with.
#[derive(Debug)]
pub(super) struct Parts {
    pub name: String,
    pub hardware: Hardware,
    pub card: Card,
    /// Where its files are.
    pub dir: PathBuf,
    pub network: String,
    pub mac: String,
}

impl Parts {
    /// What its serial port wrote, in all boots.
    pub fn console(&self) -> PathBuf {
        self.dir.join("console.log")
    }

    fn word(&self) -> PathBuf {
        self.dir.join("firmware.word")
    }
}

/// How a machine's life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The board switched itself off.
    Off,
    /// Its power was cut.
    Cut,
}

/// A machine that is on, or was.
#[derive(Debug)]
pub(super) struct Life {
    thread: JoinHandle<Result<Ended>>,
    shared: Arc<Shared>,
}

/// What the machine's thread and others both see.
#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// QEMU, and where it takes orders.
    now: Option<(Child, ChildStdin)>,
    cut: bool,
    boots: Vec<Choice>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Life {
    /// Power on.
    pub fn begin(parts: Arc<Parts>) -> Self {
        let shared = Arc::new(Shared::default());
        let seen = Arc::clone(&shared);
        Life {
            thread: thread::spawn(move || live(&parts, &seen)),
            shared,
        }
    }

    /// What the firmware chose so far, the first boot first.
    pub fn boots(&self) -> Vec<Choice> {
        self.shared.state().boots.clone()
    }

    /// Whether the machine is still on.
    pub fn goes_on(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Gives QEMU an order of its machine protocol. What it answers is in its log.
    pub fn order(&self, order: &Value) -> Result<()> {
        let mut state = self.shared.state();
        let Some((_, orders)) = &mut state.now else {
            bail!("the machine is between two boots");
        };
        writeln!(orders, "{order}").context("QEMU takes no orders")
    }

    /// Cuts the power, in this moment, and waits until QEMU is gone.
    pub fn cut(self) -> Result<Ended> {
        {
            let mut state = self.shared.state();
            state.cut = true;
            if let Some((qemu, _)) = &mut state.now {
                // It is not reaped while the state is ours, so its process number is nobody else's.
                qemu.kill().context("QEMU can't be ended")?;
            }
        }
        self.end()
    }

    /// Waits for the machine's end.
    pub fn end(self) -> Result<Ended> {
        self.thread
            .join()
            .unwrap_or_else(|_| bail!("the machine's thread panicked"))
    }
}

fn live(parts: &Parts, shared: &Shared) -> Result<Ended> {
    let mut tryboot = false;
    for _ in 0..MOST_BOOTS {
        let (choice, boot) = load(parts, tryboot)?;
        let _ = fs::remove_file(parts.word());
        let Some(reason) = run_once(&boot, choice, shared, &parts.dir)? else {
            return Ok(Ended::Cut);
        };
        match reason.as_str() {
            "guest-reset" => tryboot = asked_for_try(parts),
            "guest-shutdown" => return Ok(Ended::Off),
            other => bail!("{} ended by {other}: see {}", parts.name, parts.dir.display()),
        }
    }
    bail!(
        "{} restarted {MOST_BOOTS} times: see {}",
        parts.name,
        parts.console().display()
    )
}

/// Whether the board told the firmware, since its last start, that the next start is a try.
fn asked_for_try(parts: &Parts) -> bool {
    fs::read_to_string(parts.word()).is_ok_and(|word| word.lines().any(|line| line.trim() == "tryboot"))
}

/// One QEMU, to its end: why it ended, or `None` if the power was cut.
fn run_once(boot: &Boot, choice: Choice, shared: &Shared, dir: &std::path::Path) -> Result<Option<String>> {
    let log = fs::File::options()
        .create(true)
        .append(true)
        .open(dir.join("qemu.log"))?;
    let mut log_of_answers = log.try_clone()?;
    let answers = {
        let mut state = shared.state();
        if state.cut {
            return Ok(None);
        }
        let mut command = boot.command();
        writeln!(log_of_answers, "{}", crate::ran::typed(&command))?;
        let mut qemu = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("cannot start QEMU by setpriv")?;
        let answers = qemu.stdout.take().context("QEMU without answers")?;
        let mut orders = qemu.stdin.take().context("QEMU without orders")?;
        // If it is dead already, its answers end and its log says why.
        let _ = writeln!(orders, r#"{{"execute":"qmp_capabilities"}}"#);
        state.now = Some((qemu, orders));
        state.boots.push(choice);
        answers
    };
    let mut reason = None;
    for line in BufReader::new(answers).lines() {
        let Ok(line) = line else { break };
        writeln!(log_of_answers, "{line}")?;
        reason = reason.or_else(|| shutdown_reason(&line));
    }
    let mut state = shared.state();
    if let Some((mut qemu, _)) = state.now.take() {
        qemu.wait()?;
    }
    if state.cut {
        return Ok(None);
    }
    reason
        .map(Some)
        .with_context(|| format!("QEMU ended by itself: see {}", dir.join("qemu.log").display()))
}

/// Why QEMU ends, in its own word, if that is what it says.
fn shutdown_reason(line: &str) -> Option<String> {
    let event: Value = serde_json::from_str(line).ok()?;
    (event["event"] == "SHUTDOWN").then(|| event["data"]["reason"].as_str().unwrap_or("nothing").to_owned())
}

/// What the firmware does: chooses a partition of the card, and lays what it names ready.
fn load(parts: &Parts, tryboot: bool) -> Result<(Choice, Boot)> {
    let model = parts.hardware.model();
    let partitions = parts.card.partitions()?;
    let first = partitions.iter().find(|one| one.is_fat());
    let first = first.context("the card has no FAT partition")?;
    let autoboot = parts.card.fat(first.number)?.text("autoboot.txt")?;
    let choice = choose(&partitions, autoboot.as_deref(), model, tryboot)?;
    let fat = parts.card.fat(choice.partition)?;
    let settings = fat.text(choice.settings())?.unwrap_or_default();
    let named = loads(&settings, model, tryboot);
    let lay = |name: &str, as_name: &str| -> Result<PathBuf> {
        let content = fat
            .read(name)?
            .with_context(|| format!("partition {} has no {name}", choice.partition))?;
        let file = parts.dir.join(as_name);
        fs::write(&file, content)?;
        Ok(file)
    };
    let boot = Boot {
        hardware: parts.hardware,
        name: parts.name.clone(),
        card: parts.card.file().to_owned(),
        console: parts.console(),
        word: parts.word(),
        network: parts.network.clone(),
        mac: parts.mac.clone(),
        kernel: lay(&named.kernel, "kernel")?,
        initramfs: named
            .initramfs
            .as_deref()
            .map(|name| lay(name, "initramfs"))
            .transpose()?,
        device_tree: device_tree(parts, choice, &named, &fat, &lay)?,
        command_line: command_line(
            &fat.text(&named.cmdline)?.unwrap_or_default(),
            parts.hardware.serial(),
        )?,
    };
    Ok((choice, boot))
}

/// The board's own device tree (`virt` has QEMU make one; a Pi's is a file beside the kernel), with the firmware's choice in it.
fn device_tree(
    parts: &Parts,
    choice: Choice,
    named: &Loads,
    fat: &Fat,
    lay: &impl Fn(&str, &str) -> Result<PathBuf>,
) -> Result<PathBuf> {
    let tree = match parts.hardware.kind {
        Kind::Virt => {
            let tree = parts.dir.join("device-tree");
            own_device_tree(parts.hardware, &tree)?;
            tree
        }
        Kind::Pi3 => {
            // The Raspberry Pi kernel's name for it, and the upstream kernel's.
            let usual = ["bcm2710-rpi-3-b.dtb", "bcm2837-rpi-3-b.dtb"];
            let mut names = named.device_tree.iter().map(String::as_str).chain(usual);
            let there = names.find(|name| fat.read(name).is_ok_and(|content| content.is_some()));
            lay(
                there.context("the boot partition has no device tree for a Pi 3")?,
                "device-tree",
            )?
        }
    };
    tell_choice(&tree, choice)?;
    Ok(tree)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qemu_says_why_it_ends() {
        let event = r#"{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-reset"}}"#;
        assert_eq!(shutdown_reason(event).as_deref(), Some("guest-reset"));
        assert_eq!(shutdown_reason(r#"{"return": {}}"#), None);
        assert_eq!(shutdown_reason("no JSON"), None);
    }
}
