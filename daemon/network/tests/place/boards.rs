//! Three boards on one LAN, each with a daemon's network of its own, and a caller that is on the LAN itself.

use std::{
    fs::File,
    net::Ipv4Addr,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    sync::Arc,
};

use bramble_network::{Config, Error, Network};
use exec::{Attached, Endpoint, Fabric, MeshPort, Overlay, Peer, Place, Virtual, Wish};
use model::{PortProtocol, WireguardKey};
use nix::sched::{CloneFlags, unshare};
use tokio::{runtime::Handle, sync::oneshot};

use super::sh;

/// The routing mesh's number.
pub const MESH: u32 = 0x1000;
/// The number of the network that services are in.
pub const APP: u32 = 0x1001;
/// The caller's address on the LAN.
pub const CALLER: Ipv4Addr = Ipv4Addr::new(10, 8, 0, 200);
/// The virtual address of service "web".
pub const WEB: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 100);
/// The virtual address of service "idle", which nobody serves.
pub const IDLE: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 101);
/// How many boards there are.
pub const BOARDS: usize = 3;

/// One board.
pub struct Board {
    pub dir: PathBuf,
    network: Option<Network>,
    namespace: File,
    handle: Handle,
    _stop: oneshot::Sender<()>,
}

/// All boards and what managers know of them.
pub struct Boards {
    pub boards: Vec<Board>,
    /// Who is where.
    pub tasks: Vec<Endpoint>,
    /// Whether the network "app" is internal.
    pub internal: bool,
    /// Whether there is a network "app" at all.
    pub app: bool,
    /// Whether the network "app" is encrypted.
    pub encrypted: bool,
    /// Which boards are nodes of the cluster.
    pub member: [bool; BOARDS],
    /// The boards' public keys, as managers were told.
    pub keys: Vec<Option<WireguardKey>>,
    number: u64,
}

/// A board's address on the LAN.
pub fn lan(board: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 8, 0, 11 + u8::try_from(board).unwrap())
}

/// A board's address in a network.
pub fn gate(vni: u32, board: usize) -> Ipv4Addr {
    at(vni, 1 + u8::try_from(board).unwrap())
}

/// An address in a network.
pub fn at(vni: u32, last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, u8::from(vni == APP), last)
}

impl Boards {
    /// Boards without tasks, on the calling thread's network, which becomes the LAN.
    pub async fn new(dir: &Path) -> Self {
        sh(&format!(
            "ip link set lo up; ip link add lan type bridge; ip addr add {CALLER}/24 dev lan; ip link set lan up"
        ));
        let mut boards = Vec::new();
        for number in 0..BOARDS {
            boards.push(Board::new(dir.join(format!("b{number}")), number).await);
        }
        Boards {
            boards,
            tasks: Vec::new(),
            internal: false,
            app: true,
            encrypted: false,
            member: [true; BOARDS],
            keys: vec![None; BOARDS],
            number: 0,
        }
    }

    /// What managers tell a board.
    pub fn fabric(&self, board: usize) -> Fabric {
        let peers = |vni| {
            let others = (0..BOARDS).filter(|other| *other != board && self.member[*other]);
            others
                .map(|other| Peer {
                    node: node(other),
                    address: gate(vni, other),
                    underlay: lan(other),
                    key: self.keys[other],
                })
                .collect()
        };
        let endpoints = |vni| {
            let tasks = self.tasks.iter().cloned();
            tasks
                .map(|task| Endpoint {
                    address: at(vni, task.address.octets()[3]),
                    ..task
                })
                .collect()
        };
        let overlay = |vni, name: &str| Overlay {
            id: name.into(),
            name: name.to_owned(),
            vni,
            subnet: at(vni, 0),
            prefix: 24,
            board: gate(vni, board),
            internal: self.internal && vni == APP,
            ingress: vni == MESH,
            encrypted: self.encrypted && vni == APP,
            mtu: None,
            peers: peers(vni),
            endpoints: endpoints(vni),
            services: vec![service("web", WEB), service("idle", IDLE)],
        };
        let mut networks = vec![overlay(MESH, "ingress")];
        networks.extend(self.app.then(|| overlay(APP, "app")));
        let port = |protocol, published, service: &str| MeshPort {
            protocol,
            published,
            target: 80,
            service: service.into(),
        };
        Fabric {
            number: self.number,
            key: self.keys[board],
            networks,
            ports: vec![
                port(PortProtocol::Tcp, 8080, "web"),
                port(PortProtocol::Udp, 8080, "web"),
                port(PortProtocol::Sctp, 8080, "web"),
                port(PortProtocol::Tcp, 8081, "idle"),
                port(PortProtocol::Udp, 8081, "idle"),
            ],
        }
    }

    /// Tells all boards.
    pub async fn weave(&mut self) {
        self.number += 1;
        for board in 0..BOARDS {
            self.keys[board] = self.boards[board].network().wireguard().await.unwrap();
        }
        for board in 0..BOARDS {
            self.weave_one(board).await;
        }
    }

    /// Tells one board.
    pub async fn weave_one(&self, board: usize) {
        let fabric = Arc::new(self.fabric(board));
        self.boards[board].network().weave(fabric).await.unwrap();
    }

    /// A task of "web" on a board, in both networks. Managers must tell of it before it is attached.
    pub fn add(&mut self, name: &str, board: usize, last: u8) {
        self.tasks.push(Endpoint {
            task: name.into(),
            name: name.to_owned(),
            service: "web".into(),
            node: node(board),
            address: at(MESH, last),
            takes: true,
        });
    }

    /// Attaches a task that was added.
    pub async fn attach(&self, name: &str) -> Attached {
        self.try_attach(name).await.unwrap()
    }

    /// Attaches a task that was added, if that can be.
    pub async fn try_attach(&self, name: &str) -> Result<Attached, Error> {
        let task = self.tasks.iter().find(|task| task.name == name).unwrap();
        let board = (0..BOARDS).find(|n| node(*n) == task.node).unwrap();
        let last = task.address.octets()[3];
        let place = |network: &str, vni| Place {
            network: network.into(),
            address: at(vni, last),
            prefix: 24,
        };
        let wish = Wish {
            task: name.into(),
            places: vec![place("app", APP), place("ingress", MESH)],
            ..Wish::default()
        };
        self.boards[board].network().attach(&wish).await
    }

    /// Adds one task a board, "a" to "c" at .11 to .13, tells all boards and attaches them.
    pub async fn populate(&mut self) -> Vec<Attached> {
        for (n, name) in ["a", "b", "c"].into_iter().enumerate() {
            self.add(name, n, 11 + u8::try_from(n).unwrap());
        }
        self.weave().await;
        vec![
            self.attach("a").await,
            self.attach("b").await,
            self.attach("c").await,
        ]
    }
}

impl Board {
    async fn new(dir: PathBuf, number: usize) -> Self {
        let (tell, told) = oneshot::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let own = dir.clone();
        std::thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            let namespace = File::open("/proc/thread-self/ns/net").unwrap();
            // Threads are born where their maker is: the runtime's are all on the board.
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let handle = Handle::current();
                drop(tell.send((namespace, handle, own)));
                // The sender is dropped with the board.
                let _ = stopped.await;
            });
        });
        let (namespace, handle, dir) = told.await.unwrap();
        let path = format!("/proc/{}/fd/{}", std::process::id(), namespace.as_raw_fd());
        sh(&format!(
            "ip link add port{number} type veth peer name lan0 netns {path}; ip link set port{number} master lan up
             nsenter --net={path} sh -ec 'ip link set lo up; ip addr add {}/24 dev lan0; ip link set lan0 up'",
            lan(number)
        ));
        let network = open(&handle, &dir).await;
        Board {
            dir,
            network: Some(network),
            namespace,
            handle,
            _stop: stop,
        }
    }

    /// The board's namespace.
    pub fn namespace(&self) -> PathBuf {
        PathBuf::from(format!(
            "/proc/{}/fd/{}",
            std::process::id(),
            self.namespace.as_raw_fd()
        ))
    }

    /// Runs a program on the board.
    pub fn sh(&self, line: &str) -> String {
        sh(&format!(
            "nsenter --net={} sh -ec '{line}'",
            self.namespace().display()
        ))
    }

    /// The daemon's part of it.
    pub fn network(&self) -> &Network {
        self.network.as_ref().unwrap()
    }

    /// The daemon ends; all stays as it is.
    pub fn shut(&mut self) {
        self.network = None;
    }

    /// The daemon is started again.
    pub async fn reopen(&mut self) {
        self.shut();
        self.network = Some(open(&self.handle, &self.dir).await);
    }

    /// All that the board's network consists of, as text to compare.
    pub fn trace(&self) -> String {
        let tables = "ip -o link | cut -d: -f2 | cut -d@ -f1 | sort; ip -4 -o addr | tr -s \" \" | cut -d\" \" -f2,4 | sort; ip -6 -o addr show scope global | tr -s \" \" | cut -d\" \" -f2,4 | sort
            ip route | sed \"s/ linkdown//\" | sort; ip rule; nft list ruleset; cat /proc/sys/net/ipv4/ip_forward
            ip neigh show nud permanent | sort; bridge fdb | grep -e dst -e static | sort";
        let files = sh(&format!("find {} | sort", self.dir.display()));
        sorted(&(self.sh(tables) + &files))
    }
}

/// Lines in an order of their own: nft tells the elements of a set in any.
pub fn sorted(text: &str) -> String {
    let line = |line: &str| {
        let bare = line.trim().trim_start_matches("elements = { ");
        bare.trim_end_matches(" }").trim_end_matches(',').to_owned()
    };
    let mut lines: Vec<String> = text.lines().map(line).collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// What one text has more than another, and less.
pub fn changes(before: &str, after: &str) -> String {
    let only = |one: &str, other: &str, sign: char| {
        let lines = one
            .lines()
            .filter(|line| !other.lines().any(|known| known == *line));
        lines.map(|line| format!("{sign} {line}\n")).collect::<String>()
    };
    only(after, before, '+') + &only(before, after, '-')
}

async fn open(handle: &Handle, dir: &Path) -> Network {
    let config = Config::in_run_dir(dir);
    let opening = handle.spawn(async move { Network::open(config).await.unwrap() });
    opening.await.unwrap()
}

fn node(board: usize) -> model::NodeId {
    format!("node{board}").as_str().into()
}

fn service(name: &str, address: Ipv4Addr) -> Virtual {
    Virtual {
        service: name.into(),
        name: name.to_owned(),
        aliases: Vec::new(),
        address: Some(address),
    }
}
