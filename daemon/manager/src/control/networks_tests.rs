use super::*;
use model::{Cluster, EndpointSpec, Labels, Node, Service, WireguardKey};
use rand::SeedableRng as _;

fn named(name: &str) -> NetworkSpec {
    NetworkSpec {
        name: name.into(),
        ..NetworkSpec::default()
    }
}

fn with_config(name: &str, subnet: &str, range: &str, gateway: &str) -> NetworkSpec {
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    NetworkSpec {
        ipam_options: Some(IpamOptions {
            configs: Some(vec![IpamConfig {
                subnet: some(subnet),
                range: some(range),
                gateway: some(gateway),
            }]),
            ..IpamOptions::default()
        }),
        ..named(name)
    }
}

fn make(view: &View, spec: NetworkSpec) -> Result<View, Refusal> {
    let mut rng = rand::rngs::StdRng::seed_from_u64(view.index());
    let (transaction, _) = create(view, spec, Timestamp::UNIX_EPOCH, &mut rng)?;
    Ok(view.apply(view.index() + 1, &transaction).unwrap())
}

fn founded() -> View {
    let mut first = Transaction::new();
    first.create(Cluster::default());
    let mut ingress = Network {
        id: "ing".into(),
        spec: named("ingress"),
        ..Network::default()
    };
    ingress.spec.ingress = Some(true);
    first.create(ingress);
    View::default().apply(1, &first).unwrap()
}

fn service(id: &str, networks: &[&str], ports: &[(u16, PublishMode)]) -> Service {
    let mut service = Service {
        id: id.into(),
        ..Service::default()
    };
    service.spec.name = format!("name-{id}");
    let wish = |target: &&str| NetworkAttachmentConfig {
        target: Some((*target).to_owned()),
        ..NetworkAttachmentConfig::default()
    };
    service.spec.task_template.networks = Some(networks.iter().map(wish).collect());
    let port = |(published, mode): &(u16, PublishMode)| PortConfig {
        target_port: 80,
        published_port: Some(*published),
        publish_mode: Some(*mode),
        ..PortConfig::default()
    };
    service.spec.endpoint_spec = Some(EndpointSpec {
        ports: Some(ports.iter().map(port).collect()),
        ..EndpointSpec::default()
    });
    service
}

#[test]
fn names_and_subnets_are_their_networks_own() {
    let view = make(
        &founded(),
        with_config("one", "192.168.7.0/24", "192.168.7.128/25", "192.168.7.1"),
    )
    .unwrap();
    let text = |spec| make(&view, spec).unwrap_err().to_string();
    assert_eq!(
        text(named("one")),
        "rpc error: code = AlreadyExists desc = network one already exists"
    );
    assert!(text(with_config("two", "192.168.0.0/16", "", "")).contains("Pool overlaps with other one"));
    assert!(text(with_config("two", "172.30.4.0/24", "", "")).contains("Pool overlaps"));
    for bad in [
        with_config("two", "10.9.0.0/30", "", ""),
        with_config("two", "10.9.0.0", "", ""),
        with_config("two", "fd00::/64", "", ""),
        with_config("two", "127.1.0.0/16", "", ""),
        with_config("two", "10.9.0.0/24", "10.8.0.0/25", ""),
        with_config("two", "10.9.0.0/24", "", "10.9.0.255"),
        with_config("two", "", "10.9.0.0/25", ""),
        named("not a name"),
        named(""),
    ] {
        assert!(
            matches!(make(&view, bad.clone()), Err(Refusal::Invalid(_))),
            "{bad:?}"
        );
    }
    make(&view, with_config("two", "10.9.0.0/24", "", "")).unwrap();
}

#[test]
fn what_is_not_built_is_refused_in_words() {
    let options = |key: &str, value: &str| {
        let options: Labels = [(key.to_owned(), value.to_owned())].into();
        NetworkSpec {
            driver_configuration: Some(Driver {
                name: Some("overlay".into()),
                options: Some(options),
            }),
            ..named("net")
        }
    };
    for spec in [
        options("com.docker.network.bridge.name", "x"),
        NetworkSpec {
            ipv6_enabled: Some(true),
            ..named("net")
        },
    ] {
        assert!(matches!(make(&founded(), spec), Err(Refusal::Unimplemented(_))));
    }
    assert!(make(&founded(), options(MTU_OPTION, "1400")).is_ok());
    assert!(make(&founded(), options("encrypted", "false")).is_ok());
    assert!(matches!(
        make(&founded(), options(MTU_OPTION, "9999")),
        Err(Refusal::Invalid(_))
    ));
    assert!(matches!(
        make(&founded(), options("encrypted", "perhaps")),
        Err(Refusal::Invalid(_))
    ));
    let ingress = NetworkSpec {
        ingress: Some(true),
        ..named("mine")
    };
    assert_eq!(
        make(&founded(), ingress).unwrap_err().to_string(),
        "rpc error: code = AlreadyExists desc = ingress network (ing) is already present"
    );
}

#[test]
fn pools_that_are_used_up_are_told_before_anything_is_made() {
    let mut view = View::default();
    let mut first = Transaction::new();
    first.create(Cluster {
        default_addr_pool: Some(vec!["10.3.0.0/24".into()]),
        subnet_size: 25,
        ..Cluster::default()
    });
    view = view.apply(1, &first).unwrap();
    for (name, subnet) in [("a", "10.3.0.0/25"), ("b", "10.3.0.128/25")] {
        view = make(&view, with_config(name, subnet, "", "")).unwrap();
    }
    assert!(matches!(make(&view, named("c")), Err(Refusal::Precondition(_))));
    assert!(pools(&["10.0.0.0/8".into()], 24).is_ok() && pools(&[], 0).is_ok());
    for (bad, size) in [("10.0.0.0/16", 8), ("ten", 24), ("10.0.0.0/8", 31)] {
        assert!(pools(&[bad.into()], size).is_err(), "{bad} {size}");
    }
}

#[test]
fn a_network_in_use_stays() {
    let view = make(&founded(), named("net")).unwrap();
    let id = view
        .networks()
        .find(|network| !network.is_ingress())
        .unwrap()
        .id
        .clone();
    let mut user = service("web", &[id.as_str()], &[]);
    let used = view.apply(3, Transaction::new().create(user.clone())).unwrap();
    assert_eq!(
        remove(&used, &id).unwrap_err().to_string(),
        format!("rpc error: code = FailedPrecondition desc = network {id} is in use by service web")
    );
    user.meta.version.index = 3;
    let free = used.apply(4, Transaction::new().remove(user)).unwrap();
    assert!(
        free.apply(5, &remove(&free, &id).unwrap())
            .unwrap()
            .network(&id)
            .is_none()
    );
    assert!(matches!(
        remove(&free, &"ing".into()),
        Err(Refusal::Precondition(_))
    ));
    assert!(matches!(remove(&free, &"none".into()), Err(Refusal::NotFound(_))));
}

#[test]
fn names_in_specs_become_ids() {
    let view = make(&founded(), named("net")).unwrap();
    let id = view
        .networks()
        .find(|network| !network.is_ingress())
        .unwrap()
        .id
        .to_string();
    for named in ["net", id.as_str(), &id[..9]] {
        let mut spec = service("web", &[named, "bridge"], &[]).spec;
        resolve(&view, &mut spec).unwrap();
        assert_eq!(spec.networks()[0].target(), id);
    }
    let refused = |networks: &[&str], ports: &[(u16, PublishMode)]| {
        resolve(&view, &mut service("web", networks, ports).spec)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(refused(&["nosuch"], &[]), "network nosuch not found");
    assert!(refused(&["none"], &[]).contains("network none cannot be used with services."));
    assert!(refused(&["ingress"], &[]).contains("explicitly attached to the ingress network \"ingress\""));
    assert!(refused(&["net", &id], &[]).contains("named twice"));
    assert!(refused(&["host", "net"], &[]).contains("host"));
    assert!(refused(&["host"], &[(80, PublishMode::Ingress)]).contains("use mode=host"));
    assert!(
        resolve(
            &view,
            &mut service("web", &["host"], &[(80, PublishMode::Host)]).spec
        )
        .is_ok()
    );
}

#[test]
fn a_port_is_one_services() {
    let mut all = Transaction::new();
    all.create(service("mesh", &[], &[(8080, PublishMode::Ingress)]))
        .create(service("host", &[], &[(9090, PublishMode::Host)]));
    let view = View::default().apply(1, &all).unwrap();
    let check = |port, mode| ports(&view, None, &service("new", &[], &[(port, mode)]).spec);
    let text = |port, mode| check(port, mode).unwrap_err().to_string();
    let desc = "rpc error: code = InvalidArgument desc = ";
    assert_eq!(
        text(8080, PublishMode::Ingress),
        format!("{desc}port '8080' is already in use by service 'name-mesh' (mesh) as an ingress port")
    );
    assert_eq!(
        text(8080, PublishMode::Host),
        format!("{desc}port '8080' is already in use by service 'name-mesh' (mesh) as an ingress port")
    );
    assert_eq!(
        text(9090, PublishMode::Ingress),
        format!("{desc}port '9090' is already in use by service 'name-host' (host) as a host-published port")
    );
    assert!(check(9090, PublishMode::Host).is_ok() && check(7070, PublishMode::Ingress).is_ok());
    let own = service("mesh", &[], &[(8080, PublishMode::Ingress)]).spec;
    assert!(ports(&view, Some(&"mesh".into()), &own).is_ok());
}

#[test]
fn an_encrypted_network_needs_a_board_that_can_encrypt() {
    let spec = |value: &str| NetworkSpec {
        driver_configuration: Some(Driver {
            name: Some("overlay".into()),
            options: Some([("encrypted".to_owned(), value.to_owned())].into()),
        }),
        ..named("secret")
    };
    let boards = |view: &View, can: Option<WireguardKey>| {
        let mut joined = Transaction::new();
        for n in [2, 1] {
            let mut node = Node {
                id: format!("{n}-{}", can.is_some()).into(),
                ..Node::default()
            };
            node.description.hostname = format!("board-{n}");
            node.description.wireguard = can.filter(|_| n == 2);
            joined.create(node);
        }
        view.apply(view.index() + 1, &joined).unwrap()
    };
    let without = boards(&founded(), None);
    for value in ["", "true", "1"] {
        let refused = make(&without, spec(value)).unwrap_err().to_string();
        assert!(
            refused.contains(
                "network secret can't be encrypted: the kernels of all boards (board-1, board-2) are"
            ),
            "{refused}"
        );
    }
    make(&boards(&without, Some(WireguardKey([1; 32]))), spec("")).unwrap();
}

#[test]
fn ports_of_the_swarm_itself_are_refused() {
    let mut node = model::Node {
        id: "n".into(),
        ..model::Node::default()
    };
    node.membership.address = Some("10.0.0.7:2377".parse().unwrap());
    let view = View::default().apply(1, Transaction::new().create(node)).unwrap();
    let check = |port, protocol, mode| {
        let mut new = service("new", &[], &[(port, mode)]);
        let asked = new
            .spec
            .endpoint_spec
            .as_mut()
            .and_then(|spec| spec.ports.as_mut());
        asked.unwrap()[0].protocol = Some(protocol);
        ports(&view, None, &new.spec)
    };
    for mode in [PublishMode::Ingress, PublishMode::Host] {
        let refused = check(2377, PortProtocol::Tcp, mode).unwrap_err().to_string();
        assert!(
            refused.contains("port '2377' is already in use by the swarm itself"),
            "{refused}"
        );
        for port in [4789, 4790] {
            assert!(check(port, PortProtocol::Udp, mode).is_err(), "{port}");
        }
        assert!(check(2377, PortProtocol::Udp, mode).is_ok());
        assert!(check(4789, PortProtocol::Tcp, mode).is_ok());
    }
}
