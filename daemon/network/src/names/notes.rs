//! What is kept for a daemon that is started again: the containers run on meanwhile, and nobody tells it of them anew.

use std::{collections::BTreeMap, io::ErrorKind, path::PathBuf};

use model::TaskId;

use super::zone::Own;

/// Notes of all tasks, in one file on tmpfs.
pub struct Notes {
    file: PathBuf,
}

impl Notes {
    /// Notes in that file, which need not be there.
    pub fn at(file: PathBuf) -> Self {
        Notes { file }
    }

    /// All that was noted. Torn or foreign notes are as good as none.
    pub async fn read(&self) -> BTreeMap<TaskId, Own> {
        match tokio::fs::read(&self.file).await {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| {
                tracing::warn!(path = %self.file.display(), %error, "the notes on tasks' names are unreadable");
                BTreeMap::new()
            }),
            Err(error) => {
                if error.kind() != ErrorKind::NotFound {
                    tracing::warn!(path = %self.file.display(), %error, "cannot read the notes on tasks' names");
                }
                BTreeMap::new()
            }
        }
    }

    /// Notes that; no file if there is nothing to note. Not synced: after a power cut there is nothing to take over. A full
    /// disk must not stop the board's network, it only costs a restarted daemon's tasks their names.
    pub async fn write(&self, all: &BTreeMap<TaskId, Own>) {
        let result = async {
            if all.is_empty() {
                return match tokio::fs::remove_file(&self.file).await {
                    Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
                    _ => Ok(()),
                };
            }
            let unfinished = self.file.with_extension("new");
            tokio::fs::write(&unfinished, serde_json::to_vec(all)?).await?;
            tokio::fs::rename(&unfinished, &self.file).await
        };
        if let Err(error) = result.await {
            tracing::warn!(%error, "cannot note the tasks' names");
        }
    }
}
