//! What is to be said of a board's systems: to `bramble slot status`, in the node's labels and on its console.

use crate::tries::{self, Outcome};
use crate::{Paths, Running, Slot, State, card, install, running, states};
use std::collections::BTreeMap;

/// The engine label with the image's version.
pub const VERSION_LABEL: &str = "bramble.system";
/// The engine label with the slot that runs.
pub const SLOT_LABEL: &str = "bramble.slot";
/// The engine label of a board whose slot is on trial.
pub const TRIAL_LABEL: &str = "bramble.trial";
/// The engine label that says why the board can't be updated at all.
pub const IMPOSSIBLE_LABEL: &str = "bramble.update.impossible";
/// The engine label that says why the last update came to nothing.
pub const FAILED_LABEL: &str = "bramble.update.failed";

/// What is to be said of a board's systems.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The image's version.
    pub version: String,
    /// Which bundles fit.
    pub compatible: String,
    /// What runs.
    pub running: Running,
    /// What starts the next time.
    pub usual: Slot,
    /// Which slots are good: A, B.
    pub states: (State, State),
    /// Where the last try stands.
    pub outcome: Outcome,
    /// Whether the last try's board was in a cluster before it.
    pub was_member: Option<bool>,
    /// Why no update can be tried here, if none can.
    pub impossible: Option<String>,
    /// What is wrong, a sentence each.
    pub problems: Vec<String>,
}

/// What is to be said; none if no image of ours runs here.
pub fn facts(paths: &Paths) -> Option<Facts> {
    let release = std::fs::read_to_string(paths.release()).ok()?;
    let running = running(paths);
    let autoboot = card::read(paths);
    let tried = tries::last(paths);
    let outcome = tries::outcome(tried.as_ref(), &running, autoboot.usual, &tries::boot(paths));
    let mut problems: Vec<String> = autoboot.problem.into_iter().collect();
    if let Outcome::Failed(why) = &outcome {
        problems.push(format!("the last update came to nothing: {why}"));
    }
    let impossible = install::obstacle(paths, &running);
    Some(Facts {
        version: value(&release, "VERSION").unwrap_or_default(),
        compatible: value(&release, "COMPATIBLE").unwrap_or_default(),
        running,
        usual: autoboot.usual,
        states: (states::get(paths, Slot::A), states::get(paths, Slot::B)),
        outcome,
        impossible,
        was_member: tried
            .filter(|tried| running.slot == Some(tried.slot))
            .map(|tried| tried.member),
        problems,
    })
}

impl Facts {
    /// As labels of the node's engine.
    pub fn labels(&self) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::from([(VERSION_LABEL.to_owned(), self.version.clone())]);
        if let Some(slot) = self.running.slot {
            labels.insert(SLOT_LABEL.to_owned(), slot.to_string());
        }
        if self.running.trial {
            labels.insert(TRIAL_LABEL.to_owned(), "true".to_owned());
        }
        if let Some(why) = &self.impossible {
            labels.insert(IMPOSSIBLE_LABEL.to_owned(), why.clone());
        }
        if let Outcome::Failed(why) = &self.outcome {
            labels.insert(FAILED_LABEL.to_owned(), why.clone());
        }
        labels
    }
}

/// A value of a file with `KEY=value` lines, as os-release(5) has them.
fn value(text: &str, key: &str) -> Option<String> {
    let of = |line: &str| {
        Some(
            line.trim()
                .strip_prefix(key)?
                .strip_prefix('=')?
                .trim_matches('"')
                .to_owned(),
        )
    };
    text.lines().find_map(of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tries::Ended;

    #[test]
    fn a_board_without_our_image_says_nothing() {
        assert_eq!(facts(&Paths::below("/nonexistent")), None);
    }

    #[test]
    fn labels_say_what_an_update_must_know() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::below(dir.path());
        let write = |path: std::path::PathBuf, text: &[u8]| {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write(
            paths.release(),
            b"VERSION=2026.11\nCOMPATIBLE=\"bramble-arm64\"\n",
        );
        write(paths.autoboot(), crate::autoboot::render(Slot::A).as_bytes());
        write(paths.chosen_partition(), &[0, 0, 0, 3]);
        write(paths.chosen_tryboot(), &[0, 0, 0, 1]);
        let said = facts(&paths).unwrap();
        assert_eq!(said.compatible, "bramble-arm64");
        assert!(said.labels()[IMPOSSIBLE_LABEL].contains("kernel"));
        write(paths.mailbox(), b"");
        let said = facts(&paths).unwrap();
        assert_eq!(said.problems, Vec::<String>::new());
        let labels = said.labels();
        assert_eq!(labels[VERSION_LABEL], "2026.11");
        assert_eq!(
            (labels[SLOT_LABEL].as_str(), labels[TRIAL_LABEL].as_str()),
            ("B", "true")
        );

        tries::end(&paths, Slot::B, None, Ended::Failed("no session".into())).unwrap();
        write(paths.chosen_partition(), &[0, 0, 0, 2]);
        write(paths.chosen_tryboot(), &[0, 0, 0, 0]);
        let said = facts(&paths).unwrap();
        assert!(said.labels()[FAILED_LABEL].contains("no session"));
        assert!(said.problems[0].contains("came to nothing"));
        assert!(!said.labels().contains_key(TRIAL_LABEL));
    }
}
