use super::*;
use model::{
    Driver, Endpoint as Given, EndpointSpec, IpamConfig, IpamOptions, NetworkAttachment,
    NetworkAttachmentConfig, Replicated, TaskStatus, VXLAN_OPTION, VirtualIp,
};
use plan::NodeReport;
use state::Transaction;

fn network(id: &str, subnet: &str, vni: u32, ingress: bool) -> Network {
    let mut network = Network {
        id: id.into(),
        driver_state: Some(Driver {
            name: Some("overlay".into()),
            options: Some([(VXLAN_OPTION.to_owned(), vni.to_string())].into()),
        }),
        ipam_options: Some(IpamOptions {
            configs: Some(vec![IpamConfig {
                subnet: Some(subnet.into()),
                ..IpamConfig::default()
            }]),
            ..IpamOptions::default()
        }),
        ..Network::default()
    };
    network.spec.name = format!("name-{id}");
    network.spec.ingress = ingress.then_some(true);
    network
}

fn node(id: &str, places: &[(&str, [u8; 4])]) -> Node {
    let place = |(id, address): &(&str, [u8; 4])| (NetworkId::from(*id), Ipv4Addr::from(*address));
    Node {
        id: id.into(),
        places: places.iter().map(place).collect(),
        ..Node::default()
    }
}

fn task(id: &str, node: &str, networks: &[(&Network, &str)]) -> Task {
    let attachment = |(network, address): &(&Network, &str)| NetworkAttachment {
        network: (*network).clone(),
        addresses: Some(vec![(*address).to_owned()]),
    };
    let mut task = Task {
        id: id.into(),
        service_id: "web".into(),
        slot: Some(1),
        node_id: Some(node.into()),
        desired_state: TaskState::Running,
        networks_attachments: Some(networks.iter().map(attachment).collect()),
        ..Task::default()
    };
    task.status.state = TaskState::Running;
    task.origin.service_name = "web".into();
    task
}

/// Two boards in the mesh, one of them with a task in another network as well.
fn world() -> (View, Reports) {
    let (mesh, net) = (
        network("mesh", "10.0.0.0/24", 4096, true),
        network("net", "10.0.1.0/24", 4097, false),
    );
    let mut web = Service {
        id: "web".into(),
        ..Service::default()
    };
    web.spec.name = "web".into();
    web.spec.mode.replicated = Some(Replicated { replicas: Some(1) });
    web.spec.task_template.networks = Some(vec![NetworkAttachmentConfig {
        target: Some("net".into()),
        aliases: Some(vec!["www".into()]),
        ..NetworkAttachmentConfig::default()
    }]);
    let vip = |network: &str, addr: &str| VirtualIp {
        network_id: Some(network.into()),
        addr: Some(addr.into()),
    };
    web.endpoint = Given {
        spec: EndpointSpec::default(),
        ports: Some(vec![PortConfig {
            target_port: 80,
            published_port: Some(8080),
            ..PortConfig::default()
        }]),
        virtual_ips: Some(vec![vip("mesh", "10.0.0.9/24"), vip("net", "10.0.1.2/24")]),
    };
    let mut all = Transaction::new();
    all.create(task("t", "a", &[(&mesh, "10.0.0.7/24"), (&net, "10.0.1.7/24")]))
        .create(node("a", &[("mesh", [10, 0, 0, 2]), ("net", [10, 0, 1, 3])]))
        .create(node("b", &[("mesh", [10, 0, 0, 3])]))
        .create(web)
        .create(mesh)
        .create(net);
    let mut reports = Reports::default();
    for (id, addr) in [("a", "192.168.0.1"), ("b", "192.168.0.2")] {
        let report = NodeReport {
            addr: Some(addr.into()),
            ..NodeReport::default()
        };
        reports.nodes.insert(id.into(), report);
    }
    (View::default().apply(1, &all).unwrap(), reports)
}

#[test]
fn a_node_is_told_of_its_networks_and_of_nobody_elses() {
    let (view, reports) = world();
    let a = fabric(&view, &reports, &"a".into());
    let names: Vec<_> = a.networks.iter().map(|network| network.name.as_str()).collect();
    assert_eq!(names, ["name-mesh", "name-net"]);
    let (mesh, net) = (&a.networks[0], &a.networks[1]);
    assert!(mesh.ingress && !net.ingress);
    assert_eq!(
        (mesh.vni, mesh.prefix, mesh.board),
        (4096, 24, Ipv4Addr::new(10, 0, 0, 2))
    );
    assert_eq!(mesh.peers.len(), 1);
    assert_eq!(mesh.peers[0].underlay, Ipv4Addr::new(192, 168, 0, 2));
    assert!(net.peers.is_empty());
    assert_eq!(net.endpoints[0].address, Ipv4Addr::new(10, 0, 1, 7));
    assert_eq!(net.endpoints[0].name, "web.1.t");
    assert!(net.endpoints[0].takes);
    assert_eq!(net.services[0].address, Some(Ipv4Addr::new(10, 0, 1, 2)));
    assert_eq!(net.services[0].aliases, ["www"]);
    assert_eq!((a.ports[0].published, a.ports[0].target), (8080, 80));

    let b = fabric(&view, &reports, &"b".into());
    assert_eq!(b.networks.len(), 1, "it has no task in the other network");
    assert_eq!(b.networks[0].endpoints[0].node, NodeId::from("a"));
    assert_eq!(b.ports, a.ports);
    assert_eq!(fabric(&view, &reports, &"stranger".into()).networks, []);
}

fn only(view: &View, reports: &Reports) -> Vec<Endpoint> {
    fabric(view, reports, &"b".into()).networks.remove(0).endpoints
}

#[test]
fn only_what_runs_and_is_wanted_takes_connections() {
    let (view, mut reports) = world();
    let mut task = (**view.task(&"t".into()).unwrap()).clone();
    let at = |view: &View, task: &Task| {
        view.apply(view.index() + 1, Transaction::new().update(task.clone()))
            .unwrap()
    };

    task.status.state = TaskState::Starting;
    let starting = at(&view, &task);
    assert!(!only(&starting, &reports)[0].takes);
    let told = TaskStatus {
        state: TaskState::Running,
        ..TaskStatus::default()
    };
    reports.tasks.insert("t".into(), told);
    assert!(only(&starting, &reports)[0].takes, "what its node told counts");

    task.meta.version.index = 1;
    task.desired_state = TaskState::Shutdown;
    let ending = at(&view, &task);
    assert!(
        !only(&ending, &reports)[0].takes,
        "what it serves can be finished"
    );
    reports.tasks.get_mut("t").unwrap().state = TaskState::Shutdown;
    assert!(only(&ending, &reports).is_empty());
}

#[test]
fn a_network_that_was_removed_stays_until_its_tasks_are_gone() {
    let (view, reports) = world();
    let net = (**view.network(&"net".into()).unwrap()).clone();
    let without = view.apply(2, Transaction::new().remove(net)).unwrap();
    let a = fabric(&without, &reports, &"a".into());
    assert_eq!(a.networks[1].vni, 4097);
}

#[test]
fn an_encrypted_network_knows_only_boards_with_keys_and_a_new_key_is_news_to_all() {
    let (view, reports) = world();
    let key = |n: u8| Some(model::WireguardKey([n; 32]));
    let change = |view: &View, id: &str, key: Option<model::WireguardKey>| {
        let mut node = (**view.node(&id.into()).unwrap()).clone();
        node.places.insert("net".into(), Ipv4Addr::new(10, 0, 1, 4));
        node.description.wireguard = key;
        view.apply(view.index() + 1, Transaction::new().update(node))
            .unwrap()
    };
    let net = |view: &View, me: &str| fabric(view, &reports, &me.into()).networks.remove(1);
    let mut network = (**view.network(&"net".into()).unwrap()).clone();
    network.spec.driver_configuration = Some(Driver {
        name: None,
        options: Some([(model::ENCRYPTED_OPTION.to_owned(), String::new())].into()),
    });
    let view = view.apply(2, Transaction::new().update(network)).unwrap();
    let without = change(&view, "b", None);
    assert!(net(&without, "a").encrypted);
    assert!(
        net(&without, "a").peers.is_empty(),
        "there is no way to it but in the clear"
    );
    let one = change(&without, "b", key(1));
    let peers = net(&one, "a").peers;
    assert_eq!(
        (peers[0].key, peers[0].underlay),
        (key(1), Ipv4Addr::new(192, 168, 0, 2))
    );
    let other = change(&one, "b", key(2));
    assert_eq!(net(&other, "a").peers[0].key, key(2));
    let own = |view: &View| fabric(view, &reports, &"b".into());
    assert_eq!((own(&one).key, own(&other).key), (key(1), key(2)));
    assert_ne!(own(&one), own(&other), "it is to take the new one into use");
    let removed = (**other.node(&"b".into()).unwrap()).clone();
    let removed = other
        .apply(other.index() + 1, Transaction::new().remove(removed))
        .unwrap();
    assert!(net(&removed, "a").peers.is_empty());
}

#[test]
fn a_board_that_does_not_answer_is_left_out_but_by_itself() {
    let (view, mut reports) = world();
    let gone = view.tasks().next().unwrap().node_id.clone().unwrap();
    let other = view.nodes().find(|node| node.id != gone).unwrap().id.clone();
    let on = |reports: &Reports, me: &NodeId| {
        let woven = fabric(&view, reports, me);
        let endpoints = woven.networks.into_iter().flat_map(|network| network.endpoints);
        endpoints.filter(|endpoint| endpoint.node == gone).count()
    };
    let (before, own) = (on(&reports, &other), on(&reports, &gone));
    assert!(before > 0 && own > 0);
    reports.nodes.entry(gone.clone()).or_default().unreachable = true;
    assert_eq!((on(&reports, &other), on(&reports, &gone)), (0, own));
}
