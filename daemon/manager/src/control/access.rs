//! Client certificates for the Engine API: given out, listed, revoked.

use super::Refusal;
use model::{AccessKeys, AccessRole, Cluster, ClusterId, Grant, Hidden, Timestamp};
use pki::access::{self, Issued};
use pki::{Ca, Secret};
use state::{Transaction, View};
use std::time::Duration;

/// More are not given out at a time: all are in the store, as each can be revoked.
const MOST_GRANTS: usize = 500;
/// The longest that a certificate is given out for, in days.
pub const MOST_DAYS: u64 = 3650;
/// The longest name, in characters, as in X.509.
const LONGEST_NAME: usize = 64;

/// The authority of a new cluster.
pub(crate) fn found(cluster: &ClusterId, now: Timestamp) -> Result<AccessKeys, pki::Error> {
    let ca = Ca::named(cluster.as_str(), access::COMMON_NAME, now)?;
    Ok(AccessKeys {
        certificate: ca.cert_pem().to_owned(),
        key: Hidden::new(ca.key_pem().reveal().to_owned()),
        grants: Default::default(),
    })
}

fn keys(view: &View) -> Result<(Cluster, AccessKeys), Refusal> {
    let cluster = view
        .cluster()
        .ok_or_else(|| Refusal::NotFound("the cluster".to_owned()))?;
    let access = cluster.keys.as_ref().and_then(|keys| keys.access.clone());
    let access =
        access.ok_or_else(|| Refusal::NotFound("the authority of client certificates".to_owned()))?;
    Ok(((**cluster).clone(), access))
}

fn ca(cluster: &Cluster, access: &AccessKeys) -> Result<Ca, pki::Error> {
    let key = Secret::new(access.key.reveal().as_str());
    Ca::from_pem(cluster.id.as_str(), &access.certificate, &key)
}

/// What a new client is given.
#[derive(Debug)]
pub struct Given {
    /// What is remembered of it.
    pub grant: Grant,
    /// Its certificate and key; the key is not kept.
    pub issued: Issued,
    /// The root that boards' certificates are of, PEM.
    pub root: String,
}

/// Gives out a certificate.
///
/// # Errors
/// [`Refusal`]: a name or a time that can't be, or too many are out.
pub fn grant(
    view: &View,
    name: &str,
    role: AccessRole,
    days: u64,
    now: Timestamp,
) -> Result<(Transaction, Given), Refusal> {
    let plain = |c: char| c.is_alphanumeric() || "-_.@ ".contains(c);
    if name.is_empty() || name.chars().count() > LONGEST_NAME || !name.chars().all(plain) {
        return Err(Refusal::invalid(
            "a name has 1 to 64 letters, digits, spaces, '-', '_', '.' and '@'",
        ));
    }
    if !(1..=MOST_DAYS).contains(&days) {
        return Err(Refusal::invalid(format!(
            "a certificate lasts between 1 and {MOST_DAYS} days"
        )));
    }
    let (cluster, mut access) = keys(view)?;
    let now = pki::clock::believable(now);
    access.grants.retain(|_, grant| grant.expires_at > now);
    if access.grants.len() >= MOST_GRANTS {
        return Err(Refusal::precondition(format!(
            "{MOST_GRANTS} certificates are out already: wait until some have lapsed"
        )));
    }
    let internal = |error: pki::Error| Refusal::Internal(error.to_string());
    let ca = ca(&cluster, &access).map_err(internal)?;
    let validity = Duration::from_secs(days * 24 * 3600);
    let issued = access::client(&ca, name, role, validity, now).map_err(internal)?;
    let grant = Grant {
        id: issued.id.clone(),
        name: name.to_owned(),
        role,
        created_at: now,
        expires_at: issued.not_after,
        revoked: false,
    };
    access.grants.insert(grant.id.clone(), grant.clone());
    let root = access.certificate.clone();
    let given = Given { grant, issued, root };
    Ok((put(cluster, access, now), given))
}

/// Takes a certificate back: by its id, or the beginning of it.
///
/// # Errors
/// [`Refusal`]: there is none, or more than one that is meant.
pub fn revoke(view: &View, id: &str, now: Timestamp) -> Result<Transaction, Refusal> {
    let (cluster, mut access) = keys(view)?;
    let mut meant = access
        .grants
        .values_mut()
        .filter(|grant| !id.is_empty() && grant.id.starts_with(id));
    let grant = meant
        .next()
        .ok_or_else(|| Refusal::NotFound(format!("certificate {id}")))?;
    if meant.next().is_some() {
        return Err(Refusal::invalid(format!(
            "certificate {id} is ambiguous: more than one begins so"
        )));
    }
    grant.revoked = true;
    Ok(put(cluster, access, now))
}

fn put(mut cluster: Cluster, access: AccessKeys, now: Timestamp) -> Transaction {
    if let Some(keys) = &mut cluster.keys {
        keys.access = Some(access);
    }
    cluster.meta.updated_at = now;
    let mut transaction = Transaction::new();
    transaction.update(cluster);
    transaction
}

/// What was given out and has not lapsed.
pub fn grants(view: &View, now: Timestamp) -> Vec<Grant> {
    let now = pki::clock::believable(now);
    let Ok((_, access)) = keys(view) else {
        return Vec::new();
    };
    access
        .grants
        .into_values()
        .filter(|grant| grant.expires_at > now)
        .collect()
}

/// Whether the holder of this certificate is still let in. One that the store does not know of has lapsed, or is of before
/// the store was lost.
pub fn stands(view: &View, id: &str) -> bool {
    let grant = view
        .cluster()
        .and_then(|cluster| cluster.keys.as_ref()?.access.as_ref()?.grants.get(id));
    grant.is_some_and(|grant| !grant.revoked)
}

/// The authority, for managers to sign what their own API shows.
///
/// # Errors
/// If there is none or it can't be used.
pub fn authority(view: &View) -> Result<Ca, Refusal> {
    let (cluster, access) = keys(view)?;
    ca(&cluster, &access).map_err(|error| Refusal::Internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ClusterKeys;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn founded() -> View {
        let mut first = Transaction::new();
        first.create(Cluster {
            keys: Some(ClusterKeys {
                access: Some(found(&"c".into(), NOW).unwrap()),
                ..ClusterKeys::default()
            }),
            ..Cluster::default()
        });
        View::default().apply(1, &first).unwrap()
    }

    #[test]
    fn what_is_given_out_stands_until_it_is_revoked() {
        let founded = founded();
        let (first, given) = grant(&founded, "ann", AccessRole::Deploy, 30, NOW).unwrap();
        let view = founded.apply(2, &first).unwrap();
        assert!(stands(&view, &given.grant.id) && !stands(&view, "other"));
        assert_eq!(grants(&view, NOW), std::slice::from_ref(&given.grant));
        let gone = revoke(&view, &given.grant.id[..6], NOW).unwrap();
        let view = view.apply(3, &gone).unwrap();
        assert!(!stands(&view, &given.grant.id));
        assert!(grants(&view, NOW)[0].revoked);
        assert!(revoke(&view, "zz", NOW).is_err());
        assert!(grants(&view, Timestamp::MAX).is_empty());
    }

    #[test]
    fn names_and_times_that_can_not_be_are_refused() {
        for (name, days) in [("", 1), ("a,OU=x", 1), ("ann", 0), ("ann", MOST_DAYS + 1)] {
            assert!(matches!(
                grant(&founded(), name, AccessRole::View, days, NOW),
                Err(Refusal::Invalid(_))
            ));
        }
    }
}
