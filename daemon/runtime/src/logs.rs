//! What containers write: from fifos, through this daemon, into files that are rotated.
//!
//! The shim holds both ends of a container's fifos open, so a daemon that restarts loses nothing: the container goes on
//! until 64 KiB wait, then waits itself, and the next daemon reads on.
//!
//! A record is the time (nanoseconds, 8 bytes, little-endian), the stream (1 or 2), the length (4 bytes) and the data.

use bytes::Bytes;
use exec::{Error, LogLine, LogStream, LogWish, Source};
use model::{LogDriver, TaskId, Timestamp};
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::unix::pipe::{OpenOptions, Receiver};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;

/// Most files that may be asked for: a bound, not advice.
const MOST_FILES: usize = 100;
/// Longest record; longer lines come in pieces (Docker's size).
const MAX_LINE: usize = 16 << 10;
const HEAD: usize = 13;

/// How much of a container's log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// A file of this size is put aside, in bytes; 0: nothing is kept.
    file: u64,
    /// Files kept, the one being written included.
    files: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            file: 10 << 20,
            files: 3,
        }
    }
}

impl Room {
    /// What a service asks for: drivers `json-file` and `local` with `max-size` and `max-file`, or `none`.
    ///
    /// # Errors
    /// What can't be done, in words.
    pub fn of(driver: Option<&LogDriver>) -> Result<Self, String> {
        let mut room = Self::default();
        let Some(driver) = driver else { return Ok(room) };
        match driver.name.as_deref().unwrap_or_default() {
            "" | "json-file" | "local" => {}
            "none" => room.file = 0,
            other => {
                return Err(format!(
                    "log driver {other} can't be used here: use json-file, local or none"
                ));
            }
        }
        for (name, value) in driver.options.iter().flatten() {
            let invalid = || format!("invalid value for log option {name}: {value}");
            match name.as_str() {
                "max-size" if room.file > 0 => {
                    room.file = size(value).filter(|size| *size > 0).ok_or_else(invalid)?;
                }
                "max-file" if room.file > 0 => {
                    let files = value.parse().ok();
                    room.files = files
                        .filter(|files| (1..=MOST_FILES).contains(files))
                        .ok_or_else(invalid)?;
                }
                _ => {
                    return Err(format!(
                        "unknown log opt '{name}': max-size and max-file can be used here"
                    ));
                }
            }
        }
        Ok(room)
    }
}

/// `10m` and the like, in bytes.
fn size(text: &str) -> Option<u64> {
    let text = text.trim().to_lowercase();
    let text = text.trim_end_matches('b');
    let (digits, shift) = match text.as_bytes().last()? {
        b'k' => (&text[..text.len() - 1], 10),
        b'm' => (&text[..text.len() - 1], 20),
        b'g' => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    digits.trim().parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// All containers' logs on this board.
#[derive(Default)]
pub(crate) struct Logs {
    open: Mutex<HashMap<String, Arc<Log>>>,
}

/// One container's log, while it is written.
struct Log {
    writer: Mutex<Writer>,
    /// Counts records; followers wait for it. Closed when nothing more comes.
    written: watch::Sender<u64>,
    readers: Mutex<Vec<Reading>>,
}

struct Reading {
    stop: tokio::sync::oneshot::Sender<()>,
    done: JoinHandle<()>,
}

struct Writer {
    path: PathBuf,
    file: File,
    size: u64,
    room: Room,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The fifo of one stream.
pub(crate) fn fifo(folder: &Path, source: Source) -> PathBuf {
    folder.join(match source {
        Source::Stdout => "stdout",
        Source::Stderr => "stderr",
    })
}

impl Logs {
    /// Reads a container's fifos (made if they are not there) into its log; does nothing if that is going on already.
    pub fn attach(&self, id: &str, fifos: &Path, folder: &Path, room: Room) -> Result<(), Error> {
        let mut open = lock(&self.open);
        if open.contains_key(id) {
            return Ok(());
        }
        let failed = |what: &str, error: std::io::Error| Error::Temporary(format!("logs: {what}: {error}"));
        std::fs::create_dir_all(fifos).map_err(|error| failed("making their folder", error))?;
        std::fs::create_dir_all(folder).map_err(|error| failed("making their folder", error))?;
        let writer = Writer::open(folder.join("log"), room).map_err(|error| failed("opening", error))?;
        let log = Arc::new(Log {
            writer: Mutex::new(writer),
            written: watch::channel(0).0,
            readers: Mutex::default(),
        });
        for source in [Source::Stdout, Source::Stderr] {
            let path = fifo(fifos, source);
            match nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o600)) {
                Ok(()) | Err(nix::errno::Errno::EEXIST) => {}
                Err(error) => return Err(failed("making a fifo", error.into())),
            }
            // Both ends: else reading ends whenever nobody writes.
            let receiver = OpenOptions::new().read_write(true).open_receiver(&path);
            let receiver = receiver.map_err(|error| failed("opening a fifo", error))?;
            let (stop, stopped) = tokio::sync::oneshot::channel();
            let done = tokio::spawn(read(receiver, source, log.clone(), stopped));
            lock(&log.readers).push(Reading { stop, done });
        }
        open.insert(id.to_owned(), log);
        Ok(())
    }

    /// The container has ended: what it wrote is taken in, then its log is closed. Followers come to their end.
    pub async fn finish(&self, id: &str) {
        let Some(log) = lock(&self.open).get(id).cloned() else {
            return;
        };
        let readers = std::mem::take(&mut *lock(&log.readers));
        for reading in readers {
            let _ = reading.stop.send(());
            let _ = reading.done.await;
        }
        lock(&self.open).remove(id);
    }

    /// Lines of some containers: (task, folder of its log, its id).
    pub fn read(&self, wish: LogWish, containers: Vec<(TaskId, String, PathBuf)>) -> LogStream {
        let (out, lines) = mpsc::channel(64);
        for (task, id, folder) in containers {
            let live = lock(&self.open).get(&id).map(|log| log.written.subscribe());
            let (wish, out) = (wish.clone(), out.clone());
            tokio::spawn(async move {
                let mut follower = Follower {
                    task,
                    path: folder.join("log"),
                    wish,
                    out,
                };
                if let Err(error) = follower.run(live).await {
                    let _ = follower
                        .out
                        .send(Err(Error::Temporary(format!("logs: {error}"))))
                        .await;
                }
            });
        }
        Box::pin(ReceiverStream::new(lines))
    }
}

async fn read(
    receiver: Receiver,
    source: Source,
    log: Arc<Log>,
    mut stopped: tokio::sync::oneshot::Receiver<()>,
) {
    let mut pending = Vec::new();
    let mut buffer = vec![0; 32 << 10];
    loop {
        match receiver.try_read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => take(&mut pending, &buffer[..count], source, &log),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                tokio::select! {
                    ready = receiver.readable() => if ready.is_err() { break },
                    _ = &mut stopped => {
                        rest(&receiver, &mut buffer, |data| take(&mut pending, data, source, &log));
                        break;
                    }
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a container's output is not read any more");
                break;
            }
        }
    }
    if !pending.is_empty() {
        put(&log, source, &pending);
    }
}

/// What still waits in a fifo that nobody writes to any more: asked of the kernel itself, since the runtime's knowledge of
/// what is ready may lag behind the container's last words.
fn rest(receiver: &Receiver, buffer: &mut [u8], mut take: impl FnMut(&[u8])) {
    while let Ok(count) = nix::unistd::read(receiver, buffer) {
        if count == 0 {
            break;
        }
        take(&buffer[..count]);
    }
}

fn take(pending: &mut Vec<u8>, mut data: &[u8], source: Source, log: &Log) {
    while !data.is_empty() {
        let room = MAX_LINE - pending.len();
        let end = data.iter().take(room).position(|byte| *byte == b'\n');
        let count = end.map_or(data.len().min(room), |at| at + 1);
        pending.extend_from_slice(&data[..count]);
        data = &data[count..];
        if end.is_some() || pending.len() == MAX_LINE {
            put(log, source, pending);
            pending.clear();
        }
    }
}

fn put(log: &Log, source: Source, line: &[u8]) {
    if let Err(error) = lock(&log.writer).put(source, line) {
        tracing::warn!(%error, "a line of a container is lost");
    }
    log.written.send_modify(|count| *count += 1);
}

impl Writer {
    fn open(path: PathBuf, room: Room) -> std::io::Result<Self> {
        let file = File::options().create(true).append(true).open(&path)?;
        let size = file.metadata()?.len();
        Ok(Self {
            path,
            file,
            size,
            room,
        })
    }

    fn put(&mut self, source: Source, line: &[u8]) -> std::io::Result<()> {
        if self.room.file == 0 {
            return Ok(());
        }
        if self.size >= self.room.file {
            self.rotate()?;
        }
        let nanos = i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX);
        let mut record = Vec::with_capacity(HEAD + line.len());
        record.extend_from_slice(&nanos.to_le_bytes());
        record.push(if source == Source::Stdout { 1 } else { 2 });
        record.extend_from_slice(&u32::try_from(line.len()).unwrap_or(u32::MAX).to_le_bytes());
        record.extend_from_slice(line);
        self.file.write_all(&record)?;
        self.size += record.len() as u64;
        Ok(())
    }

    fn rotate(&mut self) -> std::io::Result<()> {
        if self.room.files == 1 {
            std::fs::remove_file(&self.path)?;
        }
        for number in (1..self.room.files).rev() {
            let from = if number == 1 {
                self.path.clone()
            } else {
                numbered(&self.path, number - 1)
            };
            if from.exists() {
                std::fs::rename(from, numbered(&self.path, number))?;
            }
        }
        *self = Self::open(self.path.clone(), self.room)?;
        Ok(())
    }
}

fn numbered(path: &Path, number: usize) -> PathBuf {
    path.with_extension(number.to_string())
}

/// Reads one container's log, and follows it.
struct Follower {
    task: TaskId,
    path: PathBuf,
    wish: LogWish,
    out: mpsc::Sender<Result<LogLine, Error>>,
}

impl Follower {
    async fn run(&mut self, live: Option<watch::Receiver<u64>>) -> std::io::Result<()> {
        let mut last: VecDeque<LogLine> = VecDeque::new();
        let older = (1..MOST_FILES)
            .take_while(|number| numbered(&self.path, *number).exists())
            .count();
        for number in (1..=older).rev() {
            if let Ok(file) = File::open(numbered(&self.path, number)) {
                let mut records = Records::new(file);
                while let Some(line) = records.next(&self.task)? {
                    if !self.take(line, &mut last).await {
                        return Ok(());
                    }
                }
            }
        }
        let Ok(file) = File::open(&self.path) else {
            return Ok(());
        };
        let mut records = Records::new(file);
        while let Some(line) = records.next(&self.task)? {
            if !self.take(line, &mut last).await {
                return Ok(());
            }
        }
        for line in last {
            if self.out.send(Ok(line)).await.is_err() {
                return Ok(());
            }
        }
        self.wish.tail = None;
        if let (true, Some(mut live)) = (self.wish.follow, live) {
            let mut none = VecDeque::new();
            loop {
                let ended = tokio::select! {
                    changed = live.changed() => changed.is_err(),
                    () = self.out.closed() => return Ok(()),
                };
                loop {
                    while let Some(line) = records.next(&self.task)? {
                        if !self.take(line, &mut none).await {
                            return Ok(());
                        }
                    }
                    // Put aside meanwhile: what was left of it has been read, on to the new one.
                    let Ok(file) = File::open(&self.path) else {
                        return Ok(());
                    };
                    if records.is(&file)? {
                        break;
                    }
                    records = Records::new(file);
                }
                if ended {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Sends a line that is wanted, or keeps it for the tail; false if nobody listens any more, or no later line is wanted.
    async fn take(&self, line: LogLine, last: &mut VecDeque<LogLine>) -> bool {
        if self.wish.until.is_some_and(|until| line.at > until) {
            return false;
        }
        let source = match line.source {
            Source::Stdout => self.wish.stdout,
            Source::Stderr => self.wish.stderr,
        };
        if !source || self.wish.since.is_some_and(|since| line.at < since) {
            return true;
        }
        match self.wish.tail {
            None => self.out.send(Ok(line)).await.is_ok(),
            Some(count) => {
                last.push_back(line);
                while last.len() as u64 > count {
                    last.pop_front();
                }
                true
            }
        }
    }
}

struct Records {
    file: BufReader<File>,
    pending: Vec<u8>,
}

impl Records {
    fn new(file: File) -> Self {
        Self {
            file: BufReader::new(file),
            pending: Vec::new(),
        }
    }

    /// The next record; none at the end, where a half-written one waits for its other half.
    fn next(&mut self, task: &TaskId) -> std::io::Result<Option<LogLine>> {
        if !self.fill(HEAD)? {
            return Ok(None);
        }
        let length = u32::from_le_bytes([
            self.pending[9],
            self.pending[10],
            self.pending[11],
            self.pending[12],
        ]) as usize;
        if length > MAX_LINE {
            return Err(std::io::Error::other("a damaged record"));
        }
        if !self.fill(HEAD + length)? {
            return Ok(None);
        }
        let record = std::mem::take(&mut self.pending);
        let mut nanos = [0; 8];
        nanos.copy_from_slice(&record[..8]);
        Ok(Some(LogLine {
            task: task.clone(),
            source: if record[8] == 2 {
                Source::Stderr
            } else {
                Source::Stdout
            },
            at: Timestamp::from_nanosecond(i64::from_le_bytes(nanos).into()).unwrap_or_default(),
            data: Bytes::from(record).slice(HEAD..),
        }))
    }

    fn fill(&mut self, wanted: usize) -> std::io::Result<bool> {
        let missing = wanted.saturating_sub(self.pending.len());
        let mut limited = (&mut self.file).take(missing as u64);
        limited.read_to_end(&mut self.pending)?;
        Ok(self.pending.len() >= wanted)
    }

    fn is(&self, other: &File) -> std::io::Result<bool> {
        use std::os::unix::fs::MetadataExt as _;
        let (mine, theirs) = (self.file.get_ref().metadata()?, other.metadata()?);
        Ok((mine.dev(), mine.ino()) == (theirs.dev(), theirs.ino()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt as _;

    fn wish(tail: Option<u64>, follow: bool) -> LogWish {
        LogWish {
            tasks: vec![],
            stdout: true,
            stderr: true,
            follow,
            tail,
            since: None,
            until: None,
        }
    }

    async fn texts(stream: LogStream) -> Vec<String> {
        stream
            .map(|line| String::from_utf8(line.unwrap().data.to_vec()).unwrap())
            .collect()
            .await
    }

    #[tokio::test]
    async fn what_is_written_is_read_followed_and_tailed() {
        let dir = tempfile::tempdir().unwrap();
        let (fifos, folder) = (dir.path().join("f"), dir.path().join("l"));
        let logs = Logs::default();
        logs.attach("id", &fifos, &folder, Room::default()).unwrap();
        let containers = || vec![("t".into(), "id".to_owned(), folder.clone())];
        let follower = logs.read(wish(None, true), containers());
        let mut out = File::options()
            .write(true)
            .open(fifo(&fifos, Source::Stdout))
            .unwrap();
        out.write_all(b"one\ntwo\nthr").unwrap();
        out.write_all(b"ee").unwrap();
        drop(out);
        logs.finish("id").await;
        assert_eq!(texts(follower).await, ["one\n", "two\n", "three"]);
        assert_eq!(
            texts(logs.read(wish(Some(1), false), containers())).await,
            ["three"]
        );
    }

    #[tokio::test]
    async fn long_lines_come_in_pieces_and_a_full_file_is_put_aside() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(dir.path().join("log"), Room::default()).unwrap();
        writer.put(Source::Stdout, b"old\n").unwrap();
        writer.size = Room::default().file;
        writer.put(Source::Stderr, b"new\n").unwrap();
        let logs = Logs::default();
        let read = logs.read(
            wish(None, false),
            vec![("t".into(), "x".into(), dir.path().to_owned())],
        );
        assert_eq!(texts(read).await, ["old\n", "new\n"]);
        let log = Log {
            writer: Mutex::new(writer),
            written: watch::channel(0).0,
            readers: Mutex::default(),
        };
        let mut pending = Vec::new();
        take(&mut pending, &[b'x'; MAX_LINE + 5], Source::Stdout, &log);
        assert_eq!(pending.len(), 5);
    }

    #[test]
    fn room_is_what_the_service_asks_for_or_refused() {
        let driver = |name: &str, options: &[(&str, &str)]| LogDriver {
            name: Some(name.to_owned()),
            options: Some(
                options
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect(),
            ),
        };
        let room = |name: &str, options: &[(&str, &str)]| Room::of(Some(&driver(name, options)));
        let small = room("json-file", &[("max-size", "10k"), ("max-file", "1")]).unwrap();
        assert_eq!((small.file, small.files), (10 << 10, 1));
        assert_eq!(room("local", &[]), Ok(Room::default()));
        assert_eq!(room("none", &[]).unwrap().file, 0);
        for (name, options) in [
            ("syslog", &[][..]),
            ("json-file", &[("max-size", "much")]),
            ("json-file", &[("max-size", "99999999999999g")]),
            ("json-file", &[("max-file", "0")]),
            ("json-file", &[("tag", "x")]),
            ("none", &[("max-size", "1m")]),
        ] {
            assert!(room(name, options).is_err(), "{name} {options:?}");
        }
    }

    #[test]
    fn one_file_only_begins_again_when_it_is_full() {
        let dir = tempfile::tempdir().unwrap();
        let room = Room { file: 64, files: 1 };
        let mut writer = Writer::open(dir.path().join("log"), room).unwrap();
        for _ in 0..10 {
            writer.put(Source::Stdout, b"a line of some length\n").unwrap();
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(std::fs::metadata(dir.path().join("log")).unwrap().len() < 128);
    }
}
