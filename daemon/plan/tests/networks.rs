//! Networks and services come and go by the thousand: nobody's address is another's, and nothing is left behind.

#![allow(clippy::unwrap_used, reason = "a test may stop where it finds nonsense")]

use bramble_plan::{NodeReport, Reports, plan};
use model::*;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};
use rand::SeedableRng as _;
use state::{Transaction, View};
use std::collections::{BTreeMap, BTreeSet};

const BOARDS: usize = 3;

struct World {
    view: View,
    reports: Reports,
    now: Timestamp,
    rng: rand::rngs::StdRng,
    made: u64,
}

#[derive(Clone, Debug)]
enum Event {
    MakeNetwork,
    RemoveNetwork(usize),
    /// With how many tasks, in which networks, whether it publishes a port, whether it has a virtual address.
    MakeService(u64, Vec<usize>, bool, bool),
    RemoveService(usize),
    Scale(usize, u64),
    Move(usize, usize),
    Drain(usize, bool),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let networks = prop::collection::vec(0..8usize, 0..3);
    let one = prop_oneof![
        3 => Just(Event::MakeNetwork),
        2 => (0..8usize).prop_map(Event::RemoveNetwork),
        4 => (0..7u64, networks, any::<bool>(), any::<bool>())
            .prop_map(|(tasks, networks, publishes, vip)| Event::MakeService(tasks, networks, publishes, vip)),
        3 => (0..8usize).prop_map(Event::RemoveService),
        2 => (0..8usize, 0..7u64).prop_map(|(at, tasks)| Event::Scale(at, tasks)),
        1 => (0..8usize, 0..8usize).prop_map(|(at, network)| Event::Move(at, network)),
        1 => (0..BOARDS, any::<bool>()).prop_map(|(board, drain)| Event::Drain(board, drain)),
    ];
    prop::collection::vec(one, 0..60)
}

impl World {
    fn new(size: u32) -> Self {
        let mut first = Transaction::new();
        first.create(Cluster {
            default_addr_pool: Some(vec!["10.0.0.0/8".into()]),
            subnet_size: size,
            ..Cluster::default()
        });
        let mut reports = Reports::default();
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        for number in 0..BOARDS {
            let id: NodeId = format!("n{number}").into();
            first.create(Node {
                id: id.clone(),
                ..Node::default()
            });
            let report = NodeReport {
                state: NodeState::Ready,
                since: now,
                ..NodeReport::default()
            };
            reports.nodes.insert(id, report);
        }
        let mut world = Self {
            view: View::default().apply(1, &first).unwrap(),
            reports,
            now,
            rng: rand::rngs::StdRng::seed_from_u64(1),
            made: 0,
        };
        world.settle();
        world
    }

    fn commit(&mut self, transaction: &Transaction) {
        self.view = self
            .view
            .apply(self.view.index() + 1, transaction)
            .expect("a plan fits the view it was made from");
    }

    fn settle(&mut self) {
        for _ in 0..30 {
            let planned = plan(&self.view, &self.reports, self.now, &mut self.rng);
            if planned.changes.is_empty() {
                return self.check();
            }
            self.commit(&planned.changes);
        }
        panic!("plans without end");
    }

    /// Tasks do at once what is wanted of them.
    fn tick(&mut self) {
        self.settle();
        for task in self.view.tasks() {
            let state = match task.desired_state {
                _ if task.status.state < TaskState::Assigned || task.status.state.is_final() => continue,
                TaskState::Shutdown | TaskState::Remove => TaskState::Shutdown,
                TaskState::Running => TaskState::Running,
                _ => TaskState::Ready,
            };
            let status = TaskStatus {
                state,
                timestamp: self.now,
                ..TaskStatus::default()
            };
            self.reports.tasks.insert(task.id.clone(), status);
        }
        self.reports.tasks.retain(|id, _| self.view.task(id).is_some());
        self.now += jiff::SignedDuration::from_secs(10);
        self.settle();
    }

    fn overlays(&self) -> Vec<NetworkId> {
        let mine = self.view.networks().filter(|network| !network.is_ingress());
        mine.map(|network| network.id.clone()).collect()
    }

    fn nth_service(&self, at: usize) -> Option<Service> {
        self.view.services().nth(at).map(|service| (**service).clone())
    }

    fn happen(&mut self, event: &Event) {
        let mut transaction = Transaction::new();
        self.made += 1;
        match event {
            Event::MakeNetwork => {
                let mut network = Network {
                    id: format!("net{}", self.made).into(),
                    ..Network::default()
                };
                network.spec.name.clone_from(&network.id.to_string());
                transaction.create(network);
            }
            Event::RemoveNetwork(at) => {
                let Some(id) = self.overlays().get(*at).cloned() else {
                    return;
                };
                let used = |service: &std::sync::Arc<Service>| {
                    let networks = service.spec.networks();
                    networks.iter().any(|network| network.target() == id.as_str())
                };
                if self.view.services().any(used) {
                    return;
                }
                transaction.remove((**self.view.network(&id).unwrap()).clone());
            }
            Event::MakeService(tasks, networks, publishes, vip) => {
                transaction.create(self.service(*tasks, networks, *publishes, *vip));
            }
            Event::RemoveService(at) => {
                let Some(service) = self.nth_service(*at) else {
                    return;
                };
                transaction.remove(service);
            }
            Event::Scale(at, tasks) => {
                let Some(mut service) = self.nth_service(*at) else {
                    return;
                };
                service.spec.mode.replicated = Some(Replicated {
                    replicas: Some(*tasks),
                });
                transaction.update(service);
            }
            Event::Move(at, network) => {
                let Some(mut service) = self.nth_service(*at) else {
                    return;
                };
                service.spec.task_template.networks = Some(self.attachments(&[*network]));
                service.spec_version = Some(Version {
                    index: self.view.index() + 1,
                });
                transaction.update(service);
            }
            Event::Drain(board, drain) => {
                let id: NodeId = format!("n{board}").into();
                let mut node = (**self.view.node(&id).unwrap()).clone();
                node.spec.availability = if *drain {
                    Availability::Drain
                } else {
                    Availability::Active
                };
                transaction.update(node);
            }
        }
        self.commit(&transaction);
        self.tick();
    }

    fn attachments(&self, networks: &[usize]) -> Vec<NetworkAttachmentConfig> {
        let all = self.overlays();
        let named: BTreeSet<_> = networks.iter().filter_map(|at| all.get(*at)).collect();
        let config = |id: &NetworkId| NetworkAttachmentConfig {
            target: Some(id.to_string()),
            ..NetworkAttachmentConfig::default()
        };
        named.into_iter().map(config).collect()
    }

    fn service(&self, tasks: u64, networks: &[usize], publishes: bool, vip: bool) -> Service {
        let mut service = Service {
            id: format!("s{}", self.made).into(),
            spec_version: Some(Version { index: 1 }),
            ..Service::default()
        };
        service.spec.name = format!("s{}", self.made);
        service.spec.mode.replicated = Some(Replicated {
            replicas: Some(tasks),
        });
        service.spec.task_template.networks = Some(self.attachments(networks));
        service.spec.endpoint_spec = Some(EndpointSpec {
            mode: (!vip && !publishes).then_some(EndpointMode::Dnsrr),
            ports: publishes.then(|| {
                vec![PortConfig {
                    target_port: 80,
                    ..PortConfig::default()
                }]
            }),
        });
        service
    }

    /// No two have one address, all addresses are in their subnets, no two subnets overlap, and each board has an
    /// address wherever its tasks are.
    fn check(&self) {
        let mut owners: BTreeMap<(NetworkId, String), String> = BTreeMap::new();
        let mut own = |network: &NetworkId, address: String, who: String| {
            let other = owners.insert((network.clone(), address.clone()), who.clone());
            assert_eq!(other, None, "{who} and another have {address}");
        };
        for service in self.view.services() {
            for given in service.endpoint.virtual_ips.iter().flatten() {
                let addr = given.addr.clone().unwrap();
                own(
                    given.network_id.as_ref().unwrap(),
                    addr.split_once('/').unwrap().0.into(),
                    service.id.to_string(),
                );
            }
        }
        let mut networks: BTreeMap<NetworkId, Network> = self
            .view
            .networks()
            .map(|network| (network.id.clone(), (**network).clone()))
            .collect();
        for task in self.view.tasks() {
            for held in task.held() {
                let address = held.address().unwrap();
                assert!(held.network.subnet().unwrap().contains(address));
                own(&held.network.id, address.to_string(), task.id.to_string());
                networks
                    .entry(held.network.id.clone())
                    .or_insert_with(|| held.network.clone());
                if task.status.state >= TaskState::Assigned {
                    let node = self.view.node(task.node_id.as_ref().unwrap()).unwrap();
                    assert!(node.places.contains_key(&held.network.id), "{task:#?}");
                }
            }
        }
        for node in self.view.nodes() {
            for (network, address) in &node.places {
                own(network, address.to_string(), node.id.to_string());
            }
        }
        let given: Vec<_> = networks
            .values()
            .filter_map(|network| Some((network.subnet()?, network.vni()?)))
            .collect();
        for (at, (subnet, vni)) in given.iter().enumerate() {
            for (other, other_vni) in &given[..at] {
                assert!(!subnet.overlaps(*other) && vni != other_vni, "{subnet} {other}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn nobody_has_anothers_address_and_nothing_leaks(events in events(), size in 27..=29u32) {
        let mut world = World::new(size);
        for event in &events {
            world.happen(event);
        }
        for _ in 0..world.view.services().count() {
            world.happen(&Event::RemoveService(0));
        }
        for _ in 0..world.overlays().len() {
            world.happen(&Event::RemoveNetwork(0));
        }
        world.tick();
        prop_assert_eq!(world.view.tasks().count(), 0);
        prop_assert_eq!(world.view.networks().count(), 1);
        for node in world.view.nodes() {
            prop_assert_eq!(node.places.len(), 1, "only the routing mesh's: {:?}", node.places);
        }
    }
}

/// A small network through which thousands of tasks go.
#[test]
fn thousands_of_tasks_go_through_a_small_network() {
    let mut world = World::new(28);
    world.happen(&Event::MakeNetwork);
    let mut all = BTreeSet::new();
    for _ in 0..400 {
        world.happen(&Event::MakeService(5, vec![0], false, true));
        let running: Vec<_> = world.view.tasks().flat_map(|task| task.held()).collect();
        assert_eq!(running.len(), 5, "all have their addresses");
        all.extend(running.iter().map(|held| held.address().unwrap()));
        world.happen(&Event::RemoveService(0));
    }
    assert_eq!(all.len(), 13, "all but the gateway's had their turn");
    assert!(world.view.nodes().all(|node| node.places.len() == 1));
}

#[test]
fn a_network_that_is_used_up_leaves_tasks_waiting_with_a_reason() {
    let mut world = World::new(29);
    world.happen(&Event::MakeNetwork);
    // Six addresses, less the gateway, the virtual one and one a board: one or two tasks.
    world.happen(&Event::MakeService(6, vec![0], false, true));
    let waiting: Vec<_> = world
        .view
        .tasks()
        .filter(|task| task.status.state < TaskState::Assigned)
        .filter_map(|task| task.status.err.clone())
        .collect();
    assert!(!waiting.is_empty());
    for err in waiting {
        assert!(
            err.starts_with("no available IPv4 addresses on this network's address pools: net"),
            "{err}"
        );
    }
    let running = world
        .view
        .tasks()
        .filter(|task| task.status.state == TaskState::Running)
        .count();
    assert!(running >= 1);
    // Once others have gone, they get their turn.
    world.happen(&Event::Scale(0, 1));
    world.tick();
    assert_eq!(
        world
            .view
            .tasks()
            .filter(|task| task.status.state == TaskState::Running)
            .count(),
        1
    );
}

#[test]
fn the_routing_mesh_is_there_from_the_beginning_as_in_swarm() {
    let mut world = World::new(24);
    let ingress = world.view.networks().next().unwrap().clone();
    assert_eq!(ingress.spec.name, "ingress");
    assert_eq!(ingress.vni(), Some(4096));
    assert_eq!(ingress.subnet().unwrap().to_string(), "10.0.0.0/24");
    assert_eq!(ingress.given().unwrap().gateway.as_deref(), Some("10.0.0.1"));
    world.happen(&Event::MakeNetwork);
    world.happen(&Event::MakeService(2, vec![0], true, true));
    let id = world.overlays()[0].clone();
    let network = world.view.network(&id).unwrap();
    assert_eq!(network.vni(), Some(4097));
    assert_eq!(network.subnet().unwrap().to_string(), "10.0.1.0/24");
    let service = world.nth_service(0).unwrap();
    let vips = service.endpoint.virtual_ips.unwrap();
    assert_eq!(vips[0].network_id.as_ref(), Some(&ingress.id));
    assert_eq!(vips[1].addr.as_deref(), Some("10.0.1.2/24"));
    let task = world.view.tasks().next().unwrap();
    let networks: Vec<_> = task.held().iter().map(|held| held.network.id.clone()).collect();
    assert_eq!(networks, [ingress.id.clone(), id]);
    assert!(task.held()[0].network.next.is_none());
}
