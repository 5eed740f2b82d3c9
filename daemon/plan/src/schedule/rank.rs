//! Which of the boards that will do is the best.

use super::board::{Board, Boards};
use super::request::Request;
use model::{Node, NodeId, ServiceId, Strategy, Task, Version, Wishes};
use std::collections::BTreeMap;

/// How the boards rank for tasks like one.
///
/// Preferences nest: within the branch (a value of the first label) that has fewest of the service's tasks, the
/// branch of the second label counts, and so on. Boards without the label are a branch of their own.
pub(crate) struct Ranking {
    service: ServiceId,
    version: Version,
    strategy: Strategy,
    /// Tasks of the service in each branch.
    counts: Vec<u64>,
    /// For each board its branch at each level.
    branches: Vec<Vec<usize>>,
}

/// How well a board would do; the smallest is the best.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    /// The spec keeps failing there.
    failing: bool,
    fit: Fit,
    /// By the strategy.
    order: (u64, u64),
    node: NodeId,
}

/// What moving to another board could make better.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fit {
    /// Soft constraints that it does not meet.
    unmet: usize,
    /// It is not where the slot was before, though that was wished.
    away: bool,
    /// The service's tasks in its branches.
    branches: Vec<u64>,
    /// The service's tasks on it, if they are to be spread.
    copies: u64,
}

impl Ranking {
    /// How the boards rank for tasks like `task`.
    pub(crate) fn over(boards: &Boards, task: &Task, wishes: &Wishes) -> Self {
        let placement = task.spec.placement.as_ref();
        let preferences = placement
            .and_then(|placement| placement.preferences.as_deref())
            .unwrap_or_default();
        let labels: Vec<&str> = preferences
            .iter()
            .filter_map(|one| Some(one.spread.as_ref()?.spread_descriptor.as_str()))
            .collect();
        let mut known: BTreeMap<Vec<String>, usize> = BTreeMap::new();
        let mut counts = Vec::new();
        let mut branches = Vec::new();
        for board in &boards.list {
            let mut path = Vec::new();
            let mut mine = Vec::new();
            for label in &labels {
                path.push(value(&board.node, label).to_owned());
                let next = known.len();
                let branch = *known.entry(path.clone()).or_insert(next);
                if branch == counts.len() {
                    counts.push(0);
                }
                counts[branch] += board.active_of(&task.service_id);
                mine.push(branch);
            }
            branches.push(mine);
        }
        Self {
            service: task.service_id.clone(),
            version: task.origin.spec_version,
            strategy: wishes.strategy,
            counts,
            branches,
        }
    }

    /// What the board at `at` in the list is worth for a task whose slot was on `home` before.
    pub(crate) fn fit(&self, at: usize, board: &Board, request: &Request, home: Option<&NodeId>) -> Fit {
        let unmet = request
            .soft
            .iter()
            .filter(|constraint| !constraint.holds(&board.node));
        let branches = self.branches[at].iter().map(|branch| self.counts[*branch]);
        Fit {
            unmet: unmet.count(),
            away: home.is_some_and(|home| *home != board.node.id),
            branches: branches.collect(),
            copies: match self.strategy {
                Strategy::Spread => board.active_of(&self.service),
                Strategy::Binpack | Strategy::Random => 0,
            },
        }
    }

    /// How well the board at `at` in the list would do; `chance` decides where that is the strategy.
    pub(crate) fn rank(
        &self,
        at: usize,
        board: &Board,
        request: &Request,
        home: Option<&NodeId>,
        chance: u64,
    ) -> Rank {
        Rank {
            failing: self.is_failing(board),
            fit: self.fit(at, board, request, home),
            order: match self.strategy {
                Strategy::Spread => (board.active, 0),
                Strategy::Binpack => (u64::MAX - board.fullness(), u64::MAX - board.active),
                Strategy::Random => (chance, 0),
            },
            node: board.node.id.clone(),
        }
    }

    /// True if the spec keeps failing on the board.
    pub(crate) fn is_failing(&self, board: &Board) -> bool {
        board.is_failing(&self.service, self.version)
    }

    /// Counts a task in on the board at `at`.
    pub(crate) fn add(&mut self, at: usize) {
        for branch in &self.branches[at] {
            self.counts[*branch] += 1;
        }
    }
}

/// The board's value of `node.labels.NAME`, `engine.labels.NAME`, `node.id` or `node.hostname`; empty if it has none.
fn value<'a>(node: &'a Node, descriptor: &str) -> &'a str {
    match descriptor.to_ascii_lowercase().as_str() {
        "node.id" => return node.id.as_str(),
        "node.hostname" => return &node.description.hostname,
        _ => {}
    }
    let name = |prefix: &str| {
        let head = descriptor.get(..prefix.len())?;
        head.eq_ignore_ascii_case(prefix)
            .then(|| &descriptor[prefix.len()..])
    };
    let found = match (name("node.labels."), name("engine.labels.")) {
        (Some(name), _) => node.spec.labels.get(name),
        (None, Some(name)) => node
            .description
            .engine
            .labels
            .as_ref()
            .and_then(|labels| labels.get(name)),
        (None, None) => None,
    };
    found.map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_spread_over() {
        let mut node = Node {
            id: "n1".into(),
            ..Node::default()
        };
        node.description.hostname = "board-1".to_owned();
        node.spec.labels.insert("dc".to_owned(), "a".to_owned());
        for (descriptor, found) in [
            ("node.labels.dc", "a"),
            ("Node.Labels.dc", "a"),
            ("node.labels.none", ""),
            ("engine.labels.dc", ""),
            ("node.id", "n1"),
            ("node.hostname", "board-1"),
        ] {
            assert_eq!(value(&node, descriptor), found, "{descriptor}");
        }
    }
}
