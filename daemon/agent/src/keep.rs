//! What survives a power cut: the tasks that this node was given, how far they came, and the cluster's networks.
//!
//! One small redb file. A write is a transaction with an fsync, so only what matters is written: new and gone tasks, and
//! states from `running` on. A task that was on its way there is simply begun again.

use exec::Fabric;
use model::{Task, TaskId};
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use std::path::Path;
use std::sync::Arc;

const TASKS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("tasks");
const FACTS: TableDefinition<'_, &str, &str> = TableDefinition::new("facts");
/// The fact that is the cluster's networks.
const FABRIC: &str = "fabric";

/// Why the disk could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The database.
    #[error("assignments on disk: {0}")]
    Database(String),
    /// What is in it.
    #[error("assignments on disk: task {task}: {error}")]
    Malformed {
        /// Which task.
        task: String,
        /// What is wrong with it.
        error: serde_json::Error,
    },
}

fn database(error: impl std::fmt::Display) -> KeepError {
    KeepError::Database(error.to_string())
}

/// The file. Cheap to clone; calls block and belong on a blocking thread.
#[derive(Clone)]
pub(crate) struct Keep {
    database: Arc<Database>,
}

/// One change.
pub(crate) enum Note {
    /// A task as it is now.
    Put(Box<Task>),
    /// A task that is no longer ours.
    Gone(TaskId),
}

impl Keep {
    /// Opens the file. One that can't be read is set aside: managers will tell the assignments again, and a board that
    /// does not start because of it would help nobody.
    pub fn open(dir: &Path) -> Result<Self, KeepError> {
        std::fs::create_dir_all(dir).map_err(database)?;
        let path = dir.join("tasks.redb");
        let made = match Database::create(&path) {
            Ok(made) => made,
            // Another daemon has it open: nothing is wrong with the file.
            Err(error @ redb::DatabaseError::DatabaseAlreadyOpen) => return Err(database(error)),
            Err(error) => {
                tracing::warn!(%error, "assignments on disk can't be read: set aside");
                std::fs::rename(&path, dir.join("tasks.redb.broken")).map_err(database)?;
                Database::create(&path).map_err(database)?
            }
        };
        let transaction = made.begin_write().map_err(database)?;
        transaction.open_table(TASKS).map_err(database)?;
        transaction.open_table(FACTS).map_err(database)?;
        transaction.commit().map_err(database)?;
        Ok(Self {
            database: Arc::new(made),
        })
    }

    /// All tasks; ones that can't be read are left out (they will be told again).
    pub fn tasks(&self) -> Result<Vec<Task>, KeepError> {
        let transaction = self.database.begin_read().map_err(database)?;
        let table = transaction.open_table(TASKS).map_err(database)?;
        let mut tasks = Vec::new();
        for entry in table.iter().map_err(database)? {
            let (id, bytes) = entry.map_err(database)?;
            match serde_json::from_slice(bytes.value()) {
                Ok(task) => tasks.push(task),
                Err(error) => {
                    let error = KeepError::Malformed {
                        task: id.value().to_owned(),
                        error,
                    };
                    tracing::warn!(%error, "left out");
                }
            }
        }
        Ok(tasks)
    }

    /// Writes changes, all or none.
    pub fn write(&self, notes: &[Note]) -> Result<(), KeepError> {
        let transaction = self.database.begin_write().map_err(database)?;
        {
            let mut table = transaction.open_table(TASKS).map_err(database)?;
            for note in notes {
                match note {
                    Note::Put(task) => {
                        let bytes = serde_json::to_vec(task).map_err(database)?;
                        table
                            .insert(task.id.as_str(), bytes.as_slice())
                            .map_err(database)?;
                    }
                    Note::Gone(id) => drop(table.remove(id.as_str()).map_err(database)?),
                }
            }
        }
        transaction.commit().map_err(database)
    }

    /// The networks as they were told last; none if they never were, or can't be read (they will be told again).
    pub fn fabric(&self) -> Result<Option<Fabric>, KeepError> {
        let transaction = self.database.begin_read().map_err(database)?;
        let table = transaction.open_table(FACTS).map_err(database)?;
        let kept = table.get(FABRIC).map_err(database)?;
        Ok(kept.and_then(|kept| {
            serde_json::from_str(kept.value())
                .inspect_err(|error| tracing::warn!(%error, "networks on disk can't be read: left out"))
                .ok()
        }))
    }

    /// Keeps the networks.
    pub fn keep_fabric(&self, fabric: &Fabric) -> Result<(), KeepError> {
        let text = serde_json::to_string(fabric).map_err(database)?;
        let transaction = self.database.begin_write().map_err(database)?;
        {
            let mut table = transaction.open_table(FACTS).map_err(database)?;
            table.insert(FABRIC, text.as_str()).map_err(database)?;
        }
        transaction.commit().map_err(database)
    }

    /// Remembers in which boot the board is; true if it is another than last time.
    pub fn new_boot(&self, boot: &str) -> Result<bool, KeepError> {
        let transaction = self.database.begin_write().map_err(database)?;
        let new = {
            let mut table = transaction.open_table(FACTS).map_err(database)?;
            let known = table
                .get("boot")
                .map_err(database)?
                .map(|known| known.value() == boot);
            if known != Some(true) {
                table.insert("boot", boot).map_err(database)?;
            }
            known == Some(false)
        };
        transaction.commit().map_err(database)?;
        Ok(new)
    }
}
