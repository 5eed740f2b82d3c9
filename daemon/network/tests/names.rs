//! Names as a container asks for them: at 127.0.0.11, in its own namespace.

#![allow(
    clippy::unwrap_used,
    reason = "clippy takes helpers outside test functions for no tests"
)]

mod place;

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket},
    path::Path,
    sync::Arc,
    time::Duration,
};

use bramble_network::Network;
use exec::{Endpoint, Fabric, Networking, Overlay, Virtual, Wish};
use hickory_proto::{
    op::{Edns, Message, MessageType, Query, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata},
};
use place::{BOARD, PEER, Place, call, inside, serve, sh, wish};

const SERVER: (Ipv4Addr, u16) = (Ipv4Addr::new(127, 0, 0, 11), 53);
/// Where the board's own resolver is, in the tests' `resolv.conf`.
const RESOLVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 53);
const PATIENCE: Duration = Duration::from_secs(6);

/// How a question goes.
#[derive(Clone, Copy)]
enum Way {
    Udp,
    Tcp,
    /// With room for larger datagrams.
    Edns(u16),
}

/// Asks from a namespace.
async fn ask(from: &Path, name: &str, kind: RecordType, way: Way) -> Message {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    if let Way::Edns(payload) = way {
        let mut edns = Edns::new();
        edns.set_max_payload(payload);
        message.set_edns(edns);
    }
    let (number, question) = (message.metadata.id, message.to_vec().unwrap());
    let answer = inside(Some(from), move || match way {
        Way::Tcp => {
            let mut stream = TcpStream::connect(SERVER).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let length = u16::try_from(question.len()).unwrap();
            stream
                .write_all(&[&length.to_be_bytes()[..], &question].concat())
                .unwrap();
            read_framed(&mut stream)
        }
        Way::Udp | Way::Edns(_) => {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
            // Connected, as resolvers do: only what comes from 127.0.0.11:53 counts.
            socket.connect(SERVER).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket.send(&question).unwrap();
            let mut buffer = vec![0; 65536];
            let length = socket.recv(&mut buffer).unwrap();
            buffer[..length].to_vec()
        }
    })
    .await;
    let answer = Message::from_vec(&answer).unwrap();
    assert_eq!(answer.metadata.id, number);
    answer
}

fn read_framed(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut answer = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut answer).unwrap();
    answer
}

fn addresses(message: &Message) -> Vec<Ipv4Addr> {
    let address = |record: &Record| match &record.data {
        RData::A(address) => Some(address.0),
        _ => None,
    };
    message.answers.iter().filter_map(address).collect()
}

/// A resolver of the world: it says `says` to everything, and is silent where it is asked for `silent.`.
async fn resolver(namespace: Option<&Path>, at: Ipv4Addr, says: &'static str) {
    let (udp, tcp) = inside(namespace, move || {
        let udp = UdpSocket::bind((at, 53)).unwrap();
        let tcp = std::net::TcpListener::bind((at, 53)).unwrap();
        (udp, tcp)
    })
    .await;
    let reply = move |question: &[u8], from: SocketAddr| {
        let mut message = Message::from_vec(question).ok()?;
        let query = message.queries.first()?.clone();
        if query.name.to_ascii() == "silent." {
            return None;
        }
        message.metadata.message_type = MessageType::Response;
        message.edns = None;
        let mut records = vec![RData::A(rdata::A(says.parse().ok()?))];
        if query.query_type == RecordType::TXT {
            records = vec![RData::TXT(rdata::TXT::new(vec![from.ip().to_string()]))];
        }
        message.answers = records
            .into_iter()
            .map(|data| Record::from_rdata(query.name.clone(), 60, data))
            .collect();
        message.to_vec().ok()
    };
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = udp.recv_from(&mut buffer) {
            if let Some(answer) = reply(&buffer[..length], from) {
                let _ = udp.send_to(&answer, from);
            }
        }
    });
    std::thread::spawn(move || {
        while let Ok((mut stream, from)) = tcp.accept() {
            let question = read_framed(&mut stream);
            if let Some(answer) = reply(&question, from) {
                let length = u16::try_from(answer.len()).unwrap();
                let _ = stream.write_all(&[&length.to_be_bytes()[..], &answer].concat());
            }
        }
    });
}

/// A board whose own resolvers are these.
async fn board(place: &Place, resolvers: &str) -> Network {
    std::fs::write(place.dir.join("resolv.conf"), resolvers).unwrap();
    let mut config = place.config();
    config.resolv_conf = place.dir.join("resolv.conf");
    Network::open(config).await.unwrap()
}

/// One network, one service of so many tasks.
fn fabric(tasks: u8) -> Arc<Fabric> {
    let endpoint = |n: u8| Endpoint {
        task: format!("web{n}").as_str().into(),
        name: format!("web.{n}.web{n}"),
        service: "web".into(),
        node: "elsewhere".into(),
        address: Ipv4Addr::new(10, 0, 1, n),
        takes: true,
    };
    let service = |name: &str, address| Virtual {
        service: "web".into(),
        name: name.to_owned(),
        aliases: Vec::new(),
        address,
    };
    let network = Overlay {
        id: "front".into(),
        name: "front".to_owned(),
        vni: 4097,
        subnet: Ipv4Addr::new(10, 0, 1, 0),
        prefix: 24,
        board: Ipv4Addr::new(10, 0, 1, 254),
        internal: false,
        ingress: false,
        encrypted: false,
        mtu: None,
        peers: Vec::new(),
        endpoints: (10..10 + tasks).map(endpoint).collect(),
        services: vec![service("web", Some(Ipv4Addr::new(10, 0, 1, 2)))],
    };
    Arc::new(Fabric {
        number: 1,
        key: None,
        networks: vec![network],
        ports: Vec::new(),
    })
}

fn member(task: &str) -> Wish {
    Wish {
        places: vec![exec::Place {
            network: "front".into(),
            address: Ipv4Addr::new(10, 0, 1, 100),
            prefix: 24,
        }],
        hostname: "me".to_owned(),
        ..wish(task, &[])
    }
}

#[test]
fn names_are_answered_by_datagrams_and_streams() {
    place::run(async |place| {
        let network = board(&place, "").await;
        // The kernel's part is another test's.
        Networking::weave(&network, fabric(60)).await.unwrap();
        let task = network.attach(&member("a")).await.unwrap().namespace;
        for way in [Way::Udp, Way::Tcp, Way::Edns(4096)] {
            let answer = ask(&task, "web.", RecordType::A, way).await;
            assert_eq!(addresses(&answer), [Ipv4Addr::new(10, 0, 1, 2)]);
            let itself = ask(&task, "me.", RecordType::A, way).await;
            assert_eq!(addresses(&itself), [Ipv4Addr::new(10, 0, 1, 100)]);
            let none = ask(&task, "web.", RecordType::AAAA, way).await;
            assert_eq!(
                (none.metadata.response_code, none.answers.len()),
                (ResponseCode::NoError, 0)
            );
        }
        let short = ask(&task, "tasks.web.", RecordType::A, Way::Udp).await;
        assert!(short.metadata.truncation && (20..60).contains(&short.answers.len()));
        for way in [Way::Tcp, Way::Edns(1232)] {
            let whole = ask(&task, "tasks.web.", RecordType::A, way).await;
            assert!(!whole.metadata.truncation);
            assert_eq!(whole.answers.len(), 60);
        }
        // The next question after a change is answered from it.
        for tasks in [1, 3, 2] {
            Networking::weave(&network, fabric(tasks)).await.unwrap();
            let now = ask(&task, "tasks.web.", RecordType::A, Way::Udp).await;
            assert_eq!(now.answers.len(), usize::from(tasks));
        }
        // Several questions in one stream, nonsense at its end.
        let closed = inside(Some(&task), || {
            let mut stream = TcpStream::connect(SERVER).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut question = Message::query();
            question.add_query(Query::query(Name::from_ascii("web.").unwrap(), RecordType::A));
            let question = question.to_vec().unwrap();
            let framed = [
                &u16::try_from(question.len()).unwrap().to_be_bytes()[..],
                &question,
            ]
            .concat();
            stream.write_all(&[framed.clone(), framed].concat()).unwrap();
            assert_eq!(read_framed(&mut stream), read_framed(&mut stream));
            stream.write_all(&[255, 255, 1, 2, 3]).unwrap();
            stream.read(&mut [0]).unwrap_or(0) == 0
        });
        assert!(closed.await);
    });
}

#[test]
fn a_container_may_be_a_dns_server_itself() {
    place::run(async |place| {
        let network = board(&place, "").await;
        Networking::weave(&network, fabric(1)).await.unwrap();
        let task = network.attach(&member("a")).await.unwrap().namespace;
        serve(Some(&task), 53, "pihole").await;
        let itself = ask(&task, "me.", RecordType::A, Way::Udp).await;
        assert_eq!(itself.answers.len(), 1);
        assert_eq!(
            call(Some(&task), Ipv4Addr::LOCALHOST, 53).await.unwrap(),
            "pihole saw 127.0.0.1"
        );
    });
}

#[test]
fn names_of_the_world_are_asked_of_others() {
    place::run(async |place| {
        resolver(None, RESOLVER, "192.0.2.1").await;
        resolver(Some(&place.peer()), PEER, "192.0.2.2").await;
        let network = board(&place, &format!("nameserver {RESOLVER}\n")).await;
        let task = network.attach(&wish("a", &[])).await.unwrap().namespace;
        for way in [Way::Udp, Way::Tcp, Way::Edns(4096)] {
            let answer = ask(&task, "example.com.", RecordType::A, way).await;
            assert_eq!(addresses(&answer), [Ipv4Addr::new(192, 0, 2, 1)]);
        }
        // Read anew, and past one that is not there.
        std::fs::write(
            place.dir.join("resolv.conf"),
            format!("nameserver 127.0.0.99\nnameserver {PEER}\n"),
        )
        .unwrap();
        for way in [Way::Udp, Way::Tcp] {
            let answer = ask(&task, "example.com.", RecordType::A, way).await;
            assert_eq!(addresses(&answer), [Ipv4Addr::new(192, 0, 2, 2)]);
        }
        // A service's own choice is asked from the task's network; the server itself is not asked in circles.
        let chosen = Wish {
            resolvers: vec![IpAddr::V4(SERVER.0), IpAddr::V4(PEER)],
            ..wish("b", &[])
        };
        std::fs::write(place.dir.join("resolv.conf"), "nameserver 127.0.0.99\n").unwrap();
        let other = network.attach(&chosen).await.unwrap().namespace;
        for way in [Way::Udp, Way::Tcp] {
            let answer = ask(&other, "example.com.", RecordType::TXT, way).await;
            assert_eq!(answer.answers[0].data.to_string(), BOARD.to_string());
        }
        // Nobody there, nobody named, nobody who speaks.
        let nobody = ask(&task, "example.com.", RecordType::A, Way::Udp).await;
        assert_eq!(nobody.metadata.response_code, ResponseCode::ServFail);
        std::fs::write(place.dir.join("resolv.conf"), "search home\n").unwrap();
        let nobody = ask(&task, "example.com.", RecordType::A, Way::Tcp).await;
        assert_eq!(nobody.metadata.response_code, ResponseCode::ServFail);
        let nobody = ask(&other, "silent.", RecordType::A, Way::Udp).await;
        assert_eq!(nobody.metadata.response_code, ResponseCode::ServFail);
    });
}

#[test]
fn a_new_daemon_answers_all_tasks_at_the_same_port() {
    place::run(async |place| {
        let network = board(&place, "").await;
        Networking::weave(&network, fabric(1)).await.unwrap();
        let a = network.attach(&member("a")).await.unwrap().namespace;
        let rules = |task: &Path| {
            sh(&format!(
                "nsenter --net={} nft list table ip bramble_names",
                task.display()
            ))
        };
        let before = rules(&a);
        // Another daemon would find the ports free at once; this test's sockets take a moment to go.
        drop(network);
        let listening = || sh(&format!("nsenter --net={} ss -Hlnu", a.display()));
        for _ in 0..100 {
            if listening().is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(listening(), "");
        let network = board(&place, "").await;
        assert_eq!(rules(&a), before);
        Networking::weave(&network, fabric(1)).await.unwrap();
        let itself = ask(&a, "me.", RecordType::A, Way::Udp).await;
        assert_eq!(itself.answers.len(), 1);
        let web = ask(&a, "web.", RecordType::A, Way::Udp).await;
        assert_eq!(web.answers.len(), 1);
        network.detach(&"a".into()).await.unwrap();
        assert!(!place.dir.join("names.json").exists());
        assert!(!a.exists());
    });
}

#[test]
fn a_question_waits_for_a_fabric_that_is_on_its_way() {
    place::run(async |place| {
        let network = board(&place, "").await;
        Networking::weave(&network, fabric(1)).await.unwrap();
        let task = network.attach(&member("a")).await.unwrap().namespace;
        Networking::weave(&network, Arc::default()).await.unwrap();
        let (early, ()) = tokio::join!(ask(&task, "web.", RecordType::A, Way::Udp), async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Networking::weave(&network, fabric(1)).await.unwrap();
        });
        assert_eq!(addresses(&early), [Ipv4Addr::new(10, 0, 1, 2)]);
    });
}
