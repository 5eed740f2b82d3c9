//! Who founds a cluster: decided alike on every board, from what it sees, and made safe by promises.
//!
//! - A cluster in sight is joined, whatever else is there.
//! - Else the board with the lowest key is the candidate; all others wait for it.
//! - The candidate asks the others for their promises (over an authenticated channel, not over mDNS). A board gives one
//!   promise at a time. With N boards expected the candidate needs a majority of N, itself included, so two
//!   candidates that don't see each other can't both have it. Without a number it needs all boards in sight.
//! - A promise is forgotten when its founder has not made a cluster of it in [`PROMISE_LASTS`].

use crate::{Card, Role};
use std::time::Duration;

/// How long a candidate listens after the last board came into sight, unless all that are expected are there.
pub const QUIET: Duration = Duration::from_secs(3);
/// How long a promise holds. A founder takes a second or two.
pub const PROMISE_LASTS: Duration = Duration::from_secs(30);

/// What a board sees.
#[derive(Clone, Debug)]
pub struct Situation<'a> {
    /// Itself.
    pub me: &'a Card,
    /// The others in sight, of any cluster.
    pub others: &'a [Card],
    /// How many boards are meant to found the cluster, if the card says so.
    pub expected: Option<usize>,
    /// How long ago the last board came into sight (or this one started).
    pub quiet_for: Duration,
    /// To whom this board has promised itself, if that still holds.
    pub promised: Option<&'a str>,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask these members to be let in: managers first.
    Join(Vec<String>),
    /// Listen on, at most for so long.
    Wait(Duration, Because),
    /// Ask these boards for their promises; found if at least so many grant it.
    Ask {
        /// All others that could found.
        boards: Vec<String>,
        /// How many of them must grant it.
        needed: usize,
    },
}

/// Why a board waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Because {
    /// More boards may come into sight.
    Listening,
    /// Too few of those expected are in sight.
    TooFew {
        /// In sight, this board included.
        seen: usize,
        /// Needed.
        needed: usize,
    },
    /// Another board is the candidate.
    Candidate(String),
    /// This board has promised itself to another.
    Promised(String),
}

impl std::fmt::Display for Because {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Listening => out.write_str("listening for other boards"),
            Self::TooFew { seen, needed } => {
                write!(out, "{seen} of {needed} boards needed to found are in sight")
            }
            Self::Candidate(name) => write!(out, "waiting for {name} to found the cluster"),
            Self::Promised(board) => write!(out, "promised to let board {board} found the cluster"),
        }
    }
}

/// Decides what to do next.
pub fn decide(situation: &Situation<'_>) -> Step {
    let Situation {
        me,
        others,
        expected,
        quiet_for,
        promised,
    } = situation;
    let ours = || others.iter().filter(|card| card.cluster == me.cluster);
    let mut members: Vec<_> = ours().filter(|card| card.role.is_member()).collect();
    if !members.is_empty() {
        members.sort_by_key(|card| (card.role != Role::Manager, card.board.clone()));
        return Step::Join(members.into_iter().map(|card| card.board.clone()).collect());
    }
    let new: Vec<_> = ours()
        .filter(|card| card.role == Role::New && card.board != me.board)
        .collect();
    let seen = new.len() + 1;
    let needed = expected.map_or(seen, |expected| expected / 2 + 1);
    if seen < needed {
        return Step::Wait(QUIET, Because::TooFew { seen, needed });
    }
    if let Some(other) = promised.filter(|board| *board != me.board) {
        return Step::Wait(QUIET, Because::Promised(other.to_owned()));
    }
    if let Some(candidate) = new
        .iter()
        .filter(|card| card.board < me.board)
        .min_by_key(|card| &card.board)
    {
        return Step::Wait(QUIET, Because::Candidate(candidate.hostname.clone()));
    }
    let all_here = expected.is_some_and(|expected| seen >= expected);
    if !all_here && *quiet_for < QUIET {
        return Step::Wait(QUIET - *quiet_for, Because::Listening);
    }
    Step::Ask {
        boards: new.into_iter().map(|card| card.board.clone()).collect(),
        needed: needed - 1,
    }
}

/// A promise that a board has given, to itself perhaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    /// To whom.
    pub board: String,
    /// How long ago.
    pub age: Duration,
}

/// Whether a board that is in no cluster promises itself to `asker`; else to whom it is promised.
///
/// # Errors
/// The board that it is promised to.
pub fn grant(asker: &str, held: Option<&Promise>) -> Result<(), String> {
    match held {
        Some(promise) if promise.board != asker && promise.age < PROMISE_LASTS => Err(promise.board.clone()),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "founding_tests.rs"]
mod tests;
