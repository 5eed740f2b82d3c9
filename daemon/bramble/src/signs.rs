//! Shows on the board's LED where it stands.

use crate::node::Node;
use board::{Files, Led, Sign};
use model::BoardState;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often is looked whether another sign is due; nothing is written while it is the same.
const LOOK: Duration = Duration::from_secs(5);

/// Shows signs until shutdown, then lets the LED show again what it showed before.
pub async fn show(node: Arc<Node>, shutdown: CancellationToken) {
    if !node.config.led {
        return;
    }
    let files = Files::below(&node.config.board_root);
    let mut led = match Led::take(&files, &node.config.run_dir.join("led")) {
        Ok(Some(led)) => led,
        Ok(None) => return,
        Err(error) => return tracing::warn!(%error, "the board's LED can't be used"),
    };
    let (mut standing, mut managers, mut orders) = (
        node.standing.subscribe(),
        node.manager.subscribe(),
        node.orders.subscribe(),
    );
    let mut failed = false;
    loop {
        // A mistake on the card is trouble too: the LED may be all that its user looks at.
        let ill = node.hardware.borrow().condition.refusal().is_some() || !node.problems.borrow().is_empty();
        // A few bytes to the kernel: never worth a thread of its own.
        let shown = led.show(sign(crate::report::state(&node).0, ill));
        if let Err(error) = &shown
            && !failed
        {
            tracing::warn!(%error, "the board's LED does not obey");
        }
        failed = shown.is_err();
        tokio::select! {
            () = shutdown.cancelled() => break,
            _ = standing.changed() => {}
            _ = managers.changed() => {}
            _ = orders.changed() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
    if let Err(error) = led.give_back() {
        tracing::warn!(%error, "the board's LED was not given back");
    }
}

/// The sign for where a board stands.
fn sign(state: BoardState, ill: bool) -> Sign {
    match state {
        BoardState::Trouble | BoardState::Locked => Sign::Trouble,
        _ if ill => Sign::Trouble,
        BoardState::Idle => Sign::Idle,
        BoardState::Searching => Sign::Searching,
        BoardState::Worker => Sign::Member,
        BoardState::Manager | BoardState::Leader => Sign::Manager,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_seen_before_all_else() {
        assert_eq!(sign(BoardState::Leader, false), Sign::Manager);
        assert_eq!(sign(BoardState::Leader, true), Sign::Trouble);
        assert_eq!(sign(BoardState::Locked, false), Sign::Trouble);
        assert_eq!(sign(BoardState::Worker, false), Sign::Member);
    }
}
