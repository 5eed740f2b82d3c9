//! Writes into containerd's content store.

use crate::client::{Client, or_gone, refusal};
use bytes::Bytes;
use containerd_client::services::v1::{
    InfoRequest, ReadContentRequest, StatusRequest, WriteAction, WriteContentRequest,
};
use exec::Error;
use futures::{Stream, StreamExt as _};
use std::collections::HashMap;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

/// One message's data: below gRPC's limit of 4 MiB.
const PIECE: usize = 1 << 20;

/// `sha256:…` of bytes.
pub(crate) fn digest_of(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest
        .as_ref()
        .iter()
        .fold("sha256:".to_owned(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// True if the content is there, whole.
pub(crate) async fn has(client: &Client, digest: &str) -> Result<bool, Error> {
    let info = client
        .content()
        .info(InfoRequest {
            digest: digest.to_owned(),
        })
        .await;
    Ok(or_gone(info).map_err(refusal("content"))?.is_some())
}

/// Reads a small piece of content.
pub(crate) async fn read(client: &Client, digest: &str) -> Result<Vec<u8>, Error> {
    let request = ReadContentRequest {
        digest: digest.to_owned(),
        offset: 0,
        size: 0,
    };
    let mut stream = client
        .content()
        .read(request)
        .await
        .map_err(refusal("content"))?
        .into_inner();
    let mut bytes = Vec::new();
    while let Some(piece) = stream.message().await.map_err(refusal("content"))? {
        bytes.extend_from_slice(&piece.data);
    }
    Ok(bytes)
}

/// How much of a piece of content is there from a write that was broken off, in bytes.
pub(crate) async fn begun(client: &Client, digest: &str) -> Result<u64, Error> {
    let request = StatusRequest {
        r#ref: reference(digest),
    };
    let status = or_gone(client.content().status(request).await).map_err(refusal("content"))?;
    let offset = status
        .and_then(|answer| answer.into_inner().status)
        .map(|status| status.offset);
    Ok(offset.and_then(|offset| u64::try_from(offset).ok()).unwrap_or(0))
}

/// Ours alone: two writers of one reference would wait for each other.
fn reference(digest: &str) -> String {
    format!("bramble-{digest}")
}

/// Writes content as it comes, from a byte on (0: anew); containerd checks that it has the digest. What is written of it stays
/// if it is broken off.
pub(crate) async fn write(
    client: &Client,
    digest: &str,
    size: u64,
    from: u64,
    labels: HashMap<String, String>,
    mut data: impl Stream<Item = Result<Bytes, Error>> + Unpin + Send,
) -> Result<(), Error> {
    let total = i64::try_from(size).map_err(|_| Error::Fatal("a layer is too large".to_owned()))?;
    let (out, requests) = mpsc::channel::<WriteContentRequest>(4);
    let request = WriteContentRequest {
        r#ref: reference(digest),
        total,
        expected: digest.to_owned(),
        ..WriteContentRequest::default()
    };
    let feed = async {
        let mut offset = i64::try_from(from).unwrap_or(0);
        let broken = || Error::Temporary("containerd broke off a write".to_owned());
        while let Some(piece) = data.next().await {
            let mut piece = piece?;
            while !piece.is_empty() {
                let part = piece.split_to(piece.len().min(PIECE));
                let length = i64::try_from(part.len()).unwrap_or(i64::MAX);
                let write = WriteContentRequest {
                    action: WriteAction::Write.into(),
                    offset,
                    data: part.to_vec(),
                    ..request.clone()
                };
                out.send(write).await.map_err(|_| broken())?;
                offset += length;
                if offset > total {
                    return Err(Error::Fatal(format!("{digest} is longer than its manifest says")));
                }
            }
        }
        let commit = WriteContentRequest {
            action: WriteAction::Commit.into(),
            offset,
            labels,
            ..request.clone()
        };
        out.send(commit).await.map_err(|_| broken())?;
        drop(out);
        Ok(())
    };
    let take = async {
        let mut answers = client
            .content()
            .write(ReceiverStream::new(requests))
            .await?
            .into_inner();
        while answers.message().await?.is_some() {}
        Ok(())
    };
    let (fed, taken): (Result<(), Error>, Result<(), tonic::Status>) = tokio::join!(feed, take);
    match taken {
        Err(status) if status.code() == Code::AlreadyExists => Ok(()),
        Err(status) if fed.is_ok() || status.code() != Code::Cancelled => Err(refusal("content")(status)),
        _ => fed,
    }
}
