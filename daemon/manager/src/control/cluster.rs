//! The cluster's own settings and its join tokens.

use super::settings::merged;
pub use super::settings::validate;
use super::{Refusal, authority};
use model::{ClusterSpec, Hidden, Timestamp, Version};
use pki::lock::UnlockKey;
use pki::{Digest, Token};
use state::{Transaction, View};

/// Which tokens to make anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotate {
    /// That of workers.
    pub worker: bool,
    /// That of managers.
    pub manager: bool,
    /// The key that locks managers.
    pub unlock_key: bool,
}

/// The cluster with another spec; made from `version`, or refused.
///
/// # Errors
/// [`Refusal`]: moved on, or it asks for what can't be.
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
    let mut spec = merged(spec, &old.spec);
    if spec.name != old.spec.name {
        return Err(Refusal::invalid("modification of cluster name is not allowed"));
    }
    validate(&spec)?;
    let mut cluster = (**old).clone();
    authority::change(&mut cluster, &mut spec.ca_config, &old.spec.ca_config, now)?;
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
        keys.unlock_key = unlock_key(keys.unlock_key.take(), &spec, rotate.unlock_key).map_err(internal)?;
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

/// The key that managers are locked with: there is one as long as the settings say so.
fn unlock_key(
    old: Option<Hidden<String>>,
    spec: &ClusterSpec,
    anew: bool,
) -> Result<Option<Hidden<String>>, pki::Error> {
    if spec.encryption_config.auto_lock_managers != Some(true) {
        return Ok(None);
    }
    match old.filter(|_| !anew) {
        Some(old) => Ok(Some(old)),
        None => first_unlock_key(spec),
    }
}

/// A new key to lock managers with, if the settings say so.
///
/// # Errors
/// Without randomness.
pub(crate) fn first_unlock_key(spec: &ClusterSpec) -> Result<Option<Hidden<String>>, pki::Error> {
    if spec.encryption_config.auto_lock_managers != Some(true) {
        return Ok(None);
    }
    let key = UnlockKey::generate()?;
    Ok(Some(Hidden::new(key.reveal())))
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

    fn change(spec: ClusterSpec, rotate: Rotate) -> Result<View, Refusal> {
        let view = founded();
        let changed = update(&view, Version { index: 1 }, spec, rotate, Timestamp::UNIX_EPOCH)?;
        Ok(view.apply(2, &changed).unwrap())
    }

    #[test]
    fn only_the_token_asked_for_is_made_anew() {
        let rotate = Rotate {
            worker: true,
            ..Rotate::default()
        };
        let tokens = |view: &View| view.cluster().unwrap().keys.as_ref().unwrap().tokens.clone();
        let view = founded();
        let changed = update(
            &view,
            Version { index: 1 },
            ClusterSpec::default(),
            rotate,
            Timestamp::UNIX_EPOCH,
        )
        .unwrap();
        let (old, new) = (tokens(&view), tokens(&view.apply(2, &changed).unwrap()));
        assert_ne!(old.worker, new.worker);
        assert_eq!(old.manager, new.manager);
    }

    #[test]
    fn managers_are_locked_with_one_key_until_it_is_rotated() {
        let key = |old: Option<&str>, locked, anew| {
            let mut spec = ClusterSpec::default();
            spec.encryption_config.auto_lock_managers = Some(locked);
            let old = old.map(|old| Hidden::new(old.to_owned()));
            unlock_key(old, &spec, anew)
                .unwrap()
                .map(|key| key.reveal().clone())
        };
        assert_eq!(key(Some("old"), true, false).as_deref(), Some("old"));
        assert_ne!(key(Some("old"), true, true).as_deref(), Some("old"));
        assert!(key(None, true, false).unwrap().parse::<UnlockKey>().is_ok());
        assert_eq!(key(Some("old"), false, true), None);
    }

    #[test]
    fn the_name_stays() {
        let renamed = ClusterSpec {
            name: Some("other".into()),
            ..ClusterSpec::default()
        };
        let refusal = change(renamed, Rotate::default()).unwrap_err();
        assert!(refusal.to_string().contains("cluster name"), "{refusal}");
    }
}
