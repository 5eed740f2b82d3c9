//! Asking others: one question, several servers, one deadline.
//!
//! The first server has a second before the next is asked too; whoever answers first is believed. A server that says it cannot
//! help hands over to the next at once. Every question goes out under a number and from a port of chance, and only an answer
//! to that very question from that very server counts.

use std::{
    collections::VecDeque,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, UdpSocket},
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    message::{Asked, LARGE, Verdict, renumbered},
    resolvers,
};
use crate::{Error, kernel::namespace};

/// Less than the five seconds that callers wait before they ask anew.
const PATIENCE: Duration = Duration::from_secs(4);
/// Before the next server is asked too.
const HEAD_START: Duration = Duration::from_secs(1);
/// Questions that one question may become.
const ATTEMPTS: usize = 4;

/// How a question came, and goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As a datagram.
    Udp,
    /// In a stream, where an answer may be of any length.
    Tcp,
}

/// Where servers are asked from.
#[derive(Debug, Clone)]
pub enum Origin {
    /// The board's own network, for the board's own servers.
    Board,
    /// A task's: only from there its networks' addresses are reached.
    Task(PathBuf),
}

/// Passes a question on and gives the answer as the asker is to see it: whole, or `SERVFAIL` if nobody says anything.
pub async fn ask(asked: &Asked, question: &[u8], servers: &[SocketAddr], from: &Origin, way: Way) -> Vec<u8> {
    let deadline = Instant::now() + PATIENCE;
    let attempts = if servers.is_empty() { 0 } else { ATTEMPTS };
    let mut waiting: VecDeque<SocketAddr> = servers.iter().copied().cycle().take(attempts).collect();
    let mut under_way = FuturesUnordered::new();
    let mut helpless = None;
    let mut next = Instant::now();
    while !(waiting.is_empty() && under_way.is_empty()) {
        tokio::select! {
            biased;
            Some(outcome) = under_way.next(), if !under_way.is_empty() => match outcome {
                Some((Verdict::Final, answer)) => return answer,
                Some((Verdict::Helpless, answer)) => { helpless = Some(answer); next = Instant::now(); }
                None => next = Instant::now(),
            },
            () = sleep_until(deadline) => break,
            () = sleep_until(next), if !waiting.is_empty() => if let Some(server) = waiting.pop_front() {
                under_way.push(one(asked, question, server, from, way, deadline));
                next = Instant::now() + HEAD_START;
            },
        }
    }
    helpless.unwrap_or_else(|| asked.nobody_answers())
}

/// One server's answer, under the asker's number; none if it does not answer by the deadline or cannot be reached.
async fn one(
    asked: &Asked,
    question: &[u8],
    server: SocketAddr,
    from: &Origin,
    way: Way,
    deadline: Instant,
) -> Option<(Verdict, Vec<u8>)> {
    let number = rand::random();
    let question = renumbered(question, number);
    let exchange = async {
        match way {
            Way::Udp => by_datagram(asked, number, &question, server, from).await,
            Way::Tcp => by_stream(asked, number, &question, server, from).await,
        }
    };
    match timeout_at(deadline, exchange).await {
        Ok(Ok((verdict, answer))) => Some((verdict, renumbered(&answer, asked.number()))),
        Ok(Err(error)) => {
            tracing::debug!(%server, %error, "a resolver cannot be asked");
            None
        }
        Err(_) => None,
    }
}

async fn by_datagram(
    asked: &Asked,
    number: u16,
    question: &[u8],
    server: SocketAddr,
    from: &Origin,
) -> Result<(Verdict, Vec<u8>), Error> {
    let failed = |error: std::io::Error| Error::kernel("asking", server)(error);
    let socket = from
        .open(move || {
            let any: SocketAddr = match server {
                SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
            };
            let socket = std::net::UdpSocket::bind(any)?;
            socket.set_nonblocking(true)?;
            UdpSocket::from_std(socket)
        })
        .await?;
    // The kernel then drops what others send.
    socket.connect(server).await.map_err(failed)?;
    socket.send(question).await.map_err(failed)?;
    // One byte more, to tell what is too long from what just fits.
    let mut buffer = vec![0; usize::from(LARGE) + 1];
    loop {
        let length = socket.recv(&mut buffer).await.map_err(failed)?;
        let Some(verdict) = buffer
            .get(..length)
            .and_then(|answer| asked.is_answered_by(number, answer))
        else {
            continue;
        };
        if length > usize::from(asked.limit()) {
            return Ok((verdict, asked.too_long()));
        }
        buffer.truncate(length);
        return Ok((verdict, buffer));
    }
}

async fn by_stream(
    asked: &Asked,
    number: u16,
    question: &[u8],
    server: SocketAddr,
    from: &Origin,
) -> Result<(Verdict, Vec<u8>), Error> {
    let failed = |error: std::io::Error| Error::kernel("asking", server)(error);
    let socket = from
        .open(move || match server {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        })
        .await?;
    let mut stream = socket.connect(server).await.map_err(failed)?;
    stream.write_all(&framed(question)).await.map_err(failed)?;
    let length = stream.read_u16().await.map_err(failed)?;
    let mut answer = vec![0; length.into()];
    stream.read_exact(&mut answer).await.map_err(failed)?;
    match asked.is_answered_by(number, &answer) {
        Some(verdict) => Ok((verdict, answer)),
        None => Err(Error::kernel("asking", server)(
            "its answer is to another question",
        )),
    }
}

/// A message as it stands in a stream: its length first.
pub fn framed(message: &[u8]) -> Vec<u8> {
    // No message of ours is longer than a datagram can be, and others' came in such a frame.
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], message].concat()
}

impl Origin {
    /// Opens a socket here or there; once open it may be used anywhere.
    async fn open<T: Send + 'static>(
        &self,
        open: impl FnOnce() -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        match self {
            Origin::Board => open().map_err(Error::kernel("opening", "a socket")),
            Origin::Task(path) => {
                namespace::inside(path, || open().map_err(Error::kernel("opening", "a socket"))).await
            }
        }
    }

    /// Who is asked, and from where: the servers that a service chose, else the board's.
    pub async fn servers(
        chosen: &[std::net::IpAddr],
        netns: &Path,
        resolv_conf: &Path,
    ) -> (Origin, Vec<SocketAddr>) {
        if chosen.is_empty() {
            return (Origin::Board, resolvers::of_board(resolv_conf).await);
        }
        (Origin::Task(netns.to_owned()), resolvers::chosen(chosen))
    }
}
