//! What tasks write to their standard output and error.

use crate::Error;
use bytes::Bytes;
use futures::stream::BoxStream;
use model::{TaskId, Timestamp};

/// Which of the two streams a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One line, its end included; long lines come in pieces of at most 16 KiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The task that wrote it.
    pub task: TaskId,
    /// Which stream.
    pub source: Source,
    /// When it was read from the container.
    pub at: Timestamp,
    /// The bytes.
    pub data: Bytes,
}

/// What lines are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogWish {
    /// Of these tasks.
    pub tasks: Vec<TaskId>,
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
    /// New lines as well, until the stream is dropped or the task is gone.
    pub follow: bool,
    /// Only the last so many of each task.
    pub tail: Option<u64>,
    /// Only from this time on.
    pub since: Option<Timestamp>,
    /// Only up to this time.
    pub until: Option<Timestamp>,
}

/// Lines as they come; dropping it ends the work behind it.
pub type LogStream = BoxStream<'static, Result<LogLine, Error>>;
