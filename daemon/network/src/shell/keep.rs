//! What the board keeps as a whole: its rules, its notes; and how it gives everything up.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use tokio::time::Instant;

use super::board::Board;
use crate::{
    Error,
    kernel::{bridge, filter},
    recover::Note,
    rules,
};

impl Board {
    /// Applies the rules if they changed.
    pub(super) async fn filter(&mut self) -> Result<(), Error> {
        let text = rules::ruleset(&self.wanted);
        if self.applied.as_ref() != Some(&text) {
            // Uncertain while it runs, and after it failed.
            let before = self.applied.take().filter(|_| !self.doubt.board);
            let change = before.and_then(|before| rules::change(&before, &text));
            filter::apply(change.as_deref(), &text).await?;
            self.applied = Some(text);
            self.doubt.board &= Instant::now() < self.doubt.until;
        }
        Ok(())
    }

    /// Writes the notes if they changed. A full disk must not stop the board's network: without notes a restarted daemon reads
    /// the addresses from the kernel, and the ports from the wishes it is told again.
    pub(super) async fn note(&mut self) {
        let note = Note::of(&self.wanted, self.forwarding_was_off);
        if self.noted.as_ref() == Some(&note) {
            return;
        }
        self.noted = None;
        let written = self.unfinished_note();
        let result = match tokio::fs::write(&written, note.text()).await {
            // Not synced: after a power cut there is nothing to take over.
            Ok(()) => tokio::fs::rename(&written, &self.config.state_file).await,
            Err(error) => Err(error),
        };
        match result {
            Ok(()) => self.noted = Some(note),
            Err(error) => tracing::warn!(%error, "cannot note the board's addresses"),
        }
    }

    /// Writes what managers tell of the cluster's networks. A restarted daemon makes its first rules of it: those in force must not
    /// be replaced by rules that know of no networks.
    pub(super) async fn note_fabric(&self) {
        // Strings, numbers and lists always serialize.
        let text = serde_json::to_vec(self.wanted.fabric()).unwrap_or_default();
        let (file, written) = (self.fabric_file(), self.fabric_file().with_extension("new"));
        let result = match tokio::fs::write(&written, text).await {
            Ok(()) => tokio::fs::rename(&written, &file).await,
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            tracing::warn!(%error, "cannot note the cluster's networks");
        }
    }

    /// Where the networks are noted.
    pub(super) fn fabric_file(&self) -> PathBuf {
        let folder = self.config.state_file.parent();
        folder.unwrap_or(Path::new("/")).join("fabric.json")
    }

    /// Removes what a killed daemon had not finished writing. None there is as good.
    pub(super) async fn sweep(&self) {
        for unfinished in [self.unfinished_note(), self.fabric_file().with_extension("new")] {
            let _ = tokio::fs::remove_file(unfinished).await;
        }
    }

    /// Where a note is written before it takes its place: no reader finds half of one.
    fn unfinished_note(&self) -> PathBuf {
        self.config.state_file.with_extension("new")
    }

    /// Removes everything, and goes on after errors.
    pub(super) async fn close(&mut self) -> Result<(), Error> {
        let mut errors = Vec::new();
        errors.extend(self.leave(|_| true).await.err());
        errors.extend(self.unweave().await.err());
        errors.extend(filter::apply(None, rules::NONE).await.err());
        errors.extend(self.links.remove(&self.config.bridge).await.err());
        if self.forwarding_was_off {
            errors.extend(bridge::set_forwarding(false).await.err());
        }
        // The notes go last, and only if nothing is left that they speak of: the next `open` may then try again.
        if errors.is_empty() {
            let (dir, file) = (&self.config.netns_dir, &self.config.state_file);
            let unfinished = self.unfinished_note();
            let fabric = self.fabric_file();
            let unfinished_fabric = fabric.with_extension("new");
            for (what, result) in [
                (&fabric, tokio::fs::remove_file(&fabric).await),
                (
                    &unfinished_fabric,
                    tokio::fs::remove_file(&unfinished_fabric).await,
                ),
                (dir, tokio::fs::remove_dir(dir).await),
                (&unfinished, tokio::fs::remove_file(&unfinished).await),
                (file, tokio::fs::remove_file(file).await),
            ] {
                match result {
                    Err(error) if error.kind() != ErrorKind::NotFound => {
                        errors.push(Error::kernel("removing", what.display())(error));
                    }
                    _ => {}
                }
            }
        }
        Error::all(errors)
    }
}
