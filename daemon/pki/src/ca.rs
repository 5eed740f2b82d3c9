//! The cluster's certificate authority: a root made at founding or given by a user, which signs nodes' certificates.
//!
//! When a new root takes over, the old one signs it too ([`Ca::cross_sign`]). Who trusts only the old root still follows
//! `certificate → new root, signed by the old → old root`; who trusts the new one has no need of that middle piece.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, PublicKeyData,
    SerialNumber,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::clock::believable;
use crate::names::{self, Role};
use crate::{Digest, Error, Identity, Secret};

/// How long a node's certificate is valid unless the cluster says otherwise: 90 days, as in Swarm.
pub const DEFAULT_VALIDITY: Duration = Duration::from_secs(90 * 24 * 3600);
/// The shortest validity that is given: one hour, as in Swarm.
pub const MIN_VALIDITY: Duration = Duration::from_secs(3600);
/// The root's validity and the longest that a node's certificate can have: 20 years.
pub const ROOT_VALIDITY: Duration = Duration::from_secs(20 * 365 * 24 * 3600);

/// Whom a certificate is for. The certificate says this and nothing that the request asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The node's id.
    pub node_id: String,
    /// What it may act as.
    pub role: Role,
    /// The cluster's id.
    pub cluster_id: String,
}

/// A root certificate with its key.
#[derive(Clone)]
pub struct Ca {
    cert_pem: String,
    cert: CertificateDer<'static>,
    cluster_id: String,
    issuer: Arc<Issuer<'static, KeyPair>>,
}

impl std::fmt::Debug for Ca {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ca")
            .field("cluster_id", &self.cluster_id)
            .finish_non_exhaustive()
    }
}

impl Ca {
    /// Makes a new root for a cluster: ECDSA P-256, CN `swarm-ca`, O the cluster's id, 20 years.
    ///
    /// # Errors
    /// [`Error::Random`] and [`Error::Unusable`] if no key or certificate can be made.
    pub fn found(cluster_id: &str, now: Timestamp) -> Result<Self, Error> {
        Self::named(cluster_id, "swarm-ca", now)
    }

    /// The same under another common name: for another purpose.
    ///
    /// # Errors
    /// As [`Ca::found`].
    pub fn named(cluster_id: &str, common_name: &str, now: Timestamp) -> Result<Self, Error> {
        let unusable = |why| Error::unusable("the new root", why);
        let key = KeyPair::generate().map_err(unusable)?;
        let mut params = params(now, ROOT_VALIDITY)?;
        params.distinguished_name.push(DnType::CommonName, common_name);
        params
            .distinguished_name
            .push(DnType::OrganizationName, cluster_id);
        // A new root stands below the old one until all trust it.
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let cert = params.self_signed(&key).map_err(unusable)?;
        Self::from_pem(cluster_id, &cert.pem(), &Secret::new(key.serialize_pem()))
    }

    /// Takes up a root made before, for this cluster.
    ///
    /// # Errors
    /// [`Error::Unusable`] if either is damaged, or the key is not the certificate's.
    pub fn from_pem(cluster_id: &str, cert_pem: &str, key_pem: &Secret) -> Result<Self, Error> {
        const WHAT: &str = "the cluster's root";
        let unusable = |why: rcgen::Error| Error::unusable(WHAT, why);
        let cert = CertificateDer::from_pem_slice(cert_pem.as_bytes())
            .map_err(|why| Error::unusable(WHAT, why))?
            .into_owned();
        let key = KeyPair::from_pem(key_pem.reveal()).map_err(unusable)?;
        let (_, parsed) =
            x509_parser::parse_x509_certificate(&cert).map_err(|why| Error::unusable(WHAT, why))?;
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(Error::unusable(WHAT, "the key is not the certificate's"));
        }
        let issuer = Arc::new(Issuer::from_ca_cert_der(&cert, key).map_err(unusable)?);
        Ok(Self {
            cert_pem: cert_pem.to_owned(),
            cert,
            cluster_id: cluster_id.to_owned(),
            issuer,
        })
    }

    /// The root certificate in PEM.
    #[must_use]
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// The root's key in PEM (PKCS #8). Whoever has it can be anyone in the cluster.
    #[must_use]
    pub fn key_pem(&self) -> Secret {
        Secret::new(self.issuer.key().serialize_pem())
    }

    /// The id of the cluster whose root this is.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// What signs.
    pub(crate) fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }

    /// What join tokens name this root by.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.cert)
    }

    /// Takes up a root that a user gives, and tries it: what it would sign must hold.
    ///
    /// # Errors
    /// [`Error::Unusable`] with what is wrong with it.
    pub fn given(cluster_id: &str, cert_pem: &str, key_pem: &Secret, now: Timestamp) -> Result<Self, Error> {
        const WHAT: &str = "the signing CA";
        if !key_pem.reveal().contains("-----BEGIN PRIVATE KEY-----") {
            return Err(Error::unusable(
                WHAT,
                "its key must be in PEM as PKCS #8, not encrypted (openssl pkcs8 -topk8 -nocrypt)",
            ));
        }
        if cert_pem.matches("-----BEGIN CERTIFICATE-----").count() != 1 {
            return Err(Error::unusable(WHAT, "one certificate in PEM is needed"));
        }
        let cert =
            CertificateDer::from_pem_slice(cert_pem.as_bytes()).map_err(|why| Error::unusable(WHAT, why))?;
        let (_, parsed) =
            x509_parser::parse_x509_certificate(&cert).map_err(|why| Error::unusable(WHAT, why))?;
        names::subject_of(&parsed)?;
        let now_seconds = believable(now).as_second();
        if !parsed.is_ca() {
            return Err(Error::unusable(
                WHAT,
                "its certificate is not one of an authority",
            ));
        }
        if parsed.validity().not_after.timestamp() < now_seconds {
            return Err(Error::unusable(WHAT, "its certificate has expired"));
        }
        let ca = Self::from_pem(cluster_id, cert_pem, key_pem)?;
        Identity::issue(&ca, "trial", Role::Manager, DEFAULT_VALIDITY, now)?;
        Ok(ca)
    }

    /// The `new` root's certificate signed by this one, in PEM.
    ///
    /// # Errors
    /// [`Error::Unusable`] if it can't be made.
    pub fn cross_sign(&self, new: &Self, now: Timestamp) -> Result<String, Error> {
        let unusable = |why: rcgen::Error| Error::unusable("the new root", why);
        let (_, theirs) = x509_parser::parse_x509_certificate(&new.cert)
            .map_err(|why| Error::unusable("the new root", why))?;
        let mut params = params(now, ROOT_VALIDITY)?;
        params.distinguished_name = names::subject_of(&theirs)?;
        if let Some(id) = names::key_id_of(&theirs) {
            params.key_identifier_method = KeyIdMethod::PreSpecified(id);
        }
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.use_authority_key_identifier_extension = true;
        let signed = params.signed_by(new.issuer.key(), &self.issuer);
        Ok(signed.map_err(unusable)?.pem())
    }

    /// Signs a node's certificate and returns it in PEM. Only the public key is taken from the request, after
    /// checking that it signed the request. `validity` counts from `now` (or the build's time, if that is later)
    /// and is kept between [`MIN_VALIDITY`] and [`ROOT_VALIDITY`].
    ///
    /// # Errors
    /// [`Error::Unusable`] if the request is not a good one, or its key is not ECDSA P-256.
    pub fn sign(
        &self,
        csr_pem: &str,
        subject: &Subject,
        validity: Duration,
        now: Timestamp,
    ) -> Result<String, Error> {
        let unusable = |why: rcgen::Error| Error::unusable("the certificate request", why);
        let request = CertificateSigningRequestParams::from_pem(csr_pem).map_err(unusable)?;
        if request.public_key.algorithm() != &rcgen::PKCS_ECDSA_P256_SHA256 {
            return Err(Error::unusable(
                "the certificate request",
                "its key is not ECDSA P-256",
            ));
        }
        let mut params = params(now, validity.clamp(MIN_VALIDITY, ROOT_VALIDITY))?;
        let role = subject.role.as_str();
        let alternatives = CertificateParams::new(vec![subject.node_id.clone(), role.to_owned()]);
        params.subject_alt_names = alternatives.map_err(unusable)?.subject_alt_names;
        params
            .distinguished_name
            .push(DnType::CommonName, subject.node_id.as_str());
        params
            .distinguished_name
            .push(DnType::OrganizationalUnitName, role);
        params
            .distinguished_name
            .push(DnType::OrganizationName, subject.cluster_id.as_str());
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.use_authority_key_identifier_extension = true;
        Ok(params
            .signed_by(&request.public_key, &self.issuer)
            .map_err(unusable)?
            .pem())
    }
}

/// Valid from 1970 until `validity` after now, with nothing else said yet.
pub(crate) fn params(now: Timestamp, validity: Duration) -> Result<CertificateParams, Error> {
    let now = believable(now);
    let issued = Duration::from_secs(u64::try_from(now.as_second()).unwrap_or(0));
    let mut params = CertificateParams::default();
    params.not_before = rcgen::date_time_ymd(1970, 1, 1);
    params.not_after = params.not_before + issued + validity;
    params.serial_number = Some(SerialNumber::from(names::serial(now)?));
    params.distinguished_name = DistinguishedName::new();
    Ok(params)
}

/// Subject and public key of a root certificate, DER in base 64, as `docker node inspect` shows them.
///
/// # Errors
/// [`Error::Unusable`] if it is not a certificate.
pub fn issuer_of(ca_pem: &str) -> Result<(String, String), Error> {
    let cert =
        CertificateDer::from_pem_slice(ca_pem.as_bytes()).map_err(|why| Error::unusable("the root", why))?;
    issuer_of_der(&cert)
}

pub(crate) fn issuer_of_der(cert: &CertificateDer<'_>) -> Result<(String, String), Error> {
    use base64::Engine as _;
    let (_, parsed) =
        x509_parser::parse_x509_certificate(cert).map_err(|why| Error::unusable("the root", why))?;
    let text = |der: &[u8]| base64::engine::general_purpose::STANDARD.encode(der);
    Ok((
        text(parsed.tbs_certificate.subject.as_raw()),
        text(parsed.tbs_certificate.subject_pki.raw),
    ))
}
