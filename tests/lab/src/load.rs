//! Load: clients that ask web servers over and over, and count.
//!
//! Bounded in number, in requests and in time, whatever the caller forgets. A client is a thread that has gone into the
//! namespace which it asks from.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result, anyhow, ensure};
use nix::sched::{CloneFlags, setns};

use crate::{clock::Since, paths};

/// No load lasts longer, and no client asks more often.
const LONGEST: Duration = Duration::from_secs(180);
const MOST_REQUESTS: u64 = 100_000;
/// How long one request may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(5);
/// As many failures are told in words.
const MOST_WORDS: usize = 20;

/// How clients behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// How many ask at the same time.
    pub clients: usize,
    /// Whether a connection is used for as many requests as the server allows.
    pub keep_alive: bool,
    /// A client's pause between two requests.
    pub pause: Duration,
}

impl Style {
    /// Four clients, each with a connection that it keeps.
    pub fn keeping() -> Self {
        Style {
            clients: 4,
            keep_alive: true,
            pause: Duration::from_millis(3),
        }
    }

    /// Four clients that connect for each request.
    pub fn connecting() -> Self {
        Style {
            keep_alive: false,
            ..Style::keeping()
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Requests that were answered with 200.
    pub answered: u64,
    /// Those that were not.
    pub failed: u64,
    /// The first of them in words, with the seconds since the load began.
    pub failures: Vec<String>,
    /// How often each answer came, by its first line.
    pub by: BTreeMap<String, u64>,
    /// How often each answer came, by its second line.
    pub seen_as: BTreeMap<String, u64>,
    /// The slowest answer.
    pub slowest: Duration,
    /// Seconds from the load's beginning to the last failure.
    pub last_failure: Option<f64>,
}

impl Tally {
    /// The same if nothing failed and something was answered.
    ///
    /// # Errors
    /// Otherwise, with what failed.
    pub fn clean(self) -> Result<Self> {
        ensure!(
            self.failed == 0 && self.answered > 0,
            "{} of {} requests failed:\n  {}",
            self.failed,
            self.failed + self.answered,
            self.failures.join("\n  ")
        );
        Ok(self)
    }

    fn add(&mut self, other: Self) {
        self.answered += other.answered;
        self.failed += other.failed;
        self.failures.extend(other.failures);
        self.failures.truncate(MOST_WORDS);
        for (from, to) in [(other.by, &mut self.by), (other.seen_as, &mut self.seen_as)] {
            for (answer, count) in from {
                *to.entry(answer).or_default() += count;
            }
        }
        self.slowest = self.slowest.max(other.slowest);
        let last = [self.last_failure, other.last_failure].into_iter().flatten();
        self.last_failure = last.reduce(f64::max);
    }
}

/// Clients at work.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Result<Tally>>>,
}

impl Load {
    /// Starts the clients.
    pub(crate) fn start(namespace: &str, targets: &[SocketAddr], style: Style) -> Result<Self> {
        ensure!(!targets.is_empty(), "nobody to ask");
        let stop = Arc::new(AtomicBool::new(false));
        let mut clients = Vec::new();
        for number in 0..style.clients.min(64) {
            let place = paths::netns(namespace);
            let mut client = Client {
                next: number,
                stop: stop.clone(),
                ..Client::new(targets, style)
            };
            clients.push(thread::spawn(move || {
                inside(&place, move || {
                    client.work();
                    Ok(client.tally)
                })
            }));
        }
        Ok(Load { stop, clients })
    }

    /// Ends all clients and adds up.
    ///
    /// # Errors
    /// When a client could not begin.
    pub fn stop(mut self) -> Result<Tally> {
        self.stop.store(true, Ordering::Relaxed);
        let mut sum = Tally::default();
        for client in self.clients.drain(..) {
            sum.add(client.join().map_err(|_| anyhow!("a client panicked"))??);
        }
        Ok(sum)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

struct Client {
    targets: Vec<SocketAddr>,
    next: usize,
    style: Style,
    since: Since,
    tally: Tally,
    stop: Arc<AtomicBool>,
}

impl Client {
    fn new(targets: &[SocketAddr], style: Style) -> Self {
        Client {
            targets: targets.to_vec(),
            next: 0,
            style,
            since: Since::now(),
            tally: Tally::default(),
            stop: Arc::default(),
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a thread of its own, with no runtime to block"
    )]
    fn work(&mut self) {
        let mut kept: Option<BufReader<TcpStream>> = None;
        for _ in 0..MOST_REQUESTS {
            if self.stop.load(Ordering::Relaxed) || self.since.elapsed() > LONGEST {
                return;
            }
            let target = self.targets[self.next % self.targets.len()];
            let begun = Since::now();
            match self.ask(target, kept.take()) {
                Ok((answer, open)) => {
                    let mut lines = answer.lines().map(str::to_owned);
                    let line = lines.next().unwrap_or_default();
                    *self.tally.by.entry(line).or_default() += 1;
                    let line = lines.next().unwrap_or_default();
                    *self.tally.seen_as.entry(line).or_default() += 1;
                    self.tally.answered += 1;
                    self.tally.slowest = self.tally.slowest.max(begun.elapsed());
                    kept = open;
                }
                Err(error) => {
                    let at = self.since.seconds();
                    self.tally.failed += 1;
                    self.tally.last_failure = Some(at);
                    if self.tally.failures.len() < MOST_WORDS {
                        let words = format!("{at:.2} s, {:.2} s long, {target}: {error:#}", begun.seconds());
                        self.tally.failures.push(words);
                    }
                }
            }
            if kept.is_none() {
                self.next += 1;
            }
            thread::sleep(self.style.pause);
        }
    }

    /// One request; the answer's body, and the connection if it may be used again.
    fn ask(
        &self,
        target: SocketAddr,
        kept: Option<BufReader<TcpStream>>,
    ) -> Result<(String, Option<BufReader<TcpStream>>)> {
        let mut stream = match kept {
            Some(stream) => stream,
            None => BufReader::new(connect(target).context("connecting")?),
        };
        let connection = if self.style.keep_alive {
            "keep-alive"
        } else {
            "close"
        };
        let head = format!("GET / HTTP/1.1\r\nHost: load\r\nConnection: {connection}\r\n\r\n");
        stream.get_mut().write_all(head.as_bytes()).context("asking")?;
        let (mut length, mut open, mut first) = (0_usize, self.style.keep_alive, true);
        loop {
            let mut line = String::new();
            let read = stream.read_line(&mut line).context("reading the answer's head")?;
            ensure!(read > 0, "the connection ended before the answer");
            if std::mem::take(&mut first) {
                ensure!(line.starts_with("HTTP/1.1 200"), "answered {}", line.trim_end());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(number) = line.strip_prefix("content-length:") {
                length = number.trim().parse().context("content-length")?;
            }
            open &= line != "connection: close";
        }
        ensure!(length < 1 << 20, "an answer of {length} bytes");
        let mut body = vec![0; length];
        stream.read_exact(&mut body).context("reading the answer")?;
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok((body, open.then_some(stream)))
    }
}

/// Asks one web server so often, one request after the other on one connection, from inside of a network namespace's file;
/// how long that took.
///
/// # Errors
/// When a request fails.
pub fn in_turn(from: &Path, target: SocketAddr, requests: u32) -> Result<Duration> {
    inside(from, move || {
        let client = Client::new(&[target], Style::keeping());
        let mut kept = Some(BufReader::new(connect(target)?));
        let since = Since::now();
        for _ in 0..requests {
            kept = client.ask(target, kept)?.1;
            ensure!(kept.is_some(), "the server closed the connection");
        }
        Ok(since.elapsed())
    })
}

/// Fetches so many bytes from a `whoami`, from inside of a network namespace's file; how long that took.
///
/// # Errors
/// When fewer come.
pub fn fetch(from: &Path, target: SocketAddr, bytes: u64) -> Result<Duration> {
    inside(from, move || {
        let mut stream = connect(target)?;
        let since = Since::now();
        let head = format!("GET /bytes/{bytes} HTTP/1.1\r\nHost: load\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        let mut buffer = vec![0; 1 << 18];
        let mut got = 0;
        loop {
            match stream.read(&mut buffer)? {
                0 => break,
                read => got += read as u64,
            }
        }
        ensure!(got >= bytes, "{got} of {bytes} bytes came");
        Ok(since.elapsed())
    })
}

/// Does something in a thread that has gone into a network namespace.
fn inside<T: Send + 'static>(
    namespace: &Path,
    act: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let place =
        File::open(namespace).with_context(|| format!("no network namespace {}", namespace.display()))?;
    let there = thread::spawn(move || {
        setns(place, CloneFlags::CLONE_NEWNET)?;
        act()
    });
    there.join().map_err(|_| anyhow!("a client panicked"))?
}

fn connect(target: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&target, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}
