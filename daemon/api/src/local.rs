//! What this room asks about this very board: its containers and images. Never passed on to another board.

use crate::Error;
use crate::backend::{LogWish, Stream};
use async_trait::async_trait;
use bytes::Bytes;
use model::{
    LocalChange, LocalContainer, LocalEvent, LocalExec, LocalExecState, LocalImage, LocalLayers, LocalPath,
    LocalProcesses, LocalSample, Timestamp,
};
use std::time::Duration;
use tokio::sync::mpsc;

/// What is done to a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// A signal, by name or number; SIGKILL if empty.
    Kill(String),
    /// Asked to end, killed after a while: the service's grace period if none is given.
    Stop {
        /// Another signal than the service's.
        signal: String,
        /// How long it may take.
        grace: Option<Duration>,
    },
    /// All its processes are frozen.
    Pause,
    /// They go on.
    Unpause,
    /// Its terminal has this many rows and columns now.
    Resize(u32, u32),
}

/// Until when someone waits for a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// It does not run (any more).
    NotRunning,
    /// It ends the next time.
    NextExit,
    /// It is removed.
    Removed,
}

/// A piece of what a process wrote: true of standard error.
pub type Said = (bool, Bytes);

/// What goes to a process and what comes from it.
pub struct Session {
    /// Takes what it reads; dropping it is the end of that.
    pub input: Option<mpsc::Sender<Bytes>>,
    /// What it writes; ends with it.
    pub output: Stream<Said>,
}

/// A line of a container's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// True for standard error.
    pub stderr: bool,
    /// When it was written.
    pub at: Timestamp,
    /// The line, its end included.
    pub data: Bytes,
}

/// This board's containers and images.
#[async_trait]
pub trait Local: Send + Sync + 'static {
    /// All containers, newest first.
    async fn containers(&self) -> Result<Vec<LocalContainer>, Error>;
    /// The folders that make up a container's root.
    async fn layers(&self, id: &str) -> Result<LocalLayers, Error>;
    /// How much it changed of its root, and how large its image is, in bytes.
    async fn sizes(&self, container: &LocalContainer) -> Result<(u64, u64), Error>;
    /// Lines that it wrote.
    async fn lines(&self, container: &LocalContainer, wish: LogWish) -> Result<Stream<Line>, Error>;
    /// What runs in it; the arguments are those of `ps`.
    async fn processes(&self, container: &LocalContainer, args: &str) -> Result<LocalProcesses, Error>;
    /// What it has used up to now.
    async fn sample(&self, container: &LocalContainer) -> Result<LocalSample, Error>;
    /// Does something to it.
    async fn act(&self, container: &LocalContainer, act: Act) -> Result<(), Error>;
    /// Waits for it; the code that it ended with.
    async fn ended(&self, container: &LocalContainer, until: Until) -> Result<i64, Error>;

    /// What is at a path of it.
    async fn look(&self, container: &LocalContainer, path: &str) -> Result<LocalPath, Error>;
    /// Files of it as an archive.
    async fn read(&self, container: &LocalContainer, path: &str)
    -> Result<(LocalPath, Stream<Bytes>), Error>;
    /// Unpacks an archive into a folder of it. `keep_kinds`: a folder is never replaced by something else.
    async fn write(
        &self,
        container: &LocalContainer,
        path: &str,
        keep_kinds: bool,
        archive: Stream<Bytes>,
    ) -> Result<(), Error>;
    /// All of its root as an archive.
    async fn export(&self, container: &LocalContainer) -> Result<Stream<Bytes>, Error>;
    /// What it changed of its root.
    async fn changes(&self, container: &LocalContainer) -> Result<Vec<LocalChange>, Error>;

    /// Notes a command that is to be run in a container; its id.
    async fn create_exec(&self, container: &LocalContainer, exec: LocalExec) -> Result<String, Error>;
    /// Starts it, in a terminal of so many rows and columns. [`Error::Invalid`] if there is no such program.
    async fn start_exec(&self, id: &str, size: Option<(u32, u32)>) -> Result<Session, Error>;
    /// Gives its terminal another size.
    async fn resize_exec(&self, id: &str, height: u32, width: u32) -> Result<(), Error>;
    /// A command and how far it came.
    async fn exec(&self, id: &str) -> Result<LocalExecState, Error>;

    /// All images.
    async fn images(&self) -> Result<Vec<LocalImage>, Error>;
    /// Gives an image another name.
    async fn tag(&self, image: &LocalImage, name: &str) -> Result<(), Error>;
    /// Takes a name away from an image; its own id if it has none.
    async fn untag(&self, image: &LocalImage, name: &str) -> Result<(), Error>;
    /// Pulls an image, with a user's credentials (as `X-Registry-Auth` has them): its registry's digest, and whether it is
    /// another one than before.
    async fn pull(&self, name: &str, auth: Option<String>) -> Result<(String, bool), Error>;
    /// Takes in an archive of `docker save`: ids, and names of each.
    async fn load(&self, archive: Stream<Bytes>) -> Result<Vec<(String, Vec<String>)>, Error>;
    /// Makes an image of a packed root file system; its id.
    async fn import(
        &self,
        archive: Stream<Bytes>,
        config: serde_json::Value,
        names: Vec<String>,
    ) -> Result<String, Error>;
    /// Gives out images as an archive: ids, with the names that go along.
    async fn save(&self, wanted: Vec<(String, Vec<String>)>) -> Result<Stream<Bytes>, Error>;

    /// What happened here since then, as far as it is known, and what happens from now on.
    fn happenings(&self, since: Option<Timestamp>) -> (Vec<LocalEvent>, Stream<LocalEvent>);
}
