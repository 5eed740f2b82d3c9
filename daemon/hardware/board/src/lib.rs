//! The Pi itself: what its kernel tells of it, what that means, its LED and its hardware watchdog.
//!
//! Everything is read from the kernel's files below a root that is a parameter ([`Files`]), so tests give this room a tree of
//! such files for each model. A file that is not there means "not known", never an error: there is one code for all models, and
//! for what is no Pi.
//!
//! ```text
//!   Files ── Facts     what stays: model, serial number, memory, boot medium, clock, cable   → labels
//!         └─ Readings  what changes: temperature, voltage, card, load                        → metrics
//!                └ judge(readings, now, before) → Condition                                  → no new tasks, problems
//!   Led        shows where the board stands
//!   Watchdog   restarts a board whose daemon does not live any more
//! ```
//!
//! Reading is cheap, but it blocks: callers do it beside the runtime, every ten seconds or so. Only [`Led`] and [`Watchdog`]
//! write, and only to the kernel. This room knows no other.
//!
//! `unsafe` is in one place: the two ioctls of the watchdog's timeout, for which the kernel has no file.
#![deny(missing_docs)]

mod condition;
mod disk;
mod facts;
mod files;
mod led;
mod power;
mod readings;
mod thermal;
mod watchdog;

pub use condition::{Ailment, Condition, judge};
pub use disk::Space;
pub use facts::{Facts, Medium};
pub use files::Files;
pub use led::{Led, Sign};
pub use readings::Readings;
pub use watchdog::Watchdog;
