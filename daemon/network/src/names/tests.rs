use std::net::Ipv4Addr;

use exec::{Endpoint, Fabric, Overlay, Place, Virtual};
use hickory_proto::{
    op::{Edns, Message, MessageType, OpCode, Query, ResponseCode},
    rr::{DNSClass, Name, RData, RecordType},
};
use proptest::prelude::*;

use super::{
    message::{Asked, LARGE, Read, Verdict, read, renumbered},
    zone::{Own, Zone},
};

fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

fn endpoint(service: &str, slot: u8, address: &str, takes: bool) -> Endpoint {
    Endpoint {
        task: format!("id{slot}").as_str().into(),
        name: format!("{service}.{slot}.id{slot}"),
        service: service.into(),
        node: "n".into(),
        address: ip(address),
        takes,
    }
}

fn service(name: &str, aliases: &[&str], address: Option<&str>) -> Virtual {
    Virtual {
        service: name.into(),
        name: name.to_owned(),
        aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
        address: address.map(ip),
    }
}

fn overlay(name: &str, subnet: &str, endpoints: Vec<Endpoint>, services: Vec<Virtual>) -> Overlay {
    Overlay {
        id: name.into(),
        name: name.to_owned(),
        vni: 4097,
        subnet: ip(subnet),
        prefix: 24,
        board: ip(subnet),
        internal: false,
        ingress: name == "ingress",
        encrypted: false,
        mtu: None,
        peers: Vec::new(),
        endpoints,
        services,
    }
}

fn place(network: &str, address: &str) -> Place {
    Place {
        network: network.into(),
        address: ip(address),
        prefix: 24,
    }
}

/// A shop in front of a store; the task asked of is in both and in the routing mesh.
fn fabric() -> Fabric {
    let front = overlay(
        "front",
        "10.0.1.0",
        vec![
            endpoint("web", 1, "10.0.1.11", true),
            endpoint("web", 2, "10.0.1.12", true),
            endpoint("web", 3, "10.0.1.13", false),
            endpoint("shop", 1, "10.0.1.21", true),
            endpoint("lost", 1, "10.0.1.31", false),
        ],
        vec![
            service("web", &["www", "shared"], Some("10.0.1.2")),
            service("shop", &["shared"], Some("10.0.1.3")),
            service("lost", &[], None),
        ],
    );
    let back = overlay(
        "back",
        "10.0.2.0",
        vec![
            endpoint("db", 1, "10.0.2.11", true),
            endpoint("db", 2, "10.0.2.12", true),
            endpoint("db", 3, "10.0.2.13", true),
            endpoint("db", 4, "10.0.2.14", false),
        ],
        vec![
            service("db", &["store"], None),
            service("web", &[], Some("10.0.2.2")),
        ],
    );
    let elsewhere = overlay(
        "elsewhere",
        "10.0.3.0",
        vec![endpoint("secret", 1, "10.0.3.11", true)],
        vec![service("secret", &[], Some("10.0.3.2"))],
    );
    let ingress = overlay(
        "ingress",
        "10.0.0.0",
        vec![endpoint("open", 1, "10.0.0.11", true)],
        vec![service("open", &[], Some("10.0.0.2"))],
    );
    Fabric {
        number: 1,
        key: None,
        networks: vec![ingress, back, front, elsewhere],
        ports: Vec::new(),
    }
}

fn own() -> Own {
    Own {
        hostname: "0123456789ab".to_owned(),
        address: ip("172.30.0.5"),
        places: vec![
            place("ingress", "10.0.0.21"),
            place("front", "10.0.1.21"),
            place("back", "10.0.2.21"),
        ],
        resolvers: Vec::new(),
    }
}

fn question(name: &str, kind: RecordType, payload: Option<u16>) -> Vec<u8> {
    let mut message = Message::query();
    message.metadata.id = 77;
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    if let Some(payload) = payload {
        let mut edns = Edns::new();
        edns.set_max_payload(payload);
        message.set_edns(edns);
    }
    message.to_vec().unwrap()
}

fn asked(bytes: &[u8]) -> Asked {
    match read(bytes) {
        Read::Asked(asked) => *asked,
        _ => panic!("not a question"),
    }
}

/// What is answered; none if others are asked.
fn answer(name: &str, kind: RecordType, turn: usize) -> Option<Message> {
    let (fabric, own) = (fabric(), own());
    let zone = Zone {
        fabric: &fabric,
        own: &own,
    };
    let asked = asked(&question(name, kind, None));
    let bytes = asked.answer(&zone, turn, asked.limit())?;
    let message = Message::from_vec(&bytes).unwrap();
    assert_eq!(
        (message.metadata.id, message.metadata.message_type),
        (77, MessageType::Response)
    );
    assert!(message.metadata.recursion_available && message.metadata.recursion_desired);
    assert_eq!(message.queries.len(), 1);
    Some(message)
}

fn addresses(message: &Message) -> Vec<String> {
    let text = |data: &RData| match data {
        RData::A(address) => address.to_string(),
        RData::PTR(name) => name.to_string(),
        other => panic!("{other:?}"),
    };
    message.answers.iter().map(|record| text(&record.data)).collect()
}

#[test]
fn names_stand_for_what_is_in_the_task_s_networks() {
    let table: &[(&str, &[&str])] = &[
        // The first network has a virtual address for it.
        ("web.", &["10.0.1.2"]),
        ("WEB.", &["10.0.1.2"]),
        ("www.", &["10.0.1.2"]),
        // Two services under one alias.
        ("shared.", &["10.0.1.2", "10.0.1.3"]),
        ("tasks.web.", &["10.0.1.11", "10.0.1.12"]),
        ("Tasks.WWW.", &["10.0.1.11", "10.0.1.12"]),
        ("tasks.shared.", &["10.0.1.11", "10.0.1.12", "10.0.1.21"]),
        // No virtual address: all tasks that take connections.
        ("db.", &["10.0.2.11", "10.0.2.12", "10.0.2.13"]),
        ("store.", &["10.0.2.11", "10.0.2.12", "10.0.2.13"]),
        ("tasks.db.", &["10.0.2.11", "10.0.2.12", "10.0.2.13"]),
        // Known, but nobody is there.
        ("lost.", &[]),
        ("tasks.lost.", &[]),
        // Single tasks, those too that are about to end.
        ("web.1.id1.", &["10.0.1.11"]),
        ("web.3.id3.", &["10.0.1.13"]),
        // In one network.
        ("web.front.", &["10.0.1.2"]),
        ("web.back.", &["10.0.2.2"]),
        ("db.back.", &["10.0.2.11", "10.0.2.12", "10.0.2.13"]),
        ("tasks.db.Back.", &["10.0.2.11", "10.0.2.12", "10.0.2.13"]),
        ("web.1.id1.front.", &["10.0.1.11"]),
        // Itself, in the first of its networks that has names.
        ("0123456789AB.", &["10.0.1.21"]),
    ];
    for (name, expected) in table {
        let message = answer(name, RecordType::A, 0).unwrap_or_else(|| panic!("{name} is asked of others"));
        assert_eq!(addresses(&message), *expected, "{name}");
        assert_eq!(message.metadata.response_code, ResponseCode::NoError, "{name}");
        assert!(message.answers.iter().all(|record| record.ttl == 2), "{name}");
    }
}

#[test]
fn other_names_are_asked_of_others() {
    // A network that the task is not in, the routing mesh, the world.
    for name in [
        "secret.",
        "tasks.secret.",
        "secret.elsewhere.",
        "web.elsewhere.",
        "open.",
        "open.ingress.",
        "tasks.",
        "tasks.nothing.",
        "front.",
        "nothing.",
        "example.com.",
        "web.example.com.",
        ".",
    ] {
        assert!(answer(name, RecordType::A, 0).is_none(), "{name}");
    }
}

#[test]
fn no_name_of_ours_holds_a_dot_in_a_label_or_what_is_no_text() {
    let (fabric, own) = (fabric(), own());
    let zone = Zone {
        fabric: &fabric,
        own: &own,
    };
    for labels in [
        &[&b"tasks.web"[..]][..],
        &[b"w\xc3b"],
        &[b"web\0"],
        &[b"", b"web"],
    ] {
        let Ok(name) = Name::from_labels(labels.iter().copied()) else {
            continue;
        };
        let mut message = Message::query();
        message.add_query(Query::query(name, RecordType::A));
        let asked = asked(&message.to_vec().unwrap());
        assert!(asked.answer(&zone, 0, 512).is_none(), "{labels:?}");
    }
}

#[test]
fn a_known_name_has_no_other_kinds_of_records() {
    for kind in [
        RecordType::AAAA,
        RecordType::MX,
        RecordType::HTTPS,
        RecordType::SRV,
    ] {
        let message = answer("web.", kind, 0).unwrap();
        assert_eq!(message.metadata.response_code, ResponseCode::NoError);
        assert!(message.answers.is_empty());
        assert!(answer("example.com.", kind, 0).is_none());
    }
    assert_eq!(
        addresses(&answer("web.", RecordType::ANY, 0).unwrap()),
        ["10.0.1.2"]
    );
}

#[test]
fn tasks_take_turns_in_being_first() {
    let firsts: Vec<_> = (0..4)
        .map(|turn| addresses(&answer("db.", RecordType::A, turn).unwrap())[0].clone())
        .collect();
    assert_eq!(firsts, ["10.0.2.11", "10.0.2.12", "10.0.2.13", "10.0.2.11"]);
}

#[test]
fn addresses_have_names() {
    for (address, name) in [
        ("10.0.1.11", "web.1.id1.front."),
        ("10.0.1.13", "web.3.id3.front."),
        ("10.0.1.2", "web.front."),
        ("10.0.2.12", "db.2.id2.back."),
        ("172.30.0.5", "0123456789ab."),
    ] {
        let reversed = Name::from(ip(address)).to_ascii();
        let message = answer(&reversed, RecordType::PTR, 0).unwrap_or_else(|| panic!("{address}"));
        assert_eq!(addresses(&message), [name]);
    }
    // Nobody has it, and nobody outside need know that it was asked for.
    let message = answer("200.1.0.10.in-addr.arpa.", RecordType::PTR, 0).unwrap();
    assert_eq!(message.metadata.response_code, ResponseCode::NXDomain);
    for foreign in [
        "11.3.0.10.in-addr.arpa.",
        "6.0.30.172.in-addr.arpa.",
        "8.8.8.8.in-addr.arpa.",
        "1.0.10.in-addr.arpa.",
        "1.1.1.0.10.in-addr.arpa.",
        "1.0.0.0.ip6.arpa.",
        "x.in-addr.arpa.",
    ] {
        assert!(answer(foreign, RecordType::PTR, 0).is_none(), "{foreign}");
    }
}

#[test]
fn a_task_without_networks_knows_itself_only() {
    let (fabric, mut own) = (fabric(), own());
    own.places.clear();
    let zone = Zone {
        fabric: &fabric,
        own: &own,
    };
    assert!(zone.is_whole());
    let ask = |name: &str| asked(&question(name, RecordType::A, None)).answer(&zone, 0, 512);
    assert!(ask("web.").is_none());
    let itself = Message::from_vec(&ask("0123456789ab.").unwrap()).unwrap();
    assert_eq!(addresses(&itself), ["172.30.0.5"]);
    own.places.push(place("coming", "10.0.9.9"));
    let zone = Zone {
        fabric: &fabric,
        own: &own,
    };
    assert!(!zone.is_whole());
}

#[test]
fn what_has_no_room_is_left_out_and_said_to_be() {
    let (mut fabric, own) = (fabric(), own());
    let front = fabric
        .networks
        .iter_mut()
        .find(|one| one.name == "front")
        .unwrap();
    front.services = vec![service("web", &[], None)];
    front.endpoints = (1..=250)
        .map(|slot| endpoint("web", slot, &format!("10.0.1.{slot}"), true))
        .collect();
    let zone = Zone {
        fabric: &fabric,
        own: &own,
    };
    for (payload, few, many) in [
        (None, 25, 32),
        (Some(1232), 70, 77),
        (Some(100), 25, 32),
        (Some(65535), 100, 100),
    ] {
        let asked = asked(&question("web.", RecordType::A, payload));
        let bytes = asked.answer(&zone, 3, asked.limit()).unwrap();
        assert!(
            bytes.len() <= usize::from(payload.unwrap_or(512).clamp(512, LARGE)),
            "{payload:?}"
        );
        let message = Message::from_vec(&bytes).unwrap();
        assert!(
            (few..=many).contains(&message.answers.len()),
            "{payload:?}: {}",
            message.answers.len()
        );
        assert_eq!(message.metadata.truncation, message.answers.len() < 250);
        assert_eq!(message.edns.is_some(), payload.is_some());
    }
    let asked = asked(&question("web.", RecordType::A, None));
    let message = Message::from_vec(&asked.answer(&zone, 0, u16::MAX).unwrap()).unwrap();
    assert_eq!((message.answers.len(), message.metadata.truncation), (250, false));
}

#[test]
fn what_is_no_question_gets_what_it_deserves() {
    let code = |bytes: &[u8]| match read(bytes) {
        Read::Refused(answer) => Some(Message::from_vec(&answer).unwrap().metadata.response_code),
        Read::Nonsense => None,
        Read::Asked(_) => panic!("taken for a question"),
    };
    let good = question("web.", RecordType::A, None);
    let mut changed = good.clone();
    changed[2] |= 0x80;
    assert_eq!(code(&changed), None, "an answer");
    assert_eq!(code(&good[..good.len() - 1]), None, "cut off");
    assert_eq!(code(&good[..11]), None);
    assert_eq!(code(b""), None);
    let mut changed = good.clone();
    changed[2] |= 4 << 3;
    assert_eq!(code(&changed), Some(ResponseCode::NotImp), "NOTIFY");
    for count in [0, 2, 255] {
        let mut changed = good.clone();
        changed[5] = count;
        assert_eq!(code(&changed), Some(ResponseCode::FormErr), "{count} questions");
    }
    assert_eq!(
        code(&question("web.", RecordType::AXFR, None)),
        Some(ResponseCode::Refused)
    );
    let mut chaos = Message::query();
    let mut query = Query::query(Name::from_ascii("version.bind.").unwrap(), RecordType::TXT);
    query.set_query_class(DNSClass::CH);
    chaos.add_query(query);
    assert_eq!(code(&chaos.to_vec().unwrap()), Some(ResponseCode::Refused));
    let mut future = Message::from_vec(&good).unwrap();
    let mut edns = Edns::new();
    edns.set_version(1);
    future.set_edns(edns);
    let Read::Refused(answer) = read(&future.to_vec().unwrap()) else {
        panic!("EDNS of a version to come");
    };
    let answer = Message::from_vec(&answer).unwrap();
    let code = (
        answer.edns.unwrap().rcode_high(),
        answer.metadata.response_code.low(),
    );
    assert_eq!(code, (1, 0), "BADVERS is 16, in two halves");
}

#[test]
fn only_the_answer_to_the_very_question_counts() {
    let bytes = question("Example.com.", RecordType::A, None);
    let asked = asked(&bytes);
    let answer = |change: &dyn Fn(&mut Message)| {
        let mut message = Message::from_vec(&renumbered(&bytes, 4711)).unwrap();
        message.metadata.message_type = MessageType::Response;
        change(&mut message);
        asked.is_answered_by(4711, &message.to_vec().unwrap())
    };
    assert_eq!(answer(&|_| {}), Some(Verdict::Final));
    assert_eq!(
        answer(&|m| m.metadata.response_code = ResponseCode::NXDomain),
        Some(Verdict::Final)
    );
    assert_eq!(
        answer(&|m| m.metadata.response_code = ResponseCode::ServFail),
        Some(Verdict::Helpless)
    );
    assert_eq!(answer(&|m| m.metadata.id = 4712), None);
    assert_eq!(answer(&|m| m.metadata.message_type = MessageType::Query), None);
    assert_eq!(
        answer(&|m| m.queries = vec![Query::query(
            Name::from_ascii("evil.com.").unwrap(),
            RecordType::A
        )]),
        None
    );
    assert_eq!(answer(&|m| m.queries.clear()), None);
    let refusal = |m: &mut Message| {
        m.queries.clear();
        m.metadata.response_code = ResponseCode::FormErr;
    };
    assert_eq!(answer(&refusal), Some(Verdict::Helpless));
    assert_eq!(asked.is_answered_by(4711, b"too short"), None);
}

fn any_answer(bytes: &[u8]) -> Option<Vec<u8>> {
    let (fabric, own) = (fabric(), own());
    let zone = Zone {
        fabric: &fabric,
        own: &own,
    };
    match read(bytes) {
        Read::Nonsense => None,
        Read::Refused(answer) => Some(answer),
        Read::Asked(asked) => {
            asked.is_answered_by(asked.number(), bytes);
            let limit = asked.limit();
            let answer = asked.answer(&zone, usize::MAX, limit);
            Some(answer.unwrap_or_else(|| {
                assert!(!asked.too_long().is_empty());
                asked.nobody_answers()
            }))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_comes_in_an_answer_is_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        if let Some(answer) = any_answer(&bytes) {
            let message = Message::from_vec(&answer).unwrap();
            prop_assert_eq!(message.metadata.message_type, MessageType::Response);
            prop_assert_eq!(&answer[..2], &bytes[..2]);
        }
    }

    #[test]
    fn questions_bent_out_of_shape_do_no_harm(
        name in prop::sample::select(vec!["web.", "tasks.db.", "example.com.", "11.1.0.10.in-addr.arpa."]),
        kind in any::<u16>(),
        payload in prop::option::of(any::<u16>()),
        bends in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = question(name, RecordType::from(kind), payload);
        for (at, byte) in bends {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Some(answer) = any_answer(&bytes) {
            prop_assert!(answer.len() <= usize::from(LARGE));
            prop_assert!(Message::from_vec(&answer).is_ok());
        }
    }

    #[test]
    fn a_name_never_leads_into_a_network_that_the_task_is_not_in(name in "(tasks\\.)?[a-z]{1,6}(\\.[a-z]{1,9}){0,2}") {
        if let Some(answer) = any_answer(&question(&format!("{name}."), RecordType::A, None)) {
            for address in addresses(&Message::from_vec(&answer).unwrap()) {
                prop_assert!(!address.starts_with("10.0.3.") && !address.starts_with("10.0.0."));
            }
        }
    }
}

#[test]
fn an_unknown_kind_of_message_is_told_so() {
    let mut message = Message::query();
    message.metadata.op_code = OpCode::Update;
    let answer = any_answer(&message.to_vec().unwrap()).unwrap();
    assert_eq!(
        Message::from_vec(&answer).unwrap().metadata.response_code,
        ResponseCode::NotImp
    );
}
