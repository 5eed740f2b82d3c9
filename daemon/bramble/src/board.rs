//! This board: its own key, its boot, its folders.

use anyhow::Context as _;
use model::NodeId;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Changes with every boot of the kernel.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// This board, as it names itself to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Board {
    /// Its own key: random, made once.
    pub key: String,
    /// Names this boot: another after every power cut, the same after a restart of the daemon.
    pub boot: String,
    /// What must last.
    pub state: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Note {
    key: String,
    serial: Option<String>,
}

impl Board {
    /// Finds out who this board is. A card that was moved or copied to another board (its serial number differs) gets a key
    /// of its own, and everything that made it a member of a cluster is put aside.
    ///
    /// # Errors
    /// If the folders can't be used.
    pub fn open(state: &Path, run: &Path) -> anyhow::Result<Self> {
        Self::open_with(state, run, crate::serial::serial(Path::new("/")))
    }

    fn open_with(state: &Path, run: &Path, serial: Option<String>) -> anyhow::Result<Self> {
        for dir in [state, run] {
            std::fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
        }
        let path = state.join("board.json");
        let known = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice::<Note>(&bytes).ok(),
            Err(_) => None,
        };
        let key = match known {
            Some(note) if note.serial == serial => note.key,
            known => {
                if known.is_some() {
                    tracing::warn!("this card was made on another board: it gets an identity of its own");
                    forget_membership(state)?;
                }
                let note = Note {
                    key: random_id(),
                    serial,
                };
                let text = serde_json::to_vec_pretty(&note)?;
                pki::files::write_atomic(&path, &text, 0o600).context("writing the board's key")?;
                note.key
            }
        };
        Ok(Self {
            key,
            boot: boot(run)?,
            state: state.to_owned(),
        })
    }
}

/// Removes what makes this board a member of a cluster; images and volumes stay.
///
/// # Errors
/// If something can't be removed.
pub fn forget_membership(state: &Path) -> anyhow::Result<()> {
    for name in [
        "tls",
        "raft",
        "agent",
        "node.json",
        "seal.key",
        "lock",
        "wireguard.key",
    ] {
        let path = state.join(name);
        let removed = if path.is_dir() {
            std::fs::remove_dir_all(&path)
        } else {
            std::fs::remove_file(&path)
        };
        match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("removing {}", path.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

fn random_id() -> String {
    NodeId::generate(&mut rand::rng()).to_string()
}

/// The kernel's boot and a file that goes with a reboot: either tells of a power cut.
fn boot(run: &Path) -> anyhow::Result<String> {
    let path = run.join("boot");
    let ours = match std::fs::read_to_string(&path) {
        Ok(ours) => ours,
        Err(_) => {
            let ours = random_id();
            std::fs::write(&path, &ours).with_context(|| format!("writing {}", path.display()))?;
            ours
        }
    };
    let kernels = std::fs::read_to_string(BOOT_ID).unwrap_or_default();
    Ok(format!("{}-{ours}", kernels.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_keeps_its_key_and_knows_a_new_boot() {
        let dir = tempfile::tempdir().unwrap();
        let (state, run) = (dir.path().join("state"), dir.path().join("run"));
        let first = Board::open_with(&state, &run, None).unwrap();
        assert_eq!(Board::open_with(&state, &run, None).unwrap(), first);
        std::fs::remove_dir_all(&run).unwrap();
        let second = Board::open_with(&state, &run, None).unwrap();
        assert_eq!(second.key, first.key);
        assert_ne!(second.boot, first.boot);
    }

    #[test]
    fn a_card_in_another_board_becomes_another_board() {
        let dir = tempfile::tempdir().unwrap();
        let (state, run) = (dir.path().join("state"), dir.path().join("run"));
        let first = Board::open_with(&state, &run, Some("1".into())).unwrap();
        std::fs::write(state.join("node.json"), "{}").unwrap();
        let second = Board::open_with(&state, &run, Some("2".into())).unwrap();
        assert_ne!(second.key, first.key);
        assert!(!state.join("node.json").exists());
    }
}
