//! The packet filter, spoken to through `nft`: one process and one transaction a change.

use std::{path::Path, process::Stdio, time::Duration};

use tokio::{
    io::AsyncWriteExt,
    process::{Child, Command},
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use super::namespace;
use crate::Error;

/// Far longer than the slowest board needs; a stuck `nft` must not hold up the board's network for ever.
const PATIENCE: Duration = Duration::from_secs(20);
/// Processes at once: a small board whose hundred tasks all need rules in one moment has not the memory for a hundred.
static PLACES: Semaphore = Semaphore::const_new(8);

/// Applies `change` wholly or not at all, on the board; `text` if there is no change or it does not fit what is there: somebody
/// may have flushed all rules.
///
/// # Errors
/// [`Error::Rules`] with nft's words.
pub async fn apply(change: Option<&str>, text: &str) -> Result<(), Error> {
    let _place = place().await?;
    if let Some(change) = change {
        match patiently(feed(start()?, change)).await {
            Ok(()) => return Ok(()),
            Err(error) => tracing::warn!(%error, "the board's rules are made anew"),
        }
    }
    patiently(feed(start()?, text)).await
}

/// The same in the namespace mounted at `path`.
///
/// # Errors
/// [`Error::Rules`] with nft's words, or [`Error::Kernel`] if the namespace cannot be entered.
pub async fn apply_within(path: &Path, change: Option<&str>, text: &str) -> Result<(), Error> {
    let _place = place().await?;
    if let Some(change) = change {
        let nft = namespace::inside(path, start).await?;
        match patiently(feed(nft, change)).await {
            Ok(()) => return Ok(()),
            Err(error) => tracing::warn!(%error, "a task's rules are made anew"),
        }
    }
    let nft = namespace::inside(path, start).await?;
    patiently(feed(nft, text)).await
}

async fn place() -> Result<SemaphorePermit<'static>, Error> {
    PLACES.acquire().await.map_err(|_| Error::Closed)
}

async fn patiently(work: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
    timeout(PATIENCE, work)
        .await
        .unwrap_or_else(|_| Err(Error::Rules("no answer in time".to_owned())))
}

/// A process is born into the namespace of the thread that starts it.
fn start() -> Result<Child, Error> {
    Command::new("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(rules)
}

async fn feed(mut nft: Child, text: &str) -> Result<(), Error> {
    // nft reads all before it says anything, so writing first cannot block both. If it ended early, its words matter
    // more than the broken pipe.
    let written = match nft.stdin.take() {
        Some(mut input) => input.write_all(text.as_bytes()).await,
        None => Ok(()),
    };
    let output = nft.wait_with_output().await.map_err(rules)?;
    if !output.status.success() {
        return Err(Error::Rules(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        ));
    }
    written.map_err(rules)
}

fn rules(error: std::io::Error) -> Error {
    Error::Rules(error.to_string())
}
