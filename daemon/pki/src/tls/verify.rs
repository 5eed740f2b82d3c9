//! The two verifiers: who may connect, and whether a server is the one meant.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{Expected, Trust, roots};
use crate::clock::unix;
use crate::names::{Names, Role};
use crate::{Digest, Identity};

/// Why a certificate that a root vouches for is refused all the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error("the certificate does not name node, role and cluster")]
    NoNode,
    #[error("the certificate is of another cluster")]
    OtherCluster,
    #[error("node {0} was removed from the cluster")]
    Barred(String),
    #[error("node {0} is not a manager")]
    NotManager(String),
    #[error("node {found} answered, not {wanted}")]
    OtherNode { found: String, wanted: String },
    #[error("the cluster's root is not the one in the join token")]
    OtherRoot,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(refusal))))
    }
}

/// Whether `root` vouches for `leaf` at that time.
pub(crate) fn verify_chain(
    leaf: &CertificateDer<'_>,
    others: &[CertificateDer<'_>],
    root: &CertificateDer<'_>,
    now: UnixTime,
) -> Result<(), Error> {
    let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
    signed_by(leaf, others, &roots(root)?, now, &algorithms)
}

fn signed_by(
    leaf: &CertificateDer<'_>,
    others: &[CertificateDer<'_>],
    roots: &RootCertStore,
    now: UnixTime,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<(), Error> {
    let parsed = ParsedCertificate::try_from(leaf)?;
    verify_server_cert_signed_by_trust_anchor(&parsed, roots, others, now, algorithms.all)
}

/// What is known of the cluster on the other side.
#[derive(Debug)]
enum Known {
    /// We are a member.
    Cluster {
        roots: RootCertStore,
        cluster_id: String,
        expected: Expected,
        trust: Trust,
    },
    /// We hold its join token.
    Root(Digest),
    /// Nothing: trust comes from a proof, later.
    Nothing,
}

/// A client's judge of servers.
#[derive(Debug)]
pub(super) struct Servers {
    known: Known,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Servers {
    /// For a member's client.
    pub(super) fn member(
        identity: &Identity,
        expected: Expected,
        trust: &Trust,
        provider: &CryptoProvider,
    ) -> Result<Self, Error> {
        let known = Known::Cluster {
            roots: roots(identity.root())?,
            cluster_id: identity.cluster_id().to_owned(),
            expected,
            trust: trust.clone(),
        };
        Ok(Self {
            known,
            algorithms: provider.signature_verification_algorithms,
        })
    }

    /// For a joiner's client.
    pub(super) fn unknown(pin: Option<Digest>, provider: &CryptoProvider) -> Self {
        let known = pin.map_or(Known::Nothing, Known::Root);
        Self {
            known,
            algorithms: provider.signature_verification_algorithms,
        }
    }

    fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        match &self.known {
            Known::Nothing => Ok(()),
            Known::Root(pin) => {
                let root = others
                    .iter()
                    .find(|root| Digest::of(root) == *pin)
                    .ok_or(Refusal::OtherRoot)?;
                signed_by(leaf, others, &roots(root)?, now, &self.algorithms)?;
                let names = Names::of(leaf).ok_or(Refusal::NoNode)?;
                // Only managers sign, and whoever answers gets the token: a worker must not.
                require_manager(names)
            }
            Known::Cluster {
                roots,
                cluster_id,
                expected,
                trust,
            } => {
                signed_by(leaf, others, roots, now, &self.algorithms)?;
                let names = member(leaf, cluster_id)?;
                if (trust.barred)(&names.node_id) {
                    return Err(Refusal::Barred(names.node_id).into());
                }
                match expected {
                    Expected::AnyManager => require_manager(names),
                    Expected::Node(wanted) if *wanted == names.node_id => Ok(()),
                    Expected::Node(wanted) => Err(Refusal::OtherNode {
                        found: names.node_id,
                        wanted: wanted.clone(),
                    }
                    .into()),
                }
            }
        }
    }
}

fn require_manager(names: Names) -> Result<(), Error> {
    match names.role {
        Role::Manager => Ok(()),
        Role::Worker => Err(Refusal::NotManager(names.node_id).into()),
    }
}

/// The names in a certificate that a root vouched for, if it is of the cluster.
fn member(leaf: &CertificateDer<'_>, cluster_id: &str) -> Result<Names, Error> {
    let names = Names::of(leaf).ok_or(Refusal::NoNode)?;
    if names.cluster_id != cluster_id {
        return Err(Refusal::OtherCluster.into());
    }
    Ok(names)
}

impl ServerCertVerifier for Servers {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.judge(end_entity, intermediates, now)
            .map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// A server's judge of clients.
#[derive(Debug)]
pub(super) struct Clients {
    chain: Arc<dyn ClientCertVerifier>,
    cluster_id: String,
}

impl Clients {
    /// For a member's listener.
    pub(super) fn new(identity: &Identity, provider: Arc<CryptoProvider>) -> Result<Self, crate::Error> {
        let roots = Arc::new(roots(identity.root())?);
        let chain = WebPkiClientVerifier::builder_with_provider(roots, provider)
            .allow_unauthenticated()
            .build()
            .map_err(|why| crate::Error::unusable("the cluster's root", why))?;
        Ok(Self {
            chain,
            cluster_id: identity.cluster_id().to_owned(),
        })
    }
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        // One that was removed is let in to be told so, and for nothing else: whoever serves asks `Trust::barred`.
        let names = member(end_entity, &self.cluster_id)?;
        // A lapsed certificate is judged by its last moment: `lapsed_peer_of` says what that is good for.
        let at = if now.as_secs() > unix(names.not_after).as_secs() {
            unix(names.not_after)
        } else {
            now
        };
        self.chain.verify_client_cert(end_entity, intermediates, at)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
