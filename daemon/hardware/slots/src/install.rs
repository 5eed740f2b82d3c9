//! A node's installing: a bundle comes in, is checked, is written into the slot that does not run, and that slot is tried.

use crate::tries::{self, Outcome};
use crate::{Error, Facts, Incoming, Paths, Running, Slot, State, facts, rauc, receive, restart, states};
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// How far an installation is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The bundle is looked at: its signature, and whether it is for this board.
    Checking,
    /// The slot is being written.
    Writing {
        /// Of a hundred.
        percent: u8,
        /// In RAUC's words.
        what: String,
    },
    /// All is written; the board restarts into a trial.
    Restarting {
        /// Of this slot.
        slot: Slot,
        /// With this version.
        version: Option<String>,
    },
}

/// Installs bundles on this board, one at a time.
#[derive(Clone, Debug)]
pub struct Installer {
    paths: Paths,
    turn: Arc<Mutex<()>>,
}

/// A bundle that came in whole and waits to be installed; it goes when this does.
#[derive(Debug)]
pub struct Received {
    paths: Paths,
    facts: Facts,
    slot: Slot,
    _turn: OwnedMutexGuard<()>,
}

impl Installer {
    /// Of the board with these paths. What an interrupted installation left behind is removed.
    pub fn new(paths: Paths) -> Self {
        receive::forget(&paths);
        Self {
            paths,
            turn: Arc::default(),
        }
    }

    /// Where things are on the board.
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// Takes a bundle in, `announced` bytes long if that is known.
    ///
    /// # Errors
    /// [`Error::Refused`] before anything is read, if this board can't be updated now.
    pub async fn receive(
        &self,
        announced: Option<u64>,
        mut bundle: impl Stream<Item = Result<Bytes, String>> + Unpin,
    ) -> Result<Received, Error> {
        let turn = self
            .turn
            .clone()
            .try_lock_owned()
            .map_err(|_| Error::Busy("an update of this board is under way".to_owned()))?;
        let (facts, slot) = ready(&self.paths)?;
        let mut incoming = Incoming::begin(&self.paths, announced).await?;
        // From here on the file goes when this ends, however it ends.
        let received = Received {
            paths: self.paths.clone(),
            facts,
            slot,
            _turn: turn,
        };
        while let Some(piece) = bundle.next().await {
            let piece = piece.map_err(|error| Error::Bundle(format!("the bundle broke off: {error}")))?;
            incoming.take(&piece).await?;
        }
        let bytes = incoming.finish().await?;
        tracing::info!(bytes, "a bundle came in");
        Ok(received)
    }
}

/// Whether this board can be updated now, and its slot that does not run.
fn ready(paths: &Paths) -> Result<(Facts, Slot), Error> {
    let facts = facts(paths).ok_or_else(|| {
        Error::Refused(
            "this board does not run Bramble's image (it has no /etc/bramble/release): its system is updated by other means".to_owned(),
        )
    })?;
    let (Some(runs), None) = (facts.running.slot, &facts.impossible) else {
        return Err(Error::Refused(facts.impossible.unwrap_or_default()));
    };
    match facts.outcome {
        Outcome::OnTrial => {
            return Err(Error::Busy(format!(
                "slot {runs} is on trial: wait until it is confirmed (bramble slot status)"
            )));
        }
        Outcome::Restarting => {
            return Err(Error::Busy(
                "this board is about to restart into an update".to_owned(),
            ));
        }
        Outcome::Nothing | Outcome::Failed(_) => {}
    }
    Ok((facts, runs.other()))
}

/// Why no update can be tried on this board, whatever the bundle.
pub(crate) fn obstacle(paths: &Paths, running: &Running) -> Option<String> {
    let Some(runs) = running.slot else {
        return Some("nothing tells which slot runs: this board can't be updated".to_owned());
    };
    if crate::root(paths).is_some_and(|root| root != runs) {
        return Some(format!(
            "this board runs from slot {}'s root, as that of slot {runs} is damaged: an update would overwrite it. Flash its card anew",
            runs.other()
        ));
    }
    restart::firmware(paths).err().map(|error| error.to_string())
}

impl Received {
    /// Checks the bundle, writes it, and restarts the board into a trial of it. `member`: the board is in a cluster, and must
    /// be in it again for the trial to be a success.
    ///
    /// # Errors
    /// [`Error::Bundle`] if it is not for this board; else what RAUC or the restart said. The slot that runs is untouched.
    pub async fn install(self, member: bool, mut tell: impl FnMut(Progress)) -> Result<(), Error> {
        let path = self.paths.bundle();
        tell(Progress::Checking);
        let bundle = rauc::info(&self.paths, &path).await?;
        if bundle.compatible != self.facts.compatible {
            return Err(Error::Bundle(format!(
                "the bundle is for {}, and this board is {}",
                bundle.compatible, self.facts.compatible
            )));
        }
        let slot = self.slot;
        tracing::info!(%slot, version = bundle.version, "an update is written");
        rauc::install(&self.paths, &path, |percent, what| {
            tell(Progress::Writing {
                percent,
                what: what.to_owned(),
            });
        })
        .await?;
        states::set(&self.paths, slot, State::Bad)?;
        tries::begin(&self.paths, slot, bundle.version.clone(), member)?;
        tell(Progress::Restarting {
            slot,
            version: bundle.version,
        });
        let paths = self.paths.clone();
        let restarted = tokio::task::spawn_blocking(move || restart::into_trial(&paths)).await;
        let restarted = restarted.unwrap_or_else(|error| Err(Error::Program(error.to_string())));
        if let Err(error) = &restarted {
            let why = format!("the restart did not begin: {error}");
            tries::end(&self.paths, slot, None, tries::Ended::Failed(why))?;
        }
        restarted
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        receive::forget(&self.paths);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const INFO: &str = "echo '{\"compatible\":\"bramble-arm64\",\"version\":\"2\"}'";

    /// A board with an image, that runs slot A.
    fn board(rauc: &str) -> (tempfile::TempDir, Paths) {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::below(dir.path());
        let write = |path: std::path::PathBuf, text: &[u8]| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
        };
        write(paths.release(), b"VERSION=1\nCOMPATIBLE=bramble-arm64\n");
        write(paths.autoboot(), crate::autoboot::render(Slot::A).as_bytes());
        write(paths.chosen_partition(), &[0, 0, 0, 2]);
        write(paths.boot_id(), b"one\n");
        write(paths.firmware_port(), b"");
        crate::testing::script(&paths.rauc(), rauc);
        crate::testing::script(&paths.systemctl(), "exit 0");
        (dir, paths)
    }

    fn pieces(text: &'static str) -> impl Stream<Item = Result<Bytes, String>> + Unpin {
        futures::stream::iter([Ok(Bytes::from_static(text.as_bytes()))])
    }

    #[tokio::test]
    async fn a_bundle_is_checked_written_and_tried() {
        let script = format!("case $1 in info) {INFO};; install) cat $2 >&2; echo ' 50% Copying';; esac");
        let (_dir, paths) = board(&script);
        let installer = Installer::new(paths.clone());
        let received = installer.receive(Some(6), pieces("bundle")).await.unwrap();
        let again = installer
            .receive(None, pieces("x"))
            .await
            .unwrap_err()
            .to_string();
        assert!(again.contains("under way"), "{again}");
        let mut heard = Vec::new();
        received
            .install(true, |progress| heard.push(progress))
            .await
            .unwrap();
        let restarting = Progress::Restarting {
            slot: Slot::B,
            version: Some("2".into()),
        };
        assert_eq!(
            (heard.first(), heard.last()),
            (Some(&Progress::Checking), Some(&restarting))
        );
        assert_eq!(heard.len(), 3);
        assert!(!paths.bundle().exists());
        assert_eq!(fs::read(paths.firmware_port()).unwrap(), b"tryboot\n");
        let after = facts(&paths).unwrap();
        assert_eq!((after.outcome, after.usual), (Outcome::Restarting, Slot::A));
        assert_eq!(after.states.1, State::Bad);
        let early = installer
            .receive(None, pieces("x"))
            .await
            .unwrap_err()
            .to_string();
        assert!(early.contains("about to restart"), "{early}");
    }

    #[tokio::test]
    async fn what_can_t_be_is_refused_before_anything_is_written() {
        let other = "echo '{\"compatible\":\"other\",\"version\":\"2\"}'";
        let (_dir, paths) = board(other);
        let received = Installer::new(paths.clone())
            .receive(None, pieces("x"))
            .await
            .unwrap();
        let error = received.install(true, |_| {}).await.unwrap_err().to_string();
        assert_eq!(error, "the bundle is for other, and this board is bramble-arm64");
        assert_eq!(facts(&paths).unwrap().outcome, Outcome::Nothing);

        let mounts = "22 21 254:0 / / ro - erofs /dev/mapper/root ro\n";
        let twin = paths.block_device("254:0").join("slaves/vda6/partition");
        for (path, text) in [(paths.mounts(), mounts), (twin, "6\n")] {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let error = Installer::new(paths.clone())
            .receive(None, pieces("x"))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("slot B's root"), "{error}");
        fs::remove_file(paths.mounts()).unwrap();

        fs::write(paths.chosen_partition(), [0, 0, 0, 3]).unwrap();
        fs::write(paths.chosen_tryboot(), [0, 0, 0, 1]).unwrap();
        let error = Installer::new(paths.clone())
            .receive(None, pieces("x"))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("on trial"), "{error}");
        fs::remove_file(paths.chosen_tryboot()).unwrap();
        fs::remove_file(paths.firmware_port()).unwrap();
        let error = Installer::new(paths.clone())
            .receive(None, pieces("x"))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("kernel"), "{error}");
        fs::remove_file(paths.release()).unwrap();
        let error = Installer::new(paths.clone())
            .receive(None, pieces("x"))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("Bramble's image"), "{error}");
        assert!(!paths.bundle().exists());
    }

    #[tokio::test]
    async fn a_failed_installation_leaves_no_try() {
        let script = format!("case $1 in info) {INFO};; install) echo 'LastError: no slot'; exit 1;; esac");
        let (_dir, paths) = board(&script);
        let received = Installer::new(paths.clone())
            .receive(None, pieces("x"))
            .await
            .unwrap();
        let error = received.install(true, |_| {}).await.unwrap_err().to_string();
        assert!(error.contains("rauc install: no slot"), "{error}");
        assert_eq!(facts(&paths).unwrap().outcome, Outcome::Nothing);
        assert!(fs::read(paths.firmware_port()).unwrap().is_empty());
    }
}
