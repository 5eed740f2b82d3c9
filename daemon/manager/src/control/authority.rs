//! The cluster's certificate authority, and how a new one takes over (swarm.md 1.9).
//!
//! ```text
//! asked for:  the new root is signed by the old one; from now on certificates are signed by the new
//!             (node: certificate ← new root, signed by the old ← old root: good for all)
//! all nodes have certificates of the new root:  the new root is the one; the tokens change, they name it
//! all nodes trust the new root:  the middle piece is dropped
//! ```
//! A node that is off holds a rotation up: it would be locked out otherwise. It can be removed (`docker node rm`).

use super::Refusal;
use model::{CaSettings, Cluster, ClusterKeys, Hidden, JoinTokens, RootRotation, Timestamp, TlsInfo};
use pki::{Ca, Error, Secret, Subject, Token};
use state::View;

/// More than so many roots that not all nodes trust yet are not remembered.
const MOST_CROSS_SIGNED: usize = 4;

/// What is wrong with the authority that a user gives, in swarmkit's words where it has some.
fn unusable(error: Error) -> Refusal {
    match error {
        Error::Unusable { .. } => Refusal::invalid(error.to_string()),
        error => Refusal::Internal(error.to_string()),
    }
}

fn internal(error: impl std::fmt::Display) -> Refusal {
    Refusal::Internal(error.to_string())
}

fn current(cluster: &Cluster, keys: &ClusterKeys) -> Result<Ca, Error> {
    let key = Secret::new(keys.ca_key.reveal().as_str());
    Ca::from_pem(cluster.id.as_str(), &keys.ca_certificate, &key)
}

/// A certificate for a node, and the root that it is to trust: both PEM. While a new root takes over it is the new one's
/// certificate and the old root.
///
/// # Errors
/// [`Error::Unusable`] if the request is no good.
pub(crate) fn sign(
    cluster: &Cluster,
    csr: &str,
    subject: &Subject,
    now: Timestamp,
) -> Result<(String, String), Error> {
    let keys = cluster.keys.clone().unwrap_or_default();
    let ca = match &keys.rotation {
        None => current(cluster, &keys)?,
        Some(new) => {
            let key = Secret::new(new.ca_key.reveal().as_str());
            Ca::from_pem(cluster.id.as_str(), &new.ca_certificate, &key)?
        }
    };
    let leaf = ca.sign(csr, subject, crate::validity(&cluster.spec), now)?;
    let rotating = keys.rotation.iter().map(|rotation| &rotation.cross_signed);
    let between = rotating.chain(&keys.cross_signed);
    let chain = between.fold(ended(&leaf), |chain, cert| chain + &ended(cert));
    Ok((chain, keys.ca_certificate))
}

fn ended(pem: &str) -> String {
    format!("{}\n", pem.trim())
}

/// Begins what the settings ask for: a new root, one's own, or to go back to the present one. What was asked for is not kept
/// in the settings, which others may read.
///
/// # Errors
/// [`Refusal`] if the root that is given is no good.
pub(super) fn change(
    cluster: &mut Cluster,
    settings: &mut CaSettings,
    old: &CaSettings,
    now: Timestamp,
) -> Result<(), Refusal> {
    let (cert, key) = (settings.signing_ca_cert.take(), settings.signing_ca_key.take());
    let forced = settings.force_rotate.unwrap_or_default() != old.force_rotate.unwrap_or_default();
    let new = match (cert, key) {
        (None, None) if !forced => return Ok(()),
        (None, None) => Ca::found(cluster.id.as_str(), now).map_err(internal)?,
        (Some(cert), Some(key)) => {
            let key = Secret::new(key.reveal().as_str());
            Ca::given(cluster.id.as_str(), &cert, &key, now).map_err(unusable)?
        }
        (Some(_), None) => {
            return Err(Refusal::invalid(
                "if a signing CA cert is provided, the signing CA key must also be provided (--ca-key): certificates are \
                 signed by the managers themselves",
            ));
        }
        (None, Some(_)) => {
            return Err(Refusal::invalid(
                "if a signing CA key is provided, the signing CA cert must also be provided",
            ));
        }
    };
    let keys = cluster
        .keys
        .clone()
        .ok_or_else(|| internal("the cluster has no keys"))?;
    let present = current(cluster, &keys).map_err(internal)?;
    let rotation = if new.digest() == present.digest() {
        None
    } else {
        Some(RootRotation {
            ca_certificate: new.cert_pem().to_owned(),
            ca_key: Hidden::new(new.key_pem().reveal().to_owned()),
            cross_signed: present.cross_sign(&new, now).map_err(unusable)?,
        })
    };
    let issuer = crate::tls_info(new.cert_pem());
    cluster.tls_info = TlsInfo {
        trust_root: keys.ca_certificate.clone(),
        ..issuer
    };
    cluster.root_rotation_in_progress = rotation.is_some();
    cluster.keys = Some(ClusterKeys { rotation, ..keys });
    Ok(())
}

/// The next step of a rotation, if one is due; whether nodes are done is what they say of themselves.
///
/// # Errors
/// If no tokens can be made.
pub(crate) fn step(view: &View, now: Timestamp) -> Result<Option<Cluster>, Error> {
    let Some((cluster, keys)) = view
        .cluster()
        .and_then(|cluster| Some((cluster, cluster.keys.as_ref()?)))
    else {
        return Ok(None);
    };
    let all = |done: &dyn Fn(&TlsInfo) -> bool| {
        view.nodes()
            .all(|node| node.description.tls_info.as_ref().is_some_and(done))
    };
    let mut next = (**cluster).clone();
    next.meta.updated_at = now;
    let mut keys = keys.clone();
    if let Some(rotation) = keys.rotation.take() {
        let wanted = crate::tls_info(&rotation.ca_certificate);
        if !all(&|info| info.cert_issuer_public_key == wanted.cert_issuer_public_key) {
            return Ok(None);
        }
        let digest = pki::Digest::of_pem(&rotation.ca_certificate)?;
        let token = || Token::generate(digest).map(|token| token.reveal());
        keys.tokens = JoinTokens {
            worker: token()?,
            manager: token()?,
        };
        keys.ca_certificate = rotation.ca_certificate;
        keys.ca_key = rotation.ca_key;
        keys.cross_signed.push(rotation.cross_signed);
        let surplus = keys.cross_signed.len().saturating_sub(MOST_CROSS_SIGNED);
        keys.cross_signed.drain(..surplus);
        next.tls_info = wanted;
        next.root_rotation_in_progress = false;
    } else if !keys.cross_signed.is_empty() && all(&|info| info.trust_root == keys.ca_certificate) {
        keys.cross_signed.clear();
    } else {
        return Ok(None);
    }
    next.keys = Some(keys);
    Ok(Some(next))
}

#[cfg(test)]
#[path = "authority_tests.rs"]
mod tests;
