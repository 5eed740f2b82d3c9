//! What a node's certificate says: CN is the node's id, OU its role, O the cluster's id, and the serial number
//! begins with the time of issue (because `not_before` is always 1970, see [`crate::clock`]).

use jiff::Timestamp;
use rcgen::{DistinguishedName, DnType, DnValue};
use rustls_pki_types::CertificateDer;
use x509_parser::asn1_rs::Tag;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};

use crate::Error;

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

/// What tells a certificate from all others: the random end of its serial number, in hexadecimal.
pub(crate) fn id_of(serial: &[u8]) -> Option<String> {
    let (_, random) = serial.split_at_checked(SERIAL_LEN - 8)?;
    let hex = |text: String, byte: &u8| text + &format!("{byte:02x}");
    (random.len() == 8).then(|| random.iter().fold(String::new(), hex))
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

/// A root's subject, to be written into another certificate just as it is.
pub(crate) fn subject_of(root: &X509Certificate<'_>) -> Result<DistinguishedName, Error> {
    let odd = || Error::unusable("the root", "its subject is of a kind that can't be signed for");
    let mut name = DistinguishedName::new();
    for part in root.subject().iter() {
        let mut values = part.iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(odd());
        };
        let oid: Vec<u64> = value.attr_type().iter().ok_or_else(odd)?.collect();
        let text = std::str::from_utf8(value.attr_value().data).map_err(|_| odd())?;
        let text = match value.attr_value().header.tag() {
            Tag::Utf8String => DnValue::Utf8String(text.to_owned()),
            Tag::PrintableString => DnValue::PrintableString(text.try_into().map_err(|_| odd())?),
            Tag::Ia5String => DnValue::Ia5String(text.try_into().map_err(|_| odd())?),
            _ => return Err(odd()),
        };
        let kind = DnType::from_oid(&oid);
        // One that is there twice would be written once.
        if name.get(&kind).is_some() {
            return Err(odd());
        }
        name.push(kind, text);
    }
    Ok(name)
}

/// The identifier that a root gives its key, if any.
pub(crate) fn key_id_of(root: &X509Certificate<'_>) -> Option<Vec<u8>> {
    root.iter_extensions()
        .find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
            _ => None,
        })
}

/// The one value of an attribute; none if it is missing, empty or there twice (which one would be meant?).
pub(crate) fn only<'a, I>(name: &'a X509Name<'a>, iter: impl FnOnce(&'a X509Name<'a>) -> I) -> Option<String>
where
    I: Iterator<Item = &'a x509_parser::x509::AttributeTypeAndValue<'a>>,
{
    let mut values = iter(name);
    let value = values.next()?.as_str().ok()?;
    (values.next().is_none() && !value.is_empty()).then(|| value.to_owned())
}
