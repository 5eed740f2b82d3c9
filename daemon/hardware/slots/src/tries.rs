//! What came of the last try of a slot: noted before the restart, so that the old slot can tell that the new one never came up.

use crate::{Error, Paths, Running, Slot, keep};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A try of a slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Try {
    /// The slot.
    pub slot: Slot,
    /// The version in it, as far as its bundle said.
    pub version: Option<String>,
    /// When, by the board's clock; tells one try from another.
    #[serde(default)]
    pub begun: Option<Timestamp>,
    /// The kernel's start in which it was noted.
    pub boot: String,
    /// Whether the board was in a cluster: then it must be in it again.
    pub member: bool,
    /// What came of it; none until that is known.
    pub ended: Option<Ended>,
}

/// What came of a try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ended {
    /// The slot is the usual one now.
    Confirmed,
    /// It was not healthy, and why.
    Failed(String),
}

/// Where the last try stands, seen from what runs now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There was none, or the last one was a success.
    Nothing,
    /// The slot is installed, and the restart is still to come.
    Restarting,
    /// It runs and was not confirmed yet.
    OnTrial,
    /// The board is back at its old slot, and why.
    Failed(String),
}

/// Where a try stands. Pure.
pub fn outcome(tried: Option<&Try>, running: &Running, usual: Slot, boot: &str) -> Outcome {
    if running.trial {
        return Outcome::OnTrial;
    }
    let Some(tried) = tried else {
        return Outcome::Nothing;
    };
    let version = tried.version.as_deref().unwrap_or("a new version");
    let when = tried.begun.map(|at| format!(" at {at:.0}")).unwrap_or_default();
    match &tried.ended {
        Some(Ended::Confirmed) => Outcome::Nothing,
        Some(Ended::Failed(why)) => Outcome::Failed(format!(
            "slot {} with {version} was tried{when}: {why}",
            tried.slot
        )),
        None if tried.boot == boot => Outcome::Restarting,
        // Confirmed, and the power went before that was noted.
        None if usual == tried.slot && running.slot == Some(tried.slot) => Outcome::Nothing,
        None => Outcome::Failed(format!(
            "slot {} with {version} was tried{when} and did not last until it could be confirmed: it did not start, hung, or lost power",
            tried.slot
        )),
    }
}

/// The last try.
pub fn last(paths: &Paths) -> Option<Try> {
    keep::read(&paths.tried())
}

/// Notes that a slot is about to be tried.
///
/// # Errors
/// If the disk can't be written.
pub fn begin(paths: &Paths, slot: Slot, version: Option<String>, member: bool) -> Result<(), Error> {
    let tried = Try {
        slot,
        version,
        begun: Some(Timestamp::now()),
        boot: boot(paths),
        member,
        ended: None,
    };
    keep::write(&paths.tried(), &tried)
}

/// Notes what came of the slot that is on trial, also of one that was not noted before (tried by hand).
///
/// # Errors
/// If the disk can't be written.
pub fn end(paths: &Paths, slot: Slot, version: Option<String>, ended: Ended) -> Result<(), Error> {
    let noted = last(paths).filter(|tried| tried.slot == slot && tried.ended.is_none());
    let tried = noted.unwrap_or(Try {
        slot,
        version,
        begun: None,
        boot: String::new(),
        member: false,
        ended: None,
    });
    keep::write(
        &paths.tried(),
        &Try {
            ended: Some(ended),
            ..tried
        },
    )
}

/// Names this start of the kernel.
pub(crate) fn boot(paths: &Paths) -> String {
    let id = std::fs::read_to_string(paths.boot_id()).unwrap_or_default();
    id.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(ended: Option<Ended>) -> Try {
        Try {
            slot: Slot::B,
            version: Some("2".into()),
            begun: Some(Timestamp::UNIX_EPOCH),
            boot: "one".into(),
            member: true,
            ended,
        }
    }

    fn runs(slot: Slot, trial: bool) -> Running {
        Running {
            slot: Some(slot),
            trial,
        }
    }

    #[test]
    fn a_try_is_followed_over_restarts() {
        let (a, b) = (runs(Slot::A, false), runs(Slot::B, true));
        let open = tried(None);
        assert_eq!(outcome(None, &a, Slot::A, "one"), Outcome::Nothing);
        assert_eq!(outcome(Some(&open), &a, Slot::A, "one"), Outcome::Restarting);
        assert_eq!(outcome(Some(&open), &b, Slot::A, "two"), Outcome::OnTrial);
        let back = outcome(Some(&open), &a, Slot::A, "three");
        assert!(
            matches!(&back, Outcome::Failed(why) if why.contains("slot B with 2 was tried at 1970-01-01T00:00:00Z and")),
            "{back:?}"
        );
        let moved = runs(Slot::B, false);
        assert_eq!(outcome(Some(&open), &moved, Slot::B, "three"), Outcome::Nothing);
        let done = tried(Some(Ended::Confirmed));
        assert_eq!(outcome(Some(&done), &moved, Slot::B, "three"), Outcome::Nothing);
        let ill = tried(Some(Ended::Failed("no manager".into())));
        let said = outcome(Some(&ill), &a, Slot::A, "three");
        assert!(
            matches!(&said, Outcome::Failed(why) if why.contains("no manager")),
            "{said:?}"
        );
    }

    #[test]
    fn it_is_kept_and_ended() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::below(dir.path());
        assert_eq!(last(&paths), None);
        begin(&paths, Slot::B, Some("2".into()), true).unwrap();
        end(&paths, Slot::B, None, Ended::Confirmed).unwrap();
        let kept = last(&paths).unwrap();
        assert_eq!((kept.version.as_deref(), kept.member), (Some("2"), true));
        assert_eq!(kept.ended, Some(Ended::Confirmed));
        // One by hand.
        end(&paths, Slot::A, Some("3".into()), Ended::Failed("x".into())).unwrap();
        assert_eq!(last(&paths).unwrap().slot, Slot::A);
    }
}
