//! The state machine: applies entries in order and shows the newest view to all who watch.

use crate::disk::Disk;
use crate::log::on_disk;
use crate::types::{Applied, Entry, LogId, Snapshot, SnapshotMeta, StorageError, StoredMembership, Types};
use openraft::storage::RaftStateMachine;
use openraft::{EntryPayload, ErrorSubject, ErrorVerb, OptionalSend, RaftSnapshotBuilder, StorageIOError};
use state::View;
use std::io::Cursor;
use tokio::sync::watch;

/// The state machine. It is in memory; the disk has the last snapshot and the entries after it.
pub(crate) struct Machine {
    disk: Disk,
    applied: Option<LogId>,
    membership: StoredMembership,
    views: watch::Sender<View>,
}

/// Builds a snapshot of one moment.
pub(crate) struct Builder {
    disk: Disk,
    applied: Option<LogId>,
    membership: StoredMembership,
    view: View,
}

impl Machine {
    /// As the last snapshot on disk has it.
    pub fn load(disk: Disk, views: watch::Sender<View>) -> Result<Self, String> {
        let mut machine = Self {
            disk,
            applied: None,
            membership: StoredMembership::default(),
            views,
        };
        if let Some((meta, data)) = machine.disk.snapshot()? {
            machine.take(&meta, &data)?;
        }
        Ok(machine)
    }

    fn take(&mut self, meta: &SnapshotMeta, data: &[u8]) -> Result<(), String> {
        let view: View = crate::codec::decode(data)?;
        self.applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        self.views.send_replace(view);
        Ok(())
    }
}

impl RaftStateMachine<Types> for Machine {
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), StorageError> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Applied>, StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut view = self.views.borrow().clone();
        let mut answers = Vec::new();
        for entry in entries {
            let index = entry.log_id.index;
            let mut outcome = Ok(());
            match entry.payload {
                EntryPayload::Blank => {}
                EntryPayload::Membership(membership) => {
                    self.membership = StoredMembership::new(Some(entry.log_id), membership);
                }
                EntryPayload::Normal(request) => match view.apply(index, &request.0) {
                    Ok(next) => view = next,
                    Err(conflict) => outcome = Err(conflict),
                },
            }
            if view.index() != index {
                view = view.advanced(index);
            }
            self.applied = Some(entry.log_id);
            answers.push(Applied { index, outcome });
        }
        self.views.send_replace(view);
        Ok(answers)
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder {
            disk: self.disk.clone(),
            applied: self.applied,
            membership: self.membership.clone(),
            view: self.views.borrow().clone(),
        }
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, StorageError> {
        Ok(Box::default())
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), StorageError> {
        let data = snapshot.into_inner();
        let broken = |error: String| -> StorageError {
            StorageIOError::new(
                ErrorSubject::Snapshot(Some(meta.signature())),
                ErrorVerb::Read,
                openraft::AnyError::error(error),
            )
            .into()
        };
        self.take(meta, &data).map_err(broken)?;
        let subject = ErrorSubject::Snapshot(Some(meta.signature()));
        let meta = meta.clone();
        on_disk(&self.disk, subject, ErrorVerb::Write, move |disk| {
            disk.set_snapshot(&meta, &data)
        })
        .await
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, StorageError> {
        let found = on_disk(
            &self.disk,
            ErrorSubject::Snapshot(None),
            ErrorVerb::Read,
            |disk| disk.snapshot(),
        )
        .await?;
        Ok(found.map(|(meta, data)| Snapshot {
            meta,
            snapshot: Box::new(Cursor::new(data)),
        }))
    }
}

impl RaftSnapshotBuilder<Types> for Builder {
    async fn build_snapshot(&mut self) -> Result<Snapshot, StorageError> {
        let id = match &self.applied {
            Some(applied) => format!("{}-{}", applied.leader_id, applied.index),
            None => "0".to_owned(),
        };
        let meta = SnapshotMeta {
            last_log_id: self.applied,
            last_membership: self.membership.clone(),
            snapshot_id: id,
        };
        let (view, written) = (self.view.clone(), meta.clone());
        let work = move |disk: Disk| {
            let data = crate::codec::encode(&view)?;
            disk.set_snapshot(&written, &data)?;
            Ok(data)
        };
        let subject = ErrorSubject::Snapshot(Some(meta.signature()));
        let data = on_disk(&self.disk, subject, ErrorVerb::Write, work).await?;
        Ok(Snapshot {
            meta,
            snapshot: Box::new(Cursor::new(data)),
        })
    }
}
