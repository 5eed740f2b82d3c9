//! A board of its own for each test: fresh network and mount namespaces, a neighbour on its LAN, servers and callers in any
//! of them. Everything ends with the test's threads, also if it fails.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(
    clippy::unwrap_used,
    reason = "clippy takes helpers outside test functions for no tests"
)]

pub mod boards;

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket},
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use bramble_network::{Config, Network};
use exec::{HostPort, Wish};
use model::PortProtocol;
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, setns, unshare},
    sys::{
        socket::{
            AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, recv, sendto, setsockopt,
            socket, sockopt::ReceiveTimeout,
        },
        time::{TimeVal, TimeValLike},
    },
};
use tokio::sync::oneshot;

/// The board's address on the LAN.
pub const BOARD: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 11);
/// The neighbour's address on the LAN.
pub const PEER: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const PATIENCE: Duration = Duration::from_secs(2);

/// One test's board.
pub struct Place {
    pub dir: PathBuf,
    peer: File,
}

/// Runs a test in a place of its own.
pub fn run(test: impl AsyncFnOnce(Place) + Send + 'static) {
    // Removed out here, where the namespaces' mounts are not seen.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_owned();
    let board = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).unwrap();
        mount(
            None::<&str>,
            "/",
            None::<&str>,
            MsFlags::MS_REC | MsFlags::MS_PRIVATE,
            None::<&str>,
        )
        .unwrap();
        // Threads are born where their maker is: the runtime's are all on the board.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let place = Place::new(path).await;
            test(place).await;
        });
    });
    if let Err(panic) = board.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Runs a program to its end and returns what it printed.
pub fn sh(line: &str) -> String {
    let output = Command::new("sh").args(["-ec", line]).output().unwrap();
    assert!(
        output.status.success(),
        "{line}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// A wish for TCP ports.
pub fn wish(task: &str, tcp: &[(u16, u16)]) -> Wish {
    let port = |&(published, target): &(u16, u16)| HostPort {
        protocol: PortProtocol::Tcp,
        published,
        target,
    };
    Wish {
        task: task.into(),
        host_ports: tcp.iter().map(port).collect(),
        ..Wish::default()
    }
}

impl Place {
    async fn new(dir: PathBuf) -> Self {
        let peer = on_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            File::open("/proc/thread-self/ns/net").unwrap()
        })
        .await;
        let place = Place { dir, peer };
        let peer = place.peer().display().to_string();
        sh(&format!(
            "ip link set lo up; ip link add lan0 type veth peer name lan0 netns {peer}
             ip addr add {BOARD}/24 dev lan0; ip link set lan0 up
             nsenter --net={peer} sh -ec 'ip link set lo up; ip addr add {PEER}/24 dev lan0; ip link set lan0 up'"
        ));
        place
    }

    /// The neighbour's namespace.
    pub fn peer(&self) -> PathBuf {
        PathBuf::from(format!(
            "/proc/{}/fd/{}",
            std::process::id(),
            self.peer.as_raw_fd()
        ))
    }

    pub fn config(&self) -> Config {
        Config::in_run_dir(&self.dir)
    }

    pub async fn open(&self) -> Network {
        Network::open(self.config()).await.unwrap()
    }
}

async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = oneshot::channel();
    std::thread::spawn(move || drop(tell.send(work())));
    told.await.unwrap()
}

/// Runs blocking work in a namespace, or on the board.
pub async fn inside<T: Send + 'static>(
    namespace: Option<&Path>,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    let namespace = namespace.map(Path::to_owned);
    on_thread(move || {
        if let Some(path) = namespace {
            setns(File::open(path).unwrap(), CloneFlags::CLONE_NEWNET).unwrap();
        }
        work()
    })
    .await
}

/// Answers every TCP caller and every datagram with `name` and the address that it comes from.
pub async fn serve(namespace: Option<&Path>, port: u16, name: &'static str) {
    let (tcp, udp) = inside(namespace, move || {
        let tcp = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap();
        tcp.set_nonblocking(true).unwrap();
        let udp = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap();
        udp.set_nonblocking(true).unwrap();
        (tcp, udp)
    })
    .await;
    let tcp = tokio::net::TcpListener::from_std(tcp).unwrap();
    let udp = tokio::net::UdpSocket::from_std(udp).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, from)) = tcp.accept().await {
            let mut stream = stream.into_std().unwrap();
            stream.set_nonblocking(false).unwrap();
            let _ = write!(stream, "{name} saw {}", from.ip());
        }
    });
    tokio::spawn(async move {
        let mut buffer = [0; 16];
        while let Ok((_, from)) = udp.recv_from(&mut buffer).await {
            let _ = udp
                .send_to(format!("{name} saw {}", from.ip()).as_bytes(), from)
                .await;
        }
    });
}

/// What the TCP server at an address says to a caller in a namespace.
pub async fn call(from: Option<&Path>, address: Ipv4Addr, port: u16) -> std::io::Result<String> {
    inside(from, move || {
        let mut stream = TcpStream::connect_timeout(&SocketAddr::from((address, port)), PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    })
    .await
}

/// What the UDP server at an address says to a caller in a namespace.
pub async fn call_udp(from: Option<&Path>, address: Ipv4Addr, port: u16) -> std::io::Result<String> {
    inside(from, move || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect((address, port))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.send(b"?")?;
        let mut buffer = [0; 64];
        let length = socket.recv(&mut buffer)?;
        Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
    })
    .await
}

/// Who answered how often.
pub async fn ask(from: Option<&Path>, address: Ipv4Addr, port: u16, times: usize) -> BTreeMap<String, usize> {
    let mut answers = BTreeMap::new();
    for _ in 0..times {
        let answer = call(from, address, port).await.unwrap();
        *answers.entry(answer).or_default() += 1;
    }
    answers
}

/// Runs a program in a namespace and returns what it printed.
pub fn within(namespace: &Path, line: &str) -> String {
    sh(&format!("nsenter --net={} {line}", namespace.display()))
}

/// Whether an address answers to an echo request from a namespace.
pub async fn ping(from: Option<&Path>, address: Ipv4Addr) -> bool {
    inside(from, move || {
        let kind = SockType::Raw;
        let socket = socket(AddressFamily::Inet, kind, SockFlag::empty(), SockProtocol::Icmp).unwrap();
        let patience = TimeVal::seconds(2);
        setsockopt(&socket, ReceiveTimeout, &patience).unwrap();
        // Type 8, code 0, checksum, identifier 1, number 1.
        let request = [8, 0, 0xf7, 0xfd, 0, 1, 0, 1];
        let to = SockaddrIn::from(SocketAddrV4::new(address, 0));
        sendto(socket.as_raw_fd(), &request, &to, MsgFlags::empty()).unwrap();
        let mut buffer = [0; 64];
        // A socket of this kind hears all: its own request if it is one to itself.
        while let Ok(length) = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            if length >= 28 && buffer[20] == 0 {
                return true;
            }
        }
        false
    })
    .await
}

/// All that a board's network consists of, as text to compare. Without IPv6's addresses and carriers, which
/// come in their own time.
pub fn trace(dir: &Path) -> String {
    sh(&format!(
        "ip -o link | cut -d: -f2 | cut -d@ -f1 | sort; ip -4 -o addr | awk '{{print $2,$4}}' | sort; ip route | sed 's/ linkdown//' | sort; nft list ruleset
         cat /proc/sys/net/ipv4/ip_forward; find {0} | sort; grep -c {0} /proc/self/mounts || true",
        dir.display()
    ))
}
