//! Connections that become streams: attach and exec.
//!
//! The docker command asks for `Upgrade: tcp` and gets 101; older clients get 200 and use the connection all the same
//! (hyper keeps it open for them only where they ask for an upgrade, which all since 1.20 do).

use crate::Error;
use crate::backend::Stream;
use crate::local::{Said, Session};
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::{BufMut as _, Bytes, BytesMut};
use futures::StreamExt as _;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf};
use tokio::sync::mpsc;

/// For what was written to be taken by a client that has gone silent.
const STALL: Duration = Duration::from_secs(600);

/// How pieces are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// A terminal's stream: as it is.
    Raw,
    /// With a header of 8 bytes that tells the two streams apart.
    Multiplexed,
}

impl Framing {
    /// That of a terminal, or of two streams.
    pub fn of(terminal: bool) -> Self {
        if terminal { Self::Raw } else { Self::Multiplexed }
    }

    /// Its media type.
    pub fn media_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Raw => "application/vnd.docker.raw-stream",
            Self::Multiplexed => "application/vnd.docker.multiplexed-stream",
        })
    }

    /// A piece as it goes over the wire.
    pub fn write(self, (stderr, data): &Said) -> Bytes {
        if self == Self::Raw {
            return data.clone();
        }
        let mut out = BytesMut::with_capacity(8 + data.len());
        out.put_slice(&[if *stderr { 2 } else { 1 }, 0, 0, 0]);
        out.put_u32(u32::try_from(data.len()).unwrap_or(u32::MAX));
        out.put_slice(data);
        out.freeze()
    }
}

/// A request's connection, if it may become a stream.
pub(crate) fn upgrade(request: &mut Request) -> Option<OnUpgrade> {
    let asked = request.headers().get(header::UPGRADE)?;
    if !asked.as_bytes().eq_ignore_ascii_case(b"tcp") {
        return None;
    }
    request.extensions_mut().remove::<OnUpgrade>()
}

/// Answers with a session: on the connection itself if it can be had, else as a body.
pub(crate) fn answer(upgrade: Option<OnUpgrade>, session: Session, framing: Framing) -> Response {
    let Some(upgrade) = upgrade else {
        drop(session.input);
        let pieces = session
            .output
            .map(move |piece| piece.map(|piece| framing.write(&piece)));
        let mut response = crate::routes::stream(Box::pin(pieces)).into_response();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, framing.media_type());
        return response;
    };
    tokio::spawn(async move {
        match upgrade.await {
            Ok(upgraded) => pass(upgraded, session, framing).await,
            Err(error) => tracing::debug!(%error, "a stream did not come to be"),
        }
    });
    let mut response = (StatusCode::SWITCHING_PROTOCOLS, Body::empty()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, framing.media_type());
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("tcp"));
    response
}

/// Says something on a stream that can't come to be, as Docker does, and ends it.
pub(crate) fn trouble(upgrade: Option<OnUpgrade>, error: &Error, framing: Framing) -> Response {
    let text = Bytes::from(format!("{error}\r\n"));
    let output: Stream<Said> = Box::pin(futures::stream::iter([Ok((false, text))]));
    let session = Session { input: None, output };
    answer(upgrade, session, framing)
}

async fn pass(upgraded: Upgraded, session: Session, framing: Framing) {
    let (reader, mut writer) = tokio::io::split(TokioIo::new(upgraded));
    let input = session.input;
    // Also where nothing is to be read: this is how the client's going away is seen.
    let mut reading = tokio::spawn(take(reader, input));
    let mut output = session.output;
    let mut listening = true;
    loop {
        let piece = tokio::select! {
            piece = output.next() => piece,
            gone = &mut reading, if listening => {
                listening = false;
                if gone.unwrap_or(true) { return }
                continue;
            }
        };
        let bytes = match piece {
            Some(Ok(piece)) => framing.write(&piece),
            Some(Err(error)) => framing.write(&(true, Bytes::from(format!("{error}\r\n")))),
            None => break,
        };
        let written = tokio::time::timeout(STALL, async {
            writer.write_all(&bytes).await?;
            writer.flush().await
        });
        if !matches!(written.await, Ok(Ok(()))) {
            break;
        }
    }
    let _ = writer.shutdown().await;
    reading.abort();
}

/// Takes what the client writes until it says that no more comes; true if the connection broke.
async fn take(mut reader: ReadHalf<TokioIo<Upgraded>>, input: Option<mpsc::Sender<Bytes>>) -> bool {
    let mut piece = vec![0; 32 << 10];
    loop {
        match reader.read(&mut piece).await {
            Ok(0) => return false,
            Ok(count) => {
                let Some(input) = &input else { continue };
                if input.send(Bytes::copy_from_slice(&piece[..count])).await.is_err() {
                    // The process has ended: what comes now is nobody's.
                    continue;
                }
            }
            Err(_) => return true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_framed_as_docker_does() {
        let piece = (true, Bytes::from_static(b"hi\n"));
        assert_eq!(&Framing::of(false).write(&piece)[..], b"\x02\0\0\0\0\0\0\x03hi\n");
        assert_eq!(&Framing::of(true).write(&piece)[..], b"hi\n");
    }
}
