//! Which of the boards that will do is the best.

use super::board::{Board, Boards};
use model::{Node, NodeId, ServiceId, Task, Version};
use std::collections::BTreeMap;

/// How a service's tasks are spread over boards and over what its preferences name.
///
/// Preferences nest: within the branch (a value of the first label) that has fewest of the service's tasks, the
/// branch of the second label counts, and so on. Boards without the label are a branch of their own.
pub(crate) struct Spread {
    service: ServiceId,
    version: Version,
    /// Tasks of the service in each branch.
    counts: Vec<u64>,
    /// For each board its branch at each level.
    branches: Vec<Vec<usize>>,
}

/// Smaller is better: not failing, the emptiest branches, fewest of the service, fewest in all, then the id.
pub(crate) type Rank = (bool, Vec<u64>, u64, u64, NodeId);

impl Spread {
    /// The spread of tasks like `task`.
    pub(crate) fn over(boards: &Boards, task: &Task) -> Self {
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
            counts,
            branches,
        }
    }

    /// How well the board at `at` in the list would do.
    pub(crate) fn rank(&self, at: usize, board: &Board) -> Rank {
        let branches = self.branches[at]
            .iter()
            .map(|branch| self.counts[*branch])
            .collect();
        let failing = board.is_failing(&self.service, self.version);
        (
            failing,
            branches,
            board.active_of(&self.service),
            board.active,
            board.node.id.clone(),
        )
    }

    /// Counts a task in on the board at `at`.
    pub(crate) fn add(&mut self, at: usize) {
        for branch in &self.branches[at] {
            self.counts[*branch] += 1;
        }
    }
}

/// The board's value of `node.labels.NAME` or `engine.labels.NAME`; empty if it has none.
fn value<'a>(node: &'a Node, descriptor: &str) -> &'a str {
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
