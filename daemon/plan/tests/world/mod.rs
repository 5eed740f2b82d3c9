//! A cluster without boards: the plan is real, and boards are played by the rules of their agents. Time passes in steps
//! of a second while something moves, and jumps to where the plan or a container has something to do when nothing does.
//!
//! What a container does is in its image's name: `ok` runs, `crash:3` fails after 3 seconds, `done:10` ends well after
//! 10, `missing` can't be pulled, `stuck` is pulled for ever.

#![allow(dead_code, reason = "each suite uses a part of it")]

pub mod laws;
pub mod spec;

use bramble_plan::{NodeReport, Reason, Reports, plan};
use jiff::SignedDuration;
use model::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use state::{Transaction, View};
use std::collections::{BTreeMap, BTreeSet};

pub const SECOND: SignedDuration = SignedDuration::from_secs(1);

pub struct World {
    pub view: View,
    pub reports: Reports,
    pub now: Timestamp,
    pub start: Timestamp,
    pub rng: StdRng,
    /// What boards know of their tasks, cut off or not.
    pub real: BTreeMap<TaskId, TaskStatus>,
    /// Tasks that were on a board while it was cut off: they may outlive their replacement.
    pub stale: BTreeSet<TaskId>,
    /// Tasks made by updates.
    pub updated: BTreeSet<TaskId>,
    /// What was decided, and when.
    pub told: Vec<(Timestamp, Reason)>,
    /// Transactions committed.
    pub commits: u64,
    wake_at: Option<Timestamp>,
}

pub fn node_id(number: usize) -> NodeId {
    format!("n{number}").as_str().into()
}

impl World {
    /// Boards 1 to `boards`, all up.
    pub fn new(boards: usize, seed: u64) -> Self {
        let mut first = Transaction::new();
        first.create(Cluster::default());
        let start = Timestamp::from_second(1_800_000_000).unwrap();
        let mut world = Self {
            view: View::default().apply(1, &first).unwrap(),
            reports: Reports::default(),
            now: start,
            start,
            rng: StdRng::seed_from_u64(seed),
            real: BTreeMap::new(),
            stale: BTreeSet::new(),
            updated: BTreeSet::new(),
            told: Vec::new(),
            commits: 0,
            wake_at: None,
        };
        (1..=boards).for_each(|number| world.join(number));
        world
    }

    pub fn join(&mut self, number: usize) {
        let mut node = Node {
            id: node_id(number),
            ..Node::default()
        };
        node.description.hostname = format!("board-{number}");
        node.description.resources.memory_bytes = Some(1_000);
        node.description.resources.nano_cpus = Some(4_000_000_000);
        node.description.platform.architecture = Some("aarch64".to_owned());
        node.description.platform.os = Some("linux".to_owned());
        self.commit(Transaction::new().create(node));
        self.board_is(number, NodeState::Ready);
    }

    pub fn board_is(&mut self, number: usize, state: NodeState) {
        let id = node_id(number);
        if self
            .reports
            .nodes
            .get(&id)
            .is_some_and(|report| report.state == state)
        {
            return;
        }
        if state == NodeState::Down {
            let there = self.view.tasks_of_node(&id).map(|task| task.id.clone());
            self.stale.extend(there);
        }
        let report = NodeReport {
            state,
            since: self.now,
            ..NodeReport::default()
        };
        self.reports.nodes.insert(id, report);
    }

    /// The board says that it is not well, or is so again.
    pub fn ails(&mut self, number: usize, ailment: Option<Ailment>) {
        if let Some(report) = self.reports.nodes.get_mut(&node_id(number)) {
            report.unfit = ailment.map(|ailment| Unfit {
                ailment,
                text: ailment.as_str().to_owned(),
            });
        }
    }

    pub fn is_up(&self, node: &NodeId) -> bool {
        self.reports
            .nodes
            .get(node)
            .is_some_and(|report| report.state == NodeState::Ready)
    }

    pub fn edit_node(&mut self, number: usize, change: impl FnOnce(&mut Node)) {
        let mut node = (**self.view.node(&node_id(number)).expect("the board")).clone();
        change(&mut node);
        self.commit(Transaction::new().update(node));
    }

    pub fn commit(&mut self, transaction: &Transaction) {
        self.commits += 1;
        self.view = self
            .view
            .apply(self.view.index() + 1, transaction)
            .expect("a transaction fits the view it was made from");
    }

    pub fn service(&self, name: &str) -> Option<Service> {
        let found = self.view.services().find(|service| service.spec.name == name);
        found.map(|service| (**service).clone())
    }

    /// A service's tasks, by slot and age.
    pub fn tasks(&self, service: &ServiceId) -> Vec<Task> {
        let mut tasks: Vec<Task> = self
            .view
            .tasks_of_service(service)
            .map(|task| (**task).clone())
            .collect();
        tasks.sort_by_key(|task| {
            (
                task.slot,
                task.node_id.clone().filter(|_| task.slot.is_none()),
                task.meta.created_at,
            )
        });
        tasks
    }

    /// As its board has it.
    pub fn seen(&self, task: &Task) -> TaskStatus {
        self.real.get(&task.id).unwrap_or(&task.status).clone()
    }

    /// Another leader takes over: what the old one had only heard is lost.
    pub fn new_leader(&mut self) {
        self.reports.tasks.clear();
        for report in self.reports.nodes.values_mut() {
            report.since = self.now;
        }
    }

    /// Plans until nothing is left to do.
    pub fn settle(&mut self) {
        for _ in 0..30 {
            let planned = plan(&self.view, &self.reports, self.now, &mut self.rng);
            for reason in planned.because {
                assert_ne!(reason, Reason::Unsettled, "at {}", self.now);
                if let Reason::Updated { by, .. } = &reason {
                    self.updated.insert(by.clone());
                }
                if let Reason::Placed { task, node, .. } = &reason {
                    laws::placed(self, task, node);
                }
                self.told.push((self.now, reason));
            }
            self.wake_at = planned.wake_at;
            if planned.changes.is_empty() {
                return;
            }
            self.commit(&planned.changes);
        }
        let last: Vec<_> = self.told.iter().rev().take(10).collect();
        panic!("plans without end: {last:#?}");
    }

    /// Lets time pass, and looks at the laws after each step.
    pub fn pass(&mut self, time: SignedDuration) {
        let end = self.now + time;
        self.settle();
        while self.now < end {
            let next = self.agents();
            let wake = self.wake_at.unwrap_or(end);
            self.now = next.unwrap_or(end).min(wake).max(self.now + SECOND).min(end);
            self.agents();
            self.settle();
            laws::hold(self);
        }
    }

    /// Boards do what is due for each of their tasks, and those that are up tell of it. When something is due next.
    fn agents(&mut self) -> Option<Timestamp> {
        let tasks: Vec<_> = self.view.tasks().cloned().collect();
        let alive: BTreeSet<&TaskId> = tasks.iter().map(|task| &task.id).collect();
        self.real.retain(|id, _| alive.contains(id));
        self.reports.tasks.retain(|id, _| alive.contains(id));
        self.stale.retain(|id| alive.contains(id));
        self.updated.retain(|id| alive.contains(id));
        let mut next: Option<Timestamp> = None;
        for task in &tasks {
            let placed = task
                .node_id
                .clone()
                .filter(|_| task.status.state >= TaskState::Assigned);
            // A board that is cut off goes on with what it knew.
            let Some(_) = placed.filter(|node| self.is_up(node)) else {
                continue;
            };
            let mut status = self.seen(task);
            let due = advance(&mut status, task, self.now);
            if let Some(due) = due {
                next = Some(next.map_or(due, |next| next.min(due)));
            }
            if status != task.status {
                self.reports.tasks.insert(task.id.clone(), status.clone());
            }
            self.real.insert(task.id.clone(), status);
        }
        next
    }

    /// A running task ends badly.
    pub fn fail(&mut self, id: &TaskId) {
        if let Some(status) = self
            .real
            .get_mut(id)
            .filter(|status| status.state == TaskState::Running)
        {
            status.state = TaskState::Failed;
            status.err = Some("task: non-zero exit (1)".into());
            status.timestamp = self.now;
        }
    }
}

/// One step of an agent (exec's task machine, without containers), if it is due; when the next is.
fn advance(status: &mut TaskStatus, task: &Task, now: Timestamp) -> Option<Timestamp> {
    use TaskState::*;
    let desired = task.desired_state;
    let image = task
        .spec
        .container_spec
        .as_ref()
        .and_then(|spec| spec.image.as_deref())
        .unwrap_or("ok");
    let (kind, seconds) = image.split_once(':').unwrap_or((image, "0"));
    let lasts = SignedDuration::from_secs(seconds.parse().unwrap_or(0));
    let (state, due, err) = match status.state {
        state if state.is_final() => return None,
        _ if desired >= Shutdown => (Shutdown, status.timestamp + SECOND, None),
        Assigned => (Accepted, status.timestamp + SECOND, None),
        Accepted if desired >= Ready => (Preparing, status.timestamp + SECOND, None),
        Preparing if kind == "stuck" => return None,
        Preparing if kind == "missing" => (
            Rejected,
            status.timestamp + SECOND,
            Some("No such image: missing"),
        ),
        Preparing => (Ready, status.timestamp + SECOND, None),
        Ready if desired >= Running => (Starting, status.timestamp + SECOND, None),
        Starting => (Running, status.timestamp + SECOND, None),
        Running if kind == "crash" => (Failed, status.timestamp + lasts, Some("task: non-zero exit (1)")),
        Running if kind == "done" => (Complete, status.timestamp + lasts, None),
        _ => return None,
    };
    if due > now {
        return Some(due);
    }
    status.state = state;
    status.timestamp = now;
    status.err = err.map(str::to_owned);
    Some(now + SECOND)
}
