//! The file: log entries, vote, snapshot, all sealed.

use crate::codec;
use crate::error::OpenError;
use crate::types::{Entry, LogId, SnapshotMeta, Vote};
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::ErrorKind::{InvalidData, UnexpectedEof};
use std::ops::{Bound, RangeBounds};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
const FACTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("facts");

/// Seals what is written. `aad` binds a piece to its place: moved elsewhere it does not open.
pub trait Seal: Send + Sync + 'static {
    /// Seals; none if the kernel has no randomness to give.
    fn seal(&self, aad: &[u8], plain: &[u8]) -> Option<Vec<u8>>;
    /// Opens; none if it was not sealed so.
    fn open(&self, aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>>;
}

/// Any failure of the disk, in words.
pub(crate) type Result<T> = std::result::Result<T, String>;

/// The file. Calls block.
#[derive(Clone)]
pub(crate) struct Disk {
    database: Arc<Database>,
    seal: Arc<dyn Seal>,
}

/// Whether there is a store in `dir`, whatever its condition. A file without a byte, as a power cut can leave one, is none:
/// it would be opened as a store that never voted.
pub fn exists(dir: &Path) -> bool {
    std::fs::metadata(file(dir)).is_ok_and(|meta| meta.len() > 0)
}

fn file(dir: &Path) -> PathBuf {
    dir.join("raft.redb")
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl Disk {
    /// Opens the file in `dir`, or makes it.
    pub fn open(dir: &Path, seal: Arc<dyn Seal>) -> std::result::Result<Self, OpenError> {
        let io = |error: String| OpenError::Io(error);
        std::fs::create_dir_all(dir).map_err(|error| io(error.to_string()))?;
        let mut database = Database::create(file(dir)).map_err(|error| match error {
            redb::DatabaseError::Storage(redb::StorageError::Corrupted(what)) => OpenError::Corrupt(what),
            // So says redb of a file that it did not write, or that was cut short.
            redb::DatabaseError::Storage(redb::StorageError::Io(error))
                if matches!(error.kind(), InvalidData | UnexpectedEof) =>
            {
                OpenError::Corrupt(error.to_string())
            }
            redb::DatabaseError::DatabaseAlreadyOpen => OpenError::Busy,
            error => OpenError::Io(error.to_string()),
        })?;
        let transaction = database.begin_write().map_err(text).map_err(io)?;
        transaction.open_table(LOG).map_err(text).map_err(io)?;
        transaction.open_table(FACTS).map_err(text).map_err(io)?;
        transaction.commit().map_err(text).map_err(io)?;
        // Purged entries leave holes; a card has few writes to give, so they are closed only here.
        if std::fs::metadata(file(dir)).is_ok_and(|meta| meta.len() > COMPACT_ABOVE) {
            database.compact().map_err(text).map_err(io)?;
        }
        Ok(Self {
            database: Arc::new(database),
            seal,
        })
    }

    fn sealed<T: Serialize>(&self, aad: &[u8], value: &T) -> Result<Vec<u8>> {
        self.seal
            .seal(aad, &codec::encode(value)?)
            .ok_or_else(|| "can't be sealed".to_owned())
    }

    fn opened<T: DeserializeOwned>(&self, aad: &[u8], sealed: &[u8]) -> Result<T> {
        let plain = self
            .seal
            .open(aad, sealed)
            .ok_or("damaged, or sealed with another key")?;
        codec::decode(&plain)
    }

    /// A fact, if it was ever written.
    fn fact<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let transaction = self.database.begin_read().map_err(text)?;
        let table = transaction.open_table(FACTS).map_err(text)?;
        let sealed = table.get(name).map_err(text)?;
        sealed
            .map(|sealed| self.opened(name.as_bytes(), sealed.value()))
            .transpose()
    }

    fn set_fact<T: Serialize>(&self, name: &str, value: &T) -> Result<()> {
        let sealed = self.sealed(name.as_bytes(), value)?;
        let transaction = self.database.begin_write().map_err(text)?;
        transaction
            .open_table(FACTS)
            .map_err(text)?
            .insert(name, sealed.as_slice())
            .map_err(text)?;
        transaction.commit().map_err(text)
    }

    /// The vote.
    pub fn vote(&self) -> Result<Option<Vote>> {
        self.fact("vote")
    }

    /// Writes the vote.
    pub fn set_vote(&self, vote: &Vote) -> Result<()> {
        self.set_fact("vote", vote)
    }

    /// The last entry that was purged.
    pub fn purged(&self) -> Result<Option<LogId>> {
        self.fact("purged")
    }

    /// What was committed at least, when an entry was last written: a hint that saves waiting after a restart.
    pub fn committed(&self) -> Result<Option<LogId>> {
        self.fact("committed")
    }

    /// The snapshot: its meta and its bytes.
    pub fn snapshot(&self) -> Result<Option<(SnapshotMeta, Vec<u8>)>> {
        let Some(meta) = self.fact::<SnapshotMeta>("snapshot.meta")? else {
            return Ok(None);
        };
        let transaction = self.database.begin_read().map_err(text)?;
        let table = transaction.open_table(FACTS).map_err(text)?;
        let Some(sealed) = table.get("snapshot.data").map_err(text)? else {
            return Ok(None);
        };
        let data = self.seal.open(meta.snapshot_id.as_bytes(), sealed.value());
        Ok(Some((
            meta,
            data.ok_or("the snapshot is damaged, or sealed with another key")?,
        )))
    }

    /// Writes a snapshot in the place of the one before.
    pub fn set_snapshot(&self, meta: &SnapshotMeta, data: &[u8]) -> Result<()> {
        let sealed = self
            .seal
            .seal(meta.snapshot_id.as_bytes(), data)
            .ok_or("can't be sealed")?;
        let sealed_meta = self.sealed(b"snapshot.meta", meta)?;
        let transaction = self.database.begin_write().map_err(text)?;
        {
            let mut table = transaction.open_table(FACTS).map_err(text)?;
            table
                .insert("snapshot.meta", sealed_meta.as_slice())
                .map_err(text)?;
            table.insert("snapshot.data", sealed.as_slice()).map_err(text)?;
        }
        transaction.commit().map_err(text)
    }

    /// The last entry in the log.
    pub fn last(&self) -> Result<Option<Entry>> {
        let transaction = self.database.begin_read().map_err(text)?;
        let table = transaction.open_table(LOG).map_err(text)?;
        let last = table.last().map_err(text)?;
        last.map(|(index, sealed)| self.opened(&index.value().to_be_bytes(), sealed.value()))
            .transpose()
    }

    /// Reads every entry once, so that a damaged one is found when the store is opened and not when it is needed.
    pub fn check_entries(&self) -> Result<()> {
        let transaction = self.database.begin_read().map_err(text)?;
        let table = transaction.open_table(LOG).map_err(text)?;
        for found in table.iter().map_err(text)? {
            let (index, sealed) = found.map_err(text)?;
            self.opened::<Entry>(&index.value().to_be_bytes(), sealed.value())?;
        }
        Ok(())
    }

    /// Entries in a range, by index.
    pub fn entries(&self, range: impl RangeBounds<u64>) -> Result<Vec<Entry>> {
        let range = (copied(range.start_bound()), copied(range.end_bound()));
        let transaction = self.database.begin_read().map_err(text)?;
        let table = transaction.open_table(LOG).map_err(text)?;
        let mut entries = Vec::new();
        for found in table.range::<u64>(range).map_err(text)? {
            let (index, sealed) = found.map_err(text)?;
            entries.push(self.opened(&index.value().to_be_bytes(), sealed.value())?);
        }
        Ok(entries)
    }

    /// Adds entries, and what was committed before them; on disk when it returns.
    pub fn append(&self, entries: &[Entry], committed: Option<&LogId>) -> Result<()> {
        let committed = committed
            .map(|committed| self.sealed(b"committed", committed))
            .transpose()?;
        self.append_with(entries, committed.map(|sealed| ("committed", sealed)))
    }

    /// Adds entries and changes the vote, both or neither.
    pub fn append_voting(&self, entries: &[Entry], vote: &Vote) -> Result<()> {
        let vote = self.sealed(b"vote", vote)?;
        self.append_with(entries, Some(("vote", vote)))
    }

    fn append_with(&self, entries: &[Entry], fact: Option<(&str, Vec<u8>)>) -> Result<()> {
        let mut sealed = Vec::with_capacity(entries.len());
        for entry in entries {
            let index = entry.log_id.index;
            sealed.push((index, self.sealed(&index.to_be_bytes(), entry)?));
        }
        let transaction = self.database.begin_write().map_err(text)?;
        {
            let mut table = transaction.open_table(LOG).map_err(text)?;
            for (index, sealed) in &sealed {
                table.insert(index, sealed.as_slice()).map_err(text)?;
            }
            if let Some((name, sealed)) = fact {
                let mut table = transaction.open_table(FACTS).map_err(text)?;
                table.insert(name, sealed.as_slice()).map_err(text)?;
            }
        }
        transaction.commit().map_err(text)
    }

    /// Removes entries from `index` on: another leader has written others in their place.
    pub fn truncate(&self, index: u64) -> Result<()> {
        let transaction = self.database.begin_write().map_err(text)?;
        transaction
            .open_table(LOG)
            .map_err(text)?
            .retain_in(index.., |_, _| false)
            .map_err(text)?;
        transaction.commit().map_err(text)
    }

    /// Removes entries up to and with `last`: a snapshot holds what they did.
    pub fn purge(&self, last: &LogId) -> Result<()> {
        let sealed = self.sealed(b"purged", last)?;
        let transaction = self.database.begin_write().map_err(text)?;
        {
            transaction
                .open_table(LOG)
                .map_err(text)?
                .retain_in(..=last.index, |_, _| false)
                .map_err(text)?;
            let mut table = transaction.open_table(FACTS).map_err(text)?;
            table.insert("purged", sealed.as_slice()).map_err(text)?;
        }
        transaction.commit().map_err(text)
    }
}

/// A file larger than this is compacted when it is opened, in bytes.
const COMPACT_ABOVE: u64 = 32 << 20;

fn copied(bound: Bound<&u64>) -> Bound<u64> {
    bound.cloned()
}
