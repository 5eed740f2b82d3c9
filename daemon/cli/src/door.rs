//! The Engine API, asked by HTTP.

use crate::host::{Host, Wire};
use anyhow::Context as _;
use bytes::Bytes;
use futures::StreamExt as _;
use http::{Method, Request, Response, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio_util::io::ReaderStream;

/// For an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Largest answer, in bytes.
const LARGEST: usize = 16 << 20;
/// Longest line of an answer that comes line by line, in bytes.
const LONGEST_LINE: usize = 64 << 10;

type Body = BoxBody<Bytes, std::io::Error>;

/// The Engine API at one place.
pub struct Door {
    host: Host,
}

/// The API says no.
#[derive(Debug)]
pub(crate) struct Refused {
    /// In HTTP's numbers.
    pub status: u16,
    /// In the API's words.
    pub message: String,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refused {}

impl Door {
    /// The one at this socket.
    pub fn new(socket: PathBuf) -> Self {
        Self {
            host: Host::Unix(socket),
        }
    }

    pub(crate) fn at(host: Host) -> Self {
        Self { host }
    }

    /// The process that serves this socket: another one means that it was started again.
    ///
    /// # Errors
    /// If nobody does, or it is no socket of this machine.
    pub async fn process(&self) -> anyhow::Result<i32> {
        let Host::Unix(socket) = &self.host else {
            anyhow::bail!("{}: the process is not known from here", self.host);
        };
        let stream = UnixStream::connect(socket)
            .await
            .with_context(|| format!("{}: is bramble running here?", self.host))?;
        let pid = stream.peer_cred()?.pid();
        pid.with_context(|| format!("{}: served from another pid namespace", self.host))
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
        let asked = async {
            let body = body.map(|body| body.to_string()).unwrap_or_default();
            let request = Request::builder()
                .method(method)
                .uri(path)
                .header(header::HOST, "bramble")
                .header(header::CONTENT_TYPE, "application/json")
                .body(
                    Full::new(Bytes::from(body))
                        .map_err(|never| match never {})
                        .boxed(),
                )?;
            let answer = exchange(self.host.connect().await?, request).await?;
            whole(answer).await
        };
        tokio::time::timeout(PATIENCE, asked)
            .await
            .with_context(|| format!("no answer at {} in time", self.host))?
    }

    /// Sends a file; `sent` hears how many bytes went out, `line` each line of the answer.
    ///
    /// # Errors
    /// [`Refused`] if the API says no; else whatever broke.
    pub(crate) async fn send(
        &self,
        path: &str,
        file: tokio::fs::File,
        size: u64,
        mut sent: impl FnMut(u64) + Send + Sync + 'static,
        mut line: impl FnMut(&[u8]),
    ) -> anyhow::Result<()> {
        let mut total = 0;
        let pieces = ReaderStream::with_capacity(file, 256 << 10).map(move |piece| {
            let piece = piece?;
            total += piece.len() as u64;
            sent(total);
            Ok(Frame::data(piece))
        });
        let body: Body = BodyExt::boxed(StreamBody::new(pieces));
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::HOST, "bramble")
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(header::CONTENT_LENGTH, size)
            .body(body)?;
        let wire = tokio::time::timeout(PATIENCE, self.host.connect())
            .await
            .with_context(|| format!("no answer at {} in time", self.host))??;
        let answer = exchange(wire, request).await?;
        if !answer.status().is_success() {
            whole(answer).await?;
            return Ok(());
        }
        let (mut body, mut kept) = (answer.into_body(), Vec::new());
        while let Some(frame) = body.frame().await {
            for byte in frame?.into_data().unwrap_or_default() {
                match byte {
                    b'\n' => line(&std::mem::take(&mut kept)),
                    _ if kept.len() < LONGEST_LINE => kept.push(byte),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

async fn exchange(wire: Box<dyn Wire>, request: Request<Body>) -> anyhow::Result<Response<Incoming>> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(wire)).await?;
    // Ends with the answer's body.
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?)
}

async fn whole(answer: Response<Incoming>) -> anyhow::Result<Bytes> {
    let status = answer.status();
    let body = Limited::new(answer.into_body(), LARGEST).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!("{error}"))?.to_bytes();
    if status.is_success() {
        return Ok(body);
    }
    let said: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let message = said["message"].as_str().map(str::to_owned);
    Err(Refused {
        status: status.as_u16(),
        message: message.unwrap_or_else(|| format!("the Engine API answers {status}")),
    }
    .into())
}
