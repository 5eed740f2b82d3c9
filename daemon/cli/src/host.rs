//! Where the Engine API is reached: a unix socket, or TCP with a client certificate.

use anyhow::{Context as _, anyhow, bail};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

/// Largest file in a bundle of `bramble context create`, in bytes.
const LARGEST: u64 = 64 << 10;

/// A connection, of whatever kind.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// Where the Engine API is reached.
#[derive(Clone)]
pub(crate) enum Host {
    /// On this machine.
    Unix(PathBuf),
    /// Elsewhere.
    Tls {
        /// `host:port`.
        address: String,
        /// What the certificate there must be for.
        name: ServerName<'static>,
        /// Whom to trust, and what to show.
        config: Arc<rustls::ClientConfig>,
    },
}

/// What TCP takes, PEM each.
#[derive(Default)]
struct Proofs {
    root: Vec<u8>,
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Host {
    /// The host of a person's words: `--context FILE`, else `--host`, else DOCKER_HOST, else the usual socket. TCP without a
    /// context takes its certificates from the folder DOCKER_CERT_PATH, as the docker command does.
    ///
    /// # Errors
    /// What is missing, or can't be read.
    pub fn find(context: Option<&Path>, host: Option<&str>) -> anyhow::Result<Self> {
        if let Some(file) = context {
            let (said, proofs) = unpack(file).with_context(|| format!("reading {}", file.display()))?;
            return Self::tls(host.unwrap_or(&said), &proofs);
        }
        let said = std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
        let host = host.map(str::to_owned).or(said);
        match host {
            None => Ok(Self::Unix(crate::SOCKET.into())),
            Some(host) if host.starts_with("tcp://") => {
                let folder = std::env::var("DOCKER_CERT_PATH").map_err(|_| {
                    anyhow!("{host}: TCP takes a client certificate: --context FILE (bramble context create makes one)")
                })?;
                let read = |name: &str| {
                    let path = Path::new(&folder).join(name);
                    std::fs::read(&path).with_context(|| format!("reading {}", path.display()))
                };
                let proofs = Proofs {
                    root: read("ca.pem")?,
                    certificate: read("cert.pem")?,
                    key: read("key.pem")?,
                };
                Self::tls(&host, &proofs)
            }
            Some(host) => Ok(Self::Unix(host.strip_prefix("unix://").unwrap_or(&host).into())),
        }
    }

    fn tls(host: &str, proofs: &Proofs) -> anyhow::Result<Self> {
        let (address, name) = parts(host)?;
        let mut roots = rustls::RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(&proofs.root) {
            roots.add(root?).context("the root certificate")?;
        }
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&proofs.certificate).collect();
        let key = PrivateKeyDer::from_pem_slice(&proofs.key).context("the client's key")?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain.context("the client's certificate")?, key)?;
        Ok(Self::Tls {
            address,
            name,
            config: Arc::new(config),
        })
    }

    /// A new connection.
    ///
    /// # Errors
    /// If nobody answers there, or another one than expected.
    pub async fn connect(&self) -> anyhow::Result<Box<dyn Wire>> {
        match self {
            Self::Unix(socket) => {
                let stream = UnixStream::connect(socket).await;
                Ok(Box::new(stream.with_context(|| {
                    format!("{}: is bramble running here?", socket.display())
                })?))
            }
            Self::Tls {
                address,
                name,
                config,
            } => {
                let connecting = || format!("connecting to {address}");
                let stream = TcpStream::connect(address).await.with_context(connecting)?;
                let connector = TlsConnector::from(config.clone());
                let stream = connector
                    .connect(name.clone(), stream)
                    .await
                    .with_context(connecting)?;
                Ok(Box::new(stream))
            }
        }
    }
}

/// Where to connect, `host:port`, and what the certificate there must be for.
fn parts(host: &str) -> anyhow::Result<(String, ServerName<'static>)> {
    let bare = host.strip_prefix("tcp://").unwrap_or(host);
    let address = match bare.rsplit_once(':') {
        // The colons of an address in brackets are its own.
        Some((name, port)) if port.parse::<u16>().is_ok() && !name.is_empty() => bare.to_owned(),
        _ => format!("{bare}:2376"),
    };
    let name = address.rsplit_once(':').map_or("", |(name, _)| name);
    let name = ServerName::try_from(name.trim_matches(['[', ']']).to_owned())
        .map_err(|_| anyhow!("{host}: neither a host name nor an address"))?;
    Ok((address, name))
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(socket) => write!(f, "{}", socket.display()),
            Self::Tls { address, .. } => write!(f, "{address}"),
        }
    }
}

/// The host and the certificates of a file of `bramble context create`.
fn unpack(file: &Path) -> anyhow::Result<(String, Proofs)> {
    let (mut host, mut proofs) = (None, Proofs::default());
    let mut archive = tar::Archive::new(std::fs::File::open(file)?);
    for entry in archive.entries()?.take(32) {
        let entry = entry?;
        let path = entry.path()?.to_string_lossy().into_owned();
        let mut text = Vec::new();
        entry.take(LARGEST).read_to_end(&mut text)?;
        match path.as_str() {
            "meta.json" => {
                let meta: serde_json::Value = serde_json::from_slice(&text)?;
                host = meta["Endpoints"]["docker"]["Host"].as_str().map(str::to_owned);
            }
            "tls/docker/ca.pem" => proofs.root = text,
            "tls/docker/cert.pem" => proofs.certificate = text,
            "tls/docker/key.pem" => proofs.key = text,
            _ => {}
        }
    }
    match host {
        Some(host) if !proofs.key.is_empty() => Ok((host, proofs)),
        _ => bail!("not a file of bramble context create"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_socket_or_takes_a_certificate() {
        let unix = Host::find(None, Some("unix:///run/x.sock")).unwrap();
        assert_eq!(unix.to_string(), "/run/x.sock");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "not a tar").unwrap();
        let error = Host::find(Some(file.path()), None).err().unwrap();
        assert!(format!("{error:#}").contains("reading"), "{error:#}");
    }

    #[test]
    fn an_address_has_docker_s_port_unless_it_says_another() {
        for (host, address) in [
            ("tcp://10.0.0.1", "10.0.0.1:2376"),
            ("tcp://kitchen:99", "kitchen:99"),
            ("[fd00::1]:99", "[fd00::1]:99"),
            ("[fd00::1]", "[fd00::1]:2376"),
        ] {
            assert_eq!(parts(host).unwrap().0, address, "{host}");
        }
        assert!(parts("tcp://a b").is_err());
    }
}
