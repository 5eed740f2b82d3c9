//! One machine: its card, its power switch, its serial port and the way in.

use std::{
    cell::RefCell,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::{
    card::Card,
    console::{Console, last_line},
    firmware::Choice,
    lan::Lan,
    player::{Ended, Life, Parts},
    qemu::Hardware,
    switch::Mac,
};
use crate::{
    Ran,
    clock::{Since, wait_for},
    ran::typed_words,
};

/// A machine, switched off at first and when the value ends.
#[derive(Debug)]
pub struct Machine {
    parts: Arc<Parts>,
    lan: Arc<Lan>,
    mac: Mac,
    life: Option<Life>,
    console: RefCell<Console>,
}

impl Machine {
    /// A machine with a card of its own. Numbers begin at 1.
    pub(super) fn new(number: u8, hardware: Hardware, card: Card, dir: &Path, lan: Arc<Lan>) -> Result<Self> {
        let mac = Mac::of(number);
        let parts = Parts {
            name: format!("machine-{number}"),
            hardware,
            card,
            dir: dir.to_owned(),
            network: lan.plug()?,
            mac: mac.to_string(),
        };
        Ok(Machine {
            console: RefCell::new(Console::new(&parts.console())),
            parts: Arc::new(parts),
            lan,
            mac,
            life: None,
        })
    }

    /// Its name: machine-1 and so on.
    pub fn name(&self) -> &str {
        &self.parts.name
    }

    /// Its card, for looking at and changing while the machine is off.
    pub fn card(&self) -> &Card {
        &self.parts.card
    }

    /// The log of its serial port.
    pub fn log(&self) -> PathBuf {
        self.parts.console()
    }

    /// What its serial port said last.
    pub fn last_line(&self) -> String {
        last_line(&self.log())
    }

    /// Power on.
    ///
    /// # Errors
    /// When it is on.
    pub fn power_on(&mut self) -> Result<()> {
        if self.life.as_ref().is_some_and(Life::goes_on) {
            bail!("{} is on already", self.name());
        }
        if let Some(before) = self.life.take() {
            before.end()?;
        }
        self.life = Some(Life::begin(Arc::clone(&self.parts)));
        Ok(())
    }

    /// Pulls the plug.
    ///
    /// # Errors
    /// When it is off, or was already gone for a reason of its own.
    pub fn cut_power(&mut self) -> Result<()> {
        let life = self.life.take();
        let life = life.with_context(|| format!("{} is off", self.name()))?;
        match life.cut()? {
            Ended::Cut => Ok(()),
            Ended::Off => bail!("{} had switched itself off", self.name()),
        }
    }

    /// Presses the power key and waits until the board has switched itself off.
    ///
    /// # Errors
    /// When it doesn't within `deadline`.
    pub fn shut_down(&mut self, deadline: Duration) -> Result<()> {
        let name = self.name().to_owned();
        let life = self.life.take().with_context(|| format!("{name} is off"))?;
        life.order(&json!({ "execute": "system_powerdown" }))?;
        let off = wait_for(&format!("{name} off"), deadline, || {
            Ok((!life.goes_on()).then_some(()))
        });
        if off.is_err() {
            life.cut()?;
            return off;
        }
        life.end().map(drop)
    }

    /// Pulls the network cable, or plugs it in.
    ///
    /// # Errors
    /// When the machine isn't running.
    pub fn plug_cable(&self, plugged: bool) -> Result<()> {
        let life = self
            .life
            .as_ref()
            .with_context(|| format!("{} is off", self.name()))?;
        life.order(&json!({ "execute": "set_link", "arguments": { "name": "lan", "up": plugged } }))
    }

    /// Lets the machine run for so long: for a power cut at a moment that nothing marks.
    ///
    /// # Errors
    /// When it goes off meanwhile.
    pub fn runs_for(&self, time: Duration) -> Result<()> {
        let since = Since::now();
        // Twice the time: only the machine's end can be an error here.
        self.wait_for("running", time * 2 + Duration::from_secs(60), || {
            Ok((since.elapsed() >= time).then_some(()))
        })
    }

    /// What the firmware chose since the power came, the first boot first.
    pub fn boots(&self) -> Vec<Choice> {
        self.life.as_ref().map(Life::boots).unwrap_or_default()
    }

    /// Waits for an answer, as long as the machine is on: one that ended by itself is told at once.
    ///
    /// # Errors
    /// When there is no answer within `deadline`, or the machine went off.
    pub fn wait_for<T>(
        &self,
        what: &str,
        deadline: Duration,
        mut ask: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let what = format!("{}: {what}", self.name());
        let waited = wait_for(&what, deadline, || {
            if !self.life.as_ref().is_some_and(Life::goes_on) {
                return Ok(Some(None));
            }
            ask().map(|answer| answer.map(Some))
        });
        match waited {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => bail!(
                "{what}: the machine went off; the end of {}:\n{}",
                self.log().display(),
                self.end_of_log()
            ),
            Err(error) => bail!(
                "{error:#}; the end of {}:\n{}",
                self.log().display(),
                self.end_of_log()
            ),
        }
    }

    /// Waits for the next `text` on the serial port, and goes past it. Gives the rest of its line.
    ///
    /// # Errors
    /// As for [`Machine::wait_for`].
    pub fn expect(&self, text: &str, deadline: Duration) -> Result<String> {
        self.wait_for(&format!("{text:?} on the serial port"), deadline, || {
            self.console.borrow_mut().pass(text)
        })
    }

    /// What was written on the serial port until now doesn't count for [`Machine::expect`].
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn forget_log(&self) -> Result<()> {
        self.console.borrow_mut().skip()
    }

    /// Runs a shell command on the board, as root.
    pub fn sh(&self, command: &str) -> Ran {
        self.enter(command, Stdio::null())
    }

    /// The same with a file on its standard input.
    pub fn feed(&self, command: &str, file: &Path) -> Ran {
        match fs::File::open(file) {
            Ok(file) => self.enter(command, file.into()),
            Err(error) => not_started(command, &format!("{}: {error}", file.display())),
        }
    }

    /// Runs the board's own docker command against the board.
    pub fn docker(&self, args: &[&str]) -> Ran {
        self.sh(&format!("docker {}", typed_words(args)))
    }

    /// The ssh command for people.
    ///
    /// # Errors
    /// When the board has no address yet.
    pub fn ssh_line(&self) -> Result<String> {
        Ok(self.lan.ssh_line(self.door()?))
    }

    fn enter(&self, command: &str, input: Stdio) -> Ran {
        match self.door() {
            Ok(door) => self.lan.ssh(door, command, input),
            Err(error) => not_started(command, &format!("{error:#}")),
        }
    }

    fn door(&self) -> Result<u16> {
        let address = self.lan.address(self.mac);
        self.lan
            .door(address.with_context(|| format!("{} has no address yet", self.name()))?)
    }

    fn end_of_log(&self) -> String {
        crate::logs::tail(&self.log(), 15)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(life) = self.life.take() {
            // How it ended is nobody's business any more.
            let _ = life.cut();
        }
    }
}

fn not_started(command: &str, why: &str) -> Ran {
    Ran {
        command: command.to_owned(),
        code: None,
        stdout: String::new(),
        stderr: why.to_owned(),
    }
}
