//! Whether a running task would be placed elsewhere if it were placed today: what moves are made for.

use super::board::Boards;
use super::filter::{refusal, standing};
use super::rank::Ranking;
use super::request::Request;
use crate::draft::Draft;
use model::{NodeId, Task, Wishes};
use std::collections::BTreeSet;

/// Looks for better boards.
pub(crate) struct Better {
    boards: Boards,
}

impl Better {
    pub(crate) fn survey(draft: &Draft<'_>) -> Self {
        Self {
            boards: Boards::survey(draft),
        }
    }

    /// A board that is better for the task than its own by more than the task itself makes up: it meets more of what is
    /// preferred, or has at least two tasks of the service less. Of `open` boards only.
    pub(crate) fn than_now(
        &mut self,
        task: &Task,
        wishes: &Wishes,
        open: &BTreeSet<NodeId>,
    ) -> Option<NodeId> {
        let here = self.boards.position(task.node_id.as_ref()?)?;
        let request = Request::of(task);
        self.boards.list[here].take_out(task);
        let ranking = Ranking::over(&self.boards, task, wishes);
        let list = &self.boards.list;
        let home = task.node_id.as_ref().filter(|_| wishes.volume_affinity);
        let fit = |at: usize| ranking.fit(at, &list[at], &request, home);
        let best = (0..list.len())
            .filter(|&at| at != here && open.contains(&list[at].node.id) && !ranking.is_failing(&list[at]))
            .filter(|&at| refusal(&list[at], &request, standing(&list[at], &request)).is_none())
            .min_by_key(|&at| ranking.rank(at, &list[at], &request, home, 0))
            .filter(|&at| fit(at) < fit(here))
            .map(|at| list[at].node.id.clone());
        self.boards.list[here].put_back(task);
        best
    }
}
