//! A place for machines: their LAN, their folder, and who cleans up.

use std::{fs, path::Path, sync::Arc};

use anyhow::Result;

use super::{
    card::{CARD_BYTES, Card},
    lan::Lan,
    machine::Machine,
    qemu::Hardware,
};
use crate::{claim::Claim, down, janitor::Janitor, paths::Name};

/// The partition that holds what the card says.
const BRAMBLE: u32 = 1;

/// Machines on one LAN, with files below `target/lab/NAME`. With the value all ends but the logs, which move to
/// `target/lab/logs/NAME`; so it does when this process is killed.
#[derive(Debug)]
pub struct Site {
    name: Name,
    /// Switched off before all else.
    machines: Vec<Machine>,
    lan: Arc<Lan>,
    janitor: Option<Janitor>,
    /// Let go last.
    _claim: Claim,
}

impl Site {
    /// An empty place, instead of one of that name.
    ///
    /// # Errors
    /// When the LAN can't be made.
    pub fn new(name: &str) -> Result<Self> {
        let name: Name = name.parse()?;
        let claim = Claim::lay(&name)?;
        down::down(&name)?;
        let janitor = Some(Janitor::start(&name)?);
        fs::create_dir_all(name.logs())?;
        Ok(Site {
            lan: Arc::new(Lan::start(&name.dir().join("lan"))?),
            name,
            machines: Vec::new(),
            janitor,
            _claim: claim,
        })
    }

    /// Adds a machine with a fresh card of 8 GiB. `settings` is the card's `bramble.toml`, which the LAN's key is added to.
    ///
    /// # Errors
    /// When the card can't be made.
    pub fn add(&mut self, image: &Path, hardware: Hardware, settings: &str) -> Result<&mut Machine> {
        let number = u8::try_from(self.machines.len() + 1)?;
        let dir = self.name.logs().join(format!("machine-{number}"));
        let card = Card::copy(
            image,
            &self.name.dir().join(format!("machine-{number}")),
            CARD_BYTES,
        )?;
        fs::create_dir_all(&dir)?;
        let key = self.lan.public_key()?;
        let text = format!("ssh-keys = [{key:?}]\n{settings}");
        card.put(BRAMBLE, &[("bramble.toml", text.as_bytes())])?;
        let machine = Machine::new(number, hardware, card, &dir, Arc::clone(&self.lan))?;
        self.machines.push(machine);
        Ok(self.machine(usize::from(number)))
    }

    /// A machine, counted from 1.
    ///
    /// # Panics
    /// When there is no such machine.
    #[track_caller]
    pub fn machine(&mut self, number: usize) -> &mut Machine {
        let count = self.machines.len();
        let found = number
            .checked_sub(1)
            .and_then(|index| self.machines.get_mut(index));
        found.unwrap_or_else(|| panic!("there are machines 1 to {count}, and no machine {number}"))
    }

    /// All machines.
    pub fn machines(&self) -> &[Machine] {
        &self.machines
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.machines.clear();
        if let Err(error) = down::down(&self.name) {
            eprintln!("{} did not end well: {error:#}", self.name);
        }
        if let Some(janitor) = self.janitor.take() {
            janitor.dismiss();
        }
    }
}
