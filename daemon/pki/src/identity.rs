//! A node's identity: its key, its certificate, and the root that vouches for it.
//!
//! The certificate may be followed by those that lead from it to the root, when a new root is taking over.
//!
//! On disk, `tls/node.key` (0600) holds all and is the only file that is read, so that a power cut during a
//! renewal can not leave a key with another key's certificate. `tls/node.crt` and `tls/ca.crt` are copies for
//! people and tools.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PublicKeyData};
use rustls_pki_types::pem::{PemObject, SectionKind};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::ca::{Ca, DEFAULT_VALIDITY, Subject};
use crate::clock::{believable, unix};
use crate::files::write_atomic;
use crate::lock::{self, Lock};
use crate::names::{Names, Role};
use crate::{Error, Secret, tls};

const FOLDER: &str = "tls";
const KEY_FILE: &str = "node.key";
const CERT_FILE: &str = "node.crt";
const CA_FILE: &str = "ca.crt";

/// The one file that an identity is read from.
#[must_use]
pub fn key_file(state_dir: &Path) -> PathBuf {
    state_dir.join(FOLDER).join(KEY_FILE)
}

/// Makes a new key and a request to have it certified: `(key in PEM, request in PEM)`. The request names nobody:
/// who a certificate is for is the authority's to say.
///
/// # Errors
/// [`Error::Unusable`] if no key can be made.
pub fn new_key() -> Result<(Secret, String), Error> {
    let unusable = |why| Error::unusable("the new node key", why);
    let key = KeyPair::generate().map_err(unusable)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let request = params
        .serialize_request(&key)
        .and_then(|request| request.pem())
        .map_err(unusable)?;
    Ok((Secret::new(key.serialize_pem()), request))
}

/// A node's key, certificate and root, checked to belong together.
#[derive(Debug, Clone)]
pub struct Identity {
    cert_pem: String,
    key_pem: Secret,
    ca_pem: String,
    /// The certificate, then what leads from it to the root.
    chain: Vec<CertificateDer<'static>>,
    ca: CertificateDer<'static>,
    names: Names,
}

impl Identity {
    /// Puts together what [`new_key`] and [`Ca::sign`] made; `cert_pem` may go on with cross-signed roots. The certificate may have lapsed: it can be renewed.
    ///
    /// # Errors
    /// [`Error::Unusable`] if one is damaged, the key is not the certificate's, or the root did not sign it.
    pub fn new(cert_pem: &str, key_pem: &Secret, ca_pem: &str) -> Result<Self, Error> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(cert_pem.as_bytes())
            .map(|cert| cert.map(CertificateDer::into_owned))
            .collect::<Result<_, _>>()
            .map_err(|why| Error::unusable("the node's certificate", why))?;
        let ca = CertificateDer::from_pem_slice(ca_pem.as_bytes())
            .map(CertificateDer::into_owned)
            .map_err(|why| Error::unusable("the cluster's root", why))?;
        let (cert, others) = chain
            .split_first()
            .ok_or_else(|| Error::unusable("the node's certificate", "it is not there"))?;
        let names = Names::of(cert).ok_or_else(|| {
            Error::unusable(
                "the node's certificate",
                "it does not name node, role and cluster",
            )
        })?;
        let key =
            KeyPair::from_pem(key_pem.reveal()).map_err(|why| Error::unusable("the node's key", why))?;
        if key.subject_public_key_info() != names.public_key {
            return Err(Error::unusable("the node's key", "it is not the certificate's"));
        }
        tls::verify_chain(cert, others, &ca, unix(names.not_after))
            .map_err(|why| Error::unusable("the node's certificate", why))?;
        Ok(Self {
            cert_pem: cert_pem.to_owned(),
            key_pem: key_pem.clone(),
            ca_pem: ca_pem.to_owned(),
            chain,
            ca,
            names,
        })
    }

    /// An identity that nobody vouches for, for a board that answers before it belongs to a cluster. It has a root
    /// and a cluster of its own, both thrown away: only a proof of the join key makes its words count.
    ///
    /// # Errors
    /// As [`Ca::found`].
    pub fn provisional(board: &str, now: Timestamp) -> Result<Self, Error> {
        let ca = Ca::found("provisional", now)?;
        Self::issue(&ca, board, Role::Worker, DEFAULT_VALIDITY, now)
    }

    /// Makes a key and has it signed on the spot: the founder's way.
    ///
    /// # Errors
    /// As [`new_key`] and [`Ca::sign`].
    pub fn issue(
        ca: &Ca,
        node_id: &str,
        role: Role,
        validity: Duration,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let (key, request) = new_key()?;
        let subject = Subject {
            node_id: node_id.into(),
            role,
            cluster_id: ca.cluster_id().into(),
        };
        let cert = ca.sign(&request, &subject, validity, now)?;
        Self::new(&cert, &key, ca.cert_pem())
    }

    /// Reads the identity saved in a state folder; none if none was saved.
    ///
    /// # Errors
    /// [`Error::Locked`] if it is sealed and there is no lock, [`Error::File`] and, if the file is damaged, [`Error::Unusable`].
    pub fn load(state_dir: &Path, lock: Option<&Lock>) -> Result<Option<Self>, Error> {
        const WHAT: &str = "the saved identity";
        let Some(content) = lock::read(&key_file(state_dir), lock)? else {
            return Ok(None);
        };
        let text = std::str::from_utf8(&content).map_err(|why| Error::unusable(WHAT, why))?;
        let mut parts = <(SectionKind, Vec<u8>)>::pem_slice_iter(&content);
        let kinds: Vec<_> = parts
            .by_ref()
            .filter_map(|part| part.ok().map(|(kind, _)| kind))
            .collect();
        let starts: Vec<usize> = text.match_indices("-----BEGIN ").map(|(at, _)| at).collect();
        let as_saved = match kinds.split_first() {
            Some((SectionKind::PrivateKey, rest)) => {
                rest.len() >= 2 && rest.iter().all(|kind| *kind == SectionKind::Certificate)
            }
            _ => false,
        };
        let ([_, cert, .., ca], true) = (starts.as_slice(), as_saved) else {
            return Err(Error::unusable(WHAT, "it does not hold a key and certificates"));
        };
        let (cert, ca) = (*cert, *ca);
        Self::new(&text[cert..ca], &Secret::new(&text[..cert]), &text[ca..]).map(Some)
    }

    /// Saves the identity under a state folder, its key sealed if there is a lock, so that a power cut leaves the old one or the new one whole.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn save(&self, state_dir: &Path, lock: Option<&Lock>) -> Result<(), Error> {
        let folder = state_dir.join(FOLDER);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(|source| Error::File {
                path: folder.clone(),
                source,
            })?;
        let ended = |pem: &str| format!("{}\n", pem.trim());
        let all = ended(self.key_pem.reveal()) + &ended(&self.cert_pem) + &ended(&self.ca_pem);
        lock::write(&folder.join(KEY_FILE), all.as_bytes(), lock)?;
        write_atomic(&folder.join(CERT_FILE), self.cert_pem.as_bytes(), 0o644)?;
        write_atomic(&folder.join(CA_FILE), self.ca_pem.as_bytes(), 0o644)
    }

    /// Removes a saved identity: the board leaves its cluster. It is no error if there is none.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn forget(state_dir: &Path) -> Result<(), Error> {
        let folder = state_dir.join(FOLDER);
        match fs::remove_dir_all(&folder) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::File { path: folder, source })
            }
            _ => Ok(()),
        }
    }

    /// The certificate in PEM.
    #[must_use]
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// The key in PEM.
    #[must_use]
    pub fn key_pem(&self) -> &Secret {
        &self.key_pem
    }

    /// The cluster's root certificate in PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The node's id.
    #[must_use]
    pub fn node_id(&self) -> &str {
        &self.names.node_id
    }

    /// The cluster's id.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.names.cluster_id
    }

    /// What the node may act as.
    #[must_use]
    pub fn role(&self) -> Role {
        self.names.role
    }

    /// When the certificate lapses.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.names.not_after
    }

    /// Whether the certificate has lapsed.
    #[must_use]
    pub fn lapsed(&self, now: Timestamp) -> bool {
        believable(now) > self.names.not_after
    }

    /// When to renew: `fraction` (0 to 1, chosen at random once per certificate, so that a cluster does not renew
    /// all at once) of the way from 50 to 80 % of the certificate's life; not before `now`.
    #[must_use]
    pub fn renew_at(&self, now: Timestamp, fraction: f64) -> Timestamp {
        let not_after = self.names.not_after;
        let usual = SignedDuration::try_from(DEFAULT_VALIDITY).unwrap_or(SignedDuration::ZERO);
        let issued = self
            .names
            .issued
            .or_else(|| not_after.checked_sub(usual).ok())
            .unwrap_or(Timestamp::UNIX_EPOCH);
        let share = 0.5 + 0.3 * fraction.clamp(0.0, 1.0);
        let life = not_after
            .duration_since(issued)
            .max(SignedDuration::ZERO)
            .mul_f64(share);
        issued.checked_add(life).unwrap_or(not_after).max(believable(now))
    }

    /// Whether it is time to renew: see [`Identity::renew_at`].
    #[must_use]
    pub fn is_due(&self, now: Timestamp, fraction: f64) -> bool {
        let now = believable(now);
        self.renew_at(now, fraction) <= now
    }

    /// The same identity under another root, which has signed its certificate too.
    ///
    /// # Errors
    /// [`Error::Unusable`] if it has not.
    pub fn under(&self, ca_pem: &str) -> Result<Self, Error> {
        Self::new(&self.cert_pem, &self.key_pem, ca_pem)
    }

    /// Subject and public key of the root that signed the certificate, DER in base 64: see [`crate::ca::issuer_of`]. While a
    /// new root takes over this is the new one, and the one trusted is the old.
    ///
    /// # Errors
    /// [`Error::Unusable`] if a certificate can't be read.
    pub fn issuer(&self) -> Result<(String, String), Error> {
        let at = unix(self.names.not_after);
        let (leaf, others) = match self.chain.split_first() {
            Some(parts) => parts,
            None => return Err(Error::unusable("the node's certificate", "it is not there")),
        };
        let signer = std::iter::once(&self.ca)
            .chain(others)
            .find(|signer| tls::verify_chain(leaf, &[], signer, at).is_ok());
        crate::ca::issuer_of_der(signer.unwrap_or(&self.ca))
    }

    /// The certificate, what leads from it to the root, and the root, as TLS presents them: a joiner finds its token's root
    /// at the end.
    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.chain.iter().chain([&self.ca]).cloned().collect()
    }

    /// The root in DER.
    pub(crate) fn root(&self) -> &CertificateDer<'static> {
        &self.ca
    }

    /// The key as TLS takes it.
    pub(crate) fn key(&self) -> Result<PrivateKeyDer<'static>, Error> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(self.key_pem.reveal().as_bytes())
            .map_err(|why| Error::unusable("the node's key", why))?;
        Ok(PrivateKeyDer::Pkcs8(key))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::build_time;

    const HOUR: i64 = 3600;

    fn identity(validity: Duration, now: Timestamp) -> Identity {
        let ca = Ca::found("c", now).unwrap();
        Identity::issue(&ca, "n", Role::Worker, validity, now).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_certificate_is_renewed_between_50_and_80_percent_of_its_life(
            hours in 1_i64..3000, fraction in 0.0_f64..1.0, at in 0.0_f64..1.2,
        ) {
            let issued = build_time() + SignedDuration::from_hours(1);
            let identity = identity(Duration::from_secs((hours * HOUR).unsigned_abs()), issued);
            let now = issued + SignedDuration::from_secs(hours * HOUR).mul_f64(at);
            let due = identity.is_due(now, fraction);
            prop_assert!(due || at < 0.81, "not renewed at {at}");
            prop_assert!(!due || at > 0.49, "renewed at {at}");
            prop_assert_eq!(due, identity.renew_at(now, fraction) <= now);
            if at > 1.01 {
                prop_assert!(identity.lapsed(now));
            }
        }
    }

    #[test]
    fn a_board_that_wakes_up_in_1970_has_a_good_certificate() {
        let identity = identity(DEFAULT_VALIDITY, Timestamp::UNIX_EPOCH);
        assert!(!identity.lapsed(Timestamp::UNIX_EPOCH));
        assert!(!identity.is_due(Timestamp::UNIX_EPOCH, 0.0));
        assert!(identity.not_after() > build_time());
    }
}
