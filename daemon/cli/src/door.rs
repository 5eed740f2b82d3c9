//! The Engine API, asked over its unix socket.

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::UnixStream;

/// For an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Largest answer, in bytes.
const LARGEST: usize = 4 << 20;

/// The Engine API at one socket.
pub struct Door {
    socket: PathBuf,
}

impl Door {
    /// The one at this socket.
    pub fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// The process that serves this socket: another one means that it was started again.
    ///
    /// # Errors
    /// If nobody does.
    pub async fn process(&self) -> anyhow::Result<i32> {
        let stream = self.connect().await?;
        let pid = stream.peer_cred()?.pid();
        pid.with_context(|| format!("{}: served from another pid namespace", self.socket.display()))
    }

    async fn connect(&self) -> anyhow::Result<UnixStream> {
        UnixStream::connect(&self.socket)
            .await
            .with_context(|| format!("{}: is bramble running here?", self.socket.display()))
    }

    /// Asks and reads the answer's JSON.
    ///
    /// # Errors
    /// In the API's words if it says no.
    pub async fn json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<serde_json::Value>,
    ) -> anyhow::Result<T> {
        let answer = self.ask(method, path, body).await?;
        serde_json::from_slice(&answer).with_context(|| format!("the answer to {path}"))
    }

    /// Asks; the answer's body.
    ///
    /// # Errors
    /// In the API's words if it says no.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<serde_json::Value>,
    ) -> anyhow::Result<Bytes> {
        tokio::time::timeout(PATIENCE, self.exchange(method, path, body))
            .await
            .with_context(|| format!("no answer at {} in time", self.socket.display()))?
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<serde_json::Value>,
    ) -> anyhow::Result<Bytes> {
        let stream = self.connect().await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "bramble")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))?;
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), LARGEST).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("{error}"))?.to_bytes();
        connection.abort();
        if !status.is_success() {
            let said: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
            match said["message"].as_str() {
                Some(message) => bail!("{message}"),
                None => bail!("the Engine API answers {status}"),
            }
        }
        Ok(body)
    }
}
