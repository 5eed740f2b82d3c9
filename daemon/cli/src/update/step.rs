//! What an update of a cluster does next. Pure: from what the nodes say, and what this run has done, to one step.
//!
//! ```text
//!  a board:   Begin (drain, mark) → AwaitEmpty → Send → AwaitReturn → Restore → AwaitWhole → the next board
//! ```
//! The mark is a label of the node, so that another run finishes what this one began. Workers go first, managers after
//! them, the leader last. At most one board is away at any time; the first failure ends everything.

use model::Availability;
use std::collections::BTreeMap;

/// A board, as far as an update needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Board {
    /// Its node id.
    pub id: String,
    /// Its host name.
    pub name: String,
    /// Whether it is a manager.
    pub manager: bool,
    /// Whether it leads.
    pub leader: bool,
    /// Whether managers hear of it.
    pub ready: bool,
    /// Whether tasks may run on it.
    pub availability: Availability,
    /// The version of its image; none if it has no image of ours.
    pub version: Option<String>,
    /// Whether its slot is on trial.
    pub trial: bool,
    /// Why it can't be updated at all.
    pub impossible: Option<String>,
    /// Why its last update came to nothing.
    pub failed: Option<String>,
    /// An update is under way on it: its availability before.
    pub mark: Option<Availability>,
    /// Tasks that are still on it.
    pub tasks: usize,
}

/// The cluster now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cluster {
    /// Its boards.
    pub boards: Vec<Board>,
    /// Services that lack tasks, in words; but those that lacked some before.
    pub lacking: Vec<String>,
}

/// What this run has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Boards that took the bundle, with what they said of an earlier failure then.
    pub sent: BTreeMap<String, Option<String>>,
    /// A board that is given up, and why.
    pub failed: Option<(String, String)>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Mark this board and drain it.
    Begin(String),
    /// Wait until its tasks are gone.
    AwaitEmpty(String),
    /// Wait until managers hear of it: a new leader hears of nobody at first.
    AwaitAnswer(String),
    /// Wait until so many managers are there that one may go.
    AwaitManagers(String),
    /// Send it the bundle.
    Send(String),
    /// Wait until it is back and confirmed.
    AwaitReturn(String),
    /// Take the mark away and let tasks run on it as before.
    Restore(String),
    /// It came back as it was, or was given up: note it.
    Fail(String, String),
    /// Wait until services have all their tasks again.
    AwaitWhole,
    /// End: a board could not be updated.
    Stop(String),
    /// End: every board runs the wanted version.
    Done,
}

impl Board {
    /// Whether it runs that version for good.
    pub fn is_at(&self, wanted: &str) -> bool {
        self.ready && !self.trial && self.version.as_deref() == Some(wanted)
    }

    /// Workers, managers, the leader; by name.
    fn turn(&self) -> (bool, bool, &str, &str) {
        (self.leader, self.manager, &self.name, &self.id)
    }
}

impl Cluster {
    /// Whether the cluster keeps its quorum while this board is away. A single manager has nobody to wait for.
    fn can_spare(&self, board: &Board) -> bool {
        let managers = self.boards.iter().filter(|one| one.manager);
        let others = managers
            .clone()
            .filter(|one| one.id != board.id && one.ready)
            .count();
        let all = managers.count();
        !board.manager || all == 1 || others > all / 2
    }

    /// Boards in the order in which they are updated.
    pub fn in_turn(&self) -> Vec<&Board> {
        let mut boards: Vec<&Board> = self.boards.iter().collect();
        boards.sort_by_key(|board| board.turn());
        boards
    }
}

/// Why the update must not begin; empty if it may.
pub(crate) fn objections(cluster: &Cluster, wanted: &str) -> Vec<String> {
    let mut all = Vec::new();
    for board in cluster.in_turn() {
        if board.is_at(wanted) || board.mark.is_some() {
            continue;
        }
        let name = &board.name;
        if !board.ready {
            all.push(format!(
                "{name} does not answer: bring it back, or remove it (docker node rm --force {name})"
            ));
        } else if board.version.is_none() {
            all.push(format!(
                "{name} does not run Bramble's image: its system is updated by other means"
            ));
        } else if let Some(why) = &board.impossible {
            all.push(format!("{name}: {why}"));
        } else if board.trial {
            all.push(format!(
                "{name} tries an image now: wait until that is confirmed or given up"
            ));
        }
    }
    let managers = cluster.boards.iter().filter(|board| board.manager).count();
    let stale = cluster
        .boards
        .iter()
        .any(|board| board.manager && !board.is_at(wanted));
    if managers == 2 && stale {
        all.push(
            "with two managers the cluster has no quorum while one restarts: demote one, or promote a third (docker node demote, promote)"
                .to_owned(),
        );
    }
    all
}

/// What is to be done next. Doing it may take a while or fail; then this is asked again with what is known then.
pub(crate) fn next_step(cluster: &Cluster, progress: &Progress, wanted: &str) -> Step {
    let boards = cluster.in_turn();
    if let Some(board) = boards.iter().find(|board| board.mark.is_some()) {
        return under_way(cluster, board, progress, wanted);
    }
    if let Some((_, why)) = &progress.failed {
        return Step::Stop(why.clone());
    }
    if !cluster.lacking.is_empty() && !progress.sent.is_empty() {
        return Step::AwaitWhole;
    }
    let Some(board) = boards.iter().find(|board| !board.is_at(wanted)) else {
        return Step::Done;
    };
    if !board.ready {
        return Step::AwaitAnswer(board.id.clone());
    }
    if board.version.is_none() {
        return Step::Stop(format!("{} does not run Bramble's image", board.name));
    }
    if board.trial {
        return Step::AwaitReturn(board.id.clone());
    }
    if !cluster.can_spare(board) {
        return Step::AwaitManagers(board.id.clone());
    }
    Step::Begin(board.id.clone())
}

fn under_way(cluster: &Cluster, board: &Board, progress: &Progress, wanted: &str) -> Step {
    let id = board.id.clone();
    if board.is_at(wanted) {
        return Step::Restore(id);
    }
    let given_up = progress.failed.as_ref().filter(|(failed, _)| *failed == id);
    if let Some((_, why)) = given_up {
        // As it was before it runs tasks again; one that is away, or tries an image, is left to a person.
        return match board.ready && !board.trial {
            true => Step::Restore(id),
            false => Step::Stop(why.clone()),
        };
    }
    if !board.ready || board.trial {
        return Step::AwaitReturn(id);
    }
    if let Some(before) = progress.sent.get(&id) {
        return match &board.failed {
            Some(why) if board.failed != *before => Step::Fail(id, why.clone()),
            _ => Step::AwaitReturn(id),
        };
    }
    if board.availability != Availability::Drain {
        return Step::Begin(id);
    }
    if board.tasks > 0 {
        return Step::AwaitEmpty(id);
    }
    if !cluster.can_spare(board) {
        return Step::AwaitManagers(id);
    }
    Step::Send(id)
}

#[cfg(test)]
#[path = "step_tests.rs"]
mod tests;
