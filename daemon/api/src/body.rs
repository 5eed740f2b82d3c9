//! Request bodies: bounded, then JSON.

use crate::Error;
use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use serde::de::DeserializeOwned;

/// Largest body, in bytes: a service with its configs' references is a few KiB; swarmkit takes 1.5 MiB.
pub(crate) const MAX_BODY: usize = 4 << 20;

/// Reads a body.
///
/// # Errors
/// 413 if it is too large, before it is read where its length is announced.
pub(crate) async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, Error> {
    let too_large = || {
        Error::TooLarge(format!(
            "the request's body is too large: at most {MAX_BODY} bytes"
        ))
    };
    if announced(headers).is_some_and(|length| length > MAX_BODY as u64) {
        return Err(too_large());
    }
    axum::body::to_bytes(body, MAX_BODY)
        .await
        .map_err(|_| too_large())
}

/// How long a body says it is, in bytes.
pub(crate) fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// JSON in a body.
///
/// # Errors
/// 400 with what is wrong and where.
pub(crate) fn json<T: DeserializeOwned>(body: &Bytes) -> Result<T, Error> {
    if body.is_empty() {
        return Err(Error::Invalid(
            "invalid JSON: got EOF while reading request body".to_owned(),
        ));
    }
    serde_json::from_slice(body).map_err(|error| Error::Invalid(format!("invalid JSON: {error}")))
}
