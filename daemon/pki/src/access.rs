//! Client certificates for the Engine API, and the certificates that boards show there.
//!
//! They are of an authority of their own: a node's certificate opens nothing here, and these open nothing between nodes.
//! A client's certificate says: CN whom it is for, OU what the holder may do, O the cluster's id; the serial number ends with
//! the grant's id. Boards are checked by name here, as the docker command does it, so theirs hold addresses and host names.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use model::AccessRole;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::ca::{Ca, params};
use crate::clock::Clock;
use crate::names::{self, only};
use crate::{Error, Secret};

/// The authority's CN.
pub const COMMON_NAME: &str = "bramble-access";

/// A key and its certificate, both PEM.
#[derive(Clone)]
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: Secret,
    /// The end of its serial number, which names it.
    pub id: String,
    /// When it lapses.
    pub not_after: Timestamp,
}

/// Who holds a client certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The grant's id.
    pub id: String,
    /// Whom it was given to.
    pub name: String,
    /// What it lets do.
    pub role: AccessRole,
}

fn unit(role: AccessRole) -> String {
    format!("bramble-{role}")
}

/// A client certificate with its key.
///
/// # Errors
/// [`Error::Unusable`] if none can be made, [`Error::Random`].
pub fn client(
    ca: &Ca,
    name: &str,
    role: AccessRole,
    validity: Duration,
    now: Timestamp,
) -> Result<Issued, Error> {
    issue(ca, validity, now, |params| {
        let subject = &mut params.distinguished_name;
        subject.push(DnType::CommonName, name);
        subject.push(DnType::OrganizationalUnitName, unit(role));
        subject.push(DnType::OrganizationName, ca.cluster_id());
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        Ok(())
    })
}

/// A board's certificate with its key, for clients that reach it by these addresses and host names. Names that can't be in a
/// certificate are left out.
///
/// # Errors
/// As [`client`].
pub fn server(
    ca: &Ca,
    addresses: &[IpAddr],
    hosts: &[String],
    validity: Duration,
    now: Timestamp,
) -> Result<Issued, Error> {
    issue(ca, validity, now, |params| {
        let subject = &mut params.distinguished_name;
        subject.push(DnType::CommonName, "bramble board");
        subject.push(DnType::OrganizationName, ca.cluster_id());
        params.subject_alt_names = addresses
            .iter()
            .map(|address| SanType::IpAddress(*address))
            .collect();
        let hosts = hosts.iter().filter_map(|host| host.as_str().try_into().ok());
        params.subject_alt_names.extend(hosts.map(SanType::DnsName));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        Ok(())
    })
}

fn issue(
    ca: &Ca,
    validity: Duration,
    now: Timestamp,
    say: impl FnOnce(&mut CertificateParams) -> Result<(), Error>,
) -> Result<Issued, Error> {
    let unusable = |why: rcgen::Error| Error::unusable("the new certificate", why);
    let key = KeyPair::generate().map_err(unusable)?;
    let mut params = params(now, validity)?;
    say(&mut params)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    let serial = params.serial_number.clone();
    let id = serial.as_ref().and_then(|serial| names::id_of(serial.as_ref()));
    let not_after = Timestamp::from_second(params.not_after.unix_timestamp()).unwrap_or(Timestamp::MAX);
    let signed = params.signed_by(&key, ca.issuer()).map_err(unusable)?;
    Ok(Issued {
        certificate: signed.pem(),
        key: Secret::new(key.serialize_pem()),
        id: id.unwrap_or_default(),
        not_after,
    })
}

/// Whose certificate is at the head of this chain, which TLS has verified.
#[must_use]
pub fn holder_of(chain: &[CertificateDer<'_>]) -> Option<Holder> {
    use x509_parser::prelude::{FromDer, X509Certificate, X509Name};
    let (_, parsed) = X509Certificate::from_der(chain.first()?).ok()?;
    let said = only(parsed.subject(), X509Name::iter_organizational_unit)?;
    Some(Holder {
        id: names::id_of(parsed.raw_serial())?,
        name: only(parsed.subject(), X509Name::iter_common_name)?,
        role: AccessRole::ALL.into_iter().find(|role| unit(*role) == said)?,
    })
}

/// TLS settings of a board's listener: only who shows a certificate of this authority gets in. Who has been revoked since is
/// for whoever serves to know.
///
/// # Errors
/// [`Error::Unusable`] and [`Error::Tls`].
pub fn server_config(ca_pem: &str, issued: &Issued, clock: &Clock) -> Result<Arc<ServerConfig>, Error> {
    let read = |pem: &str| {
        CertificateDer::from_pem_slice(pem.as_bytes())
            .map(CertificateDer::into_owned)
            .map_err(|why| Error::unusable("the API's certificate", why))
    };
    let (root, certificate) = (read(ca_pem)?, read(&issued.certificate)?);
    let key = PrivateKeyDer::from_pem_slice(issued.key.reveal().as_bytes())
        .map_err(|why| Error::unusable("the API's key", why))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = Arc::new(crate::tls::roots(&root)?);
    let clients = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider))
        .build()
        .map_err(|why| Error::unusable("the API's authority", why))?;
    // Who holds a role but shows it by TLS 1.2 is as good: what the docker command speaks depends on its age.
    let mut config = ServerConfig::builder_with_details(provider, Arc::new(clock.clone()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![certificate, root], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_certificate_says_who_may_do_what() {
        let now = Timestamp::UNIX_EPOCH;
        let ca = Ca::named("c", COMMON_NAME, now).unwrap();
        let day = Duration::from_secs(24 * 3600);
        for role in AccessRole::ALL {
            let issued = client(&ca, "ann", role, day, now).unwrap();
            let der = CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap();
            let holder = holder_of(&[der]).unwrap();
            assert_eq!((holder.name.as_str(), holder.role), ("ann", role));
            assert_eq!((holder.id.len(), &holder.id), (16, &issued.id));
            assert_eq!(issued.not_after, crate::build_time() + day);
        }
        let board = server(
            &ca,
            &[[10, 0, 0, 1].into()],
            &["kitchen".into(), "no name".into()],
            day,
            now,
        )
        .unwrap();
        server_config(ca.cert_pem(), &board, &Clock::system()).unwrap();
        let der = CertificateDer::from_pem_slice(board.certificate.as_bytes()).unwrap();
        assert_eq!(holder_of(&[der]), None);
    }

    #[test]
    fn a_nodes_certificate_is_no_role() {
        let ca = Ca::found("c", Timestamp::UNIX_EPOCH).unwrap();
        let node = crate::Identity::issue(
            &ca,
            "n",
            crate::Role::Manager,
            crate::DEFAULT_VALIDITY,
            Timestamp::UNIX_EPOCH,
        )
        .unwrap();
        assert_eq!(holder_of(&node.chain()), None);
    }
}
