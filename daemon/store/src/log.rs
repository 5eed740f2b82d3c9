//! The log, as Raft wants it: entries are on disk before they are acknowledged.

use crate::disk::{self, Disk};
use crate::types::{Entry, LogId, StorageError, Types, Vote};
use openraft::storage::{LogFlushed, LogState, RaftLogStorage};
use openraft::{ErrorSubject, ErrorVerb, OptionalSend, RaftLogReader, StorageIOError};
use std::fmt::Debug;
use std::ops::RangeBounds;

/// The log. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Log {
    disk: Disk,
    /// Written together with the next entry: not worth a write of its own.
    committed: Option<LogId>,
}

impl Log {
    pub fn new(disk: Disk) -> Self {
        Self {
            disk,
            committed: None,
        }
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        subject: ErrorSubject<u64>,
        verb: ErrorVerb,
        work: impl FnOnce(Disk) -> disk::Result<T> + Send + 'static,
    ) -> Result<T, StorageError> {
        on_disk(&self.disk, subject, verb, work).await
    }
}

/// Does blocking work on the disk.
pub(crate) async fn on_disk<T: Send + 'static>(
    disk: &Disk,
    subject: ErrorSubject<u64>,
    verb: ErrorVerb,
    work: impl FnOnce(Disk) -> disk::Result<T> + Send + 'static,
) -> Result<T, StorageError> {
    let disk = disk.clone();
    let done = tokio::task::spawn_blocking(move || work(disk)).await;
    let done = done.map_err(|error| error.to_string()).and_then(|done| done);
    done.map_err(|error| {
        tracing::error!(%error, "the store's disk");
        StorageIOError::new(subject, verb, openraft::AnyError::error(error)).into()
    })
}

impl RaftLogReader<Types> for Log {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, StorageError> {
        let range = (range.start_bound().cloned(), range.end_bound().cloned());
        self.on_disk(ErrorSubject::Logs, ErrorVerb::Read, move |disk| {
            disk.entries(range)
        })
        .await
    }
}

impl RaftLogStorage<Types> for Log {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, StorageError> {
        let read = |disk: Disk| Ok((disk.purged()?, disk.last()?));
        let (purged, last) = self.on_disk(ErrorSubject::Logs, ErrorVerb::Read, read).await?;
        let last = last.map(|entry| entry.log_id).or(purged);
        Ok(LogState {
            last_purged_log_id: purged,
            last_log_id: last,
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        let vote = *vote;
        self.on_disk(ErrorSubject::Vote, ErrorVerb::Write, move |disk| {
            disk.set_vote(&vote)
        })
        .await
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        self.on_disk(ErrorSubject::Vote, ErrorVerb::Read, |disk| disk.vote())
            .await
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), StorageError> {
        self.committed = committed;
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, StorageError> {
        self.on_disk(ErrorSubject::Logs, ErrorVerb::Read, |disk| disk.committed())
            .await
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<Types>) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        let committed = self.committed;
        self.on_disk(ErrorSubject::Logs, ErrorVerb::Write, move |disk| {
            disk.append(&entries, committed.as_ref())
        })
        .await?;
        callback.log_io_completed(Ok(()));
        Ok(())
    }

    async fn truncate(&mut self, log_id: LogId) -> Result<(), StorageError> {
        self.on_disk(ErrorSubject::Log(log_id), ErrorVerb::Delete, move |disk| {
            disk.truncate(log_id.index)
        })
        .await
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), StorageError> {
        self.on_disk(ErrorSubject::Log(log_id), ErrorVerb::Delete, move |disk| {
            disk.purge(&log_id)
        })
        .await
    }
}
