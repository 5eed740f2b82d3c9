//! What a node's certificate says: CN is the node's id, OU its role, O the cluster's id, and the serial number
//! begins with the time of issue (because `not_before` is always 1970, see [`crate::clock`]).

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};

/// What a certificate lets a node act as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Keeps the cluster's state and signs certificates.
    Manager,
    /// Runs tasks.
    Worker,
}

impl Role {
    /// The role as it stands in certificates.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Manager => "swarm-manager",
            Self::Worker => "swarm-worker",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Manager, Self::Worker]
            .into_iter()
            .find(|role| role.as_str() == text)
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// First byte of every serial number: keeps it positive and of one length.
const SERIAL_MARK: u8 = 0x01;
const SERIAL_LEN: usize = 17;

/// A new serial number: mark, seconds of the time of issue, eight random bytes.
pub(crate) fn serial(issued: Timestamp) -> Result<Vec<u8>, crate::Error> {
    let mut bytes = Vec::with_capacity(SERIAL_LEN);
    bytes.push(SERIAL_MARK);
    bytes.extend(issued.as_second().max(0).to_be_bytes());
    bytes.extend(crate::secret::random::<8>()?);
    Ok(bytes)
}

fn issued_of(serial: &[u8]) -> Option<Timestamp> {
    let [SERIAL_MARK, rest @ ..] = serial else {
        return None;
    };
    if serial.len() != SERIAL_LEN {
        return None;
    }
    let seconds = rest.first_chunk::<8>()?;
    Timestamp::from_second(i64::from_be_bytes(*seconds)).ok()
}

/// A node's certificate, read but not judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    pub node_id: String,
    pub cluster_id: String,
    pub role: Role,
    pub not_after: Timestamp,
    pub issued: Option<Timestamp>,
    /// The subject's public key info in DER.
    pub public_key: Vec<u8>,
}

impl Names {
    /// Reads a node's certificate; none if it is not one of ours in form.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let subject = parsed.subject();
        Some(Self {
            node_id: only(subject, X509Name::iter_common_name)?,
            cluster_id: only(subject, X509Name::iter_organization)?,
            role: Role::parse(&only(subject, X509Name::iter_organizational_unit)?)?,
            not_after: Timestamp::from_second(parsed.validity().not_after.timestamp()).ok()?,
            issued: issued_of(parsed.raw_serial()),
            public_key: parsed.public_key().raw.to_vec(),
        })
    }
}

/// The organization of a root certificate, which is the cluster's id.
pub(crate) fn cluster_of(root: &CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(root).ok()?;
    only(parsed.subject(), X509Name::iter_organization)
}

/// The one value of an attribute; none if it is missing, empty or there twice (which one would be meant?).
fn only<'a, I>(name: &'a X509Name<'a>, iter: impl FnOnce(&'a X509Name<'a>) -> I) -> Option<String>
where
    I: Iterator<Item = &'a x509_parser::x509::AttributeTypeAndValue<'a>>,
{
    let mut values = iter(name);
    let value = values.next()?.as_str().ok()?;
    (values.next().is_none() && !value.is_empty()).then(|| value.to_owned())
}
