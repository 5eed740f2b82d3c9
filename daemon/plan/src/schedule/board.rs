//! What boards have left, and what runs on them: counted once for a plan, then kept up with each placement.

use super::request::{Request, host_ports};
use super::stock::Stock;
use crate::draft::{Draft, Footing, takes_tasks};
use crate::restart::policy::is_failure;
use crate::time::after;
use jiff::SignedDuration;
use model::{Ailment, Node, NodeId, PortProtocol, ServiceId, Task, TaskState, Version};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Failures count against a board for so long.
const FAILING_FOR: SignedDuration = SignedDuration::from_mins(5);
/// So many of one spec version in that time make the board a last resort for it.
const FAILING_FROM: u32 = 5;

/// One board.
pub(crate) struct Board {
    pub(crate) node: Arc<Node>,
    pub(crate) takes_tasks: bool,
    pub(crate) ailment: Option<Ailment>,
    /// Processor time that is not reserved.
    pub(crate) nano_cpus: i64,
    /// Memory that is not reserved.
    pub(crate) memory: i64,
    pub(crate) stock: Stock,
    pub(crate) host_ports: BTreeSet<(PortProtocol, u16)>,
    /// Tasks that are wanted here.
    pub(crate) active: u64,
    copies: BTreeMap<ServiceId, Copies>,
    failures: BTreeMap<(ServiceId, Version), u32>,
}

/// One service's tasks on one board.
#[derive(Clone, Copy, Default)]
struct Copies {
    /// Wanted.
    active: u64,
    /// Wanted, or not yet stopped.
    present: u64,
}

/// All boards.
pub(crate) struct Boards {
    /// By id.
    pub(crate) list: Vec<Board>,
}

impl Boards {
    pub(crate) fn survey(draft: &Draft<'_>) -> Self {
        let mut boards = Self {
            list: draft
                .nodes()
                .map(|node| Board::of(node, draft.ailment(&node.id)))
                .collect(),
        };
        let failing_from = draft.now;
        for task in draft.tasks() {
            let Some(at) = task.node_id.as_ref().and_then(|id| boards.position(id)) else {
                continue;
            };
            let board = &mut boards.list[at];
            if is_failure(task) && after(task.status.timestamp, FAILING_FOR) > failing_from {
                *board
                    .failures
                    .entry((task.service_id.clone(), task.origin.spec_version))
                    .or_default() += 1;
            }
            let is_present = task.status.state >= TaskState::Assigned
                && !task.status.state.is_final()
                && draft.footing(task) == Footing::Held;
            if is_present {
                board
                    .stock
                    .claim(task.assigned_generic_resources.as_deref().unwrap_or_default());
                board.add(task, &Request::of(task));
            }
        }
        boards
    }

    pub(crate) fn position(&self, id: &NodeId) -> Option<usize> {
        self.list.binary_search_by(|board| board.node.id.cmp(id)).ok()
    }
}

impl Board {
    fn of(node: &Arc<Node>, ailment: Option<Ailment>) -> Self {
        let resources = &node.description.resources;
        Self {
            node: node.clone(),
            takes_tasks: takes_tasks(node),
            ailment,
            nano_cpus: resources.nano_cpus.unwrap_or(0),
            memory: resources.memory_bytes.unwrap_or(0),
            stock: Stock::of(resources.generic_resources.as_deref().unwrap_or_default()),
            host_ports: BTreeSet::new(),
            active: 0,
            copies: BTreeMap::new(),
            failures: BTreeMap::new(),
        }
    }

    /// Counts a task in; things of its own were claimed already.
    pub(crate) fn add(&mut self, task: &Task, request: &Request) {
        self.nano_cpus -= request.nano_cpus;
        self.memory -= request.memory;
        self.host_ports.extend(host_ports(task));
        let copies = self.copies.entry(task.service_id.clone()).or_default();
        copies.present += 1;
        if task.is_wanted() {
            copies.active += 1;
            self.active += 1;
        }
    }

    /// Counts a task out again, as if it were not there.
    pub(crate) fn take_out(&mut self, task: &Task) {
        if let Some(copies) = self.copies.get_mut(&task.service_id) {
            copies.present = copies.present.saturating_sub(1);
            copies.active = copies.active.saturating_sub(u64::from(task.is_wanted()));
        }
        self.active = self.active.saturating_sub(u64::from(task.is_wanted()));
    }

    /// Undoes [`Self::take_out`].
    pub(crate) fn put_back(&mut self, task: &Task) {
        let copies = self.copies.entry(task.service_id.clone()).or_default();
        copies.present += 1;
        copies.active += u64::from(task.is_wanted());
        self.active += u64::from(task.is_wanted());
    }

    /// How full the board is, by what is reserved on it: up to a thousand for each of processor and memory.
    pub(crate) fn fullness(&self) -> u64 {
        let resources = &self.node.description.resources;
        let share = |all: Option<i64>, left: i64| {
            let all = i128::from(all.unwrap_or(0));
            let used = all - i128::from(left);
            u64::try_from((used * 1_000).checked_div(all).unwrap_or(0)).unwrap_or(0)
        };
        share(resources.nano_cpus, self.nano_cpus) + share(resources.memory_bytes, self.memory)
    }

    /// The service's tasks that are wanted here.
    pub(crate) fn active_of(&self, service: &ServiceId) -> u64 {
        self.copies.get(service).map_or(0, |copies| copies.active)
    }

    /// The service's tasks that are here, stopping ones included.
    pub(crate) fn present_of(&self, service: &ServiceId) -> u64 {
        self.copies.get(service).map_or(0, |copies| copies.present)
    }

    /// True if this version of the service keeps failing here.
    pub(crate) fn is_failing(&self, service: &ServiceId, version: Version) -> bool {
        self.failures
            .get(&(service.clone(), version))
            .is_some_and(|failures| *failures >= FAILING_FROM)
    }
}
