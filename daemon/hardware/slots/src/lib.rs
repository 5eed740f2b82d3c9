//! The two systems on a board's card, A and B: which one runs, which one starts, and how a new one comes onto the card.
//! `image/README.md` is the contract that this room keeps.
//!
//! ```text
//!   usual slot runs ── install ──→ the other slot is written ── restart with "tryboot" ──→ trial
//!        ↑                                                                                  │
//!        │ any restart: power cut, hang, panic, found ill                      confirmed:   │
//!        └──────────────────────────────────────────────────────────────────── becomes the ─┘
//!                                                                              usual slot
//! ```
//!
//! What starts is decided by one sector of the card, `autoboot.txt` ([`autoboot`]), which is changed only here
//! ([`card`]) and only once a trial is found healthy ([`judge`]). Writing slots is RAUC's work ([`rauc`]); this room asks it,
//! and answers it as its boot loader (`bramble slot`).
//!
//! It imports no other room, and looks only below [`Paths`]: tests give it a tree of files.

pub mod autoboot;
pub mod card;
mod facts;
mod install;
pub mod judge;
mod keep;
mod paths;
pub mod rauc;
mod receive;
pub mod restart;
mod running;
pub mod states;
pub mod tries;

#[cfg(test)]
mod testing;

pub use facts::{Facts, facts};
pub use install::{Installer, Progress, Received};
pub use paths::Paths;
pub use receive::Incoming;
pub use running::{Running, root, running};
pub use states::State;
pub use tries::{Ended, Outcome, Try};

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One of the two systems on the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Slot {
    /// Partitions 2 and 5.
    A,
    /// Partitions 3 and 6.
    B,
}

impl Slot {
    /// The one that is not this one.
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// As RAUC names it (its `bootname`).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
        }
    }

    /// The number of the partition that the firmware starts it from.
    pub fn boot_partition(self) -> u32 {
        match self {
            Self::A => 2,
            Self::B => 3,
        }
    }

    /// The slot that has this boot partition.
    pub fn of_boot_partition(number: u32) -> Option<Self> {
        [Self::A, Self::B]
            .into_iter()
            .find(|slot| slot.boot_partition() == number)
    }

    /// The slot that has this root partition.
    pub fn of_root_partition(number: u32) -> Option<Self> {
        match number {
            5 => Some(Self::A),
            6 => Some(Self::B),
            _ => None,
        }
    }
}

impl std::fmt::Display for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Slot {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "A" => Ok(Self::A),
            "B" => Ok(Self::B),
            other => Err(format!("\"{other}\" is no slot: there are A and B")),
        }
    }
}

/// Why something about slots was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It can't be done on this board: what to do instead is said.
    #[error("{0}")]
    Refused(String),
    /// It can't be done now; a little later it can.
    #[error("{0}")]
    Busy(String),
    /// The bundle is not right for this board, or not right at all.
    #[error("{0}")]
    Bundle(String),
    /// A file of the board could not be read or written.
    #[error("{what} {path}: {source}")]
    File {
        /// Such as `writing`.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A program did not do its work.
    #[error("{0}")]
    Program(String),
}

impl Error {
    pub(crate) fn file(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { what, path, source }
    }
}
