//! A cluster's life in a moment: users change their minds, boards come and go, tasks fail, and time passes in jumps.
//!
//! Boards are played here by the rules of their agents: a task moves one state a tick towards what is wanted of it.

#![allow(clippy::unwrap_used, reason = "a test may stop where it finds nonsense")]

use bramble_plan::{NodeReport, Reports, plan};
use model::*;
use proptest::prelude::*;
use proptest::strategy::Strategy;
use rand::SeedableRng as _;
use state::{Transaction, View};
use std::collections::BTreeMap;

const BOARDS: usize = 4;
/// Seconds between two ticks.
const TICK: i64 = 2;

struct World {
    view: View,
    reports: Reports,
    now: Timestamp,
    rng: rand::rngs::StdRng,
    /// What boards know of their tasks, down or not.
    real: BTreeMap<TaskId, TaskStatus>,
}

#[derive(Clone, Debug)]
enum Event {
    Scale(u64),
    Image(u8),
    Down(usize),
    Up(usize),
    Drain(usize, bool),
    Fail(usize),
    Pass(u8),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let one = prop_oneof![
        (0..8u64).prop_map(Event::Scale),
        (0..3u8).prop_map(Event::Image),
        (0..BOARDS).prop_map(Event::Down),
        (0..BOARDS).prop_map(Event::Up),
        (0..BOARDS, any::<bool>()).prop_map(|(board, drain)| Event::Drain(board, drain)),
        (0..20usize).prop_map(Event::Fail),
        (1..12u8).prop_map(Event::Pass),
        (1..4u8).prop_map(Event::Pass),
    ];
    prop::collection::vec(one, 0..40)
}

fn node_id(number: usize) -> NodeId {
    format!("n{number}").as_str().into()
}

impl World {
    fn new(order: UpdateOrder) -> Self {
        let mut first = Transaction::new();
        first.create(Cluster::default());
        for number in 0..BOARDS {
            let mut node = Node {
                id: node_id(number),
                ..Node::default()
            };
            node.description.hostname = format!("board-{number}");
            node.description.resources.memory_bytes = Some(1 << 30);
            node.description.resources.nano_cpus = Some(4_000_000_000);
            first.create(node);
        }
        let mut service = Service {
            id: "s".into(),
            spec_version: Some(Version { index: 1 }),
            ..Service::default()
        };
        service.spec.name = "web".into();
        service.spec.mode.replicated = Some(Replicated { replicas: Some(3) });
        service.spec.update_config = Some(UpdateConfig {
            parallelism: 1,
            failure_action: Some(FailureAction::Continue),
            monitor: Some(1),
            order: Some(order),
            ..UpdateConfig::default()
        });
        first.create(service);
        let mut world = Self {
            view: View::default().apply(1, &first).unwrap(),
            reports: Reports::default(),
            now: Timestamp::from_second(1_800_000_000).unwrap(),
            rng: rand::rngs::StdRng::seed_from_u64(1),
            real: BTreeMap::new(),
        };
        (0..BOARDS).for_each(|number| world.state_of(number, NodeState::Ready));
        world
    }

    fn state_of(&mut self, number: usize, state: NodeState) {
        let report = NodeReport {
            state,
            since: self.now,
            ..NodeReport::default()
        };
        self.reports.nodes.insert(node_id(number), report);
    }

    fn is_up(&self, node: &NodeId) -> bool {
        self.reports.nodes[node].state == NodeState::Ready
    }

    fn commit(&mut self, transaction: &Transaction) {
        self.view = self
            .view
            .apply(self.view.index() + 1, transaction)
            .expect("a plan fits the view it was made from");
    }

    fn service(&self) -> Service {
        (**self.view.service(&"s".into()).unwrap()).clone()
    }

    /// Plans until nothing is left to do.
    fn settle(&mut self) {
        for _ in 0..20 {
            let planned = plan(&self.view, &self.reports, self.now, &mut self.rng);
            if planned.changes.is_empty() {
                return;
            }
            self.commit(&planned.changes);
        }
        panic!("plans without end");
    }

    /// Boards do a step for each of their tasks, and those that are up tell of it.
    fn agents(&mut self) {
        let tasks: Vec<_> = self.view.tasks().cloned().collect();
        self.real.retain(|id, _| tasks.iter().any(|task| task.id == *id));
        for task in &tasks {
            let Some(node) = task
                .node_id
                .clone()
                .filter(|_| task.status.state >= TaskState::Assigned)
            else {
                continue;
            };
            let mut status = self.real.get(&task.id).unwrap_or(&task.status).clone();
            // A board that is cut off goes on with what it knew.
            if self.is_up(&node) {
                status.state = advanced(status.state, task.desired_state);
                status.timestamp = self.now;
                self.reports.tasks.insert(task.id.clone(), status.clone());
            }
            self.real.insert(task.id.clone(), status);
        }
        self.reports
            .tasks
            .retain(|id, _| tasks.iter().any(|task| task.id == *id));
    }

    fn tick(&mut self) {
        self.settle();
        self.agents();
        self.now += jiff::SignedDuration::from_secs(TICK);
        self.settle();
        self.check();
    }

    /// Never two running tasks in one slot on boards that are up, unless the new one goes first.
    fn check(&self) {
        let start_first = self.service().spec.update_config.unwrap().order == Some(UpdateOrder::StartFirst);
        let mut slots: BTreeMap<u64, usize> = BTreeMap::new();
        for task in self.view.tasks() {
            let here = task.node_id.as_ref().is_some_and(|node| self.is_up(node));
            let runs = self
                .real
                .get(&task.id)
                .is_some_and(|status| status.state == TaskState::Running);
            // What came back from a cut is being stopped.
            if here && runs && task.desired_state == TaskState::Running {
                *slots.entry(task.slot.unwrap()).or_default() += 1;
            }
        }
        let most = if start_first { 2 } else { 1 };
        assert!(slots.values().all(|count| *count <= most), "{slots:?}");
    }

    fn happen(&mut self, event: &Event) {
        let mut service = self.service();
        let mut transaction = Transaction::new();
        match event {
            Event::Scale(replicas) => {
                service.spec.mode.replicated = Some(Replicated {
                    replicas: Some(*replicas),
                });
                transaction.update(service);
            }
            Event::Image(number) => {
                service.previous_spec = Some(service.spec.clone());
                let image = Some(format!("nginx:{number}"));
                service.spec.task_template.container_spec = Some(ContainerSpec {
                    image,
                    ..ContainerSpec::default()
                });
                service.spec_version = Some(Version {
                    index: self.view.index() + 1,
                });
                service.update_status = None;
                transaction.update(service);
            }
            Event::Down(number) => self.state_of(*number, NodeState::Down),
            Event::Up(number) => self.state_of(*number, NodeState::Ready),
            Event::Drain(number, drain) => {
                let mut node = (**self.view.node(&node_id(*number)).unwrap()).clone();
                node.spec.availability = if *drain {
                    Availability::Drain
                } else {
                    Availability::Active
                };
                transaction.update(node);
            }
            Event::Fail(number) => {
                let running: Vec<_> = self
                    .real
                    .iter()
                    .filter(|(_, status)| status.state == TaskState::Running)
                    .map(|(id, _)| id.clone())
                    .collect();
                if let Some(id) = running.get(*number) {
                    let status = self.real.get_mut(id).unwrap();
                    status.state = TaskState::Failed;
                    status.err = Some("task: non-zero exit (1)".into());
                    status.timestamp = self.now;
                }
            }
            Event::Pass(ticks) => (0..*ticks).for_each(|_| self.tick()),
        }
        if !transaction.is_empty() {
            self.commit(&transaction);
        }
        self.tick();
    }
}

/// One step of an agent (exec's task machine, without containers).
fn advanced(state: TaskState, desired: TaskState) -> TaskState {
    use TaskState::*;
    match state {
        state if state.is_final() => state,
        _ if desired >= Shutdown => Shutdown,
        Assigned => Accepted,
        Accepted if desired >= Ready => Preparing,
        Preparing => Ready,
        Ready if desired >= Running => Starting,
        Starting => Running,
        other => other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever happened: once it stops, the service is what its user wants.
    #[test]
    fn a_service_comes_to_its_wanted_state(events in events(), start_first in any::<bool>()) {
        let mut world = World::new(if start_first { UpdateOrder::StartFirst } else { UpdateOrder::StopFirst });
        for event in &events {
            world.happen(event);
        }
        for number in 0..BOARDS {
            world.happen(&Event::Up(number));
            world.happen(&Event::Drain(number, false));
        }
        // Back-off may have grown to five minutes, and an update waits as long for a task that never starts.
        for _ in 0..1_000 {
            world.tick();
        }
        let service = world.service();
        let running: Vec<_> = world.view.tasks()
            .filter(|task| task.desired_state == TaskState::Running
                && world.real.get(&task.id).is_some_and(|status| status.state == TaskState::Running))
            .collect();
        prop_assert_eq!(running.len() as u64, service.spec.replicas().unwrap(), "{:#?}", service.update_status);
        let state = service.update_status.as_ref().map(|status| status.state);
        prop_assert!(!matches!(state, Some(UpdateState::Updating | UpdateState::RollbackStarted)), "{:?}", state);
        for task in running {
            prop_assert_eq!(&task.spec.container_spec, &service.spec.task_template.container_spec);
        }
        // At rest nothing is written.
        let idle = plan(&world.view, &world.reports, world.now, &mut world.rng);
        prop_assert!(idle.changes.is_empty(), "{:?}", idle.because);
    }
}
