//! Registries, spoken to over the distribution protocol (OCI distribution-spec 1.1).

use super::Credentials;
use super::manifest::ACCEPT;
use super::reference::{DEFAULT_REGISTRY, Reference};
use crate::config::Config;
use exec::Error;
use reqwest::header::HeaderName;
use reqwest::header::{ACCEPT as ACCEPT_HEADER, CONTENT_TYPE, RANGE, WWW_AUTHENTICATE};
use reqwest::{Client, Response, StatusCode};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Largest manifest that is read (the specification's advice).
const MAX_MANIFEST: usize = 4 << 20;
/// For a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// For the next bytes of an answer.
const READ: Duration = Duration::from_secs(30);

/// All registries. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Registry {
    http: Client,
    mirror: Option<String>,
    insecure: Vec<String>,
    /// Shown to the registry that an image's name says, never to a mirror.
    credentials: Option<Arc<Credentials>>,
}

/// A manifest as a registry gave it.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    pub body: Vec<u8>,
    pub media_type: String,
    /// Where it came from: blobs are asked for there as well.
    pub base: String,
}

impl Registry {
    /// A client for the registries of the settings.
    pub fn new(config: &Config) -> Result<Self, String> {
        // Another part of the process may have installed it already: that is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder()
            .connect_timeout(CONNECT)
            .read_timeout(READ)
            .user_agent(concat!("bramble/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| error.to_string())?;
        let mirror = config
            .registry_mirror
            .as_ref()
            .map(|url| url.trim_end_matches('/').to_owned());
        Ok(Self {
            http,
            mirror,
            insecure: config.insecure_registries.clone(),
            credentials: None,
        })
    }

    /// The same, for one who has credentials.
    pub fn with(&self, credentials: Option<Credentials>) -> Self {
        Self {
            credentials: credentials.map(Arc::new),
            ..self.clone()
        }
    }

    /// Where an image is asked for: the mirror first, for plain names.
    fn bases(&self, reference: &Reference) -> Vec<String> {
        let mut bases = Vec::new();
        if reference.registry == DEFAULT_REGISTRY {
            bases.extend(self.mirror.clone());
            bases.push("https://registry-1.docker.io".to_owned());
        } else if self.is_insecure(&reference.registry) {
            bases.push(format!("http://{}", reference.registry));
        } else {
            bases.push(format!("https://{}", reference.registry));
        }
        bases
    }

    fn is_insecure(&self, registry: &str) -> bool {
        let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
        let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
        host == "localhost"
            || address.is_some_and(|address| address.is_loopback())
            || self.insecure.iter().any(|known| {
                known == registry || known == host || address.is_some_and(|address| within(address, known))
            })
    }

    /// An image's manifest or index, from the first place that has it.
    ///
    /// # Errors
    /// [`Error::NotFound`] if all places say that there is no such image; [`Error::Temporary`] if none could be asked.
    pub async fn manifest(&self, reference: &Reference, version: &str) -> Result<Answered, Error> {
        let mut failure = None;
        for base in self.bases(reference) {
            match self.manifest_at(&base, reference, version).await {
                Ok(answered) => return Ok(answered),
                Err(Error::NotFound(text)) => {
                    // The word of the last place counts, but not over an answer that says no.
                    failure = Some(Error::NotFound(text));
                }
                Err(error) => {
                    let settled = matches!(failure, Some(Error::NotFound(_)));
                    failure = if settled { failure } else { Some(error) };
                }
            }
        }
        Err(failure.unwrap_or_else(|| Error::Temporary("no registry is known".to_owned())))
    }

    /// A manifest from one place.
    pub async fn manifest_at(
        &self,
        base: &str,
        reference: &Reference,
        version: &str,
    ) -> Result<Answered, Error> {
        let url = format!("{base}/v2/{}/manifests/{version}", reference.repository);
        let response = self.get(&url, reference, (ACCEPT_HEADER, ACCEPT)).await?;
        let media_type = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim().to_owned();
        let body = bounded(response, MAX_MANIFEST).await?;
        Ok(Answered {
            body,
            media_type,
            base: base.to_owned(),
        })
    }

    /// A small blob, such as an image's config.
    pub async fn small_blob(
        &self,
        base: &str,
        reference: &Reference,
        digest: &str,
    ) -> Result<Vec<u8>, Error> {
        bounded(self.blob(base, reference, digest, 0).await?, MAX_MANIFEST).await
    }

    /// A blob from a byte on, as a response whose body is still to be read. A registry that knows no ranges sends all of it
    /// (status 200, not 206).
    pub async fn blob(
        &self,
        base: &str,
        reference: &Reference,
        digest: &str,
        from: u64,
    ) -> Result<Response, Error> {
        let url = format!("{base}/v2/{}/blobs/{digest}", reference.repository);
        let range = format!("bytes={from}-");
        let header = if from > 0 {
            (RANGE, range.as_str())
        } else {
            (ACCEPT_HEADER, "*/*")
        };
        self.get(&url, reference, header).await
    }

    /// Asks a registry, `host[:port]` or a URL, whether it takes the credentials.
    ///
    /// # Errors
    /// [`Error::Fatal`] if it does not.
    pub async fn log_in(&self, server: &str) -> Result<(), Error> {
        let host = server
            .trim_start_matches("https://")
            .trim_start_matches("http://");
        let host = host.split('/').next().unwrap_or_default();
        let base = match host {
            // As the docker command calls it.
            "" | "index.docker.io" => "https://registry-1.docker.io".to_owned(),
            host if self.is_insecure(host) => format!("http://{host}"),
            host => format!("https://{host}"),
        };
        let url = format!("{base}/v2/");
        // Only for messages and scopes.
        let reference = Reference {
            registry: host.to_owned(),
            repository: String::new(),
            tag: None,
            digest: None,
        };
        match self.get(&url, &reference, (ACCEPT_HEADER, "*/*")).await {
            Ok(_) => Ok(()),
            Err(error @ Error::Temporary(_)) => Err(error),
            Err(_) => Err(Error::Fatal(format!(
                "Get \"{url}\": unauthorized: authentication required"
            ))),
        }
    }

    async fn get(
        &self,
        url: &str,
        reference: &Reference,
        header: (HeaderName, &str),
    ) -> Result<Response, Error> {
        let unreachable = |error: reqwest::Error| Error::Temporary(format!("registry: {}", chain(&error)));
        let send = |proof: Proof| {
            let request = self.http.get(url).header(header.0.clone(), header.1);
            let request = match proof {
                Proof::None => request,
                Proof::Token(token) => request.bearer_auth(token),
                Proof::Basic(name, password) => request.basic_auth(name, Some(password)),
            };
            request.send()
        };
        let mirrored = self.mirror.as_ref().is_some_and(|mirror| url.starts_with(mirror));
        let credentials = self.credentials.as_deref().filter(|_| !mirrored);
        let first = match credentials.and_then(|credentials| credentials.registry.clone()) {
            Some(token) => Proof::Token(token),
            None => Proof::None,
        };
        let mut response = send(first).await.map_err(unreachable)?;
        if response.status() == StatusCode::UNAUTHORIZED {
            let challenge = response.headers().get(WWW_AUTHENTICATE);
            let challenge = challenge
                .and_then(|value| value.to_str().ok())
                .unwrap_or("")
                .to_owned();
            let proof = self.answer(&challenge, reference, url, credentials).await?;
            response = send(proof).await.map_err(unreachable)?;
        }
        match response.status() {
            status if status.is_success() => Ok(response),
            StatusCode::NOT_FOUND => Err(Error::NotFound(format!(
                "No such image: {}",
                reference.familiar()
            ))),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(denied(reference)),
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => Err(
                Error::Temporary(format!("registry answers {status} for {}", reference.familiar())),
            ),
            status => Err(Error::Fatal(format!(
                "registry answers {status} for {}",
                reference.familiar()
            ))),
        }
    }

    /// What a registry's challenge asks for.
    async fn answer(
        &self,
        challenge: &str,
        reference: &Reference,
        url: &str,
        credentials: Option<&Credentials>,
    ) -> Result<Proof, Error> {
        let (scheme, parameters) = challenge.split_once(' ').unwrap_or((challenge, ""));
        let basic = credentials.and_then(|credentials| credentials.basic.clone());
        match scheme.to_lowercase().as_str() {
            "basic" => basic
                .map(|(name, password)| Proof::Basic(name, password))
                .ok_or_else(|| denied(reference)),
            "bearer" => self
                .token(parameters, reference, url, credentials)
                .await
                .map(Proof::Token),
            _ => Err(denied(reference)),
        }
    }

    /// A token for reading, from the place that the registry's challenge names.
    async fn token(
        &self,
        parameters: &str,
        reference: &Reference,
        asked: &str,
        credentials: Option<&Credentials>,
    ) -> Result<String, Error> {
        let parameter = |name: &str| {
            let (_, rest) = parameters.split_once(&format!("{name}=\""))?;
            rest.split_once('"').map(|(value, _)| value.to_owned())
        };
        let realm = parameter("realm").ok_or_else(|| denied(reference))?;
        let scope = parameter("scope").unwrap_or_else(|| match reference.repository.as_str() {
            "" => String::new(),
            repository => format!("repository:{repository}:pull"),
        });
        let service = parameter("service");
        let mut url = reqwest::Url::parse(&realm).map_err(|_| denied(reference))?;
        // A registry that was asked in private does not make us show a password in the clear.
        if credentials.is_some() && url.scheme() != "https" && asked.starts_with("https://") {
            return Err(Error::Fatal(format!(
                "{realm}: the registry's token server is not spoken to in the clear"
            )));
        }
        let identity = credentials.and_then(|credentials| credentials.identity.clone());
        let request = if let Some(identity) = identity {
            let form = [
                ("grant_type", "refresh_token"),
                ("refresh_token", &identity),
                ("client_id", "bramble"),
                ("scope", &scope),
                ("service", service.as_deref().unwrap_or_default()),
            ];
            let body = form_urlencoded::Serializer::new(String::new())
                .extend_pairs(form)
                .finish();
            let form = self
                .http
                .post(url)
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
            form.body(body)
        } else {
            if !scope.is_empty() {
                url.query_pairs_mut().append_pair("scope", &scope);
            }
            if let Some(service) = service {
                url.query_pairs_mut().append_pair("service", &service);
            }
            match credentials.and_then(|credentials| credentials.basic.clone()) {
                Some((name, password)) => self.http.get(url).basic_auth(name, Some(password)),
                None => self.http.get(url),
            }
        };
        let unreachable = |error: reqwest::Error| Error::Temporary(format!("registry: {}", chain(&error)));
        let response = request.send().await.map_err(unreachable)?;
        match response.status() {
            status if status.is_success() => {}
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                return Err(Error::Temporary(format!(
                    "the registry's token server answers {status}"
                )));
            }
            _ => return Err(denied(reference)),
        }
        #[derive(serde::Deserialize)]
        struct Token {
            token: Option<String>,
            access_token: Option<String>,
        }
        let body = bounded(response, 1 << 20).await?;
        let token: Token = serde_json::from_slice(&body).map_err(|_| denied(reference))?;
        token
            .token
            .or(token.access_token)
            .ok_or_else(|| denied(reference))
    }
}

/// What a request shows.
enum Proof {
    None,
    Token(String),
    Basic(String, String),
}

fn denied(reference: &Reference) -> Error {
    Error::Fatal(format!(
        "pull access denied for {}, repository does not exist or may require authorization",
        reference.familiar()
    ))
}

/// An error and its causes: reqwest's own text says only that something went wrong.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

async fn bounded(mut response: Response, most: usize) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    loop {
        let piece = response
            .chunk()
            .await
            .map_err(|error| Error::Temporary(format!("registry: {}", chain(&error))))?;
        let Some(piece) = piece else { return Ok(body) };
        if body.len() + piece.len() > most {
            return Err(Error::Fatal(format!(
                "the registry's answer is longer than {most} bytes"
            )));
        }
        body.extend_from_slice(&piece);
    }
}

/// True if an address lies in a network such as `10.0.0.0/8`.
fn within(address: IpAddr, network: &str) -> bool {
    let Some((network, bits)) = network.split_once('/') else {
        return false;
    };
    let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>()) else {
        return false;
    };
    let top = |bytes: &[u8]| -> Vec<bool> {
        let bit = |at: u32| {
            bytes
                .get((at / 8) as usize)
                .is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1)
        };
        (0..bits.min(128)).map(bit).collect()
    };
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => top(&a.octets()) == top(&b.octets()),
        (IpAddr::V6(a), IpAddr::V6(b)) => top(&a.octets()) == top(&b.octets()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_and_declared_registries_are_spoken_to_in_the_clear() {
        let config = Config {
            insecure_registries: vec!["10.9.0.0/24".into(), "nas:5000".into()],
            registry_mirror: Some("http://mirror/".into()),
            ..Config::default()
        };
        let registry = Registry::new(&config).unwrap();
        let first = |name: &str| registry.bases(&Reference::parse(name).unwrap())[0].clone();
        assert_eq!(first("127.0.0.1:5000/a"), "http://127.0.0.1:5000");
        assert_eq!(first("10.9.0.1:5000/a"), "http://10.9.0.1:5000");
        assert_eq!(first("10.8.0.1:5000/a"), "https://10.8.0.1:5000");
        assert_eq!(first("nas:5000/a"), "http://nas:5000");
        assert_eq!(first("ghcr.io/a"), "https://ghcr.io");
        assert_eq!(first("nginx"), "http://mirror");
    }
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod doors;
