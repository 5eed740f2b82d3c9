//! The cluster's networks as they were told last, kept twice.
//!
//! - On a file system that a power cut empties: always the newest, for a daemon that is started again in the same boot. It costs
//!   no wear.
//! - On the card, for a board that wakes up with no manager in reach: its tasks need their networks. Who is in them changes with
//!   every task of the cluster and can be told again, so that is written seldom; networks that come and go are written soon.

use crate::board::Inner;
use exec::{Fabric, Overlay};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Between two writes to the card if networks come and go, and if only those in them do.
const SOON: Duration = Duration::from_secs(2);
const SELDOM: Duration = Duration::from_secs(60);

/// Where the newest is kept for as long as the board is on.
#[derive(Clone)]
pub(crate) struct Newest(PathBuf);

impl Newest {
    pub fn new(run: &Path) -> Self {
        Self(run.join("networks.json"))
    }

    /// None if there is none, or none that can be read: it will be told again.
    pub fn read(&self) -> Option<Fabric> {
        let text = std::fs::read(&self.0).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Without it a new daemon begins with what is on the card, and is told the rest: no reason to stop.
    pub async fn write(&self, fabric: Arc<Fabric>) {
        let (file, new) = (self.0.clone(), self.0.with_extension("new"));
        let write = move || {
            // Strings, numbers and lists always serialize.
            std::fs::write(&new, serde_json::to_vec(&*fabric).unwrap_or_default())?;
            std::fs::rename(&new, &file)
        };
        let written = tokio::task::spawn_blocking(write).await;
        if let Err(error) = written.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            tracing::warn!(%error, "the cluster's networks are not noted");
        }
    }

    /// This board leaves the cluster. None there is as good.
    pub async fn remove(&self) {
        let _ = tokio::fs::remove_file(&self.0).await;
    }
}

/// Writes to the card.
pub(crate) struct Keeper {
    inner: Arc<Inner>,
    /// What is on it.
    kept: Option<Arc<Fabric>>,
}

impl Keeper {
    /// `kept`: what was found there.
    pub fn new(inner: Arc<Inner>, kept: Option<Arc<Fabric>>) -> Self {
        Self { inner, kept }
    }

    /// Writes until the board closes, then what is not written yet.
    pub async fn run(mut self) {
        let stopping = self.inner.stopping.clone();
        stopping.run_until_cancelled(self.keep()).await;
        self.write().await;
    }

    async fn keep(&mut self) {
        let mut told = self.inner.loom.told();
        loop {
            if self.write().await {
                tokio::time::sleep(SOON).await;
                let other = told.wait_for(|told| self.places(told.told()));
                tokio::select! {
                    _ = other => {}
                    () = tokio::time::sleep(SELDOM) => {}
                }
            } else if told.changed().await.is_err() {
                return;
            }
        }
    }

    /// True if other networks are told than are kept.
    fn places(&self, told: Option<&Arc<Fabric>>) -> bool {
        let of = |fabric: Option<&Arc<Fabric>>| -> Vec<Overlay> {
            let networks = fabric.into_iter().flat_map(|fabric| &fabric.networks);
            networks.map(alone).collect()
        };
        of(told) != of(self.kept.as_ref())
    }

    /// True if there was something to write.
    async fn write(&mut self) -> bool {
        let Some(told) = self.inner.loom.told().borrow().told().cloned() else {
            return false;
        };
        // Numbers are of no interest on the card: another leader counts anew.
        let same = |kept: &Arc<Fabric>| {
            Fabric {
                number: kept.number,
                ..(*told).clone()
            } == **kept
        };
        if self.kept.as_ref().is_some_and(same) {
            return false;
        }
        match self.inner.keep_fabric(told.clone()).await {
            Ok(()) => {}
            Err(error) => tracing::warn!(%error, "the cluster's networks are not kept"),
        }
        self.kept = Some(told);
        true
    }
}

/// A network without those in it.
fn alone(overlay: &Overlay) -> Overlay {
    Overlay {
        peers: Vec::new(),
        endpoints: Vec::new(),
        services: Vec::new(),
        ..overlay.clone()
    }
}
