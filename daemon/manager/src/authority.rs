//! Carries a rotation of the certificate authority on, while this node leads.

use crate::Inner;
use crate::control::authority;
use state::Transaction;
use std::time::Duration;
use store::CommitError;

/// After something went wrong.
const AGAIN: Duration = Duration::from_secs(1);

/// Runs while this node leads.
pub(crate) async fn reconcile(manager: &Inner) {
    let mut views = manager.store.watch();
    loop {
        let view = views.borrow_and_update().clone();
        match authority::step(&view, manager.clock.now()) {
            Ok(Some(cluster)) => {
                let rotated = cluster.tls_info.trust_root
                    != view
                        .cluster()
                        .map(|cluster| cluster.tls_info.trust_root.clone())
                        .unwrap_or_default();
                let mut transaction = Transaction::new();
                transaction.update(cluster);
                match manager.store.commit(transaction).await {
                    Ok(_) if rotated => tracing::info!("a new certificate authority has taken over"),
                    Ok(_) | Err(CommitError::Conflict(_)) => {}
                    Err(error) => {
                        tracing::warn!(%error, "the rotation of the certificate authority waits");
                        tokio::time::sleep(AGAIN).await;
                    }
                }
                continue;
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "the rotation of the certificate authority waits");
                tokio::time::sleep(AGAIN).await;
            }
        }
        if views.changed().await.is_err() {
            return;
        }
    }
}
