//! Takes in content whose digest is not known before it is there.

use crate::client::{Client, refusal};
use bytes::Bytes;
use containerd_client::services::v1::{WriteAction, WriteContentRequest};
use containerd_client::types::Descriptor;
use exec::Error;
use futures::{Stream, StreamExt as _};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

/// One message's data: below gRPC's limit of 4 MiB.
const PIECE: usize = 1 << 20;

/// Writes content as it comes: its digest, its size, and the kind of archive that it begins like.
///
/// # Errors
/// If the data or containerd breaks off.
pub(crate) async fn ingest(
    client: &Client,
    mut data: impl Stream<Item = Result<Bytes, Error>> + Unpin + Send,
) -> Result<Descriptor, Error> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let reference = format!(
        "bramble-ingest-{}-{number}",
        jiff::Timestamp::now().as_nanosecond()
    );
    let (out, requests) = mpsc::channel::<WriteContentRequest>(4);
    let request = WriteContentRequest {
        r#ref: reference,
        ..WriteContentRequest::default()
    };
    let mut begin = Vec::new();
    let feed = async {
        let broken = || Error::Temporary("containerd broke off a write".to_owned());
        let mut offset = 0i64;
        while let Some(piece) = data.next().await {
            let mut piece = piece?;
            begin.extend_from_slice(&piece[..piece.len().min(4usize.saturating_sub(begin.len()))]);
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
            }
        }
        let commit = WriteContentRequest {
            action: WriteAction::Commit.into(),
            offset,
            ..request.clone()
        };
        out.send(commit).await.map_err(|_| broken())?;
        drop(out);
        Ok(offset)
    };
    let take = async {
        let mut answers = client
            .content()
            .write(ReceiverStream::new(requests))
            .await?
            .into_inner();
        let mut digest = String::new();
        while let Some(answer) = answers.message().await? {
            digest = answer.digest;
        }
        Ok(digest)
    };
    let (fed, taken): (Result<i64, Error>, Result<String, tonic::Status>) = tokio::join!(feed, take);
    let digest = match taken {
        Ok(digest) => digest,
        // The very same is there already: containerd says which.
        Err(status) if status.code() == Code::AlreadyExists => {
            known(status.message()).ok_or_else(|| Error::Fatal(format!("content: {}", status.message())))?
        }
        Err(status) => {
            fed?;
            return Err(refusal("content")(status));
        }
    };
    Ok(Descriptor {
        media_type: media_type(&begin).to_owned(),
        digest,
        size: fed?,
        ..Descriptor::default()
    })
}

/// The digest in `content sha256:…: already exists`.
fn known(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("sha256:")?;
    let hex: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
    (hex.len() == 64).then(|| format!("sha256:{hex}"))
}

/// How a layer is packed, by its first bytes.
fn media_type(begin: &[u8]) -> &'static str {
    match begin {
        [0x1f, 0x8b, ..] => "application/vnd.oci.image.layer.v1.tar+gzip",
        [0x28, 0xb5, 0x2f, 0xfd] => "application/vnd.oci.image.layer.v1.tar+zstd",
        _ => "application/vnd.oci.image.layer.v1.tar",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_already_is_named() {
        let digest = format!("sha256:{}", "a1".repeat(32));
        assert_eq!(known(&format!("content {digest}: already exists")), Some(digest));
        assert_eq!(known("content sha256:12: already exists"), None);
        assert_eq!(known("lost"), None);
        assert!(media_type(&[0x1f, 0x8b, 8, 0]).ends_with("gzip"));
    }
}
