//! The join key once the board is in: kept in the state folder, taken off the card.
//!
//! A card can be pulled and read by anyone, and it lies around. Managers go on to prove themselves with the key to boards that
//! come later, so it is kept with what else must last. A key that is on the card wins: a user has put it there.

use crate::card_file;
use crate::node::Node;
use anyhow::Context as _;
use card::{Left, Secret, Taken};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// After the disk or the card could not be written.
const AGAIN: Duration = Duration::from_secs(300);
/// In the state folder. It outlives the membership: a board that leaves and is to come again needs it.
const FILE: &str = "join-key.json";

/// A key, and which cluster it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deposit {
    cluster: String,
    key: model::Hidden<String>,
}

impl Deposit {
    /// What was kept; none if nothing was, or if it was torn and so must come from the card again.
    ///
    /// # Errors
    /// If it is there and can't be read.
    pub fn load(state: &Path) -> anyhow::Result<Option<Self>> {
        let path = state.join(FILE);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
        }
    }

    /// The key, if it is this cluster's.
    pub fn key_of(&self, cluster: &str) -> Option<Secret> {
        (self.cluster == cluster).then(|| Secret::new(self.key.reveal()))
    }

    fn save(&self, state: &Path) -> anyhow::Result<()> {
        pki::files::write_atomic(&state.join(FILE), &serde_json::to_vec_pretty(self)?, 0o600)
            .context("keeping the join key")
    }
}

/// Keeps the key of the cluster that this board is in by its card, then takes it off the card.
pub async fn keep(node: &Arc<Node>) -> Infallible {
    let wanted = || {
        let cluster = node.config.cluster.clone()?;
        let key = node.config.join_key.as_ref()?;
        let deposit = Deposit {
            key: model::Hidden::new(key.reveal().to_owned()),
            cluster,
        };
        (node.kept.borrow().cluster == deposit.cluster).then_some(deposit)
    };
    let Some(deposit) = wanted() else {
        // In a cluster by hand: the card's key is of another one.
        return std::future::pending().await;
    };
    loop {
        let (state, card) = (node.board.state.clone(), node.config.card.clone());
        let deposit = deposit.clone();
        let done = tokio::task::spawn_blocking(move || settle(&deposit, &state, card.as_deref()));
        let trouble = match done.await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("{error:#}")),
            Err(error) => Some(error.to_string()),
        };
        let Some(trouble) = trouble else {
            return std::future::pending().await;
        };
        tracing::warn!(error = %trouble, "the join key stays on the card");
        node.problems.send_if_modified(|problems| {
            let text = format!("the join key stays on the card: {trouble}");
            let news = !problems.contains(&text);
            problems.retain(|problem| !problem.starts_with("the join key stays on the card"));
            problems.push(text);
            news
        });
        tokio::time::sleep(AGAIN).await;
    }
}

fn settle(deposit: &Deposit, state: &Path, card: Option<&Path>) -> anyhow::Result<()> {
    if Deposit::load(state)?.as_ref() != Some(deposit) {
        deposit.save(state)?;
    }
    let Some(card) = card else { return Ok(()) };
    card_file::recover(card)?;
    let now = jiff::Timestamp::now().strftime("%Y-%m-%d");
    let note = format!(
        "taken off on {now} when the board was in the cluster, and kept on its data partition; write it here again to change it"
    );
    let mut stuck = false;
    let taken = card_file::change(card, |text| match card::take_off(text, Taken::JoinKey, &note) {
        Left::Text(text) => Some(text),
        Left::Same => None,
        Left::Stuck => {
            stuck = true;
            None
        }
    })?;
    if taken {
        tracing::info!(card = %card.display(), "the join key is kept, and no longer on the card");
    }
    anyhow::ensure!(
        !stuck,
        "{}: its line can't be told from what is around it: take it off by hand",
        card.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_moves_from_the_card_to_the_state_folder() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let card = dir.path().join("bramble.toml");
        std::fs::write(&card, "cluster = 'home'\njoin-key = 'hunter22'\n").unwrap();
        assert_eq!(Deposit::load(dir.path()).unwrap(), None);
        let deposit = Deposit {
            cluster: "home".into(),
            key: model::Hidden::new("hunter22".into()),
        };
        for _ in 0..2 {
            settle(&deposit, dir.path(), Some(&card)).unwrap();
            let kept = Deposit::load(dir.path()).unwrap().unwrap();
            assert_eq!(kept.key_of("home"), Some(Secret::new("hunter22")));
            assert_eq!(kept.key_of("other"), None);
        }
        let left = std::fs::read_to_string(&card).unwrap();
        assert!(
            left.starts_with("cluster = 'home'\n# join-key: taken off on ") && !left.contains("hunter"),
            "{left}"
        );
        let mode = std::fs::metadata(dir.path().join(FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
