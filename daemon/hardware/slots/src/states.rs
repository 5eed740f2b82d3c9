//! Which slots are good: RAUC's question to its boot loader, kept beside RAUC's own notes.

use crate::{Error, Paths, Running, Slot, card, keep};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is known of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It may start.
    Good,
    /// It was never seen healthy since it was written.
    Bad,
}

impl State {
    /// As RAUC writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
        }
    }
}

impl std::str::FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "good" => Ok(Self::Good),
            "bad" => Ok(Self::Bad),
            other => Err(format!(
                "\"{other}\" is no state of a slot: there are good and bad"
            )),
        }
    }
}

/// What is known of a slot. Before anything was noted, the slot that starts is good and the other, which was never seen, bad.
pub fn get(paths: &Paths, slot: Slot) -> State {
    let all: BTreeMap<Slot, State> = keep::read(&paths.states()).unwrap_or_default();
    let unsaid = || match card::read(paths).usual == slot {
        true => State::Good,
        false => State::Bad,
    };
    all.get(&slot).copied().unwrap_or_else(unsaid)
}

/// Notes it for both slots, so that the other's state does not change by this.
///
/// # Errors
/// If the disk can't be written.
pub fn set(paths: &Paths, slot: Slot, state: State) -> Result<(), Error> {
    let other = slot.other();
    let all = BTreeMap::from([(slot, state), (other, get(paths, other))]);
    let now: Option<BTreeMap<Slot, State>> = keep::read(&paths.states());
    if now.as_ref() == Some(&all) {
        return Ok(());
    }
    keep::write(&paths.states(), &all)
}

/// Makes a slot that was tried the usual one, and good.
///
/// # Errors
/// If it is not the one on trial, or the card can't be written.
pub fn confirm(paths: &Paths, running: &Running) -> Result<Slot, Error> {
    let slot = match running {
        Running {
            slot: Some(slot),
            trial: true,
        } => *slot,
        _ => return Err(Error::Refused("no slot is on trial".to_owned())),
    };
    set(paths, slot, State::Good)?;
    card::set_usual(paths, slot)?;
    Ok(slot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autoboot;

    #[test]
    fn states_last_and_do_not_mix() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::below(dir.path());
        std::fs::create_dir_all(paths.firmware()).unwrap();
        std::fs::write(paths.autoboot(), autoboot::render(Slot::B)).unwrap();
        assert_eq!(get(&paths, Slot::B), State::Good);
        assert_eq!(get(&paths, Slot::A), State::Bad);
        set(&paths, Slot::A, State::Good).unwrap();
        card::set_usual(&paths, Slot::A).unwrap();
        assert_eq!(
            (get(&paths, Slot::A), get(&paths, Slot::B)),
            (State::Good, State::Good)
        );
        set(&paths, Slot::B, State::Bad).unwrap();
        assert_eq!(
            (get(&paths, Slot::A), get(&paths, Slot::B)),
            (State::Good, State::Bad)
        );
        std::fs::write(paths.states(), "torn").unwrap();
        assert_eq!(
            (get(&paths, Slot::A), get(&paths, Slot::B)),
            (State::Good, State::Bad)
        );
    }

    #[test]
    fn only_what_is_on_trial_is_confirmed() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::below(dir.path());
        std::fs::create_dir_all(paths.firmware()).unwrap();
        std::fs::write(paths.autoboot(), autoboot::render(Slot::A)).unwrap();
        let usual = Running {
            slot: Some(Slot::A),
            trial: false,
        };
        assert!(confirm(&paths, &usual).is_err());
        let trial = Running {
            slot: Some(Slot::B),
            trial: true,
        };
        assert_eq!(confirm(&paths, &trial).unwrap(), Slot::B);
        assert_eq!(card::read(&paths).usual, Slot::B);
    }
}
