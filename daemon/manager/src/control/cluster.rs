//! The cluster's own settings and its join tokens.

use super::Refusal;
use model::{ClusterSpec, Timestamp, Version};
use pki::{Digest, Token};
use state::{Transaction, View};

/// Which tokens to make anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotate {
    /// That of workers.
    pub worker: bool,
    /// That of managers.
    pub manager: bool,
}

/// The cluster with another spec; made from `version`, or refused.
///
/// # Errors
/// [`Refusal`]: moved on, or it asks for what is not built.
pub fn update(
    view: &View,
    version: Version,
    spec: ClusterSpec,
    rotate: Rotate,
    now: Timestamp,
) -> Result<Transaction, Refusal> {
    let old = view
        .cluster()
        .ok_or_else(|| Refusal::NotFound("the cluster".to_owned()))?;
    if old.meta.version != version {
        return Err(Refusal::OutOfSequence);
    }
    validate(&old.spec, &spec)?;
    let mut cluster = (**old).clone();
    if let Some(keys) = &mut cluster.keys {
        let root = Digest::of_pem(&keys.ca_certificate).map_err(internal)?;
        for (wanted, token) in [
            (rotate.worker, &mut keys.tokens.worker),
            (rotate.manager, &mut keys.tokens.manager),
        ] {
            if wanted {
                *token = Token::generate(root).map_err(internal)?.reveal();
            }
        }
    }
    cluster.spec = spec;
    cluster.meta.updated_at = now;
    let mut transaction = Transaction::new();
    transaction.update(cluster);
    Ok(transaction)
}

fn internal(error: impl std::fmt::Display) -> Refusal {
    Refusal::Internal(error.to_string())
}

/// Checks what a user asks of the cluster, at its founding (`old` is then the default) or later.
///
/// # Errors
/// [`Refusal`], with what is wrong.
pub fn validate(old: &ClusterSpec, new: &ClusterSpec) -> Result<(), Refusal> {
    const HOUR: i64 = 3_600_000_000_000;
    if new.encryption_config.auto_lock_managers == Some(true) {
        return Err(Refusal::Unimplemented(
            "locking managers (--autolock) is not built yet".to_owned(),
        ));
    }
    let ca = &new.ca_config;
    if ca
        .external_cas
        .as_ref()
        .is_some_and(|external| !external.is_empty())
    {
        return Err(Refusal::Unimplemented(
            "external certificate authorities are not built yet".to_owned(),
        ));
    }
    let same_authority = ca.force_rotate.unwrap_or(0) == old.ca_config.force_rotate.unwrap_or(0);
    if !same_authority || ca.signing_ca_cert.as_ref().is_some_and(|cert| !cert.is_empty()) {
        return Err(Refusal::Unimplemented(
            "changing the certificate authority is not built yet".to_owned(),
        ));
    }
    if ca
        .node_cert_expiry
        .is_some_and(|expiry| expiry != 0 && expiry < HOUR)
    {
        return Err(Refusal::invalid("minimum certificate expiry time is 1h0m0s"));
    }
    if new.dispatcher.heartbeat_period.is_some_and(|period| period < 0) {
        return Err(Refusal::invalid(
            "heartbeat time period cannot be a negative duration",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Cluster, ClusterKeys};

    fn founded() -> View {
        let ca = pki::Ca::found("c", Timestamp::UNIX_EPOCH).unwrap();
        let mut keys = ClusterKeys {
            ca_certificate: ca.cert_pem().to_owned(),
            ..ClusterKeys::default()
        };
        keys.tokens.worker = Token::generate(ca.digest()).unwrap().reveal();
        keys.tokens.manager = Token::generate(ca.digest()).unwrap().reveal();
        let mut first = Transaction::new();
        first.create(Cluster {
            keys: Some(keys),
            ..Cluster::default()
        });
        View::default().apply(1, &first).unwrap()
    }

    #[test]
    fn only_the_token_asked_for_is_made_anew() {
        let view = founded();
        let rotate = Rotate {
            worker: true,
            manager: false,
        };
        let changed = update(
            &view,
            Version { index: 1 },
            ClusterSpec::default(),
            rotate,
            Timestamp::UNIX_EPOCH,
        )
        .unwrap();
        let tokens = |view: &View| view.cluster().unwrap().keys.as_ref().unwrap().tokens.clone();
        let (old, new) = (tokens(&view), tokens(&view.apply(2, &changed).unwrap()));
        assert_ne!(old.worker, new.worker);
        assert_eq!(old.manager, new.manager);
    }

    #[test]
    fn what_is_not_built_is_refused_in_words() {
        let mut spec = ClusterSpec::default();
        spec.encryption_config.auto_lock_managers = Some(true);
        assert!(matches!(
            validate(&ClusterSpec::default(), &spec),
            Err(Refusal::Unimplemented(_))
        ));
    }
}
