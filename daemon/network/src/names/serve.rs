//! One task's server: datagrams and streams in, answers out.
//!
//! Names of the cluster are answered on the spot. What is of the world is passed on by tasks of its own, as many at a
//! time as [`FORWARDED`]: a container that asks more gets `SERVFAIL` at once, and its neighbours lose nothing.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use exec::Fabric;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::{Semaphore, oneshot, watch},
    task::JoinSet,
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{
    forward::{self, Origin, Way, framed},
    message::{Asked, LARGE, Read, read},
    zone::{Own, Zone},
};

/// Questions of one task that others are being asked.
const FORWARDED: usize = 128;
/// Streams of one task.
const STREAMS: usize = 32;
/// Before a stream that says nothing is closed.
const SILENCE: Duration = Duration::from_secs(10);
/// After a socket's error, which may last.
const BREATH: Duration = Duration::from_millis(100);
/// How long the board's fabric may come after a task that has a place in it.
const FABRIC_LAG: Duration = Duration::from_secs(4);

/// What a task's server needs to know.
pub struct Desk {
    /// The board's networks; none before they were told for the first time.
    pub fabric: watch::Receiver<Option<Arc<Fabric>>>,
    /// The task's own.
    pub own: watch::Receiver<Arc<Own>>,
    /// Its namespace.
    pub netns: PathBuf,
    /// The board's `resolv.conf`.
    pub resolv_conf: PathBuf,
    /// Counts answers, so that addresses take turns.
    turn: AtomicUsize,
    forwarded: Semaphore,
    streams: Semaphore,
    /// Until then a name that is not found may be one of a network that the board has not heard of yet.
    settled: Instant,
}

/// The sockets in the task's namespace.
pub struct Sockets {
    /// For datagrams.
    pub udp: UdpSocket,
    /// For streams.
    pub tcp: TcpListener,
}

/// Serves until `stop` is told or dropped. When this is over, no socket is left.
pub async fn serve(sockets: Sockets, desk: Arc<Desk>, mut stop: oneshot::Receiver<()>) {
    let Sockets { udp, tcp } = sockets;
    let udp = Arc::new(udp);
    let mut work = JoinSet::new();
    // One byte more, to tell what is too long from what just fits.
    let mut buffer = vec![0; usize::from(LARGE) + 1];
    loop {
        tokio::select! {
            _ = &mut stop => break,
            Some(_) = work.join_next(), if !work.is_empty() => {}
            came = udp.recv_from(&mut buffer) => match came {
                Ok((length, asker)) => {
                    let question = buffer.get(..length).filter(|_| length <= usize::from(LARGE));
                    datagram(&desk, &udp, question.unwrap_or_default(), asker, &mut work).await;
                }
                Err(error) => pause(&error).await,
            },
            came = tcp.accept() => match came {
                Ok((stream, _)) => if work.len() < FORWARDED + STREAMS {
                    let desk = desk.clone();
                    work.spawn(async move { streamed(&desk, stream).await });
                },
                Err(error) => pause(&error).await,
            },
        }
    }
    work.shutdown().await;
}

async fn pause(error: &std::io::Error) {
    tracing::debug!(%error, "a name server's socket");
    sleep(BREATH).await;
}

async fn datagram(
    desk: &Arc<Desk>,
    udp: &Arc<UdpSocket>,
    question: &[u8],
    asker: SocketAddr,
    work: &mut JoinSet<()>,
) {
    let answer = match read(question) {
        Read::Nonsense => return,
        Read::Refused(answer) => answer,
        Read::Asked(asked) => match desk.known(&asked, asked.limit()) {
            Some(answer) => answer,
            None if work.len() >= FORWARDED + STREAMS => asked.nobody_answers(),
            None => {
                let (desk, udp, question) = (desk.clone(), udp.clone(), question.to_vec());
                work.spawn(async move {
                    let answer = desk.passed_on(&asked, &question, Way::Udp).await;
                    let _ = udp.send_to(&answer, asker).await;
                });
                return;
            }
        },
    };
    // An asker that went away, or one whose buffer is full, asks again if it cares.
    let _ = udp.try_send_to(&answer, asker);
}

/// Serves one stream, question by question, until it is closed, silent or nonsense.
async fn streamed(desk: &Desk, mut stream: TcpStream) {
    let Ok(_place) = desk.streams.try_acquire() else {
        return;
    };
    while let Ok(Some(question)) = timeout(SILENCE, next(&mut stream)).await {
        let answer = match read(&question) {
            Read::Nonsense => return,
            Read::Refused(answer) => answer,
            Read::Asked(asked) => match desk.known(&asked, u16::MAX) {
                Some(answer) => answer,
                None => desk.passed_on(&asked, &question, Way::Tcp).await,
            },
        };
        let written = timeout(SILENCE, stream.write_all(&framed(&answer))).await;
        if !matches!(written, Ok(Ok(()))) {
            return;
        }
    }
}

async fn next(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let length = stream.read_u16().await.ok().filter(|length| *length <= LARGE)?;
    let mut question = vec![0; length.into()];
    stream.read_exact(&mut question).await.ok()?;
    Some(question)
}

impl Desk {
    /// A desk for a task that has just come, or that a new daemon took over.
    pub fn new(
        fabric: watch::Receiver<Option<Arc<Fabric>>>,
        own: watch::Receiver<Arc<Own>>,
        netns: PathBuf,
        resolv_conf: PathBuf,
    ) -> Self {
        Desk {
            fabric,
            own,
            netns,
            resolv_conf,
            turn: AtomicUsize::new(0),
            forwarded: Semaphore::new(FORWARDED),
            streams: Semaphore::new(STREAMS),
            settled: Instant::now() + FABRIC_LAG,
        }
    }

    /// The answer, if the question is about a name of the cluster.
    fn known(&self, asked: &Asked, limit: u16) -> Option<Vec<u8>> {
        // Not for AAAA, which callers ask beside A: with two tasks the same one would always be the first.
        let step = usize::from(asked.is_for_addresses());
        let turn = self.turn.fetch_add(step, Ordering::Relaxed);
        let (fabric, own) = (self.fabric.borrow().clone(), self.own.borrow().clone());
        let fabric = fabric.unwrap_or_default();
        let zone = Zone {
            fabric: &fabric,
            own: &own,
        };
        asked.answer(&zone, turn, limit)
    }

    fn whole(&self, fabric: Option<&Arc<Fabric>>) -> bool {
        let own = self.own.borrow();
        let zone = |fabric| Zone { fabric, own: &own };
        fabric.map_or(own.places.is_empty(), |fabric| zone(fabric).is_whole())
    }

    /// The answer to what is not known here: that of others, unless the board is about to learn it.
    async fn passed_on(&self, asked: &Asked, question: &[u8], way: Way) -> Vec<u8> {
        let Ok(_place) = self.forwarded.try_acquire() else {
            return asked.nobody_answers();
        };
        let mut fabric = self.fabric.clone();
        let lagging = !self.whole(fabric.borrow_and_update().as_ref());
        let whole = fabric.wait_for(|fabric| self.whole(fabric.as_ref()));
        if lagging && matches!(timeout_at(self.settled, whole).await, Ok(Ok(_))) {
            let limit = match way {
                Way::Udp => asked.limit(),
                Way::Tcp => u16::MAX,
            };
            if let Some(answer) = self.known(asked, limit) {
                return answer;
            }
        }
        let resolvers = self.own.borrow().resolvers.clone();
        let (from, servers) = Origin::servers(&resolvers, &self.netns, &self.resolv_conf).await;
        forward::ask(asked, question, &servers, &from, way).await
    }
}
